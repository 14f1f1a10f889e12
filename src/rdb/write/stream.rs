//! Streams: the nodes as they are, and behind them what the target's layout has.
//!
//! ```text
//! 15  Redis 5.0 to 6.2   last id; groups, pending entries, consumers
//! 19  7.0                first and highest deleted id, entries added, entries read
//! 21  7.2 to 8.4, Valkey when consumers were active
//! 26  8.6                idempotent producers
//! 27  8.8 and newer      pending entries that were given back
//! ```

use std::collections::HashSet;

use super::{Loss, Sink};
use crate::rdb::{Target, Text, ValueType, length};
use crate::value::{Idempotence, StreamId, StreamInfo};

/// Settings of idempotent producers that nobody has changed.
const DEFAULT_DURATION_SECS: u64 = 100;
const DEFAULT_MAX_ENTRIES: u64 = 100;

/// All of a stream.
#[derive(Debug, Clone, Copy)]
pub struct StreamParts<'a> {
    /// The entries.
    pub nodes: StreamNodes<'a>,
    /// Its numbers; the counts of nodes, groups and producers are not looked at. What is `None` is
    /// written as in a stream of which nothing was ever deleted.
    pub info: StreamInfo,
    /// Consumer groups, in the order of their names.
    pub groups: &'a [GroupParts<'a>],
    /// Idempotent producers.
    pub producers: &'a [ProducerParts<'a>],
}

/// The entries of a stream, in nodes.
#[derive(Debug, Clone, Copy)]
pub enum StreamNodes<'a> {
    /// The first id of each node, and its listpack.
    Packed(&'a [(StreamId, &'a [u8])]),
    /// As they lie in another snapshot, their count in front.
    Written(&'a [u8]),
    /// The same, but their texts are unpacked, and packed where that is wanted.
    Anew(&'a [u8]),
}

/// A consumer group.
#[derive(Debug, Clone, Copy)]
pub struct GroupParts<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// The last id delivered.
    pub last_id: StreamId,
    /// Entries read, where that is known.
    pub entries_read: Option<u64>,
    /// Its pending entries, by id.
    pub pending: &'a [PendingEntry],
    /// Its consumers, in the order of their names.
    pub consumers: &'a [ConsumerParts<'a>],
    /// The pending ids that were given back and belong to nobody.
    pub nacked: &'a [StreamId],
}

/// A pending entry of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingEntry {
    /// The id of the entry.
    pub id: StreamId,
    /// When it was delivered last, unix time in milliseconds.
    pub delivered_at_ms: i64,
    /// How often it was delivered.
    pub deliveries: u64,
}

/// A consumer.
#[derive(Debug, Clone, Copy)]
pub struct ConsumerParts<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// When it was seen last, unix time in milliseconds.
    pub seen_at_ms: i64,
    /// When it was active last, −1 for never; `None` is taken for when it was seen.
    pub active_at_ms: Option<i64>,
    /// The pending ids that it owns.
    pub owned: &'a [StreamId],
}

/// An idempotent producer.
#[derive(Debug, Clone, Copy)]
pub struct ProducerParts<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// The ids that it has used, each with the entry that it made, in the order of use.
    pub used: &'a [(&'a [u8], StreamId)],
}

/// Writes a stream.
pub fn stream(
    sink: &mut Sink,
    target: &Target,
    parts: &StreamParts<'_>,
) -> Result<Option<ValueType>, Loss> {
    let Some(layout) = target.stream_layout() else {
        sink.lose(Loss::Stream)?;
        return Ok(None);
    };
    losses(sink, layout, parts)?;
    match parts.nodes {
        StreamNodes::Written(bytes) => sink.raw(bytes),
        StreamNodes::Anew(bytes) => nodes_anew(sink, bytes),

        StreamNodes::Packed(nodes) => {
            sink.length(nodes.len() as u64);
            for (first_id, blob) in nodes {
                sink.length(16);
                sink.raw_id(*first_id);
                sink.blob(blob);
            }
        }
    }
    let info = &parts.info;
    sink.length(info.length);
    sink.id(info.last_id);
    if layout >= 2 {
        sink.id(info.first_id.unwrap_or_default());
        sink.id(info.max_deleted_id.unwrap_or_default());
        sink.length(info.entries_added.unwrap_or(info.length));
    }
    sink.length(parts.groups.len() as u64);
    for group in parts.groups {
        write_group(sink, layout, group);
    }
    if layout >= 4 {
        let settings = info.idempotence.unwrap_or(Idempotence {
            duration_secs: DEFAULT_DURATION_SECS,
            max_entries: DEFAULT_MAX_ENTRIES,
            ..Idempotence::default()
        });
        sink.length(settings.duration_secs);
        sink.length(settings.max_entries);
        sink.length(parts.producers.len() as u64);
        for producer in parts.producers {
            sink.text(producer.name);
            sink.length(producer.used.len() as u64);
            for (iid, id) in producer.used {
                sink.text(iid);
                sink.id(*id);
            }
        }
        sink.length(settings.added);
        sink.length(settings.duplicates);
    }
    Ok(Some(match layout {
        1 => ValueType::Stream,
        2 => ValueType::Stream2,
        3 => ValueType::Stream3,
        4 => ValueType::Stream4,
        _ => ValueType::Stream5,
    }))
}

