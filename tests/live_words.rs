//! Calls that cannot mean what they say are refused, and sentences name what would help.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::path::Path;
use std::process::{Command, Stdio};

use redis::Value;
use support::servers::{Server, require};
use support::tls::Certificates;

const DUMP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/redis-7.0.15-lru.rdb");
/// Nobody is there.
const SERVER: &str = "redis://127.0.0.1:1";
const CLUSTER: &str = "redis+cluster://127.0.0.1:1";

/// A call: its exit status, and what it says.
fn call(args: &[&str], defaults: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_rdbkit"))
        .args(args)
        .envs(defaults.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[track_caller]
fn refused(args: &[&str], words: &str) {
    let (status, said) = call(args, &[]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains(words), "{words:?} is not in {said:?}");
}

#[test]
fn options_that_would_change_nothing_are_refused() {
    let replay =
        |url: &'static str, more: &[&'static str]| [&["replay", DUMP, "--to", url], more].concat();
    refused(&replay(CLUSTER, &["--connections", "4"]), "--connections is for a server");
    refused(&replay(CLUSTER, &["--cross-slot", "fail"]), "--cross-slot is for --as log");
    let single = ["--as", "log", "--cross-slot", "fail"];
    refused(&replay(SERVER, &single), "--cross-slot is for a Cluster");
    refused(&replay(SERVER, &["--tls-ca", "ca.crt"]), "--tls-ca is for TLS");
    refused(&replay(SERVER, &["--map-db", "0=0", "--map-db", "0=1"]), "database 0 to 0 and to 1");
    refused(&["backup", SERVER, "-o", "x.rdb", "--tls-insecure"], "--tls-insecure is for TLS");
    let twice = ["rewrite", DUMP, "-o", "x.aof", "--map-db", "3=1", "--map-db", "3=2"];
    refused(&twice, "database 3 to 1 and to 2");
    // Where they do, and where they are defaults, nothing is said of them.
    for (args, defaults) in [
        (replay(SERVER, &["--connections", "4"]), &[][..]),
        (replay(SERVER, &["--map-db", "0=1", "--map-db", "0=1"]), &[]),
        (replay(SERVER, &["--as", "log", "--connections", "4"]), &[]),
        (replay(SERVER, &[]), &[("RDBKIT_TLS_CA", "ca.crt"), ("RDBKIT_CROSS_SLOT", "fail")]),
        (replay(CLUSTER, &[]), &[("RDBKIT_CONNECTIONS", "4")]),
        (vec!["backup", SERVER, "-o", "x.rdb"], &[("RDBKIT_TLS_INSECURE", "yes")]),
    ] {
        let (status, said) = call(&args, defaults);
        assert_eq!(status, Some(2), "{said}");
        assert!(said.contains("127.0.0.1:1") && said.contains("refused"), "{args:?} {said}");
    }
}

#[test]
fn a_port_that_speaks_tls_and_files_that_are_not_there_are_named() {
    let missing = Path::new("no").join("such.crt");
    let missing = missing.to_str().unwrap();
    let args = ["replay", DUMP, "--to", "rediss://127.0.0.1:1", "--tls-ca", missing];
    refused(&args, &format!("cannot read the certificates in {missing}: "));
    let Some(kind) = require("redis-8.0") else { return };
    let Some(made) = Certificates::make() else { return };
    let Some((_server, port)) = made.start(&kind, &["--tls-auth-clients", "no"]) else { return };
    let url = format!("redis://127.0.0.1:{port}");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("x.rdb");
    let hint = "is TLS spoken on this port (rediss://)?";
    refused(&["replay", DUMP, "--to", &url], hint);
    refused(&["backup", &url, "-o", out.to_str().unwrap()], hint);
    refused(&["inspect", &url], hint);
}

/// A user without some rights, for whom a target is told what is missing.
#[test]
fn what_a_user_may_not_do_is_no_difference_and_has_a_name() {
    let Some(kind) = require("redis-8.0") else { return };
    let single = Server::start(&kind, &[]);
    single.cmd(&["SET", "a", "1"]);
    let library = "#!lua name=geo\nredis.register_function('f', function() return 1 end)";
    single.cmd(&["FUNCTION", "LOAD", library]);
    let dump = single.save();
    let dump = dump.to_str().unwrap();
    let server = Server::start(&kind, &[]);
    let url = server.url().replace("://", "://app:word@");
    let user = |rights: &[&str]| {
        let words = [&["ACL", "SETUSER", "app", "reset", "on", ">word", "~*", "+@all"], rights];
        assert_eq!(server.cmd(&words.concat()), Value::Okay);
    };
    let args = ["replay", dump, "--to", &url];
    user(&["-dump"]);
    let (status, said) = call(&args, &[]);
    assert_eq!(status, Some(2), "{said}");
    let told = ["arrived    1 key", "none of it could be compared", "+dump +pttl"];
    assert!(told.iter().all(|words| said.contains(words)), "{said}");
    assert!(!said.contains("differ"), "{said}");
    user(&["-function"]);
    let (status, said) = call(&args, &[]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("FUNCTION \"geo\"") || said.contains("FUNCTION geo"), "{said}");
}
