//! Streams: what is in the nodes against what their heads and the stream say of it, and who owns
//! what is pending.

use super::pending::{Owned, Pending};
use super::seen::{Seen, hash_elem, same};
use super::{Checker, Halt, Report, Stance, blob};
use crate::bytes::hash::hash;
use crate::error::Fault;
use crate::rdb::ValueType;
use crate::rdb::object::cursor::{Blob, Cursor};
use crate::rdb::object::stream::{
    DELETED, Elems, SAME_FIELDS, consumer_times, group_head, layout, node_key, numbers,
};
use crate::rdb::object::{Broken, Scratch};
use crate::rdb::packed::{Flaw, Listpack};
use crate::value::{StreamId, StreamInfo};

/// The offset of a node's first element, the number of live entries.
const FIRST: u64 = 6;
/// A day: how long ids of producers can be remembered.
const MOST_SECS: u64 = 86400;
/// How many ids can be remembered for a producer.
const MOST_IDS: u64 = 10000;

pub(super) fn check(
    ty: ValueType,
    mut body: Cursor<'_>,
    checker: &mut Checker,
    report: &mut Report<'_>,
) -> Result<(), Halt> {
    let layout = layout(ty);
    let nodes = nodes(&mut body, checker, report)?;

    let at = body.at();
    let (info, groups) = numbers(&mut body, layout)?;
    if info.length > 0 && nodes.count == 0 {
        report.add(at, Fault::StreamNoNodes { length: info.length }, Stance::Fatal)?;
    } else if nodes.readable && info.length != nodes.live {
        let fault = Fault::StreamLength { want: info.length, found: nodes.live };
        report.add(at, fault, Stance::FatalNewest)?;
    }
    if nodes.last > Some(info.last_id) {
        report.add(at, Fault::StreamIdOrder, Stance::Unnoticed)?;
    }
    if let Some(added) = info.entries_added
        && (added < info.length || i64::try_from(added).is_err())
    {
        let fault = Fault::StreamAdded { added, length: info.length };
        report.add(at, fault, Stance::FatalSince8_10)?;
    }

    check_groups(&mut body, layout, groups, &info, checker, report)?;
    if layout >= 4 { producers(body, checker, report) } else { Ok(()) }
}

/// What the nodes hold.
#[derive(Default)]
struct Nodes {
    count: u64,
    /// What their heads say.
    live: u64,
    last: Option<StreamId>,
    /// Whether all heads could be read.
    readable: bool,
}

