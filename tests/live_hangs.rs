//! Servers that hang: they keep their connections and say nothing. That they are waited for is told,
//! and whoever does not want to wait for them need not: no timeout of these tests ever ends.
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
use std::io::{ErrorKind, Read as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::Value;
use support::client::text;
use support::cluster::Cluster;
use support::replayer::{Replayer, log, snapshot};
use support::sentinel::Watched;
use support::servers::{Kind, Server, require};
use support::tls::Certificates;
use support::wait_until;

/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long servers may be silent: longer than any test takes.
const TIMEOUT: [&str; 4] = ["--timeout", "100000", "--rate", "2000"];

type Options = &'static [&'static str];

/// A snapshot and a log, the servers that have what is in them, and how each is replayed.
fn sources(kind: &Kind) -> [(Server, PathBuf, Options); 2] {
    let (one, path) = snapshot(kind, 81, 20_000);
    let (two, logged) = log(kind, 82, (500, 30_000), true);
    [(one, path, &["--verify", "none"]), (two, logged, &["--as", "log"])]
}

fn keys(server: &Server) -> i64 {
    match server.connect().cmd(&["DBSIZE"]) {
        Value::Int(keys) => keys,
        other => panic!("DBSIZE answers {other:?}"),
    }
}

fn locks(server: &Server) -> usize {
    match server.connect().cmd(&["KEYS", "rdbkit:replay:lock*"]) {
        Value::Array(keys) => keys.len(),
        other => panic!("{other:?}"),
    }
}

fn said(folder: &Path) -> String {
    fs::read_to_string(folder.join("replay.log")).unwrap_or_default()
}

/// Stops one that waits for a server that says nothing.
#[track_caller]
fn stops(replay: Replayer) -> String {
    replay.interrupt();
    let (status, said) = replay.ends();
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains("stopped as asked") && said.contains("the same command"), "{said}");
    said
}

#[test]
fn a_target_that_hangs_is_told_of_and_left_when_asked() {
    let Some(kind) = require("redis-8.0") else { return };
    let server = Server::start(&kind, &[]);
    let silent = format!("waiting: 127.0.0.1:{} does not answer", server.port());
    for (single, path, options) in sources(&kind) {
        let folder = tempfile::tempdir().unwrap();
        let all = [options, &TIMEOUT].concat();
        let replay = Replayer::start(folder.path(), &path, &server.url(), &all);
        wait_until("some of it has arrived", PATIENCE, || keys(&server) > 300);
        server.hang();
        wait_until("it is told", PATIENCE, || said(folder.path()).contains(&silent));
        server.go_on();
        wait_until("it goes on", PATIENCE, || said(folder.path()).contains("goes on after"));
        server.hang();
        let told = || said(folder.path()).matches(&silent).count() == 2;
        wait_until("it is told again", PATIENCE, told);
        // Who is told to stop does not go on.
        assert_eq!(stops(replay).matches("goes on after").count(), 1);
        server.go_on();
        let again = Replayer::start(folder.path(), &path, &server.url(), options);
        again.succeeds();
        assert_eq!(server.digest(), single.digest(), "{options:?}");
        server.cmd(&["FLUSHALL"]);
    }
}

#[test]
fn a_source_that_hangs_is_told_of_and_left_when_asked() {
    let Some(kind) = require("redis-8.0") else { return };
    let (source, _) = snapshot(&kind, 84, 20_000);
    let target = Server::start(&kind, &[]);
    for (name, value) in [
        ("repl-diskless-sync", "yes"),
        ("repl-diskless-sync-delay", "0"),
        ("rdb-key-save-delay", "1000"),
        // Over a connection of its own a child would send it, which does not hang.
        ("repl-rdb-channel", "no"),
    ] {
        source.cmd(&["CONFIG", "SET", name, value]);
    }
    let silent = format!("waiting: 127.0.0.1:{} does not answer", source.port());
    let folder = tempfile::tempdir().unwrap();
    let from = PathBuf::from(source.url());
    let replay = Replayer::start(folder.path(), &from, &target.url(), &["--timeout", "100000"]);
    wait_until("some of it has arrived", PATIENCE, || keys(&target) > 300);
    source.hang();
    wait_until("it is told", PATIENCE, || said(folder.path()).contains(&silent));
    replay.interrupt();
    let (status, said) = replay.ends();
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains("stopped as asked") && !said.contains("goes on after"), "{said}");
    assert_eq!(locks(&target), 0);
    source.go_on();
}

