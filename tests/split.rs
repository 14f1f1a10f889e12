//! Parts hold together what the source held, load in servers, and come together again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use rdbkit::bytes::slot::slot;
use rdbkit::ops::digest::{DigestOptions, digest, digest_keys};
use rdbkit::ops::merge::{MergeOptions, OnConflict, merge};
use rdbkit::ops::split::{By, SlotPart, SplitOptions, split};
use rdbkit::ops::walk::{Silent, WalkOptions};
use rdbkit::rdb::{Snapshot, ValueType};
use rdbkit::report::merge::MergeReport;
use rdbkit::report::split::SplitReport;
use rdbkit::source::{Locator, OpenOptions, Source, open};
use support::servers::{Server, require_any};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn fixture(name: &str) -> PathBuf {
    Path::new(ROOT).join("fixtures").join(name)
}

fn opened(path: &Path) -> Source {
    open(&Locator::Path(path.to_owned()), &OpenOptions::default()).unwrap()
}

fn walk() -> WalkOptions {
    WalkOptions { threads: 2, now_ms: Some(1_795_500_000_000), ..WalkOptions::default() }
}

fn full_digest(path: &Path) -> String {
    let options = DigestOptions { full: true, walk: walk(), ..DigestOptions::default() };
    digest(opened(path), &options, &Silent).unwrap().digest
}

#[track_caller]
fn parted(source: &Path, out: &Path, by: By) -> SplitReport {
    let options = SplitOptions { by, walk: walk(), ..SplitOptions::default() };
    split(opened(source), out, &options, &Silent)
        .unwrap_or_else(|error| panic!("{}: {error}", source.display()))
}

fn merged(
    sources: &[PathBuf],
    out: &Path,
    on_conflict: OnConflict,
) -> Result<MergeReport, rdbkit::Error> {
    let options = MergeOptions {
        on_conflict,
        list: 20,
        force: true,
        walk: walk(),
        ..MergeOptions::default()
    };
    merge(sources.iter().map(|path| opened(path)).collect(), out, &options, &Silent)
}

/// The digest of each key; those of parts are together those of the whole.
fn digests(path: &Path) -> Vec<(u64, Vec<u8>, String)> {
    let options = DigestOptions { walk: walk(), ..DigestOptions::default() };
    let mut all = Vec::new();
    let mut take = |key: rdbkit::ops::digest::KeyDigest| {
        all.push((key.db, key.key, key.digest));
        Ok(())
    };
    digest_keys(opened(path), &options, &mut take, &Silent).unwrap();
    all.sort();
    all
}

fn digests_of_all<'p>(paths: impl IntoIterator<Item = &'p PathBuf>) -> Vec<(u64, Vec<u8>, String)> {
    let mut all: Vec<_> = paths.into_iter().flat_map(|path| digests(path)).collect();
    all.sort();
    all
}

fn files(out: &Path, report: &SplitReport) -> Vec<PathBuf> {
    report.parts.iter().map(|part| out.join(&part.file)).collect()
}

/// Database and key, type and body.
type Raw = ((u64, Vec<u8>), (ValueType, Vec<u8>));

/// Type and bytes of each value, but of those that refer to a template of their file.
fn bodies(path: &Path) -> Vec<Raw> {
    let bytes = fs::read(path).unwrap();
    let mut all = Vec::new();
    for entry in Snapshot::new(&bytes).unwrap().entries() {
        let entry = entry.unwrap();
        if entry.template().is_none() {
            let key = (entry.db, entry.key_bytes().unwrap().into_owned());
            all.push((key, (entry.value_type, entry.body().to_vec())));
        }
    }
    all
}

const FIXTURES: [&str; 6] = [
    "redis-8.10.2-alltypes.rdb",
    "redis-8.10.2-modules.rdb",
    "redis-8.10.2-hash-templates.rdb",
    "redis-7.0.15-alltypes.rdb",
    "redis-2.8.17-alltypes.rdb",
    "valkey-9.1.2-alltypes.rdb",
];

