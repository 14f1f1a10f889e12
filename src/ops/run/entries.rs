//! The keys of an engine as the entries of a snapshot: what everything downstream reads.
//!
//! ```text
//! database 0: shard 0 [ 4096 records ] [ 4096 records ] … shard 63     database 1 …
//!             └ a thread takes the next piece, writes each value as the target would, and
//!               tallies it; pieces are merged in their order
//! ```

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crossbeam_channel::bounded;

use crate::Result;
use crate::engine::{Engine, Record, save};
use crate::ops::walk::{Observer, Tally};
use crate::rdb::write::{Body, EntryRoom, Sink};
use crate::rdb::{Entry, Target, Text};

/// Records that are tallied in one go.
const PIECE: usize = 4096;

/// Some records of one database.
struct Piece<'e> {
    db: usize,
    records: &'e [Record],
}

/// Tallies all keys of an engine in the form that `target` would give them, database by database.
pub(in crate::ops) fn tally<T: Tally>(
    engine: &Engine,
    target: &Target,
    threads: usize,
    fresh: &(dyn Fn() -> T + Sync),
    root: &mut T,
    observer: &dyn Observer,
) -> Result<()> {
    let mut room = T::Room::default();
    let mut head = fresh();
    for code in engine.env.functions.values() {
        head.record(&crate::rdb::Record::Function(Text::Raw(code)), 0, &mut room)?;
    }
    root.merge(head)?;
    let mut pieces = Vec::new();
    for db in 0..engine.keyspace.used_databases() {
        for shard in engine.keyspace.shards() {
            let Some(records) = shard.dbs().get(db).map(|db| db.records()) else { continue };
            pieces.extend(records.chunks(PIECE).map(|records| Piece { db, records }));
        }
    }
    let threads = threads.clamp(1, pieces.len().max(1));
    let next = AtomicUsize::new(0);
    // Threads wait here when the merging falls behind.
    let (send, receive) = bounded::<(usize, Result<T>)>(2 * threads);
    thread::scope(|scope| {
        for _ in 0..threads {
            let (send, next, pieces) = (send.clone(), &next, &pieces);
            scope.spawn(move || {
                let mut bench = Bench::<T>::new();
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(piece) = pieces.get(index) else { return };
                    let done = bench.tally(engine, target, piece, fresh());
                    let failed = done.is_err();
                    if send.send((index, done)).is_err() || failed {
                        return;
                    }
                }
            });
        }
        drop(send);
        let mut early = BTreeMap::new();
        let mut merged = 0;
        let done = (|| {
            for (index, done) in &receive {
                early.insert(index, done);
                while let Some(done) = early.remove(&merged) {
                    root.merge(done?)?;
                    merged += 1;
                    observer.progress((merged * PIECE) as u64);
                }
            }
            Ok::<(), crate::Error>(())
        })();
        // Whoever still works finds nobody who listens, and nothing left to do.
        next.store(pieces.len(), Ordering::Relaxed);
        drop(receive);
        done
    })?;
    Ok(())
}

/// What one thread works with.
struct Bench<T: Tally> {
    sink: Sink,
    room: EntryRoom,
    tally_room: T::Room,
}

impl<T: Tally> Bench<T> {
    fn new() -> Self {
        // What is only looked at is not worth compressing.
        let sink = Sink::new(false).lossy();
        Bench { sink, room: EntryRoom::default(), tally_room: T::Room::default() }
    }

    fn tally(
        &mut self,
        engine: &Engine,
        target: &Target,
        piece: &Piece<'_>,
        mut tally: T,
    ) -> Result<T> {
        for record in piece.records {
            self.sink.clear();
            let base = engine.keyspace.base();
            let body = save(record, base, target, &mut self.sink, &mut self.room)?;
            let mut entry = match body {
                Body::Same(ty, body) => Entry::of_body(&record.key, ty, body, 0),
                Body::Written(ty) => Entry::of_body(&record.key, ty, &self.sink.out, 0),
                Body::Nothing => continue,
            };
            entry.db = piece.db as u64;
            entry.expires_at_ms = record.expires_at_ms();
            tally.entry(&entry, &mut self.tally_room)?;
        }
        Ok(tally)
    }
}
