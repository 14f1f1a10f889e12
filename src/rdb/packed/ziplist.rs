//! Ziplist: elements one behind the other, each with the length of the one before (up to 6.2).
//!
//! ```text
//! bytes u32 LE    of the whole blob
//! tail  u32 LE    offset of the last entry; 10 when there is none
//! count u16 LE    elements; 0xffff says that they must be counted
//! entries         length of the previous entry, encoding, data
//! 0xff
//!
//! previous length: u8, or fe and u32 LE (which may hold a small number, too)
//! 00LLLLLL            string up to 63 bytes        c0 d0 e0 f0 fe    i16 i32 i64 i24 i8 LE
//! 01LLLLLL LLLLLLLL   string up to 16383           f1 to fd          0 to 12
//! 10------ u32 BE     string
//! ```
//!
//! Since 7.0 servers turn ziplists into listpacks on load and refuse any flaw; before, nobody
//! looked, and walking backwards over a wrong previous length led out of the blob.

use super::Flaw;
use super::pack::{END, Layout, Pack, PackIter, UNCOUNTED, string};
use crate::error::Fault;
use crate::value::Elem;

/// A ziplist whose header fits its bytes. Its entries have not been looked at.
pub type Ziplist<'a> = Pack<'a, ZiplistLayout>;

/// The elements of a [`Ziplist`].
pub type ZiplistIter<'a, const STRICT: bool = false> = PackIter<'a, ZiplistLayout, STRICT>;

/// What the header of a ziplist says besides its size.
#[derive(Debug, Clone, Copy)]
pub struct ZiplistLayout {
    tail: u32,
    count: u16,
    /// The size of the entry before.
    last: usize,
}

impl Layout for ZiplistLayout {
    const HEADER: usize = 10;

    #[inline]
    fn open(blob: &[u8]) -> Result<(Self, &[u8]), Fault> {
        let have = blob.len() as u64;
        let [b0, b1, b2, b3, t0, t1, t2, t3, c0, c1, entries @ .., end] = blob else {
            return Err(Fault::ZiplistSize { total: Self::HEADER as u64 + 1, have });
        };
        let total = u64::from(u32::from_le_bytes([*b0, *b1, *b2, *b3]));
        if total != have {
            return Err(Fault::ZiplistSize { total, have });
        }
        if *end != END {
            return Err(Fault::ZiplistEnd { byte: *end });
        }
        let tail = u32::from_le_bytes([*t0, *t1, *t2, *t3]);
        let count = u16::from_le_bytes([*c0, *c1]);
        Ok((ZiplistLayout { tail, count, last: 0 }, entries))
    }

    #[inline]
    fn claimed(&self) -> u16 {
        self.count
    }

    #[inline]
    fn element(entry: &[u8]) -> Option<Elem<'_>> {
        parse(entry).map(|(_, elem, _)| elem)
    }

    #[inline(always)]
    fn step<'a, const STRICT: bool>(
        &mut self,
        entry: &'a [u8],
        wrong: impl FnOnce(Fault),
    ) -> Option<(Elem<'a>, &'a [u8])> {
        let (prev, elem, rest) = parse(entry)?;
        if STRICT {
            if prev != self.last {
                wrong(Fault::ZiplistPrevlen { want: self.last as u64, found: prev as u64 });
            }
            self.last = entry.len() - rest.len();
        }
        Some((elem, rest))
    }

    fn misfit(entry: &[u8]) -> Fault {
        let encoding = entry.get(if entry.first() == Some(&0xfe) { 5 } else { 1 });
        Fault::ZiplistEntry { byte: encoding.copied().unwrap_or(END) }
    }

    fn flaws(&self, end: usize, entries: u64) -> [Option<Flaw>; 2] {
        let (tail, header) = (u64::from(self.tail), u64::from(self.count));
        let want = (end - self.last.min(end)) as u64;
        let tail =
            (tail != want).then_some(Flaw { at: 4, fault: Fault::ZiplistTail { tail, want } });
        let lies = self.count != UNCOUNTED && header != entries;
        let fault = Fault::ZiplistCount { header, entries };
        [tail, lies.then_some(Flaw { at: 8, fault })]
    }
}

