//! What stands in the joined snapshot is what stood in the parts.

use std::fs;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::rdb::write::SnapshotWriter;
use crate::rdb::{Scratch, Snapshot};

const EVERYTHING: RangeInclusive<u16> = 0..=16383;

/// A reader that brings a few bytes at a time.
struct Pieces(io::Cursor<Vec<u8>>);

impl Read for Pieces {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let most = room.len().min(7);
        self.0.read(&mut room[..most])
    }
}

fn join(parts: &[&[u8]], slots: &[RangeInclusive<u16>]) -> io::Result<Vec<u8>> {
    let numbers = 1..;
    let mut parts: Vec<Part> = numbers
        .zip(parts)
        .map(|(n, bytes)| Part {
            name: format!("node {n}"),
            slots: slots.to_vec(),
            reader: Box::new(Pieces(io::Cursor::new(bytes.to_vec()))),
        })
        .collect();
    parts.reverse();
    let window = WindowOptions { start_bytes: 16, spill_bytes: 1000, ..WindowOptions::default() };
    let mut joined = Joined::new(Box::new(move || Ok(parts.pop())), window);
    let mut all = Vec::new();
    joined.read_to_end(&mut all)?;
    Ok(all)
}

#[track_caller]
fn refused(parts: &[&[u8]], slots: &[RangeInclusive<u16>], want: &str) {
    let words = join(parts, slots).unwrap_err().to_string();
    assert!(words.contains(want), "{words}");
}

/// A snapshot for a server.
fn snapshot(target: &str, write: impl FnOnce(&mut SnapshotWriter<Vec<u8>>)) -> Vec<u8> {
    let mut writer = SnapshotWriter::new(Vec::new(), &target.parse().unwrap(), true);
    write(&mut writer);
    writer.finish().unwrap().0
}

fn key(writer: &mut SnapshotWriter<Vec<u8>>, key: &str) {
    writer.entry(&EntryHead::of(key.as_bytes()), ValueType::String, b"\x01v").unwrap();
}

