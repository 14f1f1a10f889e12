//! A `history` tells what is done to a key from what is only made of it, and says what a key that
//! comes from elsewhere overwrites.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

#[track_caller]
fn history(log: &Path, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rdbkit"));
    command.env_remove("RDBKIT_CONFIG").env("XDG_CONFIG_HOME", "/nowhere").env("COLUMNS", "200");
    let done = command.arg("history").arg(log).args(args).output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// What became of keys: `effect key COMMAND`.
#[track_caller]
fn effects(log: &Path, args: &[&str]) -> Vec<String> {
    let text = history(log, &[args, &["--format=json"]].concat());
    let word = |event: &Value, name: &str| event[name].as_str().unwrap_or("-").to_owned();
    text.lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|event| {
            let [effect, key, command] =
                ["effect", "key", "command"].map(|name| word(&event, name));
            format!("{effect} {key} {command}")
        })
        .collect()
}

fn log(folder: &Path, commands: &[&str]) -> std::path::PathBuf {
    let path = folder.join("appendonly.aof");
    let mut bytes = Vec::new();
    for command in commands {
        let words: Vec<_> = command.split(' ').collect();
        rdbkit::resp::encode::command(&mut bytes, words.iter().map(|word| word.as_bytes()));
    }
    fs::write(&path, &bytes).unwrap();
    path
}

#[test]
fn what_another_key_is_made_of_is_read_and_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(
        folder.path(),
        &[
            "SELECT 0",
            "SADD s 1 2",
            "ZADD z 1 m",
            "SET b abc",
            "PFADD p x",
            "RPUSH l 2 1",
            "GEOADD g 13 38 m",
            "SUNIONSTORE d s",
            "SINTERSTORE d s missing",
            "SDIFFSTORE d s",
            "ZUNIONSTORE d 1 z",
            "ZINTERSTORE d 1 z",
            "ZDIFFSTORE d 1 z",
            "ZRANGESTORE d z 0 -1",
            "BITOP NOT d b",
            "DEL d",
            "PFMERGE d p",
            "SORT l STORE d",
            "SORT l STORE l",
            "GEOSEARCHSTORE d g FROMLONLAT 13 38 BYRADIUS 9 km",
            "GEORADIUS g 13 38 9 km STORE d",
            "LMOVE l l2 LEFT LEFT",
            "SUNIONSTORE s s missing",
        ],
    );
    let read = |key: &str, commands: &[&str]| -> Vec<String> {
        commands.iter().map(|command| format!("read {key} {command}")).collect()
    };
    let mut want = vec!["created s SADD".to_owned()];
    want.extend(read("s", &["SUNIONSTORE", "SINTERSTORE", "SDIFFSTORE"]));
    want.push("changed s SUNIONSTORE".into());
    assert_eq!(effects(&log, &["s"]), want);
    let stores = ["ZUNIONSTORE", "ZINTERSTORE", "ZDIFFSTORE", "ZRANGESTORE"];
    assert_eq!(effects(&log, &["z"])[1..], read("z", &stores));
    assert_eq!(effects(&log, &["b"])[1..], read("b", &["BITOP"]));
    assert_eq!(effects(&log, &["p"])[1..], read("p", &["PFMERGE"]));
    assert_eq!(effects(&log, &["g"])[1..], read("g", &["GEOSEARCHSTORE", "GEORADIUS"]));
    let list = ["created l RPUSH", "read l SORT", "changed l SORT", "changed l LMOVE"];
    assert_eq!(effects(&log, &["l"]), list);
    assert_eq!(effects(&log, &["z", "--last"]), ["created z ZADD"]);
    assert!(history(&log, &["b"]).contains("string, 3 B, read only"), "{}", history(&log, &["b"]));
    assert!(effects(&log, &["missing"]).iter().all(|told| told.starts_with("nothing ")));
}

#[test]
fn what_is_overwritten_is_said_and_what_is_not_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(
        folder.path(),
        &[
            "SELECT 0",
            "SET a 1",
            "SADD b x y",
            "RENAMENX a b",
            "COPY a b",
            "COPY a b REPLACE",
            "SET c 12345",
            "RENAME a c",
            "COPY missing c REPLACE",
            "RENAME c c",
            "SELECT 1",
            "SET c 1",
            "MOVE c 0",
        ],
    );
    let told = effects(&log, &["b"]);
    let want = ["created b SADD", "nothing b RENAMENX", "nothing b COPY", "copied b COPY"];
    assert_eq!(told, want);
    let text = history(&log, &["b"]);
    assert!(text.contains("a copy of \"a\", overwriting set, 2 members"), "{text}");
    let want = ["created a SET", "nothing a RENAMENX", "nothing a COPY", "copied-to a COPY"];
    assert_eq!(
        effects(&log, &["a", "--db=0"])[..5]
            .iter()
            .filter(|told| told.contains(" a "))
            .collect::<Vec<_>>(),
        want
    );
    let text = history(&log, &["c", "--db=0"]);
    assert!(text.contains("renamed from \"a\", overwriting string, 5 B"), "{text}");
    let told = effects(&log, &["c", "--db=0"]);
    let last = ["moved-here c RENAME", "nothing c COPY", "nothing c RENAME", "nothing c MOVE"];
    assert_eq!(told[told.len() - 4..], last);
}

#[test]
fn commands_that_change_nothing_are_told_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(
        folder.path(),
        &[
            "SELECT 0",
            "SADD s 1 2",
            "SADD t 1",
            "GET s",
            "SMEMBERS s",
            "SMOVE s t 9",
            "SMOVE s t 1",
            "SADD s 2",
            "RPUSH l a",
            "LMOVE missing l LEFT LEFT",
            "LMOVE l l LEFT RIGHT",
            "LMPOP 2 l m LEFT COUNT 0",
            "RPUSH l b",
            "LMPOP 2 missing l LEFT",
            "SET k 1 NX",
            "SET k 2 NX",
            "TTL k",
            "EXPIREAT k 4100000000 XX",
            "PERSIST k",
            "HSET h f 1",
            "HDEL h g",
            "HPERSIST h FIELDS 1 f",
            "HGETDEL h FIELDS 1 g",
        ],
    );
    let want = ["created s SADD", "failed s GET", "read s SMEMBERS", "nothing s SMOVE"];
    assert_eq!(effects(&log, &["s"])[..4], want);
    assert_eq!(effects(&log, &["s"])[4..], ["changed s SMOVE", "nothing s SADD"]);
    assert_eq!(effects(&log, &["t"])[1..], ["nothing t SMOVE", "nothing t SMOVE"]);
    let want = ["nothing l LMOVE", "nothing l LMOVE", "failed l LMPOP", "changed l RPUSH"];
    assert_eq!(effects(&log, &["l"])[1..5], want);
    assert_eq!(effects(&log, &["l"])[5..], ["changed l LMPOP"]);
    let want = ["nothing k SET", "read k TTL", "nothing k EXPIREAT", "nothing k PERSIST"];
    assert_eq!(effects(&log, &["k"])[1..], want);
    let want = ["created h HSET", "nothing h HDEL", "nothing h HPERSIST", "nothing h HGETDEL"];
    assert_eq!(effects(&log, &["h"]), want);
    assert_eq!(effects(&log, &["s", "--last"]), ["changed s SMOVE"]);
}
