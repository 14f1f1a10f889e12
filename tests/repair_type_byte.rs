//! A damaged type byte says nothing of the value behind it; the value does.

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

use rdbkit::rdb::Snapshot;
use support::repairs::{repaired_bytes, spoil_checksum};

/// What stands behind the key says of what type the value was, and how many keys there should be
/// says what is none.
#[test]
fn a_damaged_type_byte_loses_its_own_key_alone() {
    for fixture in ["redis-2.8.17", "redis-7.0.15", "redis-8.0.6", "redis-8.6.3", "valkey-9.1.2"] {
        let path = format!("{}/fixtures/{fixture}-alltypes.rdb", env!("CARGO_MANIFEST_DIR"));
        let bytes = fs::read(path).unwrap();
        let sound = keys(&bytes);
        let mut places = Vec::new();
        for entry in Snapshot::new(&bytes).unwrap().entries() {
            let entry = entry.unwrap();
            places.push((entry.offset as usize, entry.key_bytes().unwrap().into_owned()));
        }
        // Every third, and the one right before a large hash.
        for (index, (at, key)) in places.into_iter().enumerate() {
            if bytes[at] > 32 || index % 3 != 0 && at != 351 {
                continue;
            }
            let mut damaged = bytes.clone();
            damaged[at] = 0xc8;
            // It would say what stood there.
            spoil_checksum(&mut damaged);
            let (_, out) = repaired_bytes(damaged);
            let name = String::from_utf8_lossy(&key).into_owned();
            let kept = keys(&out);
            let lost: Vec<_> =
                sound.iter().filter(|row| row.0 != name && !kept.contains(row)).collect();
            let invented: Vec<_> = kept.iter().filter(|row| !sound.contains(row)).collect();
            assert!(lost.is_empty(), "{fixture} at {at}: lost {lost:?}");
            assert!(invented.is_empty(), "{fixture} at {at}: invented {invented:?}");
        }
    }
}

fn keys(bytes: &[u8]) -> Vec<(String, Option<i64>)> {
    let entries = Snapshot::new(bytes).unwrap().entries();
    entries
        .map(|entry| {
            let entry = entry.unwrap();
            let key = String::from_utf8_lossy(&entry.key_bytes().unwrap()).into_owned();
            (key, entry.expires_at_ms)
        })
        .collect()
}
