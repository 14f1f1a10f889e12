//! Members that are taken from either end: ZPOPMIN, ZMPOP and their blocking forms, which never
//! block here: with nothing to take they answer what they answer when the time is up.

use super::{Listing, drop_if_empty, score_reply};
use crate::bytes::number::{DoubleRules, parse_double_by};
use crate::engine::{Answer, Call, Failure, SortedSet};
use crate::resp::Reply;

const NOT_POSITIVE: Failure = Failure::text("ERR value is out of range, must be positive");

/// Takes up to `count` members of a key from an end, and hands them out.
fn take(
    call: &mut Call<'_>,
    key: &[u8],
    max: bool,
    count: usize,
    mut give: impl FnMut(crate::value::Elem<'_>, f64),
) -> Answer<()> {
    let Some(set) = call.keys.get::<SortedSet>(key)? else { return Ok(()) };
    let len = set.len();
    let count = count.min(len);
    let ranks = if max { len - count..len } else { 0..count };
    set.visit(ranks.clone(), max, &mut give);
    set.remove_ranks(ranks);
    drop_if_empty(call, key)
}

pub(super) fn pop_min(call: &mut Call<'_>) -> Answer {
    pop(call, false)
}

pub(super) fn pop_max(call: &mut Call<'_>) -> Answer {
    pop(call, true)
}

fn pop(call: &mut Call<'_>, max: bool) -> Answer {
    let count = match call.argc() {
        2 => 1,
        3 => usize::try_from(call.int(2).map_err(|_| NOT_POSITIVE)?).map_err(|_| NOT_POSITIVE)?,
        _ => return Err(Failure::SYNTAX),
    };
    let mut listing = Listing::new(call, true);
    take(call, call.arg(1), max, count, |member, score| listing.add(member, score))?;
    listing.reply()
}

pub(super) fn blocking_pop_min(call: &mut Call<'_>) -> Answer {
    blocking_pop(call, false)
}

pub(super) fn blocking_pop_max(call: &mut Call<'_>) -> Answer {
    blocking_pop(call, true)
}

fn blocking_pop(call: &mut Call<'_>, max: bool) -> Answer {
    let last = call.argc() - 1;
    timeout(call.arg(last))?;
    let keys = call.args.get(1..last).unwrap_or_default();
    let Some(key) = first_there(call, keys)? else { return Ok(Reply::NilArray) };
    let text = call.env.target.score_text();
    let mut items = vec![Reply::bulk(key)];
    take(call, key, max, 1, |member, score| {
        items.push(Reply::Bulk(member.to_vec()));
        items.push(score_reply(score, text));
    })?;
    Ok(Reply::Array(items))
}

/// The first of some keys that is there.
fn first_there<'a>(call: &mut Call<'_>, keys: &[&'a [u8]]) -> Answer<Option<&'a [u8]>> {
    for key in keys {
        if call.keys.get::<SortedSet>(key)?.is_some() {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

/// Holds a timeout in seconds to be one.
fn timeout(text: &[u8]) -> Answer<()> {
    const WRONG: Failure = Failure::text("ERR timeout is not a float or out of range");
    const NEGATIVE: Failure = Failure::text("ERR timeout is negative");
    const FAR: Failure = Failure::text("ERR timeout is out of range");
    let seconds = parse_double_by(text, DoubleRules::COMMAND).ok_or(WRONG)?;
    if seconds.is_nan() {
        return Err(WRONG);
    }
    if seconds * 1000.0 > i64::MAX as f64 {
        return Err(FAR);
    }
    if seconds < 0.0 { Err(NEGATIVE) } else { Ok(()) }
}

pub(super) fn pop_of_several(call: &mut Call<'_>) -> Answer {
    multi_pop(call, 1)
}

pub(super) fn blocking_pop_of_several(call: &mut Call<'_>) -> Answer {
    timeout(call.arg(1))?;
    multi_pop(call, 2)
}

/// `numkeys key … MIN|MAX [COUNT n]` from an argument on.
fn multi_pop(call: &mut Call<'_>, at: usize) -> Answer {
    let positive = |call: &Call<'_>, arg: usize, words: &'static str| {
        call.int(arg).ok().filter(|n| *n > 0).ok_or(Failure::text(words))
    };
    let keys = positive(call, at, "ERR numkeys should be greater than 0")?;
    let keys = usize::try_from(keys).unwrap_or(usize::MAX);
    let end = keys.saturating_add(at + 1);
    if end >= call.argc() {
        return Err(Failure::SYNTAX);
    }
    let max = match () {
        () if call.is(end, "MIN") => false,
        () if call.is(end, "MAX") => true,
        () => return Err(Failure::SYNTAX),
    };
    let count = match call.argc() - end {
        1 => 1,
        3.. if call.is(end + 1, "COUNT") => {
            let count = positive(call, end + 2, "ERR count should be greater than 0")?;
            if call.argc() - end > 3 {
                return Err(Failure::SYNTAX);
            }
            usize::try_from(count).unwrap_or(usize::MAX)
        }
        _ => return Err(Failure::SYNTAX),
    };
    let keys = call.args.get(at + 1..end).unwrap_or_default();
    let Some(key) = first_there(call, keys)? else { return Ok(Reply::NilArray) };
    let text = call.env.target.score_text();
    let mut pairs = Vec::new();
    take(call, key, max, count, |member, score| {
        let pair = vec![Reply::Bulk(member.to_vec()), score_reply(score, text)];
        pairs.push(Reply::Array(pair));
    })?;
    Ok(Reply::Array(vec![Reply::bulk(key), Reply::Array(pairs)]))
}
