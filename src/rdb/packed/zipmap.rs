//! Zipmap: a small hash as Redis up to 2.4 wrote it.
//!
//! ```text
//! count u8      pairs; 254 says that they must be counted, 255 is nothing
//! pairs         length, field, length, free u8, value, `free` bytes that nobody uses
//! 0xff
//!
//! length: u8, or fe and u32 LE
//! ```
//!
//! The long form is only for lengths that the short one cannot say. A length of 255 is the end, so every length byte is also a question whether anything follows.

use super::Flaw;
use crate::error::Fault;

const END: u8 = 0xff;
const WIDE: u8 = 0xfe;

/// A zipmap that ends with its end byte. Its pairs have not been looked at.
#[derive(Debug, Clone, Copy)]
pub struct Zipmap<'a> {
    blob: &'a [u8],
    pairs: &'a [u8],
    count: u8,
}

impl<'a> Zipmap<'a> {
    /// Looks at the end byte and the count's.
    pub fn new(blob: &'a [u8]) -> Result<Self, Fault> {
        match blob {
            [END, .., END] => Err(Fault::ZipmapCountByte),
            [count, pairs @ .., END] => Ok(Zipmap { blob, pairs, count: *count }),
            _ => Err(Fault::ZipmapEntry),
        }
    }

    /// The number of pairs as the header says it; `None` where they must be counted.
    pub fn header_count(&self) -> Option<u64> {
        (self.count < WIDE).then_some(self.count.into())
    }

    /// The number of pairs: the header's, or counted where it says none.
    pub fn count(&self) -> Result<u64, Flaw> {
        match self.header_count() {
            Some(count) => Ok(count),
            None => self.iter().try_fold(0, |n, pair| pair.map(|_| n + 1)),
        }
    }

    /// Fields and values. The first error is the last item.
    pub fn iter(&self) -> ZipmapIter<'a> {
        ZipmapIter { rest: self.pairs, end: 1 + self.pairs.len() }
    }

    /// The field at an offset that [`ZipmapIter::offset`] gave.
    pub(in crate::rdb) fn field_at(&self, at: u64) -> Option<&'a [u8]> {
        let (field, _) = string(self.blob.get(usize::try_from(at).ok()?..)?, 0).ok()?;
        Some(field)
    }

    /// What the header says wrongly of `entries` pairs.
    pub(in crate::rdb) fn flaw(&self, entries: u64) -> Option<Flaw> {
        let header = self.header_count().filter(|&header| header != entries)?;
        Some(Flaw { at: 0, fault: Fault::ZipmapCount { header, entries } })
    }
}

impl<'a> IntoIterator for Zipmap<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), Flaw>;
    type IntoIter = ZipmapIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// See [`Zipmap::iter`].
#[derive(Debug, Clone)]
pub struct ZipmapIter<'a> {
    rest: &'a [u8],
    /// The offset at which `rest` ends.
    end: usize,
}

impl ZipmapIter<'_> {
    /// Where the next pair begins, bytes behind the start of the blob.
    pub fn offset(&self) -> u64 {
        (self.end - self.rest.len()) as u64
    }
}

impl<'a> Iterator for ZipmapIter<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), Flaw>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match pair(self.rest) {
            Ok([field, value, rest]) => {
                self.rest = rest;
                Some(Ok((field, value)))
            }
            Err(fault) => {
                let at = self.offset();
                self.rest = &[];
                Some(Err(Flaw { at, fault }))
            }
        }
    }
}

fn pair(input: &[u8]) -> Result<[&[u8]; 3], Fault> {
    let (field, rest) = string(input, 0)?;
    let (value, rest) = string(rest, 1)?;
    Ok([field, value, rest])
}

/// A length, its string, and (behind values) the free byte in between and the bytes that it frees.
fn string(input: &[u8], free: usize) -> Result<(&[u8], &[u8]), Fault> {
    let (len, rest) = match input {
        [WIDE, a, b, c, d, rest @ ..] => {
            let len = u32::from_le_bytes([*a, *b, *c, *d]);
            if len < WIDE.into() {
                return Err(Fault::ZipmapLength { len });
            }
            (usize::try_from(len).map_err(|_| Fault::ZipmapEntry)?, rest)
        }
        [END | WIDE, ..] | [] => return Err(Fault::ZipmapEntry),
        [len, rest @ ..] => (usize::from(*len), rest),
    };
    let parts = rest.split_at_checked(free).and_then(|(unused, rest)| {
        let (bytes, rest) = rest.split_at_checked(len)?;
        let unused = unused.first().copied().unwrap_or(0);
        Some((bytes, rest.get(usize::from(unused)..)?))
    });
    parts.ok_or(Fault::ZipmapEntry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(blob: &[u8], want: &[(&str, &str)], flaw: Option<Flaw>) {
        let map = Zipmap::new(blob).expect("an end byte");
        let mut pairs = Vec::new();
        let mut found = None;
        for pair in map.iter() {
            match pair {
                Ok(pair) => pairs.push(pair),
                Err(flaw) => found = Some(flaw),
            }
        }
        let found = found.or_else(|| map.flaw(pairs.len() as u64));
        let want: Vec<_> = want.iter().map(|(f, v)| (f.as_bytes(), v.as_bytes())).collect();
        assert_eq!(pairs, want);
        assert_eq!(found, flaw);
    }

    #[test]
    fn pairs_and_what_they_leave_free() {
        let sample =
            b"\x02\x02\x66\x31\x02\x00\x76\x31\x02\x66\x32\x05\x00\x68\x65\x6c\x6c\x6f\xff";
        check(sample, &[("f1", "v1"), ("f2", "hello")], None);
        assert_eq!(Zipmap::new(sample).unwrap().field_at(8), Some(&b"f2"[..]));
        check(b"\x01\x01a\x01\x03bxyz\xff", &[("a", "b")], None);
        let long = "v".repeat(254);
        let wide = [b"\xfe\x01a\xfe\xfe\0\0\0\x00", long.as_bytes(), b"\xff"].concat();
        check(&wide, &[("a", &long)], None);
        assert_eq!(Zipmap::new(b"\xfe\x01a\x01\x00b\xff").unwrap().count(), Ok(1));
    }

    #[test]
    fn what_does_not_fit() {
        let entry = |at| Some(Flaw { at, fault: Fault::ZipmapEntry });
        check(b"\x01\x01a\x01\x04bxyz\xff", &[], entry(1));
        check(b"\x01\x09a\x01\x00b\xff", &[], entry(1));
        check(b"\x01\xfe\x01\0\xff", &[], entry(1));
        let length = Some(Flaw { at: 1, fault: Fault::ZipmapLength { len: 1 } });
        check(b"\x01\xfe\x01\0\0\0a\x01\x00b\xff", &[], length);
        check(b"\x01\x01a\xfe\x01\0\0\0\x00b\xff", &[], length);
        check(b"\x02\x01a\x01\x00b\xff\x00\xff", &[("a", "b")], entry(6));
        check(
            b"\x02\x01a\x01\x00b\xff",
            &[("a", "b")],
            Some(Flaw { at: 0, fault: Fault::ZipmapCount { header: 2, entries: 1 } }),
        );
        assert_eq!(Zipmap::new(b"\xff").map(|_| ()), Err(Fault::ZipmapEntry));
        let all = b"\xff\x01a\x01\x00b\xff";
        assert_eq!(Zipmap::new(all).map(|_| ()), Err(Fault::ZipmapCountByte));
        assert_eq!(Zipmap::new(b"\x00\x00").map(|_| ()), Err(Fault::ZipmapEntry));
    }
}
