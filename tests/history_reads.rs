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
