//! The small programs of examples/ do what they say.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, missing_docs, reason = "tests")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs an example. Cargo builds them before it runs all tests, and not where it runs some.
fn example(name: &str, args: &[&str], input: Option<&str>) -> Option<Output> {
    let program = Path::new(env!("CARGO_BIN_EXE_rdbkit")).with_file_name("examples").join(name);
    if !program.exists() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "no example {name}");
        eprintln!("SKIPPED: the example {name} is not built; run cargo build --examples");
        return None;
    }
    let mut command = Command::new(program);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(args).stdin(Stdio::null());
    if let Some(input) = input {
        command.stdin(fs::File::open(input).unwrap());
    }
    Some(command.output().unwrap())
}

fn out(done: &Output) -> String {
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout.clone()).unwrap()
}

const ALL: &str = "fixtures/redis-8.10.2-alltypes.rdb";

#[test]
fn biggest_lists_ten_keys() {
    let Some(done) = example("biggest", &[ALL], None) else { return };
    let text = out(&done);
    assert_eq!(text.lines().count(), 10);
    assert!(text.starts_with("       17256  list     db 0   \"list:bigitems\""), "{text}");
}

#[test]
fn copy_copies_the_keys_with_a_prefix() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("hashes.rdb");
    let name = to.display().to_string();
    let Some(done) = example("copy", &[ALL, "hash:", &name], None) else { return };
    let keys = out(&done);
    let count = |filter: &[&str], path: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rdbkit"));
        let done = command.args(["keys", "--format=csv", path]).args(filter).output().unwrap();
        out(&done).lines().count() - 1
    };
    let copied = count(&[], &name);
    assert_eq!(copied, count(&["--prefix=hash:"], ALL));
    assert_eq!(keys, format!("{copied} keys\n"));
}

#[test]
fn ask_answers_as_a_server_does() {
    let Some(done) = example("ask", &["fixtures/annotations.aof", "DBSIZE"], None) else { return };
    let text = out(&done);
    assert!(text.ends_with("Int(2)\n"), "{text}");
}

#[test]
fn stream_keeps_what_is_sound() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("backup.rdb");
    let name = to.display().to_string();
    let broken = Some("fixtures/broken/checksum.rdb");
    let Some(refused) = example("stream", &[&name], broken) else { return };
    assert!(!refused.status.success() && !to.exists());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("not sound"));
    let size = fs::metadata(ALL).unwrap().len();
    let Some(done) = example("stream", &[&name], Some(ALL)) else { return };
    assert_eq!(out(&done), format!("{size} bytes, sound\n"));
    assert_eq!(fs::read(&to).unwrap(), fs::read(ALL).unwrap());
}
