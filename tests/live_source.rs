//! A live server as a source: every verb reads it, what it holds is what the server says, and what
//! goes wrong on the way is a sentence and exit status 2.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rdbkit::bytes::slot::slot;
use redis::Value;
use support::client::text as reply;
use support::cluster::Cluster;
use support::fill;
use support::servers::{Flavour, Server, Version, require, require_any, servers};
use support::tls::Certificates;
use support::wait_until;

fn rdbkit(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rdbkit"));
    for name in ["RDBKIT_PASSWORD", "VALKEYCLI_AUTH", "REDISCLI_AUTH", "RDBKIT_USER"] {
        command.env_remove(name);
    }
    command.args(args).stdin(Stdio::null()).output().unwrap()
}

#[track_caller]
fn said(args: &[&str]) -> String {
    let output = rdbkit(args);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{args:?}: {out}{err}");
    out
}

#[track_caller]
fn refused(args: &[&str]) -> String {
    let output = rdbkit(args);
    let all = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {all}");
    all
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn profile(version: Version) -> String {
    let flavour = match version.flavour {
        Flavour::Redis => "redis",
        Flavour::Valkey => "valkey",
        Flavour::Redict => "redict",
    };
    format!("--server={flavour}:{}.{}", version.major, version.minor)
}

#[test]
fn every_verb_reads_every_server() {
    let folder = tempfile::tempdir().unwrap();
    for kind in servers() {
        // What a replica is asked by an older server it does as well; these are long out of use.
        if !kind.version.at_least(5, 0) {
            continue;
        }
        let server = Server::start(&kind, &["--repl-diskless-sync-delay", "0"]);
        fill::with_every_type(&server);
        let (url, digest) = (server.url(), server.digest());
        let profile = profile(kind.version);
        for diskless in ["no", "yes"] {
            server.cmd(&["CONFIG", "SET", "repl-diskless-sync", diskless]);
            let ours = said(&["digest", &url, &profile]);
            assert_eq!(ours, format!("{digest}  {url}\n"), "{} {diskless}", kind.name);
        }
        assert!(said(&["check", &url]).contains("sound (RDB snapshot"), "{}", kind.name);
        let magic = text(kind.version.rdb_magic().unwrap());
        assert!(said(&["inspect", &url]).contains(&magic), "{}: its own format", kind.name);
        assert!(said(&["keys", &url]).lines().count() > 20);
        assert!(said(&["get", &url, "int"]).contains("\n\"12345\"\n"));
        let out = folder.path().join(format!("{}.rdb", kind.name));
        said(&["convert", &url, out.to_str().unwrap()]);
        let again = said(&["digest", out.to_str().unwrap(), &profile]);
        assert!(again.starts_with(&digest), "{}: converted", kind.name);
        assert!(said(&["replay", &url]).contains("keys"), "{}", kind.name);
    }
}

#[test]
fn who_may_not_is_told_what_to_do() {
    let Some(kind) = require_any(&["redis-8.0", "redis-7.0"]) else { return };
    let server = Server::start(&kind, &["--repl-diskless-sync-delay", "0"]);
    fill::run(&server, "SET a b");
    let port = server.port();
    let url = |who: &str| format!("redis://{who}127.0.0.1:{port}");
    fill::run(
        &server,
        "ACL SETUSER few on >geheim1 +psync +replconf +ping
         ACL SETUSER none on >geheim2 +ping ~*
         CONFIG SET requirepass geheim3",
    );
    // Enough to replicate, and no more.
    assert!(said(&["check", &url("few:geheim1@")]).contains("sound"));
    let words = refused(&["check", &url("none:geheim2@")]);
    assert!(words.contains("+psync +replconf"), "{words}");
    let words = refused(&["check", &url("few:falsch@")]);
    assert!(words.contains("WRONGPASS") && !words.contains("falsch"), "{words}");
    let words = refused(&["check", &url("")]);
    assert!(words.contains("NOAUTH") && words.contains("--password-file"), "{words}");

    // A password from a file, and one from the environment.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "geheim3\nnot this\n").unwrap();
    said(&["check", &url(""), "--password-file", file.to_str().unwrap()]);
    let output = Command::new(env!("CARGO_BIN_EXE_rdbkit"))
        .args(["check", &url("")])
        .env("REDISCLI_AUTH", "geheim3")
        .output();
    assert!(output.unwrap().status.success());
}

#[test]
fn who_has_nothing_to_send_says_so() {
    let words = refused(&["check", "redis://127.0.0.1:1"]);
    assert!(words.contains("cannot connect to 127.0.0.1:1"), "{words}");

    let Some(kind) = require_any(&["redis-8.0", "redis-7.0"]) else { return };
    let replica = Server::start(&kind, &["--replicaof", "127.0.0.1 1"]);
    let words = refused(&["check", &replica.url()]);
    assert!(words.contains("link to its master is down"), "{words}");

    // One that is no such server, one that says nothing, and one that ends in the middle.
    let words =
        refused(&["check", &answers(|_| Some(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()))]);
    assert!(words.contains("is it one?"), "{words}");
    let words = refused(&["check", &answers(|_| Some(Vec::new())), "--timeout", "0.3"]);
    assert!(words.contains("no reply in time") || words.contains("nothing came for"), "{words}");
    let cut = |command: &str| match command {
        "PING" => Some(b"+PONG\r\n".to_vec()),
        "REPLCONF" => Some(b"+OK\r\n".to_vec()),
        _ => None,
    };
    for (announced, want) in [
        (format!("$1000\r\n{}", "REDIS0011".repeat(10)), "after 90 of 1000 bytes"),
        (format!("$EOF:{}\r\n{}", "m".repeat(40), "REDIS0011".repeat(10)), "after 90 bytes"),
    ] {
        let full = format!("+FULLRESYNC {} 7\r\n{announced}", "a".repeat(40)).into_bytes();
        let url = answers(move |command| {
            cut(command).or_else(|| Some([full.clone(), b"\0END".to_vec()].concat()))
        });
        let words = refused(&["check", &url]);
        assert!(words.contains(want) && words.contains("its log may say why"), "{words}");
    }
}

/// A listener that answers each command as it is told; an answer that ends in `\0END` is its last.
fn answers(answer: impl Fn(&str) -> Option<Vec<u8>> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut heard = [0; 4096];
        while let Ok(n @ 1..) = stream.read(&mut heard) {
            let words = text(&heard[..n]);
            // A client that asks one thing at a time sends one command at a time.
            let name = words.split("\r\n").nth(2).unwrap_or_default().to_owned();
            let Some(bytes) = answer(&name) else { return };
            let (bytes, last) = match bytes.strip_suffix(b"\0END") {
                Some(bytes) => (bytes.to_vec(), true),
                None => (bytes, false),
            };
            if stream.write_all(&bytes).is_err() || last {
                return;
            }
        }
    });
    url
}

