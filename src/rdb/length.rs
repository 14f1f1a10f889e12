//! Lengths: one to nine bytes, most significant first.
//!
//! ```text
//! 00xxxxxx                 0 to 63
//! 01xxxxxx xxxxxxxx        14 bits
//! 10000000 u32 BE
//! 10000001 u64 BE          version 8 and newer
//! 11eeeeee                 no length: a special string encoding
//! ```

use crate::bytes::take::{be_u32, be_u64, byte};
use crate::error::{Fault, Parsed, bad};

/// A length, or the sign that a specially encoded string follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// A length.
    Plain(u64),
    /// The number of a special string encoding.
    Special(u8),
}

/// A length, where nothing else may stand.
#[inline(always)]
pub fn length(input: &[u8]) -> Parsed<'_, u64> {
    match length_or_special(input)? {
        (rest, Length::Plain(n)) => Ok((rest, n)),
        (_, Length::Special(e)) => bad(input, Fault::LengthByte { byte: 0xc0 | e }),
    }
}

/// A length, or a special encoding where a string may stand.
#[inline(always)]
pub fn length_or_special(input: &[u8]) -> Parsed<'_, Length> {
    let (rest, first) = byte(input)?;
    let low = first & 0x3f;
    match first >> 6 {
        0 => Ok((rest, Length::Plain(u64::from(low)))),
        1 => {
            let (rest, second) = byte(rest)?;
            Ok((rest, Length::Plain(u64::from(low) << 8 | u64::from(second))))
        }
        3 => Ok((rest, Length::Special(low))),
        _ => wide(input, rest, first),
    }
}

fn wide<'a>(input: &'a [u8], rest: &'a [u8], first: u8) -> Parsed<'a, Length> {
    match first {
        0x80 => be_u32(rest).map(|(rest, n)| (rest, Length::Plain(u64::from(n)))),
        0x81 => be_u64(rest).map(|(rest, n)| (rest, Length::Plain(n))),
        byte => bad(input, Fault::LengthByte { byte }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::unwrap_bad;

    #[track_caller]
    fn check(bytes: &[u8], want: Result<u64, Fault>) {
        let got = length(bytes).map(|(rest, n)| {
            assert!(rest.is_empty());
            n
        });
        assert_eq!(got.map_err(|e| unwrap_bad(e).fault), want);
    }

    #[test]
    fn every_width() {
        check(b"\x0a", Ok(10));
        check(b"\x40\x64", Ok(100));
        check(b"\x42\xbc", Ok(700));
        check(b"\x80\x00\x00\x40\x00", Ok(16384));
        check(b"\x81\x00\x00\x00\x01\x00\x00\x00\x00", Ok(1 << 32));
    }

    #[test]
    fn what_is_no_length() {
        check(b"\x82", Err(Fault::LengthByte { byte: 0x82 }));
        check(b"\xc0", Err(Fault::LengthByte { byte: 0xc0 }));
        check(b"", Err(Fault::Truncated { need: 1, have: 0 }));
        check(b"\x40", Err(Fault::Truncated { need: 1, have: 0 }));
    }
}
