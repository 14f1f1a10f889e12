//! The expiry of fields: Redis from 7.4 on, Valkey from 9.0 on.

use super::options::{self, Told, VALKEY_NUMBER, Words};
use super::{bulk, expect, live, live_or_new};
use crate::engine::call::{int, is};
use crate::engine::{Answer, Call, Env, Failure, Hash};
use crate::rdb::Product;
use crate::resp::Reply;

/// Where there is no such field.
const NO_FIELD: i64 = -2;

fn is_valkey(env: &Env) -> bool {
    env.target.product == Product::Valkey
}

/// Redis gives a hash the form that holds expiries even if none is set in the end.
fn expect_expiry(hash: &mut Hash, env: &Env) {
    if !is_valkey(env) {
        hash.expect_expiry(&env.target.limits);
    }
}

/// Whether a time makes a field go at once.
fn is_past(at_ms: i64, env: &Env) -> bool {
    !env.loading && at_ms <= env.now_ms
}

/// The name of the command, as errors say it.
fn name(call: &Call<'_>) -> String {
    String::from_utf8_lossy(call.arg(0)).to_ascii_lowercase()
}

/// HEXPIRE and its like: the time is in units of so many milliseconds.
pub(super) fn expire(call: &mut Call<'_>, unit: i64, relative: bool) -> Answer {
    let (key, name) = (call.arg(1), name(call));
    let time = (call.arg(2), unit, relative);
    let words = call.rest(3);
    let (told, at_ms) = if is_valkey(call.env) {
        let told = options::read(words, Words::Expire, &name, call.env)?;
        let at_ms = options::deadline(time, &name, call.env)?;
        (told, at_ms)
    } else {
        call.keys.get::<Hash>(key)?;
        let at_ms = options::deadline(time, &name, call.env)?;
        (options::read(words, Words::Expire, &name, call.env)?, at_ms)
    };
    let Call { keys, env, .. } = call;
    let Some(hash) = live(keys, key)? else { return Ok(no_fields(told.fields)) };
    expect_expiry(hash, env);
    let one = |field: &&[u8]| {
        let code = match hash.expiry(field) {
            None => NO_FIELD,
            Some(old) if !passes(&told, old, at_ms) => 0,
            Some(_) if is_past(at_ms, env) => {
                hash.remove(field);
                2
            }
            Some(_) => i64::from(hash.set_expiry(field, Some(at_ms), &env.target)),
        };
        Reply::Int(code)
    };
    let codes = told.fields.iter().map(one).collect();
    drop_empty(call, key)?;
    Ok(Reply::Array(codes))
}

/// Whether the conditions are met; no expiry is the latest of all.
fn passes(told: &Told<'_>, old: Option<i64>, new: i64) -> bool {
    !(told.nx && old.is_some()
        || told.xx && old.is_none()
        || told.gt && old.is_none_or(|old| new <= old)
        || told.lt && old.is_some_and(|old| new >= old))
}

fn no_fields(fields: &[&[u8]]) -> Reply {
    Reply::Array(fields.iter().map(|_| Reply::Int(NO_FIELD)).collect())
}

fn drop_empty(call: &mut Call<'_>, key: &[u8]) -> Answer<()> {
    if call.keys.get::<Hash>(key)?.is_some_and(|hash| hash.is_empty()) {
        call.keys.remove(key);
    }
    Ok(())
}

/// The fields of a command that has `FIELDS n field …` and nothing else behind the key.
fn fields<'a>(args: &'a [&'a [u8]], env: &Env, tells: bool) -> Answer<&'a [&'a [u8]]> {
    let [word, number, fields @ ..] = args else { return Err(Failure::SYNTAX) };
    if is_valkey(env) {
        if !is(word, "FIELDS") {
            return Err(Failure::SYNTAX);
        }
        let fits = usize::try_from(int(number)?) == Ok(fields.len()) && !fields.is_empty();
        let refusal = if tells { Failure::SYNTAX } else { VALKEY_NUMBER };
        return if fits { Ok(fields) } else { Err(refusal) };
    }
    if !is(word, "FIELDS") {
        return Err(Failure::text(
            "ERR Mandatory argument FIELDS is missing or not at the right position",
        ));
    }
    match int(number).ok().filter(|number| *number > 0) {
        None => Err(Failure::text("ERR Number of fields must be a positive integer")),
        Some(number) if usize::try_from(number) == Ok(fields.len()) => Ok(fields),
        Some(_) => {
            Err(Failure::text("ERR The `numfields` parameter must match the number of arguments"))
        }
    }
}

/// As [`fields`], where Redis asks for the key first.
fn fields_of_key<'c>(call: &mut Call<'c>, tells: bool) -> Answer<&'c [&'c [u8]]> {
    if !is_valkey(call.env) {
        call.keys.get::<Hash>(call.arg(1))?;
    }
    fields(call.rest(2), call.env, tells)
}

/// HTTL, HEXPIRETIME and theirs in milliseconds.
pub(super) fn tell(call: &mut Call<'_>, unit: i64, remaining: bool) -> Answer {
    let (key, fields) = (call.arg(1), fields_of_key(call, true)?);
    let Call { keys, env, .. } = call;
    let Some(hash) = live(keys, key)? else { return Ok(no_fields(fields)) };
    // Redis rounds up, Valkey to the nearest.
    let round = if is_valkey(env) { unit / 2 } else { unit - 1 };
    let hidden = env.hidden_before_ms();
    let one = |field: &&[u8]| match hash.seen_expiry(field, hidden) {
        None => Reply::Int(NO_FIELD),
        Some(None) => Reply::Int(-1),
        Some(Some(at_ms)) => {
            let ms = if remaining { at_ms.saturating_sub(env.now_ms).max(0) } else { at_ms };
            Reply::Int(ms.saturating_add(round) / unit)
        }
    };
    Ok(Reply::Array(fields.iter().map(one).collect()))
}

