//! No output replaces what it is read from.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const BASE: &str = "D/appendonly.aof.2.base.rdb";
const INCR: &str = "D/appendonly.aof.2.incr.aof";
const MANIFEST: &str = "D/appendonly.aof.manifest";

/// A folder with the directory of a log, `D`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("D")).unwrap();
    for file in [BASE, INCR, MANIFEST] {
        let name = Path::new(file).file_name().unwrap();
        let from = Path::new("fixtures/redis-8.10.2-day-aofdir").join(name);
        fs::copy(from, folder.path().join(file)).unwrap();
    }
    folder
}

/// What lies in a folder and in `D` there.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for place in [folder.to_owned(), folder.join("D")] {
        for entry in fs::read_dir(&place).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                files.insert(path.display().to_string(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn rdbkit(folder: &Path, args: &str, input: Option<&str>) -> Output {
    let input = match input {
        Some(file) => File::open(folder.join(file)).unwrap().into(),
        None => Stdio::null(),
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_rdbkit"));
    command.current_dir(folder).args(args.split(' ')).stdin(input).output().unwrap()
}

/// A call that is refused, and changes nothing.
#[track_caller]
fn refused(args: &str, input: Option<&str>) {
    let folder = folder();
    let before = contents(folder.path());
    let output = rdbkit(folder.path(), args, input);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{args}: {said}");
    let why = ["what is read", "is a part of the log of"];
    assert!(why.iter().any(|why| said.contains(why)), "{args}: {said}");
    assert!(contents(folder.path()) == before, "{args}");
}

#[test]
fn a_part_of_a_log_is_not_replaced_by_what_is_made_of_it() {
    for source in ["D", MANIFEST] {
        for part in [BASE, INCR, MANIFEST] {
            refused(&format!("convert {source} {part} --force"), None);
            let exports = ["export --to csv", "export --to resp"];
            let verbs = ["anonymize", "compact --to aof", "rewrite --join", "merge D"];
            for verb in verbs.into_iter().chain(exports) {
                refused(&format!("{verb} {source} -o {part} --force"), None);
            }
            refused(&format!("replay {source} --save {part} --force"), None);
            refused(&format!("replay {source} --metrics {part}"), None);
            refused(&format!("check {source} --metrics {part}"), None);
            refused(&format!("inspect {source} --by prefix --folded {part} --force"), None);
        }
    }
}

#[cfg(feature = "live")]
#[test]
fn the_state_of_a_load_does_not_replace_what_is_loaded() {
    let to = "--to redis://127.0.0.1:1 --restart --state";
    refused(&format!("replay D {to} {INCR}"), None);
    refused(&format!("replay {INCR} --as log {to} {INCR}"), None);
    refused(&format!("replay D --to redis://127.0.0.1:1 --metrics {INCR}"), None);
}

#[test]
fn a_directory_is_not_replaced_by_what_is_made_of_a_part_of_it() {
    for source in [BASE, INCR, MANIFEST] {
        refused(&format!("convert {source} D --force --to aof-dir"), None);
        refused(&format!("compact {source} -o D --force --to aof-dir"), None);
    }
    refused(&format!("rewrite --split 1kb {INCR} -o D --force"), None);
    refused(&format!("repair {MANIFEST} -o D --force"), None);
}

#[test]
fn what_standard_input_is_read_from_is_not_replaced() {
    refused(&format!("convert - {BASE} --force"), Some(BASE));
    refused("convert - D --force --to aof-dir", Some(BASE));
    refused(&format!("compact - -o {INCR} --force --to aof"), Some(INCR));
    refused(&format!("rewrite - -o {INCR} --force"), Some(INCR));
    refused(&format!("replay - --save {INCR} --force"), Some(INCR));
    refused(&format!("replay - --metrics {INCR}"), Some(INCR));
}

#[test]
fn what_only_lies_beside_the_source_is_replaced() {
    let folder = folder();
    fs::write(folder.path().join("D/old.rdb"), "old").unwrap();
    let before = contents(folder.path());
    let output = rdbkit(folder.path(), "convert D D/old.rdb --force", None);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let after = contents(folder.path());
    let changed: Vec<_> = after.iter().filter(|(name, it)| before.get(*name) != Some(it)).collect();
    assert!(matches!(changed[..], [(name, _)] if name.ends_with("D/old.rdb")), "{changed:?}");
}
