//! Hashes.
//!
//! A field that has expired is gone as soon as anything asks for the hash; a server hides it at
//! once and removes it a little later. While a log is loaded nothing is removed; a Redis hides such
//! a field all the same ([`Env::hidden_before_ms`](crate::engine::Env::hidden_before_ms)).

mod expiry;
mod import;
mod options;
mod random;

use crate::bytes::number::Extended;
use crate::engine::Keys;
use crate::engine::call::int;
use crate::engine::command::scan::{self, Page};
use crate::engine::value::is_hidden;
use crate::engine::{Answer, Call, Failure, Hash, Spec, Typed};
use crate::rdb::Target;
use crate::resp::Reply;
use crate::value::Elem;

/// What is known here.
pub(super) const COMMANDS: &[Spec] = &[
    Spec::key("HSET", -4, |call| set(call, false)),
    Spec::key("HMSET", -4, |call| set(call, true)),
    Spec::key("HSETNX", 4, set_new),
    Spec::key("HGET", 3, get),
    Spec::key("HMGET", -3, get_several),
    Spec::key("HGETALL", 2, |call| list(call, true, true)),
    Spec::key("HKEYS", 2, |call| list(call, true, false)),
    Spec::key("HVALS", 2, |call| list(call, false, true)),
    Spec::key("HLEN", 2, |call| count(call, |_, hash, _| hash.len())),
    Spec::key("HSTRLEN", 3, |call| {
        count(call, |field, hash, hidden| {
            hash.seen(field, hidden).map_or(0, |value| value.len() as usize)
        })
    }),
    Spec::key("HEXISTS", 3, |call| {
        count(call, |field, hash, hidden| hash.seen(field, hidden).is_some().into())
    }),
    Spec::key("HDEL", -3, delete),
    Spec::key("HINCRBY", 4, add_integer),
    Spec::key("HINCRBYFLOAT", 4, add_float),
    Spec::key("HRANDFIELD", -2, random::random_field),
    Spec::key("HSCAN", -3, scan_fields),
    Spec::key("HEXPIRE", -6, |call| expiry::expire(call, 1000, true)),
    Spec::key("HPEXPIRE", -6, |call| expiry::expire(call, 1, true)),
    Spec::key("HEXPIREAT", -6, |call| expiry::expire(call, 1000, false)),
    Spec::key("HPEXPIREAT", -6, |call| expiry::expire(call, 1, false)),
    Spec::key("HPERSIST", -5, expiry::persist),
    Spec::key("HTTL", -5, |call| expiry::tell(call, 1000, true)),
    Spec::key("HPTTL", -5, |call| expiry::tell(call, 1, true)),
    Spec::key("HEXPIRETIME", -5, |call| expiry::tell(call, 1000, false)),
    Spec::key("HPEXPIRETIME", -5, |call| expiry::tell(call, 1, false)),
    Spec::key("HGETEX", -5, expiry::get_and_expire),
    Spec::key("HSETEX", -6, expiry::set_and_expire),
    Spec::key("HGETDEL", -5, expiry::get_and_delete),
    Spec::keys("HIMPORT", -2, import::import),
];

/// The hash of a key, without the fields that have expired.
#[inline]
fn live<'k>(keys: &'k mut Keys<'_>, key: &[u8]) -> Answer<Option<&'k mut Hash>> {
    if let Some(now_ms) = keys.gone_before_ms {
        let Some(hash) = keys.get::<Hash>(key)? else { return Ok(None) };
        if hash.drop_expired(now_ms) > 0 && hash.is_empty() {
            keys.remove(key);
            return Ok(None);
        }
    }
    keys.get(key)
}

/// As [`live`], made where there is none.
#[inline]
fn live_or_new<'k>(keys: &'k mut Keys<'_>, key: &[u8]) -> Answer<&'k mut Hash> {
    if keys.gone_before_ms.is_some() {
        live(keys, key)?;
    }
    keys.get_or(key, Hash::default)
}

fn bulk(elem: Option<Elem<'_>>) -> Reply {
    elem.map_or(Reply::Nil, |elem| Reply::Bulk(elem.to_vec()))
}

/// Where so many fields are set at once that a packed hash could not hold them, newer servers do
/// not try, unless it has a template.
fn expect(hash: &mut Hash, fields: usize, target: &Target) {
    if fields > target.limits.hash_entries && target.has_packed_lists() && !hash.has_template() {
        hash.unpack();
    }
}

fn set(call: &mut Call<'_>, status: bool) -> Answer {
    let pairs = call.rest(2);
    if !pairs.len().is_multiple_of(2) {
        let name = if status { "hmset" } else { "hset" };
        return Err(Failure::said(format!("ERR wrong number of arguments for '{name}' command")));
    }
    let key = call.arg(1);
    let hash = live_or_new(&mut call.keys, key)?;
    let target = &call.env.target;
    expect(hash, pairs.len() / 2, target);
    let mut new = 0;
    for pair in pairs.chunks_exact(2) {
        if let [field, value] = pair {
            new += usize::from(hash.set(field, value, &target.limits));
        }
    }
    Ok(if status { Reply::OK } else { Reply::count(new) })
}

fn set_new(call: &mut Call<'_>) -> Answer {
    let (field, value) = (call.arg(2), call.arg(3));
    let key = call.arg(1);
    let hash = live_or_new(&mut call.keys, key)?;
    let new = hash.seen(field, call.env.hidden_before_ms()).is_none();
    if new {
        hash.set(field, value, &call.env.target.limits);
    }
    Ok(Reply::flag(new))
}

