//! Whether a server that loads a value would write it as it lies.
//!
//! ```text
//! ziplists, zipmaps              made listpacks by servers that have these
//! listpacks, intsets             made tables where they have too many elements
//! one by one                     packed where they have few and short ones
//! streams                        written in the newest layout that the server has
//! ```
//!
//! Nothing is unpacked or copied to tell: of values that lie one by one the lengths are looked at,
//! as far as the first one that is too long.

use crate::bytes::number::integer;
use crate::bytes::take::take;
use crate::error::FormatError;
use crate::rdb::{Entry, Limits, Target, Text, ValueType, length};

/// Whether a server would write a value as it lies, once it has loaded it.
pub fn stays(entry: &Entry<'_>, server: &Target) -> Result<bool, Box<FormatError>> {
    use ValueType::*;
    let limits = &server.limits;
    let most = match entry.value_type {
        Stream => return Ok(server.stream_layout() == Some(1)),
        Stream2 => return Ok(server.stream_layout() == Some(2)),
        Stream3 => return Ok(server.stream_layout() == Some(3)),
        Stream4 => return Ok(server.stream_layout() == Some(4)),
        List | ListZiplist => return Ok(!server.has_quicklists()),
        ListQuicklist => return Ok(!server.has_listpacks()),
        SortedSet if server.has_binary_scores() => return Ok(false),
        HashZiplist | SortedSetZiplist if server.has_listpacks() => return Ok(false),
        HashZipmap | HashMetadataPreGa | HashListpackExPreGa => return Ok(false),
        HashZiplist | HashListpack | HashListpackEx | Hash | HashMetadata => limits.hash_entries,
        SortedSetZiplist | SortedSetListpack | SortedSet | SortedSet2 => limits.zset_entries,
        // Of integers a table may have come from either.
        SetIntset | Set => limits.intset_entries,
        SetListpack => limits.set_entries,
        _ => return Ok(true),
    };
    let is_large = entry.shape()?.elements > most as u64;
    let is_packed = !matches!(entry.value_type, Set | Hash | HashMetadata | SortedSet | SortedSet2);
    Ok(if is_packed { !is_large } else { is_large || !fits(entry, limits).unwrap_or(false) })
}

/// Whether the server packs a value that lies one by one and has few enough elements. `None` where
/// it is not what it says: whoever reads it says so.
fn fits(entry: &Entry<'_>, limits: &Limits) -> Option<bool> {
    use ValueType::*;
    let mut rest = entry.body();
    if entry.value_type == HashMetadata {
        rest = rest.get(8..)?;
    }
    let (mut rest, count) = length(rest).ok()?;
    if entry.value_type == Set {
        return set_fits(rest, count, limits);
    }
    for _ in 0..count {
        if entry.value_type == HashMetadata {
            (rest, _) = length(rest).ok()?;
        }
        let (behind, first) = Text::parse(rest).ok()?;
        let (behind, longest, most) = match entry.value_type {
            SortedSet2 => (take(behind, 8).ok()?.0, first.len(), limits.zset_value),
            // Before 4.0, of whose servers a score is text.
            SortedSet => (ascii_double(behind)?, first.len(), limits.zset_value),
            _ => {
                let (behind, value) = Text::parse(behind).ok()?;
                (behind, first.len().max(value.len()), limits.hash_value)
            }
        };
        if longest > most as u64 {
            return Some(false);
        }
        rest = behind;
    }
    Some(true)
}

/// The same of a set, which is packed in one way or the other.
fn set_fits(mut rest: &[u8], count: u64, limits: &Limits) -> Option<bool> {
    let is_small = count <= limits.set_entries as u64;
    let mut only_integers = true;
    for _ in 0..count {
        let (behind, member) = Text::parse(rest).ok()?;
        only_integers &= match member {
            Text::Raw(text) => integer(text).is_some(),
            Text::Int(_) => true,
            Text::Lzf { .. } => false,
        };
        if !only_integers && (!is_small || member.len() > limits.set_value as u64) {
            return Some(false);
        }
        rest = behind;
    }
    Some(true)
}

/// What is behind a score that is text.
fn ascii_double(input: &[u8]) -> Option<&[u8]> {
    match input.split_first()? {
        (253..=255, rest) => Some(rest),
        (len, rest) => rest.get(usize::from(*len)..),
    }
}

#[cfg(test)]
mod tests {
    use super::stays;
    use crate::rdb::{Entry, Target, ValueType};

    #[track_caller]
    fn check(server: &str, ty: ValueType, body: &[u8], want: bool) {
        let server: Target = server.parse().unwrap();
        assert_eq!(stays(&Entry::of_body(b"key", ty, body, 0), &server).unwrap(), want);
    }

    #[test]
    fn what_lies_one_by_one_stays_where_it_is_large() {
        let long = [&b"\x01\x01f\x40\x41"[..], &[b'v'; 65]].concat();
        check("redis:7.0", ValueType::Hash, b"\x01\x01f\x01v", false);
        check("redis:6.2", ValueType::Hash, b"\x01\x01f\x01v", false);
        check("redis:7.0", ValueType::Hash, &long, true);
        // The field is short, and the value once it is unpacked is not.
        check("redis:7.0", ValueType::Hash, b"\x01\x01f\xc3\x02\x40\x41\0\0", true);
        let many = [&b"\x42\x01"[..], &b"\x01f\x01v".repeat(513)].concat();
        check("valkey:9.1", ValueType::Hash, &many, true);
        check("redis:8.0", ValueType::SortedSet2, b"\x01\x01m\0\0\0\0\0\0\0\0", false);
        check("redis:3.2", ValueType::SortedSet, b"\x01\x01m\x011", false);
        check("redis:8.0", ValueType::HashMetadata, b"\0\0\0\0\0\0\0\0\x01\0\x01f\x01v", false);
    }

    #[test]
    fn a_set_is_packed_in_two_ways() {
        check("redis:6.2", ValueType::Set, b"\x02\xc0\x05\x027x", true);
        check("redis:6.2", ValueType::Set, b"\x02\xc0\x05\x0277", false);
        check("redis:7.2", ValueType::Set, b"\x02\xc0\x05\x027x", false);
        let numbers = [&b"\x40\xc8"[..], &b"\xc0\x05".repeat(199), b"\x01x"].concat();
        check("redis:7.2", ValueType::Set, &numbers, true);
        let numbers = [&b"\x40\xc8"[..], &b"\xc0\x05".repeat(200)].concat();
        check("redis:7.2", ValueType::Set, &numbers, false);
    }

    #[test]
    fn what_a_newer_server_has_no_more_does_not_stay() {
        for (ty, old) in [
            (ValueType::HashZiplist, "redis:6.2"),
            (ValueType::SortedSetZiplist, "redis:6.2"),
            (ValueType::ListQuicklist, "redis:6.2"),
            (ValueType::ListZiplist, "redis:3.0"),
        ] {
            let body = b"\x0b\x0b\0\0\0\x0a\0\0\0\0\0\xff";
            check(old, ty, body, true);
            check("redis:7.0", ty, body, false);
        }
    }
}
