//! How a replay reaches its target, how fast it goes, and how it stops: sockets, rates, connections,
//! Ctrl-C, and servers that do not take what they are sent.
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
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use redis::Value;
use serde_json::Value as Json;
use support::client::text;
use support::cluster::Cluster;
use support::random::Random;
use support::replayer::{log, snapshot};
use support::servers::{Server, require, require_any};
use support::tls::Certificates;
use support::wait_until;

const PATIENCE: Duration = Duration::from_secs(60);

fn start(source: &Path, url: &str, more: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rdbkit"));
    for name in ["RDBKIT_PASSWORD", "VALKEYCLI_AUTH", "REDISCLI_AUTH", "RDBKIT_USER"] {
        command.env_remove(name);
    }
    command.arg("replay").arg(source).args(["--to", url]).args(more);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits for its end; what it says.
#[track_caller]
fn ends(replay: Child, code: i32) -> String {
    let Output { status, stdout, stderr } = replay.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    assert_eq!(status.code(), Some(code), "{told}");
    told
}

#[track_caller]
fn replays(source: &Path, url: &str, more: &[&str]) -> String {
    ends(start(source, url, more), 0)
}

#[track_caller]
fn refused(source: &Path, url: &str, more: &[&str], want: &str) {
    let told = ends(start(source, url, more), 2);
    assert!(told.contains(want), "{want:?} is not in {told:?}");
}

fn keys(server: &Server) -> i64 {
    match server.cmd(&["DBSIZE"]) {
        Value::Int(keys) => keys,
        other => panic!("{other:?}"),
    }
}

/// When a key expires, and when its fields do.
fn times(server: &Server, key: &str, fields: &[&str]) -> Vec<i64> {
    let count = fields.len().to_string();
    let of_fields = [&["HPEXPIRETIME", key, "FIELDS", &count], fields].concat();
    let number = |value: Value| match value {
        Value::Int(at) => at,
        other => panic!("{other:?}"),
    };
    let Value::Array(all) = server.cmd(&of_fields) else { panic!("no times of fields") };
    [server.cmd(&["PEXPIRETIME", key])].into_iter().chain(all).map(number).collect()
}

#[test]
fn fields_expire_as_their_keys_do() {
    const AT: i64 = 4_000_000_000_000;
    for name in ["redis-8.0", "redis-8.10", "valkey-9.1"] {
        let Some(kind) = require(name) else { continue };
        let (source, target) = (Server::start(&kind, &[]), Server::start(&kind, &[]));
        // One that is packed, and one that is too large for it.
        let at = AT.to_string();
        for (key, fields) in [("small", 3), ("large", 700)] {
            for n in 0..fields {
                source.cmd(&["HSET", key, &format!("f{n}"), "v"]);
            }
            source.cmd(&["HPEXPIREAT", key, &at, "FIELDS", "2", "f0", "f2"]);
        }
        source.cmd(&["PEXPIREAT", "small", &(AT + 1).to_string()]);
        let saved = source.save();
        for form in ["auto", "restore", "commands"] {
            for (shift, by) in [("90m", 5_400_000), ("-1h", -3_600_000), ("0s", 0)] {
                let more = ["--ttl-shift", shift, "--as", form, "--no-state", "--verify", "full"];
                let told = replays(&saved, &target.url(), &more);
                assert!(told.contains("no difference"), "{told}");
                let want = [AT + 1 + by, AT + by, -1, AT + by];
                let here = format!("{name} {form} {shift}");
                assert_eq!(times(&target, "small", &["f0", "f1", "f2"]), want, "{here}");
                let want = [-1, AT + by, -1, AT + by];
                assert_eq!(times(&target, "large", &["f0", "f1", "f2"]), want, "{here}");
                assert_eq!(target.digest(), source.digest(), "{here}");
            }
        }
        // Fields that have expired by then do not stay.
        let more = ["--ttl-shift", "-1000000h", "--key", "large", "--no-state", "--verify", "full"];
        replays(&saved, &target.url(), &more);
        wait_until("fields have expired", PATIENCE, || {
            target.cmd(&["HLEN", "large"]) == Value::Int(698)
        });
    }
}

#[test]
fn what_has_expired_of_a_hash_is_left_out() {
    const AT: i64 = 4_000_000_000_000;
    for name in ["redis-8.0", "redis-8.10", "valkey-9.1"] {
        let Some(kind) = require(name) else { continue };
        let (source, target) = (Server::start(&kind, &[]), Server::start(&kind, &[]));
        let (at, later) = (AT.to_string(), (AT + 3_600_000).to_string());
        // One that is packed, one that is too large for it, and one of which nothing is left.
        for (key, fields) in [("small", 4), ("large", 700), ("gone", 3)] {
            for n in 0..fields {
                source.cmd(&["HSET", key, &format!("f{n}"), &format!("v{n}")]);
            }
            source.cmd(&["HPEXPIREAT", key, &at, "FIELDS", "2", "f0", "f2"]);
            source.cmd(&["HPEXPIREAT", key, &later, "FIELDS", "1", "f1"]);
        }
        source.cmd(&["HPEXPIREAT", "gone", &at, "FIELDS", "1", "f1"]);
        source.cmd(&["HSET", "plain", "f", "v"]);
        source.cmd(&["SET", "text", "v", "PXAT", &at]);
        let saved = source.save();
        // What the source has without all that.
        for key in ["small", "large"] {
            source.cmd(&["HDEL", key, "f0", "f2"]);
        }
        source.cmd(&["DEL", "gone", "text"]);
        let now = (AT + 1000).to_string();
        for form in ["auto", "restore", "commands"] {
            let here = format!("{name} {form}");
            let more = ["--now", &now, "--as", form, "--no-state", "--flush-first", "--yes"];
            // Without the option it is for the server to say what has expired.
            replays(&saved, &target.url(), &more);
            assert_eq!(keys(&target), 5, "{here}");
            assert_eq!(target.cmd(&["HLEN", "large"]), Value::Int(700), "{here}");
            let told = replays(&saved, &target.url(), &[&more[..], &["--drop-expired"]].concat());
            assert!(told.contains("2 expired"), "{here}: {told}");
            assert_eq!(keys(&target), 3, "{here}: {told}");
            assert_eq!(target.digest(), source.digest(), "{here}: {told}");
            for key in ["small", "large"] {
                let want = [-1, -2, AT + 3_600_000, -2, -1];
                assert_eq!(times(&target, key, &["f0", "f1", "f2", "f3"]), want, "{here} {key}");
            }
        }
    }
}

#[test]
fn a_target_behind_a_unix_socket() {
    let Some(kind) = require_any(&["valkey-9.1", "redis-8.0", "redis-7.0"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s.sock");
    let target = Server::start(&kind, &["--unixsocket", socket.to_str().unwrap()]);
    let (single, path) = snapshot(&kind, 21, 3000);
    let (other, logged) = log(&kind, 22, (500, 5000), true);
    let url = format!("unix://{}", socket.display());
    let told = replays(&path, &url, &["--verify", "full"]);
    assert!(told.contains("no difference"), "{told}");
    assert_eq!(target.digest(), single.digest());
    target.cmd(&["FLUSHALL"]);
    replays(&logged, &url, &["--as", "log"]);
    assert_eq!(target.digest(), other.digest());
    // In a database of its own.
    target.cmd(&["FLUSHALL"]);
    replays(&path, &format!("{url}?db=5"), &[]);
    assert_eq!(keys(&target), 0);
    target.cmd(&["SELECT", "5"]);
    assert_eq!(keys(&target), 3000);
    let nobody = format!("unix://{}", folder.path().join("none").display());
    refused(&path, &nobody, &[], "is the server running");
    // A name that would break the line, or move the terminal, stands in quotes.
    let odd = format!("unix://{}/a%0ab%1b[2J", folder.path().display());
    refused(&path, &odd, &[], r#"/a\nb\x1b[2J": "#);
}

#[test]
fn no_more_bytes_in_a_second_than_asked_for() {
    let Some(kind) = require_any(&["redis-8.0", "redis-7.0"]) else { return };
    let (source, target) = (Server::start(&kind, &[]), Server::start(&kind, &[]));
    let mut random = Random::new(28);
    let set = |n: u32| vec![b"SET".to_vec(), format!("key:{n}").into_bytes(), random.text(800)];
    source.pipeline(&(0..20_000).map(set).collect::<Vec<_>>());
    let saved = source.save();
    let more = ["--no-state", "--verify", "none", "--format", "json", "--rate"];
    let took = |rate: &str| -> (u64, u64) {
        target.cmd(&["FLUSHALL"]);
        let told = replays(&saved, &target.url(), &[&more[..], &[rate]].concat());
        let report: Json = serde_json::from_str(&told).unwrap();
        assert_eq!(target.digest(), source.digest());
        (report["bytes"].as_u64().unwrap(), report["took_ms"].as_u64().unwrap())
    };
    let (bytes, ms) = took("4mb");
    assert!(bytes > 6_000_000, "{bytes}");
    // What is sent first is sent at once, and that is no more than a tenth.
    assert!(bytes * 1000 < ms * (4 << 20) * 11 / 10, "{bytes} bytes in {ms} ms");
    let (_, unhurried) = took("1gb");
    assert!(unhurried < ms, "{unhurried} ms, and {ms} ms");
}

#[test]
fn so_many_connections_as_asked_for() {
    let Some(kind) = require_any(&["valkey-9.1", "redis-8.0", "redis-7.0"]) else { return };
    let target = Server::start(&kind, &[]);
    let (single, path) = snapshot(&kind, 23, 20_000);
    let clients = || text(target.cmd(&["CLIENT", "LIST"])).lines().count();
    let most = |connections: &str| {
        target.cmd(&["FLUSHALL"]);
        let more = ["--connections", connections, "--rate", "12000", "--no-state"];
        let mut replay = start(&path, &target.url(), &more);
        let mut most = 0;
        while replay.try_wait().unwrap().is_none() {
            most = most.max(clients());
        }
        let told = ends(replay, 0);
        assert!(told.contains("no difference"), "{told}");
        assert_eq!(target.digest(), single.digest());
        most
    };
    assert_eq!(most("5"), most("1") + 4);
    // The commands of a log keep their order all the same.
    let (other, logged) = log(&kind, 24, (500, 20_000), true);
    target.cmd(&["FLUSHALL"]);
    let told = replays(&logged, &target.url(), &["--as", "log", "--connections", "5"]);
    assert!(told.contains("several connections are for the snapshot in front"), "{told}");
    assert_eq!(target.digest(), other.digest());
}

/// How many commands a server has run.
fn ran(server: &Server) -> u64 {
    let info = text(server.cmd(&["INFO", "stats"]));
    let line = info.lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
    line.unwrap().trim().parse().unwrap()
}

/// Ctrl-C, when some keys have arrived; what it says.
#[track_caller]
fn interrupted(replay: Child, mut arrived: impl FnMut() -> bool) -> String {
    wait_until("some has arrived", PATIENCE, &mut arrived);
    let id = replay.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    ends(replay, 2)
}

#[test]
fn ctrl_c_stops_and_the_same_command_goes_on() {
    let Some(kind) = require_any(&["redis-8.0", "redis-7.0"]) else { return };
    let (single, path) = snapshot(&kind, 25, 50_000);
    let state = path.with_file_name("dump.rdb.rdbkit-replay");
    let (other, logged) = log(&kind, 26, (1000, 50_000), true);
    let target = Server::start(&kind, &[]);
    let cluster = Cluster::start(&kind, &[]);
    for is_cluster in [false, true] {
        let url = if is_cluster { cluster.url() } else { target.url() };
        let keys = || if is_cluster { cluster.keys() } else { keys(&target) as u64 };
        let ran = || match is_cluster {
            true => cluster.masters().iter().map(|&master| ran(&cluster.nodes[master])).sum(),
            false => ran(&target),
        };
        let digest = || if is_cluster { cluster.digest() } else { target.digest() };
        // More than goes out in one piece, or it begins anew.
        let slow = ["--rate", "20000", "--pipeline", "64kb"];
        for _ in 0..2 {
            let goal = keys() + 12_000;
            let told = interrupted(start(&path, &url, &slow), || keys() > goal);
            assert!(told.contains("stopped as asked; everything before offset"), "{told}");
            assert!(told.contains("the same command goes on there"), "{told}");
            assert!(state.exists() && keys() < 50_000);
        }
        let told = replays(&path, &url, &["--verify", "full"]);
        assert!(told.contains("goes on at offset") && told.contains("no difference"), "{told}");
        assert_eq!(digest(), single.digest(), "{url}");
        assert!(!state.exists());

        target.cmd(&["FLUSHALL"]);
        cluster.empty();
        let slow = ["--as", "log", "--rate", "12000"];
        for _ in 0..2 {
            let goal = ran() + 1000;
            let told = interrupted(start(&logged, &url, &slow), || ran() > goal);
            assert!(told.contains("stopped as asked; the target remembers"), "{told}");
        }
        let told = replays(&logged, &url, &["--as", "log"]);
        // In a Cluster each slot goes on where it is.
        let one_place = told.contains("goes on behind what has taken effect");
        assert_eq!(one_place, !is_cluster, "{told}");
        assert_eq!(digest(), other.digest(), "{url}");
    }
}

#[test]
fn whatever_stands_in_the_way_the_state_is_kept() {
    let Some(kind) = require_any(&["redis-8.0", "redis-7.0"]) else { return };
    let Some(made) = Certificates::make() else { return };
    let Some((mut target, port)) = made.start(&kind, &["--tls-auth-clients", "no"]) else { return };
    let (single, path) = snapshot(&kind, 27, 20_000);
    let state = path.with_file_name("dump.rdb.rdbkit-replay");
    let url = format!("rediss://localhost:{port}");
    let other = made.other_authority();
    let trust = ["--tls-ca", &made.ca, "--patience", "300ms", "--pipeline", "64kb"];
    let slow = [&trust[..], &["--rate", "9000"]].concat();
    // Of a piece of the source that has arrived in part nothing is kept.
    interrupted(start(&path, &url, &slow), || keys(&target) > 12_000);
    let kept = fs::read(&state).unwrap();
    let check = |more: &[&str], want: &str| {
        refused(&path, &url, more, want);
        assert_eq!(fs::read(&state).unwrap(), kept, "{want}");
    };

    check(&["--tls-ca", &other], "the certificate of the server does not hold");
    check(&[], "--tls-ca");
    target.cmd(&["CONFIG", "SET", "requirepass", "right"]);
    check(&trust, "RDBKIT_PASSWORD");
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("wrong");
    fs::write(&wrong, "wrong\n").unwrap();
    let wrong = ["--password-file", wrong.to_str().unwrap()];
    check(&[&trust[..], &wrong].concat(), "WRONGPASS");
    target.cmd(&["CONFIG", "SET", "requirepass", ""]);
    target.cmd(&["REPLICAOF", "127.0.0.1", "1"]);
    check(&trust, "is a replica and takes no writes: its master is 127.0.0.1:1");
    target.cmd(&["REPLICAOF", "NO", "ONE"]);
    target.cmd(&["CONFIG", "SET", "maxmemory", "1"]);
    check(&trust, "OOM");
    target.cmd(&["CONFIG", "SET", "maxmemory", "0"]);
    target.crash();
    check(&trust, "is the server running");
    target.revive();

    let told = replays(&path, &url, &[&trust[..], &["--verify", "full"]].concat());
    assert!(told.contains("no difference"), "{told}");
    assert_eq!(target.digest(), single.digest());
    assert!(!state.exists());
}

#[test]
fn a_default_of_another_way_to_replay_is_set_aside() {
    let Some(kind) = require("redis-7.0") else { return };
    let server = Server::start(&kind, &[]);
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("rdbkit.toml");
    let text = "target = \"redis:6.2\"\n[replay]\ndrop-expired = true\nverify = \"full\"\n";
    fs::write(&config, text).unwrap();
    let with = format!("--config={}", config.display());
    // Of a snapshot nothing is run, and commands are sent as they stand.
    let dump = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/redis-7.0.15-lru.rdb");
    let dump = Path::new(dump);
    let told = replays(dump, &server.url(), &[&with, "--no-state"]);
    assert!(told.contains("verified"), "{told}");
    let file = folder.path().join("log.aof");
    fs::write(&file, "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n1\r\n").unwrap();
    let before = keys(&server);
    replays(&file, &server.url(), &[&with, "--as", "log"]);
    assert_eq!(keys(&server), before + 1);
    fs::write(&config, "[replay]\nas = \"log\"\n").unwrap();
    let told = replays(dump, &server.url(), &[&with, "--no-state"]);
    assert!(told.contains("verified"), "{told}");
    fs::write(&file, "*2\r\n$3\r\nDEL\r\n$1\r\nb\r\n").unwrap();
    replays(&file, &server.url(), &[&with]);
    assert_eq!(keys(&server), before, "a DEL was sent");
    refused(dump, &server.url(), &["--no-state", "--target", "redis:6.2"], "is for logs");
}
