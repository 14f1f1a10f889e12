//! Some keys of a source as parcels: what a worker makes of a piece of the walk.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::ledger::{Root, Taken, hash_of};
use super::made::Made;
use super::pack::{Form, Marks, Plan, Room};
use crate::bytes::slot::slot;
use crate::error::{Doing, FormatError, Result};
use crate::live::ErrorReply;
use crate::ops::walk::Tally;
use crate::rdb::write::{Living, Loss};
use crate::rdb::{Entry, Record, Text};
use crate::resp::encode;
use crate::target::live::{Parcel, Refusal};

/// Bytes of one MSET, about.
const GROUP_BYTES: usize = 16 << 10;
/// Keys of one MSET.
const GROUP_KEYS: u32 = 128;
/// What expires later is there when keys are counted: no replay takes so long.
pub(super) const LATER_MS: i64 = 24 * 3600 * 1000;

/// What was counted.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    /// Keys that are sent.
    pub(super) keys: u64,
    /// Keys that the filter leaves out.
    pub(super) filtered: u64,
    /// Keys left out because they have expired.
    pub(super) expired: u64,
    /// Of the keys that are sent, those that expire.
    pub(super) expiring: u64,
    /// Function libraries.
    pub(super) functions: u64,
    /// Bytes of commands.
    pub(super) bytes: u64,
    pub(super) by_restore: u64,
    pub(super) by_commands: u64,
    /// The first and the last database of the source with keys that are sent.
    pub(super) databases: Option<(u64, u64)>,
    /// Everything of the source before this is in it.
    pub(super) mark: u64,
    /// Keys that were seen, sent or not.
    pub(super) seen: u64,
}

impl Counts {
    pub(super) fn add(&mut self, other: &Counts) {
        self.keys += other.keys;
        self.filtered += other.filtered;
        self.expired += other.expired;
        self.expiring += other.expiring;
        self.functions += other.functions;
        self.bytes += other.bytes;
        self.by_restore += other.by_restore;
        self.by_commands += other.by_commands;
        self.mark = self.mark.max(other.mark);
        self.seen += other.seen;
    }
}

/// A piece of the walk.
pub(super) struct Batch<'p, 'l, 'r> {
    plan: &'p Plan<'p>,
    from: u64,
    taken: Taken,
    group: Group,
    /// Of the one that pieces are merged into: the keys of those before.
    before: u64,
    root: Option<&'p mut Root<'l, 'r>>,
}

/// Plain strings that go out in one MSET.
#[derive(Debug, Default)]
struct Group {
    args: Vec<u8>,
    keys: u32,
    /// The first key among the arguments.
    first: std::ops::Range<usize>,
}

impl<'p, 'l, 'r> Batch<'p, 'l, 'r> {
    /// A piece of its own.
    pub(super) fn fresh(plan: &'p Plan<'p>, from: u64) -> Self {
        let (taken, group) = (Taken::default(), Group::default());
        Batch { plan, from, taken, group, before: 0, root: None }
    }

    /// The one that pieces are merged into.
    pub(super) fn root(plan: &'p Plan<'p>, from: u64, root: &'p mut Root<'l, 'r>) -> Self {
        Batch { root: Some(root), ..Batch::fresh(plan, from) }
    }

    /// What was packed so far.
    pub(super) fn drain(&mut self) -> Taken {
        self.end_group();
        std::mem::take(&mut self.taken)
    }

    /// Hands on what was packed.
    fn flush(&mut self) -> Result<()> {
        self.end_group();
        let mut taken = std::mem::take(&mut self.taken);
        taken.counts.bytes = taken.parcels.iter().map(|parcel| parcel.bytes.len() as u64).sum();
        match &mut self.root {
            Some(root) => root.take(taken, self.plan.options.database.is_some()),
            None => Ok(()),
        }
    }

    /// The parcel for a database, begun if the last one is for another.
    fn parcel(&mut self, database: u32) -> &mut Parcel {
        let parcels = &mut self.taken.parcels;
        let fits = |last: &Parcel| last.database == database && !last.is_for_all;
        if !parcels.last().is_some_and(fits) {
            let spares = &self.plan.options.courier.spares;
            parcels.push(Parcel { database, ..spares.parcel() });
        }
        let last = parcels.len() - 1;
        #[expect(clippy::indexing_slicing, reason = "one was pushed if there was none")]
        &mut parcels[last]
    }

    fn end_group(&mut self) {
        let Group { args, keys, first } = std::mem::take(&mut self.group);
        let Some(parcel) = self.taken.parcels.last_mut().filter(|_| keys > 0) else { return };
        let name: &[u8] = if keys == 1 { b"$3\r\nSET\r\n" } else { b"$4\r\nMSET\r\n" };
        encode::header(&mut parcel.bytes, b'*', u64::from(keys) * 2 + 1);
        parcel.bytes.extend_from_slice(name);
        let at = parcel.bytes.len();
        parcel.bytes.extend_from_slice(&args);
        parcel.close(1, keys, 0, at + first.start..at + first.end);
        self.group.args = args;
        self.group.args.clear();
    }

