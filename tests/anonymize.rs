//! What is made anonymous has the shape of what it was made from, and nothing of its content.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use rdbkit::bytes::slot::tag;
use rdbkit::ops::anonymize::{AnonymizeOptions, Scores, anonymize};
use rdbkit::ops::encoding;
use rdbkit::ops::walk::{Silent, WalkOptions};
use rdbkit::rdb::{Scratch, Snapshot};
use rdbkit::report::anonymize::AnonymizeReport;
use rdbkit::source::{Locator, OpenOptions, open};
use rdbkit::value::{Item, Kind};
use support::servers::{Server, require};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn fixture(name: &str) -> PathBuf {
    Path::new(ROOT).join("fixtures").join(name)
}

fn seeded() -> AnonymizeOptions {
    AnonymizeOptions {
        seed: Some(b"a seed".to_vec()),
        force: true,
        walk: WalkOptions { threads: 2, now_ms: Some(1_795_500_000_000), ..WalkOptions::default() },
        ..AnonymizeOptions::default()
    }
}

#[track_caller]
fn anonymous(source: &Path, out: &Path, options: &AnonymizeOptions) -> AnonymizeReport {
    let opened = open(&Locator::Path(source.to_owned()), &OpenOptions::default()).unwrap();
    anonymize(opened, out, options, &Silent)
        .unwrap_or_else(|error| panic!("{}: {error}", source.display()))
}

/// What stays of a key: everything but texts.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    db: u64,
    key_len: usize,
    kind: &'static str,
    encoding: &'static str,
    expires_at_ms: Option<i64>,
    /// Lengths and kinds of the parts, in an order of their own where they have none.
    parts: Vec<String>,
}

fn shape_of(item: &Item<'_>) -> String {
    let text = |bytes: &[u8]| {
        let class = |byte: &u8| match byte {
            b'0'..=b'9' => '0',
            b'a'..=b'z' => 'a',
            b'A'..=b'Z' => 'A',
            0x80.. => '+',
            byte => char::from(*byte),
        };
        bytes.iter().map(class).collect::<String>()
    };
    let elem = |elem: &rdbkit::value::Elem<'_>| text(&elem.to_vec());
    match item {
        Item::Text(e) | Item::Element(e) | Item::Member(e) => elem(e),
        Item::Scored { member, score } => format!("{} {score:?}", elem(member)),
        Item::Field { field, value, expires_at_ms } => {
            format!("{}={} {expires_at_ms:?}", elem(field), elem(value))
        }
        Item::StreamEntry { id, fields } => {
            let fields = fields.iter().map(|(f, v)| format!("{}={}", elem(&f), elem(&v)));
            format!("{id} {}", fields.collect::<Vec<_>>().join(" "))
        }
        Item::StreamInfo(info) => {
            let mut info = *info;
            // Nodes are cut anew.
            info.nodes = 0;
            format!("{info:?}")
        }
        Item::Group(group) => format!("group {} {:?}", text(group.name), group.last_id),
        Item::Consumer { name, seen_at_ms, active_at_ms } => {
            format!("consumer {} {seen_at_ms} {active_at_ms:?}", text(name))
        }
        Item::Producer(name) => format!("producer {}", text(name)),
        Item::Idempotent { iid, id } => format!("{} {id}", text(iid)),
        Item::Cell { index, cell } => cell.with_text(|cell| format!("{index} {}", text(cell))),
        other => format!("{other:?}"),
    }
}

fn shapes(path: &Path) -> Vec<Shape> {
    let bytes = fs::read(path).unwrap();
    let mut scratch = Scratch::default();
    let mut all = Vec::new();
    for entry in Snapshot::new(&bytes).unwrap().entries() {
        let entry = entry.unwrap();
        if entry.value_type.kind() == Kind::Module {
            continue;
        }
        let mut parts = Vec::new();
        let visited = entry.visit(&mut scratch, |item| {
            parts.push(shape_of(&item));
            ControlFlow::Continue(())
        });
        visited.unwrap();
        if entry.value_type.kind() != Kind::List {
            parts.sort();
        }
        let encoding = match encoding(&entry) {
            // Whether a text can be packed depends on the text, and templates are of one file.
            "lzf" => "raw",
            // No field of such a hash need expire.
            "template-listpack" | "listpackex" => "listpack",
            "template-array" => "hashtable",
            "zipmap" => "ziplist",
            // A file packs numbers of 32 bits only; servers hold all of them as numbers.
            "int" | "raw" if parts.iter().all(|part| part.trim_matches('0').len() <= 1) => "number",
            encoding => encoding,
        };
        all.push(Shape {
            db: entry.db,
            key_len: entry.key_bytes().unwrap().len(),
            kind: entry.value_type.kind().name(),
            encoding,
            expires_at_ms: entry.expires_at_ms,
            parts,
        });
    }
    all
}

