//! A node of a stream: a listpack of up to a hundred entries behind a head.
//!
//! ```text
//! head    live, deleted, number of fields, fields, 0
//! entry   flags, ms delta, seq delta, (number of fields, field, value, … | value, …), elements before
//! ```
//!
//! An entry with the head's fields has flag 2 and values only; one that was deleted stays where it
//! is and has flag 1. The ids are told as distances from the node's key. A node that came out of a
//! file may say anything in there: nothing is believed that would lead out of the bytes.

use crate::bytes::number::integer;
use crate::rdb::packed::{Elems, Listpack, ListpackBuf};
use crate::value::{Elem, StreamId};

const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;

/// A node of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pack: ListpackBuf,
}

impl Node {
    /// A node with one entry, whose id is the node's key.
    pub(super) fn new(pairs: &[&[u8]]) -> Self {
        let size: usize = pairs.iter().map(|text| text.len() + 4).sum();
        let mut pack = ListpackBuf::with_capacity(size + 32);
        let fields = pairs.len() / 2;
        pack.push_int(1);
        pack.push_int(0);
        pack.push_int(fields as i64);
        pairs.iter().step_by(2).for_each(|field| pack.push(field));
        pack.push_int(0);
        pack.push_int(SAME_FIELDS);
        pack.push_int(0);
        pack.push_int(0);
        pairs.iter().skip(1).step_by(2).for_each(|value| pack.push(value));
        pack.push_int(fields as i64 + 3);
        Node { pack }
    }

    /// Takes over a listpack as it is; one with flaws that no server looks at is written anew.
    pub(super) fn adopt(blob: &[u8]) -> Self {
        let pack = ListpackBuf::adopt(blob.to_vec()).unwrap_or_else(|| {
            let mut pack = ListpackBuf::with_capacity(blob.len());
            let elems = Listpack::new(blob).into_iter().flat_map(|flawed| flawed.iter());
            elems.map_while(Result::ok).for_each(|elem| pack.push_elem(elem));
            pack
        });
        Node { pack }
    }

    /// The listpack.
    pub fn as_bytes(&self) -> &[u8] {
        self.pack.as_bytes()
    }

    /// The size of the listpack in bytes.
    pub fn size_bytes(&self) -> usize {
        self.pack.size_bytes()
    }

    /// How many entries it has that were not deleted, as its head says.
    pub fn live(&self) -> u64 {
        let live = self.pack.get(ListpackBuf::FIRST).map_or(0, int);
        u64::try_from(live).unwrap_or(0)
    }

    /// How many entries it has that were deleted, as its head says.
    pub fn deleted(&self) -> u64 {
        let deleted = self.pack.iter().nth(1).map_or(0, |(_, elem)| int(elem));
        u64::try_from(deleted).unwrap_or(0)
    }

    fn set_counts(&mut self, live: u64, deleted: u64) {
        let elem = |count| Elem::Int(i64::try_from(count).unwrap_or(i64::MAX));
        self.pack.replace(ListpackBuf::FIRST, elem(live));
        let second = self.pack.after(ListpackBuf::FIRST);
        self.pack.replace(second, elem(deleted));
    }

    /// Appends an entry with these fields and values.
    pub(super) fn push(&mut self, key: StreamId, id: StreamId, pairs: &[&[u8]]) {
        let fields = pairs.len() / 2;
        let mut walk = self.pack.iter();
        let live = walk.next().map_or(0, |(_, elem)| int(elem));
        walk.next();
        let shared = walk.next().map_or(0, |(_, elem)| int(elem));
        let mut text = itoa::Buffer::new();
        let same = usize::try_from(shared) == Ok(fields)
            && walk
                .zip(pairs.iter().step_by(2))
                .all(|((_, elem), field)| elem.bytes(&mut text) == *field);
        let pack = &mut self.pack;
        pack.replace(ListpackBuf::FIRST, Elem::Int(live.saturating_add(1)));
        pack.push_int(if same { SAME_FIELDS } else { 0 });
        pack.push_int(id.ms.wrapping_sub(key.ms) as i64);
        pack.push_int(id.seq.wrapping_sub(key.seq) as i64);
        if same {
            pairs.iter().skip(1).step_by(2).for_each(|value| pack.push(value));
            pack.push_int(fields as i64 + 3);
        } else {
            pack.push_int(fields as i64);
            pairs.iter().for_each(|text| pack.push(text));
            pack.push_int(2 * fields as i64 + 4);
        }
    }

    /// The entries, the deleted ones among them, first to last.
    pub fn entries(&self, key: StreamId) -> Entries<'_> {
        let mut walk = self.pack.iter();
        walk.nth(1);
        let shared = walk.next().map_or(0, |(_, elem)| int(elem));
        let shared = usize::try_from(shared).unwrap_or(0);
        let shared_at = walk.place();
        walk.nth(shared);
        Entries { pack: &self.pack, walk, key, shared, shared_at }
    }

    /// The id of the last entry, deleted or not.
    pub(super) fn last_id(&self, key: StreamId) -> StreamId {
        self.entries(key).last().map_or(key, |entry| entry.id)
    }

    /// Marks the entries at these places, which ascend, as deleted.
    pub(super) fn delete(&mut self, places: &[usize]) {
        // The head comes last and what is behind goes first: no place moves before its turn.
        for &at in places.iter().rev() {
            let flags = self.pack.get(at).map_or(0, int) | DELETED;
            self.pack.replace(at, Elem::Int(flags));
        }
        let gone = places.len() as u64;
        let (live, deleted) = (self.live(), self.deleted());
        self.set_counts(live.saturating_sub(gone), deleted.saturating_add(gone));
    }
}

