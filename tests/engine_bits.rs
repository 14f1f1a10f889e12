//! Bitmaps and HyperLogLogs in the engine, beside real servers.

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
use support::twin::{Twin, recent};

#[test]
fn bits() {
    for kind in recent().iter().filter(|kind| kind.version.at_least(7, 0)) {
        let mut twin = Twin::start(kind);
        twin.script(BITS);
        // Older ones look at the key before they look at what follows it.
        if kind.name == "redis-8.10" {
            twin.script(NEWEST);
        }
    }
}

const BITS: &str = r#"
    SETBIT b -1 1
    SETBIT b 4294967296 1
    SETBIT b x 1
    SETBIT b 0 2
    SETBIT b 0 x
    SET i 12
    SETBIT i 100 1
    OBJECT ENCODING i
    SETBIT i 100 1
    SETBIT i 100 0
    SETBIT fresh 9 0
    GET fresh
    OBJECT ENCODING fresh
    GETBIT i -1
    GETBIT i 3
    GETBIT i 4294967295
    GETBIT none 3
    BITCOUNT none
    BITCOUNT i
    BITCOUNT i 0 -1 BYTE
    BITCOUNT i 0 -1 FOO
    BITCOUNT i 0 -1 BIT FOO
    BITCOUNT i 3 20 BIT
    BITCOUNT i -5 -30 BIT
    BITCOUNT i -30 -5 BIT
    BITCOUNT i 5 99
    BITCOUNT i -9223372036854775808 9223372036854775807 BIT
    BITPOS i 2
    BITPOS i x
    BITPOS i 1 x
    BITPOS none 0
    BITPOS none 1
    BITPOS i 1 0 -1 FOO
    BITPOS i 1 0 -1 BIT
    BITPOS i 0 3
    BITPOS i 1 3
    BITPOS i 1 3 9
    SET ones \xff\xff
    BITPOS ones 0
    BITPOS ones 0 0 -1
    BITPOS ones 0 1
    BITPOS ones 0 5
    BITPOS ones 1 9 9 BIT
    BITPOS ones 0 9 9 BIT
    SET empty ""
    BITPOS empty 0
    BITPOS empty 1
    BITCOUNT empty
    BITOP FOO d i
    BITOP NOT d i i
    BITOP NOT d i
    GET d
    OBJECT ENCODING d
    BITOP AND d none
    EXISTS d
    BITOP AND d i ones
    GET d
    BITOP XOR d i ones none
    GET d
    HSET l f a
    BITOP AND d l
    BITOP AND d none l
    BITOP OR l i ones
    GET l
    HSET ll f a
    GETBIT ll 1
    SETBIT ll 1 1
    BITCOUNT ll
    BITPOS ll 1
    BITFIELD ll GET u8 0
    BITFIELD ll SET u8 0 x
    BITFIELD i
    BITFIELD i FOO
    BITFIELD i GET u64 0
    BITFIELD i GET u63 0 GET i64 #1 SET i8 0 -1 INCRBY u2 100 1 OVERFLOW SAT INCRBY u2 100 3 OVERFLOW FAIL INCRBY u2 100 1
    GET i
    BITFIELD i OVERFLOW foo
    BITFIELD i GET u8 -1
    BITFIELD i GET u8 #-1
    BITFIELD i GET u8 4294967288
    BITFIELD i GET u8 4294967296
    BITFIELD i GET u8 #536870912
    BITFIELD i SET u8 0 x
    BITFIELD i SET u8 0 9223372036854775807
    BITFIELD_RO i SET u8 0 1
    BITFIELD_RO i GET u8 0 GET i5 3
    BITFIELD none GET u8 0
    EXISTS none
    BITFIELD none OVERFLOW FAIL SET u8 0 256
    EXISTS none
    STRLEN none
    BITFIELD none OVERFLOW SAT SET u8 0 -5 SET i8 0 300 SET i8 0 -300
    BITFIELD none GET i0 0
    BITFIELD none GET u0 0
    BITFIELD none GET i65 0
    BITFIELD none GET x8 0
    BITFIELD none GET
    BITFIELD none SET u8 0
    BITFIELD none INCRBY i64 3 9223372036854775807 INCRBY i64 3 1 OVERFLOW SAT INCRBY i64 3 -1 INCRBY i64 3 -1
    GET none
"#;

const NEWEST: &str = r#"
    BITCOUNT missing 0
    BITCOUNT missing 0 x
    BITPOS missing 0 x
    BITOP DIFF d i
    BITOP DIFF1 d i
    BITOP ANDOR d i
    BITOP ONE d i
    GET d
    BITOP DIFF d i ones none
    GET d
    BITOP DIFF1 d i ones none
    GET d
    BITOP ANDOR d i ones none
    GET d
    BITOP ONE d i ones none i
    GET d
"#;

