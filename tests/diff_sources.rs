//! What `diff` may not take for a difference: a key that passes a filter in one of two sources only,
//! a key that both sources have twice, and what NDJSON holds in another form.

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

struct Done {
    code: i32,
    out: String,
    err: String,
}

fn call(args: &[&str]) -> Done {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rdbkit"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(args);
    command.env_remove("RDBKIT_CONFIG").env("XDG_CONFIG_HOME", "/nowhere");
    let done = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Done { code: done.status.code().unwrap(), out: text(&done.stdout), err: text(&done.stderr) }
}

/// Each key that differs, how, and in what.
#[track_caller]
fn differences(before: &Path, after: &Path, options: &[&str]) -> Vec<String> {
    let paths = [before, after].map(|path| path.to_str().unwrap());
    let done = call(&[&["diff", "--format=json"], &paths[..], options].concat());
    let mut lines: Vec<Value> =
        done.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = lines.pop().unwrap_or_else(|| panic!("{}", done.err));
    assert_eq!(done.code, i32::from(summary["same"] != true), "{}", done.err);
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    lines
        .iter()
        .map(|line| format!("{} {} {}", word(&line["change"]), word(&line["key"]), line["differs"]))
        .collect()
}

/// A snapshot with these records in database 0.
fn snapshot(records: &[&[u8]]) -> Vec<u8> {
    [b"REDIS0009\xfe\x00", &*records.concat(), b"\xff\0\0\0\0\0\0\0\0"].concat()
}

/// A string, raw.
fn string(key: &str, value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(value.len()).unwrap() | 0x4000;
    [&[0, key.len() as u8], key.as_bytes(), &len.to_be_bytes(), value].concat()
}

#[test]
fn a_key_that_passes_in_one_source_only_is_neither_added_nor_removed() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, records: &[&[u8]]| {
        let path = folder.path().join(name);
        fs::write(&path, snapshot(records)).unwrap();
        path
    };
    let expiring = [b"\xfc\xff\xff\xff\xff\xff\0\0\0".as_slice(), &string("kept", b"v")].concat();
    let set = b"\x02\x05other\x01\x01m";
    let long = [b'a'; 2000];
    let before = file(
        "before",
        &[&string("grew", &long), &expiring, &string("other", b"s"), &string("gone", b"g")],
    );
    let after =
        file("after", &[&string("grew", b"a"), &string("kept", b"v"), set, &string("new", &long)]);
    let told = |options: &[&str]| differences(&before, &after, options);
    let (added, grew) = ("added new []", "changed grew [\"value\"]");
    assert_eq!(told(&["--larger-than=1kb", "--ignore-encoding"]), [grew, added]);
    assert_eq!(told(&["--ttl=any"]), ["changed kept [\"expiry\"]"]);
    assert_eq!(told(&["--ttl=any", "--ignore-ttl"]), [""; 0]);
    assert_eq!(told(&["--type=set"]), ["changed other [\"type\"]"]);
    assert_eq!(told(&["--not-type=string"]), ["changed other [\"type\"]"]);
    assert_eq!(
        told(&["--key=g*", "--smaller-than=100", "--ignore-encoding"]),
        ["removed gone []", grew]
    );
    assert_eq!(told(&["--db=1"]), [""; 0]);
}

#[test]
fn a_dump_does_not_differ_from_its_own_ndjson_whatever_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let lines = folder.path().join("x.ndjson");
    for file in ["redis-7.0.15-alltypes.rdb", "redis-8.10.2-alltypes.rdb"] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(file);
        let done =
            call(&["export", file.to_str().unwrap(), "-o", lines.to_str().unwrap(), "--force"]);
        assert_eq!(done.code, 0, "{}", done.err);
        for size in ["50", "100", "500", "1kb", "4kb"] {
            for option in ["--larger-than", "--smaller-than"] {
                assert_eq!(differences(&file, &lines, &[option, size]), [""; 0], "{option} {size}");
            }
        }
        assert_eq!(differences(&file, &lines, &["--encoding=listpack,intset"]), [""; 0]);
    }
}

#[test]
fn functions_of_a_release_candidate_are_those_of_its_ndjson() {
    let folder = tempfile::tempdir().unwrap();
    let [dump, lines] = ["dump.rdb", "dump.ndjson"].map(|name| folder.path().join(name));
    // FUNCTION_PRE_GA: name, engine, no description, body.
    let function = b"\xf6\x03lib\x03LUA\x00\x08return 1";
    let bytes = [b"REDIS0010".as_slice(), function, b"\xff\0\0\0\0\0\0\0\0"].concat();
    fs::write(&dump, bytes).unwrap();
    let [source, to] = [&dump, &lines].map(|path| path.to_str().unwrap());
    assert_eq!(call(&["export", source, "-o", to]).code, 0);
    let done = call(&["diff", source, to]);
    assert_eq!(done.code, 0, "{}", done.out);
}

#[test]
fn a_key_that_stands_twice_in_each_source_is_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("twice.rdb");
    fs::write(&path, snapshot(&[&string("k", b"a"), &string("k", b"b"), &string("k", b"c")]))
        .unwrap();
    let done = call(&["diff", path.to_str().unwrap(), path.to_str().unwrap()]);
    assert_eq!(done.code, 0);
    assert!(done.out.contains("1 key stood more than once in a source"), "{}", done.out);
}
