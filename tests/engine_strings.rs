//! Strings in the engine, beside real servers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use support::random::Random;
use support::servers::Kind;
use support::twin::{Twin, recent};

/// Redis 6.2 words some errors otherwise, and refuses some things that newer ones take.
fn newer(kind: &Kind) -> bool {
    kind.version.at_least(7, 0)
}

#[test]
fn set_and_its_options() {
    for kind in recent().iter().filter(|kind| newer(kind)) {
        let mut twin = Twin::start(kind);
        twin.script(SET);
    }
}

const SET: &str = r#"
    SET k v
    GET k
    SET k
    SET k w NX
    SET k w XX
    SET n w XX
    SET n w NX GET
    SET n x NX GET
    SET n x XX GET
    SET n x GET NX XX
    SET m x XX GET
    EXISTS m
    SET k v EX 10
    TTL k
    SET k v KEEPTTL
    TTL k
    SET k v EX 10 KEEPTTL
    SET k v KEEPTTL PX 10
    SET k v EX 10 PX 10
    SET k v EX 10 EX 20
    TTL k
    SET k v
    TTL k
    SET k v EX 0
    SET k v EX -1
    SET k v PX x
    SET k v EX
    SET k v EX 9223372036854775807
    SET k v EX 9223372036854775
    SET k v PX 9223372036854775807
    SET k v PXAT 9223372036854775807
    PEXPIRETIME k
    SET k v EXAT 9223372036854775807
    SET k v EXAT 4000000000
    EXPIRETIME k
    SET k v PXAT 1
    EXISTS k
    SET k v PXAT 1 GET
    SET k v FOO
    SET k v PERSIST
    SET k v GET
    SET k v GET GET
    HSET l f a
    SET l v GET
    SET l v NX GET
    SET l v XX GET
    TYPE l
    SET l v NX
    SET l v XX
    TYPE l
    SETEX k 10 v
    TTL k
    SETEX k 0 v
    SETEX k x v
    SETEX k 9223372036854775807 v
    PSETEX k 100000 12
    OBJECT ENCODING k
    TTL k
    PSETEX k -1 v
    SETNX k v
    SETNX new 5
    OBJECT ENCODING new
    GETSET new 012
    OBJECT ENCODING new
    GETSET none 1
    GETDEL none
    GETDEL none
    SET k v EX 100
    GETSET k w
    TTL k
    GETEX k
    GETEX k EX 100
    TTL k
    GETEX k PERSIST
    TTL k
    GETEX k PERSIST EX 10
    GETEX k EX 10 PERSIST
    GETEX k EX 0
    GETEX k EX x
    GETEX none EX x
    GETEX none FOO
    GETEX k KEEPTTL
    GETEX k PXAT 4000000000000
    PEXPIRETIME k
    GETEX k PXAT 1
    EXISTS k
    HSET m f a
    GETEX m EX x
    GETSET m a
    GETDEL m
    GET m
    STRLEN m
    MSET a 1 b
    MSET a 1 b 2 a 3
    MGET a b m none
    MSETNX a 1
    MSETNX c 1 c 2
    MSETNX c 1 d
    GET c
    EXPIRE c 100
    MSET c 5
    TTL c
"#;

#[test]
fn conditions() {
    for kind in &recent() {
        let mut twin = Twin::start(kind);
        // Redis 8.4 has all of them (8.6 takes some that do not go together), Valkey 8.1 only IFEQ.
        if twin.server.version().at_least(8, 8)
            && !matches!(twin.server.version().flavour, support::servers::Flavour::Valkey)
        {
            twin.script(CONDITIONS);
        } else if kind.name.starts_with("valkey") && kind.version.at_least(8, 1) {
            twin.script(VALKEY_CONDITIONS);
            if kind.version.at_least(9, 1) {
                twin.script(VALKEY_MORE);
            }
        }
    }
}

const VALKEY_CONDITIONS: &str = r#"
    SET k v
    SET k w IFEQ x
    SET k w IFEQ v
    SET k x IFEQ w GET
    SET k x IFEQ w GET
    SET k x IFEQ w NX
    SET k x NX IFEQ w
    SET k x IFEQ
    SET none x IFEQ w
    SET none x IFEQ w GET
    SET k 5 IFEQ x EX 100
    TTL k
    SET k 6 IFEQ 5 KEEPTTL
    TTL k
    OBJECT ENCODING k
    HSET l f a
    SET l x IFEQ w
    SET l x IFEQ w GET
