//! What is about the server, the connection or the cluster rather than about keys.
//!
//! A log may hold some of it: a loading server runs these commands, and nothing of what they do
//! outlives the load. What drops keys by their slot is the exception, and it is done.

use super::subcommand;
use crate::bytes::slot::{SLOTS, slot};
use crate::engine::call::{int, is};
use crate::engine::{Answer, Bytes, Call, Failure, Spec};
use crate::resp::Reply;

/// What is known here.
pub(super) const COMMANDS: &[Spec] = &[
    Spec::nothing("AUTH", -2, |_| {
        Err(Failure::text(
            "ERR AUTH <password> called without any password configured for the default user. \
             Are you sure your configuration is correct?",
        ))
    }),
    Spec::nothing("ECHO", 2, |call| Ok(Reply::bulk(call.arg(1)))),
    Spec::nothing("ACL", -2, accepted),
    Spec::nothing("ASKING", 1, accepted),
    Spec::nothing("CLIENT", -2, accepted),
    Spec::nothing("COMMAND", -1, |_| Ok(Reply::Array(Vec::new()))),
    Spec::nothing("CONFIG", -2, config),
    Spec::nothing("HELLO", -1, hello),
    Spec::nothing("LATENCY", -2, accepted),
    Spec::nothing("READONLY", 1, accepted),
    Spec::nothing("READWRITE", 1, accepted),
    Spec::nothing("REPLCONF", -1, accepted),
    Spec::nothing("RESET", 1, |_| Ok(Reply::Status("RESET"))),
    Spec::nothing("SLOWLOG", -2, accepted),
    Spec::nothing("WATCH", -2, accepted),
    Spec::nothing("UNWATCH", 1, accepted),
    Spec::nothing("WAIT", 3, wait),
    Spec::nothing("WAITAOF", 4, |_| Ok(Reply::Array(vec![Reply::Int(0), Reply::Int(0)]))),
    Spec::all("CLUSTER", -2, cluster),
    Spec::all("TRIMSLOTS", -5, trim_slots),
    Spec::all("SFLUSH", -3, flush_slots),
    Spec::all("MIGRATE", -6, |_| {
        Err(Failure::Unsupported("MIGRATE needs another server to move keys to".to_owned()))
    }),
];

fn accepted(_: &mut Call<'_>) -> Answer {
    Ok(Reply::OK)
}

fn config(call: &mut Call<'_>) -> Answer {
    if call.is(1, "GET") { Ok(Reply::Array(Vec::new())) } else { Ok(Reply::OK) }
}

fn hello(call: &mut Call<'_>) -> Answer {
    match call.argc() {
        1 => {}
        _ if matches!(call.int(1), Ok(2 | 3)) => {}
        _ => return Err(Failure::text("NOPROTO unsupported protocol version")),
    }
    let target = call.env.target;
    Ok(Reply::Array(vec![
        Reply::bulk("server"),
        Reply::bulk("rdbkit"),
        Reply::bulk("version"),
        Reply::bulk(env!("CARGO_PKG_VERSION")),
        Reply::bulk("target"),
        Reply::bulk(target.to_string()),
        Reply::bulk("proto"),
        Reply::Int(2),
        Reply::bulk("role"),
        Reply::bulk("master"),
    ]))
}

fn wait(call: &mut Call<'_>) -> Answer {
    call.int(1)?;
    match int(call.arg(2)) {
        Ok(0..) => Ok(Reply::Int(0)),
        Ok(_) => Err(Failure::text("ERR timeout is negative")),
        Err(_) => Err(Failure::text("ERR timeout is not an integer or out of range")),
    }
}

fn cluster(call: &mut Call<'_>) -> Answer {
    match () {
        () if call.is(1, "FLUSHSLOT") => {
            if call.argc() > 4 || (call.argc() == 4 && !is_mode(call.arg(3))) {
                return Err(Failure::SYNTAX);
            }
            let slot = number(call.arg(2))?;
            drop_slots(call, &[(slot, slot)]);
            Ok(Reply::OK)
        }
        // Brackets around slots that come from another node; the keys between them count.
        () if call.is(1, "SYNCSLOTS") || call.is(1, "SETSLOT") => Ok(Reply::OK),
        () if call.is(1, "KEYSLOT") => {
            subcommand(call, &[("KEYSLOT", 3)])?;
            Ok(Reply::Int(slot(call.arg(2)).into()))
        }
        () => Err(Failure::text("ERR This instance has cluster support disabled")),
    }
}

