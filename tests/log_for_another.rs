//! Logs that are written for another server than the one that wrote them: what stands in a log is
//! up to its writer, what is made of it to the server that is to load it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use support::fill;
use support::history::{log_of, rewrite};
use support::servers::{Flavour, Server, require, servers};
use support::twin::target;

fn rdbkit(args: &[&str]) -> (i32, String) {
    let done = Command::new(env!("CARGO_BIN_EXE_rdbkit")).args(args).output().unwrap();
    let all = [done.stdout, done.stderr].concat();
    (done.status.code().unwrap(), String::from_utf8_lossy(&all).into_owned())
}

/// A server whose log has a base of commands, too.
fn logging(name: &str, more: &[&str]) -> Option<Server> {
    let options = ["--appendonly", "yes", "--aof-use-rdb-preamble", "no"];
    // Otherwise what a client has an answer to may not be written yet.
    let at_once = ["--appendfsync", "always"];
    Some(Server::start(&require(name)?, &[&options[..], &at_once, more].concat()))
}

/// A log is converted and compacted for every server, loads there, and holds what its writer does.
#[track_caller]
fn is_read_for_all(writer: &Server) {
    let folder = tempfile::tempdir().unwrap();
    let log = log_of(writer);
    let (out, log) = (folder.path().join("out.rdb"), log.to_str().unwrap());
    let mut seen = 0;
    for kind in servers() {
        let target = target(&kind).to_string();
        for verb in [&["convert", log, out.to_str().unwrap()][..], &["compact", log, "-o"]] {
            let _ = fs::remove_file(&out);
            let rest = match verb {
                ["compact", ..] => &[out.to_str().unwrap(), "--to", "rdb"][..],
                _ => &[],
            };
            let (code, said) = rdbkit(&[verb, rest, &["--target", &target]].concat());
            assert!(code == 0 && !said.contains("failed"), "{verb:?} {target}: {said}");
            let bytes = fs::read(&out).unwrap();
            let loaded = Server::start_with_rdb(&kind, &bytes, &["--sanitize-dump-payload", "yes"]);
            assert_eq!(loaded.digest(), writer.digest(), "{verb:?} {target}");
            seen += 1;
        }
    }
    assert!(seen > 4, "{seen}");
}

/// Redis 8.10 logs hashes with templates as payloads of RESTORE, which have no checksum.
#[test]
fn payloads_without_a_checksum_are_read_for_every_server() {
    let Some(writer) = logging("redis-8.10", &["--hash-min-template-entries", "2"]) else { return };
    fill::run(
        &writer,
        "HIMPORT PREPARE p name city
        HIMPORT SET k1 p ada rome
        HIMPORT SET k2 p bob oslo
        HSET k3 x 1 y 2 z 3
        COPY k1 k4
        SET s hello",
    );
    let long = "v".repeat(700);
    writer.cmd(&["HIMPORT", "SET", "k5", "p", "eve", &long]);
    is_read_for_all(&writer);
    rewrite(&writer);
    writer.cmd(&["HSET", "k1", "born", "1815"]);
    is_read_for_all(&writer);
}

