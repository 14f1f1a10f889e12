//! What a conversion promises besides that it holds the same: what is refused, what stays as it is,
//! and what is not left packed.

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

use rdbkit::ops::convert::{ConvertOptions, OutputForm, convert};
use rdbkit::ops::digest::{DigestOptions, digest};
use rdbkit::ops::walk::Silent;
use rdbkit::rdb::{Record, Snapshot, Text};
use rdbkit::report::convert::ConvertReport;
use rdbkit::source::{Locator, OpenOptions, Source, open};
use redis::Value;
use support::servers::{Server, require, servers};
use support::twin::target;

fn source_of(path: &Path) -> Source {
    open(&Locator::Path(path.to_owned()), &OpenOptions::default()).unwrap()
}

fn full_digest(path: &Path) -> String {
    let options = DigestOptions { full: true, ..DigestOptions::default() };
    digest(source_of(path), &options, &Silent).unwrap().digest
}

#[track_caller]
fn converted(source: &Path, out: &Path, options: &ConvertOptions) -> ConvertReport {
    let options = ConvertOptions { force: true, ..options.clone() };
    convert(source_of(source), out, &options, &Silent).unwrap()
}

fn rdbkit(args: &[&str]) -> (i32, String) {
    let mut call = std::process::Command::new(env!("CARGO_BIN_EXE_rdbkit"));
    let done = call.args(args).output().unwrap();
    let all = [done.stdout, done.stderr].concat();
    (done.status.code().unwrap(), String::from_utf8_lossy(&all).into_owned())
}

/// The snapshot that a server saves now.
fn saved(server: &Server) -> Vec<u8> {
    assert_eq!(server.cmd(&["SAVE"]), Value::Okay);
    fs::read(server.dir().join("dump.rdb")).unwrap()
}

/// Servers before Redis 7.0 take an annotation for a broken command.
#[test]
fn a_timestamp_is_for_servers_that_know_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (source, out) = ("fixtures/redis-7.0.15-lru.rdb", path("out.aof"));
    let call = |more: &[&str]| rdbkit(&[&["convert", source, &out, "--timestamps"], more].concat());
    for (more, words) in [
        (&["--to", "aof", "--target", "redis:6.2"][..], "redis:6.2 refuses a log with a timestamp"),
        (&["--to", "aof", "--rdb-version", "9"], "which came with Redis 7.0"),
        (&["--to", "aof", "--preamble"], "stands in front of commands"),
        (&["--to", "rdb"], "an RDB snapshot has none"),
    ] {
        let (code, said) = call(more);
        assert!(code == 2 && said.contains(words), "{more:?}: {said}");
        assert!(!Path::new(&out).exists());
    }
    for newer in ["redis:7.0", "redis:8.10", "valkey:7.2", "valkey:9.1", "redict"] {
        let (code, said) = call(&["--to", "aof", "--force", "--target", newer]);
        assert_eq!(code, 0, "{newer}: {said}");
    }
    for kind in servers() {
        let log = path("appendonly.aof");
        fs::write(&log, "#TS:1700000000\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n").unwrap();
        let Some(mut checks) = kind.program("check-aof") else { continue };
        let takes = checks.arg(&log).output().unwrap().status.success();
        assert_eq!(takes, target(&kind).has_annotations(), "{}", kind.name);
    }
}

/// Commands have no texts that could be packed, and no checksum.
#[test]
fn options_about_snapshots_are_refused_where_commands_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out").to_str().unwrap().to_owned();
    for form in [&["--to", "aof"][..], &["--to", "aof-dir", "--base", "aof"]] {
        for option in ["--no-compress", "--compress", "--checksum"] {
            let source = "fixtures/redis-7.0.15-lru.rdb";
            let (code, said) = rdbkit(&[&["convert", source, &out, option], form].concat());
            assert!(code == 2 && said.contains(option), "{form:?} {option}: {said}");
            assert!(!Path::new(&out).exists());
        }
    }
}

/// A −0 in what was a ziplist lives on as text in a listpack; ZADD would make 0 of it.
#[test]
fn commands_keep_the_sign_of_zero() {
    let Some(old) = require("redis-6.2") else { return };
    let writer = Server::start(&old, &[]);
    writer.cmd(&["ZADD", "packed", "-0", "m", "1", "n"]);
    writer.cmd(&["ZADD", "plain", "0", "m", "1", "n"]);
    let first = saved(&writer);
    let folder = tempfile::tempdir().unwrap();
    let (source, out) = (folder.path().join("source.rdb"), folder.path().join("out.aof"));
    let mut seen = 0;
    for kind in servers() {
        if !kind.version.at_least(6, 2) {
            continue;
        }
        let server = Server::start_with_rdb(&kind, &first, &[]);
        assert_eq!(server.digest(), writer.digest(), "{}", kind.name);
        fs::write(&source, saved(&server)).unwrap();
        let options = ConvertOptions {
            form: OutputForm::Aof,
            target: Some(target(&kind)),
            ..ConvertOptions::default()
        };
        let report = converted(&source, &out, &options);
        assert!(report.losses.is_empty());
        let log = fs::read(&out).unwrap();
        let commands = |name: &[u8]| log.windows(name.len()).filter(|at| *at == name).count();
        assert_eq!((commands(b"RESTORE"), commands(b"ZADD")), (1, 1), "{}", kind.name);
        // Whoever loads the log.
        for reader in [&kind, &require("redis-8.0").unwrap()] {
            if reader.version.rdb_magic() < kind.version.rdb_magic() {
                continue;
            }
            let loaded = Server::start_with_aof_file(reader, &log, &[]);
            assert_eq!(loaded.digest(), writer.digest(), "{} in {}", kind.name, reader.name);
            seen += 1;
        }
    }
    assert!(seen > 3, "{seen}");
    // There is no REPLACE before Redis 3.0.
    let target = Some("redis:2.8".parse().unwrap());
    let options = ConvertOptions { form: OutputForm::Aof, target, ..ConvertOptions::default() };
    fs::write(&source, &first).unwrap();
    converted(&source, &out, &options);
    assert!(!String::from_utf8_lossy(&fs::read(&out).unwrap()).contains("RESTORE"));
}

