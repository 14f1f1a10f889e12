//! A file that is one part of a log in several files: what is made of it alone is not the log, and
//! it is no file that something else may take the place of.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rdbkit::resp::encode;

fn log(lines: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for line in lines.split("; ") {
        encode::command(&mut out, line.split(' ').collect::<Vec<_>>());
    }
    out
}

const BASE: &str = "appendonly.aof.1.base.aof";
const INCREMENT: &str = "appendonly.aof.1.incr.aof";
const HISTORY: &str = "appendonly.aof.0.incr.aof";

/// A log as a server leaves it: what it deletes stands in the base.
fn directory(at: &Path) -> PathBuf {
    let folder = at.join("appendonlydir");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join(BASE), log("SELECT 0; SET a 1; SET n 5")).unwrap();
    fs::write(folder.join(INCREMENT), log("SELECT 0; INCR n; DEL a")).unwrap();
    fs::write(folder.join(HISTORY), log("SELECT 0; SET a 1")).unwrap();
    let manifest = format!(
        "file {BASE} seq 1 type b\nfile {HISTORY} seq 1 type h\nfile {INCREMENT} seq 1 type i\n"
    );
    fs::write(folder.join("appendonly.aof.manifest"), manifest).unwrap();
    folder
}

/// What a call answers: the exit status, and all that it says.
fn ends(args: &[&str], at: &Path) -> (Option<i32>, String) {
    let mut call = Command::new(env!("CARGO_BIN_EXE_rdbkit"));
    let done = call.args(args).current_dir(at).env("NO_COLOR", "1").output().unwrap();
    let said = [done.stdout, done.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    (done.status.code(), said.concat())
}

#[test]
fn a_part_that_a_manifest_lists_is_replaced_by_nobody() {
    let at = tempfile::tempdir().unwrap();
    let folder = directory(at.path());
    fs::write(at.path().join("other.aof"), log("SELECT 0; SET b 1")).unwrap();
    let (base, increment) = (format!("appendonlydir/{BASE}"), format!("appendonlydir/{INCREMENT}"));
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.join(INCREMENT), at.path().join("link.aof")).unwrap();
    let before = [BASE, INCREMENT].map(|name| fs::read(folder.join(name)).unwrap());
    let calls: &[&[&str]] = &[
        &["compact", &increment, "--in-place", "--target", "redis:8.10"],
        &["compact", &base, "--in-place", "--target", "redis:8.10"],
        #[cfg(unix)]
        &["compact", "link.aof", "--in-place", "--target", "redis:8.10"],
        &["rewrite", &increment, "--in-place", "--drop", "del"],
        &["rewrite", "other.aof", "-o", &increment, "--force", "--drop", "del"],
        &["convert", "other.aof", &base, "--to", "aof", "--force", "--target", "redis:8.10"],
        &["compact", "other.aof", "-o", &base, "--to", "rdb", "--force"],
        &["repair", "other.aof", "-o", &increment, "--force"],
    ];
    for &call in calls {
        let (status, said) = ends(call, at.path());
        assert_eq!(status, Some(2), "{call:?}: {said}");
        assert!(said.contains("is a part of the log of "), "{call:?}: {said}");
        assert!(said.contains("appendonly.aof.manifest"), "{call:?}: {said}");
        for (name, bytes) in [BASE, INCREMENT].iter().zip(&before) {
            assert!(fs::read(folder.join(name)).unwrap() == *bytes, "{call:?}: {name}");
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 4, "{call:?}");
    }
    // What is only history is loaded by nobody, nor is what no manifest lists.
    let history = format!("appendonlydir/{HISTORY}");
    let call = ["compact", &history, "--in-place", "--target", "redis:8.10"];
    let (status, said) = ends(&call, at.path());
    assert_eq!(status, Some(0), "{said}");
    fs::remove_file(folder.join("appendonly.aof.manifest")).unwrap();
    let call = ["compact", &increment, "--in-place", "--target", "redis:8.10"];
    let (status, said) = ends(&call, at.path());
    assert_eq!(status, Some(0), "{said}");
}

#[test]
fn a_part_that_is_run_alone_is_told_of() {
    let at = tempfile::tempdir().unwrap();
    let folder = directory(at.path());
    let increment = format!("appendonlydir/{INCREMENT}");
    let calls: &[&[&str]] = &[
        &["compact", &increment, "-o", "out", "--to", "rdb", "--force"],
        &["convert", &increment, "out", "--to", "rdb", "--force", "--target", "redis:8.10"],
    ];
    let says = "alone";
    for &call in calls {
        let (status, said) = ends(call, at.path());
        assert_eq!(status, Some(0), "{call:?}: {said}");
        assert!(said.contains("run alone"), "{call:?}: {said}");
        assert!(said.contains("appendonlydir/appendonly.aof.manifest"), "{call:?}: {said}");
        let (_, said) = ends(&[call, &["--format", "json"]].concat(), at.path());
        let json: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!(json["part_of"], "appendonlydir/appendonly.aof.manifest", "{call:?}");
    }
    // All of the log, and a part that is all that there is in it.
    let whole = [&["compact", "appendonlydir", "-o", "out", "--to", "rdb", "--force"]];
    let (status, said) = ends(whole[0], at.path());
    assert!(status == Some(0) && !said.contains(says), "{said}");
    fs::write(folder.join(BASE), "").unwrap();
    let (status, said) = ends(calls[0], at.path());
    assert!(status == Some(0) && !said.contains(says), "{said}");
}