#[test]
fn sentinels_that_hang_are_told_of_and_left_when_asked() {
    let Some(kind) = require("redis-8.0") else { return };
    let watched = Watched::start(&kind, &[]);
    for (single, path, options) in sources(&kind) {
        let folder = tempfile::tempdir().unwrap();
        let all = [options, &TIMEOUT].concat();
        let replay = Replayer::start(folder.path(), &path, &watched.url(), &all);
        let master = watched.master();
        wait_until("some of it has arrived", PATIENCE, || keys(master) > 300);
        watched.sentinels.iter().for_each(Server::hang);
        // Who has lost his connection asks them for another one.
        master.connect().cmd(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        let told = || {
            let said = said(folder.path());
            let silent = |it: &Server| format!("waiting: 127.0.0.1:{} does not", it.port());
            watched.sentinels.iter().any(|it| said.contains(&silent(it)))
        };
        wait_until("it is told", PATIENCE, told);
        stops(replay);
        // What can be given back without them is.
        assert_eq!(locks(master), 0);
        watched.sentinels.iter().for_each(Server::go_on);
        watched.settled();
        let again = Replayer::start(folder.path(), &path, &watched.url(), options);
        again.succeeds();
        assert_eq!(watched.digest(), single.digest(), "{options:?}");
        watched.cmd(&["FLUSHALL"]);
    }
}

#[test]
fn a_node_that_hangs_is_told_of_and_the_others_are_let_go() {
    let Some(kind) = require("redis-8.0") else { return };
    let cluster = Cluster::start(&kind, &["--cluster-require-full-coverage", "no"]);
    for (single, path, options) in sources(&kind) {
        // Nobody can take its place.
        let owner = cluster.owner(0);
        let hung = [&cluster.nodes[owner], &cluster.nodes[cluster.replica_of(owner)]];
        let others: Vec<&Server> = cluster
            .masters()
            .into_iter()
            .filter(|&index| index != owner)
            .map(|index| &cluster.nodes[index])
            .collect();
        let silent = format!("waiting: 127.0.0.1:{} does not answer", hung[0].port());
        let folder = tempfile::tempdir().unwrap();
        let url = cluster.url();
        for fails in [false, true] {
            let more: &[&str] = match fails {
                true => &["--patience", "1s", "--timeout", "1", "--rate", "2000"],
                false => &TIMEOUT,
            };
            let before = keys(hung[0]);
            let all = [options, more].concat();
            let replay = Replayer::start(folder.path(), &path, &url, &all);
            wait_until("some of it has arrived", PATIENCE, || keys(hung[0]) > before + 50);
            hung.iter().for_each(|node| node.hang());
            if fails {
                let (status, said) = replay.ends();
                assert_eq!(status.code(), Some(2), "{said}");
            } else {
                wait_until("it is told", PATIENCE, || said(folder.path()).contains(&silent));
                stops(replay);
            }
            for other in &others {
                assert_eq!(locks(other), 0, "fails: {fails}, {}", said(folder.path()));
            }
            hung.iter().for_each(|node| node.go_on());
            cluster.settled();
        }
        Replayer::start(folder.path(), &path, &url, options).succeeds();
        assert_eq!(cluster.digest(), single.digest(), "{options:?}");
        cluster.empty();
    }
}

/// A backup, ended when dropped.
struct Backup(Child, PathBuf);

impl Backup {
    fn start(url: &str, folder: &Path, options: &[&str]) -> Self {
        let words = folder.join("backup.log");
        let child = Command::new(env!("CARGO_BIN_EXE_rdbkit"))
            .args(["backup", url, "-o", folder.join("to").to_str().unwrap()])
            .args(["--timeout", "100000"])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&words).unwrap())
            .spawn();
        Backup(child.unwrap(), words)
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.1).unwrap()
    }

    /// Its exit status when it is told to stop.
    fn stops(mut self) -> (Option<i32>, String) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let mut status = None;
        wait_until("it ends", PATIENCE, || {
            status = self.0.try_wait().unwrap();
            status.is_some()
        });
        (status.unwrap().code(), self.said())
    }
}

