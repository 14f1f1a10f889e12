//! Masters that are deposed and do not know it, because they hang or are cut off: whoever is connected
//! to one finds the new one, long before the old one has been silent for too long.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rdbkit::bytes::slot::slot;
use redis::Value;
use support::client::text;
use support::cluster::Cluster;
use support::replayer::{Replayer, fill, log, snapshot};
use support::sentinel::Watched;
use support::servers::{Server, require};
use support::wait_until;

/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long servers may be silent: longer than any test takes.
const TIMEOUT: [&str; 2] = ["--timeout", "100000"];

fn keys(server: &Server) -> i64 {
    match server.connect().cmd(&["DBSIZE"]) {
        Value::Int(keys) => keys,
        other => panic!("DBSIZE answers {other:?}"),
    }
}

/// How they are replayed.
type Options = &'static [&'static str];

/// The servers of a snapshot and of a log, and what they have left.
fn sources() -> Option<[(Server, PathBuf, Options); 2]> {
    let kind = require("redis-8.0")?;
    let (one, path) = snapshot(&kind, 61, 20_000);
    let (two, logged) = log(&kind, 62, (1000, 60_000), true);
    Some([(one, path, &["--verify", "none"]), (two, logged, &["--as", "log"])])
}

#[test]
fn a_master_that_hangs_is_left_when_the_sentinels_name_another() {
    let (Some(kind), Some(sources)) = (require("redis-8.0"), sources()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let watched = Watched::start(&kind, &[]);
    for (single, path, options) in sources {
        let options = [options, &TIMEOUT, &["--rate", "9000"]].concat();
        let replay = Replayer::start(folder.path(), &path, &watched.url(), &options);
        let master = watched.master();
        wait_until("some of it has arrived", PATIENCE, || keys(master) > 300);
        master.hang();
        replay.succeeds();
        assert!(master.hangs() && watched.master_port() != master.port());
        master.go_on();
        watched.settled();
        assert_eq!(watched.digest(), single.digest(), "{options:?}");
        watched.cmd(&["FLUSHALL"]);
    }
}

/// A master that serves the replay and nobody else: neither replicas nor Sentinels are let in.
#[test]
fn a_master_that_is_cut_off_is_left_when_the_sentinels_name_another() {
    let (Some(kind), Some(sources)) = (require("redis-8.0"), sources()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let watched = Watched::start(&kind, &[]);
    for server in &watched.servers {
        let user = ["ACL", "SETUSER", "app", "on", ">word", "~*", "&*", "+@all"];
        assert!(server.accepts(&user));
    }
    let url = watched.url().replace("sentinel://", "sentinel://app:word@");
    for (single, path, options) in sources {
        // So slowly that it would take much longer than a failover.
        let slow = [options, &TIMEOUT, &["--rate", "500"]].concat();
        let master = watched.master();
        let ours = master.connect();
        ours.cmd(&["AUTH", "app", "word"]);
        let mut replay = Replayer::start(folder.path(), &path, &url, &slow);
        wait_until("some of it has arrived", PATIENCE, || keys(master) > 300);
        ours.cmd(&["ACL", "SETUSER", "default", "off"]);
        ours.cmd(&["CLIENT", "KILL", "TYPE", "replica"]);
        ours.cmd(&["CLIENT", "KILL", "USER", "default"]);
        wait_until("another one is master", PATIENCE, || watched.master_port() != master.port());
        wait_until("the replay has left", PATIENCE, || {
            !text(ours.cmd(&["CLIENT", "LIST"])).contains("name=rdbkit-")
        });
        let new = watched.master();
        wait_until("it goes on elsewhere", PATIENCE, || {
            text(new.connect().cmd(&["CLIENT", "LIST"])).contains("name=rdbkit-")
        });
        assert!(replay.is_at_work());
        // Nobody has told it that it is none.
        assert!(text(ours.cmd(&["INFO", "replication"])).contains("role:master"));
        replay.kill();
        ours.cmd(&["ACL", "SETUSER", "default", "on"]);
        watched.settled();
        Replayer::start(folder.path(), &path, &url, options).succeeds();
        assert_eq!(watched.digest(), single.digest(), "{options:?}");
        watched.cmd(&["FLUSHALL"]);
    }
}

#[test]
fn a_master_that_hangs_is_left_when_another_node_has_its_slots() {
    let (Some(kind), Some(sources)) = (require("redis-8.0"), sources()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(&kind, &[]);
    for (single, path, options) in sources {
        let options = [options, &TIMEOUT, &["--rate", "9000"]].concat();
        let replay = Replayer::start(folder.path(), &path, &cluster.url(), &options);
        let master = &cluster.nodes[cluster.owner(0)];
        wait_until("some of it has arrived", PATIENCE, || keys(master) > 100);
        master.hang();
        replay.succeeds();
        assert!(master.hangs());
        master.go_on();
        cluster.settled();
        assert_eq!(cluster.digest(), single.digest(), "{options:?}");
        cluster.empty();
    }
}

/// A backup that follows, ended when dropped.
struct Following(Child);

impl Following {
    fn start(url: &str, folder: &Path) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_rdbkit"))
            .args(["backup", url, "--follow", "-o", folder.to_str().unwrap()])
            .args(TIMEOUT)
            .stdin(Stdio::null())
            .spawn();
        Following(child.unwrap())
    }

    fn stop(mut self) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether these words are in a log below a directory.
fn has(folder: &Path, words: &str) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else { return false };
    entries.flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return has(&path, words);
        }
        let text = std::fs::read(&path).unwrap_or_default();
        String::from_utf8_lossy(&text).contains(words)
    })
}

