//! Arrays in the engine, beside real servers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use rdbkit::engine::{Engine, save};
use rdbkit::rdb::write::{Body, EntryRoom, Sink};
use redis::Value;
use support::paired::{Chance, Paired};
use support::servers::Kind;
use support::twin::recent;

const LINES: &str = include_str!("engine_arrays.txt");

const LAST: u64 = u64::MAX - 1;

/// The servers that have arrays.
fn with_arrays() -> Vec<Kind> {
    let has = |kind: &Kind| Paired::start(kind).knows("ARSET");
    recent().into_iter().filter(has).collect()
}

#[test]
fn every_command_answers_as_the_server_does() {
    for kind in with_arrays() {
        let mut pair = Paired::start(&kind);
        for line in LINES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            // Nothing at all, and words with a space in them.
            let words: Vec<String> = line
                .split(' ')
                .map(|word| if word == "\"\"" { String::new() } else { word.replace("\\s", " ") })
                .collect();
            pair.run(&words);
        }
        pair.finish();
    }
}

#[test]
fn expressions_find_what_the_server_finds() {
    for kind in with_arrays() {
        let mut pair = Paired::start(&kind);
        let texts: [&[u8]; 10] =
            [b"abc", b"aa", b"", b"A\nB", b"\xff", b"a{", b"+", b"a b", b"\xc3\xa9", b"12 34"];
        let mut words: Vec<&[u8]> = vec![b"ARSET", b"a", b"0"];
        words.extend(texts);
        pair.run(&words);
        for text in [
            "",
            "b",
            "^a",
            "b$",
            "^a+$",
            "a.*b",
            "^.$",
            "[[:alpha:]]",
            r"\w",
            r"\d\d",
            "a|B",
            "()",
            "(?:b)",
            r"\x41",
            "[^a-z]",
            "^$",
            "a{2}",
            "(?i)a",
            r"\s",
        ] {
            pair.run(&["ARGREP", "a", "-", "+", "RE", text]);
            pair.run(&["ARGREP", "a", "+", "-", "RE", text, "NOCASE"]);
        }
        pair.finish();
    }
}

const COMMANDS: usize = 6000;
const KEYS: [&str; 3] = ["a1", "a2", "a3"];

#[test]
fn whatever_is_done_to_arrays_the_server_agrees() {
    for (seed, kind) in with_arrays().iter().enumerate() {
        let mut pair = Paired::start(kind);
        let mut chance = Chance(0x0a11_a751 + seed as u64);
        for n in 0..COMMANDS {
            let words = command(&mut chance);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            pair.run(&words);
            if n % 20 == 0 || n + 1 == COMMANDS {
                for key in KEYS {
                    pair.run(&["ARSCAN", key, "0", &LAST.to_string()]);
                    pair.run(&["ARNEXT", key]);
                    pair.run(&["ARINFO", key, "FULL"]);
                    pair.run(&["OBJECT", "ENCODING", key]);
                    pair.run(&["TYPE", key]);
                    stored_the_same(&mut pair, key);
                }
                pair.finish();
            }
        }
    }
}

/// Histories that wander over slices: what a server tells of its memory depends on all of them.
#[test]
fn the_layout_is_that_of_a_server_that_had_the_same_done() {
    for kind in with_arrays() {
        let mut pair = Paired::start(&kind);
        for seed in 0..HISTORIES {
            let mut chance = Chance(0x1a70_0000 + seed);
            pair.run(&["DEL", "a", "b"]);
            let places = Places::new(&mut chance);
            for _ in 0..40 {
                let words = wander(&mut chance, &places);
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                pair.run(&words);
                pair.run(&["ARINFO", "a", "FULL"]);
            }
            pair.run(&["COPY", "a", "b"]);
            pair.run(&["ARINFO", "b", "FULL"]);
            // What is loaded is laid out anew.
            if let Value::BulkString(dump) = pair.twin.server.cmd(&["DUMP", "a"]) {
                let words: [&[u8]; 5] = [b"RESTORE", b"b", b"0", &dump, b"REPLACE"];
                pair.run(&words);
                pair.run(&["ARINFO", "b", "FULL"]);
                pair.run(&["ARSET", "b", "30", "x"]);
                pair.run(&["ARINFO", "b", "FULL"]);
            }
        }
        pair.finish();
    }
}

