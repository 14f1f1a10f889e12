//! The entries of a stream: its nodes, and the numbers that are kept about them.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::node::{Entry, Node};
use crate::rdb::Limits;
use crate::value::StreamId;

/// No node is larger, whatever the limits say; neither is an entry.
const MOST_BYTES: usize = 1 << 30;

/// What is kept about the entries of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Numbers {
    /// Entries that were not deleted.
    pub length: u64,
    /// The last id given out.
    pub last_id: StreamId,
    /// The id of the first entry; 0-0 where there is none.
    pub first_id: StreamId,
    /// The highest id that was deleted one by one.
    pub max_deleted_id: StreamId,
    /// Entries ever added.
    pub entries_added: u64,
}

/// The entries of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entries {
    pub(super) nodes: BTreeMap<StreamId, Node>,
    /// The numbers.
    pub numbers: Numbers,
}

/// How long a stream may be after it has been trimmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// So many entries.
    Length(u64),
    /// No entry below this id.
    Id(StreamId),
}

/// How a stream is to be trimmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trim {
    /// To which size.
    pub bound: Bound,
    /// Whether whole nodes only are to go.
    pub approximate: bool,
    /// How many entries may go at most; 0 is no limit.
    pub limit: u64,
}

/// The id behind an id.
pub fn after(id: StreamId) -> Option<StreamId> {
    match id.seq.checked_add(1) {
        Some(seq) => Some(StreamId { ms: id.ms, seq }),
        None => Some(StreamId { ms: id.ms.checked_add(1)?, seq: 0 }),
    }
}

/// The id in front of an id.
pub fn before(id: StreamId) -> Option<StreamId> {
    match id.seq.checked_sub(1) {
        Some(seq) => Some(StreamId { ms: id.ms, seq }),
        None => Some(StreamId { ms: id.ms.checked_sub(1)?, seq: u64::MAX }),
    }
}

/// The lowest id.
pub const FIRST: StreamId = StreamId { ms: 0, seq: 0 };
/// The highest id.
pub const LAST: StreamId = StreamId { ms: u64::MAX, seq: u64::MAX };