"#;

const VALKEY_MORE: &str = r#"
    DELIFEQ l a
    DELIFEQ k 5
    DELIFEQ k 6
    DELIFEQ k 6
    DELIFEQ k
    MSETEX 2 a 1 b 2
    MSETEX 2 a 1 b 2 NX
    MSETEX 2 a 1 c 2 XX
    MSETEX 2 a 1 b 2 XX EX 100
    TTL a
    MSETEX 2 a 5 b 2 KEEPTTL
    TTL a
    GET a
    MSETEX 2 a 1 b
    MSETEX 0 a 1
    MSETEX x a 1
    MSETEX 2 a 1 b 2 FOO
    MSETEX 2 a 1 b 2 NX XX
    MSETEX 2 a 1 b 2 EX 0
    MSETEX 2 a 1 b 2 PXAT 1
    EXISTS a b
"#;

const CONDITIONS: &str = r#"
    SET k v
    DIGEST k
    DIGEST none
    SET k w IFDEQ 12
    SET k w IFDEQ zzzzzzzzzzzzzzzz
    SET k w IFDEQ F7042BE43FB80714
    SET k v IFDNE f7042be43fb80714
    SET k w IFEQ x IFEQ v
    SET k w IFEQ v NX
    SET k w IFEQ v GET
    SET k w IFNE w GET
    SET n w IFNE w GET
    SET n2 w IFEQ w GET
    SET n2 w IFDEQ x
    SET n2 w IFDNE x
    SET n3 v IFNE a IFNE b
    SET n3 v IFNE a IFEQ b
    SET n3 v NX IFEQ b
    SET n3 v IFEQ
    SET n3 5 IFEQ v EX 100
    TTL n3
    DIGEST n3
    OBJECT ENCODING n3
    HSET l f a
    SET l w IFEQ w
    SET l w IFEQ w GET
    SET l w IFDNE 0000000000000000
    DIGEST l
    DELEX l IFEQ x
    DELEX l
    DELEX l
    DELEX nokey IFEQ x
    DELEX nokey IFDEQ x
    DELEX nokey FOO x
    DELEX k FOO x
    DELEX k IFDEQ x
    DELEX k IFDEQ zzzzzzzzzzzzzzzz
    DELEX k IFDEQ
    DELEX k IFDEQ 1 2
    DELEX k IFNE w
    DELEX k IFNE v
    DELEX n3 IFEQ 5
    SET big aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    DIGEST big
    SETRANGE big 300 x
    DIGEST big
    SETRANGE big 3000 x
    DIGEST big
    MSETEX 2 a 1 b 2
    MSETEX 2 a 1 b 2 NX
    MSETEX 2 a 1 c 2 XX
    MSETEX 2 a 1 b
    MSETEX 0 a 1
    MSETEX -1 a 1
    MSETEX x a 1
    MSETEX 1000000 a 1
    MSETEX 2147483648 a 1
    MSETEX 2 a 1 b 2 FOO
    MSETEX 2 a 1 b 2 EX 0
    MSETEX 2 a 1 b 2 EX 10 PX 10
    MSETEX 2 a 1 b 2 NX XX
    MSETEX 2 a 1 b 2 KEEPTTL EX 5
    MSETEX 2 a 1 b 2 EX 100
    MSETEX 2 a 4 b 2 KEEPTTL
    MGET a b
    MSETEX 2 a 1 b 2 PXAT 1
    EXISTS a b
    MSETEX 1 a 1 EX
"#;

#[test]
fn counts() {
    for kind in recent().iter().filter(|kind| newer(kind)) {
        let mut twin = Twin::start(kind);
        twin.script(COUNTS);
        if kind.name == "redis-8.10" {
            twin.script(BOUNDED);
        }
    }
}

