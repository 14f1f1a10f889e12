//! Live servers: what they hold, what they save, what they make of each other's files.

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
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdbkit::digest::{Accumulator, Digest, Options, Profile, full, value_digest};
use rdbkit::rdb::{Scratch, Snapshot};
use support::fill::{self, run};
use support::servers::{Data, Flavour, Kind, Server, require, servers};
use support::{in_ci, say};

fn profile(kind: &Kind) -> Profile {
    let version = kind.version;
    let name = format!("{:?}:{}.{}", version.flavour, version.major, version.minor);
    name.to_lowercase().parse().unwrap()
}

fn digest(bytes: &[u8], profile: Profile) -> Digest {
    let mut total = Accumulator::new(&Options { profile, ..Options::default() });
    for entry in Snapshot::new(bytes).unwrap().entries() {
        total.add(&entry.unwrap(), &mut Scratch::default()).unwrap();
    }
    total.finish()
}

/// The digest of what a primary keeps today.
fn kept(bytes: &[u8], profile: Profile) -> Digest {
    let drop_expired_at_ms = Some(now_ms());
    let mut total =
        Accumulator::new(&Options { profile, drop_expired_at_ms, ..Options::default() });
    for entry in Snapshot::new(bytes).unwrap().entries() {
        total.add(&entry.unwrap(), &mut Scratch::default()).unwrap();
    }
    total.finish()
}

fn full_kept(bytes: &[u8]) -> String {
    let mut total = full::Accumulator::new(Some(now_ms()));
    for record in Snapshot::new(bytes).unwrap().records() {
        total.add_record(&record.unwrap(), 0, &mut Scratch::default()).unwrap();
    }
    total.finish().to_string()
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

fn full(bytes: &[u8]) -> full::Digest {
    let mut total = full::Accumulator::default();
    for record in Snapshot::new(bytes).unwrap().records() {
        total.add_record(&record.unwrap(), 0, &mut Scratch::default()).unwrap();
    }
    total.finish()
}

/// The keys whose full digest is in one file and not in the other.
fn differences(left: &[u8], right: &[u8]) -> Vec<String> {
    let keys = |bytes: &[u8]| -> Vec<String> {
        let entries = Snapshot::new(bytes).unwrap().entries();
        let show = |entry: rdbkit::rdb::Entry<'_>| {
            let sum = full::value_digest(&entry, &mut Scratch::default()).unwrap();
            let name = entry.key_bytes().unwrap().escape_ascii().to_string();
            format!("{} {name} {sum:?} {:?}", entry.db, entry.value_type)
        };
        entries.map(|entry| show(entry.unwrap())).collect()
    };
    let tail = |line: &String| line.rsplit_once(' ').unwrap().0.to_owned();
    let (left, right) = (keys(left), keys(right));
    let known = |all: &[String]| all.iter().map(tail).collect::<Vec<_>>();
    let (in_left, in_right) = (known(&left), known(&right));
    let only = |all: Vec<String>, other: &[String]| {
        all.into_iter().filter(|line| !other.contains(&tail(line))).collect::<Vec<_>>()
    };
    [only(left, &in_right), only(right, &in_left)].concat()
}

/// Values one by one, so that a difference has a name.
#[track_caller]
fn check_values(server: &Server, bytes: &[u8], profile: Profile) -> usize {
    let mut compared = 0;
    for entry in Snapshot::new(bytes).unwrap().entries() {
        let entry = entry.unwrap();
        if entry.db != 0 {
            continue;
        }
        let key = entry.key_bytes().unwrap();
        let ours = value_digest(&entry, &profile, &mut Scratch::default()).unwrap();
        let theirs = server.digest_value(&[&*key]);
        let name = &server.kind().name;
        assert_eq!(theirs, [ours.sum.to_string()], "{name}: {}", key.escape_ascii());
        compared += 1;
    }
    compared
}

#[test]
fn what_a_server_saves_has_its_digest_before_and_after() {
    for kind in servers() {
        let server = Server::start(&kind, &[]);
        fill::with_every_type(&server);
        let bytes = fs::read(server.save()).unwrap();
        let profile = profile(&kind);
        let values = kind.version.at_least(5, 0);
        let mut compared = 0;
        if values {
            compared += check_values(&server, &bytes, profile.as_written());
        }
        let ours = digest(&bytes, profile.as_written());
        assert_eq!(ours.uncovered, 0);
        assert_eq!(ours.to_string(), server.digest(), "{}", kind.name);
        drop(server);

        let again = Server::start_with_rdb(&kind, &bytes, &[]);
        assert_eq!(digest(&bytes, profile).to_string(), again.digest(), "{}", kind.name);
        let saved = fs::read(again.save()).unwrap();
        assert_eq!(differences(&bytes, &saved), [""; 0], "{}", kind.name);
        assert_eq!(full(&saved), full(&bytes), "{}", kind.name);
        say(format_args!("{}: {} keys, {compared} values", kind.name, ours.keys));
    }
}

