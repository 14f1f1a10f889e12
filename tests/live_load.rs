//! What is replayed into a real server is what the file holds, whatever happens on the way.
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
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rdbkit::live::{Connector, Endpoint, Timeouts, TlsOptions};
use rdbkit::ops::load::{LoadOptions, StatePlace, connect, load};
use rdbkit::ops::walk::Silent;
use rdbkit::source::{OpenOptions, open};
use redis::Value;
use support::client::text;
use support::random::Random;
use support::servers::{Flavour, Kind, Server, require, servers};
use support::tls::Certificates;
use support::{replayer, wait_until};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");

fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rdbkit"));
    command.args(args).env_remove("RDBKIT_PASSWORD").stdin(Stdio::null());
    command
}

fn rdbkit(args: &[&str]) -> Output {
    program(args).output().unwrap()
}

/// Runs it, for its exit status and all that it says.
fn said(args: &[&str]) -> (i32, String) {
    let Output { status, stdout, stderr } = rdbkit(args);
    let all = [stdout, stderr].concat();
    (status.code().unwrap_or(-1), String::from_utf8_lossy(&all).into_owned())
}

#[track_caller]
fn replays(code: i32, source: &Path, server: &Server, more: &[&str]) -> String {
    let url = server.url();
    let args = [&["replay", source.to_str().unwrap(), "--to", &url, "--no-state"], more].concat();
    let (status, text) = said(&args);
    assert_eq!(status, code, "{args:?}: {text}");
    text
}

fn fixture(name: &str) -> PathBuf {
    Path::new(FIXTURES).join(name)
}

/// A server that holds what a file holds, for its digest: it has loaded the file itself.
fn loaded(kind: &Kind, file: &Path) -> Option<String> {
    let bytes = fs::read(file).unwrap();
    let data = support::servers::Data::Rdb(&bytes);
    Server::try_start(kind, data, &[]).ok().map(|server| server.digest())
}

