//! Strings as a snapshot stores them: raw, as an integer, or compressed.
//!
//! ```text
//! length, bytes
//! C0 i8    C1 i16 LE    C2 i32 LE      the decimal text of the integer
//! C3 packed length, length, bytes      LZF
//! ```

use std::borrow::Cow;

use nom::Parser;
use nom::number::complete::{le_i8, le_i16, le_i32};

use super::length::{Length, length, length_or_special};
use crate::bytes::lzf;
use crate::bytes::take::take;
use crate::error::{Fault, Parsed, bad};
use crate::value::Elem;

/// The first byte of a compressed string.
pub const LZF_STRING: u8 = 0xc3;

/// By its first byte the size of a string in the file, if that byte is enough to tell it.
#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks it")]
static SHORT_SIZES: [u8; 256] = {
    let mut sizes = [0; 256];
    let mut len = 0;
    while len < 64 {
        sizes[len] = 1 + len as u8;
        len += 1;
    }
    (sizes[0xc0], sizes[0xc1], sizes[0xc2]) = (2, 3, 5);
    sizes
};

/// A string, not decoded yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text<'a> {
    /// The bytes themselves.
    Raw(&'a [u8]),
    /// An integer; what a client sees is its decimal text.
    Int(i32),
    /// Compressed bytes.
    Lzf {
        /// As in the file.
        packed: &'a [u8],
        /// The length that the file claims they unpack to.
        len: u64,
    },
}

impl<'a> Text<'a> {
    /// Reads a string's frame; nothing is decompressed.
    #[inline(always)]
    pub fn parse(input: &'a [u8]) -> Parsed<'a, Text<'a>> {
        if let [len @ 0..64, rest @ ..] = input
            && let Some((bytes, rest)) = rest.split_at_checked(usize::from(*len))
        {
            return Ok((rest, Text::Raw(bytes)));
        }
        Self::parse_long(input)
    }

    /// The same of one whose length takes more than a byte, or that is none of plain bytes.
    pub(super) fn parse_long(input: &'a [u8]) -> Parsed<'a, Text<'a>> {
        match length_or_special(input)? {
            (rest, Length::Plain(n)) => take(rest, n).map(|(rest, bytes)| (rest, Text::Raw(bytes))),
            (rest, Length::Special(e)) => Self::special(input, rest, e),
        }
    }