const HISTORIES: u64 = 150;

/// The indexes of a history: some stretches of a few slices.
struct Places {
    slices: Vec<usize>,
    start: usize,
    width: usize,
}

impl Places {
    fn new(chance: &mut Chance) -> Self {
        let slices = (0..chance.of(&[1, 1, 2, 5, 30]))
            .map(|_| {
                let most = chance.of(&[4, 60, 2100, 1 << 20, 1 << 50]);
                chance.below(most)
            })
            .collect();
        let width = chance.of(&[16, 60, 300, 4096]);
        let start = chance.of(&[0, 100, 4096]).min(4096 - width);
        Places { slices, start, width }
    }

    fn one(&self, chance: &mut Chance) -> usize {
        chance.of(&self.slices) * 4096 + self.start + chance.below(self.width)
    }
}

fn wander(chance: &mut Chance, places: &Places) -> Vec<String> {
    let index = |chance: &mut Chance| places.one(chance).to_string();
    let some = |chance: &mut Chance| {
        let count = chance.of(&[1, 1, 2, 12, 30, 200]);
        vec!["x".to_owned(); count]
    };
    let mut words = vec![String::new(), "a".to_owned()];
    words[0] = match chance.below(22) {
        0..7 => {
            for _ in 0..=chance.below(5) {
                words.extend([index(chance), "x".to_owned()]);
            }
            "ARMSET"
        }
        7..10 => {
            words.push(index(chance));
            words.extend(some(chance));
            "ARSET"
        }
        10..16 => {
            words.extend((0..=chance.below(40)).map(|_| index(chance)));
            "ARDEL"
        }
        16..18 => {
            let from = places.one(chance);
            let to = match chance.below(2) {
                0 => places.one(chance),
                _ => from + chance.below(40),
            };
            words.extend([from.to_string(), to.to_string()]);
            "ARDELRANGE"
        }
        18 => {
            words.push(index(chance));
            "ARSEEK"
        }
        19..21 => {
            words.extend(some(chance));
            "ARINSERT"
        }
        _ => {
            words.push(chance.of(&["9", "60", "5000", "100000"]).to_owned());
            words.extend(some(chance));
            "ARRING"
        }
    }
    .to_owned();
    words
}

/// Holds the bytes that both would store against each other, and lets the engine load them.
fn stored_the_same(pair: &mut Paired, key: &str) {
    let Value::BulkString(dump) = pair.twin.server.cmd(&["DUMP", key]) else { return };
    // A type, a body, a version of two bytes, a checksum of eight.
    let (theirs, _) = dump.split_at(dump.len() - 10);
    assert_eq!(stored(&pair.twin.engine, key), theirs, "{key}");
    let mut again = Engine::new(pair.twin.engine.env.target, 0);
    again.execute(&[b"RESTORE", key.as_bytes(), b"0", &dump]);
    assert_eq!(stored(&again, key), theirs, "{key}");
    for (command, more) in [("ARSCAN", &["0", "18446744073709551614"][..]), ("ARNEXT", &[])] {
        let words: Vec<&[u8]> =
            [command, key].iter().chain(more).map(|word| word.as_bytes()).collect();
        assert_eq!(again.execute(&words), pair.twin.engine.execute(&words));
    }
}

/// The type and the body of a key as they would be stored.
fn stored(engine: &Engine, key: &str) -> Vec<u8> {
    let record = engine.keyspace.records(0).find(|r| r.key.as_slice() == key.as_bytes()).unwrap();
    let (mut sink, mut room) = (Sink::new(true), EntryRoom::default());
    let target = engine.env.target;
    let body = save(record, &engine.keyspace, &target, &target, &mut sink, &mut room).unwrap();
    let (ty, body) = match body {
        Body::Same(ty, body) => (ty, body),
        Body::Written(ty) => (ty, &sink.out[..]),
        Body::Nothing => panic!("nothing is stored"),
    };
    let number = ty.code();
    [&[number], body].concat()
}

