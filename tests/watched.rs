//! A log is watched while its server rewrites it, again and again: no command is missed, and none is
//! counted twice.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rdbkit::ops::watch::{WatchOptions, watch};

use support::servers::{Server, require};

/// How long a watcher may need on a busy machine to see what was written.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whether the server is done with all rewrites.
fn is_done(server: &Server) -> bool {
    let info = format!("{:?}", server.cmd(&["INFO", "persistence"]));
    info.contains("aof_rewrite_in_progress:0") && info.contains("aof_rewrite_scheduled:0")
}

/// Writes through so many rewrites, each of which is seen before the next; how many INCR there were.
fn write(server: &Server, rewrites: u64, seen: &AtomicU64) -> u64 {
    let mut written = 0;
    for number in 1..=rewrites {
        server.cmd(&["BGREWRITEAOF"]);
        let began = Instant::now();
        // On and on, into the file that has just taken the name, too.
        while !is_done(server) || seen.load(Ordering::SeqCst) < number {
            let commands = vec![vec!["INCR", "hits"]; 50];
            written += server.pipeline(&commands).len() as u64;
            assert!(began.elapsed() < PATIENCE, "rewrite {number} is not seen");
        }
    }
    written
}

#[track_caller]
fn check(options: &[&str]) {
    let Some(kind) = require("redis-6.2") else { return };
    let all = [&["--appendonly", "yes", "--appendfsync", "no"][..], options].concat();
    let server = Server::start(&kind, &all);
    server.pipeline(
        &(0..2000)
            .map(|n| ["SET".into(), format!("key:{n}"), "v".into()].to_vec())
            .collect::<Vec<_>>(),
    );
    let log = server.dir().join("appendonly.aof");
    let written = AtomicBool::new(false);
    let rewritten = AtomicU64::new(0);
    let (began, begins) = mpsc::channel();
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let options =
                WatchOptions { interval: Duration::from_millis(100), ..WatchOptions::default() };
            let (mut seen, mut after) = (0, 0);
            watch(&log, &options, &mut |interval| {
                _ = began.send(());
                let incr = interval.names.iter().find(|named| named.name == "INCR");
                seen += incr.map_or(0, |named| named.commands);
                let rewrites = interval.events.iter().filter(|it| it.contains("rewritten")).count();
                rewritten.fetch_add(rewrites as u64, Ordering::SeqCst);
                assert_eq!(interval.skipped_bytes, 0);
                // The next look sees all; a few more are for what would be counted twice.
                after += u32::from(written.load(Ordering::SeqCst));
                Ok(after < 5)
            })
            .unwrap();
            seen
        });
        begins.recv().unwrap();
        let want = write(&server, 6, &rewritten);
        written.store(true, Ordering::SeqCst);
        assert_eq!(watcher.join().unwrap(), want);
        assert_eq!(rewritten.load(Ordering::SeqCst), 6);
    });
}

#[test]
fn nothing_is_missed_where_a_log_is_rewritten_as_a_snapshot() {
    check(&["--aof-use-rdb-preamble", "yes"]);
}

#[test]
fn nothing_is_missed_where_a_log_is_rewritten_as_commands() {
    check(&["--aof-use-rdb-preamble", "no"]);
}
