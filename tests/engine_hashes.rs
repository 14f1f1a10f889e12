//! Hashes in the engine, beside real servers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use redis::Value;
use support::paired::{Chance, Paired, encoding};
use support::twin::recent;

const LINES: &str = include_str!("engine_hashes.txt");

#[test]
fn every_command_answers_as_the_server_does() {
    for kind in recent() {
        let mut pair = Paired::start(&kind);
        for line in LINES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if line.starts_with("HGETALL") && listed(&pair, line) == "hashtable" {
                pair.unordered(&line.split(' ').collect::<Vec<_>>());
            } else {
                pair.line(line);
            }
        }
        pair.finish();
    }
}

fn listed(pair: &Paired, line: &str) -> String {
    let key = line.rsplit(' ').next().unwrap();
    encoding(&pair.twin.engine, key).unwrap_or_default()
}

#[test]
fn a_hash_is_packed_for_as_long_as_on_the_server() {
    for kind in recent() {
        let mut pair = Paired::start(&kind);
        let value = |len: usize| "x".repeat(len);
        pair.run(&["HSET", "a", "f", &value(64)]);
        pair.encoding("a");
        pair.run(&["HSET", "a", "f", &value(65)]);
        pair.encoding("a");
        pair.run(&["HSET", "a", "f", "1"]);
        pair.encoding("a");
        pair.run(&["HSET", "b", &value(65), "1"]);
        pair.encoding("b");
        for n in 0..514 {
            pair.run(&["HSET", "c", &n.to_string(), "v"]);
            if n > 508 {
                pair.encoding("c");
            }
        }
        // The same field many times over.
        let mut words = vec!["HSET", "d"];
        (0..513).for_each(|_| words.extend(["f", "v"]));
        pair.run(&words);
        pair.encoding("d");
        if pair.knows("HPEXPIREAT") {
            for n in 0..514 {
                pair.run(&["HSET", "e", &n.to_string(), "v"]);
                pair.run(&["HPEXPIREAT", "e", "4000000000000", "FIELDS", "1", &n.to_string()]);
                if n > 508 {
                    pair.encoding("e");
                }
            }
            pair.run(&["HSET", "g", "f", "1"]);
            pair.run(&["HPEXPIREAT", "g", "4000000000000", "FIELDS", "1", "f"]);
            pair.run(&["HSET", "g", "h", &value(65)]);
            pair.encoding("g");
            pair.run(&["HPEXPIRETIME", "g", "FIELDS", "2", "f", "h"]);
            pair.run(&["HPERSIST", "g", "FIELDS", "1", "f"]);
            pair.encoding("g");
        }
        pair.finish();
    }
}

/// Hashes that share their fields, of Redis 8.10: where they stay so, and what they become.
#[test]
fn whatever_is_done_to_hashes_with_a_template_the_server_agrees() {
    for kind in recent() {
        let mut pair = Paired::start(&kind);
        if !pair.knows("HIMPORT") {
            continue;
        }
        let mut chance = Chance(0x7e3_91a7e);
        let many: Vec<String> = (0..520).map(|n| format!("m{n}")).collect();
        let long = "l".repeat(65);
        let sets: [&[&str]; 4] = [
            &["f1", "f2", "f30", "f10"],
            &["f7"],
            &["f5", &long, "f1"],
            &many.iter().map(String::as_str).collect::<Vec<_>>(),
        ];
        for (n, fields) in sets.iter().enumerate() {
            pair.run(&[&["HIMPORT", "PREPARE", &n.to_string()][..], fields].concat());
        }
        for n in 0..COMMANDS {
            let words = match chance.below(5) {
                0 => {
                    let set = [0, 0, 0, 1, 2, 2, 3][chance.below(7)];
                    let mut words = vec!["HIMPORT".to_owned(), "SET".to_owned()];
                    words.extend([chance.of(&KEYS).to_owned(), set.to_string()]);
                    for _ in sets[set] {
                        let long = chance.below(12 * sets[set].len()) == 0;
                        words.push("v".repeat(if long { 70 } else { chance.below(9) }));
                    }
                    words
                }
                _ => command(&mut chance),
            };
            // What is too long for a listpack is so in every command now and then.
            let is_long = chance.below(6) == 0;
            let word = |word: &String| match word.starts_with("vvvvvvv") && is_long {
                true => "v".repeat(70),
                false => word.clone(),
            };
            let words: Vec<String> = words.iter().map(word).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            match words.as_slice() {
                ["DEL", key] => pair.delete(key),
                words => pair.run(words),
            }
            if n % 4 == 0 {
                let key = chance.of(&KEYS);
                read_back(&mut pair, key);
                if let Value::BulkString(dump) = pair.twin.server.cmd(&["DUMP", key]) {
                    let words: [&[u8]; 5] = [b"RESTORE", b"again", b"0", &dump, b"REPLACE"];
                    pair.run(&words);
                    read_back(&mut pair, "again");
                    pair.run(&["HPEXPIREAT", "again", "4000000000000", "FIELDS", "1", "f0"]);
                    read_back(&mut pair, "again");
                }
            }
            pair.finish();
        }
    }
}