const FIXTURES: [&str; 6] = [
    "redis-8.10.2-alltypes.rdb",
    "redis-8.10.2-stream-nack-idmp.rdb",
    "redis-8.10.2-array.rdb",
    "redis-7.0.15-alltypes.rdb",
    "valkey-9.1.2-alltypes.rdb",
    "valkey-9.1.2-hash-field-ttl.rdb",
];

#[test]
fn the_shape_stays() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.rdb");
    for name in FIXTURES {
        let source = fixture(name);
        anonymous(&source, &out, &seeded());
        let (before, after) = (shapes(&source), shapes(&out));
        assert_eq!(before.len(), after.len(), "{name}");
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(before, after, "{name}");
        }
    }
}

/// Words of five letters or more in a file's keys and values, outside of packed texts.
fn words(path: &Path) -> BTreeSet<String> {
    let bytes = fs::read(path).unwrap();
    let mut scratch = Scratch::default();
    let mut words = BTreeSet::new();
    let mut add = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let found = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| word.len() >= 5);
        words.extend(found.map(str::to_owned));
    };
    for entry in Snapshot::new(&bytes).unwrap().entries() {
        let entry = entry.unwrap();
        add(&entry.key_bytes().unwrap());
        let visited = entry.visit(&mut scratch, |item| {
            match item {
                Item::Text(e) | Item::Element(e) | Item::Member(e) => add(&e.to_vec()),
                Item::Scored { member, .. } => add(&member.to_vec()),
                Item::Field { field, value, .. } => {
                    add(&field.to_vec());
                    add(&value.to_vec());
                }
                Item::StreamEntry { fields, .. } => fields.iter().for_each(|(field, value)| {
                    add(&field.to_vec());
                    add(&value.to_vec());
                }),
                Item::Group(group) => add(group.name),
                Item::Consumer { name, .. } | Item::Producer(name) => add(name),
                _ => {}
            }
            ControlFlow::Continue(())
        });
        visited.unwrap();
    }
    words
}

#[test]
fn nothing_of_the_content_stays() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.rdb");
    for name in ["redis-8.10.2-alltypes.rdb", "valkey-9.1.2-alltypes.rdb"] {
        let source = fixture(name);
        let report = anonymous(&source, &out, &seeded());
        // Words of a shape that few have meet by chance.
        let is_rare = |word: &String| {
            let of = |c: char| if c.is_ascii_digit() { 10.0 } else { 26.0 };
            word.chars().map(of).product::<f64>() > 1e8
        };
        let before: BTreeSet<String> = words(&source).into_iter().filter(is_rare).collect();
        assert!(before.len() > 50, "{}", before.len());
        let after = words(&out);
        let same: Vec<_> = before.intersection(&after).collect();
        assert!(same.is_empty(), "{name}: {same:?}");
        assert!(report.functions_left_out > 0, "{name}");
        let bytes = fs::read(&out).unwrap();
        let library = bytes.windows(5).any(|window| window == b"#!lua");
        assert!(!library, "{name}");
    }
}

#[test]
fn it_loads_in_a_server_and_is_packed_as_before() {
    let Some(kind) = require("redis-8.10") else { return };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.rdb");
    let source = fixture("redis-8.10.2-alltypes.rdb");
    anonymous(&source, &out, &AnonymizeOptions { scores: Scores::Perturb, ..seeded() });
    let options = ["--sanitize-dump-payload", "yes", "--databases", "64"];
    let facts = |path: &Path| {
        let server = Server::start_with_rdb(&kind, &fs::read(path).unwrap(), &options);
        let mut facts: BTreeMap<String, usize> = BTreeMap::new();
        let redis::Value::Array(keys) = server.cmd(&["KEYS", "*"]) else { panic!("KEYS") };
        for key in keys {
            let key = support::client::bytes(key);
            let of = |words: &[&[u8]]| format!("{:?}", server.cmd(words));
            let kind = of(&[b"TYPE", &key]);
            if kind.contains("vectorset") {
                continue;
            }
            // Nodes of a list are cut anew, templates are of one file, and a hash of which no field
            // expires any more is one without expiries.
            let encoding = match of(&[b"OBJECT", b"ENCODING", &key]) {
                _ if kind.contains("list") => String::new(),
                text if text.contains("template-array") => "hashtable".to_owned(),
                text if text.contains("listpack") => "listpack".to_owned(),
                text => text.replace("bulk-string('\"", "").replace("\"')", ""),
            };
            let fact = format!("{kind} {encoding}");
            *facts.entry(fact).or_default() += 1;
        }
        facts
    };
    assert_eq!(facts(&source), facts(&out));
}