impl Entries {
    /// The nodes: the id each begins with, and its listpack.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = (StreamId, &Node)> {
        self.nodes.iter().map(|(key, node)| (*key, node))
    }

    /// Whether fields and values of this size can be an entry.
    pub fn takes(pairs: &[&[u8]]) -> bool {
        size(pairs) <= MOST_BYTES
    }

    /// Appends an entry, whose id must be above all others.
    pub fn push(&mut self, id: StreamId, pairs: &[&[u8]], limits: &Limits) {
        let most = match limits.stream_node_bytes {
            0 => MOST_BYTES,
            bytes => bytes.min(MOST_BYTES),
        };
        let room = |node: &Node| {
            let entries = limits.stream_node_entries as u64;
            node.size_bytes() + size(pairs) < most
                && (entries == 0 || node.live().saturating_add(node.deleted()) < entries)
        };
        match self.nodes.last_entry() {
            Some(mut last) if room(last.get()) => {
                let key = *last.key();
                last.get_mut().push(key, id, pairs);
            }
            _ => {
                self.nodes.insert(id, Node::new(pairs));
            }
        }
        let numbers = &mut self.numbers;
        numbers.length = numbers.length.saturating_add(1);
        numbers.entries_added = numbers.entries_added.saturating_add(1);
        numbers.last_id = id;
        if numbers.length == 1 {
            numbers.first_id = id;
        }
    }

    /// Goes through the entries from one id to another, both included.
    pub fn walk(
        &self,
        from: StreamId,
        to: StreamId,
        mut each: impl FnMut(&Entry<'_>) -> ControlFlow<()>,
    ) {
        if from > to {
            return;
        }
        for (key, node) in self.nodes.range(self.node_of(from)..=to) {
            for entry in node.entries(*key).filter(|entry| !entry.deleted && entry.id >= from) {
                if entry.id > to || each(&entry).is_break() {
                    return;
                }
            }
        }
    }

    /// The same backwards.
    pub fn walk_back(
        &self,
        from: StreamId,
        to: StreamId,
        mut each: impl FnMut(&Entry<'_>) -> ControlFlow<()>,
    ) {
        if from > to {
            return;
        }
        for (key, node) in self.nodes.range(self.node_of(from)..=to).rev() {
            let within = |entry: &Entry<'_>| !entry.deleted && entry.id >= from && entry.id <= to;
            let entries: Vec<Entry<'_>> = node.entries(*key).filter(within).collect();
            if entries.iter().rev().try_for_each(&mut each).is_break() {
                return;
            }
        }
    }

    /// The key of the node that an id is in, if it is in any.
    fn node_of(&self, id: StreamId) -> StreamId {
        self.nodes.range(..=id).next_back().map_or(FIRST, |(key, _)| *key)
    }

    /// Whether there is an entry of this id.
    pub fn has(&self, id: StreamId) -> bool {
        let mut found = false;
        self.walk(id, id, |_| {
            found = true;
            ControlFlow::Break(())
        });
        found
    }

    /// The id of the first entry.
    pub fn first(&self) -> Option<StreamId> {
        let mut first = None;
        self.walk(FIRST, LAST, |entry| {
            first = Some(entry.id);
            ControlFlow::Break(())
        });
        first
    }

    /// The id of the last entry.
    pub fn last(&self) -> Option<StreamId> {
        let mut last = None;
        self.walk_back(FIRST, LAST, |entry| {
            last = Some(entry.id);
            ControlFlow::Break(())
        });
        last
    }

    /// Deletes the entry of an id; whether it was there. [`Entries::settle`] is to follow.
    pub fn delete(&mut self, id: StreamId) -> bool {
        let Some((&key, node)) = self.nodes.range_mut(..=id).next_back() else { return false };
        let mut entries = node.entries(key);
        let Some(at) = entries.find(|entry| entry.id == id && !entry.deleted).map(|e| e.at) else {
            return false;
        };
        if node.live() <= 1 {
            self.nodes.remove(&key);
        } else {
            node.delete(&[at]);
        }
        self.numbers.length = self.numbers.length.saturating_sub(1);
        true
    }

    /// Remembers that an entry was deleted by its id.
    pub fn note_deleted(&mut self, id: StreamId) {
        self.numbers.max_deleted_id = self.numbers.max_deleted_id.max(id);
    }

    /// Finds the first entry anew.
    pub fn settle(&mut self) {
        self.numbers.first_id = match self.numbers.length {
            0 => FIRST,
            _ => self.first().unwrap_or(FIRST),
        };
    }

    /// Trims; how many entries went. With `may_go` every entry is asked about, and what may not go
    /// stays; without it nodes can go as a whole.
    pub fn trim(
        &mut self,
        trim: &Trim,
        mut may_go: Option<&mut dyn FnMut(StreamId) -> bool>,
    ) -> u64 {
        let mut gone = 0_u64;
        let mut from = FIRST;
        while let Some((&key, node)) = self.nodes.range_mut(from..).next() {
            if matches!(trim.bound, Bound::Length(most) if self.numbers.length <= most) {
                break;
            }
            let live = node.live();
            if trim.limit > 0 && gone.saturating_add(live) > trim.limit {
                break;
            }
            let whole = match trim.bound {
                Bound::Length(most) => self.numbers.length.saturating_sub(live) >= most,
                Bound::Id(id) => node.last_id(key) < id,
            };
            if whole && may_go.is_none() {
                self.nodes.remove(&key);
                self.numbers.length = self.numbers.length.saturating_sub(live);
                gone = gone.saturating_add(live);
                continue;
            }
            // Where entries are asked about, servers go into nodes even if whole ones should do.
            if !whole && trim.approximate && may_go.is_none() {
                break;
            }
            let mut left = self.numbers.length;
            let mut marked = Vec::new();
            for entry in node.entries(key) {
                let enough = match trim.bound {
                    Bound::Length(most) => left <= most,
                    Bound::Id(id) => entry.id >= id,
                };
                if enough {
                    break;
                }
                if !entry.deleted && may_go.as_mut().is_none_or(|may| may(entry.id)) {
                    left = left.saturating_sub(1);
                    marked.push(entry.at);
                }
            }
            node.delete(&marked);
            gone = gone.saturating_add(marked.len() as u64);
            self.numbers.length = left;
            if may_go.is_some() && node.live() == 0 {
                self.nodes.remove(&key);
            }
            match after(key) {
                Some(next) if whole => from = next,
                _ => break,
            }
        }
        if gone > 0 {
            self.settle();
        }
        gone
    }
}

fn size(pairs: &[&[u8]]) -> usize {
    pairs.iter().map(|text| text.len()).sum()
}
