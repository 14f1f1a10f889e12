//! How many keys have to be there behind a replay, and what is said of those that are not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use support::client::text;
use support::servers::{Server, require};

/// Keys without expiry, some that expire far away, and a few names in a second database.
fn source(single: &Server, path: &Path) {
    for n in 0..20_000 {
        let key = format!("key:{n}");
        match n % 100 {
            0 => single.cmd(&["SET", &key, "v", "PXAT", "4102444800000"]),
            _ => single.cmd(&["SET", &key, "v"]),
        };
    }
    let other = single.connect();
    other.cmd(&["SELECT", "1"]);
    for n in 0..7 {
        other.cmd(&["SET", &format!("key:{n}"), "w"]);
    }
    std::fs::copy(single.save(), path).unwrap();
}

fn replay(path: &Path, server: &Server, options: &[&str]) -> std::process::Child {
    Command::new(env!("CARGO_BIN_EXE_rdbkit"))
        .args(["replay", path.to_str().unwrap(), "--to", &server.url(), "--no-state"])
        .args(options)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap()
}

#[track_caller]
fn ends(child: std::process::Child, code: i32, word: &str) {
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(word), "{word}: {said}");
}

#[test]
fn keys_that_cannot_have_expired_are_missing() {
    let Some(kind) = require("redis-8.0") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump.rdb");
    source(&Server::start(&kind, &[]), &path);
    let server = Server::start(&kind, &[]);
    for more in [&[][..], &["--rename", "none:*=other:*"], &["--map-db", "9=8"]] {
        let options = [&["--rate", "10000"], more].concat();
        let replay = replay(&path, &server, &options);
        // Somebody else deletes keys that have arrived.
        while text(server.cmd(&["INFO", "keyspace"])).lines().count() < 2 {
            sleep(Duration::from_millis(10));
        }
        sleep(Duration::from_millis(500));
        for _ in 0..5 {
            let key = text(server.cmd(&["RANDOMKEY"]));
            server.cmd(&["DEL", &key]);
        }
        ends(replay, 1, "instead of 20,007");
        server.cmd(&["FLUSHALL"]);
    }
    ends(replay(&path, &server, &[]), 0, "20,007, as sent");
}

#[test]
fn names_that_become_one_are_told() {
    let Some(kind) = require("redis-8.0") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump.rdb");
    source(&Server::start(&kind, &[]), &path);
    let server = Server::start(&kind, &[]);
    ends(
        replay(&path, &server, &["--map-db", "1=0"]),
        1,
        "7 keys of the source got the name of another one",
    );
    server.cmd(&["FLUSHALL"]);
    ends(replay(&path, &server, &["--map-db", "1=3"]), 0, "20,007, as sent");
}