/// A hash with a template stays one in what is made of a log, as in what its writer saves.
#[test]
fn hashes_keep_their_templates() {
    let Some(kind) = require("redis-8.10") else { return };
    for preamble in ["no", "yes"] {
        let log = ["--appendonly", "yes", "--appendfsync", "always"];
        let template = ["--hash-min-template-entries", "2", "--aof-use-rdb-preamble", preamble];
        let writer = Server::start(&kind, &[log, template].concat());
        fill::run(
            &writer,
            "HSET k1 name ada city rome
            HSET k2 city oslo name bob
            HSET k3 7 7 -12 x 100 y
            HSET k4 name eve city paris
            COPY k1 k5
            HSET plain a b",
        );
        let long = "v".repeat(700);
        writer.cmd(&["HSET", "k6", "name", &long, "city", "1"]);
        writer.cmd(&["HSET", "k7", &long, "name", "city", "1"]);
        for n in 0..600 {
            writer.cmd(&["HSET", "many", &format!("field:{n}"), "1"]);
        }
        rewrite(&writer);
        writer.cmd(&["HSET", "k4", "city", "london"]);
        writer.cmd(&["HDEL", "k2", "city"]);
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out.rdb");
        let (source, to) = (log_of(&writer), out.to_str().unwrap());
        let source = source.to_str().unwrap();
        for args in [&["convert", source, to][..], &["compact", source, "-o", to, "--to", "rdb"]] {
            let (code, said) = rdbkit(&[args, &["-f", "--target", "redis:8.10"]].concat());
            assert_eq!(code, 0, "{said}");
            let (code, said) = rdbkit(&["check", to]);
            assert_eq!(code, 0, "{said}");
            let bytes = fs::read(&out).unwrap();
            let loaded = Server::start_with_rdb(&kind, &bytes, &["--sanitize-dump-payload", "yes"]);
            assert_eq!(loaded.digest(), writer.digest());
            writer.cmd(&["DEBUG", "LOADAOF"]);
            for key in ["k1", "k2", "k3", "k4", "k5", "k6", "k7", "plain", "many"] {
                let encoding = |server: &Server| server.cmd(&["OBJECT", "ENCODING", key]);
                assert_eq!(encoding(&loaded), encoding(&writer), "{key}, preamble {preamble}");
            }
        }
    }
}

/// Words, numbers and options that only some servers know.
#[test]
fn commands_that_only_their_writer_knows_are_read_for_every_server() {
    let Some(redis) = logging("redis-8.10", &[]) else { return };
    fill::run(
        &redis,
        "ZADD z 0x10 a 1 b
        ZADD y 5 a
        ZUNIONSTORE counted 2 z y AGGREGATE COUNT
        ZRANGESTORE some z 0x1 (0x11 BYSCORE
        HSET h f 1
        HSETEX h FIELDS 1 f 2 KEEPTTL
        HSETEX h FIELDS 1 g 2 FNX PXAT 4000000000000
        HPERSIST h FIELDS 1 g
        HINCRBYFLOAT h f 1.5
        MSETEX 1 text v NX",
    );
    redis.cmd(&["ZREMRANGEBYSCORE", "y", " 1", " 9"]);
    redis.cmd(&["ZADD", "y", "7", "b"]);
    redis.cmd(&["ZREMRANGEBYSCORE", "y", " 1", " 2"]);
    is_read_for_all(&redis);
    let Some(valkey) = logging("valkey-9.1", &[]) else { return };
    fill::run(
        &valkey,
        "GEOADD geo 2.3 48.8 paris 13.4 52.5 berlin
        GEOSEARCHSTORE found geo BYPOLYGON 4 0 40 0 60 20 60 20 40
        HSET h f 1
        HSETEX h EX 100000 XX FXX FIELDS 1 f 3
        HPERSIST h FIELDS 1 f
        SET s 5
        SET s 6 IFEQ 5",
    );
    is_read_for_all(&valkey);
}

/// What is not taken in a run for another server is missing in what is written, and told.
#[test]
fn a_command_that_fails_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (log, out) = (path("appendonly.aof"), path("out.rdb"));
    let set = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n";
    let push = b"*3\r\n$5\r\nRPUSH\r\n$1\r\na\r\n$1\r\n1\r\n";
    fs::write(&log, [&set[..], &push[..]].concat()).unwrap();
    let place = format!("{log}:27  \"RPUSH\" \"a\": WRONGTYPE");
    for verb in ["convert", "compact"] {
        let call = |more: &[&str]| {
            let form: &[&str] = match verb {
                "convert" => &[verb, &log, &out, "--force"],
                _ => &[verb, &log, "-o", &out, "--to", "rdb", "--force"],
            };
            rdbkit(&[form, more].concat())
        };
        let (code, said) = call(&[]);
        assert!(code == 0 && said.contains(&place), "{verb}: {said}");
        let (code, said) = call(&["--target", "redis:7.0"]);
        assert!(code == 1 && said.contains(&place), "{verb}: {said}");
        assert!(said.contains("as in redis:7.0, for which the log was run"), "{verb}: {said}");
        let (_, json) = call(&["--target", "redis:7.0", "--format", "json"]);
        assert!(json.contains("\"offset\": 27"), "{verb}: {json}");
    }
    // Nothing is said where it should be quiet and nothing is wrong.
    fs::write(&log, set).unwrap();
    let call = ["compact", &log, "-o", "-", "--to", "aof", "--quiet"];
    let done = Command::new(env!("CARGO_BIN_EXE_rdbkit")).args(call).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&done.stderr), "");
    assert!(done.status.success() && !done.stdout.is_empty());
}

