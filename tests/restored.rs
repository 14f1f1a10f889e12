//! A snapshot of which a byte is damaged comes back as it was: its checksum says where and what.

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
use std::path::Path;
use std::process::Command;

use support::random::Random;
use support::repairs::repaired_bytes;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// All that have a checksum.
fn snapshots() -> Vec<(String, Vec<u8>)> {
    let mut snapshots = Vec::new();
    for entry in fs::read_dir(Path::new(ROOT).join("fixtures")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "rdb") {
            let bytes = fs::read(&path).unwrap();
            let version: u32 = String::from_utf8_lossy(&bytes[5..9]).parse().unwrap_or(80);
            if version >= 5 && bytes.last_chunk() != Some(&[0; 8]) {
                snapshots.push((path.file_name().unwrap().to_string_lossy().into(), bytes));
            }
        }
    }
    snapshots.sort();
    assert!(snapshots.len() > 5, "{}", snapshots.len());
    snapshots
}

#[test]
fn a_damaged_byte_is_put_back() {
    let mut random = Random::new(21);
    for (name, bytes) in snapshots() {
        let last = bytes.len();
        let mut places: Vec<usize> = (0..25).map(|_| random.below(last)).collect();
        // Magic, version, the first records, and the end marker.
        places.extend((0..24).chain([last - 9, last - 1]));
        for at in places {
            let mask = [1, 0x80, 0xff, 1 + random.below(255) as u8][random.below(4)];
            let mut damaged = bytes.clone();
            damaged[at] ^= mask;
            // Of what is no snapshot any more nothing can be said.
            if at < 5 || at == 5 && !damaged[5].is_ascii_digit() {
                continue;
            }
            let (report, out) = repaired_bytes(damaged);
            assert!(out == bytes, "{name}: {at} ^ {mask:#x}");
            let file = &report.files[0];
            assert!(report.is_lossless() && !report.was_sound(), "{name}: {at} ^ {mask:#x}");
            let notes: Vec<_> = file.mended.iter().map(|note| (note.code, note.offset)).collect();
            assert!(notes.contains(&("restored", Some(at as u64))), "{name}: {notes:?}");
        }
    }
}

#[test]
fn so_are_a_few_that_stand_together() {
    let mut random = Random::new(22);
    for (name, bytes) in snapshots() {
        for len in [2, 3] {
            let at = 40 + random.below(bytes.len() - 60);
            let mut damaged = bytes.clone();
            damaged[at..at + len].iter_mut().for_each(|byte| *byte ^= 0x91);
            let (report, out) = repaired_bytes(damaged);
            assert!(out == bytes, "{name}: {len} at {at}");
            assert_eq!(report.files[0].mended[0].bytes, Some(len as u64), "{name}");
        }
    }
}

/// Damage in two places, or in the checksum itself, looks like no other damage.
#[test]
fn nothing_is_put_back_that_was_not_there() {
    let mut random = Random::new(23);
    for (name, bytes) in snapshots() {
        for round in 0..20 {
            let mut damaged = bytes.clone();
            let one = match round % 2 {
                0 => bytes.len() - 1,
                _ => 40 + random.below(8),
            };
            let other = match round % 2 {
                0 => bytes.len() - 5,
                _ => 60 + random.below(bytes.len() - 80),
            };
            damaged[one] ^= 1 + random.below(255) as u8;
            damaged[other] ^= 0x10;
            let (report, _) = repaired_bytes(damaged);
            let notes = &report.files[0].mended;
            assert!(!notes.iter().any(|note| note.code == "restored"), "{name}: {notes:?}");
        }
    }
}

/// Also where the end is that which is damaged, and bytes of the checksum.
#[test]
fn the_end_of_a_preamble_is_put_back() {
    let path = Path::new(ROOT).join("fixtures/redis-5.0.6-alltypes-preamble.aof");
    let bytes = fs::read(path).unwrap();
    let log = bytes.windows(14).position(|window| window == b"*2\r\n$6\r\nSELECT").unwrap();
    for (from, to) in [(log - 9, log - 8), (log - 8, log - 7), (log - 4, log - 1)] {
        let mut damaged = bytes.clone();
        damaged[from..to].iter_mut().for_each(|byte| *byte ^= 0x35);
        let (report, out) = repaired_bytes(damaged);
        assert!(out == bytes, "{from} to {to}: {report:#?}");
        assert!(report.is_lossless());
    }
}

/// The snapshot in front of a log, too; and the program says what it did.
#[test]
fn the_preamble_of_a_log_is_put_back() {
    let snapshot = fs::read(Path::new(ROOT).join("fixtures/redis-7.0.15-alltypes.rdb")).unwrap();
    let log = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n";
    let bytes = [&snapshot[..], log].concat();
    let mut damaged = bytes.clone();
    damaged[5000] ^= 0x20;
    let (report, out) = repaired_bytes(damaged.clone());
    assert!(out == bytes, "{report:#?}");

    let folder = tempfile::tempdir().unwrap();
    let [from, to] = ["in.aof", "out.aof"].map(|name| folder.path().join(name));
    fs::write(&from, damaged).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_rdbkit"))
        .arg("repair")
        .args([&from, Path::new("-o"), &to])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("at offset 5000, 1 byte: a flipped bit: 0x"), "{said}");
    assert!(fs::read(to).unwrap() == bytes);
}
