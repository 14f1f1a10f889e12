//! A consumer group: how far it has read, and what is pending with which of its consumers.
//!
//! ```text
//! Group ─ pending    id → owner, time, deliveries
//!       ├ consumers  name → number → what is pending with it
//!       └ nacked     the pending entries that nobody owns, in the order they were given back
//! ```
//!
//! An entry that is pending is in the list of its owner or among those given back, never in two.

use std::collections::{BTreeMap, BTreeSet};

use super::entries::{Entries, FIRST};
use crate::engine::Bytes;
use crate::rdb::{Product, Target};
use crate::value::StreamId;

/// A consumer's number in its group.
pub type Owner = u32;

/// Nobody: an entry that was given back.
pub const NOBODY: Owner = Owner::MAX;

/// A consumer that has never been active.
pub const NEVER: i64 = -1;

/// An entry that was delivered and not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// To whom, or [`NOBODY`].
    pub owner: Owner,
    /// When, unix time in milliseconds.
    pub delivered_at_ms: i64,
    /// How often.
    pub deliveries: u64,
}

/// A consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    /// Its name.
    pub name: Bytes,
    /// When it last tried something, unix time in milliseconds.
    pub seen_at_ms: i64,
    /// When it last got something; [`NEVER`] if it never did.
    pub active_at_ms: i64,
    /// The ids of what is pending with it.
    pub pending: BTreeSet<StreamId>,
}

/// A consumer group.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// The last id delivered.
    pub last_id: StreamId,
    /// Entries read so far, where that is known.
    pub entries_read: Option<u64>,
    pending: BTreeMap<StreamId, Pending>,
    names: BTreeMap<Bytes, Owner>,
    /// By number; the place of one that is gone is taken again.
    consumers: Vec<Option<Consumer>>,
    /// By the order in which they were given back.
    nacked: BTreeMap<u64, StreamId>,
    nacked_at: BTreeMap<StreamId, u64>,
}

impl Group {
    /// A group that has read up to this id.
    pub fn new(last_id: StreamId, entries_read: Option<u64>) -> Self {
        Group { last_id, entries_read, ..Group::default() }
    }

    /// What is pending, by id.
    pub fn pending(&self) -> &BTreeMap<StreamId, Pending> {
        &self.pending
    }

    /// The consumers, by name.
    pub fn consumers(&self) -> impl ExactSizeIterator<Item = Option<&Consumer>> {
        self.names.values().map(|&number| self.consumer(number))
    }

    /// The ids that were given back, in the order in which they were.
    pub fn nacked(&self) -> impl ExactSizeIterator<Item = StreamId> {
        self.nacked.values().copied()
    }

    /// The number of the consumer of a name.
    pub fn find(&self, name: &[u8]) -> Option<Owner> {
        self.names.get(name).copied()
    }

    /// The consumer of a number.
    pub fn consumer(&self, number: Owner) -> Option<&Consumer> {
        self.consumers.get(number as usize)?.as_ref()
    }

    /// The consumer of a number, to be changed.
    pub fn consumer_mut(&mut self, number: Owner) -> Option<&mut Consumer> {
        self.consumers.get_mut(number as usize)?.as_mut()
    }

    /// The name of a consumer; empty where it is nobody.
    pub fn name(&self, number: Owner) -> &[u8] {
        self.consumer(number).map_or(&[], |consumer| &consumer.name)
    }

    /// Adds a consumer that is not there.
    pub fn add_consumer(&mut self, name: &[u8], seen_at_ms: i64, active_at_ms: i64) -> Owner {
        let name = Bytes::from(name);
        let consumer =
            Consumer { name: name.clone(), seen_at_ms, active_at_ms, pending: BTreeSet::new() };
        let holes = self.consumers.len() > self.names.len();
        let free = holes.then(|| self.consumers.iter().position(Option::is_none)).flatten();
        let number = free.unwrap_or(self.consumers.len());
        match self.consumers.get_mut(number) {
            Some(place) => *place = Some(consumer),
            None => self.consumers.push(Some(consumer)),
        }
        self.names.insert(name, number as Owner);
        number as Owner
    }

    /// The consumer of a name, made where there is none; it has been seen.
    pub fn see(&mut self, name: &[u8], now_ms: i64) -> Owner {
        match self.find(name) {
            Some(number) => {
                if let Some(consumer) = self.consumer_mut(number) {
                    consumer.seen_at_ms = now_ms;
                }
                number
            }
            None => self.add_consumer(name, now_ms, NEVER),
        }
    }

    /// Notes that a consumer got something.
    pub fn note_active(&mut self, number: Owner, now_ms: i64) {
        if let Some(consumer) = self.consumer_mut(number) {
            consumer.active_at_ms = now_ms;
        }
    }

