//! Records in, bytes of the output out: a batch at a time, on any thread; put together in the
//! order of the file.

use std::ops::Range;

use super::Prove;
use super::counts::Counts;
use super::output::Output;
use crate::aof::write::{CommandWriter, KeyRoom};
use crate::bytes::rooms::Rooms;
use crate::digest::quick;
use crate::engine::{Base, Stretch};
use crate::error::Result;
use crate::ops::filter::Filter;
use crate::ops::walk::Tally;
use crate::rdb::write::{
    Body, EntryHead, EntryRoom, Living, LivingRoom, Loss, Sink, entry, entry_anew,
};
use crate::rdb::{Entry, Header, Record, Target, Text, ValueType};

/// What is to be done with each record.
#[derive(Debug)]
pub(in crate::ops) struct Plan {
    pub(in crate::ops) target: Target,
    pub(in crate::ops) source: Header,
    /// What the source says of itself is kept.
    pub(in crate::ops) same: bool,
    /// Keys come as the target holds them after having run a log, so what is packed stays so, and
    /// what is not does not become so.
    pub(in crate::ops) held: bool,
    pub(in crate::ops) compress: Option<bool>,
    /// A snapshot, or commands.
    pub(in crate::ops) snapshot: bool,
    pub(in crate::ops) drop_expired_at_ms: Option<i64>,
    pub(in crate::ops) list: usize,
    /// Which keys are written.
    pub(in crate::ops) filter: Filter,
    /// Whether functions and the data of modules beside the keys go along.
    pub(in crate::ops) functions: bool,
    /// What is to be proved of it: then a digest of what comes is computed beside.
    pub(in crate::ops) prove: Option<Prove>,
    /// Keys that were left in a base of the target's version are copied as they lie: nothing else
    /// is to be done with any key.
    pub(in crate::ops) copies: bool,
    /// Not all keys are written: a database is selected when one of its keys comes, because servers
    /// refuse a selection of one that they do not have; and what is said of sizes goes no further.
    pub(in crate::ops) chooses: bool,
    /// The output is put together of keys from here and there: each chunk says in which databases
    /// its keys are, and what is said of the source's order and sizes goes no further.
    pub(in crate::ops) parts: bool,
    /// Room of chunks that have been written, for those to come.
    pub(in crate::ops) rooms: Rooms,
}

/// Bytes of the output, and in which database the keys among them are.
#[derive(Debug, Default)]
pub(in crate::ops) struct Chunk {
    pub(in crate::ops) bytes: Vec<u8>,
    /// From which byte on which database, for a log, where batches do not know what was selected.
    pub(in crate::ops) databases: Vec<(usize, u64)>,
    /// What was copied from a base without being looked at.
    pub(in crate::ops) copies: Vec<Copied>,
}

/// Keys that were copied from a base, from stretch to stretch.
#[derive(Debug, Clone)]
pub(in crate::ops) struct Copied {
    /// Their database.
    pub(in crate::ops) db: u64,
    /// How many.
    pub(in crate::ops) keys: u64,
    /// Where they lie in the base.
    pub(in crate::ops) place: Range<usize>,
    /// Where they begin in what is written.
    pub(in crate::ops) at: u64,
}

impl Chunk {
    /// The database of the keys that follow.
    pub(in crate::ops) fn select(&mut self, db: u64) {
        if self.databases.last().is_none_or(|&(_, last)| last != db) {
            self.databases.push((self.bytes.len(), db));
        }
    }
}

pub(in crate::ops) struct Encoder<'p, 'o> {
    pub(super) plan: &'p Plan,
    pub(super) chunk: Chunk,
    pub(super) counts: Counts,
    /// Where chunks go; batches have none.
    output: Option<&'p mut (dyn Take + 'o)>,
}

/// What takes chunks in their order.
pub(in crate::ops) trait Take: Send {
    fn take(&mut self, chunk: &Chunk) -> Result<()>;
}

impl Take for Output<'_> {
    fn take(&mut self, chunk: &Chunk) -> Result<()> {
        self.chunk(chunk)
    }
}

