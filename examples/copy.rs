//! Copies the keys that begin with a prefix into a snapshot of their own.
//!
//! ```sh
//! cargo run --example copy -- fixtures/redis-8.10.2-alltypes.rdb hash: target/hashes.rdb
//! ```
//!
//! Values are copied as they lie where the target has their type, and read and written anew where it
//! does not. The output appears as a whole or not at all.

#![allow(clippy::print_stdout, reason = "a program")]

use std::error::Error;
use std::path::Path;

use rdbkit::rdb::write::{Body, EntryHead, EntryRoom, Sink, SnapshotWriter, entry as write_entry};
use rdbkit::rdb::{Snapshot, Target};
use rdbkit::source::{Locator, OpenOptions, open};
use rdbkit::target::{AtomicFile, Publish};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1);
    let mut next = || args.next().ok_or("copy SNAPSHOT PREFIX OUTPUT");
    let (from, prefix, to) = (next()?, next()?, next()?);
    let source = open(&Locator::from(from.as_os_str()), &OpenOptions::default())?;
    let feed = source.feed.ok_or("a directory is no snapshot")?;
    let bytes = feed.whole().ok_or("this needs a plain file, which can be mapped")?;
    let snapshot = Snapshot::new(bytes)?;

    let publish = Publish { force: true, sources: vec![from.into()], ..Publish::default() };
    let mut file = AtomicFile::create(Path::new(&to), &publish)?;
    let target = Target::of_header(snapshot.header());
    let mut writer = SnapshotWriter::new(&mut file, &target, true);
    let (mut sink, mut room) = (Sink::new(true), EntryRoom::default());
    let (mut db, mut copied) = (None, 0);
    for entry in snapshot.entries() {
        let entry = entry?;
        let key = entry.key_bytes()?;
        if !key.starts_with(prefix.as_encoded_bytes()) {
            continue;
        }
        if db != Some(entry.db) {
            writer.select_db(entry.db)?;
            db = Some(entry.db);
        }
        sink.clear();
        let (value_type, body) = match write_entry(&mut sink, &entry, &target, false, &mut room)? {
            Body::Same(value_type, body) => (value_type, body),
            Body::Written(value_type) => (value_type, sink.out.as_slice()),
            // It has no elements, and servers drop such a key.
            Body::Nothing => continue,
        };
        let head = EntryHead {
            expires_at_ms: entry.expires_at_ms,
            eviction: entry.eviction,
            meta: entry.meta,
            ..EntryHead::of(&key)
        };
        writer.entry(&head, value_type, body)?;
        copied += 1;
    }
    writer.finish()?;
    file.commit()?;
    println!("{copied} keys");
    Ok(())
}