    /// Removes a consumer and what is pending with it; how much that was.
    pub fn remove_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let number = self.names.remove(name)?;
        let consumer = self.consumers.get_mut(number as usize)?.take()?;
        consumer.pending.iter().for_each(|id| {
            self.pending.remove(id);
        });
        Some(consumer.pending.len())
    }

    /// Takes an entry out of the list that it is in.
    fn leave(&mut self, id: StreamId, owner: Owner) {
        if owner == NOBODY {
            if let Some(place) = self.nacked_at.remove(&id) {
                self.nacked.remove(&place);
            }
        } else if let Some(consumer) = self.consumer_mut(owner) {
            consumer.pending.remove(&id);
        }
    }

    /// Puts an entry into the list of an owner.
    fn join(&mut self, id: StreamId, owner: Owner) {
        if owner == NOBODY {
            let place = self.nacked.last_key_value().map_or(0, |(last, _)| last + 1);
            self.nacked.insert(place, id);
            self.nacked_at.insert(id, place);
        } else if let Some(consumer) = self.consumer_mut(owner) {
            consumer.pending.insert(id);
        }
    }

    /// Makes an entry pending, whatever it was before. One that is given back again goes to the
    /// end of those that were.
    pub fn set_pending(&mut self, id: StreamId, pending: Pending) {
        match self.pending.insert(id, pending) {
            Some(old) if old.owner == pending.owner && pending.owner != NOBODY => {}
            Some(old) => {
                self.leave(id, old.owner);
                self.join(id, pending.owner);
            }
            None => self.join(id, pending.owner),
        }
    }

    /// Makes an entry pending that is in no list yet, as files have them: the lists come later.
    pub(super) fn hold(&mut self, id: StreamId, pending: Pending) {
        self.pending.insert(id, pending);
    }

    /// Puts a pending entry that nobody owns behind those that were given back.
    pub(super) fn give_back(&mut self, id: StreamId) {
        self.leave(id, NOBODY);
        self.join(id, NOBODY);
    }

    /// Changes time and number of deliveries of what is pending.
    pub fn touch(&mut self, id: StreamId, delivered_at_ms: i64, deliveries: u64) {
        if let Some(pending) = self.pending.get_mut(&id) {
            (pending.delivered_at_ms, pending.deliveries) = (delivered_at_ms, deliveries);
        }
    }

    /// Forgets that an entry is pending; what was known of it.
    pub fn forget(&mut self, id: StreamId) -> Option<Pending> {
        let pending = self.pending.remove(&id)?;
        self.leave(id, pending.owner);
        Some(pending)
    }

    /// Counts an entry that is about to be delivered for the first time.
    pub fn advance(&mut self, id: StreamId, entries: &Entries, target: &Target) {
        let counting = Counting::by(target);
        let newer = counting.from_first || counting.doubts_before_deleted;
        let from = if newer { self.last_id } else { id };
        let begun = !newer || self.last_id >= entries.numbers.first_id;
        self.entries_read = match self.entries_read {
            Some(read) if begun && !counting.tombstones_from(entries, from) => read.checked_add(1),
            read if entries.numbers.entries_added == 0 => read,
            _ => counting.up_to(entries, id),
        };
        self.last_id = id;
    }

    /// How many entries are still to be read, where that can be told.
    pub fn lag(&self, entries: &Entries, target: &Target) -> Option<i64> {
        let counting = Counting::by(target);
        let added = entries.numbers.entries_added;
        if added == 0 || counting.empty_has_no_lag && entries.numbers.length == 0 {
            return Some(0);
        }
        let begun = !counting.from_first || self.last_id >= entries.numbers.first_id;
        let read = match self.entries_read {
            Some(read) if begun && !counting.tombstones_from(entries, self.last_id) => read,
            _ => counting.up_to(entries, self.last_id)?,
        };
        Some((added as i64).wrapping_sub(read as i64))
    }
}

/// How a server counts what groups have read; they have learned with time.
#[derive(Clone, Copy)]
struct Counting {
    /// A group's count holds only if it has come as far as the first entry (Redis 7.4).
    from_first: bool,
    /// In an empty stream nobody lags behind (Redis 7.4).
    empty_has_no_lag: bool,
    /// In front of the highest id deleted nothing can be told, even if all entries are behind it
    /// (Valkey 8.1).
    doubts_before_deleted: bool,
}

impl Counting {
    fn by(target: &Target) -> Self {
        let redis = target.product == Product::Redis && target.version >= (7, 4);
        let valkey = target.product == Product::Valkey && target.version >= (8, 1);
        Counting { from_first: redis, empty_has_no_lag: redis, doubts_before_deleted: valkey }
    }

    /// Whether entries may have been deleted from this id on.
    fn tombstones_from(self, entries: &Entries, from: StreamId) -> bool {
        let numbers = &entries.numbers;
        let none = numbers.length == 0
            || numbers.max_deleted_id == FIRST
            || !self.doubts_before_deleted && numbers.first_id > numbers.max_deleted_id;
        !none && from <= numbers.max_deleted_id
    }

    /// How many entries were added up to this id, where that can be told.
    fn up_to(self, entries: &Entries, id: StreamId) -> Option<u64> {
        let doubtful = self.doubts_before_deleted
            && entries.numbers.length > 0
            && id != FIRST
            && id < entries.numbers.max_deleted_id;
        if doubtful { None } else { entries_up_to(entries, id) }
    }
}

/// How many entries were added up to this id, where that can be told.
pub(super) fn entries_up_to(entries: &Entries, id: StreamId) -> Option<u64> {
    let numbers = &entries.numbers;
    if numbers.entries_added == 0 {
        return Some(0);
    }
    if numbers.length == 0 && id <= numbers.last_id {
        return Some(numbers.entries_added);
    }
    if id >= numbers.last_id {
        return (id == numbers.last_id).then_some(numbers.entries_added);
    }
    let whole = numbers.max_deleted_id == FIRST || numbers.max_deleted_id < numbers.first_id;
    let before = numbers.entries_added.saturating_sub(numbers.length);
    match id.cmp(&numbers.first_id) {
        std::cmp::Ordering::Less if whole => Some(before),
        std::cmp::Ordering::Equal if whole => Some(before.saturating_add(1)),
        _ => None,
    }
}
