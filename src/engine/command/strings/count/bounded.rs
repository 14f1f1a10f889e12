//! INCREX (Redis 8.8): a count within bounds, with a lifetime.
//!
//! ```text
//! INCREX key [BYINT n | BYFLOAT x] [LBOUND a] [UBOUND b] [SATURATE]
//!            [EX s | PX ms | EXAT s | PXAT ms | PERSIST] [ENX]
//! ```
//!
//! The answer is the new value and what was added. A count that would leave the bounds stays what
//! it was, or with SATURATE goes up to the bound.

use std::cmp::Ordering;

use super::super::lifetime::{Lifetime, is_past};
use super::super::with_text;
use crate::bytes::number::{Extended, integer};
use crate::engine::call::is;
use crate::engine::{Answer, Call, Failure, Value};
use crate::resp::Reply;

/// What is added.
#[derive(Debug, Clone, Copy)]
enum By {
    Int(i64),
    Float(Extended),
}

struct Options<'a> {
    by: Option<By>,
    lower: Option<&'a [u8]>,
    upper: Option<&'a [u8]>,
    saturate: bool,
    lifetime: Lifetime<'a>,
    only_first: bool,
}

impl<'a> Options<'a> {
    fn parse(call: &Call<'a>) -> Answer<Self> {
        let mut options = Options {
            by: None,
            lower: None,
            upper: None,
            saturate: false,
            lifetime: Lifetime::Unsaid,
            only_first: false,
        };
        let mut rest = call.rest(2);
        while let [word, more @ ..] = rest {
            let next = more.first().copied();
            let taken = match next {
                Some(by) if options.by.is_none() && is(word, "BYINT") => {
                    options.by = Some(By::Int(integer(by).ok_or(Failure::text(
                        "ERR Increment is not an integer or out of range",
                    ))?));
                    2
                }
                Some(by) if options.by.is_none() && is(word, "BYFLOAT") => {
                    let by = Extended::parse(by)
                        .ok_or(Failure::text("ERR Increment is not a valid float"))?;
                    if !by.is_finite() {
                        return Err(Failure::text("ERR BYFLOAT increment cannot be Infinity"));
                    }
                    options.by = Some(By::Float(by));
                    2
                }
                Some(bound) if options.lower.is_none() && is(word, "LBOUND") => {
                    options.lower = Some(bound);
                    2
                }
                Some(bound) if options.upper.is_none() && is(word, "UBOUND") => {
                    options.upper = Some(bound);
                    2
                }
                _ if !options.saturate && is(word, "SATURATE") => {
                    options.saturate = true;
                    1
                }
                _ if !options.only_first && is(word, "ENX") => {
                    options.only_first = true;
                    1
                }
                _ => {
                    let said = options.lifetime != Lifetime::Unsaid;
                    let persist = Some(("PERSIST", Lifetime::Persist));
                    options.lifetime.take(rest, persist).filter(|_| !said).ok_or(Failure::SYNTAX)?
                }
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
        match options.lifetime {
            Lifetime::Unsaid if options.only_first => {
                Err(Failure::text("ERR ENX flag requires an expiration"))
            }
            Lifetime::Persist if options.only_first => Err(Failure::SYNTAX),
            _ => Ok(options),
        }
    }
}

/// What a count comes to.
struct Outcome {
    reply: Reply,
    /// The new value, unless it was declined.
    value: Option<Value>,
}

pub(in crate::engine::command::strings) fn add(call: &mut Call<'_>) -> Answer {
    let key = call.arg(1);
    let options = Options::parse(call)?;
    let outcome = match options.by.unwrap_or(By::Int(1)) {
        By::Int(by) => {
            let bound = |name: &str, text: Option<&[u8]>, otherwise| match text {
                None => Ok(otherwise),
                Some(text) => integer(text).ok_or_else(|| {
                    Failure::said(format!("ERR {name} is not an integer or out of range"))
                }),
            };
            let lower = bound("LBOUND", options.lower, i64::MIN)?;
            let upper = bound("UBOUND", options.upper, i64::MAX)?;
            ordered(lower <= upper)?;
            let until = options.lifetime.until_ms(call.env, "increx")?;
            let text = with_text(call, key, |text| text.map_or(Some(0), integer))?;
            let now = text.ok_or(Failure::NOT_AN_INTEGER)?;
            (whole(now, by, lower, upper, options.saturate)?, until)
        }
        By::Float(by) => {
            let bound = |name: &str, text: Option<&[u8]>, otherwise| match text {
                None => Ok(otherwise),
                Some(text) => Extended::parse(text)
                    .ok_or_else(|| Failure::said(format!("ERR {name} is not a valid float"))),
            };
            let lower = bound("LBOUND", options.lower, Extended::MAX.negated())?;
            let upper = bound("UBOUND", options.upper, Extended::MAX)?;
            ordered(lower.compare(upper) != Ordering::Greater)?;
            let until = options.lifetime.until_ms(call.env, "increx")?;
            let text =
                with_text(call, key, |text| text.map_or(Some(Extended::ZERO), Extended::parse))?;
            let now = text.ok_or(Failure::NOT_A_FLOAT)?;
            if !now.is_finite() {
                return Err(Failure::text("ERR value cannot be Infinity"));
            }
            (broken(now, by, lower, upper, options.saturate), until)
        }
    };
    let (Outcome { reply, value }, until) = outcome;
    let Some(value) = value else { return Ok(reply) };
    call.keys.set_value(key, value);
    let Some(record) = call.keys.peek(key) else { return Ok(reply) };
    if options.only_first && record.expires_at_ms().is_some() {
        return Ok(reply);
    }
    match until {
        Some(at) if is_past(call.env, at) => {
            call.keys.remove(key);
        }
        None if options.lifetime != Lifetime::Persist => {}
        until => record.set_expiry(until),
    }
    Ok(reply)
}

fn ordered(ordered: bool) -> Answer<()> {
    if ordered { Ok(()) } else { Err(Failure::text("ERR LBOUND can't be greater than UBOUND")) }
}

fn whole(now: i64, by: i64, lower: i64, upper: i64, saturate: bool) -> Answer<Outcome> {
    let sum = i128::from(now) + i128::from(by);
    let within = sum.clamp(i128::from(lower), i128::from(upper));
    if within != sum && !saturate {
        return Ok(Outcome {
            reply: Reply::Array(vec![Reply::Int(now), Reply::Int(0)]),
            value: None,
        });
    }
    // The bounds are of 64 bits.
    let sum = within as i64;
    let added =
        sum.checked_sub(now).ok_or(Failure::text("ERR applied increment would overflow"))?;
    let reply = Reply::Array(vec![Reply::Int(sum), Reply::Int(added)]);
    Ok(Outcome { reply, value: Some(Value::Int(sum)) })
}

fn broken(
    now: Extended,
    by: Extended,
    lower: Extended,
    upper: Extended,
    saturate: bool,
) -> Outcome {
    let shown = |number: Extended| number.text().unwrap_or_default();
    let sum = now.plus(by);
    let within = match () {
        () if sum.compare(lower) == Ordering::Less => lower,
        () if sum.compare(upper) == Ordering::Greater => upper,
        () => sum,
    };
    if within != sum && !saturate {
        return Outcome { reply: Reply::bulks([shown(now), b"0".to_vec()]), value: None };
    }
    let text = shown(within);
    let value = Value::Str(text.as_slice().into());
    let added = shown(within.plus(now.negated()));
    Outcome { reply: Reply::bulks([text, added]), value: Some(value) }
}
