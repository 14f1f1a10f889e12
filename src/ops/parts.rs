//! A value out of parts that are all at hand: those of a line of NDJSON, or of a value that was
//! made another.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::hash::Hash;

use crate::bytes::quoted;
use crate::engine::stream::Entries;
use crate::rdb::write::{
    self, ConsumerParts, GroupParts, Loss, PendingEntry, ProducerParts, Sink, StreamNodes,
    StreamParts,
};
use crate::rdb::{Product, Target, ValueType, length};
use crate::report::export::read::{self, CellValue, Id, Parts, Scored, Stream};
use crate::report::json::Blob;
use crate::value::{Cell, Elem, Idempotence, StreamId, StreamInfo};

fn elem<'b>(blob: &'b Blob<'_>) -> Elem<'b> {
    Elem::Bytes(&blob.0)
}

/// Writes a value; `None` where a server would have no such key. Fails with a sentence where the
/// target cannot hold it, or something stands in it twice.
pub(super) fn write(
    sink: &mut Sink,
    target: &Target,
    parts: &Parts<'_>,
) -> Result<Option<ValueType>, String> {
    let said = |loss: Loss| format!("{target} cannot hold it: {}", loss.sentence());
    match parts {
        Parts::String(text) => Ok(Some(write::string(sink, &text.0))),
        Parts::List(all) => Ok(some(all).then(|| write::list(sink, target, all.iter().map(elem)))),
        Parts::Set(all) => {
            once(all.iter().map(|member| &*member.0))?;
            Ok(some(all).then(|| write::set(sink, target, all.iter().map(elem))))
        }
        Parts::SortedSet(all) => {
            once(all.iter().map(|scored| &*scored.member.0))?;
            let mut all: Vec<&Scored<'_>> = all.iter().collect();
            all.sort_by(|a, b| {
                let order = a.score.0.partial_cmp(&b.score.0).unwrap_or(Ordering::Equal);
                order.then_with(|| a.member.0.cmp(&b.member.0))
            });
            let members = all.iter().map(|scored| (elem(&scored.member), scored.score.0));
            Ok(some(&all).then(|| write::sorted_set(sink, target, members)))
        }
        Parts::Hash(all) => {
            once(all.iter().map(|field| &*field.field.0))?;
            if all.is_empty() {
                return Ok(None);
            }
            let fields = all.iter().map(|f| (elem(&f.field), elem(&f.value), f.expires_at_ms));
            write::hash(sink, target, fields).map(Some).map_err(said)
        }
        Parts::Stream(parts) => stream(sink, target, parts).map_err(said),
        Parts::Array(array) => {
            once(array.cells.iter().map(|cell| cell.index))?;
            let mut cells: Vec<_> = array.cells.iter().collect();
            cells.sort_by_key(|cell| cell.index);
            let cells = cells.into_iter().map(|cell| {
                let value = match &cell.value {
                    CellValue::Int(n) => Cell::Int(*n),
                    CellValue::Double(n) => Cell::Double(*n),
                    CellValue::Bytes(blob) => Cell::Bytes(&blob.0),
                };
                (cell.index, value)
            });
            write::array(sink, target, array.insert_index, cells).map_err(said)
        }
        Parts::Module(module) => {
            if length(&module.body.0).is_err() {
                return Err("the body of the module's value is cut".to_owned());
            }
            write::module(sink, target, &module.body.0).map_err(said)
        }
    }
}

/// Writes parts that were `like` that before: a packed hash whose fields could expire stays one where
/// none of them does.
pub(super) fn write_like(
    sink: &mut Sink,
    target: &Target,
    parts: &Parts<'_>,
    like: ValueType,
) -> Result<Option<ValueType>, String> {
    match parts {
        Parts::Hash(all) if like.encoding() == "listpackex" && some(all) => {
            let fields = all.iter().map(|f| (elem(&f.field), elem(&f.value), f.expires_at_ms));
            let written = write::hash_that_expired(sink, target, fields);
            written.map(Some).map_err(|loss| format!("{target}: {}", loss.sentence()))
        }
        _ => write(sink, target, parts),
    }
}

/// Whether a container has elements: servers drop those that have none.
fn some<T>(all: &[T]) -> bool {
    !all.is_empty()
}

/// Nothing may stand twice in a set, a sorted set, a hash or an array.
fn once<T: Hash + Eq + std::fmt::Debug + Show>(
    all: impl ExactSizeIterator<Item = T>,
) -> Result<(), String> {
    let mut seen = HashSet::with_capacity(all.len());
    for one in all {
        if let Some(again) = seen.replace(one) {
            return Err(format!("{} stands twice in the value", again.show()));
        }
    }
    Ok(())
}

/// As it stands in a sentence.
trait Show {
    fn show(&self) -> String;
}

