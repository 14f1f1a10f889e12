//! A stream taken apart for a writer: its nodes stay as they lie, all else is read.

use std::borrow::Cow;

use super::cursor::Cursor;
use super::stream::{consumer_times, group_head, idempotence, layout, numbers};
use super::{Broken, Entry};
use crate::rdb::write::{
    ConsumerParts, GroupParts, PendingEntry, ProducerParts, StreamNodes, StreamParts,
};
use crate::value::{StreamId, StreamInfo};

/// A stream, read. [`RawStream::with`] lends it out in the form that writers want.
#[derive(Debug)]
pub(in crate::rdb) struct RawStream<'a> {
    nodes: &'a [u8],
    info: StreamInfo,
    groups: Vec<Group<'a>>,
    producers: Vec<Producer<'a>>,
}

/// A producer's name, and the ids that it has used with the entries that they made.
type Producer<'a> = (Cow<'a, [u8]>, Vec<(Cow<'a, [u8]>, StreamId)>);

#[derive(Debug)]
struct Group<'a> {
    name: Cow<'a, [u8]>,
    last_id: StreamId,
    entries_read: Option<u64>,
    pending: Vec<PendingEntry>,
    consumers: Vec<Consumer<'a>>,
    nacked: Vec<StreamId>,
}

#[derive(Debug)]
struct Consumer<'a> {
    name: Cow<'a, [u8]>,
    seen_at_ms: i64,
    active_at_ms: Option<i64>,
    owned: Vec<StreamId>,
}

impl<'a> RawStream<'a> {
    /// Reads all but the nodes.
    pub(in crate::rdb) fn read(entry: &Entry<'a>) -> Result<Self, Broken> {
        let layout = layout(entry.value_type);
        let mut body = Cursor::new(entry.body);
        for _ in 0..body.length()? {
            body.text()?;
            body.text()?;
        }
        let nodes = entry.body.get(..body.at() as usize).unwrap_or_default();
        let (mut info, count) = numbers(&mut body, layout)?;
        let mut groups = Vec::new();
        for _ in 0..count {
            groups.push(group(&mut body, layout)?);
        }
        let mut producers = Vec::new();
        if layout >= 4 {
            let (settings, mut body) = idempotence(&mut body)?;
            info.idempotence = Some(settings);
            for _ in 0..settings.producers {
                let name = name(&mut body)?;
                let mut used = Vec::new();
                for _ in 0..body.length()? {
                    used.push((self::name(&mut body)?, body.id()?));
                }
                producers.push((name, used));
            }
        }
        Ok(RawStream { nodes, info, groups, producers })
    }

    /// Lends the stream out; `anew` says that the texts of its nodes are not to stay as they are.
    pub(in crate::rdb) fn with<T>(
        &self,
        anew: bool,
        then: impl FnOnce(&StreamParts<'_>) -> T,
    ) -> T {
        let consumers: Vec<Vec<ConsumerParts<'_>>> =
            self.groups.iter().map(Group::consumers).collect();
        let groups: Vec<GroupParts<'_>> = self
            .groups
            .iter()
            .zip(&consumers)
            .map(|(group, consumers)| GroupParts {
                name: &group.name,
                last_id: group.last_id,
                entries_read: group.entries_read,
                pending: &group.pending,
                consumers,
                nacked: &group.nacked,
            })
            .collect();
        let used: Vec<Vec<(&[u8], StreamId)>> = self
            .producers
            .iter()
            .map(|(_, used)| used.iter().map(|(iid, id)| (&**iid, *id)).collect())
            .collect();
        let producers: Vec<ProducerParts<'_>> = self
            .producers
            .iter()
            .zip(&used)
            .map(|((name, _), used)| ProducerParts { name, used })
            .collect();
        then(&StreamParts {
            nodes: if anew {
                StreamNodes::Anew(self.nodes)
            } else {
                StreamNodes::Written(self.nodes)
            },
            info: self.info,
            groups: &groups,
            producers: &producers,
        })
    }
}

impl Group<'_> {
    fn consumers(&self) -> Vec<ConsumerParts<'_>> {
        let parts = self.consumers.iter().map(|consumer| ConsumerParts {
            name: &consumer.name,
            seen_at_ms: consumer.seen_at_ms,
            active_at_ms: consumer.active_at_ms,
            owned: &consumer.owned,
        });
        parts.collect()
    }
}

fn group<'a>(body: &mut Cursor<'a>, layout: u8) -> Result<Group<'a>, Broken> {
    let name = name(body)?;
    let head = group_head(body, layout)?;
    let mut pending = Vec::new();
    for _ in 0..head.pending {
        pending.push(PendingEntry {
            id: body.raw_id()?,
            delivered_at_ms: body.i64()?,
            deliveries: body.length()?,
        });
    }
    let mut consumers = Vec::new();
    for _ in 0..body.length()? {
        let name = self::name(body)?;
        let (seen_at_ms, active_at_ms) = consumer_times(body, layout)?;
        consumers.push(Consumer { name, seen_at_ms, active_at_ms, owned: ids(body)? });
    }
    let nacked = if layout >= 5 { ids(body)? } else { Vec::new() };
    Ok(Group {
        name,
        last_id: head.last_id,
        entries_read: head.entries_read,
        pending,
        consumers,
        nacked,
    })
}

/// Counted ids; the count is a claim, so no room is made for it.
fn ids(body: &mut Cursor<'_>) -> Result<Vec<StreamId>, Broken> {
    let mut ids = Vec::new();
    for _ in 0..body.length()? {
        ids.push(body.raw_id()?);
    }
    Ok(ids)
}

fn name<'a>(body: &mut Cursor<'a>) -> Result<Cow<'a, [u8]>, Broken> {
    let at = body.at();
    body.text()?.to_cow().map_err(|fault| Broken { at, fault })
}
