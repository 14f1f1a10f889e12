//! RESTORE: a value out of a payload.
//!
//! Everything in the payload is looked at before it becomes a value, as a server does that
//! sanitizes what it is given: what is broken is refused here and troubles nobody later.

use super::super::strings::is_past;
use crate::engine::call::{int, is};
use crate::engine::{Answer, Call, Env, Failure, thaw};
use crate::rdb::object::{Checker, Problem, Stance};
use crate::rdb::{Dump, Product, Scratch, Target};
use crate::resp::Reply;

const BAD: Failure = Failure::text("ERR Bad data format");
const FOOTER: Failure = Failure::text("ERR DUMP payload version or checksum are wrong");

#[derive(Default)]
struct Options {
    replace: bool,
    absolute: bool,
    idle: bool,
    frequency: bool,
}

impl Options {
    fn parse(mut words: &[&[u8]]) -> Answer<Self> {
        let mut options = Options::default();
        while let [word, rest @ ..] = words {
            words = rest;
            match rest {
                _ if is(word, "REPLACE") => options.replace = true,
                _ if is(word, "ABSTTL") => options.absolute = true,
                [secs, rest @ ..] if is(word, "IDLETIME") && !options.frequency => {
                    if int(secs)? < 0 {
                        return Err(Failure::text("ERR Invalid IDLETIME value, must be >= 0"));
                    }
                    options.idle = true;
                    words = rest;
                }
                [count, rest @ ..] if is(word, "FREQ") && !options.idle => {
                    if !(0..=255).contains(&int(count)?) {
                        return Err(Failure::text(
                            "ERR Invalid FREQ value, must be >= 0 and <= 255",
                        ));
                    }
                    options.frequency = true;
                    words = rest;
                }
                _ => return Err(Failure::SYNTAX),
            }
        }
        Ok(options)
    }
}

pub(super) fn restore(call: &mut Call<'_>) -> Answer {
    let key = call.arg(1);
    let options = Options::parse(call.rest(4))?;
    if !options.replace && call.keys.has(key) {
        return Err(Failure::text("BUSYKEY Target key name already exists."));
    }
    let time = call.int(2)?;
    if time < 0 {
        return Err(Failure::text("ERR Invalid TTL value, must be >= 0"));
    }
    let payload = call.arg(3);
    let value = {
        let dump = match Dump::parse(payload) {
            Ok(dump) => dump,
            Err(_) if footer_holds(payload, call.env) => return Err(BAD),
            Err(_) => return Err(FOOTER),
        };
        let intact = dump.is_intact() || is_unchecked(dump.checksum, call.env);
        if !intact || dump.header.version > dump.header.newest() {
            return Err(FOOTER);
        }
        let mut refused = false;
        let target = call.env.target;
        let mut look = |problem: Problem<'_>| refused |= is_refused(&problem, &target);
        // Only the temporary file of a very large collection can fail.
        Checker::default()
            .check(&dump.entry, &mut look)
            .map_err(|error| Failure::said(format!("ERR {error}")))?;
        if refused {
            return Err(BAD);
        }
        let limits = call.keys.keyspace().limits();
        thaw(&dump.entry, &limits, &mut Scratch::default()).map_err(|_| BAD)?
    };
    let expires = match time {
        0 => None,
        time if options.absolute => Some(time),
        time => Some(time.saturating_add(call.env.now_ms)),
    };
    match expires {
        Some(at) if is_past(call.env, at) => {
            call.keys.remove(key);
        }
        expires => call.keys.set(key, value, expires),
    }
    Ok(Reply::OK)
}

/// Whether a server takes this for no checksum at all. Redis 8.0 and Valkey do not; Redis 8.6
/// does, and the logs of 8.10 have such payloads.
fn is_unchecked(checksum: u64, env: &Env) -> bool {
    let Target { product, version, .. } = env.target;
    checksum == 0 && (env.takes_all() || (product == Product::Redis && version >= (8, 6)))
}

/// Whether version and checksum of a payload are right, whatever is in front of them.
fn footer_holds(payload: &[u8], env: &Env) -> bool {
    let Some((covered, checksum)) = payload.split_last_chunk::<8>() else { return false };
    let known = |version: [u8; 2]| {
        let header = crate::rdb::Header::of_dump(u16::from_le_bytes(version));
        header.version <= header.newest()
    };
    covered.last_chunk::<2>().is_some_and(|version| known(*version))
        && (crate::bytes::crc64::update(0, covered) == u64::from_le_bytes(*checksum)
            || is_unchecked(u64::from_le_bytes(*checksum), env))
}

fn is_refused(problem: &Problem<'_>, target: &Target) -> bool {
    match problem.stance {
        Stance::FatalValkey9_1 => target.product == Product::Valkey,
        Stance::FatalSince8_10 => target.product == Product::Redis,
        stance => stance.is_refused(),
    }
}