    /// A plain string, for the group under way.
    fn group(&mut self, database: u32, key: &[u8], value: &[u8]) {
        let other = self.taken.parcels.last().is_none_or(|last| last.database != database);
        if other || self.group.keys >= GROUP_KEYS || self.group.args.len() >= GROUP_BYTES {
            self.end_group();
        }
        self.parcel(database);
        let group = &mut self.group;
        let at = arg(&mut group.args, key);
        if group.keys == 0 {
            group.first = at;
        }
        arg(&mut group.args, value);
        group.keys += 1;
    }

    fn lose(&mut self, losses: &mut Vec<Loss>, database: u32, key: &[u8]) {
        if losses.iter().any(|loss| loss.is_grave()) {
            self.taken.apart.push(hash_of(database, key));
        }
        for loss in losses.drain(..) {
            *self.taken.losses.entry(loss).or_default() += 1;
        }
    }

    fn refuse(&mut self, database: u32, key: &[u8], command: String, words: String) {
        self.taken.apart.push(hash_of(database, key));
        self.taken.refusals.push(Refusal {
            database,
            key: key.to_vec(),
            command,
            reply: ErrorReply { words },
        });
    }

    /// Packs a key that is sent.
    fn send(
        &mut self,
        entry: &Entry<'_>,
        key: &[u8],
        database: u32,
        expires_at_ms: Option<i64>,
        room: &mut Room,
    ) -> Result<()> {
        let plan = self.plan;
        let slot = if plan.has_slots { slot(key) } else { 0 };
        let counts = &mut self.taken.counts;
        counts.keys += 1;
        let soon = plan.options.now_ms.saturating_add(LATER_MS);
        counts.expiring += u64::from(expires_at_ms.is_some_and(|at| at < soon));
        counts.databases = Some(counts.databases.map_or((entry.db, entry.db), |(first, last)| {
            if first == last { (first, entry.db) } else { (first, last) }
        }));
        match plan.form(entry, expires_at_ms, room)? {
            Form::Grouped => {
                counts.by_commands += 1;
                self.group(database, key, &room.text);
            }
            Form::Set => {
                self.end_group();
                let counts = &mut self.taken.counts;
                counts.by_commands += 1;
                let parcel = self.parcel(database);
                let at = plan.set(&mut parcel.bytes, key, &room.text, expires_at_ms);
                parcel.close(1, 1, slot, at);
            }
            Form::Restore(ty, body) => {
                self.end_group();
                self.taken.counts.by_restore += 1;
                let parcel = self.parcel(database);
                let body = body.unwrap_or(&room.sink.out);
                let at = plan.restore(&mut parcel.bytes, key, ty, body, entry, expires_at_ms);
                parcel.close(1, 1, slot, at);
                let mut losses = std::mem::take(&mut room.sink.losses);
                self.lose(&mut losses, database, key);
                room.sink.losses = losses;
            }
            Form::Commands => {
                self.end_group();
                let mut entry = entry.clone();
                entry.key = Text::Raw(key);
                entry.expires_at_ms = expires_at_ms;
                match plan.made(&entry, key, slot, room)? {
                    Made::By(made) => {
                        let counts = &mut self.taken.counts;
                        counts.by_restore += u64::from(made.restores);
                        counts.by_commands += u64::from(!made.restores);
                        let parcel = self.parcel(database);
                        let at = parcel.bytes.len();
                        parcel.bytes.extend_from_slice(&room.commands);
                        let key_at = at + made.key_at.start..at + made.key_at.end;
                        parcel.close(made.replies, 1, slot, key_at);
                        if made.is_aside {
                            parcel.made_aside();
                        }
                    }
                    Made::Nothing => self.taken.counts.by_commands += 1,
                    Made::Not(command, words) => self.refuse(database, key, command, words),
                }
                let mut losses = std::mem::take(&mut room.writer.losses);
                self.lose(&mut losses, database, key);
                room.writer.losses = losses;
            }
            Form::Nothing => {
                self.end_group();
                let mut losses = std::mem::take(&mut room.sink.losses);
                self.taken.counts.keys -= 1;
                self.taken.apart.push(hash_of(database, key));
                self.lose(&mut losses, database, key);
                room.sink.losses = losses;
            }
        }
        Ok(())
    }
}

