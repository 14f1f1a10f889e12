//! A value whose compressed blobs are unpacked once, because it will be read more than once.

use std::ops::Range;

use super::cursor::Cursor;
use super::{Broken, list};
use crate::bytes::lzf;
use crate::rdb::{Entry, Text, ValueType};

/// The most bytes that are unpacked ahead of their time. What is larger is read as it lies, a blob
/// after the other.
const MOST: u64 = 1 << 20;
/// A length of 32 bits, as a string begins with.
const LENGTH_32: u8 = 0x80;

/// Room for one value, unpacked.
#[derive(Debug, Default)]
pub(crate) struct Unpacked {
    /// What is behind `used` is room that need not be cleared.
    bytes: Vec<u8>,
    used: usize,
}

impl Unpacked {
    /// The entry, to be read from here; none if it is of no use, or not to be unpacked.
    #[inline]
    pub(crate) fn of<'r>(&'r mut self, entry: &Entry<'r>) -> Option<Entry<'r>> {
        let body = entry.body();
        let mut wanted = 0u64;
        let mut any = false;
        each_blob(entry.value_type, body, &mut |_, text| {
            any |= matches!(text, Text::Lzf { .. });
            wanted = wanted.saturating_add(text.len());
        })
        .ok()?;
        if !any || wanted > MOST {
            return None;
        }
        self.fill(entry.value_type, body)?;
        Some(Entry { unpacked: self.bytes.get(..self.used), ..entry.clone() })
    }

    fn fill(&mut self, ty: ValueType, body: &[u8]) -> Option<()> {
        self.used = 0;
        let (mut copied, mut broken) = (0, false);
        each_blob(ty, body, &mut |place, text| {
            let Text::Lzf { packed, len } = text else { return };
            self.put(body.get(copied..place.start).unwrap_or_default());
            copied = place.end;
            broken |= self.put_unpacked(packed, len).is_none();
        })
        .ok()?;
        self.put(body.get(copied..)?);
        (!broken).then_some(())
    }

    fn put(&mut self, bytes: &[u8]) {
        if let Some(room) = self.room(bytes.len()) {
            room.copy_from_slice(bytes);
        }
    }

    fn put_unpacked(&mut self, packed: &[u8], len: u64) -> Option<()> {
        let len = u32::try_from(len).ok()?;
        self.put(&[LENGTH_32]);
        self.put(&len.to_be_bytes());
        lzf::decompress_into(packed, self.room(len as usize)?).ok()
    }

    /// The next bytes, which are to be written over.
    fn room(&mut self, len: usize) -> Option<&mut [u8]> {
        let end = self.used + len;
        if end > self.bytes.len() {
            self.bytes.resize(end, 0);
        }
        let room = self.bytes.get_mut(self.used..end);
        self.used = end;
        room
    }
}

/// Hands out the strings of a value that are blobs, with their places; nothing of values that have
/// none, or whose strings are read one by one.
fn each_blob<'a>(
    ty: ValueType,
    body: &'a [u8],
    each: &mut impl FnMut(Range<usize>, Text<'a>),
) -> Result<(), Broken> {
    use ValueType::*;
    let mut body = Cursor::new(body);
    let mut next = |body: &mut Cursor<'a>| {
        let start = body.at() as usize;
        let text = body.text()?;
        each(start..body.at() as usize, text);
        Ok(())
    };
    match ty {
        String | HashZipmap | HashZiplist | HashListpack | ListZiplist | SetIntset
        | SetListpack | SortedSetZiplist | SortedSetListpack => next(&mut body),
        HashListpackEx => {
            body.i64()?;
            next(&mut body)
        }
        ListQuicklist => (0..body.length()?).try_for_each(|_| next(&mut body)),
        ListQuicklist2 => (0..body.length()?).try_for_each(|_| match body.length()? {
            list::PLAIN | list::PACKED => next(&mut body),
            // Whoever reads it will say so.
            _ => Ok(()),
        }),
        Stream | Stream2 | Stream3 | Stream4 | Stream5 => (0..body.length()?).try_for_each(|_| {
            body.text()?;
            next(&mut body)
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::bytes::lzf::Compressor;
    use crate::rdb::Scratch;

    /// A string of its bytes, packed if it can be.
    fn string(bytes: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        if !Compressor::new().compress(bytes, &mut packed) {
            return [&[LENGTH_32], &(bytes.len() as u32).to_be_bytes()[..], bytes].concat();
        }
        let lengths = [packed.len(), bytes.len()]
            .map(|len| [&[LENGTH_32], &(len as u32).to_be_bytes()[..]].concat());
        [&[0xc3], &lengths.concat()[..], &packed].concat()
    }

    fn listpack(elements: u8) -> Vec<u8> {
        let entries: Vec<u8> = (0..elements).flat_map(|n| [n / 32, 1]).collect();
        let total = 7 + entries.len() as u32;
        let count = u16::from(elements).to_le_bytes();
        [&total.to_le_bytes()[..], &count, &entries, &[0xff]].concat()
    }

    #[track_caller]
    fn check(ty: ValueType, body: &[u8], unpacks: bool) {
        let read = |entry: &Entry<'_>| {
            let mut items = Vec::new();
            let done = entry.visit(&mut Scratch::default(), |item| {
                items.push(format!("{item:?}"));
                ControlFlow::Continue(())
            });
            (items, done.map_err(|error| error.to_string()), entry.shape().ok())
        };
        let entry = Entry::of_body(b"k", ty, body, 7);
        let mut room = Unpacked::default();
        for _ in 0..2 {
            let found = room.of(&entry);
            assert_eq!(found.is_some(), unpacks, "{ty:?}");
            if let Some(found) = found {
                assert_eq!(read(&found), read(&entry), "{ty:?}");
                assert_eq!(found.body(), body);
            }
        }
    }

    #[test]
    fn reads_as_it_lies() {
        check(ValueType::String, &string(&[b'a'; 300]), true);
        check(ValueType::SetListpack, &string(&listpack(100)), true);
        check(ValueType::SortedSetListpack, &string(&listpack(100)), true);
        let nodes = [string(&listpack(90)), string(b"short"), string(&listpack(80))];
        let body = [&[3, 2], &nodes[0][..], &[1], &nodes[1], &[2], &nodes[2]].concat();
        check(ValueType::ListQuicklist2, &body, true);
        let ex = [&[9; 8][..], &string(&listpack(99))].concat();
        check(ValueType::HashListpackEx, &ex, true);
    }

    #[test]
    fn what_is_broken_is_told_as_it_lies() {
        let mut wrong = listpack(100);
        wrong[40] = 0xff;
        let body = [&[2, 2], &string(&listpack(90))[..], &[2], &string(&wrong)].concat();
        check(ValueType::ListQuicklist2, &body, true);
        check(ValueType::SetListpack, &string(&wrong), true);
    }

    #[test]
    fn what_is_not_packed_or_too_large_stays() {
        check(ValueType::String, b"\x03abc", false);
        check(ValueType::SetListpack, &string(b"not to be packed"), false);
        check(ValueType::Hash, &[&[1][..], &string(&[b'f'; 99]), &string(b"v")].concat(), false);
        check(ValueType::String, &string(&vec![b'a'; MOST as usize + 1]), false);
        let mut claim = string(&[b'a'; 300]);
        claim[9] += 1;
        check(ValueType::String, &claim, false);
    }
}