/// The entry at the start of `entry`: what it says of the one before, its element, what follows.
#[inline(always)]
fn parse(entry: &[u8]) -> Option<(usize, Elem<'_>, &[u8])> {
    let (prev, data) = match entry {
        [n @ ..0xfe, data @ ..] => (usize::from(*n), data),
        [0xfe, a, b, c, d, data @ ..] => {
            (usize::try_from(u32::from_le_bytes([*a, *b, *c, *d])).ok()?, data)
        }
        _ => return None,
    };
    let (elem, rest) = match data {
        [n @ ..0x40, tail @ ..] => string(tail, usize::from(*n))?,
        [a @ 0x40..0x80, b, tail @ ..] => {
            string(tail, usize::from(a & 0x3f) << 8 | usize::from(*b))?
        }
        // Servers look at the two upper bits only.
        [0x80..0xc0, a, b, c, d, tail @ ..] => {
            string(tail, usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).ok()?)?
        }
        [n @ 0xf1..=0xfd, tail @ ..] => (Elem::Int(i64::from(n & 0xf) - 1), tail),
        [0xfe, a, tail @ ..] => (Elem::Int(i8::from_le_bytes([*a]).into()), tail),
        [0xc0, a, b, tail @ ..] => (Elem::Int(i16::from_le_bytes([*a, *b]).into()), tail),
        [0xf0, a, b, c, tail @ ..] => {
            (Elem::Int((i32::from_le_bytes([0, *a, *b, *c]) >> 8).into()), tail)
        }
        [0xd0, a, b, c, d, tail @ ..] => {
            (Elem::Int(i32::from_le_bytes([*a, *b, *c, *d]).into()), tail)
        }
        [0xe0, a, b, c, d, e, f, g, h, tail @ ..] => {
            (Elem::Int(i64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h])), tail)
        }
        _ => return None,
    };
    Some((prev, elem, rest))
}

#[cfg(test)]
mod tests {
    use super::super::pack;
    use super::*;

    fn blob_of(tail: u32, count: u16, entries: &[u8]) -> Vec<u8> {
        let mut blob = (entries.len() as u32 + 11).to_le_bytes().to_vec();
        blob.extend(tail.to_le_bytes());
        blob.extend(count.to_le_bytes());
        blob.extend(entries);
        blob.push(0xff);
        blob
    }

    #[track_caller]
    fn check(blob: &[u8], want: &[&str], flaws: &[(u64, Fault)]) {
        pack::tests::check::<ZiplistLayout>(blob, want, flaws);
    }

    const SAMPLE: &[u8] =
        b"\x2a\0\0\0\x25\0\0\0\x07\0\x00\x01\x61\x03\xf6\x02\xc0\xe8\x03\x04\xfe\xff\
        \x03\xf0\xa0\x86\x01\x05\xe0\0\0\0\0\x02\0\0\0\x0a\x02\x62\x63\xff";

    #[test]
    fn what_a_server_wrote() {
        check(SAMPLE, &["a", "5", "1000", "-1", "100000", "8589934592", "bc"], &[]);
        check(&blob_of(10, 0, b""), &[], &[]);
    }

    #[test]
    fn every_length() {
        let long = "y".repeat(300);
        let mut entries = b"\x00\x41\x2c".to_vec();
        entries.extend(long.as_bytes());
        // A previous length of five bytes, and one that could be shorter.
        entries.extend(b"\xfe\x2f\x01\0\0\xd0\x01\0\0\x80\xfe\x0a\0\0\0\x80\0\0\0\x01z");
        check(&blob_of(323, 3, &entries), &[&long, "-2147483647", "z"], &[]);
        check(&blob_of(14, 3, b"\x00\xf1\x02\xfd\x02\x00"), &["0", "12", ""], &[]);
    }

    #[test]
    fn what_a_strict_walk_sees() {
        let tail = Fault::ZiplistTail { tail: 13, want: 12 };
        check(&blob_of(13, 2, b"\x00\xf1\x02\xf2"), &["0", "1"], &[(4, tail)]);
        let count = Fault::ZiplistCount { header: 3, entries: 2 };
        check(&blob_of(12, 3, b"\x00\xf1\x02\xf2"), &["0", "1"], &[(8, count)]);
        let prev = Fault::ZiplistPrevlen { want: 2, found: 3 };
        check(&blob_of(12, 2, b"\x00\xf1\x03\xf2"), &["0", "1"], &[(12, prev)]);
        check(&blob_of(12, 0xffff, b"\x00\xf1\x02\xf2"), &["0", "1"], &[]);
    }

    #[test]
    fn an_entry_that_does_not_fit() {
        for (entries, byte) in [
            (&b"\x00\xf1\x02\x05a"[..], 5),
            (b"\x00\xf1\x02", 0xff),
            (b"\x00\xf1\xff\xf1", 0xf1),
            (b"\x00\xf1\x02\xc1\0\0", 0xc1),
            (b"\x00\xf1\x02\xe0\0\0", 0xe0),
            (b"\x00\xf1\xfe\x02\0\0", 0xff),
            (b"\x00\xf1\x02\x80\xff\xff\xff\xff", 0x80),
        ] {
            check(&blob_of(12, 2, entries), &["0"], &[(12, Fault::ZiplistEntry { byte })]);
        }
    }

    #[test]
    fn a_header_that_lies() {
        let new = |blob: &[u8]| Ziplist::new(blob).map(|_| ()).unwrap_err();
        assert_eq!(new(&SAMPLE[..10]), Fault::ZiplistSize { total: 11, have: 10 });
        assert_eq!(new(&SAMPLE[..40]), Fault::ZiplistSize { total: 42, have: 40 });
        assert_eq!(new(b"\x0b\0\0\0\x0a\0\0\0\0\0\0"), Fault::ZiplistEnd { byte: 0 });
    }
}
