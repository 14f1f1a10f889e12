//! Cursors of HSCAN and SSCAN.
//!
//! A cursor is how many elements are left. The walk goes from the last one to the first: one that
//! goes leaves its place to the last, which has been given out, so none is missed.

use crate::bytes::glob::Glob;
use crate::engine::call::{int, is};
use crate::engine::{Answer, Failure};
use crate::resp::Reply;
use crate::value::Elem;

/// What a scan is told besides its cursor.
#[derive(Debug)]
pub(super) struct Options {
    /// How many elements about.
    pub(super) count: usize,
    /// Only the fields of a hash.
    pub(super) no_values: bool,
    pattern: Option<Glob>,
}

/// A stretch of elements, and the cursor for the next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) next: usize,
}

/// A cursor, out of an argument.
pub(super) fn cursor(arg: &[u8]) -> Answer<u64> {
    const INVALID: Failure = Failure::text("ERR invalid cursor");
    if arg.is_empty() || !arg.iter().all(u8::is_ascii_digit) {
        return Err(INVALID);
    }
    str::from_utf8(arg).ok().and_then(|text| text.parse().ok()).ok_or(INVALID)
}

/// The options of HSCAN (which has NOVALUES) and SSCAN.
pub(super) fn options(mut args: &[&[u8]], fields: bool) -> Answer<Options> {
    let mut options = Options { count: 10, no_values: false, pattern: None };
    loop {
        args = match args {
            [] => return Ok(options),
            [word, count, rest @ ..] if is(word, "COUNT") => {
                let count = int(count)?;
                if count < 1 {
                    return Err(Failure::SYNTAX);
                }
                options.count = usize::try_from(count).unwrap_or(usize::MAX);
                rest
            }
            [word, pattern, rest @ ..] if is(word, "MATCH") => {
                options.pattern = Some(Glob::new(pattern));
                rest
            }
            [word, rest @ ..] if is(word, "NOVALUES") => {
                if !fields {
                    return Err(Failure::text("ERR NOVALUES option can only be used in HSCAN"));
                }
                options.no_values = true;
                rest
            }
            _ => return Err(Failure::SYNTAX),
        }
    }
}

impl Options {
    /// Whether an element is asked for.
    pub(super) fn matches(&self, elem: &Elem<'_>) -> bool {
        self.pattern.as_ref().is_none_or(|glob| glob.matches(&elem.to_cow()))
    }
}

/// The stretch that a cursor stands for, among so many elements.
pub(super) fn page(cursor: u64, count: usize, len: usize) -> Page {
    let left = match usize::try_from(cursor) {
        Ok(0) | Err(_) => len,
        Ok(left) => left.min(len),
    };
    let next = left.saturating_sub(count);
    Page { from: next, to: left, next }
}

/// The reply where there is nothing to scan.
pub(super) fn nothing() -> Reply {
    Reply::Array(vec![Reply::bulk("0"), Reply::Array(Vec::new())])
}

/// The reply.
pub(super) fn reply(page: Page, elements: Vec<Reply>) -> Reply {
    Reply::Array(vec![Reply::bulk(page.next.to_string()), Reply::Array(elements)])
}