fn nodes(
    body: &mut Cursor<'_>,
    checker: &mut Checker,
    report: &mut Report<'_>,
) -> Result<Nodes, Halt> {
    let Checker { scratch: Scratch { blob: room, first, .. }, seen, .. } = checker;
    let start = body.clone();
    let count = body.length()?;
    let mut nodes = Nodes { count, readable: true, ..Nodes::default() };
    let mut last_key = None;
    let mut in_order = true;
    let mut ids_in_order = true;
    for _ in 0..count {
        let at = body.at();
        let mut ahead = body.clone();
        ahead.text()?;
        let key = match node_key(body, first) {
            Ok(key) => Some(key),
            Err(Broken { at, fault }) => {
                report.add(at, fault, Stance::Fatal)?;
                *body = ahead;
                None
            }
        };
        if let Some(key) = key {
            if last_key >= Some(key) && in_order {
                in_order = false;
                report.add(at, Fault::StreamNodeOrder, Stance::Unnoticed)?;
            }
            last_key = Some(key);
        }
        let at = body.at();
        let Some(blob) = blob(body, room, report)? else {
            nodes.readable = false;
            continue;
        };
        let pack = match Listpack::new(blob.bytes) {
            Ok(pack) => pack,
            Err(fault) => {
                report.flaw(blob, Flaw { at: 0, fault }, Stance::Fatal)?;
                nodes.readable = false;
                continue;
            }
        };
        if pack.is_empty() {
            report.add(at, Fault::EmptyValue, Stance::Fatal)?;
            nodes.readable = false;
            continue;
        }
        let mut node = Node { key: key.unwrap_or_default(), last: nodes.last, ..Node::default() };
        let mut elems = Elems::strict(blob, pack);
        match node.read(&mut elems) {
            Ok(()) => {
                if node.live != node.claimed_live || node.deleted != node.claimed_deleted {
                    node.report_counts(blob, report)?;
                }
            }
            Err(broken) => {
                report.add(broken.at, broken.fault, node.stance(broken.fault))?;
                elems.exhaust();
            }
        }
        if let Some((at, found)) = node.wrong_end {
            report.add(at, Fault::StreamHeadEnd { found }, Stance::DeepOnly)?;
        }
        if let Some((at, want, found)) = node.wrong_count {
            let fault = Fault::StreamEntryCount { want, found };
            report.add(at, fault, Stance::DeepOnly)?;
        }
        if let Some(at) = node.disorder
            && ids_in_order
            && in_order
        {
            ids_in_order = false;
            report.add(at, Fault::StreamIdOrder, Stance::Unnoticed)?;
        }
        for flaw in elems.flaws() {
            let stance = match flaw {
                // Redis counts the elements of a node by its head only.
                Flaw { fault: Fault::ListpackCount { .. }, .. } => Stance::FatalValkey9_1,
                Flaw { at: FIRST, .. } => Stance::FatalNewest,
                _ => Stance::DeepOnly,
            };
            report.flaw(blob, flaw, stance)?;
        }
        nodes.live = nodes.live.wrapping_add(node.claimed_live as u64);
        nodes.readable &= node.has_count;
        nodes.last = nodes.last.max(node.last);
    }
    if !in_order {
        repeated_nodes(start, seen, first, report)?;
    }
    Ok(nodes)
}

/// Nodes that are out of order may also be there twice.
#[cold]
fn repeated_nodes(
    mut body: Cursor<'_>,
    seen: &mut Seen,
    room: &mut Vec<u8>,
    report: &mut Report<'_>,
) -> Result<(), Halt> {
    let count = body.length()?;
    let start = body.clone();
    let mut key_at = |at| node_key(&mut start.jump(at), room).ok();
    seen.begin(count);
    for number in 0..count {
        let at = body.at();
        body.text()?;
        body.text()?;
        let Some(key) = key_at(at) else { continue };
        let hash = hash_id(key);
        if let Some(first) = seen.insert(hash, at, number, |first| key_at(first) == Some(key))? {
            report.show_id(at, Fault::Duplicate { first }, Stance::Fatal, key)?;
        }
    }
    let number = |at| {
        let mut body = start.clone();
        (0..count)
            .find(|_| body.at() >= at || body.text().and_then(|_| body.text()).is_err())
            .unwrap_or(count)
    };
    let mut room = Vec::new();
    let name = |at| match node_key(&mut start.jump(at), &mut room) {
        Ok(key) => key.to_string().into_bytes(),
        Err(_) => Vec::new(),
    };
    let pair = |a, b| key_at(a) == key_at(b);
    let fault = |first| Fault::Duplicate { first: number(first) };
    seen.finish(pair, fault, name, |at| at, Stance::Fatal, report)
}

fn hash_id(id: StreamId) -> u64 {
    let mut bytes = [0; 16];
    let (ms, seq) = bytes.split_at_mut(8);
    ms.copy_from_slice(&id.ms.to_be_bytes());
    seq.copy_from_slice(&id.seq.to_be_bytes());
    hash(&bytes)
}

/// One node, as it is read.
#[derive(Default)]
struct Node {
    key: StreamId,
    /// Whether the head says how many entries are live.
    has_count: bool,
    claimed_live: i64,
    claimed_deleted: i64,
    live: i64,
    deleted: i64,
    /// What stands behind the head's fields where 0 should be, and where that is.
    wrong_end: Option<(u64, i64)>,
    /// The highest id so far, also of the nodes before.
    last: Option<StreamId>,
    /// Where the first id is that is not above all before it.
    disorder: Option<u64>,
    /// The first wrong count of elements: where, what it should be, what it is.
    wrong_count: Option<(u64, u64, i64)>,
}

