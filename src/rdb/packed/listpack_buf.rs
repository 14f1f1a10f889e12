//! A listpack that grows and shrinks: the writing side of [`Listpack`](super::Listpack).
//!
//! Every entry has one form only, the one that servers write: an integer in the fewest bytes where
//! the text is the canonical decimal of one, a string otherwise. So two of these with the same
//! elements are the same bytes, and equal elements can be found by comparing forms.

use super::Listpack;
use super::listpack::{ListpackIter, back_length};
use crate::bytes::number::integer;
use crate::value::Elem;

const HEADER: usize = 6;
const UNCOUNTED: usize = 0xffff;

/// The bytes that an entry takes besides its data, at most: the encoding and the back length.
pub const ENTRY_OVERHEAD: usize = 10;

/// The bytes of a listpack without elements.
pub const EMPTY_BYTES: u64 = HEADER as u64 + 1;

/// The bytes that an element takes in a listpack as servers write it.
pub fn entry_bytes(elem: Elem<'_>) -> u64 {
    let size = match elem {
        Elem::Int(n) => Form::int(n).len,
        Elem::Bytes(text) => match Form::of(text) {
            form if form.is_int() => form.len,
            form => form.len + text.len(),
        },
    };
    (size + back_bytes(size)) as u64
}

/// A listpack in memory of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListpackBuf {
    bytes: Vec<u8>,
}

impl Default for ListpackBuf {
    fn default() -> Self {
        Self::new()
    }
}

/// One entry, encoded: its form without the back length.
#[derive(Debug, Clone, Copy)]
struct Form {
    head: [u8; 9],
    len: usize,
}

impl ListpackBuf {
    /// An empty one.
    pub fn new() -> Self {
        ListpackBuf { bytes: vec![7, 0, 0, 0, 0, 0, 0xff] }
    }

