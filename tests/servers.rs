//! The ground the other tests stand on: every server that was fetched runs and
//! is the one it says, and the corpus can be read.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::fs;

use redis::Value;
use support::client::text;
use support::corpus::corpus;
use support::say;
use support::servers::{Data, Server, data_dir, require, servers};

/// DEBUG DIGEST after `SET a 1`, in every version of every flavour.
const DIGEST_OF_A_1: &str = "943d800368fb9c0e951138f1bc0e313ac769d91f";

#[test]
fn every_server_runs_saves_and_loads() {
    for kind in servers() {
        let server = Server::start(&kind, &[]);
        say(format_args!("{:<11} {:?}", kind.name, server.version()));
        assert_eq!(server.cmd(&["SET", "a", "1"]), Value::Okay);
        assert_eq!(text(server.cmd(&["GET", "a"])), "1");
        assert_eq!(server.digest(), DIGEST_OF_A_1, "{}", kind.name);

        let saved = fs::read(server.save()).unwrap();
        match kind.version.rdb_magic() {
            Some(magic) => assert_eq!(saved[..9], *magic, "{}", kind.name),
            None => say(format_args!("it writes {}", saved[..9].escape_ascii())),
        }
        drop(server);

        let reloaded = Server::start_with_rdb(&kind, &saved, &[]);
        assert_eq!(reloaded.digest(), DIGEST_OF_A_1, "{}", kind.name);
    }
}

#[test]
fn every_server_loads_a_log_and_refuses_a_broken_one() {
    let good = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n";
    let bad = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\nnot a command\r\n";
    for kind in servers() {
        let server = Server::start_with_aof_file(&kind, good, &[]);
        assert_eq!(server.digest(), DIGEST_OF_A_1, "{}", kind.name);

        if kind.version.at_least(7, 0) {
            let folder = server.kill();
            let dir = data_dir(&folder).join("appendonlydir");
            let again = Server::start_with_aof_dir(&kind, &dir, &[]);
            assert_eq!(again.digest(), DIGEST_OF_A_1, "{}", kind.name);
        }

        let log = Server::expect_load_failure(&kind, Data::AofFile(bad), &[]);
        assert!(log.contains("Bad file format"), "{}:\n{log}", kind.name);
    }
}

#[test]
fn errors_are_values_and_pipelines_keep_their_order() {
    let Some(kind) = require("redis-7.0") else { return };
    let server = Server::start(&kind, &[]);
    assert!(matches!(server.cmd(&["NOSUCHTHING"]), Value::ServerError(_)));

    let commands: Vec<_> =
        (0..2500).map(|i| vec!["RPUSH".to_owned(), "list".to_owned(), i.to_string()]).collect();
    let lengths: Vec<_> = (1..=2500).map(Value::Int).collect();
    assert_eq!(server.pipeline(&commands), lengths);

    let digests = server.digest_value(&["list", "nothing"]);
    assert_ne!(digests[0], digests[1]);
    assert_eq!(digests[1], "0".repeat(40));
    server.shutdown();
}

#[test]
fn the_indexes_of_the_corpus_name_files_that_are_there() {
    let Some(corpus) = corpus() else { return };
    let third_party = corpus.third_party();
    let corrupt = corpus.corrupt_dumps();
    let generated = corpus.generated();
    let broken = corpus.broken_aofs();
    let files = (third_party.iter().map(|record| &record.file))
        .chain(corrupt.iter().map(|record| &record.file))
        .chain(generated.iter().map(|record| &record.file))
        .chain(broken.iter().map(|record| &record.path));
    for file in files {
        assert!(corpus.path(file).exists(), "{file}");
    }
    for facts in corpus.facts() {
        for file in facts.files.keys() {
            assert!(corpus.path("gen").join(file).exists(), "{file}");
        }
        assert_eq!(facts.truth.digest.len(), 40, "{}", facts.server);
    }
    assert!(third_party.iter().all(|record| (record.kind == "rdb") == record.in_file.is_some()));
}
