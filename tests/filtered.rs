//! The filters of keys mean the same in every verb: what `keys` lists is what `inspect` counts, what
//! `digest` sums up, what the policies of `check` are asked of, and what `history` tells.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

use std::fs::File;
use std::process::{Command, Stdio};

use serde_json::Value;

const SNAPSHOT: &str = "fixtures/redis-7.0.15-alltypes.rdb";
const NEWEST: &str = "fixtures/redis-8.10.2-alltypes.rdb";
const LOG: &str = "fixtures/redis-8.10.2-alltypes-aofdir";
const DAY: &str = "fixtures/redis-8.10.2-day-aofdir";
const PREAMBLE: &str = "fixtures/redis-5.0.6-alltypes-preamble.aof";
const NOW: &str = "--now=2026-11-24T00:00:00Z";

/// Some filters, each alone and together.
const FILTERS: [&[&str]; 9] = [
    &["--db=1-9"],
    &["--type=hash,zset"],
    &["--key=str:*", "--not-key=*big*"],
    &["--key-regex=^(set|list):"],
    &["--prefix=stream:", "--larger-than=100"],
    &["--ttl=any"],
    &["--encoding=listpack", "--not-db=1"],
    &["--slot=0-8000"],
    &["--prefix=nobody:"],
];

struct Done {
    code: i32,
    out: String,
    err: String,
}

impl Done {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{}{}", self.out, self.err))
    }

    fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn from(stdin: Stdio, args: &[&str]) -> Done {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rdbkit"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(args).stdin(stdin);
    command.env_remove("RDBKIT_CONFIG").env("XDG_CONFIG_HOME", "/nowhere");
    let done = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Done { code: done.status.code().unwrap(), out: text(&done.stdout), err: text(&done.stderr) }
}

fn call(args: &[&str], filters: &[&str]) -> Done {
    from(Stdio::null(), &[args, filters].concat())
}

fn n(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value}"))
}

#[test]
fn inspect_counts_what_keys_lists() {
    for source in [SNAPSHOT, NEWEST, LOG, PREAMBLE] {
        let all = call(&["keys", source, NOW, "--format=json"], &[]).lines();
        for filters in FILTERS {
            let rows = call(&["keys", source, NOW, "--format=json", "--memory"], filters).lines();
            let sum = |field: &str| rows.iter().map(|row| n(&row[field])).sum::<u64>();
            let plain = call(&["inspect", source, NOW, "--format=json"], filters);
            assert_eq!(plain.code, 0, "{}", plain.err);
            let report = plain.json();
            let snapshot = &report["snapshot"];
            assert_eq!(n(&snapshot["keys"]), rows.len() as u64, "{source} {filters:?}");
            assert_eq!(n(&snapshot["filtered_from"]["keys"]), all.len() as u64);
            let of_dbs = snapshot["databases"].as_array().unwrap().iter();
            assert_eq!(of_dbs.map(|db| n(&db["size_bytes"])).sum::<u64>(), sum("size_bytes"));
            // Keys of a log are there after a run, and are looked into.
            assert_eq!(report["look"].is_object(), source == LOG || source == PREAMBLE);
            assert!(report["log"].is_null());
            for by in ["prefix", "type"] {
                let by = format!("--by={by}");
                let look = &call(&["inspect", source, NOW, "--format=json", &by], filters).json();
                let total = &look["look"]["total"];
                assert_eq!(n(&total["keys"]), rows.len() as u64, "{source} {filters:?}");
                assert_eq!(n(&total["memory_bytes"]), sum("memory_bytes"), "{source} {filters:?}");
                let biggest = look["look"]["biggest_by_memory"].as_array().unwrap();
                assert!(biggest.len() <= rows.len());
            }
        }
    }
}

#[test]
fn a_screen_says_how_much_of_the_whole_it_is_about() {
    let words = "19 of 126 keys (filtered: 15.1 % of them, 26.7 % of their bytes) in 1 database";
    let screen = call(&["inspect", NEWEST, NOW], &["--type=hash"]);
    assert!(screen.out.contains(words), "{}", screen.out);
    let piped = from(
        File::open(format!("{}/{NEWEST}", env!("CARGO_MANIFEST_DIR"))).unwrap().into(),
        &["inspect", "-", NOW, "--type=hash"],
    );
    assert!(piped.out.contains(words), "{}", piped.out);
    let page = call(&["inspect", NEWEST, NOW, "--html=-"], &["--type=hash"]);
    assert!(page.out.contains("19 of 126 keys"), "{}", page.out);
    let none = call(&["inspect", NEWEST, NOW], &["--prefix=nobody:"]);
    assert!(none.out.contains("0 of 126 keys"), "{}", none.out);
    assert!(!call(&["inspect", NEWEST, NOW], &[]).out.contains("filtered"));
}

