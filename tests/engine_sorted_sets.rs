//! Sorted sets in the engine, beside real servers.

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
use support::twin::{Twin, recent};

/// Runs a command on both, and holds the answers against each other where the server knows the
/// command. Answers without an order are compared as if they had one.
#[track_caller]
fn run(twin: &mut Twin, words: &[&[u8]], known: &mut Known, ordered: bool) {
    if known.knows(twin, words[0]) {
        if ordered {
            twin.run(words)
        } else {
            twin.run_unordered(words)
        };
    }
}

/// Which commands a server knows.
#[derive(Default)]
struct Known(std::collections::HashMap<Vec<u8>, bool>);

impl Known {
    fn knows(&mut self, twin: &Twin, name: &[u8]) -> bool {
        *self.0.entry(name.to_vec()).or_insert_with(|| {
            let info = twin.server.cmd(&[&b"COMMAND"[..], b"INFO", name]);
            matches!(info, Value::Array(items) if items[0] != Value::Nil)
        })
    }
}

#[test]
fn every_command_answers_as_a_server_does() {
    script(include_str!("engine/sorted_sets.txt"));
}

#[test]
fn places_answer_as_in_a_server() {
    script(include_str!("engine/geo.txt"));
}

/// Runs lines of words on every server and on engines that play them.
///
/// A line that begins with `>=7.2` is left out for servers before that version; one with
/// `valkey>=9.0` runs on Valkey of that version, and nowhere else.
#[track_caller]
fn script(lines: &str) {
    for kind in recent() {
        let mut twin = Twin::start(&kind);
        let mut known = Known::default();
        let version = (kind.version.major, kind.version.minor);
        for line in lines.lines() {
            let mut line = line.trim();
            if let Some((which, rest)) = line.split_once(' ')
                && let Some((family, since)) = which.split_once(">=")
            {
                let (major, minor) = since.split_once('.').unwrap();
                let since = (major.parse().unwrap(), minor.parse().unwrap());
                if version < since || !kind.name.starts_with(family) {
                    continue;
                }
                line = rest;
            }
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let words: Vec<Vec<u8>> = line.split(' ').map(word).collect();
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            run(&mut twin, &words, &mut known, true);
        }
    }
}

/// A word: `_` is a space, `""` is nothing.
fn word(text: &str) -> Vec<u8> {
    match text {
        "\"\"" => Vec::new(),
        text => text.replace('_', " ").into_bytes(),
    }
}