#[test]
fn parts_add_up_and_come_together_again() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = || By::Prefix { separator: b":".to_vec(), depth: 1 };
    let ways = [By::Slots(SlotPart::equal(3)), By::Database, By::Type, prefix()];
    for name in FIXTURES {
        let source = fixture(name);
        let all: BTreeMap<_, _> = bodies(&source).into_iter().collect();
        for (number, by) in ways.iter().enumerate() {
            let out = folder.path().join(format!("{name}-{number}"));
            let report = parted(&source, &out, by.clone());
            let parts = files(&out, &report);
            assert_eq!(report.keys_read, report.keys_written, "{name}");
            assert!(report.rest().is_none());
            assert!(digests_of_all(&parts) == digests(&source), "{name} {by:?}");
            for part in &parts {
                // A hash that had a template in the source has none in a part.
                let mut read = bodies(part);
                read.retain(|(key, _)| all.contains_key(key));
                for (key, body) in &read {
                    assert!(all[key] == *body, "{name} {by:?}: a value has other bytes");
                }
                // Nothing changes its place.
                let order = bodies(&source).into_iter().map(|(key, _)| key);
                let here: std::collections::HashSet<_> = read.iter().map(|(key, _)| key).collect();
                let order: Vec<_> = order.filter(|key| here.contains(key)).collect();
                assert!(order.iter().eq(read.iter().map(|(key, _)| key)), "{name} {by:?}");
            }
            let back = folder.path().join("back.rdb");
            let report = merged(&parts, &back, OnConflict::Fail).unwrap();
            assert_eq!(report.conflicts, 0);
            assert_eq!(full_digest(&back), full_digest(&source), "{name} {by:?}");
            let manifest = fs::read(out.join("split.json")).unwrap();
            let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
            assert_eq!(manifest["schema"], "rdbkit.split/1");
            assert_eq!(manifest["parts"].as_array().unwrap().len(), parts.len());
        }
    }
}

#[test]
fn keys_are_where_their_slots_are() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("parts");
    let parts = SlotPart::equal(3);
    let report = parted(&fixture("redis-7.0.15-lru.rdb"), &out, By::Slots(parts.clone()));
    assert_eq!(report.parts.len(), 3);
    for (part, file) in parts.iter().zip(files(&out, &report)) {
        for ((_, key), _) in bodies(&file) {
            assert!(part.slots[0].contains(&slot(&key)), "{}", key.escape_ascii());
        }
    }
    let names: Vec<_> = report.parts.iter().map(|part| part.file.as_str()).collect();
    assert_eq!(names, ["slots-0-5460.rdb", "slots-5461-10922.rdb", "slots-10923-16383.rdb"]);
}

