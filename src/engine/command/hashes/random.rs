//! HRANDFIELD.

use super::live;
use crate::engine::call::is;
use crate::engine::command::pick;
use crate::engine::{Answer, Call, Failure};
use crate::resp::Reply;

pub(super) fn random_field(call: &mut Call<'_>) -> Answer {
    const OUT_OF_RANGE: Failure = Failure::text("ERR value is out of range");
    let (key, rest) = (call.arg(1), call.rest(2));
    let (count, values) = match rest {
        [] => (None, false),
        [_, rest @ ..] => {
            let count = pick::count(call.arg(2))?;
            match rest {
                [] => (Some(count), false),
                [word] if is(word, "WITHVALUES") => {
                    if count.unsigned_abs() > (i64::MAX / 2) as u64 {
                        return Err(OUT_OF_RANGE);
                    }
                    (Some(count), true)
                }
                _ => return Err(Failure::SYNTAX),
            }
        }
    };
    let Call { keys, env, .. } = call;
    let Some(hash) = live(keys, key)? else {
        return Ok(count.map_or(Reply::Nil, |_| Reply::Array(Vec::new())));
    };
    let places = pick::places(count.unwrap_or(1), hash.len(), env)?;
    let mut out = Vec::new();
    for (field, value, _) in places.into_iter().filter_map(|place| hash.iter_from(place).next()) {
        out.push(Reply::Bulk(field.to_vec()));
        out.extend(values.then(|| Reply::Bulk(value.to_vec())));
    }
    match count {
        None => Ok(out.into_iter().next().unwrap_or(Reply::Nil)),
        Some(_) => Ok(Reply::Array(out)),
    }
}
