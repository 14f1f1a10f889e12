//! What filters choose is what verbs write: files of the keys that pass, in every form, are files
//! whose digest is that of the filtered source, and servers load them.

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
use std::process::{Command, Stdio};

use serde_json::Value;
use support::servers::{Server, require};
use tempfile::TempDir;

const SNAPSHOT: &str = "fixtures/redis-7.0.15-alltypes.rdb";
const NEWEST: &str = "fixtures/redis-8.10.2-alltypes.rdb";
const LOG: &str = "fixtures/redis-8.10.2-alltypes-aofdir";
const PREAMBLE: &str = "fixtures/redis-5.0.6-alltypes-preamble.aof";
const DAY: &str = "fixtures/redis-8.10.2-day-aofdir";
const NOW: &str = "--now=2026-11-24T00:00:00Z";

/// Some filters, each alone and together.
const FILTERS: [&[&str]; 10] = [
    &["--db=1-9"],
    &["--type=hash,zset"],
    &["--key=str:*", "--not-key=*big*"],
    &["--key-regex=^(set|list):"],
    &["--prefix=stream:", "--larger-than=100"],
    &["--ttl=any"],
    &["--encoding=listpack", "--not-db=1"],
    &["--slot=0-8000"],
    &["--prefix=nobody:"],
    // What is packed in a file takes less than what is not.
    &["--larger-than=10kb"],
];

/// Every form, as `convert` is told it.
const FORMS: [&[&str]; 5] = [
    &["--to=rdb"],
    &["--to=aof"],
    &["--to=aof-dir"],
    &["--to=aof-dir", "--base=aof"],
    &["--to=aof", "--preamble"],
];

fn call(args: &[&str], filters: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rdbkit"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(args).args(filters);
    command.env_remove("RDBKIT_CONFIG").env("XDG_CONFIG_HOME", "/nowhere").stdin(Stdio::null());
    let done = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (done.status.code().unwrap(), text(&done.stdout), text(&done.stderr))
}

/// The report of a call that succeeds.
#[track_caller]
fn report(args: &[&str], filters: &[&str]) -> Value {
    let (code, out, err) = call(&[args, &["--format=json", NOW]].concat(), filters);
    assert_eq!(code, 0, "{args:?} {filters:?}: {err}");
    serde_json::from_str(&out).unwrap_or_else(|_| panic!("{args:?} {filters:?}: {out}{err}"))
}

/// Digest and number of the keys that pass, and how many do not.
#[track_caller]
fn digest(source: &str, filters: &[&str]) -> (String, u64, u64) {
    let report = report(&["digest", source], filters);
    let keys = report["keys"].as_u64().unwrap();
    let all = report["filtered_from"]["keys"].as_u64().unwrap_or(keys);
    (report["digest"].as_str().unwrap().to_owned(), keys, all - keys)
}

/// The name of an output that is not there yet.
fn output(folder: &TempDir, number: usize) -> String {
    folder.path().join(format!("out-{number}")).to_str().unwrap().to_owned()
}

#[test]
fn a_conversion_has_the_keys_that_pass() {
    let folder = tempfile::tempdir().unwrap();
    let mut number = 0;
    for source in [SNAPSHOT, NEWEST, LOG, PREAMBLE] {
        for (index, filters) in FILTERS.iter().enumerate() {
            let (want, keys, left_out) = digest(source, filters);
            for form in [FORMS[index % 5], FORMS[(index + 1) % 5]] {
                // Redis 5 has no directories.
                if source == PREAMBLE && form[0] == "--to=aof-dir" {
                    continue;
                }
                number += 1;
                let out = output(&folder, number);
                let made = report(&[&["convert", source, &out], form].concat(), filters);
                let what = format!("{source} {form:?} {filters:?}: {made}");
                assert_eq!(made["keys_written"].as_u64(), Some(keys), "{what}");
                assert_eq!(made["filtered"].as_u64(), Some(left_out), "{what}");
                assert_eq!(made["keys_read"].as_u64(), Some(keys + left_out), "{what}");
                assert_eq!(digest(&out, &[]), (want.clone(), keys, 0), "{what}");
            }
        }
    }
    let (_, screen, _) = call(&["convert", SNAPSHOT, &output(&folder, 0), NOW], &["--prefix=str:"]);
    assert!(screen.contains("45 keys of 107, 62 left out by filters"), "{screen}");
    let plain = report(&["convert", SNAPSHOT, &output(&folder, 0), "--force"], &[]);
    assert!(plain["filtered"].is_null());
}

#[test]
fn a_compaction_is_proved_against_the_keys_that_pass() {
    let folder = tempfile::tempdir().unwrap();
    let mut number = 0;
    for source in [LOG, DAY, PREAMBLE] {
        for (index, filters) in FILTERS.iter().enumerate() {
            let (want, keys, left_out) = digest(source, filters);
            for form in [["--to=rdb", "--to=aof", "--to=preamble"][index % 3], "--to=aof"] {
                number += 1;
                let out = output(&folder, number);
                let made = report(&["compact", source, "-o", &out, form], filters);
                let what = format!("{source} {form:?} {filters:?}: {made}");
                assert_eq!(made["proved"], true, "{what}");
                assert_eq!(made["keys"].as_u64(), Some(keys), "{what}");
                assert_eq!(made["filtered"].as_u64(), Some(left_out), "{what}");
                assert_eq!(digest(&out, &[]), (want.clone(), keys, 0), "{what}");
            }
        }
    }
    let (_, screen, _) = call(&["compact", LOG, "-o", &output(&folder, 0)], &["--prefix=str:"]);
    assert!(screen.contains(" keys, ") && screen.contains(" left out by filters"), "{screen}");
    // Losses turn the proof to the servers' digest.
    let out = output(&folder, number + 1);
    let old = ["compact", LOG, "-o", &out, "--to=rdb", "--target=redis:6.2", "--lossy", NOW];
    let (code, screen, err) = call(&old, &["--type=stream,string"]);
    assert!(code <= 1 && screen.contains("read back, and the same"), "{screen}{err}");
}