impl Tally for Batch<'_, '_, '_> {
    type Room = Option<Box<Room>>;

    fn entry(&mut self, entry: &Entry<'_>, room: &mut Self::Room) -> Result<()> {
        let plan = self.plan;
        self.taken.counts.seen += 1;
        if plan.marks == Marks::Offsets {
            if entry.end <= self.from {
                return Ok(());
            }
            self.taken.counts.mark = entry.end;
        }
        if !plan.options.filter.is_empty() && !plan.options.filter.matches(entry)? {
            self.taken.counts.filtered += 1;
            return Ok(());
        }
        let key = plan.key(entry)?;
        let expires_at_ms = plan.expiry(entry);
        if plan.drops(entry) {
            self.taken.counts.expired += 1;
            return Ok(());
        }
        let database = plan.database(entry.db)?;
        let room = room.get_or_insert_with(|| Box::new(Room::new(plan)));
        if !plan.options.drop_expired {
            return self.send(entry, &key, database, expires_at_ms, room);
        }
        let mut living = std::mem::take(&mut room.living);
        let fields_from_ms = plan.options.now_ms.saturating_sub(plan.options.ttl_shift_ms);
        let done = match living.of(entry, fields_from_ms)? {
            Living::All => self.send(entry, &key, database, expires_at_ms, room),
            Living::Some(left) => {
                // What is in the source is more than what the target will have.
                self.taken.apart.push(hash_of(database, &key));
                self.send(&left, &key, database, expires_at_ms, room)
            }
            Living::None => {
                self.taken.apart.push(hash_of(database, &key));
                self.taken.counts.expired += 1;
                Ok(())
            }
        };
        room.living = living;
        done
    }

    fn record(&mut self, record: &Record<'_>, offset: u64, _: &mut Self::Room) -> Result<()> {
        let plan = self.plan;
        let Record::Function(code) = record else { return Ok(()) };
        if plan.marks == Marks::Offsets && offset < self.from {
            return Ok(());
        }
        if !plan.target.has_functions() {
            *self.taken.losses.entry(Loss::Function).or_default() += 1;
            return Ok(());
        }
        let mut room = Vec::new();
        let code: Cow<'_, [u8]> = match code.blob(&mut room) {
            Ok(code) => Cow::Borrowed(code),
            Err(fault) => {
                let doing = Doing::Record("FUNCTION2");
                return Err(
                    Box::new(FormatError { file: None, offset, doing, key: None, fault }).into()
                );
            }
        };
        self.end_group();
        self.taken.counts.functions += 1;
        let mut parcel = Parcel { is_for_all: true, ..Parcel::default() };
        plan.function(&mut parcel.bytes, &code);
        // What is refused is called by its name.
        let name = library_name(&parcel.bytes);
        parcel.close(1, 0, 0, name);
        self.taken.parcels.push(parcel);
        Ok(())
    }

    fn merge(&mut self, mut later: Self) -> Result<()> {
        later.end_group();
        if self.root.is_some() {
            // What was tallied here stands in front of what comes.
            self.flush()?;
            self.taken = std::mem::take(&mut later.taken);
            if self.plan.marks == Marks::Keys {
                self.before += self.taken.counts.seen;
                // Marks stand between pieces, so each has arrived as a whole or has to go again.
                if self.before <= self.from && self.from > 0 {
                    self.taken = Taken::default();
                    return Ok(());
                }
                self.taken.counts.mark = self.before;
            }
            return self.flush();
        }
        self.end_group();
        let Taken { counts, losses, refusals, apart, parcels } = later.taken;
        let databases = self.taken.counts.databases.or(counts.databases);
        self.taken.counts.add(&counts);
        self.taken.counts.databases =
            databases.zip(counts.databases).map(|((first, last), (other, another))| {
                let differs = [last, other, another].into_iter().find(|db| *db != first);
                (first, differs.unwrap_or(first))
            });
        let into: &mut BTreeMap<Loss, u64> = &mut self.taken.losses;
        for (loss, keys) in losses {
            *into.entry(loss).or_default() += keys;
        }
        self.taken.refusals.extend(refusals);
        self.taken.apart.extend(apart);
        self.taken.parcels.extend(parcels);
        Ok(())
    }
}

/// Appends an argument; where its bytes are comes back.
pub(super) fn arg(out: &mut Vec<u8>, bytes: &[u8]) -> std::ops::Range<usize> {
    encode::header(out, b'$', bytes.len() as u64);
    let at = out.len();
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
    at..at + bytes.len()
}

/// Where the name of a library stands in its code: `#!lua name=geo`.
fn library_name(code: &[u8]) -> std::ops::Range<usize> {
    const BEFORE: &[u8] = b" name=";
    let Some(at) = code.windows(BEFORE.len()).position(|part| part == BEFORE) else { return 0..0 };
    let begins = at + BEFORE.len();
    let rest = code.get(begins..).unwrap_or_default();
    let len = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
    begins..begins + len
}
