//! A large sorted set: the members in slots, a table from member to slot, an index in order.
//!
//! A slot that becomes free is taken again by the next new member, so a slot's number stays with
//! its member for as long as that is there: scans stand on it.

use hashbrown::HashTable;

use super::index::{Iter, Key, Known, SortedIndex};
use crate::bytes::hash::hash;
use crate::engine::Bytes;

/// See the head of this file.
#[derive(Debug, Clone, Default)]
pub(super) struct Large {
    slots: Slots,
    free: Vec<u32>,
    table: HashTable<u32>,
    index: SortedIndex,
}

#[derive(Debug, Clone, Default)]
struct Slots(Vec<Slot>);

#[derive(Debug, Clone)]
struct Slot {
    member: Bytes,
    /// NaN where the slot is free.
    score: f64,
}

impl Known for Slots {
    #[inline]
    fn member(&self, id: u32) -> &[u8] {
        self.0.get(id as usize).map_or(&[], |slot| slot.member.as_slice())
    }
}

impl Slots {
    #[inline]
    fn score(&self, id: u32) -> f64 {
        self.0.get(id as usize).map_or(0.0, |slot| slot.score)
    }

    fn key(&self, id: u32) -> Key {
        Key { score: self.score(id), id }
    }
}

impl Large {
    pub(super) fn with_capacity(members: usize) -> Self {
        let slots = Slots(Vec::with_capacity(members));
        Large { slots, table: HashTable::with_capacity(members), ..Large::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    #[inline]
    fn find(&self, hash: u64, member: &[u8]) -> Option<u32> {
        self.table.find(hash, |&id| self.slots.member(id) == member).copied()
    }

    pub(super) fn score(&self, member: &[u8]) -> Option<f64> {
        self.find(hash(member), member).map(|id| self.slots.score(id))
    }

    pub(super) fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let id = self.find(hash(member), member)?;
        let key = self.slots.key(id);
        Some((self.index.rank(&self.slots, key), key.score))
    }

    /// Sets the score of a member to what `decide` makes of the one that it has; `None` leaves
    /// everything as it is.
    #[inline]
    pub(super) fn change(
        &mut self,
        member: &[u8],
        decide: impl FnOnce(Option<f64>) -> Option<f64>,
    ) {
        let hash = hash(member);
        match self.find(hash, member) {
            None => {
                if let Some(score) = decide(None) {
                    let key = self.add(hash, member, score);
                    self.index.insert(&self.slots, key);
                }
            }
            Some(id) => {
                let old = self.slots.score(id);
                let Some(score) = decide(Some(old)).filter(|score| *score != old) else { return };
                self.index.remove(&self.slots, Key { score: old, id });
                if let Some(slot) = self.slots.0.get_mut(id as usize) {
                    slot.score = score;
                }
                self.index.insert(&self.slots, Key { score, id });
            }
        }
    }

    /// Adds a member that comes behind all others; not where it is there already.
    pub(super) fn push(&mut self, member: &[u8], score: f64) -> bool {
        let hash = hash(member);
        if self.find(hash, member).is_some() {
            return false;
        }
        let key = self.add(hash, member, score);
        self.index.push(key);
        true
    }

    fn add(&mut self, hash: u64, member: &[u8], score: f64) -> Key {
        let slot = Slot { member: member.into(), score };
        let id = match self.free.pop() {
            Some(id) => {
                if let Some(place) = self.slots.0.get_mut(id as usize) {
                    *place = slot;
                }
                id
            }
            None => {
                self.slots.0.push(slot);
                (self.slots.0.len() - 1) as u32
            }
        };
        let slots = &self.slots;
        self.table.insert_unique(hash, id, |&id| crate::bytes::hash::hash(slots.member(id)));
        Key { score, id }
    }

    pub(super) fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let hash = hash(member);
        let id = self.find(hash, member)?;
        let key = self.slots.key(id);
        self.index.remove(&self.slots, key);
        forget(&mut self.table, &mut self.slots, &mut self.free, id);
        Some(key.score)
    }

    pub(super) fn remove_ranks(&mut self, rank: usize, count: usize) {
        let Large { slots, free, table, index } = self;
        index.remove_ranks(rank, count, |key| forget(table, slots, free, key.id));
    }

    /// How many members come before the first of which `low` does not hold.
    pub(super) fn partition_point(&self, low: impl Fn(&[u8], f64) -> bool) -> usize {
        self.index.partition_point(|key| low(self.slots.member(key.id), key.score))
    }

    /// All members, from either end.
    pub(super) fn iter(&self) -> Members<'_> {
        Members { slots: &self.slots, keys: self.index.iter() }
    }

    /// The members from a rank on.
    pub(super) fn iter_from(&self, rank: usize) -> impl Iterator<Item = (&[u8], f64)> {
        self.index.iter_from(rank).map(|key| (self.slots.member(key.id), key.score))
    }

    /// The members before a rank, the last one first.
    pub(super) fn iter_before(&self, rank: usize) -> impl Iterator<Item = (&[u8], f64)> {
        self.index.iter_before(rank).map(|key| (self.slots.member(key.id), key.score))
    }

    /// Up to `count` slots from a slot on, and the slot to go on with; 0 at the end.
    pub(super) fn scan(
        &self,
        from: usize,
        count: usize,
        mut give: impl FnMut(&[u8], f64),
    ) -> usize {
        let slots = self.slots.0.get(from..).unwrap_or_default();
        let live = slots.iter().take(count).filter(|slot| !slot.score.is_nan());
        live.for_each(|slot| give(&slot.member, slot.score));
        if count < slots.len() { from + count } else { 0 }
    }
}

/// Frees the slot of a member that is no longer in the index.
fn forget(table: &mut HashTable<u32>, slots: &mut Slots, free: &mut Vec<u32>, id: u32) {
    if let Ok(entry) = table.find_entry(hash(slots.member(id)), |&other| other == id) {
        entry.remove();
    }
    if let Some(slot) = slots.0.get_mut(id as usize) {
        *slot = Slot { member: Bytes::EMPTY, score: f64::NAN };
        free.push(id);
    }
}

/// See [`Large::iter`].
#[derive(Debug, Clone)]
pub(super) struct Members<'a> {
    slots: &'a Slots,
    keys: Iter<'a>,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.keys.next().map(|key| (self.slots.member(key.id), key.score))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.keys.size_hint()
    }
}

impl DoubleEndedIterator for Members<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.keys.next_back().map(|key| (self.slots.member(key.id), key.score))
    }
}

impl ExactSizeIterator for Members<'_> {}