    /// Steps over a string.
    #[inline(always)]
    pub fn skip(input: &'a [u8]) -> Parsed<'a, ()> {
        match Self::skip_short(input) {
            Some(rest) => Ok((rest, ())),
            None => Self::skip_long(input),
        }
    }

    /// Steps over a string that is not compressed and whose first byte tells its size: nearly
    /// every one.
    #[inline(always)]
    pub(super) fn skip_short(input: &'a [u8]) -> Option<&'a [u8]> {
        // No branch for each encoding: which one comes next is anybody's guess.
        match SHORT_SIZES.get(usize::from(*input.first()?)) {
            Some(&size @ 1..) => input.get(usize::from(size)..),
            _ => None,
        }
    }

    fn skip_long(input: &'a [u8]) -> Parsed<'a, ()> {
        match length_or_special(input)? {
            (rest, Length::Plain(n)) => take(rest, n).map(|(rest, _)| (rest, ())),
            (rest, Length::Special(e)) => Self::special(input, rest, e).map(|(rest, _)| (rest, ())),
        }
    }

    fn special(input: &'a [u8], rest: &'a [u8], encoding: u8) -> Parsed<'a, Text<'a>> {
        match encoding {
            0 => le_i8.map(|n| Text::Int(n.into())).parse(rest),
            1 => le_i16.map(|n| Text::Int(n.into())).parse(rest),
            2 => le_i32.map(Text::Int).parse(rest),
            3 => {
                let (rest, packed_len) = length(rest)?;
                let (rest, len) = length(rest)?;
                let (rest, packed) = take(rest, packed_len)?;
                Ok((rest, Text::Lzf { packed, len }))
            }
            e => bad(input, Fault::StringEncoding { byte: 0xc0 | e }),
        }
    }

    /// The number of bytes that a client would see, as far as the file says.
    #[inline]
    pub fn len(&self) -> u64 {
        match *self {
            Text::Raw(bytes) => bytes.len() as u64,
            Text::Int(n) => Elem::Int(n.into()).len(),
            Text::Lzf { len, .. } => len,
        }
    }

    /// Whether a client would see nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element that this string is; a compressed one is unpacked into `room`.
    #[inline]
    pub fn elem<'s>(&self, room: &'s mut Vec<u8>) -> Result<Elem<'s>, Fault>
    where
        'a: 's,
    {
        match *self {
            Text::Raw(bytes) => Ok(Elem::Bytes(bytes)),
            Text::Int(n) => Ok(Elem::Int(n.into())),
            Text::Lzf { packed, len } => {
                lzf::decompress(packed, len, room)?;
                Ok(Elem::Bytes(room))
            }
        }
    }

    /// The bytes of a blob (a listpack, an intset): as they lie in the file where they are raw.
    #[inline]
    pub fn blob<'s>(&self, room: &'s mut Vec<u8>) -> Result<&'s [u8], Fault>
    where
        'a: 's,
    {
        match *self {
            Text::Raw(bytes) => Ok(bytes),
            Text::Int(n) => {
                room.clear();
                room.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
                Ok(room)
            }
            Text::Lzf { packed, len } => {
                lzf::decompress(packed, len, room)?;
                Ok(room)
            }
        }
    }

    /// The bytes that a client would see.
    pub fn to_cow(&self) -> Result<Cow<'a, [u8]>, Fault> {
        match *self {
            Text::Raw(bytes) => Ok(Cow::Borrowed(bytes)),
            Text::Int(n) => Ok(Elem::Int(n.into()).to_cow()),
            Text::Lzf { packed, len } => {
                let mut out = Vec::new();
                lzf::decompress(packed, len, &mut out)?;
                Ok(Cow::Owned(out))
            }
        }
    }

    /// The first bytes, up to `out.len()`: for headers of blobs. Returns how many there are.
    pub fn prefix(&self, out: &mut [u8]) -> Result<usize, Fault> {
        match *self {
            Text::Raw(bytes) => {
                let n = bytes.len().min(out.len());
                for (slot, byte) in out.iter_mut().zip(bytes) {
                    *slot = *byte;
                }
                Ok(n)
            }
            Text::Int(_) => Ok(0),
            Text::Lzf { packed, .. } => lzf::prefix(packed, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::unwrap_bad;

    #[track_caller]
    fn check(bytes: &[u8], want: Result<&[u8], Fault>) {
        let parsed = Text::parse(bytes);
        assert_eq!(Text::skip(bytes).is_ok(), parsed.is_ok());
        let got = parsed.map_err(|e| unwrap_bad(e).fault).and_then(|(rest, text)| {
            assert!(rest.is_empty());
            let bytes = text.to_cow()?;
            assert_eq!(text.len(), bytes.len() as u64);
            Ok(bytes.into_owned())
        });
        assert_eq!(got, want.map(<[u8]>::to_vec));
    }

    #[test]
    fn every_encoding() {
        check(b"\x05hello", Ok(b"hello"));
        check(b"\x00", Ok(b""));
        check(b"\xc0\xf9", Ok(b"-7"));
        check(b"\xc1\x39\x30", Ok(b"12345"));
        check(b"\xc2\x00\x6c\xca\x88", Ok(b"-2000000000"));
        check(b"\xc3\x05\x1e\x00\x61\xe0\x14\x00", Ok(&[b'a'; 30]));
    }

    #[test]
    fn what_is_no_string() {
        check(b"\xc4", Err(Fault::StringEncoding { byte: 0xc4 }));
        check(b"\x05hell", Err(Fault::Truncated { need: 5, have: 4 }));
        check(b"\xc3\x05\x1f\x00\x61\xe0\x14\x00", Err(Fault::LzfLength { want: 31, got: 30 }));
    }
}