impl Drop for Backup {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_source_of_a_backup_that_hangs_is_told_of_and_left_when_asked() {
    let Some(kind) = require("redis-8.0") else { return };
    let (server, _path) = snapshot(&kind, 83, 100);
    let silent = format!("waiting: 127.0.0.1:{} does not answer", server.port());
    for options in [&[][..], &["--follow"]] {
        let folder = tempfile::tempdir().unwrap();
        server.hang();
        let backup = Backup::start(&server.url(), folder.path(), options);
        wait_until("it is told", PATIENCE, || backup.said().contains(&silent));
        let (status, said) = backup.stops();
        assert_eq!(status, Some(2), "{said}");
        assert!(said.contains("stopped before"), "{said}");
        server.go_on();
    }
    let folder = tempfile::tempdir().unwrap();
    let backup = Backup::start(&server.url(), folder.path(), &["--follow"]);
    let begun = folder.path().join("to").join("rdbkit-follow.json");
    wait_until("it follows", PATIENCE, || begun.exists());
    server.hang();
    wait_until("it is told", PATIENCE, || backup.said().contains(&silent));
    let (status, said) = backup.stops();
    assert_eq!(status, Some(0), "{said}");
    server.go_on();
    let output = Command::new(env!("CARGO_BIN_EXE_rdbkit"))
        .arg("digest")
        .arg(folder.path().join("to"))
        .output()
        .unwrap();
    let digest = text(Value::BulkString(output.stdout));
    assert!(digest.starts_with(&server.digest()), "{digest}");
}

/// Whoever listens in the place of a server and says nothing: when this returns, so many connections
/// have been given up.
fn says_nothing(port: u16, connections: usize) {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let (mut open, mut given_up): (Vec<TcpStream>, usize) = (Vec::new(), 0);
    wait_until("it is given up", PATIENCE, || {
        if let Ok((connection, _)) = listener.accept() {
            connection.set_nonblocking(true).unwrap();
            open.push(connection);
        }
        open.retain_mut(|connection| {
            let is_over = loop {
                match connection.read(&mut [0; 1024]) {
                    Ok(0) => break true,
                    Ok(_) => {}
                    Err(error) => break error.kind() != ErrorKind::WouldBlock,
                }
            };
            given_up += usize::from(is_over);
            !is_over
        });
        given_up >= connections
    });
}

#[test]
fn a_target_that_hangs_before_it_is_encrypted_is_waited_for_too() {
    let Some(kind) = require("redis-8.0") else { return };
    let Some(made) = Certificates::make() else { return };
    let Some((mut server, port)) = made.start(&kind, &["--tls-auth-clients", "no"]) else { return };
    let (single, path) = snapshot(&kind, 84, 5000);
    let folder = tempfile::tempdir().unwrap();
    let url = format!("rediss://127.0.0.1:{port}");
    let options = ["--tls-ca", made.ca.as_str(), "--rate", "2000"];
    let mut replay = Replayer::start(folder.path(), &path, &url, &options);
    wait_until("some of it has arrived", PATIENCE, || keys(&server) > 300);
    server.crash();
    // Those of the replay, and of what renews its lock.
    says_nothing(port, 4);
    assert!(replay.is_at_work(), "{}", said(folder.path()));
    server.revive();
    replay.succeeds();
    assert_eq!(server.digest(), single.digest());
}
