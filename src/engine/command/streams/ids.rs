//! The ids of entries as commands spell them.

use crate::bytes::number::loose_unsigned;
use crate::engine::stream::{FIRST, LAST, after, before};
use crate::engine::{Answer, Failure};
use crate::value::StreamId;

const INVALID: Failure =
    Failure::text("ERR Invalid stream ID specified as stream command argument");

/// No id is longer.
const MOST_BYTES: usize = 127;

/// The id that an entry is to get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NewId {
    /// Whatever comes next.
    Next,
    /// The next of this millisecond.
    NextOf(u64),
    /// This one.
    This(StreamId),
}

/// An id: `ms` or `ms-seq`, where the second part is this if it is missing.
pub(super) fn id(arg: &[u8], missing: u64) -> Answer<StreamId> {
    match parse(arg, missing) {
        Some(NewId::This(id)) => Ok(id),
        _ => Err(INVALID),
    }
}

/// The id of a new entry: also `ms-*`. (`*` is an argument of its own.)
pub(super) fn new_id(arg: &[u8]) -> Answer<NewId> {
    parse(arg, 0).ok_or(INVALID)
}

/// The start of an interval: also `-`, `+`, and `(` in front of what is left out.
pub(super) fn start(arg: &[u8]) -> Answer<StreamId> {
    match edge(arg, 0)? {
        (id, false) => Ok(id),
        (id, true) => after(id).ok_or(Failure::text("ERR invalid start ID for the interval")),
    }
}

/// The end of an interval.
pub(super) fn end(arg: &[u8]) -> Answer<StreamId> {
    match edge(arg, u64::MAX)? {
        (id, false) => Ok(id),
        (id, true) => before(id).ok_or(Failure::text("ERR invalid end ID for the interval")),
    }
}

fn edge(arg: &[u8], missing: u64) -> Answer<(StreamId, bool)> {
    match arg {
        b"-" => Ok((FIRST, false)),
        b"+" => Ok((LAST, false)),
        [b'(', rest @ ..] if !rest.is_empty() => Ok((id(rest, missing)?, true)),
        _ => Ok((id(arg, missing)?, false)),
    }
}

fn parse(arg: &[u8], missing: u64) -> Option<NewId> {
    if arg.len() > MOST_BYTES {
        return None;
    }
    // Servers read it as text that ends with a zero byte.
    let text = arg.split(|&byte| byte == 0).next()?;
    let Some(dash) = text.iter().position(|&byte| byte == b'-') else {
        return Some(NewId::This(StreamId { ms: loose_unsigned(text)?, seq: missing }));
    };
    let (ms, seq) = text.split_at_checked(dash)?;
    match (loose_unsigned(ms)?, seq.get(1..)?) {
        (ms, b"*") => Some(NewId::NextOf(ms)),
        (ms, seq) => Some(NewId::This(StreamId { ms, seq: loose_unsigned(seq)? })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: Option<NewId>) {
        assert_eq!(parse(text.as_bytes(), 7), want, "{text}");
    }

    #[test]
    fn ids_are_read_as_servers_read_them() {
        let id = |ms, seq| Some(NewId::This(StreamId { ms, seq }));
        check("5-6", id(5, 6));
        check("5", id(5, 7));
        check("05-+06", id(5, 6));
        check("5-*", Some(NewId::NextOf(5)));
        check("18446744073709551615-18446744073709551615", id(u64::MAX, u64::MAX));
        check("5-6\0x", id(5, 6));
        for text in ["", "-", "+", "*", "x", "5-", "-5", "5--6", "5-6-7", "18446744073709551616"] {
            check(text, None);
        }
    }
}
