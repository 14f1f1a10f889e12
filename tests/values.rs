//! What the decoders make of files is what the servers that wrote them answered.
//!
//! Needs the corpus: `RDBKIT_CORPUS` holds the path of its folder.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]
#![allow(clippy::print_stderr, reason = "a skipped test must say so")]

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rdbkit::rdb::object::{Checker, MOST, Problem};
use rdbkit::rdb::{Dump, Entry, Scratch, Snapshot};
use rdbkit::value::{Cell, Elem, Item, Kind, StreamInfo};
use serde_json::{Value, json};

fn corpus(folder: &str) -> Option<PathBuf> {
    match std::env::var_os("RDBKIT_CORPUS") {
        Some(path) => Some(Path::new(&path).join(folder)),
        None => {
            eprintln!("SKIPPED: RDBKIT_CORPUS is not set, so there are no files to read");
            None
        }
    }
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    BASE64_STANDARD.encode(bytes)
}

fn unb64(text: &Value) -> Vec<u8> {
    BASE64_STANDARD.decode(text.as_str().unwrap()).unwrap()
}

/// A value as the corpus writes it down; scores as their bits, because servers print them
/// differently.
fn told(entry: &Entry<'_>, scratch: &mut Scratch) -> Value {
    let elem = |elem: Elem<'_>| json!(b64(elem.to_vec()));
    let mut items = Vec::new();
    let mut text = Value::Null;
    let mut scored = Vec::new();
    let mut fields = BTreeMap::new();
    let mut stream = Told::default();
    let mut array_insert = None;
    entry
        .visit(scratch, |item| {
            match item {
                Item::Text(t) => text = elem(t),
                Item::Element(e) | Item::Member(e) => items.push(elem(e)),
                Item::Scored { member, score } => scored.push((score, member.to_vec())),
                Item::Field { field, value, expires_at_ms } => {
                    let mut row = vec![elem(field), elem(value)];
                    row.extend(expires_at_ms.map(|at| json!(at)));
                    assert!(fields.insert(field.to_vec(), Value::Array(row)).is_none());
                }
                Item::ArrayInsertIndex(index) => array_insert = Some(index),
                Item::Cell { index, cell } => {
                    let text = match cell {
                        Cell::Bytes(bytes) => bytes.to_vec(),
                        Cell::Int(n) => n.to_string().into_bytes(),
                        Cell::Double(n) => format!("{n:?}").into_bytes(),
                    };
                    items.push(json!([index, b64(text)]));
                }
                item => stream.hear(item),
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    match entry.value_type.kind() {
        Kind::String => text,
        Kind::List => Value::Array(items),
        Kind::Set => {
            items.sort_by_key(|item| item.as_str().unwrap().to_owned());
            Value::Array(items)
        }
        Kind::SortedSet => {
            scored.sort_by(|a, b| a.partial_cmp(b).unwrap());
            scored.into_iter().map(|(score, m)| json!([b64(m), score.to_bits()])).collect()
        }
        Kind::Hash => fields.into_values().collect(),
        Kind::Stream => stream.json(),
        Kind::Array => json!({
            "count": items.len(),
            "len": items.last().map_or(0, |item| item[0].as_u64().unwrap() + 1),
            "next_insert_index": array_insert.map_or(0, |index| index + 1),
            "elements": items,
        }),
        kind => panic!("{kind:?}"),
    }
}

/// A stream as it is told, part after part.
#[derive(Default)]
struct Told {
    entries: Vec<Value>,
    info: StreamInfo,
    groups: Vec<Value>,
    consumer: String,
    producers: u64,
    iids: u64,
}

impl Told {
    fn hear(&mut self, item: Item<'_>) {
        match item {
            Item::StreamEntry { id, fields } => {
                let pairs = fields.iter().flat_map(|(f, v)| [b64(f.to_vec()), b64(v.to_vec())]);
                self.entries.push(json!([id.to_string(), pairs.collect::<Vec<_>>()]));
            }
            Item::StreamInfo(info) => self.info = info,
            Item::Group(group) => self.groups.push(json!({
                "name_b64": b64(group.name),
                "last_delivered_id": group.last_id.to_string(),
                "entries_read": group.entries_read,
                "pending": [],
                "consumers": [],
                "nacked_count": 0,
            })),
            Item::Pending { id, deliveries, .. } => {
                let group = self.groups.last_mut().unwrap();
                let pending = group["pending"].as_array_mut().unwrap();
                pending.push(json!([id.to_string(), "", deliveries]));
            }
            Item::Consumer { name, .. } => {
                self.consumer = b64(name);
                let group = self.groups.last_mut().unwrap();
                group["consumers"].as_array_mut().unwrap().push(json!([self.consumer, 0]));
            }
            Item::Owned(id) => {
                let group = self.groups.last_mut().unwrap();
                let pending = group["pending"].as_array_mut().unwrap();
                let entry = pending.iter_mut().find(|p| p[0] == id.to_string()).unwrap();
                entry[1] = json!(self.consumer);
                let own = group["consumers"].as_array_mut().unwrap().last_mut().unwrap();
                own[1] = json!(own[1].as_u64().unwrap() + 1);
            }
            Item::Nacked(_) => {
                let count = &mut self.groups.last_mut().unwrap()["nacked_count"];
                *count = json!(count.as_u64().unwrap() + 1);
            }
            Item::Producer(_) => self.producers += 1,
            Item::Idempotent { .. } => self.iids += 1,
            item => panic!("{item:?}"),
        }
    }

    fn json(mut self) -> Value {
        for group in &mut self.groups {
            group["consumers"].as_array_mut().unwrap().sort_by_key(|c| c[0].to_string());
            assert!(group["pending"].as_array().unwrap().len() <= 1000);
        }
        assert_eq!(self.info.groups, self.groups.len() as u64);
        let mut told = json!({
            "entries": self.entries,
            "length": self.info.length,
            "last_id": self.info.last_id.to_string(),
            "groups": self.groups,
        });
        let map = told.as_object_mut().unwrap();
        let mut add = |name: &str, value: Option<Value>| {
            map.extend(value.map(|value| (name.to_owned(), value)));
        };
        add("max_deleted_entry_id", self.info.max_deleted_id.map(|id| json!(id.to_string())));
        add("recorded_first_entry_id", self.info.first_id.map(|id| json!(id.to_string())));
        add("entries_added", self.info.entries_added.map(|n| json!(n)));
        if let Some(idempotence) = self.info.idempotence {
            assert_eq!(idempotence.producers, self.producers);
            add("idmp_duration", Some(json!(idempotence.duration_secs)));
            add("idmp_maxsize", Some(json!(idempotence.max_entries)));
            add("iids_added", Some(json!(idempotence.added)));
            add("iids_duplicates", Some(json!(idempotence.duplicates)));
            add("iids_tracked", Some(json!(self.iids)));
            add("pids_tracked", Some(json!(self.producers)));
        }
        told
    }
}

/// What the server said, with scores as bits.
fn expected(row: &Value) -> Value {
    let mut value = row["value"].clone();
    if row["type"] == "zset" {
        for pair in value.as_array_mut().unwrap() {
            let score: f64 = pair[1].as_str().unwrap().parse().unwrap();
            pair[1] = json!(score.to_bits());
        }
        // Old servers print a stored -0 that way, newer ones never store it.
        value.as_array_mut().unwrap().sort_by_key(|pair| {
            let score = f64::from_bits(pair[1].as_u64().unwrap());
            (ordered(score), unb64(&pair[0]))
        });
    }
    value
}

fn ordered(score: f64) -> i64 {
    let bits = (score + 0.0).to_bits() as i64;
    bits ^ (((bits >> 63) as u64) >> 1) as i64
}

#[track_caller]
fn compare(entry: &Entry<'_>, row: &Value, scratch: &mut Scratch, name: &str) {
    if row["value"].is_null() {
        assert_eq!(entry.value_type.kind(), Kind::Module, "{name}");
        return;
    }
    let mut got = told(entry, scratch);
    let want = expected(row);
    if let (Some(got), Some(want)) = (got.as_object_mut(), want.as_object()) {
        // Which numbers there are is a matter of the version; those of both must agree.
        let old_layout = !want.contains_key("entries_added");
        got.retain(|key, _| want.contains_key(key));
        for (group, want) in got
            .get_mut("groups")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
            .zip(want.get("groups").and_then(Value::as_array).into_iter().flatten())
        {
            group.as_object_mut().unwrap().retain(|key, _| want.get(key).is_some());
        }
        assert!(old_layout || got.contains_key("entries_added"), "{name}");
    }
    assert_eq!(got, want, "{name}");

    let shape = entry.shape().unwrap();
    let elements = match &want {
        Value::String(_) => 1,
        Value::Array(items) => items.len() as u64,
        Value::Object(map) => map.get("count").or(map.get("length")).unwrap().as_u64().unwrap(),
        other => panic!("{other}"),
    };
    assert_eq!(shape.elements, elements, "{name}");
    let kind = if row["type"] == "array" { "array" } else { row["type"].as_str().unwrap() };
    assert_eq!(shape.kind.name(), kind, "{name}");
}

#[test]
fn values_are_what_the_servers_said() {
    let Some(folder) = corpus("gen") else { return };
    let mut scratch = Scratch::default();
    let (mut files, mut keys, mut dumps) = (0, 0, 0);
    for path in fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
        if path.extension().is_none_or(|ext| ext != "ndjson") {
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let mut rows = BTreeMap::new();
        for line in fs::read_to_string(&path).unwrap().lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            if row["dump_b64"].is_string() {
                let payload = unb64(&row["dump_b64"]);
                let dump = Dump::parse(&payload).unwrap();
                assert!(dump.is_intact());
                compare(&dump.entry, &row, &mut scratch, &format!("{name}: {}", row["key_b64"]));
                dumps += 1;
            }
            rows.insert((row["db"].as_u64().unwrap(), unb64(&row["key_b64"])), row);
        }
        let bytes = fs::read(path.with_extension("rdb")).unwrap();
        for entry in Snapshot::new(&bytes).unwrap().entries() {
            let entry = entry.unwrap();
            let key = entry.key_bytes().unwrap().into_owned();
            let row = rows.remove(&(entry.db, key)).unwrap();
            compare(&entry, &row, &mut scratch, &format!("{name}: {}", row["key_b64"]));
            keys += 1;
        }
        assert!(rows.is_empty(), "{name}: not in the file: {rows:?}");
        files += 1;
    }
    assert!(files >= 30 && keys >= 1500 && dumps >= 1500, "{files} {keys} {dumps}");
}

/// What the deep check says of a value.
fn problems(entry: &Entry<'_>, checker: &mut Checker) -> Vec<Problem<'static>> {
    let mut problems = Vec::new();
    checker.check(entry, &mut |p| problems.push(Problem { shown: None, ..p })).unwrap();
    for problem in &problems {
        assert!(problem.at <= entry.body().len() as u64, "{problem:?}");
    }
    assert!(problems.len() <= MOST as usize);
    problems
}

#[test]
fn what_servers_wrote_is_sound() {
    let Some(folder) = corpus("gen") else { return };
    let mut checker = Checker::default();
    let mut keys = 0;
    for path in fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
        if path.extension().is_some_and(|ext| ext == "rdb") {
            let bytes = fs::read(&path).unwrap();
            for entry in Snapshot::new(&bytes).unwrap().entries() {
                let entry = entry.unwrap();
                assert_eq!(problems(&entry, &mut checker), [], "{path:?}: {:?}", entry.key);
                keys += 1;
            }
        }
        if path.extension().is_some_and(|ext| ext == "ndjson") {
            for line in fs::read_to_string(&path).unwrap().lines() {
                let row: Value = serde_json::from_str(line).unwrap();
                let payload = unb64(&row["dump_b64"]);
                let dump = Dump::parse(&payload).unwrap();
                assert_eq!(problems(&dump.entry, &mut checker), [], "{path:?}: {row}");
            }
        }
    }
    assert!(keys > 2000, "{keys}");
}

#[test]
fn what_a_sanitizing_server_refuses_is_found() {
    let Some(folder) = corpus("corrupt-dump") else { return };
    let index = fs::read_to_string(folder.join("index.json")).unwrap();
    let index: Vec<Value> = serde_json::from_str(&index).unwrap();
    let mut checker = Checker::default();
    let (mut refused, mut found) = (0, 0);
    for row in &index {
        let file = folder.parent().unwrap().join(row["file"].as_str().unwrap());
        let payload = fs::read(&file).unwrap();
        let verdicts = row["servers"].as_object().unwrap();
        let rejected = verdicts.iter().any(|(server, verdict)| {
            // Not a word about the value: the version, the checksum, the server's age.
            let verdict = verdict.as_str().unwrap();
            server.ends_with("sanitize=yes") && verdict == "reject: Bad data format"
        });
        let (sound, story) = match Dump::parse(&payload) {
            Err(error) => (false, error.to_string()),
            Ok(dump) => {
                let problems = problems(&dump.entry, &mut checker);
                (problems.is_empty(), format!("{problems:?}"))
            }
        };
        eprintln!("{:>7} {} {story}", if rejected { "refused" } else { "" }, row["file"]);
        refused += u64::from(rejected);
        found += u64::from(rejected && !sound);
    }
    assert!(refused >= 30, "{refused}");
    assert_eq!(refused, found);
}

/// Whatever is done to bytes, nothing panics and nothing grows without end.
#[test]
fn bent_values_end_in_an_answer() {
    let Some(folder) = corpus("gen") else { return };
    let mut payloads = std::collections::BTreeSet::new();
    for path in fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
        if path.extension().is_some_and(|ext| ext == "ndjson") {
            for line in fs::read_to_string(&path).unwrap().lines() {
                let row: Value = serde_json::from_str(line).unwrap();
                payloads.insert(unb64(&row["dump_b64"]));
            }
        }
    }
    let mut scratch = Scratch::default();
    let mut checker = Checker::default();
    let (mut read, mut sound) = (0u64, 0u64);
    let mut try_out = |payload: &[u8]| {
        let Ok(dump) = Dump::parse(payload) else { return };
        let _ = dump.entry.shape();
        let visited = dump.entry.visit(&mut scratch, |_| ControlFlow::Continue(()));
        let problems = problems(&dump.entry, &mut checker);
        read += 1;
        sound += u64::from(problems.is_empty());
        // What cannot be read is never called sound.
        assert!(visited.is_ok() || !problems.is_empty(), "{visited:?} {payload:x?}");
    };
    for payload in payloads.iter().filter(|payload| payload.len() < 200) {
        let (value, footer) = payload.split_at(payload.len() - 10);
        for at in 0..value.len() {
            try_out(&[&value[..at], footer].concat());
            for bend in [1, 2, 0x80, 0xff, value[at], value[at] ^ 0xc0] {
                let mut bent = payload.clone();
                bent[at] ^= bend;
                try_out(&bent);
            }
        }
    }
    assert!(sound > 10_000 && read - sound > 10_000, "{read} {sound}");
}
