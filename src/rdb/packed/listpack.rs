//! Listpack: elements one behind the other, each with its own length behind it.
//!
//! ```text
//! total u32 LE    bytes of the whole blob
//! count u16 LE    elements; 0xffff says that they must be counted
//! entries         encoding, data, back length
//! 0xff
//!
//! 0xxxxxxx                   0 to 127              1110LLLL LLLLLLLL  string up to 4095 bytes
//! 10LLLLLL                   string up to 63       f0 u32 LE          string
//! 110xxxxx xxxxxxxx          13 bits, signed       f1 f2 f3 f4        i16 i24 i32 i64 LE
//! ```
//!
//! The back length is the size of encoding and data, in one to five groups of 7 bits, written to
//! be read backwards: every byte but the first has bit 7 set. Servers that do not sanitize never
//! look at it, so a wrong one loads, and brings the server down when it walks from the tail.

use super::Flaw;
use super::pack::{END, Layout, Pack, PackIter, UNCOUNTED, string};
use crate::error::Fault;
use crate::value::Elem;

/// A listpack whose header fits its bytes. Its entries have not been looked at.
pub type Listpack<'a> = Pack<'a, ListpackLayout>;

/// The elements of a [`Listpack`].
pub type ListpackIter<'a, const STRICT: bool = false> = PackIter<'a, ListpackLayout, STRICT>;

/// What the header of a listpack says besides its size.
#[derive(Debug, Clone, Copy)]
pub struct ListpackLayout {
    count: u16,
}

impl<'a> ListpackIter<'a> {
    /// A walk from a place inside a blob whose frame holds.
    #[inline]
    pub(super) fn inside(blob: &'a [u8], at: usize) -> Self {
        let end = blob.len().saturating_sub(1);
        PackIter::over(
            blob.get(at..end).unwrap_or_default(),
            end,
            ListpackLayout { count: UNCOUNTED },
        )
    }
}

impl Layout for ListpackLayout {
    const HEADER: usize = 6;

    #[inline]
    fn open(blob: &[u8]) -> Result<(Self, &[u8]), Fault> {
        let have = blob.len() as u64;
        let [t0, t1, t2, t3, c0, c1, entries @ .., end] = blob else {
            return Err(Fault::ListpackSize { total: Self::HEADER as u64 + 1, have });
        };
        let total = u64::from(u32::from_le_bytes([*t0, *t1, *t2, *t3]));
        if total != have {
            return Err(Fault::ListpackSize { total, have });
        }
        if *end != END {
            return Err(Fault::ListpackEnd { byte: *end });
        }
        Ok((ListpackLayout { count: u16::from_le_bytes([*c0, *c1]) }, entries))
    }

    #[inline]
    fn claimed(&self) -> u16 {
        self.count
    }

    #[inline]
    fn element(entry: &[u8]) -> Option<Elem<'_>> {
        parse(entry).map(|(elem, _)| elem)
    }

    #[inline(always)]
    fn step<'a, const STRICT: bool>(
        &mut self,
        entry: &'a [u8],
        wrong: impl FnOnce(Fault),
    ) -> Option<(Elem<'a>, &'a [u8])> {
        let (elem, tail) = parse(entry)?;
        let size = entry.len() - tail.len();
        // Nearly every entry is short, and its back length one byte.
        if size < 0x80 {
            let (&back, rest) = tail.split_first()?;
            if STRICT && usize::from(back) != size {
                wrong_back(entry, size, 1, wrong);
            }
            return Some((elem, rest));
        }
        let (want, len) = back_length(size);
        let (back, rest) = tail.split_at_checked(len)?;
        if STRICT && Some(back) != want.get(want.len() - len..) {
            wrong_back(entry, size, len, wrong);
        }
        Some((elem, rest))
    }

    fn misfit(entry: &[u8]) -> Fault {
        Fault::ListpackEntry { byte: entry.first().copied().unwrap_or(END) }
    }

    fn flaws(&self, _: usize, entries: u64) -> [Option<Flaw>; 2] {
        let header = u64::from(self.count);
        let lies = self.count != UNCOUNTED && header != entries;
        let fault = Fault::ListpackCount { header, entries };
        [lies.then_some(Flaw { at: 4, fault }), None]
    }
}

