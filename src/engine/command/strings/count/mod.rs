//! Strings that are numbers.

pub(super) mod bounded;

use super::with_text;
use crate::bytes::number::{NoSum, add_long_double, integer};
use crate::engine::{Answer, Call, Failure, Value};
use crate::resp::Reply;

const OVERFLOW: Failure = Failure::text("ERR increment or decrement would overflow");

/// INCR and its like; the argument may be none, which is said before anything else.
#[inline]
pub(super) fn add(call: &mut Call<'_>, by: Answer<i64>) -> Answer {
    let by = by?;
    let key = call.arg(1);
    let Some(record) = call.keys.find(key)? else {
        call.keys.set(key, Value::Int(by), None);
        return Ok(Reply::Int(by));
    };
    let now = match &record.value {
        Value::Int(n) => *n,
        Value::Str(text) => integer(text).ok_or(Failure::NOT_AN_INTEGER)?,
        Value::Raw(text) => integer(text).ok_or(Failure::NOT_AN_INTEGER)?,
        _ => return Err(Failure::WRONG_TYPE),
    };
    let sum = now.checked_add(by).ok_or(OVERFLOW)?;
    record.value = Value::Int(sum);
    Ok(Reply::Int(sum))
}

pub(super) fn take(call: &mut Call<'_>) -> Answer {
    let by = call.int(2)?;
    // Before 7.0 the one number without an opposite is its own.
    let by = match call.env.target.since((7, 0)) {
        true => by.checked_neg().ok_or(Failure::text("ERR decrement would overflow")),
        false => Ok(by.wrapping_neg()),
    };
    add(call, by)
}

pub(super) fn add_float(call: &mut Call<'_>) -> Answer {
    let (key, by) = (call.arg(1), call.arg(2));
    let sum = with_text(call, key, |text| add_long_double(text.unwrap_or(b"0"), by))?;
    let sum = sum.map_err(|why| match why {
        NoSum::First | NoSum::Second => Failure::NOT_A_FLOAT,
        NoSum::NotFinite => Failure::text("ERR increment would produce NaN or Infinity"),
    })?;
    // It stays text, even where it reads as an integer.
    call.keys.set_value(key, Value::Str(sum.as_slice().into()));
    Ok(Reply::Bulk(sum))
}