/// A skiplist that is small enough to be packed in a load shows its −0 only as long as it lives.
#[test]
fn a_minus_zero_lives_as_long_as_its_skiplist() {
    for name in ["redis-7.0", "redis-8.10", "valkey-9.1"] {
        let Some(kind) = require(name) else { continue };
        let server = Server::start(&kind, &["--zset-max-listpack-entries", "0"]);
        run(&server, "ZADD z -0 a 1 b");
        let bytes = fs::read(server.save()).unwrap();
        let profile = profile(&kind);
        assert_eq!(digest(&bytes, profile.as_written()).to_string(), server.digest());
        let loaded = Server::start_with_rdb(&kind, &bytes, &[]);
        assert_eq!(digest(&bytes, profile).to_string(), loaded.digest());
        assert_ne!(server.digest(), loaded.digest());
    }
}

/// Newer servers load older files; what their layouts leave out is what we take it for.
#[test]
fn the_full_digest_survives_an_upgrade() {
    let path: Vec<Kind> =
        servers().into_iter().filter(|kind| kind.version.flavour == Flavour::Redis).collect();
    assert!(path.len() > 1 || !in_ci(), "an upgrade needs two servers");
    for (n, older) in path.iter().enumerate() {
        let server = Server::start(older, &[]);
        fill::with_every_type(&server);
        let bytes = fs::read(server.save()).unwrap();
        drop(server);
        for newer in path.iter().skip(n + 1) {
            let server = Server::start_with(newer, Data::Rdb(&bytes), &[]);
            let ours = digest(&bytes, profile(newer)).to_string();
            assert_eq!(ours, server.digest(), "{} in {}", older.name, newer.name);
            let saved = fs::read(server.save()).unwrap();
            assert_eq!(differences(&bytes, &saved), [""; 0], "{} in {}", older.name, newer.name);
            assert_eq!(full(&bytes), full(&saved), "{} in {}", older.name, newer.name);
        }
    }
}

/// What of a file with expired fields a primary keeps: Valkey drops them while it loads, Redis
/// loads them, and its active expiry deletes them then.
#[test]
fn expired_fields_are_what_a_primary_does_not_keep() {
    let mut seen = 0;
    for kind in servers() {
        let (version, name) = (kind.version, &kind.name);
        let redis = version.flavour == Flavour::Redis && version.at_least(8, 0);
        let valkey = version.flavour == Flavour::Valkey && version.at_least(9, 0);
        if !redis && !valkey {
            continue;
        }
        // As a listpack and as a table.
        for entries in ["512", "0"] {
            let options = ["--hash-max-listpack-entries", entries];
            let server = Server::start(&kind, &options);
            run(
                &server,
                "DEBUG SET-ACTIVE-EXPIRE 0
                HSET some a 1 b 2 c 3
                HPEXPIRE some 1 FIELDS 1 a
                HPEXPIREAT some 4000000000000 FIELDS 1 b
                HSET none a 1 b 2
                HPEXPIRE none 1 FIELDS 2 a b
                SET word w",
            );
            std::thread::sleep(Duration::from_millis(20));
            let bytes = fs::read(server.save()).unwrap();
            let profile = profile(&kind);
            let (all, kept) = (digest(&bytes, profile), kept(&bytes, profile));
            assert_eq!((all.keys, kept.keys), (3, 2), "{name}");
            assert_ne!(all.to_string(), kept.to_string(), "{name}");
            // A load, and nothing that deletes behind it.
            server.cmd(&["DEBUG", "RELOAD"]);
            let loaded = if redis { all } else { kept };
            assert_eq!(server.digest(), loaded.to_string(), "{name} after a load");
            drop(server);

            let again = Server::start_with_rdb(&kind, &bytes, &options);
            let deadline = Instant::now() + Duration::from_secs(30);
            while again.digest() != kept.to_string() {
                assert!(Instant::now() < deadline, "{name} keeps expired fields");
                std::thread::sleep(Duration::from_millis(50));
            }
            assert_eq!(full_kept(&bytes), full(&fs::read(again.save()).unwrap()).to_string());
            seen += 1;
        }
    }
    assert!(seen > 0 || !in_ci(), "no server has fields that expire");
}

/// A Valkey's snapshot has the digest that a Valkey answers, if nobody asks for another one.
#[test]
fn whose_digest_it_is_the_magic_says() {
    let Some(kind) = require("valkey-9.1") else { return };
    let writer = Server::start(&kind, &[]);
    writer.cmd(&["HSET", "h", "f", "v", "g", "w"]);
    writer.cmd(&["HEXPIRE", "h", "1000000", "FIELDS", "1", "f"]);
    let path = writer.save();
    let digest = |more: &[&str]| {
        let mut call = std::process::Command::new(env!("CARGO_BIN_EXE_rdbkit"));
        let done = call.arg("digest").arg(&path).args(more).output().unwrap();
        assert!(done.status.success());
        String::from_utf8(done.stdout).unwrap()[..40].to_owned()
    };
    assert_eq!(digest(&[]), writer.digest());
    assert_eq!(digest(&["--server", "valkey:9.1"]), writer.digest());
    assert_ne!(digest(&["--server", "redis:8.10"]), writer.digest());
}