/// Tells of a back length that is not the one to be written, unless it reads backwards as the
/// size all the same, over a byte of the data: nobody who walks would stumble.
#[cold]
fn wrong_back(entry: &[u8], want: usize, len: usize, wrong: impl FnOnce(Fault)) {
    let back = entry.get(..want + len).unwrap_or_default();
    // Of one that has no beginning there is still the last byte.
    let found = read_back(back).unwrap_or(back.last().copied().unwrap_or(0).into());
    let want = want as u64;
    if found != want {
        wrong(Fault::ListpackBacklen { want, found });
    }
}

/// The back length that goes with a size: its last bytes, and how many they are.
#[inline]
pub(super) fn back_length(size: usize) -> ([u8; 5], usize) {
    let len = match size {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        0x20_0000..0x1000_0000 => 4,
        _ => 5,
    };
    let group = |n: u32| (size >> (7 * n) & 0x7f) as u8;
    let mut bytes = [group(4), group(3), group(2), group(1), group(0)];
    for byte in bytes.iter_mut().skip(6 - len) {
        *byte |= 0x80;
    }
    (bytes, len)
}

/// Reads a back length backwards, as servers do.
fn read_back(entry: &[u8]) -> Option<u64> {
    let mut size = 0;
    for (group, byte) in entry.iter().rev().take(5).enumerate() {
        size |= u64::from(byte & 0x7f) << (7 * group);
        if byte & 0x80 == 0 {
            return Some(size);
        }
    }
    None
}

/// The element at the start of `entry` and what follows its data; `None` when it does not fit.
#[inline(always)]
fn parse(entry: &[u8]) -> Option<(Elem<'_>, &[u8])> {
    match entry {
        [n @ ..0x80, tail @ ..] => Some((Elem::Int((*n).into()), tail)),
        [n @ 0x80..0xc0, tail @ ..] => string(tail, usize::from(n & 0x3f)),
        // The element is made here, in registers: one that a function leaves in memory would have to
        // be there for all kinds, and be waited for.
        _ => match wide_form(entry)? {
            Form::Int { n, size } => Some((Elem::Int(n), entry.get(size..)?)),
            Form::Text { head, len } => string(entry.get(head..)?, len),
        },
    }
}

/// How an entry of more than the shortest forms is stored.
enum Form {
    /// An integer; encoding and data take so many bytes.
    Int { n: i64, size: usize },
    /// A string behind so many bytes.
    Text { head: usize, len: usize },
}

fn wide_form(entry: &[u8]) -> Option<Form> {
    let int = |n, size| Some(Form::Int { n, size });
    match *entry {
        [a @ 0xc0..=0xdf, b, ..] => {
            let bits = u16::from(a & 0x1f) << 8 | u16::from(b);
            // The sign is bit 12.
            int(((bits << 3) as i16 >> 3).into(), 2)
        }
        [a @ 0xe0..=0xef, b, ..] => {
            Some(Form::Text { head: 2, len: usize::from(a & 0xf) << 8 | usize::from(b) })
        }
        [0xf0, a, b, c, d, ..] => {
            let len = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
            Some(Form::Text { head: 5, len })
        }
        [0xf1, a, b, ..] => int(i16::from_le_bytes([a, b]).into(), 3),
        [0xf2, a, b, c, ..] => int((i32::from_le_bytes([0, a, b, c]) >> 8).into(), 4),
        [0xf3, a, b, c, d, ..] => int(i32::from_le_bytes([a, b, c, d]).into(), 5),
        [0xf4, a, b, c, d, e, f, g, h, ..] => int(i64::from_le_bytes([a, b, c, d, e, f, g, h]), 9),
        _ => None,
    }
}