#[test]
fn a_replay_is_about_the_keys_that_pass_and_saves_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut number = 0;
    for source in [SNAPSHOT, LOG, DAY] {
        for filters in FILTERS {
            // A key of an engine takes in no file what it takes in a snapshot.
            if source == SNAPSHOT && filters.iter().any(|one| one.contains("larger")) {
                continue;
            }
            let (want, keys, left_out) = digest(source, filters);
            number += 1;
            let out = output(&folder, number);
            let told = report(&["replay", source, "--save", &out], filters);
            let what = format!("{source} {filters:?}: {told}");
            let of_server = told["digest_server"].as_str().unwrap();
            let server = format!("--server={of_server}");
            let theirs = report(&["digest", source, &server], filters);
            assert_eq!(told["digest"], theirs["digest"], "{what}");
            assert_eq!(told["keys"].as_u64(), Some(keys), "{what}");
            assert_eq!(told["filtered_from"]["keys"].as_u64(), Some(keys + left_out), "{what}");
            let databases = told["databases"].as_array().unwrap().iter();
            assert_eq!(databases.map(|db| db["keys"].as_u64().unwrap()).sum::<u64>(), keys);
            assert_eq!(digest(&out, &[]), (want, keys, 0), "{what}");
        }
    }
    let (_, screen, _) = call(&["replay", SNAPSHOT, NOW], &["--prefix=str:"]);
    assert!(screen.contains("45 keys, 62 left out by filters"), "{screen}");
    assert!(report(&["replay", SNAPSHOT], &[])["filtered_from"].is_null());
}

#[test]
fn parts_and_shapes_have_the_keys_that_pass_and_say_how_many_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut number = 0;
    for source in [SNAPSHOT, LOG] {
        for filters in FILTERS {
            let (_, keys, left_out) = digest(source, filters);
            number += 1;
            let out = output(&folder, number);
            let made = report(&["split", source, "-o", &out, "--by=db"], filters);
            assert_eq!(made["keys_written"].as_u64(), Some(keys), "{filters:?} {made}");
            assert_eq!(made["filtered"].as_u64(), Some(left_out), "{filters:?} {made}");
            number += 1;
            let out = output(&folder, number);
            let made = report(&["anonymize", source, "-o", &out, "--keep-modules"], filters);
            assert_eq!(made["keys_written"].as_u64(), Some(keys), "{filters:?} {made}");
            assert_eq!(made["filtered"].as_u64(), Some(left_out), "{filters:?} {made}");
            // A log becomes a snapshot first, and its keys have the size that they have there.
            if source == LOG && filters.iter().any(|one| one.contains("larger")) {
                continue;
            }
            number += 1;
            let out = output(&folder, number);
            let made = report(&["merge", source, "-o", &out], filters);
            assert_eq!(made["keys_written"].as_u64(), Some(keys), "{filters:?} {made}");
            let one = &made["sources"][0];
            assert_eq!(one["filtered"].as_u64(), Some(left_out), "{filters:?} {made}");
        }
    }
}

/// A server refuses a file that selects a database which it does not have, keys or none.
#[test]
fn a_server_with_one_database_loads_the_keys_of_one() {
    let Some(kind) = require("redis-7.0") else { return };
    let folder = tempfile::tempdir().unwrap();
    for source in [SNAPSHOT, "fixtures/redis-7.0.15-alltypes-aofdir-preamble"] {
        let out = folder.path().join("one.rdb");
        let path = out.to_str().unwrap();
        report(&["convert", source, path, "--target=redis:7.0", "--force"], &["--db=0"]);
        let options = ["--databases", "1", "--sanitize-dump-payload", "yes"];
        let server = Server::start_with_rdb(&kind, &fs::read(&out).unwrap(), &options);
        let want = report(&["digest", source, "--server=redis:7.0"], &["--db=0"]);
        assert_eq!(server.digest(), want["digest"].as_str().unwrap(), "{source}");
        // They are no keys.
        assert_eq!(libraries(&server), 2, "{source}");
    }
}

fn libraries(server: &Server) -> usize {
    match server.cmd(&["FUNCTION", "LIST"]) {
        redis::Value::Array(libraries) => libraries.len(),
        other => panic!("{other:?}"),
    }
}

/// A target need not hold what nobody asked for.
#[test]
fn only_what_passes_is_missed() {
    let folder = tempfile::tempdir().unwrap();
    let out = output(&folder, 1);
    let old = ["convert", NEWEST, &out, "--target=redis:7.0", NOW];
    let (code, _, err) = call(&old, &[]);
    assert!(code == 2 && err.contains("array"), "{err}");
    let (code, _, err) = call(&old, &["--type=string"]);
    assert_eq!(code, 0, "{err}");
    assert!(Path::new(&out).exists());
}
