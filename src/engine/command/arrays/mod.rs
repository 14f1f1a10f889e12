//! Arrays (Redis 8.8 and newer).

mod aggregate;
mod grep;
mod read;

use crate::bytes::number::{integer, loose_unsigned};
use crate::engine::{Answer, Array, Call, Failure, Spec};
use crate::resp::Reply;

/// What is known here.
pub(super) const COMMANDS: &[Spec] = &[
    Spec::key("ARSET", -4, set),
    Spec::key("ARMSET", -4, set_several),
    Spec::key("ARDEL", -3, delete),
    Spec::key("ARDELRANGE", -4, delete_ranges),
    Spec::key("ARINSERT", -3, insert),
    Spec::key("ARRING", -4, insert_ring),
    Spec::key("ARSEEK", 3, seek),
    Spec::key("ARGET", 3, read::get),
    Spec::key("ARMGET", -3, read::get_several),
    Spec::key("ARGETRANGE", 4, read::get_range),
    Spec::key("ARSCAN", -4, read::scan),
    Spec::key("ARLEN", 2, |call| {
        let key = call.arg(1);
        Ok(number(call.keys.get::<Array>(key)?.map_or(0, |array| array.span())))
    }),
    Spec::key("ARCOUNT", 2, |call| {
        let key = call.arg(1);
        Ok(Reply::count(call.keys.get::<Array>(key)?.map_or(0, |array| array.len())))
    }),
    Spec::key("ARNEXT", 2, |call| {
        let key = call.arg(1);
        let next = call.keys.get::<Array>(key)?.map_or(Some(0), |array| array.next());
        Ok(next.map_or(Reply::Nil, number))
    }),
    Spec::key("ARLASTITEMS", -3, read::last_items),
    Spec::key("ARINFO", -2, read::info),
    Spec::key("AROP", -5, aggregate::aggregate),
    Spec::key("ARGREP", -6, grep::grep),
];

/// An index, or a count of cells, as a reply: text where it is too large for an integer.
fn number(value: u64) -> Reply {
    i64::try_from(value).map_or_else(|_| Reply::bulk(value.to_string()), Reply::Int)
}

/// An argument as the index of a cell.
fn index(arg: &[u8]) -> Answer<u64> {
    loose_unsigned(arg).filter(|&index| index <= Array::MAX_INDEX).ok_or(BAD_INDEX)
}

/// Two indexes, in either order, as the range between them.
fn between(one: u64, other: u64) -> std::ops::RangeInclusive<u64> {
    one.min(other)..=one.max(other)
}

const BAD_INDEX: Failure = Failure::text("ERR invalid array index");

#[cold]
fn wrong_count(call: &Call<'_>) -> Failure {
    let name = String::from_utf8_lossy(call.arg(0)).to_lowercase();
    Failure::said(format!("ERR wrong number of arguments for '{name}' command"))
}

fn set(call: &mut Call<'_>) -> Answer {
    let (key, texts) = (call.arg(1), call.rest(3));
    let first = index(call.arg(2))?;
    let room = Array::MAX_INDEX - first;
    if (texts.len() as u64).saturating_sub(1) > room {
        return Err(Failure::text("ERR array index overflow"));
    }
    let array = call.keys.get_or(key, Array::default)?;
    Ok(Reply::count(array.set_run(first, texts)))
}

/// The arguments from a place on in pairs, if they come in pairs.
fn pairs<'c>(call: &Call<'c>) -> Answer<impl Iterator<Item = (&'c [u8], &'c [u8])> + Clone + 'c> {
    let args = call.rest(2);
    if !args.len().is_multiple_of(2) {
        return Err(wrong_count(call));
    }
    Ok(args.chunks_exact(2).filter_map(|pair| match pair {
        [one, other] => Some((*one, *other)),
        _ => None,
    }))
}

fn set_several(call: &mut Call<'_>) -> Answer {
    let pairs = pairs(call)?;
    pairs.clone().try_for_each(|(at, _)| index(at).map(|_| ()))?;
    let array = call.keys.get_or(call.arg(1), Array::default)?;
    let mut new = 0;
    for (at, text) in pairs {
        new += usize::from(array.set(index(at)?, text));
    }
    Ok(Reply::count(new))
}

/// Takes cells away; an array without cells is no more.
fn take(call: &mut Call<'_>, mut taken: impl FnMut(&mut Array) -> Answer<usize>) -> Answer {
    let key = call.arg(1);
    let Some(array) = call.keys.get::<Array>(key)? else { return Ok(Reply::Int(0)) };
    let count = taken(array)?;
    if array.is_empty() {
        call.keys.remove(key);
    }
    Ok(Reply::count(count))
}

fn delete(call: &mut Call<'_>) -> Answer {
    let gone = call.rest(2);
    gone.iter().try_for_each(|at| index(at).map(|_| ()))?;
    take(call, |array| {
        let mut count = 0;
        for at in gone {
            count += usize::from(array.remove(index(at)?));
        }
        Ok(count)
    })
}

fn delete_ranges(call: &mut Call<'_>) -> Answer {
    let ranges = pairs(call)?;
    ranges.clone().try_for_each(|(one, other)| index(one).and(index(other)).map(|_| ()))?;
    take(call, |array| {
        let mut count = 0;
        for (one, other) in ranges.clone() {
            count += array.remove_range(between(index(one)?, index(other)?));
        }
        Ok(count)
    })
}

fn insert(call: &mut Call<'_>) -> Answer {
    let array = call.keys.get_or(call.arg(1), Array::default)?;
    let last = array.insert(call.args.get(2..).unwrap_or_default());
    last.map(number).ok_or(Failure::text("ERR insert index overflow"))
}

fn insert_ring(call: &mut Call<'_>) -> Answer {
    let size = integer(call.arg(2)).ok_or(Failure::text("ERR invalid size"))?;
    let size = u64::try_from(size).ok().filter(|&size| size > 0);
    let size = size.ok_or(Failure::text("ERR size must be positive"))?;
    let texts = call.rest(3);
    let array = call.keys.get_or(call.arg(1), Array::default)?;
    Ok(number(array.insert_ring(size, texts)))
}

fn seek(call: &mut Call<'_>) -> Answer {
    // One past the highest index is a place to stop at.
    let next = loose_unsigned(call.arg(2)).ok_or(BAD_INDEX)?;
    let key = call.arg(1);
    let Some(array) = call.keys.get::<Array>(key)? else { return Ok(Reply::Int(0)) };
    array.seek(next);
    Ok(Reply::Int(1))
}
