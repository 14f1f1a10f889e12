//! Lists.
//!
//! A command that would block does what it does when something is there, and answers as after its
//! timeout when nothing is.

mod moves;
mod pops;
mod positions;

use crate::engine::call::is;
use crate::engine::command::pick;
use crate::engine::{Answer, Call, End, Failure, List, Spec};
use crate::resp::Reply;

/// What is known here.
pub(super) const COMMANDS: &[Spec] = &[
    Spec::key("LPUSH", -3, |call| push(call, End::Left)),
    Spec::key("RPUSH", -3, |call| push(call, End::Right)),
    Spec::key("LPUSHX", -3, |call| push_to_existing(call, End::Left)),
    Spec::key("RPUSHX", -3, |call| push_to_existing(call, End::Right)),
    Spec::key("LPOP", -2, |call| pops::pop(call, End::Left)),
    Spec::key("RPOP", -2, |call| pops::pop(call, End::Right)),
    Spec::key("LLEN", 2, |call| {
        let key = call.arg(1);
        Ok(Reply::count(call.keys.get::<List>(key)?.map_or(0, |list| list.len())))
    }),
    Spec::key("LINDEX", 3, index),
    Spec::key("LRANGE", 4, range),
    Spec::key("LSET", 4, set),
    Spec::key("LINSERT", 5, insert),
    Spec::key("LREM", 4, remove),
    Spec::key("LTRIM", 4, trim),
    Spec::key("LPOS", -3, positions::positions),
    Spec::keys("RPOPLPUSH", 3, |call| moves::move_one(call, End::Right, End::Left)),
    Spec::keys("LMOVE", 5, moves::move_ends),
    Spec::keys("BRPOPLPUSH", 4, moves::blocking_right_to_left),
    Spec::keys("BLMOVE", 6, moves::blocking_move_ends),
    Spec::keys("LMOVEM", -5, moves::move_several),
    Spec::keys("BLMOVEM", -6, moves::blocking_move_several),
    Spec::keys("BLPOP", -3, |call| pops::blocking_pop(call, End::Left)),
    Spec::keys("BRPOP", -3, |call| pops::blocking_pop(call, End::Right)),
    Spec::keys("LMPOP", -4, |call| pops::pop_of_several(call, 1)),
    Spec::keys("BLMPOP", -5, pops::blocking_pop_of_several),
];

/// An end of a list, out of an argument.
fn end(arg: &[u8]) -> Answer<End> {
    match arg {
        _ if is(arg, "LEFT") => Ok(End::Left),
        _ if is(arg, "RIGHT") => Ok(End::Right),
        _ => Err(Failure::SYNTAX),
    }
}

/// The place of an index that counts from the tail where it is negative.
fn place(index: i64, len: usize) -> Option<usize> {
    let index = if index < 0 { index.checked_add(i64::try_from(len).ok()?)? } else { index };
    usize::try_from(index).ok().filter(|place| *place < len)
}

/// The stretch from one index to another, both included: where it begins, and how long it is.
fn stretch(first: i64, last: i64, len: usize) -> (usize, usize) {
    let len = i64::try_from(len).unwrap_or(i64::MAX);
    let from_head = |index: i64| if index < 0 { index.saturating_add(len) } else { index };
    let (first, last) = (from_head(first).max(0), from_head(last).min(len - 1));
    match first > last {
        true => (0, 0),
        false => (first as usize, (last - first + 1) as usize),
    }
}

/// Behind a removal: an empty list goes, a small one is packed again.
fn settle(call: &mut Call<'_>, key: &[u8]) -> Answer<()> {
    if let Some(list) = call.keys.get::<List>(key)? {
        if list.is_empty() {
            call.keys.remove(key);
        } else {
            list.shrink(&call.env.target.limits);
        }
    }
    Ok(())
}

#[inline]
fn push_all(call: &mut Call<'_>, key: &[u8], end: End, new: &[&[u8]]) -> Answer<usize> {
    let limits = &call.env.target.limits;
    let list = call.keys.get_or(key, List::default)?;
    list.expect(new.iter().map(|text| text.len()).sum(), new.len(), limits);
    new.iter().for_each(|text| list.push(end, text, limits));
    Ok(list.len())
}

