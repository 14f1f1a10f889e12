//! Small logs and the state that they lead to, as real servers were seen to load them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

use rdbkit::ops::run::{Run, RunOptions, run};
use rdbkit::ops::walk::Silent;
use rdbkit::resp::{Reply, encode};
use rdbkit::source::{Form, OpenOptions, open_bytes};

const NOW_MS: i64 = 1_700_000_000_000;

/// Runs commands that are separated by `; `, on some threads.
fn load(log: &str, target: &str, threads: usize) -> Run {
    let mut bytes = Vec::new();
    for command in log.split("; ") {
        let words: Vec<&str> = command.split(' ').collect();
        encode::command(&mut bytes, &words);
    }
    let options = OpenOptions { from: Some(Form::Aof), ..OpenOptions::default() };
    let source = open_bytes("log", bytes, &options).unwrap();
    let target = Some(target.parse().unwrap());
    let options = RunOptions { target, threads, now_ms: NOW_MS, ..RunOptions::default() };
    run(source, &options, &Silent).unwrap()
}

fn shown(reply: Reply) -> String {
    match reply {
        Reply::Status(text) => text.to_owned(),
        Reply::Error(text) => format!("-{text}"),
        Reply::Int(n) => n.to_string(),
        Reply::Bulk(bytes) => bytes.escape_ascii().to_string(),
        Reply::Nil | Reply::NilArray => "nil".to_owned(),
        Reply::Array(items) => {
            format!("[{}]", items.into_iter().map(shown).collect::<Vec<_>>().join(" "))
        }
    }
}

#[track_caller]
fn check_as(target: &str, log: &str, state: &[(&str, &str)]) {
    for threads in [1, 4] {
        let mut run = load(log, target, threads);
        for (question, answer) in state {
            let words: Vec<&[u8]> = question.split(' ').map(str::as_bytes).collect();
            assert_eq!(shown(run.engine.execute(&words)), *answer, "{question} after {log}");
        }
    }
}

#[track_caller]
fn check(log: &str, state: &[(&str, &str)]) {
    check_as("redis:8.0", log, state);
}

#[test]
fn nothing_expires_while_a_log_is_loaded() {
    check("SET k v; PEXPIREAT k 1000; APPEND k x; PERSIST k", &[("GET k", "vx"), ("PTTL k", "-1")]);
    check(
        "SET n 5; PEXPIREAT n 1000; INCR n; RENAME n m; COPY m c; PERSIST c",
        &[("GET c", "6"), ("EXISTS n m", "0")],
    );
    check("SET k v PXAT 1000; SETRANGE k 1 z; SET k2 v; EXPIREAT k2 1", &[("EXISTS k k2", "0")]);
    check(
        "SET a 1 EX 100; SETEX b 100 v; EXPIRE a 50",
        &[("PEXPIRETIME a", "1700000050000"), ("PEXPIRETIME b", "1700000100000")],
    );
}

#[test]
fn streams_are_cut_and_numbered_as_they_were() {
    check(
        "XADD x 1-1 a b; XADD x 2-1 a b; XADD x MINID = 2-1 LIMIT 10 3-1 a b",
        &[("XRANGE x - +", "[[2-1 [a b]] [3-1 [a b]]]"), ("XLEN x", "2")],
    );
    check("XADD x 1-1 a b; XADD x 2-1 a b; XADD x MAXLEN ~ 1 3-1 a b", &[("XLEN x", "3")]);
    check(
        "XADD x MAXLEN 0 5-5 x y; XSETID x 7-7 ENTRIESADDED 9 MAXDELETEDID 6-6",
        &[
            ("XLEN x", "0"),
            ("EXISTS x", "1"),
            (
                "XADD x 7-7 a b",
                "-ERR The ID specified in XADD is equal or smaller than the target stream top item",
            ),
        ],
    );
    check(
        "XADD x 1-1 a b; XGROUP CREATE x g $; XADD x 2-1 a b; XGROUP SETID x g 2-1 ENTRIESREAD 2",
        &[(
            "XINFO GROUPS x",
            "[[name g consumers 0 pending 0 last-delivered-id 2-1 entries-read 2 lag 0]]",
        )],
    );
    let claims = "XADD x 1-1 a b; XADD x 2-1 a b; XGROUP CREATE x g 0; \
                  XCLAIM x g c1 0 1-1 TIME 1000 RETRYCOUNT 1 JUSTID FORCE; \
                  XCLAIM x g c1 0 2-1 TIME 1000 RETRYCOUNT 1 JUSTID FORCE; XDEL x 1-1; \
                  XCLAIM x g c2 0 1-1 TIME 1000 RETRYCOUNT 1 JUSTID FORCE; \
                  XCLAIM x g c3 0 9-9 TIME 1000 RETRYCOUNT 1 JUSTID FORCE LASTID 9-9";
    check_as("redis:7.0", claims, &[("XPENDING x g", "[1 2-1 2-1 [[c1 1]]]")]);
    check(claims, &[("XPENDING x g", "[1 2-1 2-1 [[c1 1]]]")]);
}