/// The integer that a listpack's first entry is, from its first bytes.
pub(in crate::rdb) fn first_integer(entry: &[u8]) -> Option<i64> {
    match parse(entry)?.0 {
        Elem::Int(n) => Some(n),
        Elem::Bytes(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::pack;
    use super::*;

    /// A listpack of raw entries, the back lengths included.
    fn blob_of(count: u16, entries: &[u8]) -> Vec<u8> {
        let mut blob = (entries.len() as u32 + 7).to_le_bytes().to_vec();
        blob.extend(count.to_le_bytes());
        blob.extend(entries);
        blob.push(0xff);
        blob
    }

    #[track_caller]
    fn check(blob: &[u8], want: &[&str], flaws: &[(u64, Fault)]) {
        pack::tests::check::<ListpackLayout>(blob, want, flaws);
    }

    #[test]
    fn every_integer() {
        check(
            b"\x12\0\0\0\x04\0\x81\x66\x02\x81\x76\x02\x81\x6e\x02\x07\x01\xff",
            &["f", "v", "n", "7"],
            &[],
        );
        let entries = b"\xc0\x80\x02\xdf\xff\x02\xf1\xff\xef\x03\xf2\x00\x80\x00\x04\xd0\x00\x02\
            \xf3\x00\x00\x00\x80\x05\xf4\xff\xff\xff\xff\xff\xff\xff\x7f\x09\xf2\xff\xff\xff\x04";
        let want =
            ["128", "-1", "-4097", "32768", "-4096", "-2147483648", "9223372036854775807", "-1"];
        check(&blob_of(8, entries), &want, &[]);
    }

    #[test]
    fn every_string() {
        for (len, head, back) in [
            (0, &b"\x80"[..], &b"\x01"[..]),
            (63, b"\xbf", b"\x40"),
            (200, b"\xe0\xc8", b"\x01\xca"),
            (4095, b"\xef\xff", b"\x20\x81"),
            (5000, b"\xf0\x88\x13\x00\x00", b"\x27\x8d"),
            (0x4000, b"\xf0\x00\x40\x00\x00", b"\x01\x80\x85"),
            (0x20_0000, b"\xf0\x00\x00\x20\x00", b"\x01\x80\x80\x85"),
        ] {
            let text = "x".repeat(len);
            let mut entry = head.to_vec();
            entry.extend(text.as_bytes());
            let size = entry.len() as u64;
            entry.extend(back);
            check(&blob_of(1, &entry), &[&text], &[]);
            *entry.last_mut().unwrap() ^= 1;
            let flaw = (6, Fault::ListpackBacklen { want: size, found: size ^ 1 });
            check(&blob_of(1, &entry), &[&text], &[flaw]);
        }
    }

    #[test]
    fn a_header_that_lies() {
        let new = |blob: &[u8]| Listpack::new(blob).map(|_| ()).unwrap_err();
        assert_eq!(new(b"\x07\0\0\0\0\0"), Fault::ListpackSize { total: 7, have: 6 });
        assert_eq!(new(b"\x08\0\0\0\0\0\xff"), Fault::ListpackSize { total: 8, have: 7 });
        assert_eq!(new(b"\x07\0\0\0\0\0\xfe"), Fault::ListpackEnd { byte: 0xfe });
        let count = |header| (4, Fault::ListpackCount { header, entries: 2 });
        check(&blob_of(3, b"\x07\x01\x07\x01"), &["7", "7"], &[count(3)]);
        check(&blob_of(1, b"\x07\x01\x07\x01"), &["7", "7"], &[count(1)]);
        check(&blob_of(0xffff, b"\x07\x01\x07\x01"), &["7", "7"], &[]);
        let uncounted = blob_of(0xffff, b"\x07\x01\x07\x01");
        assert_eq!(Listpack::new(&uncounted).unwrap().count(), Ok(2));
    }

    #[test]
    fn an_entry_that_does_not_fit() {
        for (entries, byte) in [
            (&b"\x07\x01\xbf\x61\x02"[..], 0xbf),
            (b"\x07\x01\xff\x01", 0xff),
            (b"\x07\x01\xf5\x01", 0xf5),
            (b"\x07\x01\xf4\x01", 0xf4),
            (b"\x07\x01\x08", 0x08),
            (b"\x07\x01\xe0", 0xe0),
            (b"\x07\x01\xf0\xff\xff\xff\xff\x00", 0xf0),
        ] {
            check(&blob_of(2, entries), &["7"], &[(8, Fault::ListpackEntry { byte })]);
        }
    }

    #[test]
    fn a_back_length_is_what_reads_backwards() {
        // 0x81 asks for one more group, and finds the 0 of the data.
        check(&blob_of(1, b"\x00\x81"), &["0"], &[]);
        let flaw = (6, Fault::ListpackBacklen { want: 1, found: 129 });
        check(&blob_of(1, b"\x01\x81"), &["1"], &[flaw]);
    }

    #[test]
    fn a_first_integer_out_of_a_prefix() {
        assert_eq!(first_integer(b"\x02\x01"), Some(2));
        assert_eq!(first_integer(b"\xf4\x01\0\0\0\0\0\0\x01"), Some(1 << 56 | 1));
        assert_eq!(first_integer(b"\x81a"), None);
        assert_eq!(first_integer(b""), None);
    }
}