fn push(call: &mut Call<'_>, end: End) -> Answer {
    let (key, new) = (call.arg(1), call.rest(2));
    push_all(call, key, end, new).map(Reply::count)
}

fn push_to_existing(call: &mut Call<'_>, end: End) -> Answer {
    let (key, new) = (call.arg(1), call.rest(2));
    if call.keys.get::<List>(key)?.is_none() {
        return Ok(Reply::Int(0));
    }
    push_all(call, key, end, new).map(Reply::count)
}

fn index(call: &mut Call<'_>) -> Answer {
    let key = call.arg(1);
    if call.keys.get::<List>(key)?.is_none() {
        return Ok(Reply::Nil);
    }
    let index = call.int(2)?;
    let Some(list) = call.keys.get::<List>(key)? else { return Ok(Reply::Nil) };
    let elem = place(index, list.len()).and_then(|place| list.get(place));
    Ok(elem.map_or(Reply::Nil, |elem| Reply::Bulk(elem.to_vec())))
}

fn range(call: &mut Call<'_>) -> Answer {
    let (key, first, last) = (call.arg(1), call.int(2)?, call.int(3)?);
    let Some(list) = call.keys.get::<List>(key)? else { return Ok(Reply::Array(Vec::new())) };
    let (from, count) = stretch(first, last, list.len());
    let elems = list.iter_from(from).take(count);
    Ok(Reply::Array(elems.map(|elem| Reply::Bulk(elem.to_vec())).collect()))
}

fn set(call: &mut Call<'_>) -> Answer {
    let (key, text) = (call.arg(1), call.arg(3));
    if call.keys.get::<List>(key)?.is_none() {
        return Err(Failure::NO_SUCH_KEY);
    }
    let index = call.int(2)?;
    let index = if call.env.target.cuts_list_indexes() { i64::from(index as i32) } else { index };
    let limits = &call.env.target.limits;
    let Some(list) = call.keys.get::<List>(key)? else { return Err(Failure::NO_SUCH_KEY) };
    // The form is settled before the index is looked at.
    list.expect(text.len(), 1, limits);
    let Some(place) = place(index, list.len()) else { return Err(Failure::OUT_OF_RANGE) };
    list.set(place, text, limits);
    list.shrink(limits);
    Ok(Reply::OK)
}

fn insert(call: &mut Call<'_>) -> Answer {
    let behind = match () {
        () if call.is(2, "AFTER") => true,
        () if call.is(2, "BEFORE") => false,
        () => return Err(Failure::SYNTAX),
    };
    let (key, pivot, text) = (call.arg(1), call.arg(3), call.arg(4));
    let limits = &call.env.target.limits;
    let Some(list) = call.keys.get::<List>(key)? else { return Ok(Reply::Int(0)) };
    list.expect(text.len(), 1, limits);
    let found = list.positions(pivot, End::Left).next();
    let Some(index) = found else { return Ok(Reply::Int(-1)) };
    list.insert(index, behind, text, limits);
    Ok(Reply::count(list.len()))
}

fn remove(call: &mut Call<'_>) -> Answer {
    // Before 7.2 the count that has no opposite is any number.
    let count = match call.env.target.has_packed_lists() {
        true => pick::count(call.arg(2))?,
        false => call.int(2)?,
    };
    let (key, text) = (call.arg(1), call.arg(3));
    let Some(list) = call.keys.get::<List>(key)? else { return Ok(Reply::Int(0)) };
    let from = if count < 0 { End::Right } else { End::Left };
    let most = match count {
        0 => usize::MAX,
        count => usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX),
    };
    let removed = list.remove_equal(text, most, from);
    if removed > 0 {
        settle(call, key)?;
    }
    Ok(Reply::count(removed))
}

fn trim(call: &mut Call<'_>) -> Answer {
    let (key, first, last) = (call.arg(1), call.int(2)?, call.int(3)?);
    let Some(list) = call.keys.get::<List>(key)? else { return Ok(Reply::OK) };
    let (from, count) = stretch(first, last, list.len());
    list.remove_range(from + count, usize::MAX);
    list.remove_range(0, from);
    settle(call, key)?;
    Ok(Reply::OK)
}
