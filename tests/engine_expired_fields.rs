//! Fields that expire while a log is loaded, beside the loaders of real servers.
//!
//! A Redis that loads its log takes them for absent wherever a command looks at a field, and yet
//! keeps them; a Valkey takes them for present. What became of one is shown by an expiry far off
//! that gives it back.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use rdbkit::ops::replay::{ReplayOptions, replay};
use rdbkit::ops::run::{Run, RunOptions};
use rdbkit::ops::walk::Silent;
use rdbkit::resp::Reply;
use rdbkit::source::{Locator, OpenOptions, open};
use support::history::text;
use support::paired::Chance;
use support::servers::{Kind, Server, servers};
use support::twin::target;

/// What may be done to a hash `k` whose field `a`, or more, has expired. `#` is a number, `$` one
/// of its fields.
const COMMANDS: &str = "
HSET k $ #
HMSET k $ # $ #
HSETNX k $ #
HDEL k $
HINCRBY k $ #
HINCRBYFLOAT k $ #.5
HPERSIST k FIELDS 2 $ $
HGETEX k PERSIST FIELDS 1 $
HGETEX k PXAT 4000000000000 FIELDS 1 $
HGETEX k PXAT 1000 FIELDS 1 $
HGETDEL k FIELDS 1 $
HPEXPIREAT k 2000 FIELDS 1 $
HPEXPIREAT k 1000 NX FIELDS 1 $
HPEXPIREAT k 4000000000000 NX FIELDS 1 $
HPEXPIREAT k 4000000000000 XX FIELDS 1 $
HPEXPIREAT k 4000000000000 GT FIELDS 1 $
HPEXPIREAT k 4000000000000 LT FIELDS 1 $
HPEXPIREAT k 1500 GT FIELDS 1 $
HSETEX k FXX FIELDS 1 $ #
HSETEX k FNX FIELDS 1 $ #
HSETEX k FXX KEEPTTL FIELDS 1 $ #
HSETEX k FNX KEEPTTL FIELDS 1 $ #
HSETEX k KEEPTTL FIELDS 1 $ #
HSETEX k FXX PXAT 4000000000000 FIELDS 1 $ #
HSETEX k PXAT 1000 FIELDS 1 $ #
COPY k k REPLACE
COPY k other REPLACE
COPY other k REPLACE
RENAME k other
RENAME other k
DEL k
SORT list BY nosort GET *->$ STORE sorted
SORT list BY *->$ STORE sorted
";

/// What scripts may read of it, which they keep.
#[cfg(feature = "lua")]
const READS: &str = "
HGET k $
HMGET k $ $
HGETALL k
HKEYS k
HVALS k
HLEN k
HSTRLEN k $
HEXISTS k $
HPEXPIRETIME k FIELDS 1 $
HRANDFIELD k 9
HSCAN k 0
EXISTS k
HGETEX k FIELDS 1 $
";

/// A script that runs a command and keeps its answer, whatever order that comes in.
#[cfg(feature = "lua")]
const KEEPS: &str = "local shown = {} \
    local function show(v) \
        if type(v) == 'table' then for i = 1, #v do show(v[i]) end \
        else shown[#shown + 1] = tostring(v) end \
    end \
    show(redis.call(unpack(ARGV))) table.sort(shown) \
    redis.call('RPUSH', KEYS[1], table.concat(shown, ','))";

fn put(log: &mut Vec<u8>, words: &[&str]) {
    log.extend(format!("*{}\r\n", words.len()).bytes());
    words.iter().for_each(|word| log.extend(format!("${}\r\n{word}\r\n", word.len()).bytes()));
}

/// The keys that one round works on, all of their own.
fn named(word: &str, round: usize, chance: &mut Chance) -> String {
    match word {
        "k" | "other" | "list" | "sorted" => format!("{word}{round}"),
        "$" => chance.of(&["a", "b", "c", "d"]).to_owned(),
        _ if word.starts_with("*->") => format!("*->{}", chance.of(&["a", "b", "c"])),
        _ if word.starts_with('#') => word.replace('#', &chance.below(100).to_string()),
        _ => word.to_owned(),
    }
}

