//! What repair makes of snapshots with a hole in them, and of those that are cut: no key comes out
//! that was not there, and of those beside the hole few go along.

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
use std::fs;
use std::ops::Range;
use std::path::Path;

use rdbkit::rdb::Snapshot;
use support::random::Random;
use support::repairs::repaired_bytes;

/// What a hole is filled with.
const FILLS: &[&str] = &["00", "ff", "01", "random"];

/// A hole costs the keys that it touches, and at most so many beside it. This holds for one of one
/// byte; random bytes can make a length that takes in more, and a name that nobody had, and here do
/// not.
const BESIDE: usize = 3;

#[test]
fn a_hole_costs_the_keys_that_it_touches_and_few_beside_it() {
    let mut random = Random::new(77);
    let (mut wrong, mut tried, mut changed) = (Vec::new(), 0, 0);
    for kind in ["strings", "hashes", "lists", "mixed"] {
        let bytes = snapshot(kind, 1500);
        let all = keys(&bytes);
        for size in [16, 512, 4096] {
            for fill in FILLS {
                for _ in 0..8 {
                    let at = 200 + random.below(bytes.len() - size - 400);
                    let mut damaged = bytes.clone();
                    for byte in &mut damaged[at..at + size] {
                        *byte = match *fill {
                            "00" => 0,
                            "ff" => 0xff,
                            "01" => 1,
                            _ => random.below(256) as u8,
                        };
                    }
                    let (report, out) = repaired_bytes(damaged);
                    let kept = keys(&out);
                    let what = format!("{kind}: {size} of {fill} at {at}");
                    tried += 1;
                    assert!(!report.was_sound(), "{what}");
                    for name in kept.keys().filter(|&name| !all.contains_key(name)) {
                        wrong.push(format!("{what}: invented {}", name.1.escape_ascii()));
                    }
                    let touches = |range: &Range<usize>| range.start < at + size && at < range.end;
                    let touched = all.values().filter(|(range, _)| touches(range)).count();
                    let lost = all.keys().filter(|&name| !kept.contains_key(name)).count();
                    if lost > touched + BESIDE {
                        wrong.push(format!("{what}: lost {lost}, touched {touched}"));
                    }
                    // A hole within one value of a string cannot be told from what was there.
                    let values = kept.iter().filter(|&(name, (_, body))| {
                        all.get(name).is_some_and(|(_, was)| was != body)
                    });
                    let values = values.count();
                    changed += values;
                    if values > 1 {
                        wrong.push(format!("{what}: {values} values have changed"));
                    }
                    let notes = report.files[0].losses.len();
                    if notes > 6 {
                        wrong.push(format!("{what}: {notes} losses"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{tried} tried, {changed} changed\n{}", wrong.join("\n"));
}

#[test]
fn of_a_snapshot_that_is_cut_no_key_is_made_up() {
    let mut random = Random::new(7);
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for (name, bytes) in fixtures() {
        let all = keys(&bytes);
        let first = all.values().map(|(range, _)| range.start).min().unwrap_or(9);
        for _ in 0..60 {
            let cut = first + random.below(bytes.len() - first);
            let (_, out) = repaired_bytes(bytes[..cut].to_vec());
            let kept = keys(&out);
            tried += 1;
            for key in kept.keys().filter(|&key| !all.contains_key(key)) {
                wrong.push(format!("{name} at {cut}: invented {}", key.1.escape_ascii()));
            }
            let whole = all.values().filter(|(range, _)| range.end <= cut).count();
            if kept.len() < whole {
                wrong.push(format!("{name} at {cut}: {} of {whole}", kept.len()));
            }
        }
    }
    assert!(wrong.is_empty(), "{tried} tried\n{}", wrong.join("\n"));
    assert!(tried > 1000, "{tried}");
}

/// A snapshot whose keys are of a kind, with a checksum that says nothing of damage.
fn snapshot(kind: &str, keys: usize) -> Vec<u8> {
    let mut random = Random::new(5);
    let mut bytes = b"REDIS0011\xfe\0\xfb".to_vec();
    bytes.extend([0x40 | (keys >> 8) as u8, keys as u8, 0]);
    for n in 0..keys {
        let kind = match kind {
            "mixed" => ["strings", "hashes", "lists", "numbers"][random.below(4)],
            kind => kind,
        };
        if random.below(8) == 0 {
            bytes.push(0xfc);
            bytes.extend((1_900_000_000_000 + random.below(1 << 30) as u64).to_le_bytes());
        }
        let name = format!("{}:{n:05}", kind.trim_end_matches('s'));
        let words: Vec<String> = (0..2 * (1 + random.below(8)))
            .map(|word| format!("{}{word}", "word".repeat(random.below(5))))
            .collect();
        let (code, body) = match kind {
            "hashes" => (16, text(&listpack(&words))),
            "lists" => (18, [&[1, 2][..], &text(&listpack(&words))].concat()),
            "numbers" => (0, [&[0xc2][..], &(random.below(1 << 20) as u32).to_le_bytes()].concat()),
            _ => (0, text(words.concat().as_bytes())),
        };
        bytes.push(code);
        bytes.extend(text(name.as_bytes()));
        bytes.extend(body);
    }
    bytes.extend(b"\xff\x01\x02\x03\x04\x05\x06\x07\x08");
    bytes
}

fn text(bytes: &[u8]) -> Vec<u8> {
    let len = bytes.len();
    let head = match len {
        0..64 => vec![len as u8],
        _ => vec![0x40 | (len >> 8) as u8, len as u8],
    };
    [&head[..], bytes].concat()
}

fn listpack(words: &[String]) -> Vec<u8> {
    let mut body = Vec::new();
    for word in words {
        body.push(0x80 | word.len() as u8);
        body.extend(word.as_bytes());
        body.push(word.len() as u8 + 1);
    }
    let total = (body.len() + 7) as u32;
    [&total.to_le_bytes()[..], &(words.len() as u16).to_le_bytes(), &body, &[0xff]].concat()
}

type Keys = BTreeMap<(u64, Vec<u8>), (Range<usize>, Vec<u8>)>;

/// Where the keys lie and what they hold.
fn keys(bytes: &[u8]) -> Keys {
    let entries = Snapshot::new(bytes).unwrap().entries().map(Result::unwrap);
    let mut last = 0;
    entries
        .map(|entry| {
            let range = (entry.offset as usize).max(last)..entry.end as usize;
            last = range.end;
            ((entry.db, entry.key_bytes().unwrap().into_owned()), (range, entry.body().to_vec()))
        })
        .collect()
}

fn fixtures() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut all: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "rdb"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read(path).unwrap())
        })
        .collect();
    all.sort();
    all
}
