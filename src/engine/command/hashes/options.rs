//! What stands between the key and the fields of the commands that are about field expiry.
//!
//! ```text
//! Redis 8.6     words in any order, FIELDS n field … among them; errors in the order of words
//! Valkey        words, then FIELDS n field … to the end; the fields are looked at first
//! ```

use crate::engine::call::{int, is};
use crate::engine::{Answer, Env, Failure};
use crate::rdb::Product;

/// The latest time of a field in Redis, milliseconds.
const REDIS_MAX_MS: i64 = (1 << 46) - 1;

/// What a command knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Words {
    /// HEXPIRE and its like: NX XX GT LT.
    Expire,
    /// HGETEX: EX PX EXAT PXAT PERSIST.
    Get,
    /// HSETEX: EX PX EXAT PXAT KEEPTTL FNX FXX, and Valkey's NX XX.
    Set,
}

/// What it was told.
#[derive(Debug, Default)]
pub(super) struct Told<'a> {
    /// The fields; with their values in HSETEX.
    pub(super) fields: &'a [&'a [u8]],
    /// The time of EX, PX, EXAT or PXAT: the argument, milliseconds per unit, from now.
    pub(super) time: Option<(&'a [u8], i64, bool)>,
    /// PERSIST, KEEPTTL.
    pub(super) keep: bool,
    pub(super) nx: bool,
    pub(super) xx: bool,
    pub(super) gt: bool,
    pub(super) lt: bool,
    pub(super) fnx: bool,
    pub(super) fxx: bool,
}

/// The unit of a word that a time follows.
fn time_word(word: &[u8]) -> Option<(i64, bool)> {
    let words = [("EX", 1000, true), ("PX", 1, true), ("EXAT", 1000, false), ("PXAT", 1, false)];
    words.iter().find(|(name, ..)| is(word, name)).map(|&(_, unit, relative)| (unit, relative))
}

/// Reads the words of a command.
pub(super) fn read<'a>(
    args: &'a [&'a [u8]],
    words: Words,
    name: &str,
    env: &Env,
) -> Answer<Told<'a>> {
    let by = |valkeys| match valkeys {
        true => valkey(args, words),
        false => redis(args, words, name, env),
    };
    let valkeys = env.target.product == Product::Valkey;
    match by(valkeys) {
        Err(_) if env.takes_all() => by(!valkeys),
        told => told,
    }
}

