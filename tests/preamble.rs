//! A log behind a snapshot is run as a whole by every verb, whoever wrote it and however it is
//! named; and what is no log at all is no empty one.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

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
    assert_eq!(digest(ANNOUNCED, &["--from", "aof"]), digest(ANNOUNCED, &[]));
    for file in [ANNOUNCED, UNANNOUNCED] {
        let whole = digest(file, &["--from", "aof"]);
        assert_ne!(whole, NOTHING, "{file}");
        ends(0, &["check", file, "--from", "aof"]);
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        ends(0, &["convert", file, &path("out.rdb"), "--from", "aof"]);
        assert_eq!(digest(&path("out.rdb"), &[]), whole, "{file}");
        let copy = path("copy.aof");
        fs::copy(file, &copy).unwrap();
        ends(0, &["compact", &copy, "--in-place", "--from", "aof"]);
        assert_eq!(digest(&copy, &["--from", "aof"]), whole, "{file}");
    }
}

/// Whoever reads keys as they come meets the commands last. Then nothing is told, but what to do.
#[test]
fn a_preamble_that_does_not_say_so_is_run_where_it_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    ends(0, &["replay", UNANNOUNCED, "--save", &path("run.rdb")]);
    let whole = digest(&path("run.rdb"), &[]);
    let out = path("out.rdb");
    for args in [&["digest", UNANNOUNCED][..], &["convert", UNANNOUNCED, &out]] {
        let said = ends(1, args);
        assert!(said.contains("--from aof takes it for a log"), "{args:?}: {said}");
        assert!(!folder.path().join("out.rdb").exists(), "{args:?}");
    }
    assert_eq!(digest(UNANNOUNCED, &["--from", "aof"]), whole);
    let keys = |args: &[&str]| ends(0, &[&["keys", "--columns", "key,type"], args].concat());
    assert_eq!(keys(&[UNANNOUNCED, "--from", "aof"]), keys(&[&path("run.rdb")]));
    ends(0, &["check", UNANNOUNCED, "--from", "aof", "--max-keys", "1000"]);
    ends(1, &["check", UNANNOUNCED, "--from", "aof", "--max-keys", "3"]);
    // Those who need not be told say it as well.
    for verb in ["check", "repair"] {
        let more: &[&str] = if verb == "repair" { &["--dry-run"] } else { &[] };
        let said = ends(0, &[&[verb, UNANNOUNCED], more].concat());
        assert!(said.contains("--from aof takes it for a log"), "{verb}: {said}");
        let said = ends(0, &[&[verb, UNANNOUNCED, "--from", "aof"], more].concat());
        assert!(!said.contains("--from aof"), "{verb}: {said}");
    }
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

/// What follows the base of a log is a log, also where its first byte is damaged.
#[test]
fn a_damaged_first_byte_makes_no_log_disappear() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let mut bytes = fs::read(ANNOUNCED).unwrap();
    let at = bytes.windows(4).rposition(|window| window == b"*2\r\n").unwrap();
    let first = bytes[..at].windows(14).position(|window| window == b"*2\r\n$6\r\nSELECT").unwrap();
    bytes[first] ^= 8;
    let damaged = path("damaged.aof");
    fs::write(&damaged, &bytes).unwrap();
    let out = path("out.aof");
    let offset = format!("offset {first}");
    for args in [
        &["digest", &damaged][..],
        &["convert", &damaged, &path("out.rdb")],
        &["compact", &damaged, "-o", &out],
        &["replay", &damaged],
        &["keys", &damaged],
        &["rewrite", &damaged, "-o", &out],
    ] {
        let said = ends(1, args);
        assert!(said.contains(&offset), "{args:?}: {said}");
    }
    let output = rdbkit(&["check", &damaged]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&offset), "{said}");
    ends(1, &["repair", &damaged, "-o", &out]);
    let sound = fs::read(ANNOUNCED).unwrap();
    assert_eq!(fs::read(&out).unwrap(), sound[..first]);
    let rest = path("rest.aof");
    ends(1, &["repair", &damaged, "-o", &rest, "--skip-damaged"]);
    let next = first + bytes[first + 1..].iter().position(|&byte| byte == b'*').unwrap() + 1;
    assert_eq!(fs::read(&rest).unwrap(), [&sound[..first], &sound[next..]].concat());
}