impl Node {
    fn read(&mut self, elems: &mut Elems<'_, true>) -> Result<(), Broken> {
        self.claimed_live = elems.int()?;
        self.has_count = true;
        self.claimed_deleted = elems.int()?;
        let fields = elems.count()?;
        for _ in 0..fields {
            elems.next()?;
        }
        let at = elems.at();
        match elems.int()? {
            0 => {}
            end => self.wrong_end = Some((at, end)),
        }
        while !elems.is_done() {
            self.entry(elems, fields)?;
        }
        Ok(())
    }

    #[inline]
    fn entry(&mut self, elems: &mut Elems<'_, true>, shared: u64) -> Result<(), Broken> {
        let at = elems.at();
        let flags = elems.int()?;
        let id = StreamId {
            ms: self.key.ms.wrapping_add(elems.int()? as u64),
            seq: self.key.seq.wrapping_add(elems.int()? as u64),
        };
        let want = if flags & SAME_FIELDS != 0 {
            for _ in 0..shared {
                elems.next()?;
            }
            shared + 3
        } else {
            let fields = elems.count()?;
            for _ in 0..fields {
                elems.next()?;
                elems.next()?;
            }
            2 * fields + 4
        };
        let found = elems.int()?;
        if u64::try_from(found) != Ok(want) {
            self.wrong_count.get_or_insert((at, want, found));
        }
        if flags & DELETED == 0 {
            self.live += 1
        } else {
            self.deleted += 1
        }
        if self.last >= Some(id) {
            self.disorder.get_or_insert(at);
        } else {
            self.last = Some(id);
        }
        Ok(())
    }

    /// What servers make of a node that could not be read to the end: the newest always add up
    /// what the heads say is live.
    fn stance(&self, fault: Fault) -> Stance {
        match fault {
            _ if self.has_count => Stance::DeepOnly,
            // The end mark in front of everything: a node without elements.
            Fault::ListpackEntry { byte: 0xff } => Stance::Fatal,
            _ => Stance::FatalNewest,
        }
    }

    /// Before Redis 8.10 sanitizing servers only looked at the sum.
    #[cold]
    fn report_counts(&self, blob: Blob<'_>, report: &mut Report<'_>) -> Result<(), Halt> {
        let (live, deleted) = (self.claimed_live, self.claimed_deleted);
        let stance = Stance::DeepOnly;
        let fault = Fault::StreamNode {
            live: live as u64,
            deleted: deleted as u64,
            found_live: self.live as u64,
            found_deleted: self.deleted as u64,
        };
        report.flaw(blob, Flaw { at: FIRST, fault }, stance)
    }
}

fn check_groups(
    body: &mut Cursor<'_>,
    layout: u8,
    groups: u64,
    info: &StreamInfo,
    checker: &mut Checker,
    report: &mut Report<'_>,
) -> Result<(), Halt> {
    let Checker { scratch: Scratch { first, second, .. }, seen, names, pending, .. } = checker;
    names.begin(groups);
    for _ in 0..groups {
        let at = body.at();
        name(body, names, [&mut *first, &mut *second], report)?;
        let head = group_head(body, layout)?;
        if let (Some(read), Some(added)) = (head.entries_read, info.entries_added)
            && read > added
        {
            report.add(at, Fault::StreamRead { read, added }, Stance::FatalSince8_10)?;
        }
        let mut twice = Vec::new();
        let mut pending = Pending::read(body, head.pending, pending, |at, id| {
            if twice.len() < super::MOST as usize {
                twice.push((at, id));
            }
        })?;
        for (at, id) in twice {
            report.show_id(at, Fault::StreamDuplicatePending, Stance::Fatal, id)?;
        }
        consumers(body, layout, seen, [&mut *first, &mut *second], &mut pending, report)?;
        if layout >= 5 {
            for _ in 0..body.length()? {
                let at = body.at();
                let id = body.raw_id()?;
                let fault = match pending.give_back(id) {
                    Owned::First | Owned::Again => continue,
                    Owned::Shared => Fault::StreamSharedPending,
                    Owned::Unknown => Fault::StreamUnknownPending,
                };
                report.show_id(at, fault, Stance::Fatal, id)?;
            }
        }
        match pending.unowned() {
            0 => {}
            ids => report.add(at, Fault::StreamUnownedPending { ids }, Stance::DeepOnly)?,
        }
    }
    finish_names(body, names, [first, second], report)
}

