//! The fuzz targets over the fixtures: whole, cut and changed here and there. Without a fuzzer it
//! is a small walk around sound files; what a fuzzer finds belongs here as a test of its own.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::path::Path;

const SMALL: u64 = 8 << 10;

#[test]
fn snapshots() {
    let seen = each(|name| name.ends_with(".rdb"), 7, &mut |bytes| targets::snapshot(bytes));
    assert!(seen > 1000, "only {seen}");
}

#[test]
fn logs() {
    let is_log = |name: &str| name.ends_with(".aof") && !name.contains("preamble");
    let seen = each(is_log, 3, &mut |bytes| targets::log(bytes));
    assert!(seen > 1000, "only {seen}");
}

#[test]
fn manifests() {
    let seen = each(|name| name.ends_with(".manifest"), 1, &mut |bytes| targets::manifest(bytes));
    assert!(seen > 1000, "only {seen}");
}

/// Every fixture is bytes; and texts of many alphabets, cut in the middle of characters.
#[test]
fn texts() {
    let seen = each(|_| true, 3, &mut |bytes| targets::text(bytes));
    assert!(seen > 1000, "only {seen}");
    let text = "plain \"quoted\" \\ \n \u{1} caf\u{e9} \u{20ac} \u{1f600} ".repeat(8);
    for begin in 0..40 {
        for end in (begin..text.len()).step_by(5) {
            targets::text(&text.as_bytes()[begin..end]);
        }
    }
}

/// Logs out of a seeded generator: mostly short ones over few keys, so that commands meet.
#[test]
fn runs() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    for _ in 0..1500 {
        let bytes: Vec<u8> = (0..1200).map(|_| byte()).collect();
        targets::run::commands(&bytes);
    }
}

/// Each value of the small snapshots, in the wrapping of DUMP.
#[test]
fn payloads() {
    let mut seen = 0;
    each(|name| name.ends_with(".rdb"), 0, &mut |bytes| {
        let Ok(snapshot) = rdbkit::rdb::Snapshot::new(bytes) else { return };
        let version = snapshot.header().version as u16;
        for entry in snapshot.entries().map_while(Result::ok) {
            let mut payload = vec![entry.value_type.code()];
            payload.extend_from_slice(entry.body());
            payload.extend_from_slice(&version.to_le_bytes());
            payload.extend_from_slice(&rdbkit::bytes::crc64::update(0, &payload).to_le_bytes());
            variants(&payload, 5, &mut |bytes| targets::payload(bytes));
            seen += 1;
        }
    });
    assert!(seen > 50, "only {seen}");
}

#[test]
fn arrivals() {
    let mut turn = 0_u8;
    let seen = each(|name| !name.ends_with(".md"), 150, &mut |bytes| {
        turn = turn.wrapping_add(1);
        targets::arrival(&[&[turn, turn / 3, turn / 5], bytes].concat());
    });
    assert!(seen > 200, "only {seen}");
}

/// Findings that are not listed are counted, whether they come in one batch or in many.
#[test]
fn more_findings_than_are_listed() {
    let record = b"\xfa\x09slot-info\x01x".as_slice();
    let file = [b"VALKEY080", record, record, record, b"\xff", &[0; 8]].concat();
    for seed in 0..8 {
        targets::arrival(&[&[seed, 0, 1], file.as_slice()].concat());
    }
}

/// Rows before a value that cannot be read are shown, however the bytes come.
#[test]
fn rows_before_a_broken_value() {
    let value = b"\0\x01a\x01b\x0c\x01h\0\0\x01z\x01b\xff";
    let file = [b"REDIS0010".as_slice(), value, &[0; 8]].concat();
    for seed in 0..8 {
        targets::arrival(&[&[seed, 0, 1], file.as_slice()].concat());
    }
}

/// A key behind a type that is none is named, however late it comes.
#[test]
fn keys_of_types_that_are_none() {
    for code in [0x63, 0x6b, 0x06, 0xf3, 0xf1] {
        for magic in ["REDIS0010", "REDIS0015", "VALKEY080"] {
            let file = [magic.as_bytes(), &[0xfe, 0, code, 20], &[b'k'; 40]].concat();
            for seed in 0..8 {
                targets::arrival(&[&[seed, 0, 1], file.as_slice()].concat());
            }
        }
    }
}

/// Shows each small fixture of that name, and every so many-th of its variants.
fn each(wanted: impl Fn(&str) -> bool, every: usize, look: &mut dyn FnMut(&[u8])) -> usize {
    let mut seen = 0;
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if wanted(&path.to_string_lossy()) && path.metadata().unwrap().len() <= SMALL {
                seen += variants(&std::fs::read(&path).unwrap(), every, look);
            }
        }
    }
    seen
}

/// Shows the bytes, and at every so many-th place a cut and a changed byte; 0 for none of these.
fn variants(bytes: &[u8], every: usize, look: &mut dyn FnMut(&[u8])) -> usize {
    look(bytes);
    let mut seen = 1;
    // The long ones as often as those of a thousand bytes.
    let every = every * (1 + bytes.len() / 1000);
    for at in (0..bytes.len()).step_by(every.max(1)).take_while(|_| every > 0) {
        look(&bytes[..at]);
        let mut changed = bytes.to_vec();
        changed[at] ^= [0x01, 0x80, 0xff][at % 3];
        look(&changed);
        seen += 2;
    }
    seen
}
