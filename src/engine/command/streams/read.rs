//! XLEN, XRANGE, XREVRANGE and XREAD.

use std::ops::ControlFlow;

use super::{entry, ids};
use crate::engine::call::{int, is};
use crate::engine::stream::{Entries, Stream};
use crate::engine::{Answer, Call, Failure};
use crate::resp::Reply;
use crate::value::StreamId;

pub(super) fn xlen(call: &mut Call<'_>) -> Answer {
    Ok(Reply::count(call.keys.get::<Stream>(call.arg(1))?.map_or(0, |stream| stream.len())))
}

pub(super) fn xrange(call: &mut Call<'_>) -> Answer {
    range(call, false)
}

pub(super) fn xrevrange(call: &mut Call<'_>) -> Answer {
    range(call, true)
}

fn range(call: &mut Call<'_>, back: bool) -> Answer {
    let (from, to) = if back { (3, 2) } else { (2, 3) };
    let from = ids::start(call.arg(from))?;
    let to = ids::end(call.arg(to))?;
    let mut count = None;
    for option in call.rest(4).chunks(2) {
        match option {
            [word, n] if is(word, "COUNT") => count = Some(int(n)?.max(0)),
            _ => return Err(Failure::SYNTAX),
        }
    }
    let Some(stream) = call.keys.get::<Stream>(call.arg(1))? else {
        return Ok(Reply::Array(Vec::new()));
    };
    match count {
        Some(0) => Ok(Reply::NilArray),
        count => {
            let most = count.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
            Ok(Reply::Array(between(&stream.entries, from, to, back, most)))
        }
    }
}

/// The entries between two ids, so many at most.
pub(super) fn between(
    entries: &Entries,
    from: StreamId,
    to: StreamId,
    back: bool,
    most: usize,
) -> Vec<Reply> {
    let mut found = Vec::new();
    let each = |one: &crate::engine::stream::Entry<'_>| {
        found.push(entry(one));
        match found.len() < most {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    };
    match back {
        true => entries.walk_back(from, to, each),
        false => entries.walk(from, to, each),
    }
    found
}
