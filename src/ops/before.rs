//! A time that is asked for, held against when the snapshot in front of a log was written.

use crate::error::{Error, Result};
use crate::rdb::{Framer, Header, Record};
use crate::report::text::instant;

/// How many bytes of a snapshot hold what it says of itself.
pub(super) const HEAD_BYTES: usize = 4 << 10;

/// Refuses a time at which the snapshot, whose first bytes are given, was not there yet: what it
/// holds cannot be taken back.
pub(super) fn refuse(name: &str, head: &[u8], until_secs: Option<u64>) -> Result<()> {
    match (until_secs, written_secs(head)) {
        (Some(until), Some(written)) if written > until => Err(Error::Usage(format!(
            "{name}: the base was written at {}, later than the time asked for, {}: how things \
             were then is not in this log",
            time(written),
            time(until)
        ))),
        _ => Ok(()),
    }
}

/// What is said where a time is asked for, and the log knows none.
pub(super) fn no_times(name: &str) -> Error {
    Error::Usage(format!(
        "{name} has no time annotations (a server writes them with aof-timestamp-enabled yes): \
         give an offset or the number of a command instead"
    ))
}

fn time(secs: u64) -> String {
    instant(i64::try_from(secs).unwrap_or(i64::MAX).saturating_mul(1000))
}

/// When a snapshot was written, unix time in seconds, if it says so.
fn written_secs(head: &[u8]) -> Option<u64> {
    let (mut rest, header) = Header::parse(head).ok()?;
    let mut framer = Framer::new(header);
    loop {
        let (Record::Aux { name, value }, behind) = framer.next(rest, 0).ok()? else { return None };
        if name.to_cow().ok()?.eq_ignore_ascii_case(b"ctime") {
            return std::str::from_utf8(&value.to_cow().ok()?).ok()?.parse().ok();
        }
        rest = behind;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(head: &[u8], until: u64, is_refused: bool) {
        assert_eq!(refuse("log", head, Some(until)).is_err(), is_refused);
    }

    #[test]
    fn no_time_before_the_base() {
        let head = b"REDIS0012\xfa\x03a-b\x01c\xfa\x05ctime\x041000\xfe\0";
        check(head, 999, true);
        check(head, 1000, false);
        check(b"REDIS0012\xfe\0", 999, false);
        check(b"", 999, false);
    }
}
