//! Sets in the engine, beside real servers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use support::paired::{Chance, Paired, encoding};
use support::twin::recent;

const LINES: &str = include_str!("engine_sets.txt");

/// Commands whose answers come in no order that is worth keeping.
const UNORDERED: [&str; 7] =
    ["SINTER", "SUNION", "SDIFF", "SSCAN", "SPOP", "SRANDMEMBER", "SMEMBERS"];

#[test]
fn every_command_answers_as_the_server_does() {
    for kind in recent() {
        let mut pair = Paired::start(&kind);
        for line in LINES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let words: Vec<&str> = line.split(' ').collect();
            let loose = UNORDERED.contains(&words[0]) && !is_packed(&pair, words[1]);
            if loose { pair.unordered(&words) } else { pair.line(line) }
        }
        pair.finish();
    }
}

/// Whether the order of a set is that of the server.
fn is_packed(pair: &Paired, key: &str) -> bool {
    encoding(&pair.twin.engine, key).is_some_and(|name| name != "hashtable")
}

#[test]
fn a_set_is_packed_for_as_long_as_on_the_server() {
    for kind in recent() {
        let mut pair = Paired::start(&kind);
        for (key, most, text) in [("ints", 514, ""), ("texts", 130, "t"), ("mixed", 130, "")] {
            for n in 0..most {
                pair.run(&["SADD", key, &format!("{text}{n}")]);
                if n > most - 5 || (125..130).contains(&n) {
                    pair.encoding(key);
                }
            }
            pair.run(&["SADD", key, "last"]);
            pair.encoding(key);
            pair.run(&["SREM", key, "last"]);
        }
        for (key, len) in [("short", 64), ("long", 65)] {
            pair.run(&["SADD", key, "1"]);
            pair.run(&["SADD", key, &"x".repeat(len)]);
            pair.encoding(key);
        }
        for (key, count, distinct, text) in [
            ("many1", 513, 513, ""),
            ("many2", 513, 10, ""),
            ("many3", 129, 10, "t"),
            ("many4", 128, 128, "t"),
            ("many5", 200, 200, ""),
        ] {
            let members: Vec<String> =
                (0..count).map(|n| format!("{text}{}", n % distinct)).collect();
            let mut words = vec!["SADD", key];
            words.extend(members.iter().map(String::as_str));
            pair.run(&words);
            pair.encoding(key);
        }
        // The way that a difference takes is seen in the form of the result.
        pair.run(&["SUNIONSTORE", "all", "many4", "texts"]);
        pair.encoding("all");
        let texts: Vec<String> = (0..120).map(|n| format!("t{n}")).collect();
        for (key, count) in [("few", 3), ("most", 120)] {
            let mut words = vec!["SADD", key];
            words.extend(texts[..count].iter().map(String::as_str));
            pair.run(&words);
        }
        for others in [vec!["few"], vec!["most"], vec!["most", "few", "few", "few"], vec!["few"; 5]]
        {
            let mut words = vec!["SDIFFSTORE", "left", "texts"];
            words.extend(others);
            pair.run(&words);
            pair.encoding("left");
        }
        pair.run(&["SINTERSTORE", "left", "ints", "many1"]);
        pair.encoding("left");
        pair.run(&["SINTERSTORE", "left", "ints", "many5"]);
        pair.encoding("left");
        pair.run(&["SUNIONSTORE", "left", "many5", "few"]);
        pair.encoding("left");
        pair.run(&["SUNIONSTORE", "left", "many5", "many2"]);
        pair.encoding("left");
        pair.finish();
    }
}

const COMMANDS: usize = 3000;
const KEYS: [&str; 4] = ["s1", "s2", "s3", "s4"];

#[test]
fn whatever_is_done_to_sets_the_server_agrees() {
    for (seed, kind) in recent().iter().enumerate() {
        let mut pair = Paired::start(kind);
        let mut chance = Chance(0x51ed_270b + seed as u64);
        for n in 0..COMMANDS {
            let words = command(&mut chance);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            match words.as_slice() {
                ["DEL", key] => pair.delete(key),
                words if UNORDERED.contains(&words[0]) => pair.unordered(words),
                words => pair.run(words),
            }
            if n % 40 == 0 || n + 1 == COMMANDS {
                for key in KEYS {
                    pair.encoding(key);
                    pair.run(&["SCARD", key]);
                    // A listpack that came of a table has the table's order.
                    pair.unordered(&["SMEMBERS", key]);
                }
                pair.finish();
            }
        }
    }
}

fn command(chance: &mut Chance) -> Vec<String> {
    let member = |chance: &mut Chance| match chance.below(50) {
        0 => "x".repeat(62 + chance.below(5)),
        1..8 => format!("m{}", chance.below(150)),
        8 => format!("0{}", chance.below(10)),
        9 => (chance.below(1 << 40) as i64 - (1 << 39)).to_string(),
        _ => (chance.below(600) as i64 - 50).to_string(),
    };
    let key = chance.of(&KEYS);
    let (one, other) = (chance.of(&KEYS), chance.of(&KEYS));
    let line = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    match chance.below(40) {
        0..2 => line(&["DEL", key]),
        2 => line(&["SET", key, "text"]),
        3..14 => {
            let mut words = line(&["SADD", key]);
            let only_ints = chance.below(2) == 0;
            for _ in 0..=chance.below(6) {
                let member = member(chance);
                words.push(match only_ints {
                    true => chance.below(700).to_string(),
                    false => member,
                });
            }
            words
        }
        14 => {
            let mut words = line(&["SADD", key]);
            let (from, count) = (chance.below(100), [30, 120, 520][chance.below(3)]);
            words.extend((from..from + count).map(|n| n.to_string()));
            words
        }
        15..19 => {
            let mut words = line(&["SREM", key]);
            words.extend((0..4).map(|_| member(chance)));
            words
        }
        19..22 => line(&["SMOVE", key, one, &member(chance)]),
        22 => line(&["SISMEMBER", key, &member(chance)]),
        23 => line(&["SMISMEMBER", key, &member(chance), &member(chance)]),
        24 => line(&["SINTER", key, one, other]),
        25 => line(&["SUNION", key, one, other]),
        26 => line(&["SDIFF", key, one, other]),
        27..30 => line(&["SINTERSTORE", key, one, other]),
        30..32 => line(&["SUNIONSTORE", key, one, other]),
        32..35 => line(&["SDIFFSTORE", key, one, other]),
        35 => line(&["SINTERCARD", "2", one, other]),
        36 => line(&["SUNIONCARD", "2", one, other]),
        37 => line(&["SDIFFCARD", "2", one, other]),
        38 => line(&["SPOP", key, "100000"]),
        _ => line(&["APPEND", key, "x"]),
    }
}
