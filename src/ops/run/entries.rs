//! The keys of an engine as the entries of a snapshot: what everything downstream reads.
//!
//! ```text
//! database 0: shard 0 [ 4096 records ] [ 4096 records ] … shard 511    database 1 …
//!             └ a thread takes the next piece, writes each value as the target would, and
//!               tallies it; pieces are merged in their order
//! ```

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crossbeam_channel::bounded;

use crate::Result;
use crate::engine::{Base, Engine, Keyspace, Record, Stretch, Value, fetch, save};
use crate::ops::filter::Filter;
use crate::ops::walk::{Observer, Tally};
use crate::rdb::write::{Body, EntryRoom, Loss, Sink};
use crate::rdb::{Entry, Product, Target, Text, ValueType};

/// Records that are tallied in one go.
const PIECE: usize = 4096;

/// Records whose values are asked for together.
const AHEAD: usize = 16;

/// Bytes of keys that lie in a base, tallied in one go.
const STRETCH_BYTES: usize = 1 << 20;

/// Some keys of one database.
struct Piece<'e> {
    db: u64,
    keys: Part<'e>,
    /// In the first piece of a database: its keys, and those that expire.
    opens: Option<(u64, u64)>,
}

/// Some keys.
enum Part<'e> {
    Records(&'e [Record]),
    /// Keys that were left in the base.
    Left(&'e Base, &'e [Stretch]),
}

/// How keys are handed out.
#[derive(Debug, Clone, Copy)]
pub(in crate::ops) struct View {
    /// Whose types they have.
    pub(in crate::ops) target: Target,
    /// The server in whose forms they are: the one that was played.
    pub(in crate::ops) server: Target,
    /// Whether what is written anew is packed, which is worth it where it goes to a file.
    pub(in crate::ops) compress: bool,
    /// Whether each is handed out before with nothing packed, too ([`Tally::plain`]).
    pub(in crate::ops) plain: bool,
    /// Threads that work on them.
    pub(in crate::ops) threads: usize,
}

impl View {
    /// One that loses nothing of what an engine holds: that of the newest server of its kind.
    pub(in crate::ops) fn whole(engine: &Engine, threads: usize) -> View {
        let played = engine.env.target;
        let newest = match played.product {
            Product::Valkey => newest_valkey(),
            Product::Redis | Product::Redict => Target::default(),
        };
        let target = Target { limits: played.limits, ..newest };
        View { target, server: played, compress: false, plain: false, threads }
    }
}