#[test]
fn parts_load_in_a_server() {
    let Some(kind) = require_any(&["redis-8.10", "valkey-9.1"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("parts");
    let source = fixture("redis-7.0.15-alltypes.rdb");
    let report = parted(&source, &out, By::Slots(SlotPart::equal(2)));
    let options = ["--sanitize-dump-payload", "yes", "--databases", "64"];
    let server = Server::start_with_rdb(&kind, &fs::read(&source).unwrap(), &options);
    let want = server.digest();
    let libraries = format!("{:?}", server.cmd(&["FUNCTION", "LIST"])).len();
    let mut keys = 0;
    for part in files(&out, &report) {
        let here: Vec<Vec<u8>> = bodies(&part)
            .into_iter()
            .filter_map(|((db, key), _)| (db == 0).then_some(key))
            .collect();
        let part = Server::start_with_rdb(&kind, &fs::read(part).unwrap(), &options);
        assert_eq!(part.digest_value(&here), server.digest_value(&here));
        assert_eq!(format!("{:?}", part.cmd(&["FUNCTION", "LIST"])).len(), libraries);
        keys += here.len();
    }
    assert_eq!(server.cmd(&["DBSIZE"]), redis::Value::Int(keys as i64));
    let back = folder.path().join("back.rdb");
    merged(&files(&out, &report), &back, OnConflict::Fail).unwrap();
    let server = Server::start_with_rdb(&kind, &fs::read(back).unwrap(), &options);
    assert_eq!(server.digest(), want);
}

fn rdbkit(folder: &Path) -> Command {
    let mut command = Command::cargo_bin("rdbkit").unwrap();
    command.current_dir(folder);
    command
}

/// What a program says, and with which status it ends.
fn said(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

fn lines(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(format!("{name}.ndjson")), text).unwrap();
    let out = format!("{name}.rdb");
    rdbkit(folder).args(["convert", &format!("{name}.ndjson"), &out]).assert().success();
}

#[test]
fn a_new_directory_has_any_name_that_is_not_taken() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = tempfile::tempdir().unwrap();
    let name = std::ffi::OsStr::from_bytes(b"parts\xff");
    let snapshot = fixture("redis-7.0.15-lru.rdb");
    let split = || {
        let mut command = rdbkit(folder.path());
        command.arg("split").arg(&snapshot).args(["--by", "db", "-o"]).arg(name);
        command
    };
    assert_eq!(said(&mut split()).0, Some(0));
    let report = fs::read(folder.path().join(name).join("split.json")).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["output"], "\"parts\\xff\"");
    let (code, text) = said(split().arg("--quiet"));
    assert_eq!(code, Some(2));
    assert!(text.contains("is there and not empty") && !text.contains("--force"), "{text}");
    for verb in ["merge", "anonymize"] {
        let mut command = rdbkit(folder.path());
        command.arg(verb).arg(&snapshot).args(["--format", "json", "-f", "-o"]);
        let (code, text) = said(command.arg(std::ffi::OsStr::from_bytes(b"file\xff")));
        assert!(code == Some(0) && text.contains(r#""\"file\\xff\"""#), "{verb}: {text}");
    }
}

#[test]
fn nodes_of_a_cluster_get_their_parts() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let nodes = "\
67ed2db 127.0.0.1:30002@31002 master - 0 1426238316232 2 connected 5461-10922
e7d1eec 127.0.0.1:30001@31001 myself,master - 0 0 1 connected 0-5460
07c37df 127.0.0.1:30004@31004 slave e7d1eec 0 1426238317239 4 connected
vars currentEpoch 6 lastVoteEpoch 0
";
    fs::write(folder.join("nodes.conf"), nodes).unwrap();
    let key = |n: u32| format!("{{\"key\":\"key:{n}\",\"type\":\"string\",\"value\":\"v\"}}\n");
    lines(folder, "all", &(0..100).map(key).collect::<String>());
    let args = ["split", "all.rdb", "-o", "parts", "--nodes", "nodes.conf"];
    let (status, text) = said(rdbkit(folder).args(args));
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("node-127.0.0.1%3A30001.rdb"), "{text}");
    assert!(text.contains("rest.rdb of ") && text.contains("their slots belong to no part"));
    let parts = ["node-127.0.0.1%3A30002.rdb", "node-127.0.0.1%3A30001.rdb", "rest.rdb"];
    let parts: Vec<_> = parts.iter().map(|part| folder.join("parts").join(part)).collect();
    assert_eq!(parts.iter().map(|part| bodies(part).len()).sum::<usize>(), 100);
    assert!(bodies(&parts[1]).iter().all(|((_, key), _)| slot(key) <= 5460));
    // A node has no database but 0, and ends where its file names another.
    let whole = "a 127.0.0.1:1@2 master - 0 0 1 connected 0-16383\n";
    fs::write(folder.join("one.conf"), whole).unwrap();
    let keys = [key(1), key(2).replace("{\"key\"", "{\"db\":3,\"key\"")].concat();
    lines(folder, "two", &keys);
    let one = ["split", "two.rdb", "--nodes", "one.conf", "-o"];
    let (status, text) = said(rdbkit(folder).args(one).arg("one"));
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("1 key in other databases than 0"), "{text}");
    let (status, text) = said(rdbkit(folder).args(one).args(["none", "--db", "0"]));
    assert_eq!((status, text.contains("other databases")), (Some(0), false), "{text}");
    let (status, _) = said(rdbkit(folder).args(["split", "two.rdb", "-o", "by", "--by", "db"]));
    assert_eq!(status, Some(0));
    // What is there is not written into.
    let (status, text) = said(rdbkit(folder).args(args));
    assert_eq!(status, Some(2), "{text}");
    let (status, text) = said(rdbkit(folder).args(["split", "all.rdb", "-o", "other"]));
    assert_eq!((status, text.contains("say what parts the keys")), (Some(2), true), "{text}");
    let wrong = ["split", "all.rdb", "-o", "other", "--ranges", "0-9", "--ranges", "9"];
    let (status, text) = said(rdbkit(folder).args(wrong));
    assert_eq!((status, text.contains("slot 9 is in two parts")), (Some(2), true), "{text}");
    let many = ["split", "all.rdb", "-o", "other", "--by", "prefix", "--depth", "9"];
    let (status, _) = said(rdbkit(folder).args(many));
    assert_eq!(status, Some(0));
    assert!(folder.join("other/prefix-key.rdb").exists());
}

