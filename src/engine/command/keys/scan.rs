//! All keys, at once or piece by piece.
//!
//! ```text
//! cursor = (shard << 40 | records left in it) + 1      0: the beginning, and the end
//! ```
//!
//! A shard is read from its end: a record that is removed leaves its place to the last one, which
//! then moves to a place that has been read or is about to be, so that no key that stays is missed.

use super::{kind_of, module_name};
use crate::bytes::glob::Glob;
use crate::engine::call::{int, is};
use crate::engine::{Answer, Base, Bytes, Call, Db, Failure, Record};
use crate::resp::Reply;
use crate::value::Kind;

/// The bits of a cursor that count records.
const RECORD_BITS: u32 = 40;

/// Whether a record is there at this time.
fn lives(record: &Record, gone_before_ms: Option<i64>) -> bool {
    match (record.expires_at_ms(), gone_before_ms) {
        (Some(at), Some(now)) => at >= now,
        _ => true,
    }
}

pub(super) fn keys(call: &mut Call<'_>) -> Answer {
    let glob = Glob::new(call.arg(1));
    let (db, gone) = (call.keys.db, call.keys.gone_before_ms);
    let records = call.keys.keyspace().records(db);
    let found = records.filter(|record| lives(record, gone) && glob.matches(&record.key));
    Ok(Reply::bulks(found.map(|record| &record.key)))
}

pub(super) fn random(call: &mut Call<'_>) -> Answer {
    let (db, gone) = (call.keys.db, call.keys.gone_before_ms);
    let size = call.keys.keyspace().size(db);
    if size == 0 {
        return Ok(Reply::Nil);
    }
    let place = call.env.random(size);
    let space = call.keys.keyspace();
    let chosen = space.records(db).nth(place).filter(|record| lives(record, gone));
    let key = chosen.or_else(|| space.records(db).find(|record| lives(record, gone)));
    Ok(key.map_or(Reply::Nil, |record| Reply::bulk(&record.key)))
}

#[derive(Default)]
struct Options<'a> {
    glob: Option<Glob>,
    kind: Option<&'a [u8]>,
    count: usize,
}

impl<'a> Options<'a> {
    fn parse(words: &[&'a [u8]]) -> Answer<Self> {
        let mut options = Options { count: 10, ..Options::default() };
        for pair in words.chunks(2) {
            match pair {
                [word, value] if is(word, "COUNT") => {
                    let count = int(value)?;
                    options.count =
                        usize::try_from(count).ok().filter(|&n| n > 0).ok_or(Failure::SYNTAX)?;
                }
                [word, value] if is(word, "MATCH") => options.glob = Some(Glob::new(value)),
                [word, value] if is(word, "TYPE") => options.kind = Some(value),
                _ => return Err(Failure::SYNTAX),
            }
        }
        Ok(options)
    }

    fn takes(&self, record: &Record, base: Option<&Base>) -> bool {
        self.kind.is_none_or(|want| match kind_of(&record.value) {
            Kind::Module => {
                module_name(&record.value, base).is_some_and(|name| want == name.as_bytes())
            }
            kind => is(want, kind.name()),
        }) && self.glob.as_ref().is_none_or(|glob| glob.matches(&record.key))
    }
}

pub(super) fn scan(call: &mut Call<'_>) -> Answer {
    let cursor = super::super::scan::cursor(call.arg(1))?;
    let options = Options::parse(call.rest(2))?;
    let (db, gone) = (call.keys.db, call.keys.gone_before_ms);
    let keyspace = &*call.keys.keyspace();
    let (shards, base) = (keyspace.shards(), keyspace.base());
    let (mut shard, mut left) = match cursor.checked_sub(1) {
        None => (0, usize::MAX),
        Some(place) => {
            ((place >> RECORD_BITS) as usize, (place & ((1 << RECORD_BITS) - 1)) as usize)
        }
    };
    let mut found: Vec<&Bytes> = Vec::new();
    let mut looked = 0;
    let next = loop {
        let Some(here) = shards.get(shard) else { break 0 };
        let records = here.dbs().get(db).map_or(&[][..], Db::records);
        let upto = left.min(records.len());
        let from = upto.saturating_sub(options.count - looked);
        let part = records.get(from..upto).unwrap_or_default();
        looked += part.len();
        let taken = part.iter().rev().filter(|record| lives(record, gone));
        found.extend(taken.filter(|record| options.takes(record, base)).map(|record| &record.key));
        (shard, left) = if from == 0 { (shard + 1, usize::MAX) } else { (shard, from) };
        if looked >= options.count {
            let left = left.min((1 << RECORD_BITS) - 1);
            break if shard < shards.len() {
                ((shard as u64) << RECORD_BITS | left as u64) + 1
            } else {
                0
            };
        }
    };
    Ok(Reply::Array(vec![Reply::bulk(next.to_string()), Reply::bulks(found)]))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::engine::Engine;
    use crate::resp::Reply;

    #[test]
    fn a_scan_misses_no_key_that_stays() {
        let mut engine = Engine::default();
        for n in 0..2000 {
            engine.execute(&[b"SET", format!("k{n}").as_bytes(), b"v"]);
        }
        let mut seen = BTreeSet::new();
        let mut cursor = b"0".to_vec();
        let mut gone = 0;
        loop {
            let Reply::Array(parts) = engine.execute(&[b"SCAN", &cursor, b"COUNT", b"7"]) else {
                panic!("a scan has two parts")
            };
            let [Reply::Bulk(next), Reply::Array(keys)] = &parts[..] else { panic!("{parts:?}") };
            assert!(keys.len() <= 7);
            seen.extend(keys.iter().cloned().map(|key| match key {
                Reply::Bulk(key) => key,
                other => panic!("{other:?}"),
            }));
            // Half of the keys vanish under way, and others come.
            if gone < 1000 {
                let n = gone * 2;
                engine.execute(&[b"DEL", format!("k{n}").as_bytes()]);
                engine.execute(&[b"SET", format!("new{n}").as_bytes(), b"v"]);
                gone += 1;
            }
            cursor = next.clone();
            if cursor == b"0" {
                break;
            }
        }
        for n in (1..2000).step_by(2) {
            assert!(seen.contains(format!("k{n}").as_bytes()), "k{n}");
        }
        let all = engine.execute(&[b"SCAN", b"0", b"COUNT", b"100000", b"TYPE", b"string"]);
        let Reply::Array(parts) = all else { panic!("two parts") };
        assert!(matches!(&parts[1], Reply::Array(keys) if keys.len() > 1000));
        assert_eq!(parts[0], Reply::bulk("0"));
    }
}
