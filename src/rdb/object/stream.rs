//! Streams: nodes of entries, numbers about the whole, consumer groups, idempotent producers.
//!
//! ```text
//! count, nodes            ( first id as a string of 16 bytes BE, listpack )
//! length, last id
//! first id, highest deleted id, entries ever added          layout 2 (type 19) and newer
//! count, groups           ( name, last id, entries read (layout 2),
//!                           count, pending   ( id 16 BE, time i64 LE, deliveries )
//!                           count, consumers ( name, seen i64 LE, active i64 LE (layout 3),
//!                                              count, ids 16 BE )
//!                           count, ids given back 16 BE (layout 5) )
//! duration, most ids per producer, count,
//!   producers             ( name, count, ( iid, id ) ), added, duplicates    layout 4 and newer
//! ```
//!
//! A node is a listpack that begins with a head, whose fields most entries share:
//!
//! ```text
//! live, deleted, number of fields, fields, 0
//! flags, ms delta, seq delta, (number of fields, field, value, … | value, …), elements before
//! ```
//!
//! Flag 1 marks an entry that was deleted but is still there, flag 2 one with the head's fields.

use super::cursor::{Blob, Cursor};
use super::{Broken, DynOut, Scratch, Stop};
use crate::bytes::number::integer;
use crate::error::Fault;
use crate::rdb::ValueType;
use crate::rdb::packed::{Flaw, Listpack, ListpackIter};
use crate::value::{Elem, Group, Idempotence, Item, Pairs, StreamId, StreamInfo};

/// The entry is deleted.
pub(super) const DELETED: i64 = 1;
/// The entry has the fields of the node's head.
pub(super) const SAME_FIELDS: i64 = 2;

/// Which of the five layouts a type is.
pub(super) fn layout(ty: ValueType) -> u8 {
    match ty {
        ValueType::Stream2 => 2,
        ValueType::Stream3 => 3,
        ValueType::Stream4 => 4,
        ValueType::Stream5 => 5,
        _ => 1,
    }
}

pub(super) fn visit(
    ty: ValueType,
    mut body: Cursor<'_>,
    scratch: &mut Scratch,
    out: &mut DynOut<'_, '_>,
) -> Result<(), Stop> {
    let layout = layout(ty);
    let nodes = body.length()?;
    for _ in 0..nodes {
        let first_id = node_key(&mut body, &mut scratch.first)?;
        node(first_id, body.blob(&mut scratch.blob)?, out)?;
    }
    behind_nodes(layout, nodes, body, scratch, out)
}

/// Hands out all but the entries, which are not looked at: `each` is told of a node the id that
/// it begins with, and its size unpacked.
pub(in crate::rdb) fn visit_frame(
    ty: ValueType,
    body: &[u8],
    scratch: &mut Scratch,
    mut each: impl FnMut(StreamId, u64),
    out: &mut DynOut<'_, '_>,
) -> Result<(), Stop> {
    let mut body = Cursor::new(body);
    let nodes = body.length()?;
    for _ in 0..nodes {
        let first_id = node_key(&mut body, &mut scratch.first)?;
        each(first_id, body.text()?.len());
    }
    behind_nodes(layout(ty), nodes, body, scratch, out)
}

/// Numbers, groups and producers.
fn behind_nodes(
    layout: u8,
    nodes: u64,
    mut body: Cursor<'_>,
    scratch: &mut Scratch,
    out: &mut DynOut<'_, '_>,
) -> Result<(), Stop> {
    let (mut info, groups) = numbers(&mut body, layout)?;
    info.nodes = nodes;
    info.groups = groups;
    if layout < 4 {
        out.give(Item::StreamInfo(info))?;
        return visit_groups(&mut body, layout, groups, scratch, out);
    }
    // What follows the groups is part of what the stream says of itself.
    let mut behind = body.clone();
    skip_groups(&mut behind, layout, groups)?;
    let (idempotence, after) = idempotence(&mut behind)?;
    info.idempotence = Some(idempotence);
    out.give(Item::StreamInfo(info))?;
    visit_groups(&mut body, layout, groups, scratch, out)?;
    visit_producers(after, idempotence.producers, scratch, out)
}

/// Hands out the nodes as they are: the id each begins with, and its listpack.
pub(in crate::rdb) fn nodes(
    body: &[u8],
    scratch: &mut Scratch,
    mut each: impl FnMut(StreamId, &[u8]),
) -> Result<(), Broken> {
    let mut body = Cursor::new(body);
    for _ in 0..body.length()? {
        let first_id = node_key(&mut body, &mut scratch.first)?;
        each(first_id, body.blob(&mut scratch.blob)?.bytes);
    }
    Ok(())
}