#[test]
fn the_seed_decides_and_prefixes_stay_as_long_as_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let source = fixture("redis-7.0.15-alltypes.rdb");
    anonymous(&source, &path("one"), &seeded());
    anonymous(&source, &path("two"), &seeded());
    assert!(fs::read(path("one")).unwrap() == fs::read(path("two")).unwrap());
    let chance = AnonymizeOptions { seed: None, ..seeded() };
    anonymous(&source, &path("three"), &chance);
    anonymous(&source, &path("four"), &chance);
    assert!(fs::read(path("three")).unwrap() != fs::read(path("four")).unwrap());

    let kept = AnonymizeOptions { keep_prefix_depth: 1, ..seeded() };
    anonymous(&source, &path("kept"), &kept);
    let keys = |path: &Path| {
        let bytes = fs::read(path).unwrap();
        let entries = Snapshot::new(&bytes).unwrap().entries();
        entries.map(|entry| entry.unwrap().key_bytes().unwrap().into_owned()).collect::<Vec<_>>()
    };
    let prefix = |key: &[u8]| {
        let end = key.iter().position(|&byte| byte == b':').unwrap_or(0);
        key[..end].to_vec()
    };
    let before = keys(&source);
    for (old, new) in before.iter().zip(keys(&path("kept"))) {
        assert_eq!(prefix(old), prefix(&new));
    }
    // Keys of one slot stay keys of one slot.
    let mut tags: BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>> = BTreeMap::new();
    for (old, new) in before.iter().zip(keys(&path("one"))) {
        if tag(old) != old.as_slice() {
            tags.entry(tag(old).to_vec()).or_default().insert(tag(&new).to_vec());
        }
    }
    assert!(tags.values().all(|new| new.len() == 1), "{tags:?}");
}

#[test]
fn scores_expiries_and_modules_as_they_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.rdb");
    let lines = folder.path().join("in.ndjson");
    let text = "{\"key\":\"z\",\"type\":\"zset\",\"expires_at_ms\":4102444800000,\"value\":[\
        {\"member\":\"a\",\"score\":-7.5},{\"member\":\"b\",\"score\":3},{\"member\":\"c\",\"score\":3},\
        {\"member\":\"d\",\"score\":1e300},{\"member\":\"e\",\"score\":\"inf\"}]}\n";
    fs::write(&lines, text).unwrap();
    let options = AnonymizeOptions { scores: Scores::Rank, shift_expiry_ms: -1000, ..seeded() };
    anonymous(&lines, &out, &options);
    let bytes = fs::read(&out).unwrap();
    let entry = Snapshot::new(&bytes).unwrap().entries().next().unwrap().unwrap();
    assert_eq!(entry.expires_at_ms, Some(4_102_444_799_000));
    let mut scores = Vec::new();
    let visited = entry.visit(&mut Scratch::default(), |item| {
        if let Item::Scored { score, .. } = item {
            scores.push(score);
        }
        ControlFlow::Continue(())
    });
    visited.unwrap();
    scores.sort_by(f64::total_cmp);
    assert_eq!(scores, [0.0, 1.0, 1.0, 2.0, f64::INFINITY]);

    let modules = fixture("redis-8.10.2-modules.rdb");
    let report = anonymous(&modules, &out, &seeded());
    assert_eq!(report.keys_read - report.keys_written, report.modules_left_out);
    assert!(report.modules_left_out > 0 && report.metadata_left_out > 0);
    assert!(report.module_aux_left_out > 0);
    let kept = AnonymizeOptions { keep_modules: true, ..seeded() };
    let report = anonymous(&modules, &out, &kept);
    assert_eq!((report.keys_read, report.modules_left_out), (report.keys_written, 0));
}