/// A log of Redis holds details of streams that no Valkey and no older Redis keeps.
#[test]
fn what_the_other_does_not_keep_of_a_stream_is_told() {
    let Some(writer) = logging("redis-8.10", &[]) else { return };
    let send = |words: &[&str]| fill::run(&writer, &words.join(" "));
    send(&["XADD", "used", "IDMP", "p", "i", "*", "f", "v"]);
    send(&["XADD", "limited", "1-1", "f", "v"]);
    send(&["XCFGSET", "limited", "IDMP-DURATION", "86400"]);
    send(&["XADD", "given:back", "1-1", "f", "v"]);
    send(&["XGROUP", "CREATE", "given:back", "g", "0"]);
    send(&["XREADGROUP", "GROUP", "g", "c", "STREAMS", "given:back", ">"]);
    send(&["XNACK", "given:back", "g", "FAIL", "IDS", "1", "1-1"]);
    let folder = tempfile::tempdir().unwrap();
    let (log, out) = (log_of(&writer), folder.path().join("out.rdb"));
    let (log, to) = (log.to_str().unwrap(), out.to_str().unwrap());
    for kind in servers() {
        let (redis, target) = (kind.version.flavour == Flavour::Redis, target(&kind).to_string());
        for form in ["rdb", "aof"] {
            let call = |more: &[&str]| {
                let args = ["convert", log, to, "--force", "--to", form, "--target", &target];
                rdbkit(&[&args[..], more].concat())
            };
            let (code, said) = call(&[]);
            if redis && kind.version.at_least(8, 10) {
                assert_eq!(code, 0, "{target} {form}: {said}");
                continue;
            }
            assert_eq!(code, 2, "{target} {form}: {said}");
            assert!(said.contains("nacked-entries (1)") && said.contains("db 0 \"given:back\""));
            let keeps_ids = redis && kind.version.at_least(8, 6);
            assert_eq!(said.contains("idempotent-ids (1)"), !keeps_ids, "{target}: {said}");
            let (code, said) = call(&["--lossy"]);
            assert_eq!(code, 1, "{target} {form}: {said}");
            let told = said.contains("left out: idempotence-settings (2)");
            assert_eq!(told, !keeps_ids, "{target}: {said}");
            if form == "rdb" {
                let bytes = fs::read(&out).unwrap();
                let sanitize = ["--sanitize-dump-payload", "yes"];
                let loaded = Server::start_with_rdb(&kind, &bytes, &sanitize);
                assert_eq!(loaded.digest(), writer.digest(), "{target}");
            }
        }
    }
}

/// No command can say which ids were used for entries that are gone; what commands can say is no
/// loss.
#[test]
fn ids_of_entries_that_are_gone_are_told_where_commands_are_written() {
    let Some(writer) = logging("redis-8.10", &[]) else { return };
    let id = |iid: &str| {
        let added = writer.cmd(&["XADD", "s", "IDMP", "p", iid, "*", "f", "v"]);
        support::client::text(added)
    };
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("out.aof");
    let call = || {
        let snapshot = writer.save();
        let [snapshot, to] = [&snapshot, &to].map(|path| path.to_str().unwrap());
        rdbkit(&["convert", snapshot, to, "--to", "aof", "--force"])
    };
    let first = id("i");
    id("j");
    let (code, said) = call();
    assert!(code == 0 && !said.contains("idempot"), "{said}");
    fill::run(&writer, &format!("XDEL s {first}"));
    let (code, said) = call();
    assert!(code == 2 && said.contains("idempotent-ids (1)"), "{said}");
}

