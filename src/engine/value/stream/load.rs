//! Streams out of a snapshot, from any of the five layouts.

use std::ops::ControlFlow;

use super::entries::FIRST;
use super::group::{NEVER, NOBODY, entries_up_to};
use super::node::Node;
use super::{Group, Pending, Stream};
use crate::error::FormatError;
use crate::rdb::{Entry, Limits, Scratch};
use crate::value::{Item, StreamInfo};

impl Stream {
    /// The value of an entry.
    pub fn load(
        entry: &Entry<'_>,
        _: &Limits,
        scratch: &mut Scratch,
    ) -> Result<Self, Box<FormatError>> {
        let mut stream = Stream::default();
        entry.stream_nodes(scratch, |key, blob| {
            stream.entries.nodes.insert(key, Node::adopt(blob));
        })?;
        let mut loading = Loading { stream, ..Loading::default() };
        entry.visit(scratch, |item| {
            loading.take(item);
            ControlFlow::Continue(())
        })?;
        Ok(loading.finish())
    }
}

/// A stream while its parts come in.
#[derive(Default)]
struct Loading {
    stream: Stream,
    /// Whether the file says how many entries a group has read.
    counted: bool,
    group: Option<(Vec<u8>, Group)>,
    consumer: u32,
    producer: Vec<u8>,
}

impl Loading {
    fn take(&mut self, item: Item<'_>) {
        match item {
            Item::StreamInfo(info) => self.info(&info),
            Item::Group(group) => {
                self.close();
                let known = match self.counted {
                    true => group.entries_read,
                    false => entries_up_to(&self.stream.entries, group.last_id),
                };
                self.group = Some((group.name.to_vec(), Group::new(group.last_id, known)));
            }
            Item::Pending { id, delivered_at_ms, deliveries } => {
                if let Some((_, group)) = &mut self.group {
                    group.hold(id, Pending { owner: NOBODY, delivered_at_ms, deliveries });
                }
            }
            Item::Consumer { name, seen_at_ms, active_at_ms } => {
                if let Some((_, group)) = &mut self.group {
                    let active = active_at_ms.unwrap_or(seen_at_ms).max(NEVER);
                    self.consumer = group.add_consumer(name, seen_at_ms, active);
                }
            }
            Item::Owned(id) => {
                if let Some((_, group)) = &mut self.group
                    && let Some(&pending) = group.pending().get(&id)
                {
                    group.set_pending(id, Pending { owner: self.consumer, ..pending });
                }
            }
            Item::Nacked(id) => {
                if let Some((_, group)) = &mut self.group
                    && let Some(&pending) = group.pending().get(&id)
                    && pending.owner == NOBODY
                {
                    group.give_back(id);
                }
            }
            Item::Producer(pid) => {
                self.producer = pid.to_vec();
                self.stream.idempotence.add_producer(pid);
            }
            Item::Idempotent { iid, id } => {
                let memory = &mut self.stream.idempotence;
                if memory.find(&self.producer, iid).is_none() {
                    memory.remember(&self.producer, iid, id);
                }
            }
            _ => {}
        }
    }

    fn info(&mut self, info: &StreamInfo) {
        let entries = &mut self.stream.entries;
        let numbers = &mut entries.numbers;
        numbers.length = info.length;
        numbers.last_id = info.last_id;
        numbers.max_deleted_id = info.max_deleted_id.unwrap_or(FIRST);
        numbers.entries_added = info.entries_added.unwrap_or(info.length);
        match info.first_id {
            Some(id) => numbers.first_id = id,
            None => entries.settle(),
        }
        self.counted = info.entries_added.is_some();
        if let Some(idempotence) = info.idempotence {
            let memory = &mut self.stream.idempotence;
            memory.duration_secs = idempotence.duration_secs;
            memory.max_entries = idempotence.max_entries;
            memory.added = idempotence.added;
            memory.duplicates = idempotence.duplicates;
        }
    }

    fn close(&mut self) {
        if let Some((name, group)) = self.group.take() {
            self.stream.groups.insert(name.as_slice().into(), group);
        }
    }

    fn finish(mut self) -> Stream {
        self.close();
        self.stream
    }
}