/// Room of a thread.
#[derive(Default)]
pub(in crate::ops) struct Room {
    pub(super) sink: Option<Sink>,
    entry: EntryRoom,
    pub(super) commands: Option<CommandWriter>,
    key: KeyRoom,
    living: LivingRoom,
    pub(super) digest: quick::Room,
}

impl<'p, 'o> Encoder<'p, 'o> {
    pub(in crate::ops) fn root(plan: &'p Plan, output: &'p mut (dyn Take + 'o)) -> Self {
        Encoder { plan, chunk: Chunk::default(), counts: Counts::new(plan), output: Some(output) }
    }

    pub(in crate::ops) fn batch(plan: &'p Plan) -> Self {
        let chunk = Chunk { bytes: plan.rooms.take(), ..Chunk::default() };
        Encoder { plan, chunk, counts: Counts::new(plan), output: None }
    }

    pub(in crate::ops) fn into_counts(self) -> Counts {
        self.counts
    }

    /// What was made of a batch.
    pub(in crate::ops) fn into_chunk(self) -> (Chunk, Counts) {
        (self.chunk, self.counts)
    }

    fn note(&mut self, loss: Loss, db: u64, key: &[u8]) {
        let noted = self.counts.losses.entry(loss).or_default();
        noted.count += 1;
        if noted.keys.len() < self.plan.list {
            noted.keys.push((db, key.to_vec()));
        }
    }

    /// A loss that concerns no key.
    pub(super) fn note_other(&mut self, loss: Loss) {
        self.counts.losses.entry(loss).or_default().count += 1;
    }

    fn note_all(&mut self, losses: &mut Vec<Loss>, found: &Entry<'_>) -> Result<()> {
        if losses.is_empty() {
            return Ok(());
        }
        let key = found.key_bytes()?;
        // Kept in the order in which they are met, so the same one may come twice.
        losses.sort_unstable();
        losses.dedup();
        for loss in losses.drain(..) {
            self.note(loss, found.db, &key);
        }
        Ok(())
    }

    /// A key that is written; its value is to be packed anew, however it came, if it `was` of another
    /// type before something was left out of it.
    fn key(&mut self, found: &Entry<'_>, was: Option<ValueType>, room: &mut Room) -> Result<()> {
        if self.plan.snapshot {
            self.snapshot_key(found, was, room)
        } else {
            self.commands_of_key(found, room)
        }
    }

    fn snapshot_key(
        &mut self,
        found: &Entry<'_>,
        was: Option<ValueType>,
        room: &mut Room,
    ) -> Result<()> {
        let plan = self.plan;
        let sink =
            room.sink.get_or_insert_with(|| Sink::new(plan.compress.unwrap_or(true)).lossy());
        sink.clear();
        let target = &plan.target;
        room.entry.hold(plan.held.then(|| was.unwrap_or(found.value_type)));
        // The templates of the source are copied, too, so what refers to them may stay.
        let same_templates = plan.source == target.header && !plan.parts && was.is_none();
        let body = match plan.compress {
            None if was.is_none() => entry(sink, found, target, same_templates, &mut room.entry)?,
            _ => entry_anew(sink, found, target, same_templates, &mut room.entry)?,
        };
        if found.eviction.is_some() && !target.has_eviction() {
            sink.losses.push(Loss::Eviction);
        }
        if found.meta.is_some() && !target.has_key_meta() {
            sink.losses.push(Loss::KeyMeta);
        }
        let (ty, same) = match body {
            Body::Same(ty, same) => {
                self.counts.copied += 1;
                (ty, Some(same))
            }
            Body::Written(ty) if ty == ValueType::HashTemplateArray => {
                self.counts.copied += 1;
                (ty, None)
            }
            Body::Written(ty) => {
                *self.counts.anew.entry((found.value_type, ty)).or_default() += 1;
                (ty, None)
            }
            Body::Nothing => {
                let mut losses = std::mem::take(&mut sink.losses);
                return self.note_all(&mut losses, found);
            }
        };
        self.counts.written += 1;
        if plan.parts || plan.chooses {
            self.chunk.select(found.db);
        }
        let unpacked;
        let key = match found.key {
            // One that lies there packed is packed anew, or not at all.
            Text::Lzf { .. } if plan.compress.is_some() => {
                unpacked = found.key_bytes()?;
                Text::Raw(&unpacked)
            }
            key => key,
        };
        let head = EntryHead {
            key,
            expires_at_ms: found.expires_at_ms,
            eviction: found.eviction,
            meta: found.meta,
        };
        let value_end = sink.out.len();
        // The head is written behind the value and goes in front of it in the chunk.
        head.write(sink, target, ty, plan.compress.is_none());
        let (value, head) = sink.out.split_at_checked(value_end).unwrap_or_default();
        self.chunk.bytes.extend_from_slice(head);
        self.chunk.bytes.extend_from_slice(same.unwrap_or(value));
        let mut losses = std::mem::take(&mut sink.losses);
        self.note_all(&mut losses, found)?;
        sink.losses = losses;
        Ok(())
    }

    fn commands_of_key(&mut self, found: &Entry<'_>, room: &mut Room) -> Result<()> {
        let plan = self.plan;
        let writer = room.commands.get_or_insert_with(|| CommandWriter::new(&plan.target));
        self.chunk.select(found.db);
        let before = self.chunk.bytes.len();
        // The writer appends where the chunk is, so nothing is copied twice.
        std::mem::swap(&mut self.chunk.bytes, &mut writer.out);
        let done = writer.key(found, &mut room.key);
        std::mem::swap(&mut self.chunk.bytes, &mut writer.out);
        done?;
        if self.chunk.bytes.len() > before {
            self.counts.written += 1;
        }
        let mut losses = std::mem::take(&mut writer.losses);
        self.note_all(&mut losses, found)?;
        writer.losses = losses;
        Ok(())
    }
}

impl Tally for Encoder<'_, '_> {
    type Room = Room;

