//! SET with all that goes with it, and GET.

use super::lifetime::{Lifetime, Unit, is_past};
use super::{digest, with_text};
use crate::engine::{Answer, Call, Failure};
use crate::rdb::Product;
use crate::resp::Reply;

/// When a value is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When<'a> {
    Always,
    Absent,
    Present,
    If(digest::Condition<'a>),
}

struct Options<'a> {
    when: When<'a>,
    get: bool,
    lifetime: Lifetime<'a>,
}

impl<'a> Options<'a> {
    fn parse(call: &Call<'a>) -> Answer<Self> {
        let mut options = Options { when: When::Always, get: false, lifetime: Lifetime::Unsaid };
        let mut rest = call.rest(3);
        while let Some(first) = rest.first() {
            let taken = if let Some(taken) =
                options.lifetime.take(rest, Some(("KEEPTTL", Lifetime::Keep)))
            {
                taken
            } else if first.eq_ignore_ascii_case(b"GET") {
                options.get = true;
                1
            } else {
                let (when, taken) = Self::condition(rest).ok_or(Failure::SYNTAX)?;
                let again =
                    matches!((options.when, when), (When::If(a), When::If(b)) if a.same_kind(&b));
                if options.when != When::Always && options.when != when && !again {
                    return Err(Failure::SYNTAX);
                }
                options.when = when;
                taken
            };
            rest = rest.get(taken..).unwrap_or_default();
        }
        // Before 7.0 the two excluded each other.
        let excluded = !(call.env.target.since((7, 0)) || call.env.takes_all());
        if options.get && options.when == When::Absent && excluded {
            return Err(Failure::SYNTAX);
        }
        Ok(options)
    }

    fn condition(rest: &[&'a [u8]]) -> Option<(When<'a>, usize)> {
        match rest {
            [word, ..] if word.eq_ignore_ascii_case(b"NX") => Some((When::Absent, 1)),
            [word, ..] if word.eq_ignore_ascii_case(b"XX") => Some((When::Present, 1)),
            [word, with, ..] => Some((When::If(digest::Condition::parse(word, with)?), 2)),
            _ => None,
        }
    }
}

pub(super) fn set(call: &mut Call<'_>) -> Answer {
    let key = call.arg(1);
    if call.argc() == 3 {
        let value = call.keys.stored(call.arg(2));
        call.keys.set(key, value, None);
        return Ok(Reply::OK);
    }
    let options = Options::parse(call)?;
    let until = options.lifetime.until_ms(call.env, "set")?;
    let old = if options.get { Some(get(call)?) } else { None };
    let granted = match options.when {
        When::Always => true,
        When::Absent => !call.keys.has(key),
        When::Present => call.keys.has(key),
        When::If(condition) => with_text(call, key, |text| condition.holds(text))??,
    };
    if !granted {
        return Ok(old.unwrap_or(Reply::Nil));
    }
    let value = call.keys.stored(call.arg(2));
    match until {
        Some(at) if is_past(call.env, at) => {
            call.keys.remove(key);
        }
        None if options.lifetime == Lifetime::Keep => call.keys.set_value(key, value),
        until => call.keys.set(key, value, until),
    }
    Ok(old.unwrap_or(Reply::OK))
}

/// SETEX and PSETEX.
pub(super) fn set_ex(call: &mut Call<'_>) -> Answer {
    let (unit, name) = if call.is(0, "SETEX") { (Unit::Ex, "setex") } else { (Unit::Px, "psetex") };
    let at = unit.at_ms(call.arg(2), call.env, name)?;
    let value = call.keys.stored(call.arg(3));
    call.keys.set(call.arg(1), value, Some(at));
    Ok(Reply::OK)
}

pub(super) fn set_nx(call: &mut Call<'_>) -> Answer {
    let key = call.arg(1);
    if call.keys.has(key) {
        return Ok(Reply::Int(0));
    }
    let value = call.keys.stored(call.arg(2));
    call.keys.set(key, value, None);
    Ok(Reply::Int(1))
}

pub(super) fn get(call: &mut Call<'_>) -> Answer {
    with_text(call, call.arg(1), |text| text.map_or(Reply::Nil, Reply::bulk))
}

pub(super) fn get_set(call: &mut Call<'_>) -> Answer {
    let old = get(call)?;
    let value = call.keys.stored(call.arg(2));
    call.keys.set(call.arg(1), value, None);
    Ok(old)
}

pub(super) fn get_del(call: &mut Call<'_>) -> Answer {
    let old = get(call)?;
    call.keys.remove(call.arg(1));
    Ok(old)
}

pub(super) fn get_ex(call: &mut Call<'_>) -> Answer {
    let key = call.arg(1);
    let mut lifetime = Lifetime::Unsaid;
    let mut rest = call.rest(2);
    while !rest.is_empty() {
        let taken = lifetime.take(rest, Some(("PERSIST", Lifetime::Persist)));
        rest = rest.get(taken.ok_or(Failure::SYNTAX)?..).unwrap_or_default();
    }
    let until = lifetime.until_ms(call.env, "getex");
    let target = call.env.target;
    if target.product == Product::Valkey && target.version >= (9, 1) {
        // The time comes first there.
        until.clone()?;
    }
    let old = get(call)?;
    if old == Reply::Nil {
        return Ok(old);
    }
    let until = until?;
    match until {
        Some(at) if is_past(call.env, at) => {
            call.keys.remove(key);
        }
        None if lifetime != Lifetime::Persist => {}
        until => {
            if let Some(record) = call.keys.peek(key) {
                record.set_expiry(until);
            }
        }
    }
    Ok(old)
}
