//! Estimates of memory against the servers' own MEMORY USAGE key SAMPLES 0.
//!
//! A server is filled by a client with keys of every type and encoding and many sizes, and saves
//! them. One that loads the file is asked about each key, and the answer is compared with what the
//! file led us to expect.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]

mod support;

use std::collections::{BTreeMap, HashMap};
use std::fs;

use rdbkit::memory::{Allocator, Estimator, Profile};
use rdbkit::rdb::{Scratch, Snapshot};
use rdbkit::value::Kind;
use redis::Value;
use support::fill;
use support::say;
use support::servers::{Flavour, Kind as ServerKind, Server, require};

/// The servers for which the rules were measured.
const SERVERS: [&str; 7] =
    ["redis-6.2", "redis-7.0", "redis-8.0", "redis-8.6", "redis-8.10", "valkey-8.1", "valkey-9.1"];

/// Per cent by which the estimate of a key may be wrong, and that of a whole data set.
const KEY_ERROR: f64 = 5.0;
const SUM_ERROR: f64 = 2.0;
/// Blocks of glibc differ by what was freed before: so many bytes are nobody's error.
const LIBC_SLACK: u64 = 48;
/// Where members come to lie in a table of Valkey is chance: so many buckets of 64 bytes more or
/// less are nobody's error.
const CHANCE_SLACK: u64 = 6 * 64;
/// So are the heights of the nodes of a skiplist: a level takes 16 bytes, and the levels above the
/// first of so many nodes deviate by two thirds of the root of their number; this is six times that.
fn height_slack(nodes: u64) -> u64 {
    16 * 4 * (1 + nodes.isqrt())
}
/// Whether the table of a hash has just been moved to a larger one depends on how many of its
/// buckets are empty. Where the guess is wrong, it is so by no more than this; of a hundred keys it
/// may be so for three, most of which are of the sizes at which tables grow.
const MOVING_ERROR: f64 = 16.0;
/// Chance is fair: in the mean over all keys nothing is left of it.
const MEAN_ERROR: f64 = 0.5;

/// Of a key that is wrong by chance, so many other processes that load the same file are asked.
const RELOADS: usize = 3;

