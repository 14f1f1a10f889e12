//! What may be missing, or gone, when a replay comes to its end.
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
use std::time::Duration;

use rdbkit::bytes::slot::slot;
use redis::Value;
use support::client::text;
use support::cluster::Cluster;
use support::replayer::{Replayer, log, snapshot};
use support::sentinel::Watched;
use support::servers::{Kind, Server, require};
use support::wait_until;

/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(60);
const PROGRESS: [&str; 2] = ["GET", "rdbkit:replay:progress"];

type Options = &'static [&'static str];

/// A snapshot and a log, the servers that have what is in them, and how each is replayed.
fn sources(kind: &Kind) -> [(Server, PathBuf, Options); 2] {
    let (one, path) = snapshot(kind, 91, 20_000);
    let (two, logged) = log(kind, 92, (500, 20_000), true);
    [(one, path, &[]), (two, logged, &["--as", "log"])]
}

fn keys(server: &Server) -> i64 {
    match server.connect().cmd(&["DBSIZE"]) {
        Value::Int(keys) => keys,
        other => panic!("DBSIZE answers {other:?}"),
    }
}

fn no_keys_of_ours(server: &Server) {
    assert_eq!(server.connect().cmd(&["KEYS", "rdbkit:*"]), Value::Array(Vec::new()));
}

#[test]
fn a_master_that_lost_its_sentinels_is_enough_for_the_end() {
    let Some(kind) = require("redis-8.0") else { return };
    for (single, mut path, options) in sources(&kind) {
        if options.is_empty() {
            // Whether the target has another database is asked when the first of its keys is due.
            for command in [&["SELECT", "3"][..], &["SET", "last", "1"], &["SELECT", "0"]] {
                single.cmd(command);
            }
            path = single.save();
        }
        let folder = tempfile::tempdir().unwrap();
        let mut watched = Watched::start(&kind, &[]);
        let all = [options, &["--rate", "5000"]].concat();
        let replay = Replayer::start(folder.path(), &path, &watched.url(), &all);
        // Of the log more than the snapshot in front of it.
        wait_until("some of it has arrived", PATIENCE, || keys(&watched.servers[0]) > 900);
        watched.sentinels.iter_mut().for_each(Server::crash);
        let (status, said) = replay.ends();
        assert_eq!(status.code(), Some(0), "{said}");
        let port = watched.servers[0].port();
        let note = format!("no Sentinel of service answers any more: that 127.0.0.1:{port} is");
        assert!(said.contains(&note), "{said}");
        assert!(options.len() == 2 || said.contains("no difference"), "{said}");
        no_keys_of_ours(&watched.servers[0]);
        assert_eq!(watched.servers[0].digest(), single.digest(), "{options:?}");
    }
}

/// Fills a server with keys that it may throw out, which expire before all others.
fn fill_with_what_may_go(server: &Server, tag: &str) {
    let value = "v".repeat(1000);
    let set = |n: usize| {
        ["SET", &format!("{{{tag}}}:{n}"), &value, "PX", "100000"].map(str::to_owned).to_vec()
    };
    server.pipeline(&(0..15_000).map(set).collect::<Vec<_>>());
    let info = text(server.cmd(&["INFO", "memory"]));
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    let limit = used.trim().parse::<u64>().unwrap() + 100_000;
    server.cmd(&["CONFIG", "SET", "maxmemory-policy", "volatile-ttl"]);
    server.cmd(&["CONFIG", "SET", "maxmemory", &limit.to_string()]);
}

#[test]
fn keys_that_a_full_target_throws_out_are_told() {
    let Some(kind) = require("redis-8.0") else { return };
    let server = Server::start(&kind, &[]);
    let cluster = Cluster::start(&kind, &[]);
    let node = &cluster.nodes[cluster.owner(0)];
    let tags = (0..).map(|n: u32| n.to_string());
    let tag = tags.into_iter().find(|tag| cluster.owner(slot(tag.as_bytes())) == cluster.owner(0));
    let tag = tag.unwrap();
    for (_single, path, options) in sources(&kind) {
        for (full, url) in [(&server, server.url()), (node, cluster.url())] {
            let folder = tempfile::tempdir().unwrap();
            fill_with_what_may_go(full, &tag);
            let all = [options, &["--verify", "none"]].concat();
            let all = if options.is_empty() { all } else { options.to_vec() };
            let (status, said) = Replayer::start(folder.path(), &path, &url, &all).ends();
            assert_eq!(status.code(), Some(1), "{said}");
            assert!(
                said.contains("evicted") && said.contains("by the target, which was"),
                "{said}"
            );
            full.cmd(&["CONFIG", "SET", "maxmemory", "0"]);
            // What it threw out before is not this replay's.
            let (status, said) = Replayer::start(folder.path(), &path, &url, &all).ends();
            assert_eq!(status.code(), Some(0), "{said}");
        }
        server.cmd(&["FLUSHALL"]);
        cluster.empty();
    }
}

