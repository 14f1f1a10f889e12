//! What a real client wrote and a real server saved is what we read: values, counts, encodings,
//! expiries; and its log is sound to its last byte.
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
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rdbkit::bytes::number::parse_double;
use rdbkit::ops::check::{CheckOptions, check};
use rdbkit::ops::digest::{DigestOptions, digest};
use rdbkit::ops::walk::Silent;
use rdbkit::rdb::{Entry, Scratch, Snapshot};
use rdbkit::source::{Locator, OpenOptions, open};
use rdbkit::value::{Item, Kind};
use redis::Value;
use support::client::{bytes, text};
use support::fill::{self, EXPIRES_AT_MS};
use support::servers::{Flavour, Server, servers};

fn all(reply: Value) -> Vec<Vec<u8>> {
    match reply {
        Value::Array(items) | Value::Set(items) => items.into_iter().map(bytes).collect(),
        other => panic!("not an array: {other:?}"),
    }
}

/// A value by the words of a client, in an order that can be compared.
type Told = Vec<Vec<Vec<u8>>>;

fn ours(entry: &Entry<'_>) -> Told {
    let mut told: Told = Vec::new();
    let visit = |item: Item<'_>| {
        match item {
            Item::Text(one) | Item::Element(one) | Item::Member(one) => {
                told.push(vec![one.to_vec()])
            }
            Item::Field { field, value, .. } => told.push(vec![field.to_vec(), value.to_vec()]),
            Item::Scored { member, score } => {
                told.push(vec![member.to_vec(), score.to_bits().to_le_bytes().to_vec()]);
            }
            Item::StreamEntry { id, fields } => {
                let pairs =
                    fields.iter().flat_map(|(field, value)| [field.to_vec(), value.to_vec()]);
                told.push([id.to_string().into_bytes()].into_iter().chain(pairs).collect());
            }
            _ => {}
        }
        ControlFlow::Continue(())
    };
    entry.visit(&mut Scratch::default(), visit).unwrap();
    told
}

fn theirs(server: &Server, kind: Kind, key: &[u8]) -> Told {
    let pairs = |flat: Vec<Vec<u8>>| -> Told { flat.chunks(2).map(<[_]>::to_vec).collect() };
    match kind {
        Kind::String => vec![vec![bytes(server.cmd(&[b"GET", key]))]],
        Kind::List => {
            all(server.cmd(&[b"LRANGE", key, b"0", b"-1"])).into_iter().map(|e| vec![e]).collect()
        }
        Kind::Set => all(server.cmd(&[b"SMEMBERS", key])).into_iter().map(|e| vec![e]).collect(),
        Kind::Hash => pairs(all(server.cmd(&[b"HGETALL", key]))),
        Kind::SortedSet => {
            let mut told =
                pairs(all(server.cmd(&[&b"ZRANGE"[..], key, b"0", b"-1", b"WITHSCORES"])));
            for pair in &mut told {
                pair[1] = parse_double(&pair[1]).unwrap().to_bits().to_le_bytes().to_vec();
            }
            told
        }
        Kind::Stream => {
            let Value::Array(entries) = server.cmd(&[b"XRANGE", key, b"-", b"+"]) else {
                panic!("XRANGE")
            };
            let told = entries.into_iter().map(|entry| {
                let Value::Array(mut entry) = entry else { panic!("an entry") };
                let fields = all(entry.pop().unwrap());
                [bytes(entry.pop().unwrap())].into_iter().chain(fields).collect()
            });
            told.collect()
        }
        other => panic!("{other:?} was not written"),
    }
}

fn sorted(mut told: Told, kind: Kind) -> Told {
    // Only lists and streams have an order that both sides must keep.
    if !matches!(kind, Kind::List | Kind::Stream) {
        told.sort();
    }
    told
}