const COUNTS: &str = r#"
    INCR n
    OBJECT ENCODING n
    INCRBY n 5
    DECR n
    DECRBY n 10
    INCRBY n x
    INCRBY n 9223372036854775807
    INCRBY n 9223372036854775807
    DECRBY n -9223372036854775808
    DECRBY n x
    SET n -9223372036854775808
    DECR n
    INCRBY n -1
    SET s abc
    INCR s
    SET s 007
    INCR s
    SET s 12
    APPEND s 3
    OBJECT ENCODING s
    INCR s
    OBJECT ENCODING s
    HSET l f a
    INCR l
    INCRBY l x
    DECRBY l x
    INCRBYFLOAT l x
    INCRBYFLOAT f 10.5
    INCRBYFLOAT f 0.1
    OBJECT ENCODING f
    INCRBYFLOAT f x
    INCRBYFLOAT f inf
    INCRBYFLOAT f nan
    INCRBYFLOAT f 1e5000
    INCRBYFLOAT f 1e-4990
    INCRBYFLOAT f 0x10
    INCRBYFLOAT f -26.6
    INCRBYFLOAT f 5.0e3
    OBJECT ENCODING f
    INCR f
    OBJECT ENCODING f
    INCRBYFLOAT s .5
    INCRBYFLOAT s 1e-18
    INCRBYFLOAT s 1e20
    INCRBYFLOAT s 1
    SET g " 1
    INCRBYFLOAT g 1
    SET g inf
    INCRBYFLOAT g 1
    SET g 3.0e3
    EXPIRE g 100
    INCRBYFLOAT g 200
    TTL g
    INCRBYFLOAT g 1e300
    STRLEN g
    OBJECT ENCODING g
    APPEND new 5
    OBJECT ENCODING new
    APPEND new2 abc
    OBJECT ENCODING new2
    APPEND new2 d
    OBJECT ENCODING new2
    APPEND l x
    APPEND new2 ""
    GET new2
    SETRANGE new2 2 ZZZ
    GET new2
    SETRANGE new2 8 x
    GET new2
    SETRANGE none 0 ""
    EXISTS none
    SETRANGE none 3 a
    GET none
    OBJECT ENCODING none
    SETRANGE none -1 a
    SETRANGE none x a
    SETRANGE l -1 a
    SETRANGE l 0 ""
    SETRANGE l 1 a
    SETRANGE none 536870912 x
    SETRANGE none 536870911 xx
    SETRANGE none 9223372036854775807 x
    SETRANGE none 536870912 ""
    GETRANGE none 0 -1
    GETRANGE none 1 2
    GETRANGE none -2 -1
    GETRANGE none -1 -2
    GETRANGE none 3 2
    GETRANGE none 9 12
    GETRANGE none -100 -50
    GETRANGE none 0 9223372036854775807
    GETRANGE none -9223372036854775808 9223372036854775807
    GETRANGE l 0 x
    GETRANGE l 0 1
    GETRANGE missing 0 1
    SUBSTR none 0 1
    SET int 12345
    GETRANGE int 1 2
    STRLEN int
    SETRANGE int 1 9
    OBJECT ENCODING int
    GET int
    LCS int int
    LCS int n3
    SET one ohmytext
    SET two mynewtext
    LCS one two
    LCS one two LEN
    LCS one two IDX
    LCS one two IDX MINMATCHLEN 4
    LCS one two IDX MINMATCHLEN 4 WITHMATCHLEN
    LCS one two IDX WITHMATCHLEN
    LCS one two WITHMATCHLEN
    LCS two one IDX
    LCS one two IDX LEN
    LCS one two IDX MINMATCHLEN -4
    LCS one two MINMATCHLEN x
    LCS one two MINMATCHLEN
    LCS one two FOO
    LCS one l
    LCS l one IDX LEN
    LCS one
    LCS one none IDX
"#;