#[test]
fn databases_are_selected_inside_of_transactions_too() {
    check(
        "SELECT 5; MULTI; SET a 1; SELECT 6; SET b 2; EXEC; SET c 3",
        &[
            ("SELECT 5", "OK"),
            ("KEYS *", "[a]"),
            ("SELECT 6", "OK"),
            ("GET b", "2"),
            ("GET c", "3"),
        ],
    );
    check(
        "SET a 1; SWAPDB 0 1; SET b 2; SELECT 1; SET c 3",
        &[("KEYS *", "[b]"), ("SELECT 1", "OK"), ("GET a", "1"), ("GET c", "3")],
    );
}

#[test]
fn what_blocks_does_not_block() {
    check(
        "RPUSH l a; BLPOP l 0; BLPOP l 0; BLMOVE q r LEFT LEFT 0; SET ok 1",
        &[("EXISTS l q r", "0"), ("GET ok", "1")],
    );
}

#[test]
fn a_failing_command_is_counted_and_the_log_goes_on() {
    let run = load("LPUSH l a; INCR l; SADD l b; SET z 1", "redis:7.0", 1);
    assert_eq!((run.commands, run.failures.failed), (4, 2));
    assert_eq!(run.failures.first[0].name, b"INCR");
    check("EXEC; DISCARD; AUTH x; PUBLISH a b; CLIENT SETNAME x; SET z 1", &[("GET z", "1")]);
    check("MULTI; SET a 1; MULTI; SET b 1; EXEC; SET c 1", &[("MGET a b c", "[1 1 1]")]);
}

#[test]
fn a_transaction_without_its_end_is_dropped() {
    let run = load("SET a 1; MULTI; SET b 1", "redis:7.0", 1);
    assert_eq!((run.commands, run.parts[0].dropped_from), (1, Some(27)));
    check("SET a 1; MULTI; SET b 1", &[("EXISTS a b", "1")]);
}

#[test]
fn scores_are_read_as_their_writer_read_them() {
    let log = "ZADD z nan a; ZADD z inf b; ZINCRBY z -inf b; ZADD z 0x10 h";
    check_as("redis:7.0", log, &[("ZRANGE z 0 -1 WITHSCORES", "[h 16 b inf]")]);
    check_as("valkey:8.1", log, &[("ZRANGE z 0 -1 WITHSCORES", "[h 16 b inf]")]);
    check_as("valkey:9.1", log, &[("ZRANGE z 0 -1 WITHSCORES", "[b inf]")]);
}

#[test]
fn a_counter_of_distinct_things_is_the_same_byte_for_byte() {
    let value = "HYLL\\x01\\x00\\x00\\x00\\x03\\x00\\x00\\x00\\x00\\x00\\x00\\x00`\\xf3\\x80P\\xb1\\x84K\\xfb\\x80BZ";
    check("PFADD h a b c; PFCOUNT h", &[("GET h", value), ("STRLEN h", "27")]);
}

#[test]
fn a_stream_that_never_had_an_entry_is_there_all_the_same() {
    let log = "XADD x MAXLEN 0 0-0 x y; XSETID x 0-0; XGROUP CREATE x g 0";
    check_as(
        "redis:5.0",
        log,
        &[("EXISTS x", "1"), ("XLEN x", "0"), ("XPENDING x g", "[0 nil nil nil]")],
    );
}