#[test]
fn a_backup_leaves_a_master_that_hangs() {
    let Some(kind) = require("redis-8.0") else { return };
    let folder = tempfile::tempdir().unwrap();
    let watched = Watched::start(&kind, &[]);
    watched.cmd(&["SET", "before", "v"]);
    let to = folder.path().join("log");
    let following = Following::start(&watched.url(), &to);
    wait_until("it follows", PATIENCE, || to.join("rdbkit-follow.json").exists());
    let master = watched.master();
    master.hang();
    wait_until("another one is master", PATIENCE, || watched.master_port() != master.port());
    let new = watched.master();
    wait_until("it takes writes", PATIENCE, || {
        new.connect().cmd(&["SET", "behind", "v"]) == Value::Okay
    });
    wait_until("what came behind is there", PATIENCE, || has(&to, "behind"));
    assert!(master.hangs());
    following.stop();
    let output = Command::new(env!("CARGO_BIN_EXE_rdbkit"))
        .args(["digest", to.to_str().unwrap()])
        .output()
        .unwrap();
    let digest = String::from_utf8(output.stdout).unwrap();
    assert!(digest.starts_with(&watched.digest()), "{digest}");

    let cluster = Cluster::start(&kind, &[]);
    cluster.tells_of_replicas();
    let to = folder.path().join("logs");
    let following = Following::start(&cluster.url(), &to);
    let owner = cluster.owner(0);
    let master = &cluster.nodes[owner];
    let replica = &cluster.nodes[cluster.replica_of(owner)];
    let mut keys = (0..).map(|n| format!("behind:{n}"));
    let key = keys.find(|key| cluster.owner(slot(key.as_bytes())) == owner).unwrap();
    wait_until("all are followed", PATIENCE, || {
        let logs = std::fs::read_dir(&to).into_iter().flatten().flatten();
        logs.filter(|log| log.path().join("rdbkit-follow.json").exists()).count() == 3
    });
    master.hang();
    wait_until("the replica takes writes", PATIENCE, || {
        replica.connect().cmd(&["SET", &key, "v"]) == Value::Okay
    });
    wait_until("what came behind is there", PATIENCE, || has(&to, &key));
    assert!(master.hangs());
    following.stop();
}

#[test]
fn a_backup_begins_anew_with_the_new_master() {
    let Some(kind) = require("redis-8.0") else { return };
    let watched = Watched::start(&kind, &[]);
    fill(watched.master(), 63, 3000);
    watched.settled();
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("dump.rdb");
    // So slowly that it would not come to its end.
    watched.cmd(&["CONFIG", "SET", "rdb-key-save-delay", "100000"]);
    let child = Command::new(env!("CARGO_BIN_EXE_rdbkit"))
        .args(["backup", &watched.url(), "-o", to.to_str().unwrap()])
        .args(TIMEOUT)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("the snapshot is under way", PATIENCE, || {
        text(watched.cmd(&["INFO", "persistence"])).contains("rdb_bgsave_in_progress:1")
    });
    watched.fail_over();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let new = format!("the backup was begun anew with redis://127.0.0.1:{}", watched.master_port());
    assert!(said.contains(&new), "{said}");
    let output =
        Command::new(env!("CARGO_BIN_EXE_rdbkit")).arg("digest").arg(&to).output().unwrap();
    let digest = String::from_utf8(output.stdout).unwrap();
    assert!(digest.starts_with(&watched.digest()), "{digest}");
}

/// While it is down nobody tells of a replica, and then it has its master's place.
#[test]
fn a_replica_that_nobody_told_of_goes_on_in_the_same_log() {
    let Some(kind) = require("redis-8.0") else { return };
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("logs");
    let mut cluster = Cluster::start(&kind, &[]);
    let owner = cluster.owner(0);
    let replica = cluster.replica_of(owner);
    cluster.nodes[replica].hang();
    let id = cluster.ids[replica].clone();
    let others: Vec<usize> = (0..cluster.nodes.len()).filter(|&index| index != replica).collect();
    wait_until("all say that it is down", PATIENCE, || {
        let is_down = |&index: &usize| {
            let listed = text(cluster.nodes[index].cmd(&["CLUSTER", "NODES"]));
            listed.lines().any(|line| line.starts_with(&id) && line.contains("fail "))
        };
        others.iter().all(is_down)
    });
    let following = Following::start(&cluster.url(), &to);
    let logs = || std::fs::read_dir(&to).into_iter().flatten().flatten();
    let begun = || logs().filter(|log| log.path().join("rdbkit-follow.json").exists()).count();
    wait_until("all are followed", PATIENCE, || begun() == 3);
    cluster.nodes[owner].crash();
    // Who has asked in vain for long asks seldom, and who looks for new masters sees it first.
    std::thread::sleep(Duration::from_secs(7));
    cluster.nodes[replica].go_on();
    let take_over = ["CLUSTER", "FAILOVER", "TAKEOVER"];
    wait_until("it takes over", PATIENCE, || cluster.nodes[replica].accepts(&take_over));
    let mut keys = (0..).map(|n| format!("behind:{n}"));
    let key = keys.find(|key| slot(key.as_bytes()) < 1000).unwrap();
    wait_until("it takes writes", PATIENCE, || {
        cluster.nodes[replica].connect().cmd(&["SET", &key, "v"]) == Value::Okay
    });
    wait_until("what came behind is there", PATIENCE, || has(&to, &key));
    following.stop();
    assert_eq!(logs().filter(|log| log.path().is_dir()).count(), 3);
}