/// Numbers that are the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % bound
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len() as u64) as usize]
    }

    fn key(&mut self) -> String {
        format!("k{}", self.below(6))
    }

    /// Few members among few keys, many among the last one, now and then a long one.
    fn member(&mut self, key: &str) -> String {
        let many = if key == "k5" { 3000 } else { 170 };
        match self.below(400) {
            0 => "l".repeat(60 + self.below(10) as usize),
            1..=200 => self.below(many).to_string(),
            _ => format!("m{}", self.below(many)),
        }
    }

    fn score(&mut self) -> String {
        match self.below(12) {
            0 => "inf".into(),
            1 => "-inf".into(),
            2 => format!("{}e{}", self.below(1000), self.below(40)),
            3 => format!("-{}.{}", self.below(100), self.below(1000)),
            4 => format!("0.{}", self.below(1_000_000)),
            5 => (1_u64 << self.below(63)).to_string(),
            _ => self.below(50).to_string(),
        }
    }

    fn command(&mut self) -> Vec<String> {
        let key = self.key();
        let words = |text: String| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let (a, b) = (self.below(60) as i64 - 20, self.below(60) as i64 - 10);
        match self.below(26) {
            0..=9 => {
                let options = ["", "", "", "NX", "XX", "CH", "GT", "LT CH", "XX GT", "INCR"];
                let options = self.pick(&options);
                let pairs = if options == "INCR" { 1 } else { 1 + self.below(12) };
                let mut line = words(format!("ZADD {key} {options}").trim().to_owned());
                for _ in 0..pairs {
                    line.extend([self.score(), self.member(&key)]);
                }
                line
            }
            10 => words(format!("ZINCRBY {key} {} {}", self.score(), self.member(&key))),
            11 | 12 => {
                let mut line = words(format!("ZREM {key}"));
                (0..1 + self.below(4)).for_each(|_| line.push(self.member(&key)));
                line
            }
            13 => words(format!("ZREMRANGEBYRANK {key} {} {}", a, a + 3)),
            14 => words(format!("ZREMRANGEBYSCORE {key} ({} {}", self.score(), self.score())),
            15 => words(format!("{} {key} {}", self.pick(&["ZPOPMIN", "ZPOPMAX"]), self.below(4))),
            16 => words(format!("ZRANGE {key} {a} {b} WITHSCORES")),
            17 => words(format!("ZREVRANGE {key} {a} {b}")),
            18 => {
                let (min, max) = (self.score(), self.score());
                words(format!("ZRANGEBYSCORE {key} {min} ({max} WITHSCORES LIMIT {} 5", b.max(0)))
            }
            19 => words(format!("ZREVRANGEBYSCORE {key} {} {}", self.score(), self.score())),
            20 => words(format!("ZCOUNT {key} {} {}", self.score(), self.score())),
            21 => words(format!(
                "{} {key} {}",
                self.pick(&["ZRANK", "ZREVRANK", "ZSCORE"]),
                self.member(&key)
            )),
            22 => {
                let name = self.pick(&["ZUNIONSTORE", "ZINTERSTORE"]);
                let how = self.pick(&["SUM", "MIN", "MAX"]);
                let (one, other) = (self.key(), self.key());
                let (w1, w2) = (self.below(4), self.pick(&["2", "-1", "0.5", "0", "inf"]));
                words(format!(
                    "{name} k{} 2 {one} {other} WEIGHTS {w1} {w2} AGGREGATE {how}",
                    self.below(5)
                ))
            }
            23 => words(format!("ZRANGESTORE k{} {key} {a} {b}", self.below(5))),
            24 => words(format!("ZDIFFSTORE k{} 2 {key} {}", self.below(5), self.key())),
            _ => {
                let name = self.pick(&["ZUNION", "ZINTER", "ZDIFF"]);
                words(format!("{name} 2 {key} {} WITHSCORES", self.key()))
            }
        }
    }
}

#[test]
fn by_chance() {
    for kind in recent() {
        let mut twin = Twin::start(&kind);
        let mut known = Known::default();
        let mut chance = Chance(20_261_123);
        for _ in 0..4000 {
            let command = chance.command();
            let words: Vec<&[u8]> = command.iter().map(|word| word.as_bytes()).collect();
            run(&mut twin, &words, &mut known, true);
        }
        for key in ["k0", "k1", "k2", "k3", "k4", "k5"] {
            twin.words(&format!("ZRANGE {key} 0 -1 WITHSCORES"));
            twin.words(&format!("ZRANGE {key} 0 -1 REV"));
            let mut scan = twin.both(&["ZSCAN", key, "0", "COUNT", "100000"]);
            for reply in [&mut scan.0, &mut scan.1] {
                let Value::Array(items) = reply else { panic!("{reply:?}") };
                let Value::Array(pairs) = &items[1] else { panic!("{items:?}") };
                let mut pairs: Vec<_> = pairs.chunks(2).map(|pair| format!("{pair:?}")).collect();
                pairs.sort();
                *reply = Value::SimpleString(pairs.join(" "));
            }
            assert_eq!(scan.0, scan.1, "{}", kind.name);
            let theirs = twin.server.cmd(&["OBJECT", "ENCODING", key]);
            let ours = encoding(&mut twin, key);
            assert_eq!(ours, theirs, "{}: {key}", kind.name);
        }
    }
}

fn encoding(twin: &mut Twin, key: &str) -> Value {
    let target = twin.engine.env.target;
    let record = twin.engine.keyspace.records(0).find(|record| &*record.key == key.as_bytes());
    match record.map(|record| &record.value) {
        Some(rdbkit::engine::Value::SortedSet(set)) => {
            Value::BulkString(set.encoding(&target).as_bytes().to_vec())
        }
        other => {
            assert!(other.is_none());
            Value::Nil
        }
    }
}
