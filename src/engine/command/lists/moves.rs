//! Elements from list to list: RPOPLPUSH, LMOVE, LMOVEM.
//!
//! LMOVEM (Redis 8.10) takes several from an end and puts them to an end, either one by one
//! (`OBO`), which turns their order round where both ends are the same, or as the block that they
//! were (`BULK`).

use super::{end, push_all, settle};
use crate::engine::call::{int, is};
use crate::engine::command::lists::pops::timeout;
use crate::engine::{Answer, Call, End, Failure, List};
use crate::resp::Reply;

/// Moves one element, in `args[1]` and `args[2]`.
pub(super) fn move_one(call: &mut Call<'_>, from: End, to: End) -> Answer {
    let (source, target) = (call.arg(1), call.arg(2));
    if call.keys.get::<List>(source)?.is_none() {
        return Ok(Reply::Nil);
    }
    call.keys.get::<List>(target)?;
    let Some(list) = call.keys.get::<List>(source)? else { return Ok(Reply::Nil) };
    let Some(text) = list.pop(from) else { return Ok(Reply::Nil) };
    push_all(call, target, to, &[&text])?;
    settle(call, source)?;
    Ok(Reply::Bulk(text))
}

pub(super) fn move_ends(call: &mut Call<'_>) -> Answer {
    let (from, to) = (end(call.arg(3))?, end(call.arg(4))?);
    move_one(call, from, to)
}

/// What a command that would have blocked answers where nothing came.
fn none(reply: Reply) -> Reply {
    if reply == Reply::Nil { Reply::NilArray } else { reply }
}

pub(super) fn blocking_right_to_left(call: &mut Call<'_>) -> Answer {
    timeout(call.arg(3))?;
    move_one(call, End::Right, End::Left).map(none)
}

pub(super) fn blocking_move_ends(call: &mut Call<'_>) -> Answer {
    let (from, to) = (end(call.arg(3))?, end(call.arg(4))?);
    timeout(call.arg(5))?;
    move_one(call, from, to).map(none)
}

pub(super) fn move_several(call: &mut Call<'_>) -> Answer {
    let (from, to) = (end(call.arg(3))?, end(call.arg(4))?);
    several(call, from, to, call.rest(5))
}

pub(super) fn blocking_move_several(call: &mut Call<'_>) -> Answer {
    let (from, to) = (end(call.arg(3))?, end(call.arg(4))?);
    timeout(call.arg(5))?;
    several(call, from, to, call.rest(6))
}

fn several(call: &mut Call<'_>, from: End, to: End, words: &[&[u8]]) -> Answer {
    let (count, exactly, one_by_one) = match words {
        [] => (1, false, true),
        [which, count, order] => {
            let exactly = is(which, "EXACTLY");
            if !exactly && !is(which, "COUNT") {
                return Err(Failure::SYNTAX);
            }
            let count = int(count).ok().and_then(|count| usize::try_from(count).ok());
            let count = count
                .filter(|count| *count > 0)
                .ok_or(Failure::text("ERR count should be greater than 0"))?;
            let one_by_one = is(order, "OBO");
            if !one_by_one && !is(order, "BULK") {
                return Err(Failure::SYNTAX);
            }
            (count, exactly, one_by_one)
        }
        _ => return Err(Failure::SYNTAX),
    };
    let (source, target) = (call.arg(1), call.arg(2));
    let Some(list) = call.keys.get::<List>(source)? else { return Ok(Reply::NilArray) };
    if exactly && list.len() < count {
        return Ok(Reply::NilArray);
    }
    call.keys.get::<List>(target)?;
    let Some(list) = call.keys.get::<List>(source)? else { return Ok(Reply::NilArray) };
    let count = count.min(list.len());
    let mut block: Vec<Vec<u8>> = (0..count).map_while(|_| list.pop(from)).collect();
    // As they came out at the head; or the other way round.
    let turned = (from == End::Right) != (one_by_one && from == to);
    if turned {
        block.reverse();
    }
    let put = |call: &mut Call<'_>, text: &Vec<u8>| push_all(call, target, to, &[text]).map(drop);
    match to {
        End::Right => block.iter().try_for_each(|text| put(call, text))?,
        End::Left => block.iter().rev().try_for_each(|text| put(call, text))?,
    }
    settle(call, source)?;
    Ok(Reply::Array(block.into_iter().map(Reply::Bulk).collect()))
}
