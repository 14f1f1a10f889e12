//! LPOS.

use crate::engine::call::{int, is};
use crate::engine::command::pick;
use crate::engine::{Answer, Call, End, Failure, List};
use crate::resp::Reply;

pub(super) fn positions(call: &mut Call<'_>) -> Answer {
    const ZERO: Failure = Failure::text(
        "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... \
         or use negative to start from the end of the list",
    );
    let (key, text) = (call.arg(1), call.arg(2));
    let (mut rank, mut count, mut most) = (1_i64, None, 0_usize);
    let mut words = call.rest(3);
    let size = |arg: &[u8], refusal: Failure| {
        int(arg).ok().and_then(|n| usize::try_from(n).ok()).ok_or(refusal)
    };
    loop {
        words = match words {
            [] => break,
            [word, arg, rest @ ..] if is(word, "RANK") => {
                rank = pick::count(arg)?;
                if rank == 0 {
                    return Err(ZERO);
                }
                rest
            }
            [word, arg, rest @ ..] if is(word, "COUNT") => {
                count = Some(size(arg, Failure::text("ERR COUNT can't be negative"))?);
                rest
            }
            [word, arg, rest @ ..] if is(word, "MAXLEN") => {
                most = size(arg, Failure::text("ERR MAXLEN can't be negative"))?;
                rest
            }
            _ => return Err(Failure::SYNTAX),
        };
    }
    let nothing = if count.is_some() { Reply::Array(Vec::new()) } else { Reply::Nil };
    let Some(list) = call.keys.get::<List>(key)? else { return Ok(nothing) };
    let from = if rank > 0 { End::Left } else { End::Right };
    let len = list.len();
    let looked_at = |index: &usize| match from {
        _ if most == 0 => true,
        End::Left => *index < most,
        End::Right => len - 1 - *index < most,
    };
    let skipped = usize::try_from(rank.unsigned_abs() - 1).unwrap_or(usize::MAX);
    let mut found = list.positions(text, from).take_while(looked_at).skip(skipped);
    match count {
        None => Ok(found.next().map_or(Reply::Nil, Reply::count)),
        Some(count) => {
            let count = if count == 0 { usize::MAX } else { count };
            Ok(Reply::Array(found.take(count).map(Reply::count).collect()))
        }
    }
}
