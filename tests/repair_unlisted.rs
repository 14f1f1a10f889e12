//! Parts that lie in a directory and that its manifest does not list: a server does not load them,
//! a repair leaves them out, and says so.

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

use rdbkit::ops::repair::{RepairOptions, RepairReport, repair};
use rdbkit::ops::walk::Silent;
use rdbkit::resp::encode;
use rdbkit::source::{Locator, OpenOptions, open};

/// A directory of parts that hold something, and of empty ones, which have a `0` in front.
fn directory(at: &Path, parts: &str, manifest: &str) {
    for part in parts.split(' ') {
        let mut bytes = Vec::new();
        encode::command(&mut bytes, ["SELECT", "0"]);
        encode::command(&mut bytes, ["SET", part, "1"]);
        let (name, bytes) = match part.strip_prefix('0') {
            Some(name) => (name, Vec::new()),
            None => (part, bytes),
        };
        fs::write(at.join(file(name)), bytes).unwrap();
    }
    let mut text = String::new();
    for line in manifest.split(' ') {
        text += &match line.split_at(1) {
            ("!", _) => "file\n".to_owned(),
            (kind, name) => format!("file {} seq {} type {kind}\n", file(name), &name[1..]),
        };
    }
    fs::write(at.join("appendonly.aof.manifest"), text).unwrap();
}

/// `b1` is a base, `i1` an increment.
fn file(short: &str) -> String {
    let (kind, seq) = short.split_at(1);
    let kind = if kind == "b" { "base" } else { "incr" };
    format!("appendonly.aof.{seq}.{kind}.aof")
}

fn repaired(at: &Path) -> RepairReport {
    let source = open(&Locator::Path(at.to_owned()), &OpenOptions::default()).unwrap();
    let options = RepairOptions { dry_run: true, ..RepairOptions::default() };
    repair(source, Path::new(""), &options, &Silent).unwrap()
}

/// The manifest is a list of types and names; `!` is a line that no server takes.
#[track_caller]
fn check(parts: &str, manifest: &str, left_out: &[&str], lossless: bool) {
    let folder = tempfile::tempdir().unwrap();
    directory(folder.path(), parts, manifest);
    let report = repaired(folder.path());
    let notes = report.files_notes.iter().filter(|note| note.code == "unlisted-part");
    let texts: Vec<&str> = notes.map(|note| note.text.as_str()).collect();
    assert_eq!(texts.len(), left_out.len(), "{parts}: {texts:?}");
    for (text, name) in texts.iter().zip(left_out) {
        assert!(text.contains(&file(name)) && text.contains("left out"), "{text}");
    }
    assert_eq!(report.is_lossless(), lossless, "{parts}: {:?}", report.files_notes);
    if !left_out.is_empty() {
        assert!(!report.was_sound(), "{parts}");
    }
}

#[test]
fn what_no_manifest_lists_is_left_out_with_a_doubt() {
    check("b1 i1 i2", "bb1 ii1 ii2", &[], true);
    // A base that nobody lists, and a gap.
    check("b1 i1 i2", "ii1 ii2", &["b1"], false);
    check("b1 i1 i2", "bb1 ii2", &["i1"], false);
    check("b1 i1 i2 i3", "bb1 ii1", &["i2", "i3"], false);
    // A rewrite that ended early leaves one that holds nothing.
    check("b1 i1 0i2", "bb1 ii1", &["i2"], true);
    check("b1 i1 i2 0i3", "bb1 ii1", &["i2", "i3"], false);
    // What is history is known.
    check("b2 i1 i2", "bb2 hi1 ii2", &[], true);
}

#[test]
fn another_line_that_is_broken_does_not_make_it_less() {
    // What fits the broken line is listed; a second base does not.
    check("b1 b2 i2", "bb1 ! ii2", &["b2"], false);
    check("b1 i1 i2", "bb1 ! ii2", &[], true);
}

#[test]
fn the_text_calls_it_a_doubt_and_the_exit_status_is_1() {
    let folder = tempfile::tempdir().unwrap();
    directory(folder.path(), "b1 i1", "ii1");
    let mut call = std::process::Command::new(env!("CARGO_BIN_EXE_rdbkit"));
    let done = call.args(["repair", "--dry-run", "--color=never"]).arg(folder.path());
    let done = done.output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains("  doubt  \"appendonly.aof.1.base.aof\" "), "{said}");
    assert!(!said.contains("was sound") && !said.contains("nothing is lost"), "{said}");
}
