//! Logs of real servers, run by the engine: what a client did to the server is what we hold.
//!
//! Thousands of commands of every family, chosen by a seeded generator, go to a server with
//! `appendonly yes`; its log is then run here, on one thread and on several, and the keyspaces are
//! compared: digest, types, encodings, expiries, streams with their groups, functions.

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
use std::path::Path;

use rdbkit::ops::replay::{ReplayOptions, replay};
use rdbkit::ops::run::{Run, RunOptions};
use rdbkit::ops::walk::Silent;
use rdbkit::report::replay::ReplayReport;
use rdbkit::resp::{Reply, encode};
use rdbkit::source::{Locator, OpenOptions, open};
use redis::Value;
use support::history::{drive, log_of, rewrite, text};
use support::servers::{Kind, Server, servers};
use support::twin::target;

fn run(path: &Path, kind: &Kind, threads: usize) -> (ReplayReport, Run) {
    let source = open(&Locator::Path(path.to_owned()), &OpenOptions::default()).unwrap();
    let run = RunOptions { target: Some(target(kind)), threads, ..RunOptions::default() };
    replay(source, &ReplayOptions { run, ..ReplayOptions::default() }, &Silent).unwrap()
}

/// Commands whose answers are compared for each key.
fn questions(ty: &str) -> Vec<Vec<&'static str>> {
    let mut asked = vec![vec!["TYPE"], vec!["PTTL-SIGN"]];
    match ty {
        "stream" => asked.push(vec!["XLEN"]),
        "hash" => asked.push(vec!["HLEN"]),
        _ => {}
    }
    asked
}

fn reply_text(reply: &Reply) -> String {
    match reply {
        Reply::Error(text) => format!("-{text}"),
        Reply::Array(items) => {
            format!("[{}]", items.iter().map(reply_text).collect::<Vec<_>>().join(", "))
        }
        Reply::Bulk(bytes) => bytes.escape_ascii().to_string(),
        Reply::Status(text) => (*text).to_owned(),
        Reply::Int(n) => n.to_string(),
        Reply::Nil | Reply::NilArray => "nil".into(),
    }
}

/// Commands that change nothing are not logged, but may change an encoding, and how many entries a
/// group has read is in no log of 7.0: these are compared with a server that has loaded its own log.
fn compare_reloaded(server: &Server, path: &Path) {
    server.cmd(&["DEBUG", "LOADAOF"]);
    let (_, mut run) = run(path, server.kind(), 2);
    let mut differences = Vec::new();
    for db in 0..4 {
        server.cmd(&["SELECT".to_owned(), db.to_string()]);
        run.engine.select(db);
        let keys: Vec<Vec<u8>> =
            run.engine.keyspace.records(db).map(|record| record.key.to_vec()).collect();
        for key in keys {
            let stream = text(&server.cmd(&[b"TYPE", &key[..]])) == "stream";
            let mut questions = vec![["OBJECT", "ENCODING"]];
            if stream {
                questions.extend([["XINFO", "GROUPS"], ["XINFO", "STREAM"]]);
            }
            for question in questions {
                let words = [question[0].as_bytes(), question[1].as_bytes(), &key];
                let ours = reply_text(&run.engine.execute(&words)).replace("embstr", "raw");
                let theirs = text(&server.cmd(&words)).replace("embstr", "raw");
                if ours != theirs {
                    let key = key.escape_ascii();
                    differences.push(format!("db {db} {question:?} {key}: {ours}, not {theirs}"));
                }
            }
        }
    }
    server.cmd(&["SELECT", "0"]);
    assert!(differences.is_empty(), "{}: {}", server.kind().name, differences.join("\n"));
}