/// All keys with database, expiry and elements.
fn keys(bytes: &[u8]) -> Vec<String> {
    let tell = |entry: Entry<'_>| {
        let mut told = format!("{} {:?} {:?}", entry.db, entry.key, entry.expires_at_ms);
        entry
            .visit(&mut Scratch::default(), |item| {
                told += &format!(" {item:?}");
                ControlFlow::Continue(())
            })
            .unwrap();
        told
    };
    Snapshot::new(bytes).unwrap().entries().map(|entry| tell(entry.unwrap())).collect()
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(format!("{}/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[test]
fn keys_go_on_as_they_are() {
    for names in [
        ["redis-8.10.2-cluster-slots.rdb", "redis-8.10.2-alltypes.rdb"],
        ["valkey-9.1.2-alltypes.rdb", "redis-7.0.15-alltypes.rdb"],
        // Both number their templates from the same number on.
        ["redis-8.10.2-hash-templates.rdb", "redis-8.10.2-hash-templates-auto.rdb"],
    ] {
        let parts = names.map(fixture);
        let all = join(&[&parts[0], &parts[1]], &[EVERYTHING]).unwrap();
        assert_eq!(keys(&all), parts.map(|part| keys(&part)).concat(), "{names:?}");
        let (body, crc) = all.split_last_chunk::<8>().map(|(body, crc)| (body, *crc)).unwrap();
        assert_eq!(crc64::plain(0, body), u64::from_le_bytes(crc));
    }
}

#[test]
fn what_all_nodes_have_stands_there_once() {
    let part = |code: &str, more: &str| {
        snapshot("redis:7.2", |writer| {
            writer.aux(b"ctime", b"17").unwrap();
            writer.aux(b"used-mem", b"1000").unwrap();
            writer.function(code.as_bytes()).unwrap();
            writer.function(more.as_bytes()).unwrap();
            writer.select_db(0).unwrap();
        })
    };
    let (f, g, h) = ("#!lua name=f\n1", "#!lua name=g\n2", "#!lua name=h\n3");
    let all = join(&[&part(f, g), &part(g, h)], &[EVERYTHING]).unwrap();
    let told = |record: Record<'_>| match record {
        Record::Function(code) => Some(String::from_utf8(code.to_cow().unwrap().into()).unwrap()),
        Record::Aux { name, value } => Some(format!("{name:?} {value:?}")),
        _ => None,
    };
    let records = Snapshot::new(&all).unwrap().records().map(Result::unwrap);
    let told: Vec<String> = records.filter_map(told).collect();
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(told[0].contains("17"), "{told:?}");
    assert_eq!(told[1..], [f, g, h]);
    let other = part(g, "#!lua name=f\n9");
    refused(&[&part(f, g), &other], &[EVERYTHING], "library \"f\" is not the same on node 1 and");
}

#[test]
fn a_database_ends_with_its_node() {
    let first = snapshot("redis:7.2", |writer| {
        writer.select_db(3).unwrap();
        key(writer, "a");
    });
    let second = snapshot("redis:7.2", |writer| key(writer, "b"));
    let all = keys(&join(&[&first, &second], &[EVERYTHING]).unwrap());
    assert!(all[0].starts_with("3 ") && all[1].starts_with("0 "), "{all:?}");
}

#[test]
fn what_does_not_hold_is_a_sentence() {
    let one = |target: &str| {
        snapshot(target, |writer| {
            writer.select_db(0).unwrap();
            key(writer, "a");
        })
    };
    let (older, newer, other) = (one("redis:7.2"), one("redis:8.10"), one("valkey:9.1"));
    let a = slot(b"a");
    let (is, others) = (a..=a, [0..=a - 1, a + 1..=16383]);
    assert!(join(&[&older], &[is]).is_ok());
    refused(&[&older], &others, &format!("node 1 holds key \"a\" of slot {a}, which another"));
    assert!(join(&[&newer, &older], &[EVERYTHING]).is_ok());
    assert!(join(&[&other, &older], &[EVERYTHING]).is_ok());
    refused(&[&older, &newer], &[EVERYTHING], "node 2 writes REDIS0015, which cannot go on");
    refused(&[&other, &newer], &[EVERYTHING], "VALKEY080 of another node");

    let mut changed = older.clone();
    let at = changed.len() - 10;
    changed[at] ^= 1;
    refused(&[&older, &changed], &[EVERYTHING], "the checksum of what node 2 sends");
    refused(&[&[&older[..], b"x"].concat()], &[EVERYTHING], "node 1 sends more than a snapshot");
    refused(&[&older, b"-ERR no"], &[EVERYTHING], "what node 2 sends is no snapshot");
}

#[test]
fn a_broken_record_is_met_by_the_reader() {
    let sound = snapshot("redis:7.2", |writer| {
        writer.select_db(0).unwrap();
        key(writer, "a");
    });
    let mut broken = snapshot("redis:7.2", |writer| {
        writer.select_db(0).unwrap();
        key(writer, "b");
        key(writer, "c");
    });
    let at = broken.windows(2).position(|two| two == b"\x01c").unwrap() - 1;
    broken[at] = 0xd7;
    for (part, fault) in [
        (&broken[..], "which no known version"),
        (&sound[..sound.len() - 12], "found the end of the data"),
    ] {
        let all = join(&[&sound, part, &sound], &[EVERYTHING]).unwrap();
        let error = Snapshot::new(&all).unwrap().entries().find_map(Result::err).unwrap();
        assert!(error.to_string().contains(fault), "{error}");
    }
}

#[test]
fn what_comes_behind_the_last_node_decides() {
    let sound = snapshot("redis:7.2", |writer| key(writer, "a"));
    let asked = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&asked);
    let next = move || match told.swap(true, Ordering::Relaxed) {
        false => {
            let reader = Box::new(io::Cursor::new(sound.clone()));
            Ok(Some(Part { name: "node".into(), slots: vec![EVERYTHING], reader }))
        }
        true => Err(Error::Usage("slots have moved".into())),
    };
    let mut joined = Joined::new(Box::new(next), WindowOptions::default());
    let mut all = Vec::new();
    let words = joined.read_to_end(&mut all).unwrap_err().to_string();
    assert_eq!(words, "slots have moved");
    assert!(Snapshot::new(&all).unwrap().records().any(|record| record.is_err()));
}