    /// An empty one with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        let mut pack = Vec::with_capacity(bytes.max(HEADER + 1));
        pack.extend_from_slice(&[7, 0, 0, 0, 0, 0, 0xff]);
        ListpackBuf { bytes: pack }
    }

    /// Takes everything out; the room stays.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.extend_from_slice(&[7, 0, 0, 0, 0, 0, 0xff]);
    }

    /// Takes over a blob that a strict walk has nothing to say about; `None` for any other.
    pub fn adopt(blob: Vec<u8>) -> Option<Self> {
        let mut walk = Listpack::new(&blob).ok()?.strict();
        if walk.by_ref().any(|elem| elem.is_err()) || walk.flaws().next().is_some() {
            return None;
        }
        Some(ListpackBuf { bytes: blob })
    }

    /// The blob.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The blob, given away.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The size of the blob in bytes.
    #[inline]
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// How many elements it has; counted where there are more than the header can say.
    #[inline]
    pub fn len(&self) -> usize {
        match self.bytes.get(4..HEADER) {
            Some(&[low, high]) if [low, high] != [0xff, 0xff] => {
                usize::from(u16::from_le_bytes([low, high]))
            }
            _ => self.iter().count(),
        }
    }

    /// Whether there is nothing in it.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bytes.len() == HEADER + 1
    }

    /// The elements with their places, first to last.
    #[inline]
    pub fn iter(&self) -> Elems<'_> {
        self.iter_from(HEADER)
    }

    /// The elements from a place that an iteration gave.
    #[inline]
    pub fn iter_from(&self, at: usize) -> Elems<'_> {
        Elems { walk: ListpackIter::inside(&self.bytes, at) }
    }

    /// The place of the first element, or of the end where there is none.
    pub const FIRST: usize = HEADER;

    /// The place behind the last element.
    #[inline]
    pub fn end(&self) -> usize {
        self.bytes.len() - 1
    }

    /// The element at a place.
    #[inline]
    pub fn get(&self, at: usize) -> Option<Elem<'_>> {
        self.iter_from(at).next().map(|(_, elem)| elem)
    }

    /// The place behind the element at a place.
    #[inline]
    pub fn after(&self, at: usize) -> usize {
        let size = self.bytes.get(at..).and_then(entry_size);
        size.map_or(at, |size| at + size + back_bytes(size))
    }

    /// The place of the element in front of a place (which may be the end).
    pub fn before(&self, at: usize) -> Option<usize> {
        if at <= HEADER || at > self.end() {
            return None;
        }
        let back = self.bytes.get(HEADER..at)?;
        let (mut size, mut groups) = (0_usize, 0);
        for &byte in back.iter().rev().take(5) {
            size |= usize::from(byte & 0x7f) << (7 * groups);
            groups += 1;
            if byte & 0x80 == 0 {
                break;
            }
        }
        at.checked_sub(size + groups).filter(|&at| at >= HEADER)
    }

    /// The place of the `index`-th element, counted from the front.
    pub fn seek(&self, index: usize) -> Option<usize> {
        self.iter().nth(index).map(|(at, _)| at)
    }

    /// The place of the first element that equals `text`, looking at every `stride`-th one from
    /// `from` on. Entries are stepped over by their lengths and compared as they lie there.
    #[inline]
    pub fn find(&self, text: &[u8], from: usize, stride: usize) -> Option<usize> {
        let form = Form::of(text);
        // A string may spell a number where an older server wrote it so.
        let odd = if form.is_int() { Some(Form::string(text.len())) } else { None };
        let data: &[u8] = if form.is_int() { &[] } else { text };
        let mut rest = self.bytes.get(from..self.end())?;
        let mut turn = 0;
        while !rest.is_empty() {
            let size = entry_size(rest)?;
            if turn == 0 {
                let entry = rest.get(..size)?;
                let is = |form: &Form, data: &[u8]| {
                    let head = form.head.get(..form.len).unwrap_or_default();
                    size == form.len + data.len()
                        && entry.strip_prefix(head).is_some_and(|rest| rest == data)
                };
                if is(&form, data) || odd.is_some_and(|form| is(&form, text)) {
                    return Some(self.end() - rest.len());
                }
                turn = stride.max(1);
            }
            turn -= 1;
            rest = rest.get(size + back_bytes(size)..)?;
        }
        None
    }

    /// Appends an element.
    #[inline]
    pub fn push(&mut self, text: &[u8]) {
        self.splice(self.end(), 0, 0, text);
    }

    /// Appends an integer.
    #[inline]
    pub fn push_int(&mut self, n: i64) {
        self.push_elem(Elem::Int(n));
    }

    /// Appends an element as it is: bytes that spell a number become that number.
    #[inline]
    pub fn push_elem(&mut self, elem: Elem<'_>) {
        self.push(elem.bytes(&mut itoa::Buffer::new()));
    }

    /// Puts an element in front of the one at a place; at [`end`](Self::end) it is the last.
    #[inline]
    pub fn insert(&mut self, at: usize, text: &[u8]) {
        self.splice(at, 0, 0, text);
    }

    /// Puts another element in the place of one.
    #[inline]
    pub fn replace(&mut self, at: usize, text: &[u8]) {
        let size = self.after(at) - at;
        self.splice(at, size, 1, text);
    }

    /// Takes out `count` elements from a place on; fewer where the end comes first.
    pub fn remove(&mut self, at: usize, count: usize) {
        let mut walk = self.iter_from(at);
        let gone = walk.by_ref().take(count).count();
        let end = walk.place();
        self.bytes.drain(at..end);
        self.recount(gone, 0);
    }

    /// Takes out `old` bytes that are `gone` elements, and puts in an element instead.
    fn splice(&mut self, at: usize, old: usize, gone: usize, text: &[u8]) {
        let form = Form::of(text);
        let data: &[u8] = if form.is_int() { &[] } else { text };
        let size = form.len + data.len();
        let (back, back_len) = back_length(size);
        let back = back.get(back.len() - back_len..).unwrap_or_default();
        let head = form.head.get(..form.len).unwrap_or_default();
        let new = size + back_len;
        let len = self.bytes.len();
        if new > old {
            self.widen(new - old);
        }
        if new != old {
            self.bytes.copy_within(at + old..len, at + new);
            self.bytes.truncate(len + new - old);
        }
        if let Some(place) = self.bytes.get_mut(at..at + new) {
            let (to_head, place) = place.split_at_mut(form.len.min(new));
            to_head.copy_from_slice(head);
            let (to_data, to_back) = place.split_at_mut(data.len().min(place.len()));
            to_data.copy_from_slice(data);
            to_back.copy_from_slice(back);
        }
        self.recount(gone, 1);
    }

    /// Makes it longer. A quarter more than is needed keeps both the room that is never used and
    /// the copies into larger rooms few.
    #[inline]
    fn widen(&mut self, more: usize) {
        let len = self.bytes.len() + more;
        if len > self.bytes.capacity() {
            self.bytes.reserve_exact(more + len / 4);
        }
        self.bytes.resize(len, 0);
    }

    fn recount(&mut self, gone: usize, come: usize) {
        let count = match self.bytes.get(4..HEADER) {
            Some(&[low, high]) if [low, high] != [0xff, 0xff] => {
                usize::from(u16::from_le_bytes([low, high])) + come - gone
            }
            // The count is only known anew when somebody walks; servers do that no sooner.
            _ if self.bytes.len() > 2 * UNCOUNTED => UNCOUNTED,
            _ => self.iter().count(),
        };
        let count = u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes();
        let total = (self.bytes.len() as u32).to_le_bytes();
        for (slot, byte) in self.bytes.iter_mut().zip(total.into_iter().chain(count)) {
            *slot = byte;
        }
    }
}

