//! A log behind a snapshot is run as a whole by every verb, whoever wrote it and however it is
//! named; and what is no log at all is no empty one.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use std::fs;
use std::process::{Command, Output};

/// A preamble that says that it is one.
const ANNOUNCED: &str = "fixtures/redis-5.0.6-alltypes-preamble.aof";
/// One that does not, with commands behind it; servers load it as it is.
const UNANNOUNCED: &str = "fixtures/preamble-ok.aof";
const NOTHING: &str = "0000000000000000000000000000000000000000";

fn rdbkit(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rdbkit")).args(args).output().unwrap()
}

#[track_caller]
fn ends(code: i32, args: &[&str]) -> String {
    let output = rdbkit(args);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    if code == 0 { String::from_utf8_lossy(&output.stdout).into_owned() } else { said }
}

#[track_caller]
fn digest(file: &str, more: &[&str]) -> String {
    let args = [&["digest", "--format", "json", file], more].concat();
    let report: serde_json::Value = serde_json::from_str(&ends(0, &args)).unwrap();
    report["digest"].as_str().unwrap().to_owned()
}

#[test]
fn what_is_said_to_be_a_log_may_begin_with_a_preamble() {
    for file in [ANNOUNCED, UNANNOUNCED] {
        let whole = digest(file, &[]);
        assert_ne!(whole, NOTHING, "{file}");
        assert_eq!(digest(file, &["--from", "aof"]), whole, "{file}");
        ends(0, &["check", file, "--from", "aof"]);
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        ends(0, &["convert", file, &path("out.rdb"), "--from", "aof"]);
        assert_eq!(digest(&path("out.rdb"), &[]), whole, "{file}");
        let copy = path("copy.aof");
        fs::copy(file, &copy).unwrap();
        ends(0, &["compact", &copy, "--in-place", "--from", "aof"]);
        assert_eq!(digest(&copy, &[]), whole, "{file}");
    }
}

#[test]
fn every_verb_runs_a_log_whose_preamble_does_not_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    ends(0, &["replay", UNANNOUNCED, "--save", &path("run.rdb")]);
    let whole = digest(&path("run.rdb"), &[]);
    assert_eq!(digest(UNANNOUNCED, &[]), whole);
    ends(0, &["convert", UNANNOUNCED, &path("converted.rdb")]);
    assert_eq!(digest(&path("converted.rdb"), &[]), whole);
    let keys = |file: &str| ends(0, &["keys", file, "--columns", "key,type"]);
    assert_eq!(keys(UNANNOUNCED), keys(&path("run.rdb")));
    ends(0, &["export", UNANNOUNCED, "-o", &path("out.ndjson")]);
    ends(0, &["check", UNANNOUNCED, "--max-keys", "1000"]);
    assert!(ends(1, &["check", UNANNOUNCED, "--max-keys", "3"]).is_empty());
}

#[test]
fn what_is_no_log_is_no_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("words.aof").display().to_string();
    fs::write(&file, "SET a b\r\n").unwrap();
    let out = folder.path().join("out.rdb").display().to_string();
    for args in [
        &["replay", &file][..],
        &["digest", &file],
        &["keys", &file],
        &["convert", &file, &out],
        &["compact", &file, "-o", &out],
    ] {
        let said = ends(1, &[args, &["--from", "aof"]].concat());
        assert!(said.contains("offset 0: expected a command"), "{args:?}: {said}");
    }
    assert!(!folder.path().join("out.rdb").exists());
}
