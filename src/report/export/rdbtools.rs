//! The memory report of redis-rdb-tools, which scripts everywhere read:
//! `database,type,key,size_in_bytes,encoding,num_elements,len_largest_element,expiry`.
//!
//! Its words are kept: a zset is a `sortedset`, the encoding of a string is `string`, and the number
//! of elements of a string is its length. An integer that is stored as such is 8 long, whatever its
//! digits. An expiry is a time in UTC without a zone, with six digits
//! behind the second where it has a fraction.

use jiff::Timestamp;

use crate::report::csv;
use crate::report::json::push_number;
use crate::report::keys::KeyRow;
use crate::report::short;
use crate::value::Kind;

/// Names of the columns.
pub(crate) const COLUMNS: &[u8] =
    b"database,type,key,size_in_bytes,encoding,num_elements,len_largest_element,expiry\r\n";

/// The length of an integer that is stored as such: that of a long.
pub(crate) fn integer(_: i64) -> u64 {
    8
}

/// Appends the row of a key: `memory_bytes` is its size, `longest` the length of the longest part
/// of its value.
pub(crate) fn push_key(out: &mut Vec<u8>, row: &KeyRow<'_>, memory_bytes: u64, longest: u64) {
    let is_string = row.kind == Kind::String.name();
    push_number(out, row.db);
    out.push(b',');
    let kind = if row.kind == Kind::SortedSet.name() { "sortedset" } else { row.kind };
    out.extend_from_slice(kind.as_bytes());
    out.push(b',');
    csv::push_bytes(out, row.key);
    out.push(b',');
    push_number(out, memory_bytes);
    out.push(b',');
    out.extend_from_slice(if is_string { b"string" } else { row.encoding.as_bytes() });
    for number in [if is_string { longest } else { row.elements }, longest] {
        out.push(b',');
        push_number(out, number);
    }
    out.push(b',');
    if let Some(at_ms) = row.expires_at_ms {
        push_time(out, at_ms);
    }
    csv::end(out);
}

/// Appends the row of a string of `len` bytes without expiry, and says so, where its key is short and
/// stands in CSV as it is.
#[inline]
pub(crate) fn push_string(
    out: &mut Vec<u8>,
    db: u64,
    key: &[u8],
    memory_bytes: u64,
    len: u64,
) -> bool {
    let pushed = short::append(out, |short| {
        short.number(db)?;
        short.put(b",string,")?;
        // What CSV does not have as it is JSON has not either, but for the comma.
        short.plain(key).filter(|()| !key.contains(&b','))?;
        short.put(b",")?;
        short.number(memory_bytes)?;
        short.put(b",string,")?;
        short.number(len)?;
        short.put(b",")?;
        short.number(len)?;
        short.put(b",\r\n")
    });
    pushed.is_some()
}

/// `2100-01-01T00:00:00.123000`; a time that no calendar has is told in milliseconds.
fn push_time(out: &mut Vec<u8>, at_ms: i64) {
    let Ok(time) = Timestamp::from_millisecond(at_ms) else { return push_number(out, at_ms) };
    let form = if at_ms % 1000 == 0 { "%Y-%m-%dT%H:%M:%S" } else { "%Y-%m-%dT%H:%M:%S.%6f" };
    out.extend_from_slice(time.strftime(form).to_string().as_bytes());
}

#[cfg(test)]
mod tests {
    use super::{push_key, push_string, push_time};
    use crate::report::keys::KeyRow;

    #[test]
    fn the_quick_way_says_what_the_plain_way_says() {
        let mut quick = 0;
        for len in 0..70 {
            for care in ["", ",", "\"", "\\", "\n", "\r", "\u{e9}"] {
                let mut key = "user:1234567890 abcdefghijklmnopqrstuvwxyz ".repeat(2);
                key.truncate(len);
                for at in 0..=len {
                    let key = [&key[..at], care, &key[at..]].concat();
                    let (mut out, mut want) = (b"x".to_vec(), b"x".to_vec());
                    let row = KeyRow {
                        db: at as u64 * 7,
                        key: key.as_bytes(),
                        kind: "string",
                        encoding: "raw",
                        elements: 1,
                        size_bytes: 1,
                        memory_bytes: None,
                        expires_at_ms: None,
                        eviction: None,
                    };
                    push_key(&mut want, &row, 1 << len.min(60), len as u64);
                    if push_string(&mut out, row.db, row.key, 1 << len.min(60), len as u64) {
                        quick += 1;
                        assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(&want));
                    } else {
                        assert_eq!(out, b"x");
                    }
                }
            }
        }
        assert!(quick > 500, "{quick}");
    }

    #[test]
    fn times_are_those_of_the_reports_that_scripts_know() {
        let text = |at_ms| {
            let mut out = Vec::new();
            push_time(&mut out, at_ms);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(4_102_444_800_123), "2100-01-01T00:00:00.123000");
        assert_eq!(text(4_102_444_800_000), "2100-01-01T00:00:00");
        assert_eq!(text(i64::MAX), i64::MAX.to_string());
    }
}
