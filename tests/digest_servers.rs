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

use rdbkit::digest::{Accumulator, Digest, Options, Profile, full, value_digest};
use rdbkit::rdb::{Scratch, Snapshot};
use redis::Value;
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

/// Commands, words apart by spaces, lines by line ends.
fn run(server: &Server, commands: &str) {
    for line in commands.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split(' ').collect();
        let reply = server.cmd(&words);
        assert!(
            !matches!(reply, Value::ServerError(_)),
            "{}: {line}: {reply:?}",
            server.kind().name
        );
    }
}

/// Something of every type that the server has.
fn fill(server: &Server) {
    let version = server.version();
    let (redis, valkey) = (version.flavour == Flavour::Redis, version.flavour == Flavour::Valkey);
    run(
        server,
        "SET int 12345
        SET negative -7
        SET far 9223372036854775807
        SET word hello
        SET almost 007
        SET expires v
        PEXPIREAT expires 4102444800000
        RPUSH list a b 3 -70000 8589934592
        SADD ints 1 2 3 70000
        SADD words a b 3
        ZADD small 1 a 2.5 b -inf c +inf d 0.1 e 1e30 f -0 g 5e-324 h 1e23 i 123456789012345680 j
        ZADD signed -0 a
        HSET hash f v
        HSET hash n 7
        SELECT 5
        SET word other
        SELECT 0",
    );
    let mut commands: Vec<Vec<String>> = Vec::new();
    let mut add =
        |words: &[&str]| commands.push(words.iter().map(|word| (*word).to_owned()).collect());
    add(&["SET", "long", &"abc".repeat(2000)]);
    add(&["SET", "empty", ""]);
    for n in 0..700_u64 {
        let name = format!("member:{n}");
        let score = format!("{:e}", f64::from_bits(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1));
        add(&["RPUSH", "long:list", &name.repeat(1 + n as usize % 40)]);
        add(&["SADD", "large:set", &name]);
        add(&["SADD", "large:ints", &(n * n).to_string()]);
        add(&["ZADD", "large:zset", &score, &name]);
        add(&["HSET", "large:hash", &name, &score]);
    }
    add(&["ZADD", "large:zset", "-0", "minus zero"]);
    let replies = server.pipeline(&commands);
    assert!(!replies.iter().any(|reply| matches!(reply, Value::ServerError(_))));

    if version.at_least(5, 0) {
        run(
            server,
            "XADD stream 1-1 f v
            XADD stream 1-2 f w
            XADD stream 2-5 g w h 9
            XADD stream 7-0 f x
            XADD stream 9-0 f y
            XDEL stream 1-2
            XGROUP CREATE stream first 0
            XGROUP CREATE stream last $
            XGROUP CREATE stream middle 2-5
            XGROUP CREATE stream one 1-1
            XREADGROUP GROUP first c1 COUNT 2 STREAMS stream >
            XREADGROUP GROUP first c2 COUNT 1 STREAMS stream >
            XREADGROUP GROUP last c3 COUNT 1 STREAMS stream >
            XADD emptied 1-1 f v
            XDEL emptied 1-1
            XGROUP CREATE emptied g 0
            XGROUP CREATE created g $ MKSTREAM",
        );
        let add = |n: u64| {
            ["XADD", "long:stream", &format!("{n}-1"), "n", &n.to_string()]
                .map(str::to_owned)
                .to_vec()
        };
        server.pipeline(&(1..500).map(add).collect::<Vec<_>>());
    }
    if (redis && version.at_least(8, 0)) || (valkey && version.at_least(9, 0)) {
        run(
            server,
            "HSET fields a 1 b 2 c 3
            HPEXPIREAT fields 4000000000000 FIELDS 2 a b
            HPEXPIREAT large:hash 4000000000000 FIELDS 1 member:7",
        );
    }
    if version.at_least(7, 0) {
        let code = "#!lua name=lib\nredis.register_function('f', function() return 1 end)";
        server.cmd(&["FUNCTION", "LOAD", code]);
    }
    if redis && version.at_least(8, 10) {
        run(
            server,
            "HIMPORT PREPARE t f n
            HIMPORT SET template t v 7
            ARSET array 0 x
            ARSET array 3 12
            ARSET array 4 1.5
            ARSET array 9 -0.5 3.0 3.141592653589793 0.1 1e10
            XADD idem IDMP p1 i1 * f v
            XNACK stream first FAIL IDS 1 1-1
            VADD vectors VALUES 3 1 2 3 e1
            VADD vectors VALUES 3 1 0 0 e2 SETATTR {\"a\":1}
            VADD plain VALUES 3 1 2 3 e1 NOQUANT
            VADD bits VALUES 3 1 2 3 e1 BIN",
        );
    }
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
        fill(&server);
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
        fill(&server);
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
