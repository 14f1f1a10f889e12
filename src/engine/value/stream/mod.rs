//! Streams: entries in nodes as the servers have them, consumer groups, producers.

mod entries;
mod group;
mod idempotence;
mod load;
mod node;

use std::collections::BTreeMap;

use crate::engine::Bytes;
use crate::rdb::Target;

pub use entries::{Bound, Entries, FIRST, LAST, Numbers, Trim, after, before};
pub use group::{Consumer, Group, NEVER, NOBODY, Owner, Pending};
pub use idempotence::{Idempotence, Producer};
pub use node::{Entry, Node};

/// A stream.
#[derive(Debug, Clone, Default)]
pub struct Stream {
    /// Its entries.
    pub entries: Entries,
    /// Its consumer groups, by name.
    pub groups: BTreeMap<Bytes, Group>,
    /// What it remembers of its producers.
    pub idempotence: Idempotence,
}

impl Stream {
    /// How many entries it has.
    pub fn len(&self) -> usize {
        usize::try_from(self.entries.numbers.length).unwrap_or(usize::MAX)
    }

    /// Whether it has no entries; it may well have groups.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What OBJECT ENCODING answers.
    pub fn encoding(&self, _: &Target) -> &'static str {
        "stream"
    }

    /// Whether some group has still to read the entry, or has not acknowledged it.
    pub fn is_referenced(&self, id: crate::value::StreamId) -> bool {
        let by = |group: &Group| group.last_id < id || group.pending().contains_key(&id);
        self.groups.values().any(by)
    }
}
