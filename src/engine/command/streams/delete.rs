//! XDEL, XDELEX and XACKDEL, and what deleting an entry means for the groups.

use std::collections::BTreeMap;

use super::{IdsWords, counted_ids, ids};
use crate::engine::call::is;
use crate::engine::stream::{Group, Stream};
use crate::engine::{Answer, Bytes, Call, Failure};
use crate::resp::Reply;
use crate::value::StreamId;

/// What becomes of the pending entries of what is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Strategy {
    /// They stay.
    #[default]
    Keep,
    /// They are deleted with it.
    Drop,
    /// Only what every group has read and acknowledged is deleted.
    Acked,
}

impl Strategy {
    /// The strategy of a word, if it is one.
    pub(super) fn of(arg: &[u8]) -> Option<Self> {
        if is(arg, "KEEPREF") {
            Some(Strategy::Keep)
        } else if is(arg, "DELREF") {
            Some(Strategy::Drop)
        } else if is(arg, "ACKED") {
            Some(Strategy::Acked)
        } else {
            None
        }
    }

    /// Whether an entry may be deleted; what is pending of it is dropped where that is asked for.
    pub(super) fn may_go(self, groups: &mut BTreeMap<Bytes, Group>, id: StreamId) -> bool {
        match self {
            Strategy::Keep => true,
            Strategy::Drop => {
                groups.values_mut().for_each(|group| {
                    group.forget(id);
                });
                true
            }
            Strategy::Acked => groups
                .values()
                .all(|group| group.last_id >= id && !group.pending().contains_key(&id)),
        }
    }
}

pub(super) fn xdel(call: &mut Call<'_>) -> Answer {
    let Some(stream) = call.keys.get::<Stream>(call.arg(1))? else { return Ok(Reply::Int(0)) };
    let ids: Vec<StreamId> =
        call.args.iter().skip(2).map(|arg| ids::id(arg, 0)).collect::<Answer<_>>()?;
    let gone = ids.into_iter().filter(|&id| delete(stream, id)).count();
    Ok(Reply::count(gone))
}

pub(super) fn xdelex(call: &mut Call<'_>) -> Answer {
    let (strategy, args) = strategy_and_ids(call, 2)?;
    let Some(stream) = call.keys.get::<Stream>(call.arg(1))? else { return Ok(nothing(args)) };
    let ids: Vec<StreamId> = args.iter().map(|arg| ids::id(arg, 0)).collect::<Answer<_>>()?;
    let one = |id| {
        // What is pending of an entry that is not there is dropped all the same.
        if !strategy.may_go(&mut stream.groups, id) {
            return Reply::Int(REFERENCED);
        }
        Reply::Int(if delete(stream, id) { DELETED } else { NOTHING })
    };
    Ok(Reply::Array(ids.into_iter().map(one).collect()))
}

pub(super) fn xackdel(call: &mut Call<'_>) -> Answer {
    let (strategy, args) = strategy_and_ids(call, 3)?;
    let name = call.arg(2);
    let Some(stream) = call.keys.get::<Stream>(call.arg(1))? else { return Ok(nothing(args)) };
    if !stream.groups.contains_key(name) {
        return Ok(nothing(args));
    }
    let ids: Vec<StreamId> = args.iter().map(|arg| ids::id(arg, 0)).collect::<Answer<_>>()?;
    let one = |id| {
        let group = stream.groups.get_mut(name);
        if group.and_then(|group| group.forget(id)).is_none() {
            return Reply::Int(NOTHING);
        }
        if !strategy.may_go(&mut stream.groups, id) {
            return Reply::Int(REFERENCED);
        }
        delete(stream, id);
        Reply::Int(DELETED)
    };
    Ok(Reply::Array(ids.into_iter().map(one).collect()))
}

/// What became of an entry: there was nothing to be done.
const NOTHING: i64 = -1;
/// It is deleted.
const DELETED: i64 = 1;
/// It stays, as some group has not done with it.
const REFERENCED: i64 = 2;

fn nothing(ids: &[&[u8]]) -> Reply {
    Reply::Array(ids.iter().map(|_| Reply::Int(NOTHING)).collect())
}

/// Deletes an entry by its id; whether it was there.
fn delete(stream: &mut Stream, id: StreamId) -> bool {
    let entries = &mut stream.entries;
    if !entries.delete(id) {
        return false;
    }
    entries.note_deleted(id);
    if entries.numbers.length == 0 || entries.numbers.first_id == id {
        entries.settle();
    }
    true
}

/// The strategy and the ids behind a place, in either order.
fn strategy_and_ids<'a>(call: &Call<'a>, from: usize) -> Answer<(Strategy, &'a [&'a [u8]])> {
    const WORDS: IdsWords = IdsWords {
        no_count: "ERR Number of IDs must be a positive integer",
        too_few: "ERR The `numids` parameter must match the number of arguments",
    };
    let mut strategy = None;
    let mut ids: Option<&[&[u8]]> = None;
    let mut at = from;
    while at < call.argc() {
        let arg = call.arg(at);
        if strategy.is_none()
            && let Some(found) = Strategy::of(arg)
        {
            strategy = Some(found);
            at += 1;
        } else if ids.is_none() && is(arg, "IDS") && at + 1 < call.argc() {
            let found = counted_ids(call.arg(at + 1), call.rest(at + 2), WORDS)?;
            ids = Some(found);
            at += 2 + found.len();
        } else {
            return Err(Failure::SYNTAX);
        }
    }
    Ok((strategy.unwrap_or_default(), ids.ok_or(Failure::SYNTAX)?))
}