impl Show for &[u8] {
    fn show(&self) -> String {
        quoted(self).to_string()
    }
}

impl Show for u64 {
    fn show(&self) -> String {
        format!("the index {self}")
    }
}

/// The server in whose layout a stream is written: the oldest that has all that is told of it, so
/// that what is not told is not made up.
fn layout(target: &Target, read: &Stream<'_>) -> Target {
    let mut consumers = read.groups.iter().flat_map(|group| &group.consumers).peekable();
    let any = consumers.peek().is_some();
    let version = if read.idempotence_duration_secs.is_some() {
        return *target;
    } else if consumers.any(|consumer| consumer.active_at_ms.is_some()) {
        (7, 2)
    } else if read.first_id.is_none() && read.entries_added.is_none() {
        (5, 0)
    } else if any {
        (7, 0)
    } else {
        (7, 2)
    };
    let older = Target::of(Product::Redis, version);
    if older.stream_layout() < target.stream_layout() { older } else { *target }
}

fn stream(sink: &mut Sink, target: &Target, read: &Stream<'_>) -> Result<Option<ValueType>, Loss> {
    let mut entries = Entries::default();
    let mut pairs: Vec<&[u8]> = Vec::new();
    for entry in &read.entries {
        pairs.clear();
        pairs.extend(entry.fields.iter().flat_map(|(field, value)| [&*field.0, &*value.0]));
        entries.push(entry.id.0, &pairs, &target.limits);
    }
    let nodes: Vec<(StreamId, &[u8])> =
        entries.nodes().map(|(id, node)| (id, node.as_bytes())).collect();
    let ids = |ids: &[Id]| ids.iter().map(|id| id.0).collect::<Vec<_>>();
    // What the writer borrows.
    struct Held<'r> {
        pending: Vec<PendingEntry>,
        nacked: Vec<StreamId>,
        consumers: Vec<(&'r read::Consumer<'r>, Vec<StreamId>)>,
    }
    let held: Vec<Held<'_>> = read
        .groups
        .iter()
        .map(|group| Held {
            pending: group
                .pending
                .iter()
                .map(|pending| PendingEntry {
                    id: pending.id.0,
                    delivered_at_ms: pending.delivered_at_ms,
                    deliveries: pending.deliveries,
                })
                .collect(),
            nacked: ids(&group.nacked),
            consumers: group.consumers.iter().map(|one| (one, ids(&one.pending))).collect(),
        })
        .collect();
    let consumers: Vec<Vec<ConsumerParts<'_>>> = held
        .iter()
        .map(|held| {
            let parts = held.consumers.iter().map(|(consumer, owned)| ConsumerParts {
                name: &consumer.name.0,
                seen_at_ms: consumer.seen_at_ms,
                active_at_ms: consumer.active_at_ms,
                owned,
            });
            parts.collect()
        })
        .collect();
    let groups: Vec<GroupParts<'_>> = read
        .groups
        .iter()
        .zip(held.iter().zip(&consumers))
        .map(|(group, (held, consumers))| GroupParts {
            name: &group.name.0,
            last_id: group.last_id.0,
            entries_read: group.entries_read,
            pending: &held.pending,
            consumers,
            nacked: &held.nacked,
        })
        .collect();
    let used: Vec<Vec<(&[u8], StreamId)>> = read
        .producers
        .iter()
        .map(|producer| producer.ids.iter().map(|used| (&*used.iid.0, used.id.0)).collect())
        .collect();
    let producers: Vec<ProducerParts<'_>> = read
        .producers
        .iter()
        .zip(&used)
        .map(|(producer, used)| ProducerParts { name: &producer.name.0, used })
        .collect();
    let numbers = entries.numbers;
    let settings = (read.idempotence_duration_secs, read.idempotence_max_entries);
    let info = StreamInfo {
        length: read.length.unwrap_or(numbers.length),
        last_id: read.last_id.map_or(numbers.last_id, |id| id.0),
        first_id: read.first_id.map(|id| id.0).or(Some(numbers.first_id)),
        max_deleted_id: read.max_deleted_id.map(|id| id.0),
        entries_added: read.entries_added,
        nodes: nodes.len() as u64,
        groups: groups.len() as u64,
        idempotence: match settings {
            (Some(duration_secs), Some(max_entries)) => Some(Idempotence {
                duration_secs,
                max_entries,
                producers: producers.len() as u64,
                added: read.idempotence_added.unwrap_or_default(),
                duplicates: read.idempotence_duplicates.unwrap_or_default(),
            }),
            _ => None,
        },
    };
    let nodes = StreamNodes::Packed(&nodes);
    write::stream(
        sink,
        &layout(target, read),
        &StreamParts { nodes, info, groups: &groups, producers: &producers },
    )
}
