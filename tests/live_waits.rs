//! What a replay waits for is told: once when it lasts, and once when it is over.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use support::client::text;
use support::cluster::Cluster;
use support::replayer::{Replayer, log, snapshot};
use support::servers::{Server, require};
use support::wait_until;

/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A replay that waits until `over` is done, and what it has told of that.
#[track_caller]
fn told(source: &Path, url: &str, options: &[&str], why: &str, over: impl FnOnce()) {
    let folder = tempfile::tempdir().unwrap();
    let replay = Replayer::start(folder.path(), source, url, options);
    let said = || fs::read_to_string(folder.path().join("replay.log")).unwrap_or_default();
    wait_until("it tells that it waits", PATIENCE, || said().contains("rdbkit: waiting: "));
    assert!(said().contains(why), "{}", said());
    over();
    replay.succeeds();
    for words in ["rdbkit: waiting: ", "rdbkit: goes on after "] {
        assert_eq!(said().matches(words).count(), 1, "{}", said());
    }
}

fn limit(server: &Server, bytes: u64) {
    server.connect().cmd(&["CONFIG", "SET", "maxmemory", &bytes.to_string()]);
}

fn used(server: &Server) -> u64 {
    let info = text(server.connect().cmd(&["INFO", "memory"]));
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    used.trim().parse().unwrap()
}

#[test]
fn what_is_waited_for_is_told() {
    let Some(kind) = require("redis-8.0") else { return };
    let (_one, path) = snapshot(&kind, 71, 20_000);
    let (_two, logged) = log(&kind, 72, (5000, 60_000), true);
    let server = Server::start(&kind, &["--busy-reply-threshold", "100"]);
    let url = server.url();
    let keys: &[&str] = &["--no-state", "--verify", "none", "--pipeline", "64kb"];
    for (source, options) in [(&path, keys), (&logged, &["--as", "log"])] {
        limit(&server, used(&server) + 700_000);
        told(source, &url, options, "OOM command not allowed", || limit(&server, 0));
        server.cmd(&["FLUSHALL"]);

        // At the beginning.
        let busy = server.connect();
        thread::scope(|scope| {
            // The answer comes when it is killed.
            scope.spawn(|| busy.cmd(&["EVAL", "while true do end", "0"]));
            wait_until("the server is busy", PATIENCE, || !server.accepts(&["PING"]));
            told(source, &url, options, "BUSY Redis is busy", || {
                server.cmd(&["SCRIPT", "KILL"]);
            });
        });
        server.cmd(&["FLUSHALL"]);
    }

    // Whoever wants to hear nothing hears nothing.
    limit(&server, used(&server) + 700_000);
    let folder = tempfile::tempdir().unwrap();
    let quiet = [keys, &["--quiet", "--patience", "4s"]].concat();
    let (status, said) = Replayer::start(folder.path(), &path, &url, &quiet).ends();
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains("OOM") && !said.contains("waiting: "), "{said}");
}

#[test]
fn what_a_node_is_waited_for_is_told() {
    let Some(kind) = require("redis-8.0") else { return };
    let (_one, path) = snapshot(&kind, 73, 3000);
    let (_two, logged) = log(&kind, 74, (500, 8000), true);
    let cluster = Cluster::start(&kind, &[]);
    let node = &cluster.nodes[cluster.owner(0)];
    let keys: &[&str] = &["--no-state", "--verify", "none"];
    for (source, options) in [(&path, keys), (&logged, &["--as", "log"])] {
        limit(node, 1);
        told(source, &cluster.url(), options, "OOM command not allowed", || limit(node, 0));
        cluster.empty();
    }
}