/// A hint that no server can read would end the load of what is otherwise sound.
#[test]
fn slot_information_that_nobody_can_read_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (source, out) = (path("in.rdb"), path("out.rdb"));
    let records: [&[u8]; 2] = [
        b"VALKEY080\xfa\x09slot-info\x03xyz\xfe\0\0\x01a\x01b\xff",
        b"REDIS0012\xfe\0\xf4\x80\0\0\x4e\x20\x01\0\0\x01a\x01b\xff",
    ];
    for (records, name) in records.into_iter().zip(["valkey-9.1", "redis-8.0"]) {
        let Some(kind) = require(name) else { return };
        let sum = rdbkit::bytes::crc64::update(0, records).to_le_bytes();
        fs::write(&source, [records, &sum].concat()).unwrap();
        assert_eq!(rdbkit(&["check", &source]).0, 1);
        let (code, said) = rdbkit(&["convert", &source, &out, "--force"]);
        assert_eq!(code, 0, "{said}");
        let (code, said) = rdbkit(&["check", &out]);
        assert_eq!(code, 0, "{said}");
        let bytes = fs::read(&out).unwrap();
        let loaded = Server::start_with_rdb(&kind, &bytes, &["--sanitize-dump-payload", "yes"]);
        assert_eq!(support::client::text(loaded.cmd(&["GET", "a"])), "b");
    }
}

/// Texts are packed or unpacked, and nothing else becomes of a value.
#[test]
fn packing_is_all_that_packing_changes() {
    let Some(kind) = require("redis-8.10") else { return };
    let writer = Server::start(&kind, &["--hash-min-template-entries", "2"]);
    let long = "vw".repeat(40);
    for n in 0..5 {
        let (key, value) = (format!("hash:{n}"), format!("{long}{n}"));
        writer.cmd(&["HSET", &key, "a:rather:long:name:of:a:field", "1", "name", &long[..40]]);
        writer.cmd(&["HSET", &format!("large:{n}"), "name", &value, "number", "77"]);
        writer.cmd(&["HSET", &format!("expiring:{n}"), "f", &long[..40], "g", "1"]);
        writer.cmd(&["HEXPIRE", &format!("expiring:{n}"), "1000000", "FIELDS", "1", "g"]);
    }
    let was = writer.save();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (loose, packed) = (path("loose.rdb"), path("packed.rdb"));
    let types = |path: &str| {
        let (code, said) = rdbkit(&["inspect", path, "--format", "json"]);
        assert_eq!(code, 0, "{said}");
        let json: serde_json::Value = serde_json::from_str(&said).unwrap();
        let encodings = json["snapshot"]["types"][0]["encodings"].as_array().unwrap().clone();
        let counts = encodings.iter().map(|one| (one["encoding"].to_string(), one["keys"].clone()));
        counts.collect::<BTreeMap<_, _>>()
    };
    let was = was.to_str().unwrap();
    for (from, to, how) in [(was, &loose, "--no-compress"), (&*loose, &packed, "--compress")] {
        let (code, said) = rdbkit(&["convert", from, to, how]);
        assert_eq!(code, 0, "{said}");
        let bytes = fs::read(to).unwrap();
        let loaded = Server::start_with_rdb(&kind, &bytes, &["--sanitize-dump-payload", "yes"]);
        assert_eq!(loaded.digest(), writer.digest(), "{how}");
        for key in ["hash:1", "large:2", "expiring:3"] {
            let encoding = |server: &Server| server.cmd(&["OBJECT", "ENCODING", key]);
            assert_eq!(encoding(&loaded), encoding(&writer), "{how} {key}");
        }
        assert_eq!(types(to), types(was), "{how}");
    }
    let size = |path: &str| fs::metadata(path).unwrap().len();
    assert!(size(&packed) < size(&loose));
}