fn int(elem: Elem<'_>) -> i64 {
    match elem {
        Elem::Int(n) => n,
        Elem::Bytes(text) => integer(text).unwrap_or(0),
    }
}

/// The entries of a node.
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    pack: &'a ListpackBuf,
    walk: Elems<'a>,
    key: StreamId,
    shared: usize,
    shared_at: usize,
}

/// An entry of a stream.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// Its id.
    pub id: StreamId,
    /// Whether it was deleted.
    pub deleted: bool,
    /// Where its flags stand in the listpack.
    pub(super) at: usize,
    pack: &'a ListpackBuf,
    fields: usize,
    /// Where the fields are, where they are not beside the values.
    shared_at: Option<usize>,
    data_at: usize,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let walk = &mut self.walk;
        let (at, flags) = walk.next()?;
        let flags = int(flags);
        let ms = int(walk.next()?.1) as u64;
        let seq = int(walk.next()?.1) as u64;
        let same = flags & SAME_FIELDS != 0;
        let fields = match same {
            true => self.shared,
            false => usize::try_from(int(walk.next()?.1)).unwrap_or(0),
        };
        let data_at = walk.place();
        // The elements, and the count of them behind.
        walk.nth(if same { fields } else { fields.saturating_mul(2) });
        Some(Entry {
            id: StreamId { ms: self.key.ms.wrapping_add(ms), seq: self.key.seq.wrapping_add(seq) },
            deleted: flags & DELETED != 0,
            at,
            pack: self.pack,
            fields,
            shared_at: same.then_some(self.shared_at),
            data_at,
        })
    }
}

impl<'a> Entry<'a> {
    /// The fields and values.
    pub fn pairs(&self) -> impl Iterator<Item = (Elem<'a>, Elem<'a>)> + use<'a> {
        let mut fields = self.shared_at.map(|at| self.pack.iter_from(at));
        let mut data = self.pack.iter_from(self.data_at);
        let pair = move || {
            let field = match &mut fields {
                Some(fields) => fields.next()?.1,
                None => data.next()?.1,
            };
            Some((field, data.next()?.1))
        };
        std::iter::from_fn(pair).take(self.fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: StreamId = StreamId { ms: 5, seq: 9 };

    #[track_caller]
    fn check(node: &Node, want: &str) {
        let shown: Vec<String> = node
            .entries(KEY)
            .map(|entry| {
                let pairs: Vec<String> = entry
                    .pairs()
                    .map(|(f, v)| {
                        let (f, v) = (f.to_vec(), v.to_vec());
                        format!("{}={}", f.escape_ascii(), v.escape_ascii())
                    })
                    .collect();
                format!("{}{} {}", if entry.deleted { "x" } else { "" }, entry.id, pairs.join(","))
            })
            .collect();
        assert_eq!(shown.join("; "), want);
    }

    #[test]
    fn entries_with_the_fields_of_the_head_and_with_others() {
        let mut node = Node::new(&[b"f", b"1", b"g", b"x"]);
        node.push(KEY, StreamId { ms: 6, seq: 0 }, &[b"f", b"2", b"g", b"y"]);
        node.push(KEY, StreamId { ms: 6, seq: 1 }, &[b"g", b"2", b"f", b"y"]);
        node.push(KEY, StreamId { ms: 6, seq: 2 }, &[b"f", b"2"]);
        check(&node, "5-9 f=1,g=x; 6-0 f=2,g=y; 6-1 g=2,f=y; 6-2 f=2");
        assert_eq!((node.live(), node.deleted()), (4, 0));
        let at = node.entries(KEY).nth(1).map(|entry| entry.at);
        node.delete(&[at.unwrap_or(0)]);
        check(&node, "5-9 f=1,g=x; x6-0 f=2,g=y; 6-1 g=2,f=y; 6-2 f=2");
        assert_eq!((node.live(), node.deleted()), (3, 1));
        assert_eq!(node.last_id(KEY), StreamId { ms: 6, seq: 2 });
    }

    #[test]
    fn the_bytes_of_a_server() {
        // A node with an entry, a deleted one and one with other fields, as Redis 7.0 wrote it.
        let want = b"\x38\0\0\0\x16\0\x02\x01\x01\x01\x01\x01\x81f\x02\0\x01\x02\x01\0\x01\0\x01\
            \x81v\x02\x04\x01\x03\x01\x01\x01\0\x01\x81v\x02\x04\x01\0\x01\x03\x01\0\x01\x01\x01\
            \x81g\x02\x81w\x02\x06\x01\xff";
        let key = StreamId { ms: 7, seq: 0 };
        let mut node = Node::new(&[b"f", b"v"]);
        node.push(key, StreamId { ms: 8, seq: 0 }, &[b"f", b"v"]);
        node.push(key, StreamId { ms: 10, seq: 0 }, &[b"g", b"w"]);
        let at = node.entries(key).nth(1).map(|entry| entry.at);
        node.delete(&[at.unwrap_or(0)]);
        assert_eq!(node.as_bytes(), want);
        assert_eq!(Node::adopt(want), node);
    }

    #[test]
    fn a_node_that_claims_too_much_ends_with_its_bytes() {
        let mut pack = ListpackBuf::new();
        for n in [1, 0, i64::MAX, 5] {
            pack.push_int(n);
        }
        check(&Node { pack }, "");
        let mut pack = ListpackBuf::new();
        for n in [1, 0, 0, 0, 0, 0, 0, i64::MAX, 1, 2, 3] {
            pack.push_int(n);
        }
        check(&Node { pack }, "5-9 1=2");
        check(&Node { pack: ListpackBuf::new() }, "");
    }
}