/// Members by score, and whether neighbours have the same; and the scores.
fn ladder(path: &Path) -> BTreeMap<(usize, Vec<usize>), Vec<f64>> {
    let bytes = fs::read(path).unwrap();
    let mut all = BTreeMap::new();
    for entry in Snapshot::new(&bytes).unwrap().entries() {
        let entry = entry.unwrap();
        if entry.value_type.kind() != Kind::SortedSet {
            continue;
        }
        let mut scores = Vec::new();
        let visited = entry.visit(&mut Scratch::default(), |item| {
            if let Item::Scored { score, .. } = item {
                scores.push(score);
            }
            ControlFlow::Continue(())
        });
        visited.unwrap();
        scores.sort_by(f64::total_cmp);
        let places = scores.chunk_by(|a, b| a == b).map(<[f64]>::len).collect();
        all.insert((entry.key_bytes().unwrap().len(), places), scores);
    }
    all
}

#[test]
fn scores_that_are_perturbed_keep_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.rdb");
    let mut sets = 0;
    for name in
        ["redis-8.10.2-alltypes.rdb", "redis-2.8.17-alltypes.rdb", "valkey-9.1.2-alltypes.rdb"]
    {
        let source = fixture(name);
        let options = AnonymizeOptions { scores: Scores::Perturb, ..seeded() };
        anonymous(&source, &out, &options);
        let (before, after) = (ladder(&source), ladder(&out));
        // Which of them are the same, and how many lie in between.
        assert!(before.keys().eq(after.keys()), "{name}: {before:?} {after:?}");
        for (old, new) in before.values().zip(after.values()) {
            sets += 1;
            for (old, new) in old.iter().zip(new) {
                assert_eq!(old.is_finite(), new.is_finite(), "{name}");
                assert!(old != new || !old.is_finite(), "{name}: {old} stays");
                assert!(!old.is_infinite() || old == new, "{name}");
            }
        }
        let again = folder.path().join("again.rdb");
        anonymous(&source, &again, &options);
        assert_eq!(fs::read(&again).unwrap(), fs::read(&out).unwrap(), "{name}");
    }
    assert!(sets > 10, "{sets}");
    // Members keep their places too.
    let lines = folder.path().join("in.ndjson");
    let member = |n: i32| format!("{{\"member\":\"m{n:03}\",\"score\":{}}}", n / 2 * 10);
    let members: Vec<String> = (0..200).map(member).collect();
    let text = format!("{{\"key\":\"z\",\"type\":\"zset\",\"value\":[{}]}}\n", members.join(","));
    fs::write(&lines, text).unwrap();
    let names = |scores: Scores| {
        anonymous(&lines, &out, &AnonymizeOptions { scores, ..seeded() });
        let bytes = fs::read(&out).unwrap();
        let entry = Snapshot::new(&bytes).unwrap().entries().next().unwrap().unwrap();
        let mut members = Vec::new();
        let visited = entry.visit(&mut Scratch::default(), |item| {
            if let Item::Scored { member, score } = item {
                members.push((score, member.bytes(&mut itoa::Buffer::new()).to_vec()));
            }
            ControlFlow::Continue(())
        });
        visited.unwrap();
        members.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
        members.into_iter().map(|(_, member)| member).collect::<Vec<_>>()
    };
    assert_eq!(names(Scores::Perturb), names(Scores::Keep));
}

#[test]
fn what_is_left_out_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let mut command = Command::cargo_bin("rdbkit").unwrap();
        let output =
            command.current_dir(folder.path()).arg("anonymize").args(args).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let source = fixture("redis-8.10.2-modules.rdb");
    let source = source.to_str().unwrap();
    let (status, text) = run(&[source, "-o", "out.rdb"]);
    assert_eq!(status, Some(0), "{text}");
    assert!(
        text.contains("(value of a module): may hold secrets; --keep-modules keeps it"),
        "{text}"
    );
    let (status, text) = run(&[source, "-o", "out.rdb"]);
    assert_eq!(status, Some(2), "{text}");
    assert!(text.contains("--force replaces it"), "{text}");
    let (status, text) = run(&[source, "-o", "out.rdb", "--force", "--shift-expiry", "soon"]);
    assert_eq!(status, Some(2), "{text}");
}
