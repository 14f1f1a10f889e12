//! What a stream remembers of its producers, so that nothing is added twice (Redis 8.6).

use std::collections::{BTreeMap, VecDeque};

use hashbrown::HashMap;

use crate::engine::Bytes;
use crate::value::StreamId;

/// What a stream remembers of its producers.
#[derive(Debug, Clone)]
pub struct Idempotence {
    /// How long an id is remembered, seconds.
    pub duration_secs: u64,
    /// How many ids are remembered per producer.
    pub max_entries: u64,
    /// Ids ever added.
    pub added: u64,
    /// Duplicates ever refused.
    pub duplicates: u64,
    producers: BTreeMap<Bytes, Producer>,
}

/// What is remembered of one producer.
#[derive(Debug, Clone, Default)]
pub struct Producer {
    /// Oldest first.
    order: VecDeque<Bytes>,
    ids: HashMap<Bytes, StreamId>,
}

impl Default for Idempotence {
    fn default() -> Self {
        Idempotence {
            duration_secs: 100,
            max_entries: 100,
            added: 0,
            duplicates: 0,
            producers: BTreeMap::new(),
        }
    }
}

impl Producer {
    /// What is remembered, oldest first: the producer's id of a message, and that of the entry.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], StreamId)> {
        self.order.iter().map(|iid| {
            let id = self.ids.get(iid).copied().unwrap_or_default();
            (iid.as_slice(), id)
        })
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.order.pop_front() {
            self.ids.remove(&oldest);
        }
    }

    fn oldest(&self) -> Option<StreamId> {
        self.order.front().and_then(|iid| self.ids.get(iid)).copied()
    }
}

impl Idempotence {
    /// The producers, by their ids.
    pub fn producers(&self) -> impl ExactSizeIterator<Item = (&[u8], &Producer)> {
        self.producers.iter().map(|(pid, producer)| (pid.as_slice(), producer))
    }

    /// How many ids are remembered of all producers.
    pub fn tracked(&self) -> usize {
        self.producers.values().map(Producer::len).sum()
    }

    /// The entry that a producer has already added under an id.
    pub fn find(&self, pid: &[u8], iid: &[u8]) -> Option<StreamId> {
        self.producers.get(pid)?.ids.get(iid).copied()
    }

    /// Adds a producer of which nothing is remembered, if it is not there.
    pub fn add_producer(&mut self, pid: &[u8]) {
        if !self.producers.contains_key(pid) {
            self.producers.insert(pid.into(), Producer::default());
        }
    }

    /// Remembers an id that is not there; the oldest are forgotten where there are too many.
    pub fn remember(&mut self, pid: &[u8], iid: &[u8], id: StreamId) {
        self.add_producer(pid);
        let most = self.max_entries;
        let Some(producer) = self.producers.get_mut(pid) else { return };
        if producer.ids.insert(iid.into(), id).is_some() {
            return;
        }
        producer.order.push_back(iid.into());
        while producer.len() as u64 > most {
            producer.forget_oldest();
        }
    }

    /// Forgets what is too old by now, and the producers of which nothing is left.
    pub fn expire(&mut self, now_ms: i64) {
        let age_ms = self.duration_secs.saturating_mul(1000);
        let Some(oldest) = u64::try_from(now_ms).unwrap_or(0).checked_sub(age_ms) else { return };
        for producer in self.producers.values_mut() {
            while producer.oldest().is_some_and(|id| id.ms <= oldest) {
                producer.forget_oldest();
            }
        }
        self.producers.retain(|_, producer| !producer.is_empty());
    }

    /// Forgets all producers.
    pub fn clear(&mut self) {
        self.producers.clear();
    }
}
