//! What the cells of an array hold: ARGET, ARMGET, ARGETRANGE, ARSCAN, ARLASTITEMS, ARINFO.

use super::{between, index, number, wrong_count};
use crate::bytes::number::{ScoreText, integer};
use crate::engine::call::int;
use crate::engine::{Answer, Array, Call, Failure};
use crate::resp::Reply;
use crate::value::slices::SLICE;

/// No range that is read as a whole is longer.
const MOST_ITEMS: u64 = 1_000_000;

/// What is in a cell, or nothing.
fn item(text: Option<&[u8]>) -> Reply {
    text.map_or(Reply::Nil, Reply::bulk)
}

pub(super) fn get(call: &mut Call<'_>) -> Answer {
    let (key, at) = (call.arg(1), call.arg(2));
    let array = call.keys.get::<Array>(key)?;
    let at = index(at)?;
    Ok(item(array.and_then(|array| array.get(at))))
}

pub(super) fn get_several(call: &mut Call<'_>) -> Answer {
    let (key, asked) = (call.arg(1), call.rest(2));
    let array = call.keys.get::<Array>(key)?;
    let item = |at: &&[u8]| Ok(item(array.as_ref().and_then(|array| array.get(index(at).ok()?))));
    asked.iter().try_for_each(|at| index(at).map(|_| ()))?;
    asked.iter().map(item).collect::<Answer<_>>().map(Reply::Array)
}

pub(super) fn get_range(call: &mut Call<'_>) -> Answer {
    let (start, end) = (index(call.arg(2))?, index(call.arg(3))?);
    let key = call.arg(1);
    let array = call.keys.get::<Array>(key)?;
    let range = between(start, end);
    if range.end() - range.start() >= MOST_ITEMS {
        return Err(Failure::text("ERR range exceeds maximum of 1000000 items"));
    }
    let length = (range.end() - range.start() + 1) as usize;
    let mut items = vec![Reply::Nil; length];
    for (index, text) in array.iter().flat_map(|array| array.range(range.clone())) {
        if let Some(place) = items.get_mut((index - range.start()) as usize) {
            *place = Reply::bulk(text);
        }
    }
    if start > end {
        items.reverse();
    }
    Ok(Reply::Array(items))
}

/// The cells from one index to another, downwards where the first is the higher one.
pub(super) fn walk<'a>(
    array: &'a Array,
    start: u64,
    end: u64,
) -> impl Iterator<Item = (u64, &'a [u8])> + use<'a> {
    let mut cells = array.range(between(start, end));
    std::iter::from_fn(move || if start > end { cells.next_back() } else { cells.next() })
}

/// A cell with its index.
pub(super) fn pair(index: u64, text: &[u8]) -> Reply {
    Reply::Array(vec![number(index), Reply::bulk(text)])
}

/// How many answers are wanted at most.
pub(super) fn limit(arg: &[u8]) -> Answer<usize> {
    let limit = usize::try_from(int(arg)?).ok().filter(|&limit| limit > 0);
    limit.ok_or(Failure::text("ERR LIMIT must be positive"))
}

pub(super) fn scan(call: &mut Call<'_>) -> Answer {
    let (start, end) = (index(call.arg(2))?, index(call.arg(3))?);
    let most = match call.rest(4) {
        [] => usize::MAX,
        [word, most] if word.eq_ignore_ascii_case(b"LIMIT") => limit(most)?,
        [_, _] => return Err(Failure::SYNTAX),
        _ => return Err(wrong_count(call)),
    };
    let key = call.arg(1);
    let Some(array) = call.keys.get::<Array>(key)? else { return Ok(Reply::Array(Vec::new())) };
    let cells = walk(array, start, end).take(most);
    Ok(Reply::Array(cells.map(|(index, text)| pair(index, text)).collect()))
}

/// The items that were inserted last, as far as the cells tell: so many indexes back from the last
/// insert, from the lowest on to the highest.
pub(super) fn last_items(call: &mut Call<'_>) -> Answer {
    let count = integer(call.arg(2)).ok_or(Failure::text("ERR invalid COUNT"))?;
    let latest_first = match call.rest(3) {
        [] => false,
        [word] if word.eq_ignore_ascii_case(b"REV") => true,
        [_] => return Err(Failure::SYNTAX),
        _ => return Err(wrong_count(call)),
    };
    let key = call.arg(1);
    let count = match usize::try_from(count) {
        Ok(count @ 1..) => count,
        _ => return Ok(Reply::Array(Vec::new())),
    };
    let Some(array) = call.keys.get::<Array>(key)? else { return Ok(Reply::Array(Vec::new())) };
    let highest = array.span().saturating_sub(1);
    let mut at = array.inserted().unwrap_or(highest);
    let mut items = Vec::new();
    for _ in 0..count.min(array.len()) {
        items.push(item(array.get(at)));
        at = at.checked_sub(1).unwrap_or(highest);
    }
    if !latest_first {
        items.reverse();
    }
    Ok(Reply::Array(items))
}

/// What a server would say of its memory that has done the same to the array.
pub(super) fn info(call: &mut Call<'_>) -> Answer {
    let full = match call.rest(2) {
        [] => false,
        [word] if word.eq_ignore_ascii_case(b"FULL") => true,
        _ => return Err(Failure::SYNTAX),
    };
    let key = call.arg(1);
    let array = call.keys.get::<Array>(key)?.ok_or(Failure::NO_SUCH_KEY)?;
    let text = call.env.target.score_text();
    let shape = array.shape();
    let sparse = shape.slices - shape.dense;
    let mut facts = vec![
        ("count", Reply::count(array.len())),
        ("len", number(array.span())),
        ("next-insert-index", number(array.next().unwrap_or(0))),
        ("slices", number(shape.slices)),
        ("directory-size", number(shape.directory)),
        ("super-dir-entries", number(shape.blocks)),
        ("slice-size", number(SLICE)),
    ];
    if full {
        facts.extend([
            ("dense-slices", number(shape.dense)),
            ("sparse-slices", number(sparse)),
            ("avg-dense-size", ratio(shape.places, shape.dense, text)),
            ("avg-dense-fill", ratio(shape.filled, shape.places, text)),
            ("avg-sparse-size", ratio(shape.room, sparse, text)),
        ]);
    }
    Ok(Reply::Array(facts.into_iter().flat_map(|(name, fact)| [Reply::bulk(name), fact]).collect()))
}

/// A mean as a reply, of nothing 0.
fn ratio(sum: u64, count: u64, text: ScoreText) -> Reply {
    let mean = if count == 0 { 0.0 } else { sum as f64 / count as f64 };
    Reply::bulk(text.reply(mean).as_bytes())
}
