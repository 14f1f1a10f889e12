//! What is broken inside is not made into a file that looks sound: whatever is written with status
//! 0 loads in a server that sanitizes it.

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
use std::process::Output;

use assert_cmd::Command;
use rdbkit::bytes::crc64;
use support::corpus::corpus;
use support::servers::{Data, Server, require};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Broken, but not in a way that the server which they are written for refuses.
const LOADED: &[&str] = &[
    // Only Valkey reads what this is about.
    "slot-info",
    // Only newer servers than its own look.
    "stream-entries-added",
    // No server looks.
    "intset-out-of-order",
    "zset-out-of-order",
];

fn rdbkit(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rdbkit")).args(args).output().unwrap()
}

/// The verbs that write what a snapshot holds, each way in which values may be copied.
fn verbs<'a>(source: &'a str, to: &'a str, sound: &'a str) -> Vec<Vec<&'a str>> {
    vec![
        vec!["convert", source, to],
        vec!["convert", source, to, "--threads", "1", "--no-mmap"],
        vec!["convert", source, to, "--to", "aof"],
        vec!["convert", source, to, "--to", "aof-dir"],
        vec!["compact", source, "-o", to, "--to", "rdb"],
        vec!["split", source, "-o", to, "--parts", "2"],
        vec!["merge", source, sound, "-o", to],
        vec!["merge", sound, source, "-o", to],
        vec!["anonymize", source, "-o", to],
        vec!["replay", source, "--save", to],
    ]
}

#[track_caller]
fn refuses(source: &Path, args: &[&str], to: &Path) {
    let output = rdbkit(args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
    // What is said of the keys of a whole log names the log.
    let repeats = said.contains("stands") && said.contains("in db 0");
    let name = source.file_name().unwrap().to_str().unwrap();
    assert!(repeats || said.contains(name), "{args:?}: {said}");
    let places = ["offset", "twice", "checksum"];
    assert!(places.iter().any(|place| said.contains(place)), "{args:?}: {said}");
    assert!(said.contains("rdbkit repair") || said.contains("checksum"), "{args:?}: {said}");
    assert!(!to.exists(), "{args:?}");
}

fn broken() -> Vec<PathBuf> {
    let folder = fs::read_dir(Path::new(ROOT).join("fixtures/broken")).unwrap();
    let paths = folder.map(|file| file.unwrap().path());
    let mut files: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|ext| ext == "rdb")).collect();
    files.sort();
    files
}

#[test]
fn nothing_is_made_of_a_broken_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let to = out.to_str().unwrap();
    let sound = format!("{ROOT}/fixtures/redis-7.0.15-lru.rdb");
    let mut seen = 0;
    for path in broken() {
        let source = path.to_str().unwrap();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        if rdbkit(&["check", source]).status.success() || LOADED.contains(&stem) {
            continue;
        }
        seen += 1;
        for args in verbs(source, to, &sound) {
            refuses(&path, &args, &out);
        }
    }
    assert!(seen > 25, "{seen}");
}

/// A value that no command touches is copied from the base.
#[test]
fn nothing_is_made_of_a_log_with_a_broken_base() {
    let folder = tempfile::tempdir().unwrap();
    let (log, out) = (folder.path().join("log"), folder.path().join("out"));
    let (source, to) = (log.to_str().unwrap(), out.to_str().unwrap());
    for stem in ["lzf-too-short", "listpack-count", "set-repeated-member", "duplicate-key"] {
        let path = Path::new(ROOT).join(format!("fixtures/broken/{stem}.rdb"));
        for commands in [&b""[..], b"*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n1\r\n"] {
            let _ = fs::remove_dir_all(&log);
            fs::create_dir(&log).unwrap();
            // Of enough other keys to make it worth leaving them where they are.
            let base = fs::read(&path).unwrap();
            let base = with_keys(&base[..base.len() - 9], 100);
            let name = format!("{stem}.1.base.rdb");
            fs::write(log.join(&name), base).unwrap();
            fs::write(log.join("a.1.incr.aof"), commands).unwrap();
            let manifest = format!("file {name} seq 1 type b\nfile a.1.incr.aof seq 1 type i\n");
            fs::write(log.join("a.manifest"), manifest).unwrap();
            for args in [
                &["compact", source, "-o", to, "--to", "rdb"][..],
                &["compact", source, "-o", to, "--to", "rdb", "--threads", "1"],
                &["compact", source, "-o", to],
                &["compact", source, "-o", to, "--to", "aof"],
                &["convert", source, to],
                &["convert", source, to, "--to", "aof"],
                &["replay", source, "--save", to],
                &["split", source, "-o", to, "--by", "db"],
                &["anonymize", source, "-o", to],
                &["rewrite", source, "-o", to],
                &["rewrite", source, "-o", to, "--map-db", "0=3"],
            ] {
                // A rewrite remembers no keys.
                if args[0] != "rewrite" || stem != "duplicate-key" {
                    refuses(Path::new(&name), args, &out);
                }
            }
        }
    }
}

/// More keys behind what a snapshot has, its end and its checksum.
fn with_keys(records: &[u8], count: usize) -> Vec<u8> {
    let mut bytes = records.to_vec();
    for n in 0..count {
        bytes.extend_from_slice(format!("\0\x05k{n:04}\x05value").as_bytes());
    }
    bytes.push(0xff);
    let checksum = crc64::update(0, &bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

/// A packed score that is no number, which Valkey 9.1 alone refuses, goes to those that load it.
#[test]
fn what_the_target_loads_is_written_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let to = out.to_str().unwrap();
    let records = b"REDIS0011\xfe\0\x11\x01a\x0f\x0f\0\0\0\x02\0\x81m\x02\x83nan\x04\xff";
    let source = folder.path().join("nan.rdb");
    fs::write(&source, with_keys(records, 1)).unwrap();
    let from = source.to_str().unwrap();
    let written = rdbkit(&["convert", from, to, "--target", "redis:7.2"]);
    assert!(written.status.success(), "{}", String::from_utf8_lossy(&written.stderr));
    fs::remove_file(&out).unwrap();
    refuses(&source, &["convert", from, to, "--target", "valkey:9.1"], &out);
}

/// Of payloads that crashed servers once, what is written with status 0 is loaded.
#[test]
fn what_is_written_loads_where_it_is_sanitized() {
    let (Some(corpus), Some(kind)) = (corpus(), require("redis-8.10")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.rdb");
    let (mut written, mut refused) = (0, 0);
    for dump in corpus.corrupt_dumps() {
        let payload = corpus.read(&dump.file);
        // Without the version and the checksum.
        let [ty, body @ ..] = &payload[..payload.len() - 10] else { panic!("{}", dump.file) };
        let records = [b"REDIS0011\xfe\0", &[*ty][..], b"\x01a", body].concat();
        let source = folder.path().join("in.rdb");
        fs::write(&source, with_keys(&records, 1)).unwrap();
        let args = ["convert", source.to_str().unwrap(), out.to_str().unwrap(), "--force"];
        let output = rdbkit(&[&args[..], &["--target", "redis:8.10"]].concat());
        if !output.status.success() {
            refused += 1;
            continue;
        }
        written += 1;
        let bytes = fs::read(&out).unwrap();
        let sanitize = ["--sanitize-dump-payload", "yes"];
        if let Err(log) = Server::try_start(&kind, Data::Rdb(&bytes), &sanitize) {
            panic!("{} is refused:\n{log}", dump.file);
        }
    }
    assert!(refused > 20, "{refused} refused, {written} written");
}
