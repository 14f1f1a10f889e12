//! Streams: their nodes are copied, everything else is told once more.

use crate::engine::value::stream::{Consumer, Group, Idempotence as Producers};
use crate::engine::{Bytes, Stream};
use crate::rdb::write::{
    self, ConsumerParts, GroupParts, Loss, PendingEntry, ProducerParts, Sink, StreamNodes,
    StreamParts,
};
use crate::rdb::{Target, ValueType};
use crate::value::{Idempotence, StreamId, StreamInfo};

pub(super) fn save(
    stream: &Stream,
    target: &Target,
    sink: &mut Sink,
) -> Result<Option<ValueType>, Loss> {
    let nodes: Vec<(StreamId, &[u8])> =
        stream.entries.nodes().map(|(id, node)| (id, node.as_bytes())).collect();
    let held: Vec<Held<'_>> = stream.groups.iter().map(Held::of).collect();
    let consumers: Vec<Vec<ConsumerParts<'_>>> = held.iter().map(Held::consumers).collect();
    let groups: Vec<GroupParts<'_>> =
        held.iter().zip(&consumers).map(|(held, consumers)| held.parts(consumers)).collect();
    let names = stream.idempotence.producers().map(|(name, _)| name);
    let used: Vec<Vec<(&[u8], StreamId)>> =
        stream.idempotence.producers().map(|(_, producer)| producer.iter().collect()).collect();
    let producers: Vec<ProducerParts<'_>> =
        names.zip(&used).map(|(name, used)| ProducerParts { name, used }).collect();
    let numbers = stream.entries.numbers;
    let info = StreamInfo {
        length: numbers.length,
        last_id: numbers.last_id,
        first_id: Some(numbers.first_id),
        max_deleted_id: Some(numbers.max_deleted_id),
        entries_added: Some(numbers.entries_added),
        nodes: nodes.len() as u64,
        groups: groups.len() as u64,
        idempotence: Some(settings(&stream.idempotence)),
    };
    let parts = StreamParts {
        nodes: StreamNodes::Packed(&nodes),
        info,
        groups: &groups,
        producers: &producers,
    };
    write::stream(sink, target, &parts)
}

fn settings(producers: &Producers) -> Idempotence {
    Idempotence {
        duration_secs: producers.duration_secs,
        max_entries: producers.max_entries,
        producers: producers.producers().len() as u64,
        added: producers.added,
        duplicates: producers.duplicates,
    }
}

/// What a group is written from, in the forms that the writer borrows.
struct Held<'s> {
    name: &'s [u8],
    group: &'s Group,
    pending: Vec<PendingEntry>,
    nacked: Vec<StreamId>,
    consumers: Vec<(&'s Consumer, Vec<StreamId>)>,
}

impl<'s> Held<'s> {
    fn of((name, group): (&'s Bytes, &'s Group)) -> Self {
        let pending = group
            .pending()
            .iter()
            .map(|(&id, pending)| PendingEntry {
                id,
                delivered_at_ms: pending.delivered_at_ms,
                deliveries: pending.deliveries,
            })
            .collect();
        let mut consumers: Vec<_> = group
            .consumers()
            .flatten()
            .map(|consumer| (consumer, consumer.pending.iter().copied().collect()))
            .collect();
        consumers.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
        Held { name, group, pending, nacked: group.nacked().collect(), consumers }
    }

    fn consumers(&self) -> Vec<ConsumerParts<'_>> {
        self.consumers
            .iter()
            .map(|(consumer, owned)| ConsumerParts {
                name: &consumer.name,
                seen_at_ms: consumer.seen_at_ms,
                active_at_ms: Some(consumer.active_at_ms),
                owned,
            })
            .collect()
    }

    fn parts<'p>(&'p self, consumers: &'p [ConsumerParts<'p>]) -> GroupParts<'p> {
        GroupParts {
            name: self.name,
            last_id: self.group.last_id,
            entries_read: self.group.entries_read,
            pending: &self.pending,
            consumers,
            nacked: &self.nacked,
        }
    }
}