/// A number that a server tells in its INFO.
fn told(server: &Server, field: &str) -> u64 {
    let info = text(server.connect().cmd(&["INFO"]));
    let line = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap().trim().parse().unwrap()
}

/// Of the keys of the replay those that expire; how many went. What the target remembers of the
/// replay does not expire, and so it stays.
fn throw_some_out(server: &Server) -> u64 {
    server.cmd(&["CONFIG", "SET", "maxmemory-policy", "volatile-lru"]);
    let limit = told(server, "used_memory") - 30_000;
    server.cmd(&["CONFIG", "SET", "maxmemory", &limit.to_string()]);
    wait_until("keys were thrown out", PATIENCE, || told(server, "evicted_keys") >= 10);
    server.cmd(&["CONFIG", "SET", "maxmemory", "0"]);
    told(server, "evicted_keys")
}

#[test]
fn a_replay_that_goes_on_remembers_what_its_target_threw_out() {
    let Some(kind) = require("redis-8.0") else { return };
    let (single, path) = snapshot(&kind, 94, 20_000);
    let nothing: Options = &[];
    for (is_killed, meanwhile) in [
        (false, nothing),
        (true, nothing),
        (false, &["CONFIG", "RESETSTAT"]),
        (false, &["FLUSHALL"]),
    ] {
        let target = Server::start(&kind, &[]);
        let options = ["--verify", "none", "--pipeline", "64kb"];
        let slow = [&options[..], &["--rate", "3000"]].concat();
        let folder = tempfile::tempdir().unwrap();
        let start = || Replayer::start(folder.path(), &path, &target.url(), &slow);
        let mut replay = start();
        // More than one piece of the source, or nothing is kept of it.
        wait_until("some of it has arrived", PATIENCE, || keys(&target) > 12_000);
        if is_killed {
            // One that is killed leaves the state of one that was not.
            replay.interrupt();
            assert_eq!(replay.ends().0.code(), Some(2));
            let before = keys(&target);
            replay = start();
            wait_until("more of it has arrived", PATIENCE, || keys(&target) > before + 500);
        }
        // What has lain idle for long goes first: it has arrived before, and is not sent again.
        replay.stand_still();
        let evicted = throw_some_out(&target);
        assert!(replay.is_at_work());
        if is_killed {
            assert!(replay.kill());
        } else {
            replay.interrupt();
            replay.go_on();
            let (status, said) = replay.ends();
            assert_eq!(status.code(), Some(2), "{said}");
            assert!(said.contains(&format!("evicted    {evicted} keys")), "{said}");
        }
        if !meanwhile.is_empty() {
            target.cmd(meanwhile);
        }
        let folder = tempfile::tempdir().unwrap();
        let (status, said) = Replayer::start(folder.path(), &path, &target.url(), &options).ends();
        if meanwhile == ["FLUSHALL"] {
            // Nothing is missing of what was sent once more.
            assert!(said.contains("begins anew"), "{said}");
            assert_eq!(status.code(), Some(0), "{said}");
            assert_eq!(target.digest(), single.digest());
            continue;
        }
        assert!(said.contains("goes on at offset"), "{said}");
        assert!(keys(&target) < keys(&single), "{said}");
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("evicted    {evicted} keys")), "{said}");
        // Whoever sends all of it again has all of it.
        let (status, said) = Replayer::start(folder.path(), &path, &target.url(), &options).ends();
        assert_eq!(status.code(), Some(0), "{said}");
        assert_eq!(target.digest(), single.digest());
    }
}

/// A server that keeps no log of its own, and is started from what it had saved.
#[test]
fn a_target_that_has_forgotten_the_first_command_is_sent_all_again() {
    let Some(kind) = require("redis-8.0") else { return };
    let (single, path) = log(&kind, 93, (20_000, 20_000), true);
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(&kind, &["--save", ""]);
    let options = ["--as", "log", "--rate", "6000"];
    let replay = Replayer::start(folder.path(), &path, &server.url(), &options);
    let progress = |server: &Server| match server.connect().cmd(&PROGRESS) {
        Value::Nil => String::new(),
        told => text(told),
    };
    wait_until("the snapshot is loaded", PATIENCE, || {
        keys(&server) > 300 && progress(&server).contains(" base ")
    });
    server.save();
    wait_until("commands follow", PATIENCE, || {
        let progress = progress(&server);
        !progress.contains(" base ") && !progress.contains(" 0 0 0 ")
    });
    server.crash();
    server.revive();
    let (status, said) = replay.ends();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(said.contains("came back as it was before the first command"), "{said}");
    assert_eq!(server.digest(), single.digest());
    no_keys_of_ours(&server);
}