impl Form {
    fn is_int(&self) -> bool {
        matches!(self.head.first(), Some(0..=0x7f | 0xc0..=0xdf | 0xf1..=0xf4))
    }

    #[inline]
    fn of(text: &[u8]) -> Form {
        match integer(text) {
            Some(n) => Form::int(n),
            None => Form::string(text.len()),
        }
    }

    fn int(n: i64) -> Form {
        let wide = |mark: u8, size: usize| {
            let mut head = [0; 9];
            for (slot, byte) in head.iter_mut().zip([mark].into_iter().chain(n.to_le_bytes())) {
                *slot = byte;
            }
            Form { head, len: 1 + size }
        };
        let short = |a: u8, b: u8, len| Form { head: [a, b, 0, 0, 0, 0, 0, 0, 0], len };
        match n {
            0..=127 => short(n as u8, 0, 1),
            -4096..=4095 => short(0xc0 | (n >> 8 & 0x1f) as u8, n as u8, 2),
            -0x8000..=0x7fff => wide(0xf1, 2),
            -0x80_0000..=0x7f_ffff => wide(0xf2, 3),
            -0x8000_0000..=0x7fff_ffff => wide(0xf3, 4),
            _ => wide(0xf4, 8),
        }
    }

    fn string(len: usize) -> Form {
        match len {
            0..=63 => Form { head: [0x80 | len as u8, 0, 0, 0, 0, 0, 0, 0, 0], len: 1 },
            64..=4095 => {
                Form { head: [0xe0 | (len >> 8) as u8, len as u8, 0, 0, 0, 0, 0, 0, 0], len: 2 }
            }
            _ => {
                let [a, b, c, d] = (len as u32).to_le_bytes();
                Form { head: [0xf0, a, b, c, d, 0, 0, 0, 0], len: 5 }
            }
        }
    }
}

/// The size of encoding and data of the entry at the start of `rest`.
#[inline(always)]
fn entry_size(rest: &[u8]) -> Option<usize> {
    Some(match rest {
        [0..=0x7f, ..] => 1,
        [n @ 0x80..=0xbf, ..] => 1 + usize::from(n & 0x3f),
        [0xc0..=0xdf, ..] => 2,
        [a @ 0xe0..=0xef, b, ..] => 2 + (usize::from(a & 0xf) << 8 | usize::from(*b)),
        [0xf0, a, b, c, d, ..] => 5 + u32::from_le_bytes([*a, *b, *c, *d]) as usize,
        [0xf1, ..] => 3,
        [0xf2, ..] => 4,
        [0xf3, ..] => 5,
        [0xf4, ..] => 9,
        _ => return None,
    })
}

/// How many bytes the back length of such an entry has.
#[inline(always)]
fn back_bytes(size: usize) -> usize {
    if size < 0x80 { 1 } else { back_length(size).1 }
}

/// The elements of a [`ListpackBuf`], each with its place.
#[derive(Debug, Clone)]
pub struct Elems<'a> {
    walk: ListpackIter<'a>,
}

impl Elems<'_> {
    /// The place of the next element, or of the end.
    #[inline]
    pub fn place(&self) -> usize {
        self.walk.offset() as usize
    }
}

