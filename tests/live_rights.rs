//! The rights that the README names are those that a replay needs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::thread::{self, sleep};
use std::time::Duration;

use redis::Value;
use support::client::text;
use support::cluster::Cluster;
use support::replayer::Replayer;
use support::sentinel::Watched;
use support::servers::{Kind, Server, require};

/// What is sent: strings, lists as payloads, and what the commands of the log do.
const SENT: &str = "~app:* +set +mset +restore +incr +rpush +dump +pttl";

/// A server with a snapshot and a log of the same keys, and what it has left.
fn sources(kind: &Kind) -> (Server, PathBuf, PathBuf) {
    let server = Server::start(kind, &["--appendonly", "yes", "--appendfsync", "no"]);
    let client = server.connect();
    let mut commands: Vec<Vec<String>> = Vec::new();
    let words = |line: String| line.split(' ').map(str::to_owned).collect::<Vec<String>>();
    for n in 0..1500 {
        commands.push(words(format!("SET app:{n} v")));
        commands.push(words(format!("INCR app:c:{}", n % 50)));
        commands.push(words(format!("RPUSH app:l:{} {n}", n % 50)));
    }
    client.pipeline(&commands);
    let snapshot = server.save();
    let log = server.dir().join("appendonlydir");
    (server, snapshot, log)
}

/// Lets a user in who may do this much.
fn user(server: &Server, own: &str) {
    let selector = format!("(~rdbkit:replay:* {own})");
    let mut words = vec!["ACL", "SETUSER", "app", "reset", "on", ">word"];
    words.extend(SENT.split(' '));
    words.push(&selector);
    assert_eq!(server.connect().cmd(&words), Value::Okay, "{own}");
    server.connect().cmd(&["ACL", "LOG", "RESET"]);
}

/// The commands that the user was denied, but for a question that may stay without an answer.
fn denied(server: &Server) -> BTreeSet<String> {
    let Value::Array(entries) = server.connect().cmd(&["ACL", "LOG", "128"]) else {
        panic!("no log")
    };
    let object = |entry: Value| {
        let Value::Array(fields) = entry else { panic!("{entry:?}") };
        let is_name = |field: &Value| matches!(field, Value::BulkString(name) if name == b"object");
        let at = fields.iter().position(is_name);
        text(fields[at.unwrap() + 1].clone())
    };
    entries.into_iter().map(object).filter(|name| name != "config|get").collect()
}

/// What a replay keeps, and asks of every server.
const KEPT: &str = "+get +set +del +pttl +pexpire +info +select +client";
/// For `--as log`, and for taking over from one that was killed.
const GUARDED: &str = "+watch +unwatch +multi +exec";
const SENTINEL: &str = "+role +wait";
const CLUSTER: &str = "+cluster +asking +wait";

const KEYS: &[&str] = &["--no-state", "--verify", "full", "--rate", "600"];
const LOG: &[&str] = &["--as", "log", "--rate", "2000"];

fn logged_in(url: &str) -> String {
    url.replace("://", "://app:word@")
}

/// Replays, once more after it was killed if that is asked for; whether it ended well.
fn replays(source: &Path, url: &str, options: &[&str], is_killed: bool) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let replay = || Replayer::start(folder.path(), source, &logged_in(url), options);
    if is_killed {
        let replay = replay();
        sleep(Duration::from_millis(900));
        replay.kill();
    }
    replay().ends().0.success()
}

#[test]
fn the_rights_of_the_readme_are_enough() {
    let readme = include_str!("../README.md").replace('\n', " ");
    for rights in [KEPT, GUARDED, SENTINEL, CLUSTER] {
        assert!(readme.contains(&format!("`{rights}`")), "{rights}");
    }
    let Some(kind) = require("redis-8.0") else { return };
    let (left, snapshot, log) = sources(&kind);
    let server = Server::start(&kind, &[]);
    let watched = Watched::start(&kind, &[]);
    let cluster = Cluster::start(&kind, &[]);
    let with_guard = format!("{KEPT} {GUARDED}");
    for (source, options, rights) in [(&snapshot, KEYS, KEPT), (&log, LOG, &with_guard)] {
        user(&server, rights);
        assert!(replays(source, &server.url(), options, false));
        assert_eq!((denied(&server), server.digest()), (BTreeSet::new(), left.digest()));
        server.cmd(&["FLUSHALL"]);

        user(&server, &with_guard);
        assert!(replays(source, &server.url(), options, true));
        assert_eq!((denied(&server), server.digest()), (BTreeSet::new(), left.digest()));
        server.cmd(&["FLUSHALL"]);

        user(watched.master(), &format!("{rights} {SENTINEL}"));
        assert!(replays(source, &watched.url(), options, false));
        assert_eq!((denied(watched.master()), watched.digest()), (BTreeSet::new(), left.digest()));
        watched.cmd(&["FLUSHALL"]);

        cluster.nodes.iter().for_each(|node| user(node, &format!("{rights} {CLUSTER}")));
        assert!(replays(source, &cluster.url(), options, false));
        let all: BTreeSet<String> = cluster.nodes.iter().flat_map(denied).collect();
        assert_eq!((all, cluster.digest()), (BTreeSet::new(), left.digest()));
        cluster.empty();
    }
}

/// Whoever lacks one of them is denied something, or told which ones it takes.
#[test]
fn each_of_the_rights_is_used() {
    let Some(kind) = require("redis-8.0") else { return };
    let (_left, snapshot, _) = sources(&kind);
    let all: Vec<&str> = KEPT.split(' ').chain(GUARDED.split(' ')).collect();
    // What is given back where somebody else was faster.
    let tried = all.iter().filter(|right| **right != "+unwatch");
    thread::scope(|scope| {
        for lacking in tried {
            let (kind, snapshot, all) = (&kind, &snapshot, &all);
            scope.spawn(move || {
                let server = Server::start(kind, &[]);
                let rights: Vec<&str> = all.iter().copied().filter(|it| it != lacking).collect();
                user(&server, &rights.join(" "));
                // Where nobody tells who is connected, a lock has to expire.
                replays(snapshot, &server.url(), KEYS, *lacking != "+client");
                let name = lacking.trim_start_matches('+');
                let denied = denied(&server);
                // What is allowed for other keys is denied for this one.
                let is_it = |it: &String| {
                    it.split('|').next() == Some(name) || it.starts_with("rdbkit:replay:")
                };
                assert!(denied.iter().any(is_it), "{lacking}: {denied:?}");
            });
        }
    });
    let watched = Watched::start(&kind, &[]);
    user(watched.master(), KEPT);
    let folder = tempfile::tempdir().unwrap();
    let url = logged_in(&watched.url());
    let (status, told) = Replayer::start(folder.path(), &snapshot, &url, KEYS).ends();
    assert_eq!(status.code(), Some(2), "{told}");
    assert!(told.contains("'role'") && told.contains(SENTINEL) && told.contains(KEPT), "{told}");
}