/// The id in front of a node.
pub(super) fn node_key(body: &mut Cursor<'_>, room: &mut Vec<u8>) -> Result<StreamId, Broken> {
    let at = body.at();
    let key = body.bytes(room)?;
    let fault = Fault::StreamNodeKey { bytes: key.len() as u64 };
    let mut key = Cursor::new(key);
    match (key.raw_id(), key.rest()) {
        (Ok(id), []) => Ok(id),
        _ => Err(Broken { at, fault }),
    }
}

/// Hands out the live entries of a node.
fn node(first_id: StreamId, blob: Blob<'_>, out: &mut DynOut<'_, '_>) -> Result<(), Stop> {
    let pack = Listpack::new(blob.bytes).map_err(|fault| blob.broken(Flaw { at: 0, fault }))?;
    let mut elems = Elems::plain(blob, pack);
    let _live = elems.int()?;
    let _deleted = elems.int()?;
    let count = elems.count()?;
    let mut shared = Vec::new();
    for _ in 0..count {
        shared.push((elems.next()?, Elem::Int(0)));
    }
    elems.next()?;
    let mut own = Vec::new();
    while !elems.is_done() {
        let flags = elems.int()?;
        let id = StreamId {
            ms: first_id.ms.wrapping_add(elems.int()? as u64),
            seq: first_id.seq.wrapping_add(elems.int()? as u64),
        };
        let pairs = if flags & SAME_FIELDS != 0 {
            for (_, value) in &mut shared {
                *value = elems.next()?;
            }
            &shared
        } else {
            let count = elems.count()?;
            own.clear();
            for _ in 0..count {
                own.push((elems.next()?, elems.next()?));
            }
            &own
        };
        if flags & DELETED == 0 {
            out.give(Item::StreamEntry { id, fields: Pairs::new(pairs) })?;
        }
        elems.next()?;
    }
    Ok(())
}

/// The elements of a node, one of which must follow.
pub(super) struct Elems<'s, const STRICT: bool = false> {
    blob: Blob<'s>,
    walk: ListpackIter<'s, STRICT>,
}

impl<'s> Elems<'s> {
    fn plain(blob: Blob<'s>, pack: Listpack<'s>) -> Self {
        Elems { blob, walk: pack.iter() }
    }
}

impl<'s> Elems<'s, true> {
    pub(super) fn strict(blob: Blob<'s>, pack: Listpack<'s>) -> Self {
        Elems { blob, walk: pack.strict() }
    }

    /// Walks on to the end, for what is only known there.
    pub(super) fn exhaust(&mut self) {
        self.walk.by_ref().for_each(drop);
    }

    /// What the strict walk found.
    pub(super) fn flaws(&self) -> impl Iterator<Item = Flaw> + use<> {
        self.walk.flaws()
    }

    /// The place in the body of the next element.
    pub(super) fn at(&self) -> u64 {
        self.blob.at(self.walk.offset())
    }
}

impl<'s, const STRICT: bool> Elems<'s, STRICT> {
    pub(super) fn is_done(&self) -> bool {
        self.walk.bytes_left() == 0
    }

    #[inline(always)]
    pub(super) fn next(&mut self) -> Result<Elem<'s>, Broken> {
        let at = self.walk.offset();
        self.walk.advance().ok_or_else(|| self.ended(at))
    }

    #[cold]
    fn ended(&self, at: u64) -> Broken {
        let end = Flaw { at, fault: Fault::StreamNodeEnd };
        self.blob.broken(self.walk.broken().unwrap_or(end))
    }

    #[inline]
    pub(super) fn int(&mut self) -> Result<i64, Broken> {
        let at = self.walk.offset();
        match self.next()? {
            Elem::Int(n) => Ok(n),
            // Servers read a number that is written as text, too, if they would write it so.
            Elem::Bytes(text) => integer(text)
                .ok_or_else(|| self.blob.broken(Flaw { at, fault: Fault::StreamInteger })),
        }
    }

    /// A number of elements that follow: a claim, so none is made room for.
    pub(super) fn count(&mut self) -> Result<u64, Broken> {
        let at = self.walk.offset();
        u64::try_from(self.int()?)
            .map_err(|_| self.blob.broken(Flaw { at, fault: Fault::StreamInteger }))
    }
}