fn is_mode(word: &[u8]) -> bool {
    is(word, "SYNC") || is(word, "ASYNC")
}

/// The number of a slot.
fn number(text: &[u8]) -> Answer<u16> {
    let slot = int(text).ok().and_then(|slot| u16::try_from(slot).ok());
    slot.filter(|slot| *slot < SLOTS).ok_or(Failure::text("ERR Invalid or out of range slot"))
}

fn ranges(words: &[&[u8]]) -> Answer<Vec<(u16, u16)>> {
    let (pairs, rest) = words.as_chunks::<2>();
    if !rest.is_empty() || pairs.is_empty() {
        return Err(Failure::SYNTAX);
    }
    pairs.iter().map(|[from, to]| Ok((number(from)?, number(to)?))).collect()
}

/// `TRIMSLOTS RANGES n from to …`
fn trim_slots(call: &mut Call<'_>) -> Answer {
    if !call.is(1, "RANGES") {
        return Err(Failure::SYNTAX);
    }
    let ranges = ranges(call.rest(3))?;
    if usize::try_from(call.int(2)?) != Ok(ranges.len()) {
        return Err(Failure::SYNTAX);
    }
    drop_slots(call, &ranges);
    Ok(Reply::OK)
}

/// `SFLUSH from to … [SYNC|ASYNC]`
fn flush_slots(call: &mut Call<'_>) -> Answer {
    let words = match call.rest(1) {
        [words @ .., last] if is_mode(last) => words,
        words => words,
    };
    let ranges = ranges(words)?;
    drop_slots(call, &ranges);
    Ok(Reply::OK)
}

/// Drops the keys of some slots, in all databases.
fn drop_slots(call: &mut Call<'_>, ranges: &[(u16, u16)]) {
    let within = |key: &[u8]| {
        let slot = slot(key);
        ranges.iter().any(|(from, to)| (*from..=*to).contains(&slot))
    };
    for db in 0..call.keys.keyspace().used_databases() {
        let records = call.keys.keyspace().records(db);
        let gone: Vec<Bytes> =
            records.filter(|record| within(&record.key)).map(|record| record.key.clone()).collect();
        let mut there = call.keys.in_db(db);
        for key in gone {
            there.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::Engine;
    use crate::resp::Reply;

    #[track_caller]
    fn check(engine: &mut Engine, line: &str, want: Reply) {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        assert_eq!(engine.execute(&words), want, "{line}");
    }

    #[test]
    fn keys_go_with_their_slots() {
        let engine = &mut Engine::default();
        // foo is in slot 12182, bar in 5061.
        check(engine, "MSET foo 1 bar 2 {foo}x 3", Reply::OK);
        check(engine, "SELECT 3", Reply::OK);
        check(engine, "MSET foo 1 bar 2", Reply::OK);
        check(engine, "CLUSTER KEYSLOT foo", Reply::Int(12182));
        check(engine, "CLUSTER FLUSHSLOT 12182 ASYNC", Reply::OK);
        check(engine, "EXISTS foo bar", Reply::Int(1));
        check(engine, "SELECT 0", Reply::OK);
        check(engine, "EXISTS foo {foo}x bar", Reply::Int(1));
        assert!(engine.execute(&[b"TRIMSLOTS", b"RANGES", b"2", b"0", b"5061"]).is_error());
        assert!(engine.execute(&[b"TRIMSLOTS", b"RANGES", b"1", b"0", b"99999"]).is_error());
        check(engine, "TRIMSLOTS RANGES 1 0 5060", Reply::OK);
        check(engine, "EXISTS bar", Reply::Int(1));
        check(engine, "TRIMSLOTS RANGES 2 1 2 5061 5061", Reply::OK);
        check(engine, "EXISTS bar", Reply::Int(0));
    }
}
