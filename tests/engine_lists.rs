//! Lists in the engine, beside real servers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use support::paired::{Chance, Paired};
use support::twin::recent;

const LINES: &str = include_str!("engine_lists.txt");

#[test]
fn every_command_answers_as_the_server_does() {
    for kind in recent() {
        let mut pair = Paired::start(&kind);
        for line in LINES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            pair.line(line);
        }
        pair.finish();
    }
}

#[test]
fn a_list_is_packed_for_as_long_as_on_the_server() {
    for kind in recent() {
        let mut pair = Paired::start(&kind);
        for n in 0..140 {
            pair.run(&["RPUSH", "a", &"x".repeat(60)]);
            if n > 120 {
                pair.encoding("a");
            }
        }
        for _ in 0..100 {
            pair.run(&["LPOP", "a"]);
            pair.encoding("a");
        }
        for (key, len) in [("b", 8000), ("c", 8180), ("d", 8192), ("e", 9000)] {
            pair.run(&["RPUSH", key, "1", "2", "3"]);
            for (index, len) in [("1", len), ("1", 10), ("5", len), ("0", 4000), ("2", len)] {
                pair.run(&["LSET", key, index, &"y".repeat(len)]);
                pair.encoding(key);
            }
            pair.run(&["LINSERT", key, "AFTER", "nope", &"z".repeat(len)]);
            pair.encoding(key);
            pair.run(&["LREM", key, "0", &"y".repeat(len)]);
            pair.encoding(key);
            pair.run(&["LRANGE", key, "0", "-1"]);
        }
        pair.finish();
    }
}

/// Some servers keep the lower 32 bits of an index alone, and some take no count without an opposite.
#[test]
fn indexes_and_counts_that_are_too_large_are_taken_as_by_the_server() {
    for kind in recent() {
        let mut pair = Paired::start(&kind);
        pair.run(&["RPUSH", "small", "a", "b", "c", "a"]);
        pair.run(&["RPUSH", "large", &"x".repeat(9000), "b", "c", "a"]);
        for key in ["small", "large"] {
            for (n, index) in [
                "4294967297",
                "-4294967294",
                "4294967295",
                "2147483648",
                "-2147483649",
                "9223372036854775807",
                "-9223372036854775808",
            ]
            .iter()
            .enumerate()
            {
                pair.run(&["LSET", key, index, &n.to_string()]);
                pair.run(&["LINDEX", key, index]);
                pair.run(&["LRANGE", key, "0", "-1"]);
            }
            pair.run(&["LREM", key, "-9223372036854775808", "a"]);
            pair.run(&["LREM", key, "-9223372036854775807", "c"]);
            pair.run(&["LRANGE", key, "0", "-1"]);
        }
        pair.run(&["LREM", "none", "-9223372036854775808", "a"]);
        pair.finish();
    }
}

const COMMANDS: usize = 1500;
const KEYS: [&str; 3] = ["l1", "l2", "l3"];

#[test]
fn whatever_is_done_to_lists_the_server_agrees() {
    for (seed, kind) in recent().iter().enumerate() {
        let mut pair = Paired::start(kind);
        let mut chance = Chance(0x2545_f491 + seed as u64);
        for n in 0..COMMANDS {
            let words = command(&mut chance);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            match words.as_slice() {
                ["DEL", key] => pair.delete(key),
                words => pair.run(words),
            }
            let key = KEYS[n % KEYS.len()];
            pair.encoding(key);
            if n % 40 == 0 || n + 1 == COMMANDS {
                for key in KEYS {
                    pair.run(&["LLEN", key]);
                    pair.run(&["LRANGE", key, "0", "-1"]);
                }
            }
            pair.finish();
        }
    }
}

fn command(chance: &mut Chance) -> Vec<String> {
    let text = |chance: &mut Chance| match chance.below(40) {
        0 => "L".repeat(8000 + chance.below(500)),
        1..8 => "m".repeat(700 + chance.below(3)),
        8..12 => chance.below(100_000).to_string(),
        n => format!("{}", n % 4),
    };
    let index = |chance: &mut Chance| (chance.below(60) as i64 - 30).to_string();
    let end = |chance: &mut Chance| chance.of(&["LEFT", "RIGHT"]);
    let (key, other) = (chance.of(&KEYS), chance.of(&KEYS));
    let line = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    match chance.below(40) {
        0 if chance.below(4) == 0 => line(&["DEL", key]),
        0 => line(&["SET", key, "text"]),
        1 => line(&["DEL", key]),
        2..12 => {
            let mut words = line(&[chance.of(&["LPUSH", "RPUSH", "RPUSHX", "LPUSHX"]), key]);
            words.extend((0..=chance.below(5)).map(|_| text(chance)));
            words
        }
        12..15 => line(&[chance.of(&["LPOP", "RPOP"]), key]),
        15 => line(&[chance.of(&["LPOP", "RPOP"]), key, &(1 + chance.below(12)).to_string()]),
        16 => line(&["LINDEX", key, &index(chance)]),
        17..20 => line(&["LSET", key, &index(chance), &text(chance)]),
        20..25 => {
            let side = chance.of(&["BEFORE", "AFTER"]);
            line(&["LINSERT", key, side, &chance.below(4).to_string(), &text(chance)])
        }
        25..27 => {
            let count = (chance.below(5) as i64 - 2).to_string();
            line(&["LREM", key, &count, &text(chance)])
        }
        27 => line(&[
            "LTRIM",
            key,
            &chance.below(3).to_string(),
            &format!("-{}", 1 + chance.below(3)),
        ]),
        28..30 => {
            let rank = ["1", "2", "-1", "-2"][chance.below(4)];
            let most = chance.below(20).to_string();
            line(&["LPOS", key, &text(chance), "RANK", rank, "COUNT", "0", "MAXLEN", &most])
        }
        30 => line(&["LPOS", key, &text(chance)]),
        31 => line(&["RPOPLPUSH", key, other]),
        32..34 => line(&["LMOVE", key, other, end(chance), end(chance)]),
        34 => line(&["LMPOP", "2", key, other, end(chance), "COUNT", "3"]),
        35..38 => {
            let count = (1 + chance.below(6)).to_string();
            let words = [chance.of(&["COUNT", "EXACTLY"]), &count, chance.of(&["OBO", "BULK"])];
            let mut all = line(&["LMOVEM", key, other, end(chance), end(chance)]);
            all.extend(line(&words));
            all
        }
        38 => line(&["LRANGE", key, &index(chance), &index(chance)]),
        _ => line(&["BLMOVE", key, key, end(chance), end(chance), "0.01"]),
    }
}