#[test]
fn a_digest_is_that_of_a_server_without_the_other_keys() {
    let room = tempfile::tempdir().unwrap();
    let some = room.path().join("some.ndjson");
    let some = some.to_str().unwrap();
    for source in [SNAPSHOT, LOG] {
        for filters in FILTERS {
            let done =
                call(&["export", source, NOW, "-o", some, "--force", "--to=ndjson"], filters);
            assert_eq!(done.code, 0, "{}", done.err);
            let digest = |source: &str, filters: &[&str]| {
                call(&["digest", source, NOW, "--format=json"], filters).json()
            };
            let (of_some, filtered) = (digest(some, &[]), digest(source, filters));
            assert_eq!(of_some["digest"], filtered["digest"], "{source} {filters:?}");
            assert_eq!(of_some["keys"], filtered["keys"], "{source} {filters:?}");
            assert!(n(&filtered["filtered_from"]["keys"]) > 100);
            assert!(of_some["filtered_from"].is_null());
        }
    }
}

#[test]
fn a_digest_of_nothing_says_so() {
    let done = call(&["digest", SNAPSHOT], &["--prefix=nobody:"]);
    assert_eq!(done.code, 0);
    assert!(done.out.starts_with(&"0".repeat(40)), "{}", done.out);
    assert!(done.err.contains("none of 107 keys passes the filters"), "{}", done.err);
    let quiet = call(&["digest", SNAPSHOT, "--quiet"], &["--prefix=nobody:"]);
    assert_eq!(quiet.err, "");
}

#[test]
fn full_and_single_digests_are_filtered_too() {
    let lines = |filters: &[&str]| call(&["digest", NEWEST, "--per-key"], filters).out;
    let all = lines(&[]);
    let some = lines(&["--db=0", "--not-type=string"]);
    assert!(some.lines().count() > 10 && some.lines().all(|line| all.contains(line)));
    assert_eq!(
        call(&["keys", NEWEST, "--db=0", "--not-type=string"], &[]).out.lines().count() - 1,
        some.lines().count()
    );
    // Function libraries are no keys, so the snapshot with them and the keys alone are alike.
    let full = |source: &str, filters: &[&str]| {
        let done = call(&["digest", source, "--full", "--format=json"], filters);
        done.json()["digest"].as_str().unwrap().to_owned()
    };
    assert_ne!(full(NEWEST, &[]), full(NEWEST, &["--db=0-99"]));
    assert_eq!(full(NEWEST, &["--db=0-99"]), full(NEWEST, &["--not-prefix=nobody:"]));
}

#[test]
fn policies_are_asked_of_the_keys_that_pass() {
    let max = |filters: &[&str]| call(&["check", NEWEST, NOW, "--max-keys=19"], filters);
    assert_eq!(max(&[]).code, 1);
    let kept = max(&["--type=hash"]);
    assert_eq!(kept.code, 0, "{}", kept.out);
    assert!(kept.out.contains("asked of 19 of 126 keys"), "{}", kept.out);
    assert_eq!(max(&["--not-type=hash"]).code, 1);
    let none = max(&["--prefix=nobody:"]);
    assert!(none.out.contains("asked of none of 126 keys"), "{}", none.out);
    let json = call(&["check", LOG, NOW, "--max-keys=1", "--format=json"], &["--type=hash"]).json();
    let policy = &json["sources"][0]["policy"];
    assert_eq!((n(&policy["keys"]), n(&policy["filtered_from"]["keys"])), (19, 126));
    // Whether it is sound is looked at in all of it.
    let broken = "fixtures/broken/duplicate-key.rdb";
    let done = call(&["check", broken, NOW, "--max-keys=9"], &["--prefix=nobody:"]);
    assert!(done.code == 1 && done.out.contains("duplicate-key"), "{}", done.out);
    let done = call(&["check", NEWEST], &["--type=hash"]);
    assert_eq!(done.code, 0);
    assert!(done.err.contains("no policy is asked"), "{}", done.err);
}

#[test]
fn a_warning_about_nothing_is_refused() {
    let done = call(&["check", NEWEST, "--warn=max-keys"], &[]);
    assert_eq!(done.code, 2, "{}", done.out);
    assert!(done.err.contains("--max-keys"), "{}", done.err);
    let done = call(&["check", NEWEST, "--warn=max-keys,max-age", "--max-keys=1000"], &[]);
    assert!(done.code == 2 && done.err.contains("max-age"), "{}", done.err);
}

#[test]
fn a_history_is_about_databases_and_names() {
    let events = |args: &[&str]| {
        let done = call(&["history", DAY, NOW, "--format=json"], args);
        done.lines().iter().map(|event| event["key"].as_str().unwrap().to_owned()).collect()
    };
    let users: Vec<String> = events(&["--prefix=user:"]);
    assert!(users.len() > 3 && users.iter().all(|key| key.starts_with("user:")), "{users:?}");
    assert_eq!(users, events(&["user:*"]));
    assert_eq!(users, events(&["*", "--key=user:*", "--db=0-3"]));
    let others: Vec<String> = events(&["*", "--not-prefix=user:"]);
    assert!(others.iter().any(|key| !key.starts_with("user:")));
    assert_eq!(users.len() + others.len(), events(&["*"]).len());
    let done = call(&["history", DAY, NOW], &["--prefix=nobody:"]);
    assert_eq!(done.code, 1);
    assert!(done.err.contains("is about a key that passes the filters"), "{}", done.err);
    assert_eq!(call(&["history", DAY, NOW], &["--type=hash", "*"]).code, 2);
    assert_eq!(call(&["history", DAY, NOW], &["--db=0"]).code, 2, "a key is to be named");
}