/// Nodes with their texts unpacked and packed again; who made the slice has walked over it.
fn nodes_anew(sink: &mut Sink, bytes: &[u8]) {
    let Ok((mut rest, nodes)) = length(bytes) else { return };
    sink.length(nodes);
    let mut room = Vec::new();
    while let Ok((after, text)) = Text::parse(rest) {
        match text.blob(&mut room) {
            Ok(blob) => sink.blob(blob),
            // What does not unpack stays as it is, for the reader to complain of.
            Err(_) => sink.same_text(&text),
        }
        rest = after;
    }
}

fn write_group(sink: &mut Sink, layout: u8, group: &GroupParts<'_>) {
    sink.text(group.name);
    sink.id(group.last_id);
    if layout >= 2 {
        sink.length(group.entries_read.unwrap_or(u64::MAX));
    }
    // Where ids cannot be said to be given back, those that nobody owns are not pending.
    let owned = ownerless(group, layout).map(|_| {
        group.consumers.iter().flat_map(|consumer| consumer.owned).collect::<HashSet<_>>()
    });
    let nacked: HashSet<_> = match owned {
        Some(_) if layout >= 5 => group.nacked.iter().collect(),
        _ => HashSet::new(),
    };
    let stays = |pending: &&PendingEntry| {
        owned
            .as_ref()
            .is_none_or(|owned| owned.contains(&pending.id) || nacked.contains(&pending.id))
    };
    sink.length(group.pending.iter().filter(stays).count() as u64);
    for pending in group.pending.iter().filter(stays) {
        sink.raw_id(pending.id);
        sink.i64_le(pending.delivered_at_ms);
        sink.length(pending.deliveries);
    }
    sink.length(group.consumers.len() as u64);
    for consumer in group.consumers {
        sink.text(consumer.name);
        sink.i64_le(consumer.seen_at_ms);
        if layout >= 3 {
            sink.i64_le(consumer.active_at_ms.unwrap_or(consumer.seen_at_ms));
        }
        sink.length(consumer.owned.len() as u64);
        for id in consumer.owned {
            sink.raw_id(*id);
        }
    }
    if layout >= 5 {
        sink.length(group.nacked.len() as u64);
        for id in group.nacked {
            sink.raw_id(*id);
        }
    }
}

/// How many pending entries have no owner and cannot stay so; `None` for none.
fn ownerless(group: &GroupParts<'_>, layout: u8) -> Option<usize> {
    let owned: usize = group.consumers.iter().map(|consumer| consumer.owned.len()).sum();
    let kept = owned + if layout >= 5 { group.nacked.len() } else { 0 };
    group.pending.len().checked_sub(kept).filter(|&left| left > 0)
}

fn losses(sink: &mut Sink, layout: u8, parts: &StreamParts<'_>) -> Result<(), Loss> {
    let info = &parts.info;
    let consumers = || parts.groups.iter().flat_map(|group| group.consumers);
    if layout < 5 && parts.groups.iter().any(|group| !group.nacked.is_empty()) {
        sink.lose(Loss::NackedEntries)?;
    }
    let given_back = |group: &GroupParts<'_>| if layout < 5 { group.nacked.len() } else { 0 };
    if parts
        .groups
        .iter()
        .any(|group| ownerless(group, layout).is_some_and(|left| left > given_back(group)))
    {
        sink.lose(Loss::UnownedPending)?;
    }
    if layout < 4 {
        if parts.producers.iter().any(|producer| !producer.used.is_empty()) {
            sink.lose(Loss::IdempotentIds)?;
        }
        let unchanged = (DEFAULT_DURATION_SECS, DEFAULT_MAX_ENTRIES, 0, 0);
        if info.idempotence.is_some_and(|settings| {
            let Idempotence { duration_secs, max_entries, added, duplicates, .. } = settings;
            (duration_secs, max_entries, added, duplicates) != unchanged
        }) {
            sink.lose(Loss::IdempotenceSettings)?;
        }
    }
    let was_active = |consumer: &ConsumerParts<'_>| {
        consumer.active_at_ms.is_some_and(|active| active != consumer.seen_at_ms)
    };
    if layout < 3 && consumers().any(was_active) {
        sink.lose(Loss::ConsumerActivity)?;
    }
    if layout < 2 {
        let deleted = info.max_deleted_id.is_some_and(|id| id != StreamId::default());
        let added = info.entries_added.is_some_and(|added| added != info.length);
        let read = |group: &GroupParts<'_>| {
            group.entries_read.is_some()
                && group.entries_read != entries_read_by_old_groups(info, group.last_id)
        };
        if deleted || added || parts.groups.iter().any(read) {
            sink.lose(Loss::StreamCounters)?;
        }
    }
    Ok(())
}

/// What a server takes a group to have read, where the oldest layout does not say it and nothing
/// was ever deleted: as many as it can tell.
pub fn entries_read_by_old_groups(info: &StreamInfo, last_id: StreamId) -> Option<u64> {
    let first = info.first_id.unwrap_or_default();
    match last_id {
        _ if info.length == 0 => Some(0),
        id if id == info.last_id => Some(info.length),
        id if id > info.last_id => None,
        id if id < first => Some(0),
        id if id == first => Some(1),
        _ => None,
    }
}
