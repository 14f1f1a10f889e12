//! Elements out of lists: LPOP and RPOP, of one key or of the first of several.

use super::{end, settle};
use crate::engine::call::{float, int, is};
use crate::engine::{Answer, Call, End, Failure, List};
use crate::resp::Reply;

/// Takes so many elements, fewer where there are not as many; `None` where there is no list.
fn take(call: &mut Call<'_>, key: &[u8], end: End, count: usize) -> Answer<Option<Vec<Reply>>> {
    let Some(list) = call.keys.get::<List>(key)? else { return Ok(None) };
    let popped = (0..count.min(list.len())).map_while(|_| list.pop(end)).map(Reply::Bulk);
    let popped = popped.collect();
    settle(call, key)?;
    Ok(Some(popped))
}

pub(super) fn pop(call: &mut Call<'_>, end: End) -> Answer {
    let key = call.arg(1);
    match call.rest(2) {
        [] => {
            let popped = take(call, key, end, 1)?.and_then(|popped| popped.into_iter().next());
            Ok(popped.unwrap_or(Reply::Nil))
        }
        [count] => {
            let count = int(count).ok().and_then(|count| usize::try_from(count).ok());
            let count =
                count.ok_or(Failure::text("ERR value is out of range, must be positive"))?;
            Ok(take(call, key, end, count)?.map_or(Reply::NilArray, Reply::Array))
        }
        _ => {
            let name = String::from_utf8_lossy(call.arg(0)).to_ascii_lowercase();
            Err(Failure::said(format!("ERR wrong number of arguments for '{name}' command")))
        }
    }
}

/// Refuses a timeout that is none.
pub(super) fn timeout(arg: &[u8]) -> Answer<()> {
    let secs =
        float(arg).map_err(|_| Failure::text("ERR timeout is not a float or out of range"))?;
    match secs {
        secs if secs < 0.0 => Err(Failure::text("ERR timeout is negative")),
        // Milliseconds have to fit 64 bits.
        secs if secs * 1000.0 >= i64::MAX as f64 => {
            Err(Failure::text("ERR timeout is out of range"))
        }
        _ => Ok(()),
    }
}

pub(super) fn blocking_pop(call: &mut Call<'_>, end: End) -> Answer {
    let Some((last, keys)) = call.rest(1).split_last() else { return Err(Failure::SYNTAX) };
    timeout(last)?;
    for key in keys {
        if let Some(popped) = take(call, key, end, 1)? {
            let reply = [Reply::bulk(key)].into_iter().chain(popped);
            return Ok(Reply::Array(reply.collect()));
        }
    }
    Ok(Reply::NilArray)
}

pub(super) fn blocking_pop_of_several(call: &mut Call<'_>) -> Answer {
    // The timeout is looked at last.
    read_several(call, 2)?;
    timeout(call.arg(1))?;
    pop_of_several(call, 2)
}

fn number_of_keys(arg: &[u8]) -> Answer<usize> {
    int(arg)
        .ok()
        .and_then(|number| usize::try_from(number).ok())
        .filter(|number| *number > 0)
        .ok_or(Failure::text("ERR numkeys should be greater than 0"))
}

/// Keys, the end to take from, and how many elements.
type Several<'c> = (&'c [&'c [u8]], End, usize);

fn read_several<'c>(call: &Call<'c>, at: usize) -> Answer<Several<'c>> {
    let number = number_of_keys(call.arg(at))?;
    let (keys, words) = call.rest(at + 1).split_at_checked(number).ok_or(Failure::SYNTAX)?;
    let (from, words) = words.split_first().ok_or(Failure::SYNTAX)?;
    let from = end(from)?;
    let count = match words {
        [] => 1,
        [word, count, rest @ ..] if is(word, "COUNT") => {
            let count = int(count).ok().and_then(|count| usize::try_from(count).ok());
            let count = count
                .filter(|count| *count > 0)
                .ok_or(Failure::text("ERR count should be greater than 0"))?;
            if !rest.is_empty() {
                return Err(Failure::SYNTAX);
            }
            count
        }
        _ => return Err(Failure::SYNTAX),
    };
    Ok((keys, from, count))
}

/// LMPOP and BLMPOP, whose number of keys is at a place.
pub(super) fn pop_of_several(call: &mut Call<'_>, at: usize) -> Answer {
    let (keys, from, count) = read_several(call, at)?;
    for key in keys {
        if let Some(popped) = take(call, key, from, count)? {
            return Ok(Reply::Array(vec![Reply::bulk(key), Reply::Array(popped)]));
        }
    }
    Ok(Reply::NilArray)
}