#[test]
fn keys_take_what_a_server_says_that_they_take() {
    let mut wrong = Vec::new();
    for name in SERVERS {
        let Some(kind) = require(name) else { continue };
        wrong.extend(compare(&kind));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// How many hashes share each template.
fn hashes_by_template(bytes: &[u8]) -> HashMap<u64, u64> {
    let mut hashes = HashMap::new();
    for entry in Snapshot::new(bytes).unwrap().entries() {
        if let Some(template) = entry.unwrap().template() {
            *hashes.entry(template.id).or_default() += 1;
        }
    }
    hashes
}

/// What one server made of it.
#[derive(Default)]
struct Errors {
    keys: u64,
    worst: f64,
    worst_key: String,
    sum_of_errors: f64,
    ours: u64,
    theirs: u64,
    /// Of each type: keys, the worst error, and keys that are wrong by more than [`KEY_ERROR`].
    of_types: BTreeMap<&'static str, (u64, f64, u64)>,
}

fn compare(kind: &ServerKind) -> Vec<String> {
    let server = Server::start(kind, &["--save", ""]);
    let allocator = allocator(&server);
    fill::with_every_type(&server);
    fill::with_every_size(&server);
    fill_more(&server);
    let bytes = fs::read(server.save()).unwrap();
    drop(server);

    let version = kind.version;
    let product = if version.flavour == Flavour::Valkey { "valkey" } else { "redis" };
    let target = format!("{product}:{}.{}", version.major, version.minor).parse().unwrap();
    let profile = Profile::new(target, allocator);
    assert!(profile.is_measured(), "{profile}");
    let estimator = Estimator::new(profile).with_templates(hashes_by_template(&bytes));
    let mut wrong = measure(kind, &bytes, &estimator, allocator);
    // Seeds, heights and free blocks are others in the next process, rules are the same.
    for _ in 0..RELOADS {
        if wrong.is_empty() {
            break;
        }
        let again = measure(kind, &bytes, &estimator, allocator);
        wrong.retain(|what, _| again.contains_key(what));
    }
    wrong.into_values().collect()
}

/// Asks a server that has just loaded the file; what is wrong, by key or by what was counted.
fn measure(
    kind: &ServerKind,
    bytes: &[u8],
    estimator: &Estimator,
    allocator: Allocator,
) -> BTreeMap<String, String> {
    let version = kind.version;
    let loaded = Server::start_with_rdb(kind, bytes, &[]);
    let (mut errors, mut wrong) = (Errors::default(), BTreeMap::new());
    let mut scratch = Scratch::default();
    let (mut db, mut moving) = (0, 0);
    for entry in Snapshot::new(bytes).unwrap().entries() {
        let entry = entry.unwrap();
        // Modules know their own structures alone.
        let key = entry.key_bytes().unwrap();
        if entry.value_type.kind() == Kind::Module {
            continue;
        }
        if entry.db != db {
            db = entry.db;
            loaded.cmd(&["SELECT", &db.to_string()]);
        }
        let words: [&[u8]; 5] = [b"MEMORY", b"USAGE", &key, b"SAMPLES", b"0"];
        let reply = loaded.cmd(&words);
        let Value::Int(theirs) = reply else { panic!("{}: {reply:?}", kind.name) };
        let theirs = u64::try_from(theirs).unwrap();
        let ours = estimator.usage(&entry, &mut scratch).unwrap();
        let off = percent(ours, theirs);
        let kind_of = entry.value_type.kind();
        errors.add(kind_of, &key, ours, theirs);
        let shape = entry.shape().unwrap();
        let mut slack = match (allocator, version.flavour) {
            (Allocator::Libc, _) => LIBC_SLACK,
            (_, Flavour::Valkey) => CHANCE_SLACK,
            _ => 0,
        };
        if kind_of == Kind::SortedSet {
            slack += height_slack(shape.elements);
        }
        if off > KEY_ERROR && off < MOVING_ERROR && kind_of == Kind::Hash && shape.elements <= 512 {
            moving += 1;
        } else if off > KEY_ERROR && ours.abs_diff(theirs) > slack {
            let (name, key) = (&kind.name, key.escape_ascii());
            let said = format!("{name}: {db} {key} {shape:?}: {ours} for {theirs} ({off:.1} %)");
            wrong.insert(format!("{db} {key}"), said);
        }
    }
    let whole = percent(errors.ours, errors.theirs);
    let mean = errors.sum_of_errors / errors.keys as f64;
    say(format_args!(
        "{} ({allocator}): {} keys, at most {:.1} % wrong ({}), {mean:.2} % in the mean, {whole:.2} % over all",
        kind.name, errors.keys, errors.worst, errors.worst_key,
    ));
    for (kind, (keys, worst, above)) in &errors.of_types {
        say(format_args!(
            "    {kind}: {keys} keys, at most {worst:.1} % wrong, {above} by more than {KEY_ERROR} %"
        ));
    }
    if moving * 100 > 3 * errors.keys {
        let said = format!("{}: {moving} tables are counted wrongly", kind.name);
        wrong.insert("tables".into(), said);
    }
    if mean > MEAN_ERROR {
        wrong.insert("mean".into(), format!("{}: {mean:.2} % in the mean", kind.name));
    }
    if whole > SUM_ERROR {
        wrong.insert("whole".into(), format!("{}: {whole:.2} % over all keys", kind.name));
    }
    wrong
}

impl Errors {
    fn add(&mut self, kind: Kind, key: &[u8], ours: u64, theirs: u64) {
        let off = percent(ours, theirs);
        let (keys, worst, above) = self.of_types.entry(kind.name()).or_default();
        *keys += 1;
        *worst = worst.max(off);
        *above += u64::from(off > KEY_ERROR);
        if off > self.worst {
            self.worst = off;
            self.worst_key = key.escape_ascii().to_string();
        }
        self.keys += 1;
        self.sum_of_errors += off;
        self.ours += ours;
        self.theirs += theirs;
    }
}

fn percent(ours: u64, theirs: u64) -> f64 {
    ours.abs_diff(theirs) as f64 * 100.0 / theirs as f64
}

/// The allocator, as the server names it.
fn allocator(server: &Server) -> Allocator {
    let info = support::client::text(server.cmd(&["INFO", "memory"]));
    let line = info.lines().find_map(|line| line.strip_prefix("mem_allocator:")).unwrap();
    match line {
        "libc" => Allocator::Libc,
        // Those of distributions: the ones that servers bring along are patched, and say so.
        "jemalloc-5.3.1" => Allocator::JemallocPages,
        "jemalloc-5.3.0" => Allocator::JemallocQ16,
        other => panic!("{other} was not measured"),
    }
}

/// Values of many sizes, with names of many lengths, with and without expiry.
fn fill_more(server: &Server) {
    let version = server.version();
    let (redis, valkey) = (version.flavour == Flavour::Redis, version.flavour == Flavour::Valkey);
    let mut commands: Vec<Vec<Vec<u8>>> = Vec::new();
    let mut add = |words: &[&[u8]]| commands.push(words.iter().map(|w| w.to_vec()).collect());
    for len in (0_usize..140).chain([200, 251, 256, 300, 1000, 4000, 20_000, 66_000, 300_000]) {
        let (name, value) = (format!("len:{len}"), vec![b'v'; len]);
        add(&[b"SET", name.as_bytes(), &value]);
        add(&[b"SET", format!("expiring:{len}").as_bytes(), &value, b"PX", b"99999999999"]);
        let long_name = [name.as_bytes(), &vec![b'k'; len.min(400)]].concat();
        add(&[b"SET", &long_name, b"12345"]);
        add(&[b"SADD", &[b"s", &*long_name].concat(), b"1", b"2"]);
        add(&[b"SET", &[b"e", &*long_name].concat(), b"hello", b"PX", b"99999999999"]);
    }
    for len in (1_usize..70).step_by(3).chain([100, 127, 130, 200, 300]) {
        let text = |n: usize| format!("{n:05}{}", "x".repeat(len)).into_bytes();
        for members in [1_usize, 4, 5, 90, 140, 600] {
            let [set, zset, hash, fields, list] = ["set", "zset", "hash", "fields", "list"]
                .map(|kind| format!("{kind}:{members}:{len}").into_bytes());
            // What makes a table of it.
            let long = vec![b'L'; 65];
            add(&[b"SADD", &set, &long]);
            add(&[b"ZADD", &zset, b"1", &long]);
            add(&[b"HSET", &hash, b"f", &long]);
            add(&[b"HSET", &fields, b"f", &long]);
            for n in 0..members {
                let (member, score) = (text(n), n.to_string().into_bytes());
                add(&[b"SADD", &set, &member]);
                add(&[b"ZADD", &zset, &score, &member]);
                add(&[b"HSET", &hash, &score, &member]);
                add(&[b"HSET", &fields, &member, &score]);
                add(&[b"RPUSH", &list, &member]);
            }
        }
    }
    // Fields that expire, and where among them the first value is that makes a table of it.
    let expire = redis && version.at_least(7, 4);
    for members in [5_usize, 9, 20, 50, 129, 400].into_iter().filter(|_| expire) {
        for long in [0, 1, 3, 4, members / 2, members - 1] {
            let name = format!("expiring:{members}:{long}").into_bytes();
            for n in 0..members {
                let len = if n == long { 90 } else { 1 + n % 40 };
                add(&[b"HSET", &name, n.to_string().as_bytes(), &vec![b'v'; len]]);
                let at = [b"HPEXPIREAT", &name[..], b"9999999999999", b"FIELDS", b"1"];
                if n % 2 == 0 {
                    add(&[&at[..], &[n.to_string().as_bytes()]].concat());
                }
            }
        }
    }
    for groups in [1, 2, 9] {
        for entries in [1, 10, 300] {
            let name = format!("groups:{groups}:{entries}").into_bytes();
            for n in 0..entries {
                let id = format!("{}-{}", 1_700_000_000_000_u64 + n * 977, n % 3);
                add(&[b"XADD", &name, id.as_bytes(), b"field", &vec![b'v'; n as usize % 40]]);
            }
            for group in 0..groups {
                let group = format!("group:{group}").into_bytes();
                add(&[b"XGROUP", b"CREATE", &name, &group, b"0"]);
                for consumer in ["c", "consumer-2", "consumer-3"] {
                    let count = (entries / 4 + 1).to_string().into_bytes();
                    add(&[
                        b"XREADGROUP",
                        b"GROUP",
                        &group,
                        consumer.as_bytes(),
                        b"COUNT",
                        &count,
                        b"STREAMS",
                        &name,
                        b">",
                    ]);
                }
            }
        }
    }
    if (redis && version.at_least(8, 0)) || (valkey && version.at_least(9, 0)) {
        for (fields, expiring) in
            [(1_usize, 1_usize), (3, 2), (20, 20), (100, 50), (600, 1), (600, 300), (1500, 1500)]
        {
            for len in [1_usize, 20, 90, 130] {
                let name = format!("ttl:{fields}:{expiring}:{len}").into_bytes();
                for n in 0..fields {
                    let field = format!("f{n:04}").into_bytes();
                    add(&[b"HSET", &name, &field, &vec![b'v'; len]]);
                    if n < expiring {
                        let at = b"4000000000000";
                        add(&[b"HPEXPIREAT", &name, at, b"FIELDS", b"1", &field]);
                    }
                }
            }
        }
    }
    if redis && version.at_least(8, 10) {
        for cells in [1_usize, 3, 9, 16, 100, 1000, 5000] {
            let (numbers, texts) = (format!("array:n:{cells}"), format!("array:t:{cells}"));
            for n in 0..cells {
                let index = n.to_string().into_bytes();
                add(&[b"ARSET", numbers.as_bytes(), &index, &index]);
                add(&[b"ARSET", texts.as_bytes(), &index, b"a longer text"]);
            }
        }
        // Cells apart from each other: in one slice, in many, in blocks of them.
        for (cells, step) in [
            (5_u64, 100_u64),
            (9, 100),
            (11, 30),
            (11, 300),
            (40, 100),
            (30, 1000),
            (30, 4096),
            (12, 4096 * 100),
            (1, 4096 * 2048),
            (3, 4096 * 2048),
            (20, 4096 * 2048),
            (20, 4096 * 999),
        ] {
            let name = format!("array:apart:{cells}:{step}");
            for n in 1..=cells {
                add(&[b"ARSET", name.as_bytes(), (n * step).to_string().as_bytes(), b"x"]);
            }
        }
        let template: [&[u8]; 6] =
            [b"HIMPORT", b"PREPARE", b"more", b"name", b"a longer name", b"n"];
        add(&template);
        for (n, len) in [1_usize, 30, 64, 65, 200].into_iter().cycle().take(300).enumerate() {
            let name = format!("template:{len}:{n}").into_bytes();
            let value = vec![b'v'; len];
            add(&[b"HIMPORT", b"SET", &name, b"more", &value, &value, b"7"]);
        }
        // The server counts for each hash its part of the names.
        for (fields, len, hashes) in
            [(1, 1, 1), (3, 31, 2), (40, 100, 1), (200, 60, 3), (500, 9, 7)]
        {
            let set = format!("names:{fields}:{len}");
            let names: Vec<Vec<u8>> =
                (0..fields).map(|n| format!("{n:0len$}{set}").into_bytes()).collect();
            let named: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
            let head: [&[u8]; 3] = [b"HIMPORT", b"PREPARE", set.as_bytes()];
            add(&[&head[..], &named[..]].concat());
            for (n, value) in (0..hashes).flat_map(|n| [(n, "1".to_owned()), (n, "v".repeat(70))]) {
                let name = format!("{set}:{}:{n}", value.len()).into_bytes();
                let values = vec![value.as_bytes(); fields];
                let head: [&[u8]; 4] = [b"HIMPORT", b"SET", &name, set.as_bytes()];
                add(&[&head[..], &values[..]].concat());
            }
        }
    }
    for (reply, command) in server.pipeline(&commands).into_iter().zip(&commands) {
        let words = command.iter().map(|word| word.escape_ascii().to_string());
        let shown = || words.clone().collect::<Vec<_>>().join(" ");
        assert!(!matches!(reply, Value::ServerError(_)), "{}: {reply:?}", shown());
    }
}
