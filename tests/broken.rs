//! Broken snapshots, each with one fault: how they are made, and that the check finds just that.
//!
//! `UPDATE_GOLDEN=1` writes them into `fixtures/broken`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use rdbkit::bytes::crc64;

/// Name, the records between header and end, and the code of the finding.
const RECORDS: &[(&str, &[u8], &str)] = &[
    ("unknown-type", b"\xfe\0\0\x01a\x01b\x63\x01k\x01v", "unknown-type"),
    ("unknown-string-encoding", b"\xfe\0\0\x01a\xc4", "string-encoding"),
    ("length-beyond-the-end", b"\xfe\0\0\x01a\x80\x7f\xff\xff\xff", "truncated"),
    ("count-beyond-the-end", b"\xfe\0\x02\x01a\x80\x7f\xff\xff\xff\x01b", "element-count"),
    ("duplicate-key", b"\xfe\0\0\x01a\x01b\0\x01a\x01c", "duplicate-key"),
    ("empty-list", b"\xfe\0\x01\x01a\0", "empty-value"),
    ("set-repeated-member", b"\xfe\0\x02\x01a\x02\x01b\x01b", "duplicate-element"),
    ("hash-repeated-field", b"\xfe\0\x04\x01a\x02\x01f\x01v\x01f\x01w", "duplicate-element"),
    ("intset-out-of-order", b"\xfe\0\x0b\x01a\x0c\x02\0\0\0\x02\0\0\0\x07\0\x05\0", "intset-order"),
    ("intset-width", b"\xfe\0\x0b\x01a\x0b\x03\0\0\0\x01\0\0\0\x07\0\0", "intset-width"),
    ("intset-size", b"\xfe\0\x0b\x01a\x0a\x02\0\0\0\x02\0\0\0\x07\0", "intset-size"),
    // A listpack: total, count, entries with back lengths, end.
    (
        "listpack-back-length",
        b"\xfe\0\x10\x01a\x0d\x0d\0\0\0\x02\0\x81f\x02\x81v\x03\xff",
        "listpack-backlen",
    ),
    (
        "listpack-count",
        b"\xfe\0\x10\x01a\x0d\x0d\0\0\0\x04\0\x81f\x02\x81v\x02\xff",
        "listpack-count",
    ),
    ("listpack-odd", b"\xfe\0\x10\x01a\x0a\x0a\0\0\0\x01\0\x81f\x02\xff", "tuple-count"),
    ("listpack-no-end", b"\xfe\0\x10\x01a\x0d\x0d\0\0\0\x02\0\x81f\x02\x81v\x02\0", "listpack-end"),
    (
        "zset-out-of-order",
        b"\xfe\0\x11\x01a\x11\x11\0\0\0\x04\0\x81m\x02\x02\x01\x81n\x02\x01\x01\xff",
        "score-order",
    ),
    ("zset-score-text", b"\xfe\0\x03\x01a\x01\x01m\x03abc", "score-text"),
    ("foreign-opcode", b"\xfe\0\0\x01a\x01b\xdc\0\0\0\0", "foreign-opcode"),
    ("zset-score-nan", b"\xfe\0\x05\x01a\x01\x01m\0\0\0\0\0\0\xf8\x7f", "score-nan"),
    ("lzf-too-short", b"\xfe\0\0\x01a\xc3\x05\x1f\0\x61\xe0\x14\0", "lzf-length"),
    ("lzf-before-the-start", b"\xfe\0\0\x01a\xc3\x05\x1e\0\x61\xe0\x14\x09", "lzf-offset"),
    ("zipmap-long-length", b"\xfe\0\x09\x01a\x0b\x01\xfe\x01\0\0\0f\x01\0v\xff", "zipmap-length"),
    ("zipmap-count-byte", b"\xfe\0\x09\x01a\x07\xff\x01f\x01\0v\xff", "zipmap-count-byte"),
    // A stream of one node, its head, no entries; length, ids and groups.
    (
        "stream-head-end",
        b"\xfe\0\x0f\x01a\x01\x10\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x01\
          \x17\x17\0\0\0\x08\0\x01\x01\0\x01\0\x01\x07\x01\
          \x02\x01\0\x01\0\x01\x03\x01\xff\x01\x01\x01\0",
        "stream-head-end",
    ),
    (
        "stream-entries-added",
        b"\xfe\0\x13\x01a\0\0\0\0\0\0\0\0\x81\x80\0\0\0\0\0\0\0\0",
        "stream-entries-added",
    ),
    ("function-no-newline", b"\xf5\x15#!lua name=l return 1", "function-name"),
    ("function-twice", b"\xf5\x0d#!lua name=l\n\xf5\x0d#!lua name=l\n", "function-duplicate"),
    ("slot-info", b"\xfa\x09slot-info\x035,1", "slot-info"),
];

#[test]
fn each_broken_snapshot_has_its_one_fault() {
    for (name, records, code) in RECORDS {
        check(&fixture(name, &snapshot(b"REDIS0011", records)), 1, code);
    }
}

#[test]
fn what_is_wrong_around_the_records() {
    let sound = snapshot(b"REDIS0011", b"\xfe\0\0\x01a\x01b");
    let mut checksum = sound.clone();
    *checksum.last_mut().unwrap() ^= 1;
    check(&fixture("checksum", &checksum), 1, "checksum");
    check(&fixture("cut-in-a-value", sound.get(..14).unwrap()), 1, "truncated");
    check(&fixture("cut-in-the-checksum", sound.get(..sound.len() - 3).unwrap()), 1, "truncated");
    check(&fixture("no-end-marker", sound.get(..sound.len() - 9).unwrap()), 1, "truncated");
    check(&fixture("version-0", &snapshot(b"REDIS0000", b"")), 1, "version");
    let trailing = [sound.as_slice(), b"\0\0\0"].concat();
    check(&fixture("bytes-behind-the-end", &trailing), 0, "trailing-bytes");
}

#[test]
fn what_they_are_made_of_is_sound() {
    let sound = snapshot(b"REDIS0011", b"\xfe\0\0\x01a\x01b");
    let output = rdbkit().args(["check", "-"]).write_stdin(sound).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
}

/// A snapshot with an end marker and the right checksum.
fn snapshot(magic: &[u8], records: &[u8]) -> Vec<u8> {
    let mut bytes = [magic, records, b"\xff"].concat();
    let checksum = crc64::update(0, &bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

/// The fixture of that name, which must have these bytes.
#[track_caller]
fn fixture(name: &str, bytes: &[u8]) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/broken");
    let path = folder.join(format!("{name}.rdb"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, bytes).unwrap();
    }
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "{name}");
    path
}

#[track_caller]
fn check(path: &Path, status: i32, code: &str) {
    let output = rdbkit().args(["check", "--format", "json"]).arg(path).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    let findings = report.pointer("/sources/0/files/0/findings").and_then(|f| f.as_array());
    // What tells where the damage is comes beside it.
    let codes: Vec<&str> = findings
        .into_iter()
        .flatten()
        .filter(|finding| finding["severity"] != "info")
        .filter_map(|f| f.get("code")?.as_str())
        .collect();
    assert_eq!(codes, [code], "{}: {text}", path.display());
    assert_eq!(output.status.code(), Some(status), "{}", path.display());
}

fn rdbkit() -> Command {
    Command::new(env!("CARGO_BIN_EXE_rdbkit"))
}
