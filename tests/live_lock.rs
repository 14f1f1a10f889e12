//! Two replays at once are one too many: who is refused, and who follows one that has ended.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use redis::Value;
use support::client::text;
use support::replayer::{Replayer, log, snapshot};
use support::servers::{Kind, Server, require};
use support::wait_until;

const LOCK: &str = "rdbkit:replay:lock";
/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(60);
const SLOW: [&str; 4] = ["--rate", "4000", "--pipeline", "64kb"];

/// A snapshot and a log, how each is replayed, and the servers that have what is in them.
fn sources(kind: &Kind) -> [(Server, PathBuf, &'static str); 2] {
    let (first, rdb) = snapshot(kind, 61, 20_000);
    let (second, aof) = log(kind, 62, (2000, 20_000), false);
    [(first, rdb, "auto"), (second, aof, "log")]
}

/// Another replay, for its exit status and all that it says.
fn another(source: &PathBuf, url: &str, options: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_rdbkit"))
        .arg("replay")
        .arg(source)
        .args(["--to", url, "--no-state"])
        .args(options)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let all = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&all).into_owned())
}

fn owner(server: &Server) -> Option<String> {
    match server.connect().cmd(&["GET", LOCK]) {
        Value::Nil => None,
        owner => Some(text(owner)),
    }
}

fn no_keys_of_ours(server: &Server) {
    match server.cmd(&["KEYS", "rdbkit:*"]) {
        Value::Array(keys) => assert!(keys.is_empty(), "{keys:?}"),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn waits_until_full(server: &Server) {
    wait_until("it is at work", PATIENCE, || {
        server.cmd(&["EXISTS", "rdbkit:replay:progress"]) == Value::Int(1)
    });
    server.cmd(&["CONFIG", "SET", "maxmemory", "1"]);
    wait_until("it waits", PATIENCE, || {
        text(server.cmd(&["INFO", "errorstats"])).contains("errorstat_OOM")
    });
}

#[test]
fn the_second_one_is_refused() {
    let Some(kind) = require("redis-7.0") else { return };
    let server = Server::start(&kind, &[]);
    let folder = tempfile::tempdir().unwrap();
    let sources = sources(&kind);
    for (_, source, form) in &sources {
        let options = [&SLOW[..], &["--no-state", "--as", form]].concat();
        let first = Replayer::start(folder.path(), source, &server.url(), &options);
        wait_until("the first one begins", PATIENCE, || owner(&server).is_some());
        for (_, source, form) in &sources {
            let (code, told) = another(source, &server.url(), &["--as", form]);
            assert!(code == 2 && told.contains("another replay"), "{form}: {told}");
        }
        assert!(first.kill(), "it was at work all the time");
        server.cmd(&["FLUSHALL"]);
    }
}

/// A full server is waited for longer than a lock lasts.
#[test]
fn one_that_waits_keeps_its_lock() {
    let Some(kind) = require("redis-7.0") else { return };
    let server = Server::start(&kind, &[]);
    let folder = tempfile::tempdir().unwrap();
    for (single, source, form) in &sources(&kind) {
        let options = [&SLOW[..], &["--no-state", "--as", form]].concat();
        let first = Replayer::start(folder.path(), source, &server.url(), &options);
        waits_until_full(&server);
        // As if it had waited almost as long as a lock lasts.
        server.cmd(&["PEXPIRE", LOCK, "4000"]);
        thread::sleep(Duration::from_millis(5000));
        let (code, told) = another(source, &server.url(), &["--as", form, "--restart"]);
        assert!(code == 2 && told.contains("another replay"), "{form}: {told}");
        let Value::Int(left) = server.cmd(&["PTTL", LOCK]) else { panic!() };
        assert!(left > 100_000, "{form}: {left}");
        goes_on_and_ends(first, &server, single, form);
    }
}

/// Makes room in a server that was full: the replay that waits for it ends well.
#[track_caller]
fn goes_on_and_ends(replay: Replayer, server: &Server, single: &Server, form: &str) {
    server.cmd(&["CONFIG", "SET", "maxmemory", "0"]);
    replay.succeeds();
    no_keys_of_ours(server);
    assert_eq!(server.digest(), single.digest(), "{form}");
    server.cmd(&["FLUSHALL"]);
    server.cmd(&["CONFIG", "RESETSTAT"]);
}

/// One that waits opens a connection now and then; a second one comes when there is none.
#[test]
fn one_that_is_just_connecting_again_lives() {
    let Some(kind) = require("redis-7.0") else { return };
    let server = Server::start(&kind, &[]);
    let folder = tempfile::tempdir().unwrap();
    for (single, source, form) in &sources(&kind) {
        let options = [&SLOW[..], &["--no-state", "--as", form]].concat();
        let first = Replayer::start(folder.path(), source, &server.url(), &options);
        waits_until_full(&server);
        let name = format!(" name={} ", owner(&server).expect("a lock"));
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let client = server.connect();
                while !is_over.load(Ordering::Relaxed) {
                    let list = text(client.cmd(&["CLIENT", "LIST"]));
                    for line in list.lines().filter(|line| line.contains(&name)) {
                        let id = line.strip_prefix("id=").unwrap().split(' ').next().unwrap();
                        client.cmd(&["CLIENT", "KILL", "ID", id]);
                    }
                }
            });
            let (code, told) = another(source, &server.url(), &["--as", form, "--patience", "10s"]);
            is_over.store(true, Ordering::Relaxed);
            assert!(code == 2 && told.contains("another replay"), "{form}: {told}");
        });
        goes_on_and_ends(first, &server, single, form);
    }
}

/// The lock of one that was killed lasts for two minutes, for which nobody has to wait.
#[test]
fn one_that_was_killed_is_followed_soon() {
    let Some(kind) = require("redis-7.0") else { return };
    let server = Server::start(&kind, &[]);
    let folder = tempfile::tempdir().unwrap();
    for (single, source, form) in &sources(&kind) {
        let start = |options: &[&str]| {
            let options = [options, &["--no-state", "--as", form]].concat();
            Replayer::start(folder.path(), source, &server.url(), &options)
        };
        let first = start(&SLOW);
        wait_until("the first one begins", PATIENCE, || owner(&server).is_some());
        let dead = owner(&server);
        assert!(first.kill(), "it was at work");
        let began = Instant::now();
        let second = start(&[]);
        wait_until("it is followed", PATIENCE, || owner(&server) != dead);
        assert!(began.elapsed() < Duration::from_secs(15), "{form}: {:?}", began.elapsed());
        second.succeeds();
        no_keys_of_ours(&server);
        assert_eq!(server.digest(), single.digest(), "{form}");
        server.cmd(&["FLUSHALL"]);
    }
}