/// The numbers behind the nodes, and the number of groups.
pub(super) fn numbers(body: &mut Cursor<'_>, layout: u8) -> Result<(StreamInfo, u64), Broken> {
    let mut info = StreamInfo { length: body.length()?, last_id: body.id()?, ..Default::default() };
    if layout >= 2 {
        info.first_id = Some(body.id()?);
        info.max_deleted_id = Some(body.id()?);
        info.entries_added = Some(body.length()?);
    }
    Ok((info, body.length()?))
}

/// What stands between a group's name and its lists.
pub(super) struct GroupHead {
    pub(super) last_id: StreamId,
    /// Where the layout has it and it is known.
    pub(super) entries_read: Option<u64>,
    pub(super) pending: u64,
}

pub(super) fn group_head(body: &mut Cursor<'_>, layout: u8) -> Result<GroupHead, Broken> {
    let last_id = body.id()?;
    let entries_read = if layout >= 2 { Some(body.length()?) } else { None };
    let entries_read = entries_read.filter(|&read| read != u64::MAX);
    Ok(GroupHead { last_id, entries_read, pending: body.length()? })
}

/// A consumer's times: when it was seen, and from layout 3 on when it was active.
pub(super) fn consumer_times(
    body: &mut Cursor<'_>,
    layout: u8,
) -> Result<(i64, Option<i64>), Broken> {
    let seen = body.i64()?;
    Ok((seen, if layout >= 3 { Some(body.i64()?) } else { None }))
}

fn visit_groups(
    body: &mut Cursor<'_>,
    layout: u8,
    groups: u64,
    scratch: &mut Scratch,
    out: &mut DynOut<'_, '_>,
) -> Result<(), Stop> {
    for _ in 0..groups {
        let name = body.bytes(&mut scratch.first)?;
        let GroupHead { last_id, entries_read, pending } = group_head(body, layout)?;
        out.give(Item::Group(Group { name, last_id, entries_read, pending }))?;
        for _ in 0..pending {
            let id = body.raw_id()?;
            let delivered_at_ms = body.i64()?;
            let deliveries = body.length()?;
            out.give(Item::Pending { id, delivered_at_ms, deliveries })?;
        }
        for _ in 0..body.length()? {
            let name = body.bytes(&mut scratch.first)?;
            let (seen_at_ms, active_at_ms) = consumer_times(body, layout)?;
            out.give(Item::Consumer { name, seen_at_ms, active_at_ms })?;
            for _ in 0..body.length()? {
                out.give(Item::Owned(body.raw_id()?))?;
            }
        }
        if layout >= 5 {
            for _ in 0..body.length()? {
                out.give(Item::Nacked(body.raw_id()?))?;
            }
        }
    }
    Ok(())
}

fn skip_groups(body: &mut Cursor<'_>, layout: u8, groups: u64) -> Result<(), Broken> {
    for _ in 0..groups {
        body.text()?;
        for _ in 0..group_head(body, layout)?.pending {
            body.take(24)?;
            body.length()?;
        }
        for _ in 0..body.length()? {
            body.text()?;
            consumer_times(body, layout)?;
            let owned = body.length()?;
            body.take(owned.saturating_mul(16))?;
        }
        if layout >= 5 {
            let nacked = body.length()?;
            body.take(nacked.saturating_mul(16))?;
        }
    }
    Ok(())
}

/// Limits and counters of the producers, and where the first of them begins.
pub(super) fn idempotence<'a>(body: &mut Cursor<'a>) -> Result<(Idempotence, Cursor<'a>), Broken> {
    let duration_secs = body.length()?;
    let max_entries = body.length()?;
    let producers = body.length()?;
    let first = body.clone();
    for _ in 0..producers {
        body.text()?;
        for _ in 0..body.length()? {
            body.text()?;
            body.id()?;
        }
    }
    let (added, duplicates) = (body.length()?, body.length()?);
    Ok((Idempotence { duration_secs, max_entries, producers, added, duplicates }, first))
}

fn visit_producers(
    mut body: Cursor<'_>,
    producers: u64,
    scratch: &mut Scratch,
    out: &mut DynOut<'_, '_>,
) -> Result<(), Stop> {
    for _ in 0..producers {
        out.give(Item::Producer(body.bytes(&mut scratch.first)?))?;
        for _ in 0..body.length()? {
            let iid = body.bytes(&mut scratch.first)?;
            let id = body.id()?;
            out.give(Item::Idempotent { iid, id })?;
        }
    }
    Ok(())
}