/// A log of many rounds of a few commands each, every one on a hash with expired fields.
fn log(kind: &Kind, seed: u64) -> Vec<u8> {
    let knows = |line: &&str| {
        let newer = ["HGETEX", "HGETDEL", "HSETEX"].iter().any(|name| line.starts_with(name));
        !line.is_empty() && (!newer || kind.version.major >= 8)
    };
    let commands: Vec<&str> = COMMANDS.lines().filter(knows).collect();
    let mut chance = Chance(seed);
    let mut log = Vec::new();
    for round in 0..ROUNDS {
        let key = format!("k{round}");
        let long = "long".repeat(20);
        // Half of them are no listpacks.
        let last = if round % 2 == 0 { "4" } else { long.as_str() };
        put(&mut log, &["HSET", &key, "a", "1", "b", "2", "c", "3", "e", last]);
        put(&mut log, &["HPEXPIREAT", &key, "1000", "FIELDS", "1", "a"]);
        if chance.below(3) == 0 {
            put(&mut log, &["HPEXPIREAT", &key, "1000", "FIELDS", "3", "b", "c", "e"]);
        }
        put(&mut log, &["RPUSH", &format!("list{round}"), &key, "nosuch"]);
        for _ in 0..=chance.below(3) {
            let line = chance.of(&commands);
            let words: Vec<String> =
                line.split(' ').map(|word| named(word, round, &mut chance)).collect();
            put(&mut log, &words.iter().map(String::as_str).collect::<Vec<_>>());
            #[cfg(feature = "lua")]
            if chance.below(2) == 0 {
                let reads: Vec<&str> = READS.lines().filter(knows).collect();
                let line = chance.of(&reads);
                let words: Vec<String> =
                    line.split(' ').map(|word| named(word, round, &mut chance)).collect();
                let kept = format!("kept{round}");
                let mut script = vec!["EVAL", KEEPS, "1", &kept];
                script.extend(words.iter().map(String::as_str));
                put(&mut log, &script);
            }
        }
        if round % 3 != 0 {
            let far = "4100000000000";
            for key in [key, format!("other{round}")] {
                put(&mut log, &["HPEXPIREAT", &key, far, "FIELDS", "4", "a", "b", "c", "e"]);
            }
        }
    }
    log
}

const ROUNDS: usize = 600;

fn run(log: &[u8], kind: &Kind) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("appendonly.aof");
    std::fs::write(&path, log).unwrap();
    let source = open(&Locator::Path(path), &OpenOptions::default()).unwrap();
    let run = RunOptions { target: Some(target(kind)), threads: 2, ..RunOptions::default() };
    replay(source, &ReplayOptions { run, ..ReplayOptions::default() }, &Silent).unwrap().1
}

fn reply_text(reply: Reply) -> String {
    match reply {
        Reply::Error(_) => "error".to_owned(),
        Reply::Array(items) => {
            format!("[{}]", items.into_iter().map(reply_text).collect::<Vec<_>>().join(", "))
        }
        Reply::Bulk(bytes) => bytes.escape_ascii().to_string(),
        Reply::Status(text) => text.to_owned(),
        Reply::Int(n) => n.to_string(),
        Reply::Nil | Reply::NilArray => "nil".into(),
    }
}

fn has_field_expiry(kind: &&Kind) -> bool {
    kind.version.at_least(9, 0) || kind.name.starts_with("redis") && kind.version.at_least(7, 4)
}

/// What a server and its twin have in common about some keys, or do not.
fn compare(server: &Server, run: &mut Run) -> Vec<(usize, String)> {
    let mut differences = Vec::new();
    for round in 0..ROUNDS {
        for name in ["k", "other"] {
            let key = format!("{name}{round}");
            let fields = ["a", "b", "c", "d", "e"];
            let values = [&["HMGET", &key][..], &fields].concat();
            let times = [&["HPEXPIRETIME", &key, "FIELDS", "5"][..], &fields].concat();
            let sorted = format!("sorted{round}");
            let kept = format!("kept{round}");
            let list = |key| vec!["LRANGE", key, "0", "-1"];
            for words in [values, times, list(&sorted), list(&kept)] {
                let args: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
                let ours = reply_text(run.engine.execute(&args));
                let theirs = text(&server.cmd(&words));
                if ours != theirs {
                    let words = words.join(" ");
                    differences.push((round, format!("{words}: {ours}, not {theirs}")));
                }
            }
        }
    }
    differences
}

#[test]
fn expired_fields_are_to_a_command_what_they_are_to_the_loader() {
    let mut failures = Vec::new();
    for kind in servers().iter().filter(has_field_expiry) {
        for seed in [1, 2] {
            let log = log(kind, seed);
            let server = Server::start_with_aof_file(kind, &log, &["--appendonly", "yes"]);
            for (round, difference) in compare(&server, &mut run(&log, kind)) {
                let key = format!("k{round}\r");
                let commands = String::from_utf8_lossy(&log);
                let commands: Vec<&str> =
                    commands.split("\r\n*").filter(|command| command.contains(&key)).collect();
                let commands = commands.join("\n").replace("\r\n", " ");
                failures.push(format!("{}: {difference}\n{commands}", kind.name));
            }
        }
    }
    let shown = failures[..failures.len().min(12)].join("\n");
    assert!(failures.is_empty(), "{} differ:\n{shown}", failures.len());
}