/// HPERSIST.
pub(super) fn persist(call: &mut Call<'_>) -> Answer {
    let (key, fields) = (call.arg(1), fields_of_key(call, false)?);
    let Call { keys, env, .. } = call;
    let Some(hash) = live(keys, key)? else { return Ok(no_fields(fields)) };
    let hidden = env.hidden_before_ms();
    let one = |field: &&[u8]| {
        Reply::Int(match hash.seen_expiry(field, hidden) {
            None => NO_FIELD,
            Some(None) => -1,
            Some(Some(_)) => i64::from(hash.set_expiry(field, None, &env.target)),
        })
    };
    Ok(Reply::Array(fields.iter().map(one).collect()))
}

/// HGETEX.
pub(super) fn get_and_expire(call: &mut Call<'_>) -> Answer {
    let (key, name, words) = (call.arg(1), name(call), call.rest(2));
    if !is_valkey(call.env) {
        call.keys.get::<Hash>(key)?;
    }
    let told = options::read(words, Words::Get, &name, call.env)?;
    if is_valkey(call.env) {
        call.keys.get::<Hash>(key)?;
    }
    let at_ms = told.time.map(|time| options::deadline(time, &name, call.env)).transpose()?;
    let Call { keys, env, .. } = call;
    let Some(hash) = live(keys, key)? else {
        return Ok(Reply::Array(told.fields.iter().map(|_| Reply::Nil).collect()));
    };
    if at_ms.is_some() || told.keep {
        expect_expiry(hash, env);
    }
    let hidden = env.hidden_before_ms();
    let one = |field: &&[u8]| {
        let reply = bulk(hash.seen(field, hidden));
        match at_ms {
            _ if hash.hides(field, hidden) => {}
            Some(at_ms) if is_past(at_ms, env) => _ = hash.remove(field),
            Some(_) => _ = hash.set_expiry(field, at_ms, &env.target),
            None if told.keep => _ = hash.set_expiry(field, None, &env.target),
            None => {}
        }
        reply
    };
    let replies = told.fields.iter().map(one).collect();
    drop_empty(call, key)?;
    Ok(Reply::Array(replies))
}

/// HGETDEL.
pub(super) fn get_and_delete(call: &mut Call<'_>) -> Answer {
    let (key, fields) = (call.arg(1), fields_of_key(call, false)?);
    let Some(hash) = live(&mut call.keys, key)? else {
        return Ok(Reply::Array(fields.iter().map(|_| Reply::Nil).collect()));
    };
    let hidden = call.env.hidden_before_ms();
    let one = |field: &&[u8]| {
        let reply = bulk(hash.seen(field, hidden));
        if !hash.hides(field, hidden) {
            hash.remove(field);
        }
        reply
    };
    let replies = fields.iter().map(one).collect();
    drop_empty(call, key)?;
    Ok(Reply::Array(replies))
}

/// HSETEX.
pub(super) fn set_and_expire(call: &mut Call<'_>) -> Answer {
    let (key, name, words) = (call.arg(1), name(call), call.rest(2));
    let told = options::read(words, Words::Set, &name, call.env)?;
    let there = live(&mut call.keys, key)?;
    if told.nx && there.is_some() || told.xx && there.is_none() {
        return Ok(Reply::Int(0));
    }
    let hidden = call.env.hidden_before_ms();
    let has = |field: &[u8]| there.as_ref().is_some_and(|hash| hash.seen(field, hidden).is_some());
    let pairs = || told.fields.chunks_exact(2).filter_map(|pair| pair.split_first());
    let met = pairs().all(|(field, _)| match has(field) {
        true => !told.fnx,
        false => !told.fxx,
    });
    let at_ms = told.time.map(|time| options::deadline(time, &name, call.env)).transpose()?;
    if !met {
        return Ok(Reply::Int(0));
    }
    if at_ms.is_some_and(|at_ms| is_past(at_ms, call.env)) {
        if let Some(hash) = call.keys.get::<Hash>(key)? {
            expect_expiry(hash, call.env);
            pairs().for_each(|(field, _)| _ = hash.remove(field));
            drop_empty(call, key)?;
        }
        return Ok(Reply::Int(1));
    }
    let hash = live_or_new(&mut call.keys, key)?;
    let target = &call.env.target;
    expect(hash, told.fields.len() / 2, target);
    let mut limits = target.limits;
    if at_ms.is_some() && hash.has_template() {
        // Redis looks at the lengths while the hash still has its template, to which those of
        // what is to have a time do not matter.
        hash.expect_expiry(&limits);
        limits.hash_value = usize::MAX;
    }
    for (field, value) in pairs().filter_map(|(field, rest)| Some((field, rest.first()?))) {
        if told.keep {
            hash.set_keeping_expiry(field, value, &limits);
        } else {
            hash.set(field, value, &limits);
        }
        if at_ms.is_some() {
            hash.set_expiry(field, at_ms, target);
        }
    }
    Ok(Reply::Int(1))
}