const COMMANDS: usize = 3000;

#[test]
fn whatever_is_done_to_hashes_the_server_agrees() {
    for (seed, kind) in recent().iter().enumerate() {
        let mut pair = Paired::start(kind);
        let mut chance = Chance(0x9e37_79b9 + seed as u64);
        for n in 0..COMMANDS {
            let words = command(&mut chance);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            match words.as_slice() {
                ["DEL", key] => pair.delete(key),
                words => pair.run(words),
            }
            if n % 40 == 0 || n + 1 == COMMANDS {
                KEYS.iter().for_each(|key| read_back(&mut pair, key));
                pair.finish();
            }
        }
    }
}

const KEYS: [&str; 3] = ["h1", "h2", "h3"];

fn read_back(pair: &mut Paired, key: &str) {
    pair.encoding(key);
    let packed = encoding(&pair.twin.engine, key).is_some_and(|name| name != "hashtable");
    match packed {
        true => pair.run(&["HGETALL", key]),
        false => pair.unordered(&["HGETALL", key]),
    }
    pair.run(&["HLEN", key]);
    let fields: Vec<String> = (0..40).map(|n| format!("f{n}")).collect();
    for command in ["HMGET", "HPEXPIRETIME"] {
        let mut words = vec![command, key];
        if command == "HPEXPIRETIME" {
            words.extend(["FIELDS", "40"]);
        }
        words.extend(fields.iter().map(String::as_str));
        pair.run(&words);
    }
}

fn command(chance: &mut Chance) -> Vec<String> {
    let key = KEYS[chance.below(KEYS.len())];
    let field = |chance: &mut Chance| format!("f{}", chance.below(40));
    let value = |chance: &mut Chance| match chance.below(60) {
        0 => "x".repeat(60 + chance.below(8)),
        1..20 => "v".repeat(chance.below(30)),
        20..30 => format!("{}.5", chance.below(1000)),
        n => (chance.below(1 << n.min(40)) as i64 - 50).to_string(),
    };
    let time = |chance: &mut Chance| match chance.below(9) {
        0 => "1".to_owned(),
        n => (4_000_000_000_000_usize + n * 1000).to_string(),
    };
    let line = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let with = |mut words: Vec<String>, chance: &mut Chance, values: bool| {
        let count = 1 + chance.below(4);
        words.extend(["FIELDS".to_owned(), count.to_string()]);
        // Redis 8.6.3 crashes where HSETEX with a time names a field twice.
        let first = chance.below(40);
        for n in 0..count {
            words.push(match values {
                true => format!("f{}", (first + 7 * n) % 40),
                false => field(chance),
            });
            if values {
                words.push(value(chance));
            }
        }
        words
    };
    match chance.below(40) {
        0 => line(&["DEL", key]),
        1 => line(&["SET", key, "text"]),
        2..14 => {
            let mut words = line(&[chance.of(&["HSET", "hset", "HMSET"]), key]);
            for _ in 0..=chance.below(4) {
                words.extend([field(chance), value(chance)]);
            }
            words
        }
        14 => {
            // Now and then a table.
            let mut words = line(&["HSET", key]);
            let many = if chance.below(8) == 0 { 600 } else { 30 };
            for n in 0..many {
                words.extend([format!("m{}", n + chance.below(100)), "v".to_owned()]);
            }
            words
        }
        15 => line(&["HSETNX", key, &field(chance), &value(chance)]),
        16..19 => line(&["HDEL", key, &field(chance), &field(chance), &field(chance)]),
        19 => line(&["HINCRBY", key, &field(chance), &(chance.below(99) as i64 - 9).to_string()]),
        20 => line(&["HINCRBYFLOAT", key, &field(chance), &format!("{}.25", chance.below(99))]),
        21 => line(&["HSTRLEN", key, &field(chance)]),
        22 => line(&["HEXISTS", key, &field(chance)]),
        23..28 => {
            let words = line(&["HPEXPIREAT", key, &time(chance)]);
            let mut words = words;
            words.extend(
                chance.of(&["", "", "NX", "XX", "GT", "LT"]).split_whitespace().map(String::from),
            );
            with(words, chance, false)
        }
        28..30 => with(line(&["HPERSIST", key]), chance, false),
        30..32 => {
            let mut words = line(&["HGETEX", key]);
            match chance.below(3) {
                0 => words.push("PERSIST".to_owned()),
                1 => words.extend(["PXAT".to_owned(), time(chance)]),
                _ => {}
            }
            with(words, chance, false)
        }
        32..36 => {
            let mut words = line(&["HSETEX", key]);
            words.extend(chance.of(&["", "", "FNX", "FXX"]).split_whitespace().map(String::from));
            match chance.below(3) {
                0 => words.push("KEEPTTL".to_owned()),
                1 => words.extend(["PXAT".to_owned(), time(chance)]),
                _ => {}
            }
            with(words, chance, true)
        }
        36 => with(line(&["HGETDEL", key]), chance, false),
        37 => line(&["HGET", key, &field(chance)]),
        38 => line(&["APPEND", key, "x"]),
        _ => with(line(&["HEXPIRETIME", key]), chance, false),
    }
}