#[test]
fn values_counts_and_expiries_are_those_of_the_client() {
    for kind in servers() {
        let server = Server::start(&kind, &[]);
        fill::with_every_size(&server);
        let file = std::fs::read(server.save()).unwrap();
        let (mut keys, mut types) = (BTreeMap::new(), BTreeMap::new());
        for entry in Snapshot::new(&file).unwrap().entries() {
            let entry = entry.unwrap();
            *keys.entry(entry.db).or_insert(0_i64) += 1;
            if entry.db != 0 {
                continue;
            }
            let key = entry.key_bytes().unwrap();
            let shape = entry.shape().unwrap();
            let name = format!("{}: {}", kind.name, key.escape_ascii());
            *types.entry(shape.kind.name()).or_insert(0) += 1;
            assert_eq!(text(server.cmd(&[b"TYPE", &*key])), shape.kind.name(), "{name}");
            let told = ours(&entry);
            if shape.kind != Kind::Stream {
                assert_eq!(told.len() as u64, shape.elements, "{name}: counted and listed");
            }
            assert_eq!(
                sorted(told, shape.kind),
                sorted(theirs(&server, shape.kind, &key), shape.kind),
                "{name}"
            );
            if shape.kind == Kind::Stream {
                let length = server.cmd(&[b"XLEN", &*key]);
                assert_eq!(length, Value::Int(shape.elements as i64), "{name}: XLEN");
            }
            if matches!(shape.kind, Kind::Hash | Kind::Set | Kind::SortedSet) {
                let encoding = text(server.cmd(&[b"OBJECT", &b"ENCODING"[..], &key]));
                assert_eq!(shape.encoding, encoding, "{name}: encoding");
            }
            let expires = (&*key == b"expires").then_some(EXPIRES_AT_MS);
            assert_eq!(entry.expires_at_ms, expires, "{name}: expiry");
        }
        assert_eq!(keys.get(&3), Some(&1), "{}", kind.name);
        assert_eq!(server.cmd(&["DBSIZE"]), Value::Int(keys[&0]), "{}", kind.name);
        assert!(types.values().all(|&n| n > 5) && types.len() >= 5, "{}: {types:?}", kind.name);
    }
}

fn log_of(server: &Server) -> PathBuf {
    let folder = server.dir().join("appendonlydir");
    if folder.is_dir() { folder } else { server.dir().join("appendonly.aof") }
}

fn sound(path: &Path, what: &str) -> (u64, u64) {
    let report = check(&[Locator::Path(path.to_path_buf())], &CheckOptions::default(), &Silent);
    assert!(report.is_sound() && report.is_complete(), "{what}: {report:#?}");
    let source = &report.sources[0];
    for file in &source.files {
        let size = file.size_bytes;
        assert!(file.good_up_to.is_none_or(|good| good == size), "{what}: {file:?}");
        let warned = file.findings.iter().any(|f| f.severity > rdbkit::finding::Severity::Info);
        assert!(!warned || file.findings.iter().all(|f| f.code == "database"), "{what}: {file:?}");
    }
    let sum = |of: fn(&rdbkit::ops::check::FileReport) -> Option<u64>| {
        source.files.iter().filter_map(of).sum()
    };
    (sum(|file| file.commands), sum(|file| file.transactions))
}

#[test]
fn logs_are_sound_to_the_last_byte() {
    for kind in servers() {
        let mut options = vec![
            "--appendonly",
            "yes",
            "--appendfsync",
            "no",
            "--auto-aof-rewrite-percentage",
            "0",
        ];
        if kind.version.at_least(7, 0) {
            options.extend(["--aof-timestamp-enabled", "yes"]);
        }
        let server = Server::start(&kind, &options);
        fill::with_every_size(&server);
        for n in 0..50 {
            let n = n.to_string();
            let both =
                [vec!["MULTI"], vec!["INCR", "counter"], vec!["LPUSH", "queue", &n], vec!["EXEC"]];
            server.pipeline(
                &both.map(|words| words.iter().map(|w| w.to_string()).collect::<Vec<_>>()),
            );
        }
        let expected = server.digest();
        let (commands, transactions) = sound(&log_of(&server), &kind.name);
        assert!(commands > 10_000, "{}: {commands} commands", kind.name);
        assert_eq!(transactions, 50, "{}", kind.name);

        // After a rewrite with a preamble the base alone is the whole state.
        if !kind.version.at_least(5, 0) {
            continue;
        }
        server.cmd(&["BGREWRITEAOF"]);
        let started = Instant::now();
        while !rewritten(&server) {
            assert!(
                started.elapsed() < Duration::from_secs(60),
                "{}: no end of the rewrite",
                kind.name
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        sound(&log_of(&server), &kind.name);
        let flavour = if kind.version.flavour == Flavour::Valkey { "valkey" } else { "redis" };
        let profile = format!("{flavour}:{}.{}", kind.version.major, kind.version.minor);
        let options = DigestOptions {
            profile: profile.parse().unwrap_or_default(),
            ..DigestOptions::default()
        };
        let source = open(&Locator::Path(log_of(&server)), &OpenOptions::default()).unwrap();
        let report = digest(source, &options, &Silent).unwrap();
        assert_eq!(report.digest, expected, "{}", kind.name);
    }
}

fn rewritten(server: &Server) -> bool {
    let info = text(server.cmd(&["INFO", "persistence"]));
    let is = |line: &str| info.lines().any(|l| l == line);
    let base = log_of(server);
    let done = is("aof_rewrite_in_progress:0") && is("aof_last_bgrewrite_status:ok");
    let replaced = if base.is_dir() {
        std::fs::read_dir(base)
            .unwrap()
            .any(|f| f.unwrap().file_name().to_string_lossy().contains(".2.base."))
    } else {
        std::fs::read(base).unwrap().starts_with(b"REDIS")
    };
    done && replaced
}
