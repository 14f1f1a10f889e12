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

use super::{Flaw, Packed, Walk};
use crate::error::Fault;
use crate::value::Elem;

const HEADER: usize = 10;
const END: u8 = 0xff;
const UNCOUNTED: u16 = 0xffff;

/// A ziplist whose header fits its bytes. Its entries have not been looked at.
#[derive(Debug, Clone, Copy)]
pub struct Ziplist<'a> {
    blob: &'a [u8],
    entries: &'a [u8],
    tail: u32,
    count: u16,
}

impl<'a> Ziplist<'a> {
    /// Holds length and end byte against the blob.
    #[inline]
    pub fn new(blob: &'a [u8]) -> Result<Self, Fault> {
        let have = blob.len() as u64;
        let [b0, b1, b2, b3, t0, t1, t2, t3, c0, c1, entries @ .., end] = blob else {
            return Err(Fault::ZiplistSize { total: HEADER as u64 + 1, have });
        };
        let total = u64::from(u32::from_le_bytes([*b0, *b1, *b2, *b3]));
        if total != have {
            return Err(Fault::ZiplistSize { total, have });
        }
        if *end != END {
            return Err(Fault::ZiplistEnd { byte: *end });
        }
        let tail = u32::from_le_bytes([*t0, *t1, *t2, *t3]);
        Ok(Ziplist { blob, entries, tail, count: u16::from_le_bytes([*c0, *c1]) })
    }

    /// The number of elements as the header says it; `None` where they must be counted.
    #[inline]
    pub fn header_count(&self) -> Option<u64> {
        (self.count != UNCOUNTED).then_some(self.count.into())
    }

    /// The number of elements: the header's, or counted where it says none.
    pub fn count(&self) -> Result<u64, Flaw> {
        match self.header_count() {
            Some(count) => Ok(count),
            None => self.iter().try_fold(0, |n, elem| elem.map(|_| n + 1)),
        }
    }

    /// The elements; tail, count and previous lengths are not looked at. The first error is the
    /// last item.
    #[inline]
    pub fn iter(&self) -> ZiplistIter<'a> {
        self.walk()
    }

    /// The elements, looking at everything that a sanitizing server looks at.
    #[inline]
    pub fn strict(&self) -> ZiplistIter<'a, true> {
        self.walk()
    }

    #[inline(always)]
    fn walk<const STRICT: bool>(&self) -> ZiplistIter<'a, STRICT> {
        ZiplistIter {
            rest: self.entries,
            end: HEADER + self.entries.len(),
            tail: self.tail,
            claimed: self.count,
            seen: 0,
            last: 0,
            prev: None,
        }
    }
}

impl<'a> IntoIterator for Ziplist<'a> {
    type Item = Result<Elem<'a>, Flaw>;
    type IntoIter = ZiplistIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// See [`Ziplist::iter`] and [`Ziplist::strict`].
#[derive(Debug, Clone)]
pub struct ZiplistIter<'a, const STRICT: bool = false> {
    rest: &'a [u8],
    /// The offset at which `rest` ends.
    end: usize,
    tail: u32,
    claimed: u16,
    seen: u64,
    /// The size of the entry before.
    last: usize,
    prev: Option<Flaw>,
}

impl<const STRICT: bool> ZiplistIter<'_, STRICT> {
    /// Where the next element begins, bytes behind the start of the blob.
    #[inline(always)]
    pub fn offset(&self) -> u64 {
        (self.end - self.rest.len()) as u64
    }

    /// After a strict walk: the first wrong previous length, a tail that is not the last entry,
    /// and a count that is not the header's.
    pub fn flaws(&self) -> impl Iterator<Item = Flaw> + use<STRICT> {
        // A walk that did not come to the end has seen neither tail nor count.
        let whole = STRICT && self.rest.is_empty() && self.last != usize::MAX;
        let (tail, header, entries) = (u64::from(self.tail), u64::from(self.claimed), self.seen);
        let want = (self.end - self.last.min(self.end)) as u64;
        let tail = (whole && tail != want)
            .then_some(Flaw { at: 4, fault: Fault::ZiplistTail { tail, want } });
        let count = (whole && self.claimed != UNCOUNTED && header != entries)
            .then_some(Flaw { at: 8, fault: Fault::ZiplistCount { header, entries } });
        self.prev.into_iter().chain(tail).chain(count)
    }

    #[cold]
    fn broken(&mut self, at: &[u8]) -> Flaw {
        let encoding = at.get(if at.first() == Some(&0xfe) { 5 } else { 1 });
        let flaw = Flaw {
            at: (self.end - at.len()) as u64,
            fault: Fault::ZiplistEntry { byte: encoding.copied().unwrap_or(END) },
        };
        self.rest = &[];
        self.last = usize::MAX;
        flaw
    }

    #[cold]
    fn wrong_prev(&mut self, at: &[u8], found: usize) {
        let at = (self.end - at.len()) as u64;
        let fault = Fault::ZiplistPrevlen { want: self.last as u64, found: found as u64 };
        self.prev.get_or_insert(Flaw { at, fault });
    }
}