fn compare(server: &Server, path: &Path, threads: usize) {
    let kind = server.kind();
    let (report, mut run) = run(path, kind, threads);
    let name = format!("{} on {threads} threads", kind.name);
    let failures: Vec<String> = report
        .failures
        .iter()
        .map(|f| format!("{} {:?} {}", f.offset, f.command.escape_ascii().to_string(), f.error))
        .collect();
    let mut differences = Vec::new();
    for db in 0..4 {
        server.cmd(&["SELECT".to_owned(), db.to_string()]);
        let mut keys: BTreeMap<Vec<u8>, String> = BTreeMap::new();
        if let Value::Array(found) = server.cmd(&["KEYS", "*"]) {
            for key in found {
                let Value::BulkString(key) = key else { continue };
                let ty = text(&server.cmd(&[b"TYPE", &key[..]]));
                keys.insert(key, ty);
            }
        }
        run.engine.select(db);
        let ours = run.engine.keyspace.size(db);
        if ours != keys.len() {
            differences.push(format!("db {db} has {ours} keys, not {}", keys.len()));
        }
        for (key, ty) in &keys {
            for question in questions(ty) {
                let (ours, theirs) = if question == ["PTTL-SIGN"] {
                    let ours = run.engine.keyspace.records(db).find(|r| *r.key == key[..]);
                    let ours = ours.and_then(|record| record.expires_at_ms());
                    let theirs = if kind.version.major >= 7 {
                        text(&server.cmd(&[b"PEXPIRETIME", &key[..]]))
                    } else {
                        continue;
                    };
                    (ours.map_or("-1".to_owned(), |at| at.to_string()), theirs)
                } else {
                    let words: Vec<&[u8]> =
                        question.iter().map(|word| word.as_bytes()).chain([&key[..]]).collect();
                    (reply_text(&run.engine.execute(&words)), text(&server.cmd(&words)))
                };
                if ours != theirs {
                    let key = key.escape_ascii();
                    differences.push(format!("db {db} {question:?} {key}: {ours}, not {theirs}"));
                }
            }
        }
    }
    server.cmd(&["SELECT", "0"]);
    assert!(differences.is_empty(), "{name}: {}\nfailures: {failures:#?}", differences.join("\n"));
    assert_eq!(report.digest, server.digest(), "{name}; failures: {failures:#?}");
    if kind.version.major >= 7 {
        let listed = text(&server.cmd(&["FUNCTION", "LIST", "WITHCODE"]));
        let codes: Vec<String> =
            run.engine.env.functions.values().map(|code| code.escape_ascii().to_string()).collect();
        assert!(codes.iter().all(|code| listed.contains(code.as_str())), "{name}: functions");
        assert_eq!(listed.matches("library_code").count(), codes.len(), "{name}: functions");
    }
}

#[test]
fn a_server_s_log_leads_to_its_keys() {
    let commands = if std::env::var_os("RDBKIT_LONG").is_some() { 60_000 } else { 6000 };
    for kind in servers() {
        if (kind.version.major, kind.version.minor) < (5, 0) {
            continue;
        }
        for (seed, preamble) in [(1, "no"), (2, "yes")] {
            let options =
                ["--appendonly", "yes", "--appendfsync", "no", "--aof-use-rdb-preamble", preamble];
            let server = Server::start(&kind, &options);
            drive(&server, seed, commands);
            if preamble == "yes" {
                // What was done so far becomes the base, and the log goes on behind it.
                rewrite(&server);
                drive(&server, seed + 10, commands);
            }
            let path = log_of(&server);
            for threads in [1, 3] {
                compare(&server, &path, threads);
            }
            // Up to 6.2 HINCRBY puts a long field into a ziplist all the same.
            if kind.version.major >= 7 {
                compare_reloaded(&server, &path);
            }
        }
    }
}

/// Each file is loaded by a client of its own, which begins in database 0.
#[test]
fn what_a_part_selects_ends_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
    let log = |lines: &[&str]| {
        let mut out = Vec::new();
        for line in lines {
            encode::command(&mut out, line.split(' ').collect::<Vec<_>>());
        }
        out
    };
    put("appendonly.aof.1.base.aof", &log(&["SELECT 5", "SET a 1"]));
    put("appendonly.aof.1.incr.aof", &log(&["FLUSHDB", "SET b 1", "SELECT 3", "SET c 1"]));
    put("appendonly.aof.2.incr.aof", &log(&["SET d 1"]));
    put(
        "appendonly.aof.manifest",
        b"file appendonly.aof.1.base.aof seq 1 type b\n\
          file appendonly.aof.1.incr.aof seq 1 type i\n\
          file appendonly.aof.2.incr.aof seq 2 type i\n",
    );
    for kind in servers().iter().filter(|kind| kind.version.major >= 7) {
        let server = Server::start_with_aof_dir(kind, dir.path(), &["--appendonly", "yes"]);
        for threads in [1, 3] {
            compare(&server, dir.path(), threads);
        }
    }
}