#[test]
fn a_server_that_dies_in_the_middle_leaves_no_result() {
    let Some(kind) = require_any(&["redis-8.0", "redis-7.0", "valkey-9.1"]) else { return };
    // So many microseconds for each key: the snapshot takes seconds.
    let slow = ["--repl-diskless-sync-delay", "0", "--rdb-key-save-delay", "300"];
    let server = Server::start(&kind, &slow);
    server.cmd(&["DEBUG", "POPULATE", "20000", "key", "1000"]);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.rdb");
    let running = Command::new(env!("CARGO_BIN_EXE_rdbkit"))
        .args(["convert", &server.url(), out.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("the snapshot is on its way", Duration::from_secs(60), || {
        reply(server.cmd(&["INFO", "persistence"])).contains("rdb_bgsave_in_progress:1")
    });
    thread::sleep(Duration::from_millis(1200));
    drop(server.kill());
    let output = running.wait_with_output().unwrap();
    let words = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{words}");
    assert!(words.contains("bytes of the snapshot"), "{words}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn unix_sockets_and_tls() {
    let Some(kind) = require_any(&["redis-8.0", "redis-7.0"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s.sock");
    let sync = ["--repl-diskless-sync-delay", "0"];
    let server =
        Server::start(&kind, &[&["--unixsocket", socket.to_str().unwrap()], &sync[..]].concat());
    fill::run(&server, "SET a b");
    let url = format!("unix://{}", socket.display());
    assert!(said(&["digest", &url]).starts_with(&server.digest()));

    let Some(made) = Certificates::make() else { return };
    let options = [&["--tls-auth-clients", "no"], &sync[..]].concat();
    let Some((server, port)) = made.start(&kind, &options) else { return };
    server.cmd(&["DEBUG", "POPULATE", "5000", "key", "500"]);
    let url = format!("rediss://localhost:{port}");
    let ours = said(&["digest", &url, "--tls-ca", &made.ca]);
    assert!(ours.starts_with(&server.digest()), "{ours}");
    let words = refused(&["digest", &url]);
    assert!(words.contains("certificate"), "{words}");
    said(&["digest", &url, "--tls-insecure"]);
    let words = refused(&["digest", &format!("redis://localhost:{port}"), "--timeout", "2"]);
    assert!(words.contains(&port.to_string()), "{words}");
}

/// What a Cluster holds is one source, whichever of its nodes it is read from.
#[test]
fn a_cluster_is_one_source() {
    for name in ["redis-8.10", "valkey-9.1", "redis-7.0"] {
        let Some(kind) = require(name) else { continue };
        let cluster = Cluster::start(&kind, &[]);
        for n in 0..600 {
            let (key, value) = (format!("key:{n}"), n.to_string().repeat(30));
            cluster.at(key.as_bytes(), &["HSET", &key, "f", &value, "g", "1"]);
        }
        for master in cluster.masters() {
            let code = "#!lua name=lib\nredis.register_function('f', function() return 1 end)";
            cluster.nodes[master].cmd(&["FUNCTION", "LOAD", code]);
        }
        cluster.settled();
        let (url, digest) = (cluster.url(), cluster.digest());
        let profile = profile(kind.version);
        for more in [&[][..], &["--prefer-replica"]] {
            let ours = said(&[&["digest", &url, &profile], more].concat());
            assert_eq!(ours, format!("{digest}  {url}\n"), "{name} {more:?}");
        }
        let words = said(&["check", &url]);
        assert!(
            words.contains("(RDB snapshot, 600 keys") && words.contains("checksum ok"),
            "{words}"
        );
        let report = said(&["inspect", &url, "--format", "json"]);
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        assert_eq!(
            (report["snapshot"]["keys"].as_u64(), report["source"].as_str()),
            (Some(600), Some(&*url))
        );
        assert_eq!(said(&["keys", &url, "--format", "csv"]).lines().count(), 601);
        assert!(said(&["get", &url, "key:77"]).contains(&"77".repeat(30)));
        let exported = said(&["export", &url, "--prefix", "key:1"]);
        assert_eq!(exported.matches("\"key\":\"key:1").count(), 111, "{exported}");

        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        said(&["convert", &url, &path("all.rdb")]);
        said(&["diff", &url, &path("all.rdb")]);
        let merged = path("merged.rdb");
        said(&["merge", &url, "-o", &merged]);
        // A single server loads what came of it, with the functions once.
        for file in ["all.rdb", "merged.rdb"] {
            let bytes = fs::read(path(file)).unwrap();
            let single = Server::start_with_rdb(&kind, &bytes, &[]);
            assert_eq!(single.digest(), digest, "{name} {file}");
            let listed = format!("{:?}", single.cmd(&["FUNCTION", "LIST"]));
            assert!(listed.contains("lib"), "{listed}");
        }
        let single = Server::start(&kind, &[]);
        said(&["replay", &url, "--to", &single.url(), "--no-state"]);
        assert_eq!(single.digest(), digest, "{name}");
    }
}

/// A digest of a Cluster that takes its time.
fn reads(url: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rdbkit"));
    command.args(["digest", url]).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[track_caller]
fn ends(reading: Child, code: i32, want: &[&str]) {
    let output = reading.wait_with_output().unwrap();
    let words = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{words}");
    assert!(want.iter().any(|want| words.contains(want)), "{words}");
}

/// Waits until one of the masters sends its snapshot that is not `other`; which one.
#[track_caller]
fn being_read(cluster: &Cluster, other: Option<usize>) -> usize {
    let sends = |&master: &usize| {
        let info = reply(cluster.nodes[master].cmd(&["INFO", "replication"]));
        Some(master) != other && info.contains("connected_slaves:2")
    };
    let mut found = None;
    wait_until("a master is read", Duration::from_secs(30), || {
        found = cluster.masters().into_iter().find(sends);
        found.is_some()
    });
    found.unwrap()
}

#[test]
fn a_cluster_whose_slots_move_is_refused() {
    let Some(kind) = require_any(&["redis-8.0", "redis-7.0"]) else { return };
    // So many microseconds for each key: every node takes a second.
    let cluster = Cluster::start(&kind, &["--rdb-key-save-delay", "1000"]);
    for n in 0..3000 {
        let key = format!("key:{n}");
        cluster.at(key.as_bytes(), &["SET", &key, "v"]);
    }
    cluster.settled();
    let (url, slot) = (cluster.url(), slot(b"key:1"));
    let from = cluster.owner(slot);
    let to = (from + 1) % 3;

    let reading = reads(&url);
    being_read(&cluster, None);
    cluster.migrate(slot, to, || ());
    ends(reading, 2, &["moved from node to node", "which another node serves"]);
    cluster.settled();
    // There and back again.
    let reading = reads(&url);
    being_read(&cluster, None);
    cluster.migrate(slot, from, || ());
    cluster.migrate(slot, to, || ());
    ends(reading, 2, &["moved from node to node", "which another node serves"]);
    cluster.settled();
    // A failover moves nothing.
    let reading = reads(&url);
    let first = being_read(&cluster, None);
    being_read(&cluster, Some(first));
    cluster.fail_over(first, false);
    ends(reading, 0, &[&cluster.digest()]);
    cluster.settled();

    // A move that goes on all the time.
    let (to, slot) = (cluster.owner(slot), slot.to_string());
    let id = reply(cluster.nodes[from].connect().cmd(&["CLUSTER", "MYID"]));
    let to = cluster.nodes[to].connect();
    assert_eq!(to.cmd(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id]), Value::Okay);
    let words = refused(&["digest", &url]);
    assert!(words.contains(&format!("is moving slot {slot} to or from")), "{words}");
    assert_eq!(to.cmd(&["CLUSTER", "SETSLOT", &slot, "STABLE"]), Value::Okay);
}

#[test]
fn a_cluster_that_is_not_whole_is_refused() {
    let Some(kind) = require_any(&["valkey-9.1", "redis-8.0", "redis-7.0"]) else { return };
    let cluster = Cluster::start(&kind, &[]);
    cluster.at(b"a", &["SET", "a", "b"]);
    let load = |master: usize, code: &str| {
        let code = format!("#!lua name=lib\nredis.register_function('f', function() {code} end)");
        cluster.nodes[master].cmd(&["FUNCTION", "LOAD", "REPLACE", &code])
    };
    let masters = cluster.masters();
    load(masters[0], "return 1");
    load(masters[1], "return 2");
    let words = refused(&["digest", &cluster.url()]);
    assert!(words.contains("library \"lib\" is not the same on"), "{words}");
    load(masters[1], "return 1");
    said(&["digest", &cluster.url()]);

    let slot = slot(b"a").to_string();
    for node in &cluster.nodes {
        assert_eq!(node.cmd(&["CLUSTER", "DELSLOTS", &slot]), Value::Okay);
    }
    let began = Instant::now();
    let words = refused(&["digest", &cluster.url()]);
    assert!(words.contains("nobody who serves 1 of the 16384 slots"), "{words}");
    // As long as a server may be silent is too long for what does not pass.
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}