#[test]
fn conflicts_are_decided_as_it_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let row = |key: &str, value: &str, db: u32| {
        format!("{{\"db\":{db},\"key\":\"{key}\",\"type\":\"string\",\"value\":\"{value}\"}}\n")
    };
    let ctime =
        |secs: u32| format!("{{\"record\":\"aux\",\"name\":\"ctime\",\"value\":\"{secs}\"}}\n");
    let rows = |value: &str, rest: &str| row("both", value, 0) + &row("both", value, 1) + rest;
    lines(folder, "a", &(ctime(2000) + &rows("from a", &row("a", "1", 0))));
    lines(folder, "b", &(ctime(1000) + &rows("from b", &row("b", "1", 0))));
    lines(folder, "c", &(ctime(500) + &row("c", "1", 0)));
    let merge = |on_conflict: &str| {
        let mut command = rdbkit(folder);
        command.args(["merge", "a.rdb", "b.rdb", "c.rdb", "-o", "all.rdb", "--force"]);
        if !on_conflict.is_empty() {
            command.args(["--on-conflict", on_conflict]);
        }
        said(&mut command)
    };
    let (status, text) = merge("");
    assert_eq!(status, Some(2), "{text}");
    assert!(text.contains("2 keys are in more than one source"), "{text}");
    assert!(text.contains("db 0 \"both\"") && text.contains("db 1 \"both\""), "{text}");
    assert!(!folder.join("all.rdb").exists());
    for (on_conflict, want) in [("first", "from a"), ("last", "from b"), ("newest", "from a")] {
        let (status, text) = merge(on_conflict);
        assert_eq!(status, Some(0), "{text}");
        assert!(text.contains("5 keys, 5 values copied, 2 in several sources"), "{text}");
        let (_, got) = said(rdbkit(folder).args(["get", "all.rdb", "both", "--format", "json"]));
        assert_eq!(
            got.matches(&format!("\"value\":\"{want}\"")).count(),
            2,
            "{on_conflict}: {got}"
        );
        let (status, sound) = said(rdbkit(folder).args(["check", "all.rdb"]));
        assert_eq!(status, Some(0), "{sound}");
    }
    // What can be read but once is merged as well, lines and logs are, too.
    let zipped = std::process::Command::new("gzip").arg("-k").arg(folder.join("a.rdb")).status();
    if zipped.is_ok_and(|status| status.success()) {
        let mut command = rdbkit(folder);
        command.args(["merge", "a.rdb.gz", "c.ndjson", "-o", "zipped.rdb"]);
        let (status, text) = said(&mut command);
        assert_eq!(status, Some(0), "{text}");
        assert_eq!(bodies(&folder.join("zipped.rdb")).len(), 4);
    }
    let log = fixture("redis-7.0.15-alltypes-aofdir-preamble");
    merged(&[log.clone(), folder.join("c.rdb")], &folder.join("log.rdb"), OnConflict::Fail)
        .unwrap();
    assert_eq!(digests_of_all(&[log, folder.join("c.rdb")]), digests(&folder.join("log.rdb")));
    // A source twice is all conflict, and one of each stays.
    let twice = [folder.join("a.rdb"), folder.join("a.rdb")];
    let report = merged(&twice, &folder.join("twice.rdb"), OnConflict::Last).unwrap();
    assert_eq!((report.conflicts, report.keys_written), (3, 3));
    // Whom it is for has to be said where the sources do not agree.
    let families = [fixture("valkey-9.1.2-alltypes.rdb"), folder.join("a.rdb")];
    let error = merged(&families, &folder.join("no.rdb"), OnConflict::First).unwrap_err();
    assert!(error.to_string().contains("say with --target"), "{error}");
}