fn get(call: &mut Call<'_>) -> Answer {
    let field = call.arg(2);
    let key = call.arg(1);
    let hash = live(&mut call.keys, key)?;
    Ok(bulk(hash.and_then(|hash| hash.seen(field, call.env.hidden_before_ms()))))
}

fn get_several(call: &mut Call<'_>) -> Answer {
    let fields = call.rest(2);
    let key = call.arg(1);
    let hash = live(&mut call.keys, key)?;
    let hidden = call.env.hidden_before_ms();
    let value = |field: &&[u8]| bulk(hash.as_ref().and_then(|hash| hash.seen(field, hidden)));
    Ok(Reply::Array(fields.iter().map(value).collect()))
}

fn list(call: &mut Call<'_>, fields: bool, values: bool) -> Answer {
    let mut out = Vec::new();
    let key = call.arg(1);
    if let Some(hash) = live(&mut call.keys, key)? {
        for (field, value, _) in hash.seen_fields(call.env.hidden_before_ms()) {
            out.extend(fields.then(|| Reply::Bulk(field.to_vec())));
            out.extend(values.then(|| Reply::Bulk(value.to_vec())));
        }
    }
    Ok(Reply::Array(out))
}

fn count(call: &mut Call<'_>, of: impl Fn(&[u8], &Hash, Option<i64>) -> usize) -> Answer {
    let field = call.arg(2);
    let key = call.arg(1);
    let hash = live(&mut call.keys, key)?;
    Ok(Reply::count(hash.map_or(0, |hash| of(field, hash, call.env.hidden_before_ms()))))
}

fn delete(call: &mut Call<'_>) -> Answer {
    let (key, fields) = (call.arg(1), call.rest(2));
    let Some(hash) = live(&mut call.keys, key)? else { return Ok(Reply::Int(0)) };
    let gone = fields.iter().filter(|field| hash.remove(field)).count();
    if hash.is_empty() {
        call.keys.remove(key);
    }
    Ok(Reply::count(gone))
}

fn add_integer(call: &mut Call<'_>) -> Answer {
    const NO_INTEGER: Failure = Failure::text("ERR hash value is not an integer");
    const OVERFLOW: Failure = Failure::text("ERR increment or decrement would overflow");
    let (key, field, by) = (call.arg(1), call.arg(2), call.int(3)?);
    let hidden = call.env.hidden_before_ms();
    let there = live(&mut call.keys, key)?;
    let old = match there.as_ref().and_then(|hash| hash.seen(field, hidden)) {
        None => 0,
        Some(Elem::Int(n)) => n,
        Some(Elem::Bytes(text)) => int(text).map_err(|_| NO_INTEGER)?,
    };
    let new = old.checked_add(by).ok_or(OVERFLOW)?;
    let hash = call.keys.get_or(key, Hash::default)?;
    let mut text = itoa::Buffer::new();
    hash.set_keeping_expiry(field, text.format(new).as_bytes(), &call.env.target.limits);
    Ok(Reply::Int(new))
}

fn add_float(call: &mut Call<'_>) -> Answer {
    let (key, field, by) = (call.arg(1), call.arg(2), call.arg(3));
    let by = Extended::parse(by).ok_or(Failure::NOT_A_FLOAT)?;
    if !by.is_finite() {
        return Err(Failure::text("ERR value is NaN or Infinity"));
    }
    let hidden = call.env.hidden_before_ms();
    let there = live(&mut call.keys, key)?;
    let old = match there.as_ref().and_then(|hash| hash.seen(field, hidden)) {
        None => Extended::ZERO,
        Some(Elem::Int(n)) => Extended::of(n),
        Some(Elem::Bytes(text)) => {
            Extended::parse(text).ok_or(Failure::text("ERR hash value is not a float"))?
        }
    };
    let Some(new) = old.plus(by).text() else {
        return Err(Failure::text("ERR increment would produce NaN or Infinity"));
    };
    let hash = call.keys.get_or(key, Hash::default)?;
    hash.set_keeping_expiry(field, &new, &call.env.target.limits);
    Ok(Reply::Bulk(new))
}

fn scan_fields(call: &mut Call<'_>) -> Answer {
    let cursor = scan::cursor(call.arg(2))?;
    let (key, words) = (call.arg(1), call.rest(3));
    let Some(hash) = live(&mut call.keys, key)? else { return Ok(scan::nothing()) };
    let options = scan::options(words, true)?;
    // A packed hash is given out at once.
    let page = match hash.packed() {
        Some(_) => Page { from: 0, to: hash.len(), next: 0 },
        None => scan::page(cursor, options.count, hash.len()),
    };
    let (mut out, hidden) = (Vec::new(), call.env.hidden_before_ms());
    for (field, value, at_ms) in hash.iter_from(page.from).take(page.to - page.from) {
        if options.matches(&field) && !is_hidden(at_ms, hidden) {
            out.push(Reply::Bulk(field.to_vec()));
            out.extend((!options.no_values).then(|| Reply::Bulk(value.to_vec())));
        }
    }
    Ok(scan::reply(page, out))
}

/// A hash as a value of a key, where it has any field.
fn put(call: &mut Call<'_>, key: &[u8], hash: Hash) {
    if !hash.is_empty() {
        call.keys.set(key, hash.wrap(), None);
    }
}