fn consumers(
    body: &mut Cursor<'_>,
    layout: u8,
    seen: &mut Seen,
    [first, second]: [&mut Vec<u8>; 2],
    pending: &mut Pending<'_, '_>,
    report: &mut Report<'_>,
) -> Result<(), Halt> {
    let count = body.length()?;
    seen.begin(count);
    for consumer in 0..count {
        name(body, seen, [&mut *first, &mut *second], report)?;
        consumer_times(body, layout)?;
        for _ in 0..body.length()? {
            let at = body.at();
            let id = body.raw_id()?;
            let (fault, stance) = match pending.own(id, consumer) {
                Owned::First => continue,
                Owned::Again => (Fault::StreamDuplicatePending, Stance::Fatal),
                Owned::Shared => (Fault::StreamSharedPending, Stance::FatalNewest),
                Owned::Unknown => (Fault::StreamUnknownPending, Stance::Fatal),
            };
            report.show_id(at, fault, stance, id)?;
        }
    }
    finish_names(body, seen, [first, second], report)
}

fn producers(
    mut body: Cursor<'_>,
    checker: &mut Checker,
    report: &mut Report<'_>,
) -> Result<(), Halt> {
    let Checker { scratch: Scratch { first, second, .. }, names, .. } = checker;
    for limit in [MOST_SECS, MOST_IDS] {
        let at = body.at();
        let value = body.length()?;
        if value == 0 || value > limit {
            report.add(at, Fault::StreamIdempotence { value, limit }, Stance::Fatal)?;
        }
    }
    let count = body.length()?;
    names.begin(count);
    for _ in 0..count {
        name(&mut body, names, [&mut *first, &mut *second], report)?;
        for _ in 0..body.length()? {
            report.next_text(&mut body)?;
            body.id()?;
        }
    }
    finish_names(&body, names, [first, second], report)
}

/// The next string is a name that must not have been there before.
fn name(
    body: &mut Cursor<'_>,
    seen: &mut Seen,
    [room, other]: [&mut Vec<u8>; 2],
    report: &mut Report<'_>,
) -> Result<(), Halt> {
    let at = body.at();
    let name = match body.text()?.elem(room) {
        Ok(name) => name,
        Err(fault) => return report.add(at, fault, Stance::Fatal),
    };
    let is_same = |at| body.jump(at).elem(other).is_ok_and(|first| same(first, name));
    match seen.insert(hash_elem(name), at, 0, is_same)? {
        None => Ok(()),
        Some(_) => report.show(at, Fault::StreamDuplicateName, Stance::Fatal, name),
    }
}

fn finish_names(
    body: &Cursor<'_>,
    seen: &mut Seen,
    [first, second]: [&mut Vec<u8>; 2],
    report: &mut Report<'_>,
) -> Result<(), Halt> {
    let pair = |a, b| match (body.jump(a).elem(first), body.jump(b).elem(second)) {
        (Ok(a), Ok(b)) => same(a, b),
        _ => false,
    };
    let mut room = Vec::new();
    let name = |at| body.jump(at).elem(&mut room).map(|e| e.to_vec()).unwrap_or_default();
    let fault = |_| Fault::StreamDuplicateName;
    seen.finish(pair, fault, name, |at| at, Stance::Fatal, report)
}