impl<'a, const STRICT: bool> Iterator for ZiplistIter<'a, STRICT> {
    type Item = Result<Elem<'a>, Flaw>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.rest;
        if entry.is_empty() {
            return None;
        }
        let Some((prev, elem, rest)) = parse(entry) else {
            return Some(Err(self.broken(entry)));
        };
        if STRICT {
            if prev != self.last {
                self.wrong_prev(entry, prev);
            }
            self.last = entry.len() - rest.len();
            self.seen += 1;
        }
        self.rest = rest;
        Some(Ok(elem))
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

#[inline(always)]
fn string(tail: &[u8], len: usize) -> Option<(Elem<'_>, &[u8])> {
    tail.split_at_checked(len).map(|(bytes, tail)| (Elem::Bytes(bytes), tail))
}

impl<'a, const STRICT: bool> Walk<'a> for ZiplistIter<'a, STRICT> {
    #[inline(always)]
    fn offset(&self) -> u64 {
        ZiplistIter::offset(self)
    }

    fn flaws(&self) -> impl Iterator<Item = Flaw> {
        ZiplistIter::flaws(self)
    }
}

impl<'a> Packed<'a> for Ziplist<'a> {
    type Plain = ZiplistIter<'a>;
    type Strict = ZiplistIter<'a, true>;

    #[inline]
    fn open(blob: &'a [u8]) -> Result<Self, Fault> {
        Ziplist::new(blob)
    }

    #[inline]
    fn plain(self) -> Self::Plain {
        self.walk()
    }

    #[inline]
    fn strict(self) -> Self::Strict {
        self.walk()
    }

    fn claimed(self) -> Option<u64> {
        self.header_count()
    }

    #[inline]
    fn element_at(self, at: u64) -> Option<Elem<'a>> {
        self.blob.get(usize::try_from(at).ok()?..).and_then(parse).map(|(_, elem, _)| elem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(tail: u32, count: u16, entries: &[u8]) -> Vec<u8> {
        let mut blob = (entries.len() as u32 + 11).to_le_bytes().to_vec();
        blob.extend(tail.to_le_bytes());
        blob.extend(count.to_le_bytes());
        blob.extend(entries);
        blob.push(0xff);
        blob
    }

    #[track_caller]
    fn check(blob: &[u8], want: &[&str], flaws: &[(u64, Fault)]) {
        let list = Ziplist::new(blob).expect("a header that fits");
        let mut walk = list.strict();
        let mut texts = Vec::new();
        let mut found = Vec::new();
        for elem in &mut walk {
            match elem {
                Ok(elem) => texts.push(String::from_utf8(elem.to_vec()).unwrap()),
                Err(flaw) => found.push((flaw.at, flaw.fault)),
            }
        }
        found.extend(walk.flaws().map(|flaw| (flaw.at, flaw.fault)));
        assert_eq!(texts, want);
        assert_eq!(found, flaws);
        let plain: Vec<_> = list.iter().map_while(Result::ok).map(|e| e.to_vec()).collect();
        assert_eq!(plain, want.iter().map(|t| t.as_bytes().to_vec()).collect::<Vec<_>>());
        assert_eq!(list.iter().flaws().count(), 0);
    }

    const SAMPLE: &[u8] =
        b"\x2a\0\0\0\x25\0\0\0\x07\0\x00\x01\x61\x03\xf6\x02\xc0\xe8\x03\x04\xfe\xff\
        \x03\xf0\xa0\x86\x01\x05\xe0\0\0\0\0\x02\0\0\0\x0a\x02\x62\x63\xff";

    #[test]
    fn what_a_server_wrote() {
        check(SAMPLE, &["a", "5", "1000", "-1", "100000", "8589934592", "bc"], &[]);
        check(&pack(10, 0, b""), &[], &[]);
    }

    #[test]
    fn every_length() {
        let long = "y".repeat(300);
        let mut entries = b"\x00\x41\x2c".to_vec();
        entries.extend(long.as_bytes());
        // A previous length of five bytes, and one that could be shorter.
        entries.extend(b"\xfe\x2f\x01\0\0\xd0\x01\0\0\x80\xfe\x0a\0\0\0\x80\0\0\0\x01z");
        check(&pack(323, 3, &entries), &[&long, "-2147483647", "z"], &[]);
        check(&pack(14, 3, b"\x00\xf1\x02\xfd\x02\x00"), &["0", "12", ""], &[]);
    }

    #[test]
    fn what_a_strict_walk_sees() {
        let tail = Fault::ZiplistTail { tail: 13, want: 12 };
        check(&pack(13, 2, b"\x00\xf1\x02\xf2"), &["0", "1"], &[(4, tail)]);
        let count = Fault::ZiplistCount { header: 3, entries: 2 };
        check(&pack(12, 3, b"\x00\xf1\x02\xf2"), &["0", "1"], &[(8, count)]);
        let prev = Fault::ZiplistPrevlen { want: 2, found: 3 };
        check(&pack(12, 2, b"\x00\xf1\x03\xf2"), &["0", "1"], &[(12, prev)]);
        check(&pack(12, 0xffff, b"\x00\xf1\x02\xf2"), &["0", "1"], &[]);
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
            check(&pack(12, 2, entries), &["0"], &[(12, Fault::ZiplistEntry { byte })]);
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
