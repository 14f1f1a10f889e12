//! Tests: what logs say of streams, and what comes of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use crate::engine::stream::Stream;
use crate::engine::{Engine, Typed};
use crate::rdb::{Product, Target};
use crate::resp::Reply;

/// Loads lines; what was not understood is told.
#[track_caller]
fn load(target: Target, lines: &str) -> Engine {
    let mut engine = Engine::new(target, 1_800_000_000_000);
    engine.env.loading = true;
    for line in lines.split(';').map(str::trim) {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let reply = engine.execute(&words);
        assert!(!reply.is_error(), "{line}: {reply:?}");
    }
    engine
}

fn stream(engine: &mut Engine) -> &Stream {
    let shards = engine.keyspace.shards_mut();
    let mut records = shards.iter_mut().flat_map(|s| s.dbs_mut()).flat_map(|db| db.records_mut());
    let record = records.find(|record| record.key.as_slice() == b"x").unwrap();
    Stream::of(&mut record.value).unwrap()
}

#[track_caller]
fn check(lines: &str, want: &str) {
    let mut engine = load(Target::default(), lines);
    let stream = stream(&mut engine);
    let numbers = stream.entries.numbers;
    let got = format!(
        "{} first {} last {} added {} deleted {}",
        numbers.length,
        numbers.first_id,
        numbers.last_id,
        numbers.entries_added,
        numbers.max_deleted_id
    );
    assert_eq!(got, want);
}

#[track_caller]
fn check_group(target: Target, lines: &str, want: &str) {
    let mut engine = load(target, lines);
    let stream = stream(&mut engine);
    let group = stream.groups.get(b"g".as_slice()).unwrap();
    let pending: Vec<String> = group
        .pending()
        .iter()
        .map(|(id, pending)| {
            let owner = String::from_utf8_lossy(group.name(pending.owner)).into_owned();
            format!("{id}={owner}*{}@{}", pending.deliveries, pending.delivered_at_ms)
        })
        .collect();
    let consumers: Vec<String> = group
        .consumers()
        .flatten()
        .map(|consumer| String::from_utf8_lossy(&consumer.name).into_owned())
        .collect();
    let read = group.entries_read.map_or(-1, |read| read as i64);
    let lag = group.lag(&stream.entries, &target).unwrap_or(-1);
    let (pending, consumers) = (pending.join(","), consumers.join(","));
    assert_eq!(format!("{} {read} {lag} [{pending}] [{consumers}]", group.last_id), want);
}

#[test]
fn a_limit_without_a_tilde_is_what_became_of_one_with() {
    check(
        "XADD x 1-1 a b; XADD x 2-1 a b; XADD x MINID = 2-1 LIMIT 10 3-1 a b",
        "2 first 2-1 last 3-1 added 3 deleted 0-0",
    );
    check(
        "XADD x 1-1 a b; XADD x 2-1 a b; XADD x MAXLEN ~ 1 3-1 a b",
        "3 first 1-1 last 3-1 added 3 deleted 0-0",
    );
}

#[test]
fn an_empty_stream_of_a_rewrite() {
    check(
        "XADD x MAXLEN 0 5-5 x y; XSETID x 7-7 ENTRIESADDED 9 MAXDELETEDID 6-6",
        "0 first 0-0 last 7-7 added 9 deleted 6-6",
    );
}

#[test]
fn groups_are_where_the_log_says() {
    check_group(
        Target::default(),
        "XADD x 1-1 a b; XGROUP CREATE x g $; XADD x 2-1 a b; \
         XGROUP SETID x g 2-1 ENTRIESREAD 2",
        "2-1 2 0 [] []",
    );
}

#[test]
fn claims_of_what_is_gone() {
    let lines = "XADD x 1-1 a b; XADD x 2-1 a b; XGROUP CREATE x g 0; \
        XCLAIM x g c1 0 1-1 TIME 1000 RETRYCOUNT 1 FORCE JUSTID LASTID 1-1; \
        XCLAIM x g c1 0 2-1 TIME 1000 RETRYCOUNT 1 FORCE JUSTID LASTID 2-1; XDEL x 1-1; \
        XCLAIM x g c2 0 1-1 TIME 1000 RETRYCOUNT 1 FORCE JUSTID LASTID 2-1; \
        XCLAIM x g c3 0 9-9 TIME 1000 RETRYCOUNT 1 FORCE JUSTID LASTID 9-9";
    let of = |version| Target::of(Product::Redis, version);
    check_group(of((8, 10)), lines, "9-9 -1 -1 [2-1=c1*1@1000] [c1,c2,c3]");
    check_group(of((7, 0)), lines, "9-9 -1 -1 [2-1=c1*1@1000] [c1]");
    check_group(of((6, 2)), lines, "9-9 -1 -1 [1-1=c2*1@1000,2-1=c1*1@1000] [c1,c2]");
}

#[test]
fn time_may_be_ahead_of_whoever_loads() {
    check_group(
        Target::default(),
        "XADD x 1-1 a b; XGROUP CREATE x g 0; \
         XCLAIM x g c 0 1-1 TIME 9000000000000 RETRYCOUNT 3 FORCE JUSTID LASTID 1-1",
        "1-1 -1 0 [1-1=c*3@9000000000000] [c]",
    );
}

#[test]
fn a_producer_that_said_it_twice() {
    let mut engine = load(
        Target::default(),
        "XADD x IDMP p i 5-1 a b; XADD x IDMP p i * a b; XADD x IDMPAUTO p 6-1 c d; \
         XADD x IDMPAUTO p * c d; XIDMPRECORD x q j 5-1",
    );
    let stream = stream(&mut engine);
    let memory = &stream.idempotence;
    assert_eq!((stream.len(), memory.added, memory.duplicates), (2, 3, 2));
    assert_eq!(engine.execute(&[b"XLEN", b"x"]), Reply::Int(2));
}

#[test]
fn what_was_given_back_comes_back() {
    check_group(
        Target::default(),
        "XADD x 1-1 a b; XGROUP CREATE x g 1-1 ENTRIESREAD 1; \
         XNACK x g FAIL IDS 1 1-1 RETRYCOUNT 9223372036854775807 FORCE",
        "1-1 1 0 [1-1=*9223372036854775807@0] []",
    );
}