fn command(chance: &mut Chance) -> Vec<String> {
    let key = chance.of(&KEYS);
    let index = |chance: &mut Chance| match chance.below(30) {
        0 => (LAST - chance.below(3) as u64).to_string(),
        1 => (1_u64 << (40 + chance.below(23))).to_string(),
        2 => (4090 + chance.below(10)).to_string(),
        3 => "nowhere".to_owned(),
        4 => format!("+0{}", chance.below(9)),
        _ => chance.below(14).to_string(),
    };
    let text = |chance: &mut Chance| match chance.below(12) {
        0 => format!("text number {}", chance.below(9)),
        1 => format!("{}.{}", chance.below(20), chance.below(200)),
        2 => format!("-{}.5", chance.below(3)),
        3 => "x".repeat(5 + chance.below(4)),
        4 => (chance.below(1 << 50) as i64 * 8191 - (1 << 62)).to_string(),
        5 => String::new(),
        6 => ["nan", "inf", "0x1f", "1e3", "-0", "-0.0", "1e400", "00"][chance.below(8)].to_owned(),
        _ => (chance.below(40) as i64 - 10).to_string(),
    };
    let mut words = vec![String::new(), key.to_owned()];
    let name = match chance.below(60) {
        0 => {
            words.truncate(1);
            words.push(key.to_owned());
            "DEL"
        }
        1 => {
            words.push("text".to_owned());
            if chance.below(8) == 0 { "SET" } else { "SETNX" }
        }
        2..10 => {
            words.push(index(chance));
            words.extend((0..=chance.below(5)).map(|_| text(chance)));
            "ARSET"
        }
        10..15 => {
            for _ in 0..=chance.below(4) {
                words.extend([index(chance), text(chance)]);
            }
            "ARMSET"
        }
        15..20 => {
            words.extend((0..=chance.below(4)).map(|_| index(chance)));
            "ARDEL"
        }
        20..22 => {
            let ranges = 1 + chance.below(2);
            words.extend((0..2 * ranges).map(|_| index(chance)));
            "ARDELRANGE"
        }
        22..26 => {
            words.extend((0..=chance.below(4)).map(|_| text(chance)));
            "ARINSERT"
        }
        26..36 => {
            words.push((chance.below(14) as i64 - i64::from(chance.below(20) == 0)).to_string());
            words.extend((0..=chance.below(4)).map(|_| text(chance)));
            "ARRING"
        }
        36..40 => {
            words.push(match chance.below(8) {
                0 => u64::MAX.to_string(),
                _ => index(chance),
            });
            "ARSEEK"
        }
        40 => {
            words.push(index(chance));
            "ARGET"
        }
        41 => {
            words.extend([index(chance), index(chance)]);
            "ARMGET"
        }
        42..44 => {
            words.extend([index(chance), index(chance)]);
            "ARGETRANGE"
        }
        44..46 => {
            words.extend([index(chance), index(chance)]);
            if chance.below(2) == 0 {
                words.extend(["LIMIT".to_owned(), chance.below(5).to_string()]);
            }
            "ARSCAN"
        }
        46..49 => {
            words.push(chance.below(12).to_string());
            words.extend((chance.below(2) == 0).then(|| "REV".to_owned()));
            "ARLASTITEMS"
        }
        49 => "ARLEN",
        50 => "ARCOUNT",
        51..56 => {
            let names = ["SUM", "MIN", "MAX", "AND", "OR", "XOR", "USED", "MATCH"];
            let name = names[chance.below(names.len())];
            words.extend([index(chance), index(chance), name.to_owned()]);
            words.extend((name == "MATCH").then(|| text(chance)));
            "AROP"
        }
        _ => {
            let end = |chance: &mut Chance| match chance.below(3) {
                0 => "-".to_owned(),
                1 => "+".to_owned(),
                _ => index(chance),
            };
            words.extend([end(chance), end(chance)]);
            for _ in 0..=chance.below(3) {
                let option =
                    ["EXACT", "MATCH", "GLOB", "AND", "OR", "LIMIT", "WITHVALUES", "NOCASE"];
                let option = option[chance.below(8)];
                words.push(option.to_owned());
                match option {
                    "EXACT" | "MATCH" => words.push(text(chance)),
                    "GLOB" => {
                        words.push(["*1*", "X*", "-?*", "t*[1-4]"][chance.below(4)].to_owned())
                    }
                    "LIMIT" => words.push(chance.below(4).to_string()),
                    _ => {}
                }
            }
            "ARGREP"
        }
    };
    words[0] = name.to_owned();
    words
}