/// Tallies all keys of an engine, database by database.
pub(in crate::ops) fn tally<T: Tally>(
    engine: &Engine,
    view: &View,
    fresh: &(dyn Fn() -> T + Sync),
    root: &mut T,
    observer: &dyn Observer,
) -> Result<()> {
    let mut room = T::Room::default();
    let mut head = fresh();
    for code in engine.env.functions.values() {
        head.record(&crate::rdb::Record::Function(Text::Raw(code)), 0, &mut room)?;
    }
    for record in engine.keyspace.base().into_iter().flat_map(Base::records) {
        head.record(&record, 0, &mut room)?;
    }
    root.merge(head)?;
    let pieces = pieces(&engine.keyspace);
    let threads = view.threads.clamp(1, pieces.len().max(1));
    let next = AtomicUsize::new(0);
    // Threads wait here when the merging falls behind.
    let (send, receive) = bounded::<(usize, Result<T>)>(2 * threads);
    thread::scope(|scope| {
        for _ in 0..threads {
            let (send, next, pieces) = (send.clone(), &next, &pieces);
            scope.spawn(move || {
                let mut bench = Bench::<T>::new(view);
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(piece) = pieces.get(index) else { return };
                    let done = bench.tally(engine, piece, fresh());
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

/// All keys, cut into pieces.
fn pieces(keyspace: &Keyspace) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let base = keyspace.base();
    let all_left = base.map_or(&[][..], |base| &base.left);
    let with_left = all_left.iter().map(|left| left.db as usize + 1).max().unwrap_or(0);
    for db in 0..keyspace.used_databases().max(with_left) {
        let number = db as u64;
        let mut keys = keyspace.size(db) as u64;
        let expiring = keyspace.records(db).filter(|r| r.expires_at_ms().is_some());
        let mut expires = expiring.count() as u64;
        let place = all_left.binary_search_by_key(&number, |left| left.db).ok();
        let left = base.zip(place.and_then(|place| all_left.get(place)));
        if let Some((_, left)) = left {
            keys += left.keys;
            expires += left.expires;
        }
        let mut opens = Some((keys, expires));
        let mut push = |keys| pieces.push(Piece { db: number, keys, opens: opens.take() });
        if let Some((base, left)) = left {
            let mut rest = left.stretches.as_slice();
            while !rest.is_empty() {
                let mut bytes = 0;
                let many = rest.iter().take_while(|stretch| {
                    let has_room = bytes < STRETCH_BYTES;
                    bytes += stretch.place.len();
                    has_room
                });
                let (some, after) = rest.split_at(many.count());
                push(Part::Left(base, some));
                rest = after;
            }
        }
        for shard in keyspace.shards() {
            let records = shard.dbs().get(db).map_or(&[][..], |db| db.records());
            records.chunks(PIECE).for_each(|records| push(Part::Records(records)));
        }
    }
    pieces
}

/// What one thread works with.
struct Bench<'v, T: Tally> {
    target: &'v Target,
    server: &'v Target,
    sink: Sink,
    /// Where nothing is packed, if that is asked for.
    plain: Option<Sink>,
    room: EntryRoom,
    tally_room: T::Room,
}

impl<'v, T: Tally> Bench<'v, T> {
    fn new(view: &'v View) -> Self {
        let sink = Sink::new(view.compress).lossy();
        Bench {
            target: &view.target,
            server: &view.server,
            sink,
            plain: view.plain.then(|| Sink::new(false).lossy()),
            room: EntryRoom::default(),
            tally_room: T::Room::default(),
        }
    }

    fn tally(&mut self, engine: &Engine, piece: &Piece<'_>, mut tally: T) -> Result<T> {
        if let Some((keys, expires)) = piece.opens {
            let room = &mut self.tally_room;
            tally.record(&crate::rdb::Record::SelectDb(piece.db), 0, room)?;
            tally.record(&crate::rdb::Record::ResizeDb { keys, expires }, 0, room)?;
        }
        let keyspace = &engine.keyspace;
        let records = match piece.keys {
            Part::Records(records) => records,
            Part::Left(base, some) => {
                some.iter().try_for_each(|it| self.left(base, piece.db, it, &mut tally))?;
                return Ok(tally);
            }
        };
        let ask = |records: &[Record]| records.iter().for_each(|record| fetch(record, keyspace));
        ask(records.get(..AHEAD).unwrap_or(records));
        for (at, some) in records.chunks(AHEAD).enumerate() {
            // What was asked for comes while others are seen to.
            let next = records.get((at + 1) * AHEAD..).unwrap_or_default();
            ask(next.get(..AHEAD).unwrap_or(next));
            self.some(keyspace, piece.db, some, &mut tally)?;
        }
        Ok(tally)
    }

    /// Keys that were left in the base.
    fn left(&mut self, base: &Base, db: u64, stretch: &Stretch, tally: &mut T) -> Result<()> {
        if tally.stretch(base, db, stretch) {
            return Ok(());
        }
        for entry in base.entries(db, stretch) {
            let entry = entry?;
            if self.plain.is_some() {
                tally.plain(&entry, &mut self.tally_room)?;
            }
            tally.entry(&entry, &mut self.tally_room)?;
        }
        Ok(())
    }

    fn some(
        &mut self,
        keyspace: &Keyspace,
        db: u64,
        records: &[Record],
        tally: &mut T,
    ) -> Result<()> {
        for record in records {
            self.sink.clear();
            let server = self.server;
            let room = &mut self.room;
            let (body, target) =
                held(record, keyspace, (server, self.target), &mut self.sink, room)?;
            let target = &target;
            let entry = match body {
                Body::Same(ty, body) => entry_of(record, keyspace, db, ty, body),
                Body::Written(ty) => entry_of(record, keyspace, db, ty, &self.sink.out),
                Body::Nothing => continue,
            };
            if let Some(plain) = &mut self.plain {
                let unpacked;
                let shown = match body {
                    Body::Written(_) => {
                        plain.clear();
                        unpacked = match save(record, keyspace, server, target, plain, room)? {
                            Body::Same(ty, body) => entry_of(record, keyspace, db, ty, body),
                            Body::Written(ty) => entry_of(record, keyspace, db, ty, &plain.out),
                            Body::Nothing => continue,
                        };
                        &unpacked
                    }
                    _ => &entry,
                };
                tally.plain(shown, &mut self.tally_room)?;
            }
            tally.entry(&entry, &mut self.tally_room)?;
        }
        Ok(())
    }
}

/// The value of a key, and for which target it is written: what servers of this kind do not know,
/// or not all of it, and a log for others may hold all the same, in the form of the newest of the
/// others. Whether it is wanted is not for a view to decide.
fn held<'r>(
    record: &'r Record,
    keyspace: &'r Keyspace,
    (server, target): (&Target, &Target),
    sink: &mut Sink,
    room: &mut EntryRoom,
) -> Result<(Body<'r>, Target)> {
    let body = save(record, keyspace, server, target, sink, room)?;
    let other = match target.product {
        Product::Valkey if matches!(body, Body::Nothing) => Target::default(),
        Product::Valkey if sink.losses.iter().any(|loss| STREAMS_OF_REDIS.contains(loss)) => {
            Target::default()
        }
        Product::Redis if sink.losses.contains(&Loss::FarFieldExpiry) => newest_valkey(),
        _ => return Ok((body, *target)),
    };
    let other = Target { limits: target.limits, ..other };
    sink.clear();
    Ok((save(record, keyspace, server, &other, sink, room)?, other))
}

/// What a Valkey does not keep of a stream.
const STREAMS_OF_REDIS: [Loss; 3] =
    [Loss::NackedEntries, Loss::IdempotentIds, Loss::IdempotenceSettings];

fn newest_valkey() -> Target {
    Target::of(Product::Valkey, (9, 1))
}

/// Whether a key passes a filter, as [`tally`] hands it out with nothing packed.
pub(in crate::ops) fn passes(
    engine: &Engine,
    db: u64,
    record: &Record,
    filter: &Filter,
) -> Result<bool> {
    if filter.is_empty() {
        return Ok(true);
    }
    let View { target, server, .. } = View::whole(engine, 1);
    let (mut sink, mut room) = (Sink::new(false).lossy(), EntryRoom::default());
    let keyspace = &engine.keyspace;
    let (body, _) = held(record, keyspace, (&server, &target), &mut sink, &mut room)?;
    let (ty, body) = match body {
        Body::Same(ty, body) => (ty, body),
        Body::Written(ty) => (ty, sink.as_bytes()),
        Body::Nothing => return Ok(false),
    };
    filter.matches(&entry_of(record, keyspace, db, ty, body))
}

fn entry_of<'e>(
    record: &'e Record,
    keyspace: &'e Keyspace,
    db: u64,
    ty: ValueType,
    body: &'e [u8],
) -> Entry<'e> {
    let mut entry = Entry::of_body(&record.key, ty, body, 0);
    entry.db = db;
    entry.expires_at_ms = record.expires_at_ms();
    if let Value::Frozen(frozen) = record.value
        && let Some(base) = keyspace.base()
    {
        (entry.eviction, entry.meta) = base.remarks.of(frozen);
    }
    entry
}
