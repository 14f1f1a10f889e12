//! Commands of a log that the target refuses are told with their place in it, by a Cluster as by a
//! single server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use support::cluster::Cluster;
use support::servers::{Server, require};

fn frame(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let bulk = |word: &&str| format!("${}\r\n{word}\r\n", word.len());
    format!("*{}\r\n{}", words.len(), words.iter().map(bulk).collect::<String>())
}

/// The errors in the report of a replay of a log.
fn errors(log: &Path, url: &str) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_rdbkit"))
        .args(["replay", log.to_str().unwrap(), "--as", "log", "--to", url, "--format", "json"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    serde_json::from_slice::<Value>(&output.stdout).unwrap()["errors"].clone()
}

#[test]
fn what_is_refused_has_its_place_in_the_log() {
    let Some(kind) = require("redis-8.0") else { return };
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("appendonlydir");
    fs::create_dir(&log).unwrap();
    let name = |rest: &str| log.join(format!("appendonly.aof{rest}"));
    fs::write(
        name(".manifest"),
        "file appendonly.aof.1.base.aof seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n",
    )
    .unwrap();
    let base = ["SELECT 0", "SET {t}a x", "INCR {t}a", "SADD {t}s 1"];
    fs::write(name(".1.base.aof"), base.map(frame).concat()).unwrap();
    let incr = ["SELECT 0", "MULTI", "SADD {t}s 2", "LPUSH {t}s 3", "SADD {t}s 4", "EXEC"];
    let incr = incr.map(frame);
    fs::write(name(".1.incr.aof"), incr.concat()).unwrap();

    let place = |file: &str, before: &[String]| {
        let offset: usize = before.iter().map(String::len).sum();
        json!({ "file": name(file).to_str().unwrap(), "offset": offset })
    };
    let base = base.map(frame);
    let want = json!([
        {
            "db": 0,
            "key": "{t}a",
            "command": "INCR",
            "error": "ERR value is not an integer or out of range",
            "place": place(".1.base.aof", &base[..2]),
        },
        {
            "db": 0,
            "key": "{t}s",
            "command": "LPUSH",
            "error": "WRONGTYPE Operation against a key holding the wrong kind of value",
            "place": place(".1.incr.aof", &incr[..3]),
        },
    ]);
    let single = Server::start(&kind, &[]);
    assert_eq!(errors(&log, &single.url()), want);
    let cluster = Cluster::start(&kind, &[]);
    assert_eq!(errors(&log, &cluster.url()), want);

    // What a Cluster cannot do is found here, and is told in the same way.
    let more = incr.concat() + &frame("RENAME {t}s other");
    fs::write(name(".1.incr.aof"), &more).unwrap();
    cluster.empty();
    let told = errors(&log, &cluster.url());
    let of = |error: &Value| error["place"].clone();
    let told: Vec<Value> = told.as_array().unwrap().iter().map(of).collect();
    assert_eq!(told.len(), 3);
    assert!(told.contains(&place(".1.incr.aof", &incr)), "{told:?}");
}