fn redis<'a>(mut args: &'a [&'a [u8]], words: Words, name: &str, env: &Env) -> Answer<Told<'a>> {
    let mut told = Told::default();
    let mut seen = false;
    let expire = words == Words::Expire;
    while let [word, rest @ ..] = args {
        args = rest;
        if is(word, "FIELDS") {
            if seen {
                return Err(Failure::text("ERR FIELDS keyword specified multiple times"));
            }
            seen = true;
            let [number, rest @ ..] = rest else {
                return Err(Failure::text(
                    "ERR FIELDS requires at least numfields and one field argument",
                ));
            };
            let number = int(number).ok().filter(|n| (1..=i64::from(i32::MAX)).contains(n));
            let Some(number) = number else {
                return Err(Failure::text(match expire {
                    true => "ERR Parameter `numFields` should be greater than 0",
                    false => "ERR invalid number of fields",
                }));
            };
            let number = number as usize * if words == Words::Set { 2 } else { 1 };
            let Some((fields, rest)) = rest.split_at_checked(number) else {
                return Err(Failure::text("ERR wrong number of arguments"));
            };
            told.fields = fields;
            args = rest;
        } else if let Some((unit, relative)) = time_word(word).filter(|_| !expire) {
            one_time(&told, words)?;
            let [time, rest @ ..] = rest else {
                return Err(Failure::text("ERR missing expire time"));
            };
            told.time = Some((time, unit, relative));
            deadline((time, unit, relative), name, env)?;
            args = rest;
        } else if is(word, if words == Words::Get { "PERSIST" } else { "KEEPTTL" }) && !expire {
            one_time(&told, words)?;
            told.keep = true;
        } else if words == Words::Set && (is(word, "FNX") || is(word, "FXX")) {
            if told.fnx || told.fxx {
                return Err(Failure::text("ERR Only one of FXX or FNX arguments can be specified"));
            }
            told.fnx = is(word, "FNX");
            told.fxx = !told.fnx;
        } else if let Some(flag) = condition(&mut told, word).filter(|_| expire) {
            *flag = true;
            let set = [told.nx, told.xx, told.gt, told.lt];
            if set.iter().filter(|flag| **flag).count() > 1 {
                return Err(Failure::text("ERR Multiple condition flags specified"));
            }
        } else {
            let word = String::from_utf8_lossy(word);
            return Err(Failure::said(format!("ERR unknown argument: {word}")));
        }
    }
    if seen { Ok(told) } else { Err(Failure::text("ERR missing FIELDS argument")) }
}

fn one_time(told: &Told<'_>, words: Words) -> Answer<()> {
    match (told.time.is_some() || told.keep, words) {
        (false, _) => Ok(()),
        (true, Words::Set) => Err(Failure::text(
            "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
        )),
        (true, _) => Err(Failure::text(
            "ERR Only one of EX, PX, EXAT, PXAT or PERSIST arguments can be specified",
        )),
    }
}

fn condition<'t>(told: &'t mut Told<'_>, word: &[u8]) -> Option<&'t mut bool> {
    match word {
        _ if is(word, "NX") => Some(&mut told.nx),
        _ if is(word, "XX") => Some(&mut told.xx),
        _ if is(word, "GT") => Some(&mut told.gt),
        _ if is(word, "LT") => Some(&mut told.lt),
        _ => None,
    }
}

pub(super) const VALKEY_NUMBER: Failure =
    Failure::text("ERR numfields should be greater than 0 and match the provided number of fields");

fn valkey<'a>(args: &'a [&'a [u8]], words: Words) -> Answer<Told<'a>> {
    let at = args.iter().position(|word| is(word, "FIELDS")).ok_or(VALKEY_NUMBER)?;
    let (mut front, back) = args.split_at_checked(at).unwrap_or_default();
    let [_, number, fields @ ..] = back else { return Err(VALKEY_NUMBER) };
    let size = if words == Words::Set { 2 } else { 1 };
    let number = usize::try_from(int(number)?).map_err(|_| VALKEY_NUMBER)?;
    if number == 0 || number.checked_mul(size) != Some(fields.len()) {
        return Err(VALKEY_NUMBER);
    }
    let mut told = Told { fields, ..Told::default() };
    while let [word, rest @ ..] = front {
        front = rest;
        match words {
            Words::Expire => *condition(&mut told, word).ok_or(Failure::SYNTAX)? = true,
            Words::Get | Words::Set => {
                if let Some((unit, relative)) = time_word(word) {
                    let again = told.time.is_none_or(|(_, u, r)| (u, r) == (unit, relative));
                    let [time, rest @ ..] = rest else { return Err(Failure::SYNTAX) };
                    if told.keep || !again {
                        return Err(Failure::SYNTAX);
                    }
                    told.time = Some((time, unit, relative));
                    front = rest;
                    continue;
                }
                let flag = match words {
                    Words::Get if is(word, "PERSIST") => &mut told.keep,
                    Words::Set if is(word, "KEEPTTL") => &mut told.keep,
                    Words::Set if is(word, "NX") => &mut told.nx,
                    Words::Set if is(word, "XX") => &mut told.xx,
                    Words::Set if is(word, "FNX") => &mut told.fnx,
                    Words::Set if is(word, "FXX") => &mut told.fxx,
                    _ => return Err(Failure::SYNTAX),
                };
                *flag = true;
                let clash = told.keep && told.time.is_some();
                if clash || (told.nx && told.xx) || (told.fnx && told.fxx) {
                    return Err(Failure::SYNTAX);
                }
            }
        }
    }
    if told.nx && words == Words::Expire && (told.xx || told.gt || told.lt) {
        return Err(Failure::text(
            "ERR NX and XX, GT or LT options at the same time are not compatible",
        ));
    }
    if told.gt && told.lt {
        return Err(Failure::text("ERR GT and LT options at the same time are not compatible"));
    }
    Ok(told)
}

/// A time as unix time in milliseconds: the argument, milliseconds per unit, from now.
pub(super) fn deadline(time: (&[u8], i64, bool), name: &str, env: &Env) -> Answer<i64> {
    let (arg, unit, relative) = time;
    let number = int(arg)?;
    let redis = env.target.product != Product::Valkey && !env.takes_all();
    if number < 0 && redis {
        return Err(Failure::text("ERR invalid expire time, must be >= 0"));
    }
    let max = if redis { REDIS_MAX_MS } else { i64::MAX };
    let base = if relative { env.now_ms } else { 0 };
    let at_ms = number
        .checked_mul(unit)
        .and_then(|ms| ms.checked_add(base))
        .filter(|at_ms| number >= 0 && *at_ms <= max);
    at_ms.ok_or_else(|| Failure::said(format!("ERR invalid expire time in '{name}' command")))
}