    fn entry(&mut self, found: &Entry<'_>, room: &mut Room) -> Result<()> {
        self.counts.keys += 1;
        if !self.plan.filter.matches(found)? {
            self.counts.filtered += 1;
            return Ok(());
        }
        let Some(now_ms) = self.plan.drop_expired_at_ms else {
            return self.key(found, None, room);
        };
        // A time of -1 is none, as it is for a loader.
        if found.expires_at_ms.is_some_and(|ms| ms != -1 && ms < now_ms) {
            self.counts.expired += 1;
            return Ok(());
        }
        let mut living = std::mem::take(&mut room.living);
        let done = match living.of(found, now_ms)? {
            Living::All => self.key(found, None, room),
            Living::Some(left) => self.key(&left, Some(found.value_type), room),
            Living::None => {
                self.counts.expired += 1;
                Ok(())
            }
        };
        room.living = living;
        done
    }

    fn stretch(&mut self, base: &Base, db: u64, stretch: &Stretch) -> bool {
        if !self.plan.copies || self.plan.target.header != base.header {
            return false;
        }
        let (at, keys, place) = (self.chunk.bytes.len() as u64, stretch.keys, &stretch.place);
        self.chunk.copies.push(Copied { db, keys, place: place.clone(), at });
        self.chunk.bytes.extend_from_slice(base.lying(&stretch.place));
        self.counts.keys += keys;
        self.counts.written += keys;
        self.counts.copied += keys;
        true
    }

    fn plain(&mut self, found: &Entry<'_>, room: &mut Room) -> Result<()> {
        let digest = self.counts.digest.as_mut();
        digest.map_or(Ok(()), |digest| digest.add(found, &mut room.digest))
    }

    fn record(&mut self, record: &Record<'_>, offset: u64, room: &mut Room) -> Result<()> {
        self.write_record(record, offset, room)
    }

    fn decodes(&self) -> bool {
        !self.plan.snapshot
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        self.counts.add(later.counts, self.plan.list);
        let done = match &mut self.output {
            Some(output) => output.take(&later.chunk),
            None => Ok(()),
        };
        self.plan.rooms.give(later.chunk.bytes);
        done
    }
}
