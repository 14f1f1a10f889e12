//! A listpack that grows and shrinks: the writing side of [`Listpack`](super::Listpack).
//!
//! Every entry has one form only, the one that servers write, so two of these with the same elements
//! are the same bytes, and equal elements can be found by comparing forms.

use super::Listpack;
use super::listpack::ListpackIter;
use super::listpack_entry::{Encoded, Form, Needle, step};
use crate::value::Elem;

const HEADER: usize = 6;
const UNCOUNTED: usize = 0xffff;

/// The bytes that an entry takes besides its data, at most: the encoding and the back length.
pub const ENTRY_OVERHEAD: usize = 10;

/// The bytes of a listpack without elements.
pub const EMPTY_BYTES: u64 = HEADER as u64 + 1;

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
        self.bytes.get(at..).and_then(step).map_or(at, |step| at + step)
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
        if form.is_int() {
            // A string may spell a number where an older server wrote it so.
            let odd = Needle::new(Form::string(text.len()), text);
            self.find_by(&[Needle::new(form, &[]), odd], from, stride)
        } else {
            self.find_by(&[Needle::new(form, text)], from, stride)
        }
    }

    #[inline]
    fn find_by<const N: usize>(
        &self,
        needles: &[Needle<'_>; N],
        from: usize,
        stride: usize,
    ) -> Option<usize> {
        let mut rest = self.bytes.get(from..self.end())?;
        while !rest.is_empty() {
            if needles.iter().any(|needle| needle.is_at(rest)) {
                return Some(self.end() - rest.len());
            }
            for _ in 0..stride.max(1) {
                rest = step(rest).and_then(|step| rest.get(step..))?;
                if rest.is_empty() {
                    break;
                }
            }
        }
        None
    }

    /// The integer at a place, if it is one.
    #[inline]
    pub fn int(&self, at: usize) -> Option<i64> {
        let rest = self.bytes.get(at..)?;
        let word = i64::from_le_bytes(*rest.get(1..)?.first_chunk()?);
        Some(match *rest.first()? {
            small @ 0..=0x7f => small.into(),
            high @ 0xc0..=0xdf => {
                let bits = i64::from(high & 0x1f) << 8 | (word & 0xff);
                bits << 51 >> 51
            }
            0xf1 => word << 48 >> 48,
            0xf2 => word << 40 >> 40,
            0xf3 => word << 32 >> 32,
            0xf4 => word,
            _ => return None,
        })
    }

    /// Appends an element.
    #[inline]
    pub fn push(&mut self, text: &[u8]) {
        self.push_elem(Elem::Bytes(text));
    }

    /// Appends an integer.
    #[inline]
    pub fn push_int(&mut self, n: i64) {
        self.push_elem(Elem::Int(n));
    }

    /// Appends an element as it is: bytes that spell a number become that number.
    #[inline]
    pub fn push_elem(&mut self, elem: Elem<'_>) {
        self.splice(self.end(), 0, 0, [elem]);
    }

    /// Puts an element in front of the one at a place; at [`end`](Self::end) it is the last.
    #[inline]
    pub fn insert(&mut self, at: usize, text: &[u8]) {
        self.splice(at, 0, 0, [Elem::Bytes(text)]);
    }

    /// Puts two elements in front of the one at a place.
    #[inline]
    pub fn insert_pair(&mut self, at: usize, one: Elem<'_>, other: Elem<'_>) {
        self.splice(at, 0, 0, [one, other]);
    }

    /// Puts another element in the place of one.
    #[inline]
    pub fn replace(&mut self, at: usize, elem: Elem<'_>) {
        let size = self.after(at) - at;
        self.splice(at, size, 1, [elem]);
    }

    /// Takes out `count` elements from a place on; fewer where the end comes first.
    pub fn remove(&mut self, at: usize, count: usize) {
        let (mut end, mut gone) = (at, 0);
        while gone < count && end < self.end() {
            end = self.after(end);
            gone += 1;
        }
        self.bytes.drain(at..end);
        self.recount(gone, 0);
    }

    /// Takes out `old` bytes that are `gone` elements, and puts in others instead.
    #[inline]
    fn splice<const N: usize>(&mut self, at: usize, old: usize, gone: usize, elems: [Elem<'_>; N]) {
        let encoded = elems.map(Encoded::of);
        let new: usize = encoded.iter().map(Encoded::step).sum();
        let len = self.bytes.len();
        if new > old {
            self.widen(new - old);
        }
        if new != old {
            self.bytes.copy_within(at + old..len, at + new);
            self.bytes.truncate(len + new - old);
        }
        let mut place = self.bytes.get_mut(at..at + new).unwrap_or_default();
        for encoded in &encoded {
            place = encoded.write(place);
        }
        self.recount(gone, N);
    }

    /// Makes it longer. An eighth more than is needed keeps both the room that is never used and
    /// the copies into larger rooms few.
    #[inline]
    fn widen(&mut self, more: usize) {
        let len = self.bytes.len() + more;
        if len > self.bytes.capacity() {
            self.bytes.reserve_exact(more + len / 8);
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
        let [low, high] = u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes();
        let [a, b, c, d] = (self.bytes.len() as u32).to_le_bytes();
        if let Some(header) = self.bytes.first_chunk_mut::<HEADER>() {
            *header = [a, b, c, d, low, high];
        }
    }
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
    use crate::rdb::packed::entry_bytes;

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
    fn what_is_looked_for_is_found_where_it_is() {
        let mut seed = 1_u64;
        let mut chance = |bound: u64| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) % bound
        };
        let mut text = || match chance(6) {
            0 => chance(200).to_string().into_bytes(),
            1 => ((chance(1 << 20) as i64 - (1 << 19)) << chance(40)).to_string().into_bytes(),
            // Around the bytes that are compared at once, and the lengths of encodings.
            2 => vec![b'a' + chance(2) as u8; 12 + chance(6) as usize],
            3 => vec![b'b'; 62 + chance(4) as usize],
            4 => vec![b'c'; [127, 128, 4095, 4096][chance(4) as usize]],
            _ => format!("member:{}", chance(30)).into_bytes(),
        };
        for round in 0..200 {
            let mut texts: Vec<Vec<u8>> = (0..round % 17).map(|_| text()).collect();
            texts.dedup();
            let pack = of(&texts.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let places: Vec<usize> = pack.iter().map(|(at, _)| at).collect();
            for (&at, text) in places.iter().zip(&texts) {
                let int = pack.get(at).and_then(|elem| match elem {
                    Elem::Int(n) => Some(n),
                    Elem::Bytes(_) => None,
                });
                // Near the end there may be too few bytes to tell; never another number.
                let near = pack.end() - at < 9;
                assert!(pack.int(at) == int || (near && pack.int(at).is_none()));
                assert_eq!(pack.after(at), at + entry_bytes(Elem::Bytes(text)) as usize);
            }
            for stride in 1..4 {
                for wanted in texts.iter().chain([&text(), &b"".to_vec(), &b"member:".to_vec()]) {
                    let naive = texts.iter().step_by(stride).position(|text| text == wanted);
                    let naive = naive.map(|index| places[index * stride]);
                    assert_eq!(pack.find(wanted, ListpackBuf::FIRST, stride), naive);
                }
            }
        }
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
        pack.replace(at, Elem::Bytes(&[b'y'; 300]));
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