const BOUNDED: &str = r#"
    INCREX q
    INCREX q BYINT 5
    INCREX q BYINT x
    INCREX q BYFLOAT 1.5
    INCREX q BYFLOAT x
    INCREX q BYINT 1
    INCREX q BYINT 5 BYFLOAT 1
    INCREX m BYINT 5 UBOUND 3
    EXISTS m
    INCREX m BYINT 5 UBOUND 3 SATURATE
    INCREX m LBOUND 5 UBOUND 3
    INCREX m LBOUND 5 UBOUND x
    INCREX m LBOUND 10 UBOUND 20
    INCREX m LBOUND 10 UBOUND 20 SATURATE
    INCREX m UBOUND 2 SATURATE
    INCREX m BYINT -9223372036854775808
    INCREX m BYINT -9223372036854775808 SATURATE
    INCREX m BYINT -9223372036854775808 SATURATE
    INCREX m BYINT -1
    OBJECT ENCODING m
    INCREX m EX 100
    TTL m
    INCREX m PERSIST
    TTL m
    INCREX m EX 100 ENX
    INCREX m EX 200 ENX
    TTL m
    INCREX m ENX
    INCREX m PERSIST ENX
    INCREX m EX 0
    INCREX m EX 10 PX 10
    INCREX m EX 10 EX 10
    INCREX m PXAT 1
    EXISTS m
    SET m 9223372036854775807
    INCREX m LBOUND -9223372036854775808 UBOUND -9223372036854775807 SATURATE
    SET m 5
    INCREX m BYFLOAT 1 UBOUND 3
    INCREX m LBOUND x FOO
    INCREX m BYINT x FOO
    INCREX m UBOUND 1 UBOUND 2
    INCREX m BYINT 1 BYINT 2
    HSET l f a
    INCREX l BYINT x
    INCREX l BYINT 1 LBOUND 5 UBOUND 1
    INCREX l BYINT 1 EX 0
    INCREX l
    INCREX l BYFLOAT 1
    INCREX m BYFLOAT 0x10
    INCREX m BYFLOAT 1 UBOUND 1 SATURATE
    OBJECT ENCODING m
    INCREX m BYINT 0 LBOUND 10
    INCREX m BYINT 0 LBOUND 10 SATURATE
    INCREX z BYINT 0 UBOUND 10
    EXISTS z
    INCREX m BYINT 0 EX 100
    TTL m
    INCREX m BYINT 0 UBOUND 0 EX 1000
    TTL m
    INCREX m PERSIST EX 10
    INCREX m PERSIST PERSIST
    INCREX m ENX ENX EX 5
    INCREX f2 BYFLOAT 1.5 UBOUND 1.2
    INCREX f2 BYFLOAT 1.5 UBOUND 1.2 SATURATE
    INCREX f2 BYFLOAT inf
    INCREX f2 BYFLOAT 1 LBOUND nan
    INCREX f2 BYFLOAT 1 LBOUND inf
    SET s abc
    INCREX s
    INCREX s BYFLOAT 1
    INCREX s SATURATE SATURATE
    SET fl2 inf
    INCREX fl2 BYFLOAT 1
    INCREX fl2 BYFLOAT 1 SATURATE
"#;

#[test]
fn by_chance() {
    for kind in recent().iter().filter(|kind| newer(kind)) {
        let mut twin = Twin::start(kind);
        let mut random = Random::new(7);
        let keys = ["a", "b", "c", "d", "l"];
        twin.words("HSET l f x");
        for _ in 0..4000 {
            let key = *random.pick(&keys);
            let other = *random.pick(&keys);
            let number = random.integer().to_string();
            let float = random.decimal();
            let small = random.below(80).to_string();
            let text = random.text(60);
            let command: Vec<&[u8]> = match random.below(18) {
                0 => vec![b"SET", key.as_bytes(), &text],
                1 => vec![b"SET", key.as_bytes(), number.as_bytes()],
                2 => vec![b"SET", key.as_bytes(), &text, b"KEEPTTL", b"XX", b"GET"],
                3 => vec![b"APPEND", key.as_bytes(), &text],
                4 => vec![b"SETRANGE", key.as_bytes(), small.as_bytes(), &text],
                5 => vec![b"GETRANGE", key.as_bytes(), small.as_bytes(), number.as_bytes()],
                6 => vec![b"INCRBY", key.as_bytes(), number.as_bytes()],
                7 => vec![b"INCRBYFLOAT", key.as_bytes(), float.as_bytes()],
                8 => vec![b"SET", key.as_bytes(), float.as_bytes(), b"NX"],
                9 => vec![b"GETDEL", key.as_bytes()],
                10 => vec![b"RENAME", key.as_bytes(), other.as_bytes()],
                11 => vec![b"COPY", key.as_bytes(), other.as_bytes(), b"REPLACE"],
                12 => vec![b"LCS", key.as_bytes(), other.as_bytes(), b"IDX", b"WITHMATCHLEN"],
                13 => vec![b"GETEX", key.as_bytes(), b"PXAT", b"4000000000000"],
                14 => vec![b"MSET", key.as_bytes(), &text, other.as_bytes(), float.as_bytes()],
                15 => vec![b"STRLEN", key.as_bytes()],
                16 => vec![b"DECR", key.as_bytes()],
                _ => vec![b"PEXPIRETIME", key.as_bytes()],
            };
            twin.run_known(&command);
        }
        for key in keys {
            for command in ["OBJECT ENCODING", "TYPE", "GET", "PEXPIRETIME"] {
                let words: Vec<&str> = command.split(' ').chain([key]).collect();
                twin.run_known(&words);
            }
        }
    }
}