fn no_keys_of_ours(server: &Server) {
    match server.cmd(&["KEYS", "rdbkit:*"]) {
        Value::Array(keys) => assert!(keys.is_empty(), "{keys:?}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_fixture_arrives_as_a_server_loads_it() {
    for kind in servers() {
        let server = Server::start(&kind, &[]);
        for entry in fs::read_dir(FIXTURES).unwrap() {
            let file = entry.unwrap().path();
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            // Module values need their modules, and a huge index is no business of a digest.
            // A server that loads a hash drops its fields that have expired; one that is sent the
            // hash drops them a moment later.
            let skipped = ["modules", "huge", "expired"].iter().any(|part| name.contains(part));
            if !name.ends_with(".rdb") || skipped {
                continue;
            }
            // Whoever cannot load the file is sent what it has; that is another test.
            let Some(digest) = loaded(&kind, &file) else { continue };
            for form in ["auto", "restore"] {
                let code_and_text = {
                    let url = server.url();
                    let file = file.to_str().unwrap();
                    said(&[
                        "replay",
                        file,
                        "--to",
                        &url,
                        "--no-state",
                        "--flush-first",
                        "--yes",
                        "--as",
                        form,
                        "--verify",
                        "full",
                    ])
                };
                let here = format!("{name} as {form} into {}: {code_and_text:?}", kind.name);
                assert_eq!(server.digest(), digest, "{here}");
                assert!(
                    code_and_text.0 <= 1 && code_and_text.1.contains("no difference"),
                    "{here}"
                );
                no_keys_of_ours(&server);
            }
        }
    }
}

#[test]
fn commands_make_the_same_keys() {
    for name in ["redis-7.0", "redis-8.10", "valkey-9.1"] {
        let Some(kind) = require(name) else { continue };
        let server = Server::start(&kind, &[]);
        let file = match kind.version.flavour {
            Flavour::Valkey => fixture("valkey-9.1.2-alltypes.rdb"),
            _ if kind.version.at_least(8, 0) => fixture("redis-8.10.2-alltypes.rdb"),
            _ => fixture("redis-7.0.15-alltypes.rdb"),
        };
        let digest = loaded(&kind, &file).expect("its own file");
        replays(0, &file, &server, &["--as", "commands", "--verify", "full"]);
        assert_eq!(server.digest(), digest, "{name}");
    }
}

/// A key that commands make comes as a whole, or what was there stays.
#[test]
fn a_key_whose_commands_are_refused_stays_as_it_was() {
    let Some(kind) = require("redis-8.0") else { return };
    let server = Server::start(&kind, &[]);
    server.cmd(&["ACL", "SETUSER", "lim", "on", ">x", "~*", "&*", "+@all", "-zadd"]);
    server.cmd(&["SET", "zset:small", "old"]);
    let url = server.url().replace("redis://", "redis://lim:x@");
    let file = fixture("redis-7.0.15-alltypes.rdb");
    let (code, told) = said(&[
        "replay",
        file.to_str().unwrap(),
        "--to",
        &url,
        "--no-state",
        "--as",
        "commands",
        "--key",
        "zset:small",
        "--verify",
        "none",
    ]);
    assert!(code == 1 && told.contains("ZADD \"zset:small\""), "{told}");
    assert_eq!(text(server.cmd(&["GET", "zset:small"])), "old");
}

#[test]
fn commands_leave_keys_alone_that_are_there() {
    for name in ["redis-6.2", "redis-8.0", "valkey-9.1"] {
        let Some(kind) = require(name) else { continue };
        let server = Server::start(&kind, &[]);
        let file = fixture("redis-5.0.6-alltypes.rdb");
        let digest = loaded(&kind, &file).expect("an old file");
        let skip = ["--as", "commands", "--on-existing", "skip", "--verify", "none"];
        replays(0, &file, &server, &skip);
        assert_eq!(server.digest(), digest, "{name}");
        server.cmd(&["DEL", "list:small"]);
        server.cmd(&["SET", "list:small", "mine"]);
        let changed = server.digest();
        let told = replays(0, &file, &server, &skip);
        assert!(told.contains("there already"), "{told}");
        assert_eq!(server.digest(), changed, "{name}");
        let fail = ["--as", "commands", "--on-existing", "fail", "--key", "list:small"];
        let told = replays(1, &file, &server, &fail);
        assert!(told.contains("BUSYKEY"), "{told}");
        assert_eq!(server.digest(), changed, "{name}");
        no_keys_of_ours(&server);
    }
}

#[test]
fn what_no_transaction_holds_comes_as_a_whole() {
    let Some(kind) = require("redis-8.0") else { return };
    let server = Server::start(&kind, &["--proto-max-bulk-len", "1mb"]);
    let folder = tempfile::tempdir().unwrap();
    let mut log = Vec::new();
    let mut put = |args: &[&[u8]]| {
        log.extend_from_slice(format!("*{}\r\n", args.len()).as_bytes());
        for arg in args {
            log.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            log.extend_from_slice(arg);
            log.extend_from_slice(b"\r\n");
        }
    };
    let mut random = Random::new(7);
    let long: Vec<u8> = (0..3 << 20).map(|_| random.word().to_le_bytes()[0]).collect();
    put(&[b"SELECT", b"0"]);
    put(&[b"SET", b"string", &long]);
    for part in long.chunks(100 << 10).cycle().take(400) {
        put(&[b"RPUSH", b"list", part]);
    }
    put(&[b"PEXPIREAT", b"list", b"4102444800000"]);
    let path = folder.path().join("long.aof");
    fs::write(&path, &log).unwrap();
    for (policy, list) in [("replace", 400), ("skip", 1)] {
        server.cmd(&["DEL", "list"]);
        server.cmd(&["SET", "string", "old"]);
        server.cmd(&["RPUSH", "list", "old"]);
        let policy = ["--on-existing", policy, "--verify", "none"];
        let told = replays(1, &path, &server, &policy);
        assert!(told.contains("proto-max-bulk-len"), "{told}");
        assert_eq!(text(server.cmd(&["GET", "string"])), "old");
        assert_eq!(server.cmd(&["LLEN", "list"]), Value::Int(list), "{told}");
        no_keys_of_ours(&server);
    }
    server.cmd(&["DEL", "list"]);
    replays(1, &path, &server, &["--on-existing", "fail", "--verify", "none"]);
    assert_eq!(server.cmd(&["LLEN", "list"]), Value::Int(400));
    assert_eq!(server.cmd(&["PEXPIRETIME", "list"]), Value::Int(4_102_444_800_000));
    no_keys_of_ours(&server);
}

#[test]
fn older_servers_get_what_they_can_hold() {
    let Some(kind) = require("redis-6.2") else { return };
    let server = Server::start(&kind, &[]);
    let text = replays(1, &fixture("redis-8.10.2-alltypes.rdb"), &server, &[]);
    assert!(text.contains("lost") && text.contains("no difference"), "{text}");
    let text = replays(
        1,
        &fixture("redis-7.0.15-alltypes.rdb"),
        &server,
        &["--type", "hash,list", "--flush-first", "--yes"],
    );
    assert!(text.contains("no difference"), "{text}");
}

#[test]
fn policies_decide_about_keys() {
    let Some(kind) = require("redis-7.0") else { return };
    let server = Server::start(&kind, &[]);
    let file = fixture("redis-7.0.15-alltypes.rdb");
    let dry = replays(0, &file, &server, &["--dry-run"]);
    assert!(dry.contains("dry run"), "{dry}");
    assert_eq!(server.cmd(&["DBSIZE"]), Value::Int(0));
    // What is there stays, or is an error.
    server.cmd(&["SET", "hash:small", "mine"]);
    let skipped = replays(0, &file, &server, &["--on-existing", "skip"]);
    assert!(skipped.contains("1 there already"), "{skipped}");
    assert_eq!(text(server.cmd(&["GET", "hash:small"])), "mine");
    let refused = replays(1, &file, &server, &["--on-existing", "fail", "--key", "hash:small"]);
    assert!(refused.contains("BUSYKEY"), "{refused}");
    // A database of its own, and names of their own.
    replays(0, &file, &server, &["--map-db", "0=7", "--db", "0", "--rename", "*=moved:*"]);
    server.cmd(&["SELECT", "7"]);
    assert_eq!(text(server.cmd(&["TYPE", "moved:hash:small"])), "hash");
    server.cmd(&["SELECT", "0"]);
    // Times to live can be moved.
    server.cmd(&["FLUSHALL"]);
    let source = Server::start(&kind, &[]);
    source.cmd(&["SET", "soon", "v", "EX", "1000"]);
    let saved = source.save();
    replays(0, &saved, &server, &["--ttl-shift", "1h"]);
    let Value::Int(left) = server.cmd(&["TTL", "soon"]) else { panic!() };
    assert!((4500..=4600).contains(&left), "{left}");
    // The wrong place is told in a sentence.
    let url = format!("{}/999", server.url());
    let (code, text) = said(&["replay", saved.to_str().unwrap(), "--to", &url, "--no-state"]);
    assert!(code == 2 && text.contains("no database 999"), "{text}");
}

#[test]
fn figures_for_prometheus() {
    let Some(kind) = require("redis-7.0") else { return };
    let server = Server::start(&kind, &[]);
    let folder = tempfile::tempdir().unwrap();
    let metrics = folder.path().join("rdbkit.prom");
    let file = fixture("redis-7.0.15-lru.rdb");
    let more =
        ["--metrics", metrics.to_str().unwrap(), "--verify", "full", "--on-existing", "fail"];
    let figure = |name: &str| {
        let text = fs::read_to_string(&metrics).unwrap();
        let labels = format!("{{source=\"{}\",target=\"{}\"}} ", file.display(), server.url());
        let value = text.lines().find_map(|line| line.strip_prefix(&format!("{name}{labels}")));
        value.unwrap_or_else(|| panic!("{name} in {text}")).parse::<u64>().unwrap()
    };
    replays(0, &file, &server, &more);
    assert_eq!((figure("rdbkit_load_complete"), figure("rdbkit_load_keys")), (1, 11));
    assert_eq!(
        (figure("rdbkit_load_compared_keys"), figure("rdbkit_load_different_keys")),
        (11, 0)
    );
    let text = fs::read_to_string(&metrics).unwrap();
    assert!(text.contains("rdbkit_last_run_timestamp_seconds{verb=\"replay\"} "), "{text}");
    // All keys are there already.
    replays(1, &file, &server, &more);
    assert_eq!((figure("rdbkit_load_complete"), figure("rdbkit_load_refused_keys")), (0, 11));
}

/// A load that cannot work: its exit code is 2, and its words have this.
#[track_caller]
fn refused(args: &[&str], words: &str) -> String {
    let (code, text) = said(args);
    assert_eq!(code, 2, "{args:?}: {text}");
    assert!(text.contains(words), "{words:?} is not in {text:?}");
    text
}

#[test]
fn what_cannot_work_is_a_sentence() {
    let Some(kind) = require("redis-7.0") else { return };
    let file = fixture("redis-7.0.15-alltypes.rdb");
    let source = file.to_str().unwrap();
    let server = Server::start(&kind, &[]);
    let url = server.url();
    let port = server.port();
    let load = |url: &str, words: &str| {
        refused(&["replay", source, "--to", url, "--no-state", "--patience", "200ms"], words)
    };

    // What was sent of a file that is not sound is not all well.
    let broken = |name: &str, words: &str| {
        let text = replays(1, &fixture(&format!("broken/{name}")), &server, &["--dry-run"]);
        assert!(text.contains(words), "{text}");
        let text = replays(1, &fixture(&format!("broken/{name}")), &server, &[]);
        assert!(text.contains(words), "{text}");
    };
    broken("checksum.rdb", "the checksum is b60df277e0998537 but the bytes have b70df277e0998537");
    broken("trunc-in-multi.aof", "from offset 114 on was dropped");
    server.cmd(&["FLUSHALL"]);

    // Nobody there; and not what the URL says.
    load("redis://127.0.0.1:1", "is the server running");
    load("redis://no-such-host.invalid", "cannot connect to no-such-host.invalid:6379");
    load(&format!("rediss://127.0.0.1:{port}"), "TLS");
    load("http://127.0.0.1", "redis+cluster://");
    // Names are those of keys on a target; filters are about what is run here as well.
    let (code, _) = said(&["replay", source, "--rename", "a=b"]);
    assert_eq!(code, 2);
    let (code, _) = said(&["replay", source, "--prefix", "a"]);
    assert_eq!(code, 0);

    // Passwords, which are never shown.
    server.cmd(&["CONFIG", "SET", "requirepass", "right"]);
    load(&url, "RDBKIT_PASSWORD");
    let text = load(&format!("redis://:wrong-one@127.0.0.1:{port}"), "WRONGPASS");
    assert!(!text.contains("wrong-one"), "{text}");
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    fs::write(&secret, "right\n").unwrap();
    let secret = secret.to_str().unwrap();
    let args = ["replay", source, "--to", &url, "--no-state", "--password-file", secret];
    assert_eq!(said(&args).0, 0, "{:?}", said(&args));
    let mut by_environment = program(&["replay", source, "--to", &url, "--no-state"]);
    assert!(by_environment.env("RDBKIT_PASSWORD", "right").status().unwrap().success());
    server.cmd(&["CONFIG", "SET", "requirepass", ""]);

    // A replica, and a master that is full.
    let replica = Server::start(&kind, &["--replicaof", "127.0.0.1", &port.to_string()]);
    load(&replica.url(), &format!("its master is 127.0.0.1:{port}"));
    server.cmd(&["FLUSHALL"]);
    server.cmd(&["CONFIG", "SET", "maxmemory", "1"]);
    load(&url, "OOM");
    server.cmd(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(said(&["replay", source, "--to", &url, "--no-state"]).0, 0);
    refused(&["replay", source, "--to", &url, "--flush-first"], "--yes");
}

/// A log that sets one key after the other, one in a second.
fn timed_log() -> String {
    let set = |n: u32| format!("#TS:{}\r\n*3\r\n$3\r\nSET\r\n$1\r\n{n}\r\n$1\r\nv\r\n", 1000 + n);
    (1..=9).map(set).collect()
}

#[test]
fn a_log_is_loaded_up_to_a_point() {
    let Some(kind) = require("redis-7.0") else { return };
    let server = Server::start(&kind, &[]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("appendonly.aof");
    let log = timed_log();
    fs::write(&path, &log).unwrap();
    let three = (log.len() / 9 * 3).to_string();
    for (point, value, keys) in
        [("--until-command", "4", 4), ("--until-time", "1006", 6), ("--until-offset", &three, 3)]
    {
        server.cmd(&["FLUSHALL"]);
        let text = replays(0, &path, &server, &[point, value, "--verify", "full"]);
        assert_eq!(server.cmd(&["DBSIZE"]), Value::Int(keys), "{point}: {text}");
        assert!(text.contains("up to the point that was asked for"), "{text}");
    }
    // What the way cannot do is refused before anything is done to the target.
    let url = server.url();
    let refuses = |source: &Path, more: &[&str], words: &str| {
        let source = source.to_str().unwrap();
        let args = [&["replay", source, "--to", &url, "--flush-first", "--yes"], more].concat();
        refused(&args, words);
        assert_eq!(server.cmd(&["DBSIZE"]), Value::Int(3), "{more:?}");
    };
    for (more, words) in [
        (&["--target", "redis:6.2"][..], "--target"),
        (&["--ttl-shift", "1h"], "--ttl-shift is for keys"),
        (&["--on-existing", "skip"], "--on-existing is for keys"),
        (&["--drop-expired"], "--drop-expired is for keys"),
        (&["--verify", "full"], "rdbkit diff"),
    ] {
        refuses(&path, &[more, &["--as", "log"]].concat(), words);
    }
    refuses(&path, &["--save", "x.rdb"], "--save writes a file");
    let snapshot = fixture("redis-7.0.15-lru.rdb");
    for form in ["auto", "log"] {
        let more = ["--until-time", "1006", "--as", form];
        refuses(&snapshot, &more, "a point to stop at is for logs");
    }
    let text = replays(0, &path, &server, &["--as", "log", "--flush-first", "--yes"]);
    assert!(text.contains("commands/s") && !text.contains("0 keys"), "{text}");
}

/// Keys of a database that the server lacks go nowhere, and least of all into another one.
#[test]
fn keys_stay_out_of_other_databases() {
    let Some(kind) = require("redis-7.0") else { return };
    let server = Server::start(&kind, &["--databases", "2"]);
    let url = server.url();
    let folder = tempfile::tempdir().unwrap();
    let (log, snapshot) = (folder.path().join("a.aof"), folder.path().join("a.rdb"));
    let lines = "SET a right|SELECT 3|SET a wrong|SET b wrong".split('|').map(|line| {
        let words: Vec<String> =
            line.split(' ').map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
        format!("*{}\r\n{}", words.len(), words.concat())
    });
    fs::write(&log, lines.collect::<String>()).unwrap();
    let [log, snapshot] = [&log, &snapshot].map(|path| path.to_str().unwrap());
    assert_eq!(said(&["replay", log, "--save", snapshot]).0, 0);
    for (source, form) in [(log, "auto"), (snapshot, "auto"), (snapshot, "commands"), (log, "log")]
    {
        server.cmd(&["FLUSHALL"]);
        server.cmd(&["SET", "kept", "v"]);
        let args = ["replay", source, "--to", &url, "--no-state", "--as", form];
        for more in [&[][..], &["--dry-run"], &["--flush-first", "--yes"]] {
            refused(&[&args[..], more].concat(), "has no database 3");
            let keys = server.cmd(&["KEYS", "*"]);
            assert_eq!(keys, Value::Array(vec![Value::BulkString(b"kept".into())]), "{more:?}");
        }
        // With a place for them, or without them.
        for (more, both) in [(["--map-db", "3=1"], true), (["--db", "0"], false)] {
            server.cmd(&["FLUSHALL"]);
            let (code, told) = said(&[&args[..], &more, &["--restart"]].concat());
            assert_eq!(code, 0, "{source} {form} {more:?}: {told}");
            assert_eq!(text_or_nil(&server, "a"), "right", "{told}");
            let keyspace = text(server.cmd(&["INFO", "keyspace"]));
            assert_eq!(keyspace.contains("db1:keys=2"), both, "{keyspace}");
        }
    }
    // One that nobody asked for is none that the keys need, and is no reason to empty anything.
    server.cmd(&["FLUSHALL"]);
    server.cmd(&["SET", "kept", "v"]);
    let args = ["replay", snapshot, "--to", &url, "--no-state", "--flush-first", "--yes"];
    refused(&[&args[..], &["--map-db", "3=7"]].concat(), "has no database 7");
    refused(&["replay", snapshot, "--to", &format!("{url}/9"), "--db", "0"], "has no database 9");
    assert_eq!(server.cmd(&["DBSIZE"]), Value::Int(1));
    // What comes through a pipe cannot be looked through: what stands before has arrived.
    let file = fs::File::open(snapshot).unwrap();
    let output = program(&["replay", "-", "--to", &url]).stdin(file).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("has no database 3"), "{output:?}");
    assert_eq!(text_or_nil(&server, "a"), "right");
}

fn text_or_nil(server: &Server, key: &str) -> String {
    match server.cmd(&["GET", key]) {
        Value::Nil => String::new(),
        value => text(value),
    }
}

#[test]
fn what_cannot_be_compared_is_counted() {
    let Some(kind) = require("redis-7.0") else { return };
    let server = Server::start(&kind, &[]);
    let url = server.url();
    let piped = |more: &[&str]| {
        let mut command = program(&[&["replay", "-", "--to", &url], more].concat());
        let file = fs::File::open(fixture("redis-7.0.15-lru.rdb")).unwrap();
        let output = command.stdin(file).output().unwrap();
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.code(), text)
    };
    let (code, text) = piped(&["--verify", "sample"]);
    assert!(code == Some(2) && text.contains("--verify reads - a second time"), "{text}");
    assert_eq!(server.cmd(&["DBSIZE"]), Value::Int(0));
    let (code, text) = piped(&[]);
    assert!(code == Some(0) && text.contains("no key was compared"), "{text}");
    assert!(text.contains("counted    keys: 11, as sent"), "{text}");
    assert!(!text.contains("verified"), "{text}");
    // Nobody computes the digest of an array with a huge index.
    let Some(kind) = require("redis-8.10") else { return };
    let server = Server::start(&kind, &[]);
    let file = fixture("redis-8.10.2-array-huge-index.rdb");
    let text = replays(0, &file, &server, &["--verify", "full"]);
    assert!(text.contains("of the comparison"), "{text}");
}

#[test]
fn a_target_is_not_emptied_for_a_broken_snapshot() {
    let Some(kind) = require("redis-7.0") else { return };
    let server = Server::start(&kind, &[]);
    server.cmd(&["SET", "kept", "v"]);
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut.rdb");
    let bytes = fs::read(fixture("redis-7.0.15-alltypes.rdb")).unwrap();
    fs::write(&cut, &bytes[..bytes.len() * 3 / 4]).unwrap();
    for broken in [&cut, &fixture("broken/checksum.rdb")] {
        let text = replays(1, broken, &server, &["--flush-first", "--yes"]);
        assert!(text.contains("was not emptied"), "{text}");
        assert_eq!(server.cmd(&["DBSIZE"]), Value::Int(1));
    }
    // A log that servers refuse, and one whose tail they would cut away.
    let folder_of = |name: &str| fixture(&format!("broken/{name}"));
    for broken in [
        "dir-two-bases",
        "dir-unknown-type",
        "dir-incr-order-wrong",
        "dir-no-manifest",
        "dir-long-line",
        "dir-trunc-last-incr",
        "huge-multibulk.aof",
    ] {
        for form in ["auto", "log"] {
            let more = ["--as", form, "--flush-first", "--yes"];
            let text = replays(1, &folder_of(broken), &server, &more);
            assert!(text.contains("not emptied"), "{broken} {form}: {text}");
            assert_eq!(server.cmd(&["DBSIZE"]), Value::Int(1), "{broken} {form}: {text}");
        }
    }
    // Without that, what stands before the break is sent, and told of.
    let text = replays(1, &cut, &server, &[]);
    assert!(text.contains("  arrived    ") && text.contains("keys before that"), "{text}");
}

#[test]
fn missing_rights_are_named() {
    let Some(kind) = require("redis-7.0") else { return };
    let server = Server::start(&kind, &[]);
    server.cmd(&["ACL", "SETUSER", "u", "on", ">pw", "~app:*", "+@all"]);
    let url = format!("redis://u:pw@127.0.0.1:{}", server.port());
    let file = fixture("redis-7.0.15-lru.rdb");
    refused(&["replay", file.to_str().unwrap(), "--to", &url, "--no-state"], "~rdbkit:replay:*");
}

#[test]
fn a_full_server_is_waited_for_and_the_state_is_kept() {
    let Some(kind) = require("redis-7.0") else { return };
    let server = Server::start(&kind, &[]);
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("dump.rdb");
    fs::write(&source, many_keys(&kind, 30_000)).unwrap();
    let url = server.url();
    let state = folder.path().join("dump.rdb.rdbkit-replay");
    let name = source.to_str().unwrap();
    let used: u64 = info(&server, "used_memory");
    server.cmd(&["CONFIG", "SET", "maxmemory", &(used + 2_000_000).to_string()]);
    let small = ["--pipeline", "64kb", "--patience", "300ms"];
    let args = [&["replay", name, "--to", &url], &small[..]].concat();
    let text = refused(&args, "OOM");
    assert!(text.contains("goes on there"), "{text}");
    assert!(state.exists());
    // Another target, and another source, have no business with this state.
    let other = Server::start(&kind, &[]);
    refused(&["replay", name, "--to", &other.url()], "its target was");
    // With room it goes on, and leaves nothing behind.
    server.cmd(&["CONFIG", "SET", "maxmemory", "0"]);
    let (code, text) = said(&args);
    assert!(code == 0, "{text}");
    assert!(!state.exists());
    no_keys_of_ours(&server);
    assert_eq!(server.digest(), loaded(&kind, &source).unwrap());
}

fn info(server: &Server, field: &str) -> u64 {
    let info = text(server.cmd(&["INFO"]));
    let line = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap().trim().parse().unwrap()
}

/// A snapshot of many keys of several types.
fn many_keys(kind: &Kind, keys: usize) -> Vec<u8> {
    let server = Server::start(kind, &[]);
    let mut random = Random::new(7);
    let mut commands: Vec<Vec<Vec<u8>>> = Vec::new();
    for n in 0..keys {
        let key = format!("key:{n}").into_bytes();
        let value = random.text(60);
        commands.push(match n % 4 {
            0 => vec![b"HSET".to_vec(), key, b"f".to_vec(), value],
            1 => vec![b"RPUSH".to_vec(), key, value, b"x".to_vec()],
            _ => vec![b"SET".to_vec(), key, value],
        });
    }
    server.pipeline(&commands);
    fs::read(server.save()).unwrap()
}

/// Starts a replay that is to be killed.
fn start(args: &[&str]) -> Child {
    program(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_killed_snapshot_replay_goes_on() {
    let Some(kind) = require("valkey-8.1") else { return };
    let mut server = Server::start(&kind, &["--appendonly", "yes"]);
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("dump.rdb");
    fs::write(&source, many_keys(&kind, 40_000)).unwrap();
    let name = source.to_str().unwrap();
    let digest = loaded(&kind, &source).unwrap();
    let mut random = Random::new(1);
    let url = server.url();
    let args = ["replay", name, "--to", &url, "--rate", "20000", "--pipeline", "64kb"];
    for round in 0..6 {
        let mut child = start(&args);
        sleep(Duration::from_millis(150 + random.below(500) as u64));
        if round % 2 == 0 {
            child.kill().unwrap();
            child.wait().unwrap();
        } else {
            server.crash();
            server.revive();
            sleep(Duration::from_millis(100));
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
    let (code, text) = said(&["replay", name, "--to", &url, "--verify", "full"]);
    assert!(code == 0 && text.contains("no difference"), "{text}");
    assert_eq!(server.digest(), digest);
    no_keys_of_ours(&server);
}

#[test]
fn a_target_that_lost_everything_gets_everything() {
    let Some(kind) = require("redis-7.0") else { return };
    let mut server = Server::start(&kind, &[]);
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("dump.rdb");
    fs::write(&source, many_keys(&kind, 40_000)).unwrap();
    let name = source.to_str().unwrap().to_owned();
    let url = server.url();
    let child = program(&["replay", &name, "--to", &url, "--rate", "10000", "--pipeline", "64kb"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("some has arrived", Duration::from_secs(60), || match server.cmd(&["DBSIZE"]) {
        Value::Int(keys) => keys > 5000,
        other => panic!("{other:?}"),
    });
    server.crash();
    server.revive();
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    assert!(status.success() && said.contains("came back without"), "{said}");
    assert_eq!(server.digest(), loaded(&kind, &source).unwrap());
}

/// A log of commands that do harm when they run twice.
fn counting_log(commands: usize) -> Vec<u8> {
    let mut random = Random::new(3);
    let mut log = Vec::new();
    let mut add = |words: &[&str]| {
        log.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            log.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
        }
    };
    add(&["SELECT", "0"]);
    for n in 0..commands {
        let (one, two) = (format!("c:{}", random.below(50)), format!("l:{}", random.below(20)));
        match n % 10 {
            0 => {
                add(&["MULTI"]);
                add(&["INCR", &one]);
                add(&["RPUSH", &two, &n.to_string()]);
                add(&["EXEC"]);
            }
            1 => {
                add(&["SELECT", &random.below(4).to_string()]);
                add(&["INCR", &one]);
            }
            2 => add(&["APPEND", &format!("a:{}", random.below(9)), "x"]),
            3 | 4 => add(&["RPUSH", &two, &n.to_string()]),
            5 if n % 500 == 5 => add(&["FLUSHDB"]),
            _ => add(&["INCRBY", &one, "7"]),
        }
    }
    log
}

#[test]
fn a_log_takes_effect_exactly_once() {
    let Some(kind) = require("redis-7.0") else { return };
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("appendonly.aof");
    let log = counting_log(60_000);
    fs::write(&source, &log).unwrap();
    let digest = Server::start_with_aof_file(&kind, &log, &[]).digest();
    let name = source.to_str().unwrap();
    let mut server = Server::start(&kind, &["--appendonly", "yes", "--appendfsync", "no"]);
    let url = server.url();
    let args = ["replay", name, "--to", &url, "--as", "log", "--rate", "15000"];
    let mut random = Random::new(5);
    for round in 0..6 {
        let mut child = start(&args);
        sleep(Duration::from_millis(100 + random.below(300) as u64));
        if round % 3 == 2 {
            server.crash();
            server.revive();
            sleep(Duration::from_millis(200));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let (code, text) = said(&["replay", name, "--to", &url, "--as", "log"]);
    assert!(code == 0, "{text}");
    assert_eq!(server.digest(), digest, "{text}");
    no_keys_of_ours(&server);
}

#[test]
fn a_log_with_its_snapshot_arrives_in_order() {
    for (name, log) in [
        ("redis-7.0", "redis-7.0.15-alltypes-aofdir-preamble"),
        ("redis-8.10", "redis-8.10.2-alltypes-aofdir"),
    ] {
        let Some(kind) = require(name) else { continue };
        let dir = fixture(log);
        let digest = Server::start_with_aof_dir(&kind, &dir, &[]).digest();
        let server = Server::start(&kind, &[]);
        for form in [&["--as", "log"][..], &["--verify", "full"]] {
            let more = [&["--flush-first", "--yes"], form].concat();
            replays(0, &dir, &server, &more);
            assert_eq!(server.digest(), digest, "{log} {form:?}");
            no_keys_of_ours(&server);
        }
    }
}

/// A log of a GB cannot be searched for a command by its key.
#[test]
fn what_is_refused_of_a_log_has_a_place() {
    let Some(kind) = require("redis-7.0") else { return };
    let server = Server::start(&kind, &[]);
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("x.aof");
    let command = |words: &[&str]| {
        let words = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
        format!("*{}\r\n{}", words.len(), words.collect::<String>())
    };
    let good = command(&["SET", "a", "1"]);
    let bad = command(&["RPUSH", "a", "1"]);
    fs::write(&log, format!("{good}{bad}{}{good}", command(&["BADCMD", "x"]))).unwrap();
    let text = replays(1, &log, &server, &["--as", "log"]);
    let (name, first) = (log.display(), good.len());
    assert!(text.contains("refused    2 commands"), "{text}");
    let places = [format!("RPUSH \"a\" at offset {first} of {name}: WRONGTYPE"), {
        let second = first + bad.len();
        format!("BADCMD at offset {second} of {name}: ERR unknown command")
    }];
    for place in places {
        assert!(text.contains(&place), "{place}: {text}");
    }
    let text = replays(2, &log, &server, &["--as", "log", "--max-errors", "0"]);
    assert!(text.contains("more commands were refused") && !text.contains("0 keys"), "{text}");
}

/// At no time more has arrived than the rate allows, and all the time something does.
#[test]
fn a_rate_is_kept_from_moment_to_moment() {
    let Some(kind) = require("redis-7.0") else { return };
    let server = Server::start(&kind, &[]);
    let url = server.url();
    let folder = tempfile::tempdir().unwrap();
    let rdb = folder.path().join("dump.rdb");
    fs::write(&rdb, many_keys(&kind, 20_000)).unwrap();
    let log = folder.path().join("appendonly.aof");
    let line = |n: usize| {
        let key = format!("key:{n:05}");
        format!("*3\r\n$3\r\nSET\r\n$9\r\n{key}\r\n$1\r\nv\r\n")
    };
    fs::write(&log, (0..20_000).map(line).collect::<String>()).unwrap();
    for (file, form) in [(&rdb, "auto"), (&log, "auto"), (&log, "log")] {
        let file = file.to_str().unwrap();
        let more = ["--as", form, "--rate", "1000", "--no-state"];
        let mut child = start(&[&["replay", file, "--to", &url][..], &more].concat());
        let size = || match server.cmd(&["DBSIZE"]) {
            Value::Int(size) => u64::try_from(size).unwrap().saturating_sub(2),
            other => panic!("{other:?}"),
        };
        wait_until("it begins", Duration::from_secs(30), || size() > 0);
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(3) {
            let (size, may) = (size(), 1000 * u64::try_from(began.elapsed().as_millis()).unwrap());
            assert!(size <= may / 1000 + 600, "{form}: {size} after {:?}", began.elapsed());
            sleep(Duration::from_millis(50));
        }
        assert!(size() > 1000, "{form}: {}", size());
        child.kill().unwrap();
        child.wait().unwrap();
        server.cmd(&["FLUSHALL"]);
    }
}

/// The keys that a log has made are sent; a replay of them that is killed goes on where it was, with
/// any number of threads.
#[test]
fn a_killed_replay_of_the_keys_of_a_log_goes_on() {
    let Some(kind) = require("redis-7.0") else { return };
    let (source, log) = replayer::log(&kind, 9, (25_000, 10_000), true);
    let target = Server::start(&kind, &["--appendonly", "yes"]);
    let (name, url) = (log.to_str().unwrap(), target.url());
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let slow = ["replay", name, "--to", &url, "--rate", "6000", "--pipeline", "64kb", "--state"];
    let slow = [&slow[..], &[state.to_str().unwrap()]].concat();
    let offset = || {
        let text = fs::read_to_string(&state).unwrap_or_default();
        let state: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        state["offset"].as_u64().unwrap_or(0)
    };
    for threads in ["1", "3"] {
        let before = offset();
        let mut child = start(&[&slow[..], &["--threads", threads]].concat());
        wait_until("it has come further", Duration::from_secs(60), || offset() > before);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let at = offset();
    let child = program(&slow).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("it has come further", Duration::from_secs(60), || offset() > at);
    let stopped = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(stopped.unwrap().success());
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    assert_eq!(status.code(), Some(2), "{told}");
    assert!(told.contains("goes on at key ") && told.contains("everything before key "), "{told}");
    let quick = ["replay", name, "--to", &url, "--state", state.to_str().unwrap()];
    let (code, told) = said(&[&quick[..], &["--verify", "full", "--threads", "2"]].concat());
    assert!(code == 0 && told.contains("goes on at key "), "{told}");
    assert_eq!(target.digest(), source.digest());
    no_keys_of_ours(&target);
    assert!(!state.exists());

    // A log that has grown is another one.
    let mut child = start(&slow);
    wait_until("it has come further", Duration::from_secs(60), || offset() > 0);
    child.kill().unwrap();
    child.wait().unwrap();
    source.cmd(&["SET", "one", "more"]);
    let (code, told) = said(&quick);
    assert!(code == 0 && told.contains("has changed since"), "{told}");
    assert_eq!(target.digest(), source.digest());
}

/// At the end the state is removed, and with it whatever lies there.
#[test]
fn a_state_takes_the_place_of_no_source() {
    let Some(kind) = require("redis-7.0") else { return };
    let server = Server::start(&kind, &[]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dump.rdb");
    fs::copy(fixture("redis-7.0.15-alltypes.rdb"), &path).unwrap();
    let endpoint: Endpoint = server.url().parse().unwrap();
    let connector = Connector::new(&endpoint, &TlsOptions::default(), Timeouts::default()).unwrap();
    let destination = connect(&endpoint, &connector, 1, Duration::ZERO, &Silent).unwrap();
    let again = || open(&path.as_os_str().into(), &OpenOptions::default());
    let state = StatePlace::File(path.clone());
    let options = LoadOptions { state, restart: true, ..LoadOptions::default() };
    let refused = load(again().unwrap(), &again, destination, &options, &Silent).unwrap_err();
    assert!(refused.to_string().contains("dump.rdb is what is read"), "{refused}");
    assert_eq!(fs::read(&path).unwrap(), fs::read(fixture("redis-7.0.15-alltypes.rdb")).unwrap());
}

#[test]
fn what_cannot_go_on_says_so() {
    let Some(kind) = require("redis-7.0") else { return };
    let server = Server::start(&kind, &[]);
    let file = fs::File::open(fixture("redis-7.0.15-alltypes.rdb")).unwrap();
    let output = program(&["replay", "-", "--to", &server.url()]).stdin(file).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("begins anew"), "{told}");
}

#[test]
fn certificates_are_looked_at() {
    let Some(kind) = require("redis-7.0") else { return };
    let Some(made) = Certificates::make() else { return };
    let Some((server, tls_port)) = made.start(&kind, &[]) else { return };
    let (Certificates { ca, cert, key, .. }, other) = (&made, made.other_authority());
    let file = fixture("redis-7.0.15-alltypes.rdb");
    let url = format!("rediss://127.0.0.1:{tls_port}");
    let args = ["replay", file.to_str().unwrap(), "--to", &url, "--no-state", "--verify", "full"];
    let with = |more: &[&str]| said(&[&args[..], more].concat());
    // Nobody vouches for it; somebody else does; it wants to know who we are.
    for other in [&[][..], &["--tls-ca", &other]] {
        let (code, text) = with(other);
        assert!(code == 2 && text.contains("--tls-ca"), "{text}");
    }
    let (code, text) = with(&["--tls-ca", ca]);
    assert!(code == 2 && text.contains("--tls-cert"), "{text}");
    let ours = ["--tls-ca", ca, "--tls-cert", cert, "--tls-key", key];
    let (code, text) = with(&ours);
    assert!(code == 0 && text.contains("no difference"), "{text}");
    assert_eq!(server.digest(), loaded(&kind, &file).unwrap());
    server.cmd(&["CONFIG", "SET", "tls-auth-clients", "no"]);
    let (code, text) = with(&["--tls-ca", ca, "--tls-server-name", "redis.test"]);
    assert_eq!(code, 0, "{text}");
    let (code, text) = with(&["--tls-ca", ca, "--tls-server-name", "elsewhere.test"]);
    assert!(code == 2 && text.contains("--tls-server-name"), "{text}");
    assert_eq!(with(&["--tls-insecure"]).0, 0);
}