impl<'a> Iterator for Elems<'a> {
    type Item = (usize, Elem<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let at = self.place();
        // What is in here was written here, or walked before it was taken over.
        self.walk.next()?.ok().map(|elem| (at, elem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&[u8]]) -> ListpackBuf {
        let mut pack = ListpackBuf::new();
        texts.iter().for_each(|text| pack.push(text));
        pack
    }

    #[track_caller]
    fn check(pack: &ListpackBuf, want: &[&[u8]]) {
        let mut walk = Listpack::new(pack.as_bytes()).unwrap().strict();
        let got: Vec<_> = walk.by_ref().map(|elem| elem.unwrap().to_vec()).collect();
        assert_eq!(got, want);
        assert_eq!(walk.flaws().next(), None);
        assert_eq!(pack.len(), want.len());
        let mut back = Vec::new();
        let mut at = pack.end();
        while let Some(before) = pack.before(at) {
            back.push(pack.get(before).unwrap().to_vec());
            at = before;
        }
        back.reverse();
        assert_eq!(back, want);
    }

    #[test]
    fn the_example_of_a_server() {
        let pack = of(&[b"f", b"v", b"n", b"7"]);
        assert_eq!(
            pack.as_bytes(),
            b"\x12\0\0\0\x04\0\x81\x66\x02\x81\x76\x02\x81\x6e\x02\x07\x01\xff"
        );
    }

    #[test]
    fn numbers_of_every_width_and_strings_of_every_length() {
        let mut numbers: Vec<String> = Vec::new();
        for bits in [0, 6, 7, 11, 12, 13, 15, 16, 23, 24, 31, 32, 62] {
            for near in [-2, -1, 0, 1] {
                let n = (1_i64 << bits) + near;
                numbers.extend([n.to_string(), (-n).to_string()]);
            }
        }
        numbers.extend([i64::MIN.to_string(), i64::MAX.to_string(), "007".into(), "-0".into()]);
        let long: Vec<Vec<u8>> =
            [0, 63, 64, 125, 126, 127, 4095, 4096, 70000].iter().map(|&n| vec![b'x'; n]).collect();
        let mut all: Vec<&[u8]> = numbers.iter().map(|n| n.as_bytes()).collect();
        all.extend(long.iter().map(Vec::as_slice));
        let pack = of(&all);
        check(&pack, &all);
        assert_eq!(ListpackBuf::adopt(pack.as_bytes().to_vec()), Some(pack.clone()));
        for (index, text) in all.iter().enumerate() {
            let first = all.iter().position(|other| other == text).unwrap();
            assert_eq!(pack.find(text, ListpackBuf::FIRST, 1), pack.seek(first), "{index}");
        }
    }

    #[test]
    fn elements_come_and_go() {
        let mut pack = of(&[b"a", b"1", b"c"]);
        pack.insert(ListpackBuf::FIRST, b"zero");
        check(&pack, &[b"zero", b"a", b"1", b"c"]);
        let at = pack.find(b"1", ListpackBuf::FIRST, 1).unwrap();
        pack.replace(at, &[b'y'; 300]);
        check(&pack, &[b"zero", b"a", &[b'y'; 300], b"c"]);
        pack.remove(pack.seek(1).unwrap(), 2);
        check(&pack, &[b"zero", b"c"]);
        pack.remove(ListpackBuf::FIRST, 9);
        check(&pack, &[]);
        assert!(pack.is_empty());
    }

    #[test]
    fn more_elements_than_the_header_can_say() {
        let mut pack = ListpackBuf::new();
        for n in 0..70_000_i64 {
            pack.push_int(n);
        }
        assert_eq!(pack.len(), 70_000);
        assert_eq!(Listpack::new(pack.as_bytes()).unwrap().header_count(), None);
        pack.remove(ListpackBuf::FIRST, 69_000);
        assert_eq!(pack.len(), 1000);
        assert_eq!(Listpack::new(pack.as_bytes()).unwrap().header_count(), Some(1000));
    }

    #[test]
    fn what_is_not_whole_is_not_taken_over() {
        assert_eq!(ListpackBuf::adopt(b"\x0a\0\0\0\x01\0\x81\x66\x03\xff".to_vec()), None);
        assert_eq!(ListpackBuf::adopt(b"\x0a\0\0\0\x02\0\x81\x66\x02\xff".to_vec()), None);
        assert!(ListpackBuf::adopt(b"\x0a\0\0\0\x01\0\x81\x66\x02\xff".to_vec()).is_some());
    }
}
