//! A quick digest: it tells whether two sets of keys are the same, and nothing besides.
//!
//! ```text
//! key        H( u64 database  bytes(name)  u8 kind  i64 expiry ms  contents )
//! contents   { elem } of a string or list, then u64 count  Σ H(element) of a set, zset or hash
//! H          XXH3, 128 bits                    Σ modulo 2^128
//! ```
//!
//! It covers what [`full`] covers, whose digest it takes of all that it does not know itself. It is
//! no name for data, as its definition may change with any version, and no protection against
//! anybody: who may choose the keys can make two sets look the same.

use std::fmt;
use std::ops::ControlFlow;

use xxhash_rust::xxh3::xxh3_128;

use super::full;
use super::value::{expires_at_ms, is_gone};
use crate::error::Result;
use crate::rdb::{Entry, Record, Scratch};
use crate::value::{Elem, Item, Kind};

/// Longer texts are hashed where they lie.
const SHORT: usize = 512;

/// What is hashed in one go grows to twice this at most.
const MOST: usize = 4096;

/// Room of a thread.
#[derive(Debug, Default)]
pub struct Room {
    scratch: Scratch,
    key: Message,
    element: Message,
}

impl Room {
    /// Its room for what others read.
    pub fn scratch(&mut self) -> &mut Scratch {
        &mut self.scratch
    }
}

/// Bytes that are hashed together.
#[derive(Debug, Default)]
struct Message(Vec<u8>);

impl Message {
    #[inline]
    fn u64(&mut self, n: u64) {
        self.0.extend_from_slice(&n.to_le_bytes());
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        self.u64(bytes.len() as u64);
        if bytes.len() <= SHORT {
            self.0.extend_from_slice(bytes);
        } else {
            self.0.extend_from_slice(&xxh3_128(bytes).to_le_bytes());
        }
        if self.0.len() > MOST {
            self.fold();
        }
    }

    /// Has a hash stand for all that has come.
    #[cold]
    fn fold(&mut self) {
        let hash = xxh3_128(&self.0);
        self.0.clear();
        self.0.extend_from_slice(&hash.to_le_bytes());
    }

    #[inline]
    fn elem(&mut self, elem: Elem<'_>) {
        self.bytes(elem.bytes(&mut itoa::Buffer::new()));
    }

    #[inline]
    fn take(&mut self) -> u128 {
        let hash = xxh3_128(&self.0);
        self.0.clear();
        hash
    }
}

/// Messages whose order does not matter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Bag {
    count: u64,
    sum: u128,
}

impl Bag {
    #[inline]
    fn add(&mut self, hash: u128) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(hash);
    }
}

/// A share of the quick digest of a set of keys.
#[derive(Debug, Clone, Default)]
pub struct Accumulator {
    without: full::Without,
    keys: Bag,
    others: full::Accumulator,
}

impl Accumulator {
    /// Starts with nothing, and leaves out what is not to be looked at.
    pub fn without(without: full::Without) -> Self {
        let others = full::Accumulator::without(without);
        Accumulator { without, keys: Bag::default(), others }
    }

    /// Adds a key. After an error the share is as it was before.
    pub fn add(&mut self, entry: &Entry<'_>, room: &mut Room) -> Result<()> {
        let kind = entry.value_type.kind();
        let known =
            matches!(kind, Kind::String | Kind::List | Kind::Set | Kind::SortedSet | Kind::Hash);
        if !known || entry.meta.is_some() {
            return self.others.add(entry, &mut room.scratch);
        }
        if self.without.has_expired(entry) {
            return Ok(());
        }
        let Room { scratch, key, element } = room;
        key.0.clear();
        element.0.clear();
        key.u64(entry.db);
        key.bytes(&entry.key_bytes()?);
        key.0.push(kind as u8);
        // No server takes this one for an expiry.
        key.u64(expires_at_ms(entry).unwrap_or(-1) as u64);
        let mut bag = Bag::default();
        let mut elements = 0_u64;
        let from_ms = self.without.expired_at_ms;
        entry.visit(scratch, |item| {
            if let Item::Field { expires_at_ms, .. } = item
                && is_gone(expires_at_ms, from_ms)
            {
                return ControlFlow::Continue(());
            }
            elements += 1;
            match item {
                Item::Text(text) | Item::Element(text) => key.elem(text),
                Item::Member(member) => {
                    element.elem(member);
                    bag.add(element.take());
                }
                Item::Scored { member, score } => {
                    element.elem(member);
                    // −0 is 0, as it compares, because some encodings cannot hold it.
                    element.u64(if score == 0.0 { 0 } else { score.to_bits() });
                    bag.add(element.take());
                }
                Item::Field { field, value, expires_at_ms } => {
                    element.elem(field);
                    element.elem(value);
                    element.u64(expires_at_ms.unwrap_or(u64::MAX));
                    bag.add(element.take());
                }
                // Kinds that are known have no others.
                _ => {}
            }
            ControlFlow::Continue(())
        })?;
        // A server drops a container without elements.
        if elements > 0 {
            key.u64(bag.count);
            key.0.extend_from_slice(&bag.sum.to_le_bytes());
            self.keys.add(key.take());
        }
        Ok(())
    }

    /// Adds a record, whatever it is, as [`full::Accumulator::add_record`] does.
    pub fn add_record(&mut self, record: &Record<'_>, offset: u64, room: &mut Room) -> Result<()> {
        match record {
            Record::Entry(entry) => self.add(entry, room),
            _ => self.others.add_record(record, offset, &mut room.scratch),
        }
    }

    /// Adds what another share has seen.
    pub fn merge(&mut self, other: &Self) {
        self.keys.count += other.keys.count;
        self.keys.sum = self.keys.sum.wrapping_add(other.keys.sum);
        self.others.merge(&other.others);
    }

    /// The digest.
    pub fn finish(&self) -> Digest {
        Digest { keys: self.keys, others: self.others.finish() }
    }
}

/// The quick digest of a set of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    keys: Bag,
    others: full::Digest,
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Digest { keys, others } = self;
        write!(f, "{:032x} of {} keys and {others} of {}", keys.sum, keys.count, others.keys)
    }
}