/// What was written with `rdbchecksum no` is copied so, and the report says it.
#[test]
fn a_copy_has_no_checksum_where_the_source_has_none() {
    let Some(kind) = require("redis-7.0") else { return };
    let server = Server::start(&kind, &["--rdbchecksum", "no"]);
    server.cmd(&["SET", "k", "v"]);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (source, out) = (path("source.rdb"), path("out.rdb"));
    fs::write(&source, saved(&server)).unwrap();
    let convert = |more: &[&str]| {
        let (code, said) = rdbkit(&[&["convert", &source, &out, "--force"], more].concat());
        assert_eq!(code, 0, "{more:?}: {said}");
        let bytes = fs::read(&out).unwrap();
        (bytes[bytes.len() - 8..] == [0; 8], said)
    };
    for more in [&[][..], &["--target", "redis:7.0"], &["--prefix", "k"], &["--no-compress"]] {
        let (is_zero, said) = convert(more);
        assert!(is_zero && said.contains("checksum   none, as in the source"), "{more:?}: {said}");
    }
    for more in [&["--checksum"], &["--target=redis:6.2"], &["--target=valkey:8.1"]] {
        let (is_zero, said) = convert(more);
        assert!(!is_zero && said.contains("checksum   added: the source has none"), "{said}");
    }
    convert(&[]);
    assert_eq!(fs::read(&source).unwrap(), fs::read(&out).unwrap());
    let (is_zero, said) = convert(&["--format", "json"]);
    assert!(is_zero && said.contains("\"checksum\": \"none\""), "{said}");
    let (is_zero, said) = convert(&["--to", "aof", "--preamble"]);
    assert!(!is_zero && !said.contains("checksum   "), "{said}");
}

/// Names of keys and fields of the file are texts, too.
#[test]
fn nothing_stays_packed_where_nothing_is_to_be() {
    let Some(kind) = require("redis-6.2") else { return };
    let server = Server::start(&kind, &[]);
    let key = "a".repeat(300);
    server.cmd(&["SET", &key, &"b".repeat(300)]);
    server.cmd(&["HSET", "h", "f", &"d".repeat(300)]);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (source, out, back) = (path("source.rdb"), path("out.rdb"), path("back.rdb"));
    fs::write(&source, saved(&server)).unwrap();
    let packed = |path: &str| {
        let bytes = fs::read(path).unwrap();
        let texts = Snapshot::new(&bytes).unwrap().records().map(|record| match record.unwrap() {
            Record::Aux { name, value } => vec![name, value],
            Record::Entry(entry) => vec![entry.key],
            _ => Vec::new(),
        });
        let is_packed = |text: &Text<'_>| matches!(text, Text::Lzf { .. });
        texts.flatten().filter(is_packed).count()
    };
    assert_eq!(packed(&source), 1);
    let before = full_digest(Path::new(&source));
    let (code, said) = rdbkit(&["convert", &source, &out, "--no-compress"]);
    assert_eq!((code, packed(&out)), (0, 0), "{said}");
    assert_eq!(full_digest(Path::new(&out)), before);
    let loaded = Server::start_with_rdb(&kind, &fs::read(&out).unwrap(), &[]);
    assert_eq!(loaded.digest(), server.digest());
    let (code, said) = rdbkit(&["convert", &out, &back, "--compress"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(packed(&back), packed(&source));
    assert_eq!(full_digest(Path::new(&back)), before);
}

/// A log is run as the target runs it, and what that one has no notion of is not left out unsaid.
#[test]
fn what_a_valkey_does_not_know_is_no_less_lost_from_a_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (log, out) = (path("a.aof"), path("out.rdb"));
    let words = ["VADD", "vectors", "VALUES", "2", "1", "2", "a"];
    let args: String = words.iter().map(|w| format!("${}\r\n{w}\r\n", w.len())).collect();
    fs::write(&log, format!("*{}\r\n{args}", words.len())).unwrap();
    for target in ["valkey:8.1", "valkey:9.1", "redis:7.2"] {
        for verb in [&["convert", &log, &out][..], &["compact", &log, "-o", &out]] {
            let (code, said) = rdbkit(&[verb, &["--target", target]].concat());
            assert!(code == 2 && said.contains("vectors"), "{verb:?} {target}: {code} {said}");
            assert!(!Path::new(&out).exists());
            let (code, said) = rdbkit(&[verb, &["--target", target, "--lossy"]].concat());
            assert!(code == 1 && said.contains("vector-set"), "{verb:?} {target}: {code} {said}");
            fs::remove_file(&out).unwrap();
        }
    }
}
