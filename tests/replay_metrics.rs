//! The figures of a `replay` that fails say so, and do not go on saying what an earlier one came to.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use std::fs;
use std::path::Path;
use std::process::Command;

fn replay(folder: &Path, args: &[&str]) -> i32 {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rdbkit"));
    command.env_remove("RDBKIT_CONFIG").env("XDG_CONFIG_HOME", "/nowhere");
    let done = command.current_dir(folder).arg("replay").args(args).output().unwrap();
    done.status.code().unwrap()
}

#[test]
fn a_replay_that_fails_is_not_complete() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let metrics = folder.join("r.prom");
    let log = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";
    fs::write(folder.join("sound.aof"), log).unwrap();
    fs::write(folder.join("cut.aof"), [log, &log[..20]].concat()).unwrap();
    fs::write(folder.join("broken.aof"), [log, &b"nonsense\r\n"[..]].concat()).unwrap();
    let complete = |verb: &str, source: &str, want: Option<u8>| {
        let text = fs::read_to_string(&metrics).unwrap();
        let name = format!("rdbkit_{verb}_complete{{");
        let line = text.lines().find(|line| line.starts_with(&name)).unwrap_or_default();
        assert_eq!(line.contains(source), want.is_some(), "{text}");
        assert_eq!(line.rsplit(' ').next().and_then(|n| n.parse().ok()), want, "{text}");
        assert!(text.contains("rdbkit_last_run_timestamp_seconds{verb=\"replay\"}"), "{text}");
    };
    let with = ["--metrics", "r.prom"];
    for (source, status, want) in [
        ("sound.aof", 0, 1),
        ("broken.aof", 1, 0),
        ("sound.aof", 0, 1),
        ("cut.aof", 1, 0),
        ("none.aof", 2, 0),
    ] {
        assert_eq!(replay(folder, &[&[source][..], &with].concat()), status, "{source}");
        complete("replay", source, Some(want));
    }
    let to = ["--to", "redis://:secret@127.0.0.1:1", "--no-state", "--patience", "1s"];
    assert_eq!(replay(folder, &[&["sound.aof"][..], &to, &with].concat()), 2);
    complete("load", "sound.aof", Some(0));
    let text = fs::read_to_string(&metrics).unwrap();
    assert!(text.contains("127.0.0.1:1") && !text.contains("secret"), "{text}");
}

/// Not even a source that cannot be read is written over.
#[test]
fn nothing_but_figures_is_replaced_by_those_of_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("broken.aof"), "*1\r\n$3\r\nnonsense").unwrap();
    fs::write(folder.join("text"), "mine").unwrap();
    for metrics in ["broken.aof", "text"] {
        let before = fs::read(folder.join(metrics)).unwrap();
        let status = replay(folder, &["broken.aof", "--metrics", metrics]);
        assert_ne!(status, 0);
        assert_eq!(fs::read(folder.join(metrics)).unwrap(), before, "{metrics}");
    }
}