#[test]
fn bits_by_chance() {
    for kind in recent().iter().filter(|kind| kind.version.at_least(7, 0)) {
        let mut twin = Twin::start(kind);
        let mut random = Random::new(11);
        let keys = ["a", "b", "c", "d"];
        let newest = kind.name == "redis-8.10";
        for _ in 0..4000 {
            let (key, other, third) =
                (*random.pick(&keys), *random.pick(&keys), *random.pick(&keys));
            let number = |random: &mut Random, bound: usize| random.below(bound).to_string();
            let (at, from, to) =
                (number(&mut random, 500), number(&mut random, 600), number(&mut random, 600));
            let from = if random.below(3) == 0 { format!("-{from}") } else { from };
            let to = if random.below(3) == 0 { format!("-{to}") } else { to };
            let bit = number(&mut random, 2);
            let unit = *random.pick(&["BIT", "BYTE"]);
            let signed = random.below(2) == 0;
            let width = 1 + random.below(if signed { 64 } else { 63 });
            let width = format!("{}{width}", if signed { 'i' } else { 'u' });
            let value = random.integer().to_string();
            let place =
                if random.below(3) == 0 { format!("#{}", random.below(9)) } else { at.clone() };
            let overflow = *random.pick(&["WRAP", "SAT", "FAIL"]);
            let ops: &[&str] = match newest {
                true => &["AND", "OR", "XOR", "DIFF", "DIFF1", "ANDOR", "ONE"],
                false => &["AND", "OR", "XOR"],
            };
            let op = *random.pick(ops);
            let text = random.text(70);
            let words: Vec<&[u8]> = match random.below(14) {
                0 => vec![b"SET", key.as_bytes(), &text],
                1 | 2 => vec![b"SETBIT", key.as_bytes(), at.as_bytes(), bit.as_bytes()],
                3 => vec![b"GETBIT", key.as_bytes(), at.as_bytes()],
                4 => vec![
                    b"BITCOUNT",
                    key.as_bytes(),
                    from.as_bytes(),
                    to.as_bytes(),
                    unit.as_bytes(),
                ],
                5 => vec![
                    b"BITPOS",
                    key.as_bytes(),
                    bit.as_bytes(),
                    from.as_bytes(),
                    to.as_bytes(),
                    unit.as_bytes(),
                ],
                6 => vec![b"BITPOS", key.as_bytes(), bit.as_bytes(), from.as_bytes()],
                7 => vec![
                    b"BITOP",
                    op.as_bytes(),
                    key.as_bytes(),
                    other.as_bytes(),
                    third.as_bytes(),
                    key.as_bytes(),
                ],
                8 => vec![b"BITOP", b"NOT", key.as_bytes(), other.as_bytes()],
                9 => vec![
                    b"BITFIELD",
                    key.as_bytes(),
                    b"OVERFLOW",
                    overflow.as_bytes(),
                    b"SET",
                    width.as_bytes(),
                    place.as_bytes(),
                    value.as_bytes(),
                ],
                10 | 11 => vec![
                    b"BITFIELD",
                    key.as_bytes(),
                    b"OVERFLOW",
                    overflow.as_bytes(),
                    b"INCRBY",
                    width.as_bytes(),
                    place.as_bytes(),
                    value.as_bytes(),
                    b"GET",
                    width.as_bytes(),
                    place.as_bytes(),
                ],
                12 => vec![b"GET", key.as_bytes()],
                _ => vec![b"BITCOUNT", key.as_bytes()],
            };
            twin.run_known(&words);
            twin.run(&["GET", key]);
        }
    }
}

#[test]
fn hyperloglogs() {
    for kind in recent().iter().filter(|kind| kind.version.at_least(7, 0)) {
        let mut twin = Twin::start(kind);
        twin.script(LOGS);
        let mut random = Random::new(5);
        let keys = ["a", "b", "c", "d"];
        for round in 0..400 {
            let (key, other) = (*random.pick(&keys), *random.pick(&keys));
            let mut words = vec![b"PFADD".to_vec(), key.as_bytes().to_vec()];
            match random.below(30) {
                0 => words = ["PFMERGE", key, other, "none"].map(Vec::from).to_vec(),
                1 if round > 250 => words = ["DEL", key].map(Vec::from).to_vec(),
                2 => words = ["PFCOUNT", key].map(Vec::from).to_vec(),
                3 => words = ["PFCOUNT", key, other].map(Vec::from).to_vec(),
                4 => words = ["GET", key].map(Vec::from).to_vec(),
                5 => words = ["PFDEBUG", "DECODE", key].map(Vec::from).to_vec(),
                _ => words.extend((0..=random.below(60)).map(|_| random.text(12))),
            }
            twin.run_known(&words);
        }
        for key in keys {
            twin.run(&["GET", key]);
            twin.run(&["PFCOUNT", key]);
            twin.run(&["PFDEBUG", "GETREG", key]);
        }
    }
}

const LOGS: &str = r#"
    PFADD h
    GET h
    PFADD h
    PFADD h a b c
    GET h
    PFCOUNT h
    GET h
    PFADD h a
    GET h
    PFADD h ""
    PFCOUNT none
    PFCOUNT h none
    PFDEBUG ENCODING h
    PFDEBUG DECODE h
    PFDEBUG DECODE none
    PFDEBUG FOO h
    PFDEBUG DECODE h x
    OBJECT ENCODING h
    COPY h h2
    PFDEBUG TODENSE h2
    PFDEBUG TODENSE h2
    PFDEBUG DECODE h2
    STRLEN h2
    GET h2
    PFMERGE none
    GET none
    PFMERGE none h
    GET none
    PFMERGE none h2
    GET none
    PFCOUNT none h h2
    SET s abc
    PFADD s a
    PFCOUNT s
    PFMERGE s h
    PFMERGE h s
    PFCOUNT h s
    HSET l f v
    PFADD l a
    PFCOUNT l
    PFMERGE h l
    SETRANGE h 4 \x02
    PFADD h a
    SET broken HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f
    PFCOUNT broken
    PFMERGE x broken
    PFCOUNT broken h2
    SET short HYLL\x01\x00\x00
    PFADD short a
    PFSELFTEST
"#;