/// What is the same in another encoding, and in another order where order means nothing, is no
/// conflict; all else is, and is named.
#[test]
fn what_is_the_same_everywhere_is_no_conflict() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let out = folder.join("out.rdb");
    for (name, target) in
        [("redis-2.8.17-alltypes.rdb", "redis:8.0"), ("redis-8.10.2-alltypes.rdb", "redis:8.10")]
    {
        let (old, new) = (fixture(name), folder.join(name));
        let mut command = rdbkit(folder);
        command.arg("convert").arg(&old).arg(&new).args(["--target", target, "--no-compress"]);
        command.assert().success();
        let sources = [old.clone(), new.clone(), old.clone()];
        let report = merged(&sources, &out, OnConflict::Fail).unwrap();
        let keys = digests(&old).len() as u64;
        assert_eq!((report.conflicts, report.keys_written), (keys, keys), "{name}");
        assert!(report.sources.iter().map(|one| one.keys_written).eq([keys, 0, 0]), "{name}");
        assert_eq!(full_digest(&out), full_digest(&old), "{name}");
        let differs = bodies(&old).iter().zip(bodies(&new)).filter(|(a, b)| a.1 != b.1).count();
        assert!(differs > 3, "{name}: hardly anything is encoded otherwise");
    }
    let row = |key: &str, rest: &str| format!("{{\"key\":\"{key}\",{rest}}}\n");
    let set = |members: &str| format!("\"type\":\"set\",\"value\":[{members}]");
    let list = |elements: &str| format!("\"type\":\"list\",\"value\":[{elements}]");
    let text = |more: &str| format!("\"type\":\"string\",\"value\":\"v\"{more}");
    let both = [
        ("same", set("\"1\",\"2\""), set("\"2\",\"1\"")),
        ("expiry", text(""), text(",\"expires_at_ms\":1900000000000")),
        (
            "later",
            text(",\"expires_at_ms\":1900000000000"),
            text(",\"expires_at_ms\":1900000000001"),
        ),
        ("order", list("\"1\",\"2\""), list("\"2\",\"1\"")),
        ("type", set("\"1\""), list("\"1\"")),
        ("idle", text(""), text(",\"idle_secs\":9")),
    ];
    lines(folder, "a", &both.iter().map(|(key, one, _)| row(key, one)).collect::<String>());
    lines(folder, "b", &both.iter().map(|(key, _, other)| row(key, other)).collect::<String>());
    let error = merged(&[folder.join("a.rdb"), folder.join("b.rdb")], &out, OnConflict::Fail);
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with("4 keys are in more than one source and not the same"), "{error}");
    for (key, ..) in both {
        let named = error.contains(&format!("db 0 \"{key}\", also in "));
        assert_eq!(named, !["same", "idle"].contains(&key), "{key}: {error}");
    }
}

#[test]
fn what_was_merged_into_a_log_loads_in_a_server() {
    let Some(kind) = require_any(&["redis-8.10", "valkey-9.1"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let source = fixture("redis-7.0.15-alltypes.rdb");
    let report = parted(&source, &folder.path().join("parts"), By::Slots(SlotPart::equal(3)));
    let parts = files(&folder.path().join("parts"), &report);
    let options = ["--databases", "64"];
    let server = Server::start_with_rdb(&kind, &fs::read(&source).unwrap(), &options);
    let want = (server.digest(), format!("{:?}", server.cmd(&["FUNCTION", "LIST"])).len());
    let forms: [&[&str]; 5] = [
        &["--to", "rdb"],
        &["--to", "aof"],
        &["--to", "aof", "--preamble"],
        &["--to", "aof-dir"],
        &["--to", "aof-dir", "--base", "aof"],
    ];
    for (number, form) in forms.into_iter().enumerate() {
        let out = folder.path().join(number.to_string());
        let mut command = rdbkit(folder.path());
        command.arg("merge").args(&parts).args(form).arg("-o").arg(&out);
        // Commands say nothing of idle consumers and of when they were seen.
        let (status, text) = said(command.arg("--lossy"));
        assert!(matches!(status, Some(0 | 1)), "{form:?}: {text}");
        let server = match form {
            [_, "rdb"] => Server::start_with_rdb(&kind, &fs::read(&out).unwrap(), &options),
            [_, "aof", ..] => {
                Server::start_with_aof_file(&kind, &fs::read(&out).unwrap(), &options)
            }
            _ => Server::start_with_aof_dir(&kind, &out, &options),
        };
        let got = (server.digest(), format!("{:?}", server.cmd(&["FUNCTION", "LIST"])).len());
        assert_eq!(got, want, "{form:?}: {text}");
    }
}

#[test]
fn libraries_that_differ_are_a_conflict() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let library =
        |body: &str| format!("{{\"record\":\"function\",\"code\":\"#!lua name=lib\\n{body}\"}}\n");
    lines(folder, "a", &library("return 1"));
    lines(folder, "b", &library("return 2"));
    let sources = [folder.join("a.rdb"), folder.join("b.rdb")];
    let out = folder.join("out.rdb");
    let error = merged(&sources, &out, OnConflict::Fail).unwrap_err().to_string();
    assert!(error.contains("the function library \"lib\" is not the same"), "{error}");
    let report = merged(&sources, &out, OnConflict::Last).unwrap();
    assert_eq!(report.functions, 1);
    assert_eq!(full_digest(&out), full_digest(&sources[1]));
}
