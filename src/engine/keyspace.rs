//! The keys: databases, cut into shards by key so that threads can work on them side by side.
//!
//! ```text
//! Keyspace ─ shard 0 ─ database 0 ─ table   hash → index
//!          │         │             └ records  key, value, expiry, one behind the other
//!          │         └ database 1 …
//!          └ shard 511 …
//! ```
//!
//! A record that goes leaves its place to the last one of its database: the order of the records is
//! that of the commands that ran, however many threads ran them.

use std::borrow::Cow;
use std::fmt;
use std::hint::black_box;

use hashbrown::HashTable;

use super::base::{Base, BaseBytes};
use super::shards::{SHARDS, shard_of, shards_per_thread};
use super::value::Lying;
use super::{Bytes, Value};
use crate::bytes::hash::hash;
use crate::rdb::{Limits, Scratch};

/// A key without an expiry has this one.
pub(super) const NEVER: i64 = i64::MIN;

/// One key.
#[derive(Debug, Clone)]
pub struct Record {
    /// The key.
    pub key: Bytes,
    /// Its value.
    pub value: Value,
    pub(super) expires: i64,
    hash: u32,
}

impl Record {
    /// When it expires, unix time in milliseconds.
    #[inline]
    pub fn expires_at_ms(&self) -> Option<i64> {
        (self.expires != NEVER).then_some(self.expires)
    }

    /// Sets or clears the expiry.
    #[inline]
    pub fn set_expiry(&mut self, at_ms: Option<i64>) {
        self.expires = at_ms.unwrap_or(NEVER);
    }
}

/// A key that is to be loaded.
#[derive(Debug)]
pub struct Loading<'a> {
    /// Its database.
    pub db: usize,
    /// The key.
    pub key: Cow<'a, [u8]>,
    /// Its value.
    pub value: Value,
    /// When it expires, unix time in milliseconds.
    pub expires_at_ms: Option<i64>,
}

/// One database of one shard.
#[derive(Debug, Clone, Default)]
pub struct Db {
    table: HashTable<u32>,
    pub(super) records: Vec<Record>,
}

impl Db {
    /// The records, in their order.
    #[inline]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The records, to be changed. A key must stay what it is.
    pub fn records_mut(&mut self) -> &mut [Record] {
        &mut self.records
    }

    #[inline]
    pub(super) fn index(&self, hash: u32, key: &[u8]) -> Option<usize> {
        let same = |&index: &u32| {
            let record = self.records.get(index as usize);
            record.is_some_and(|r| r.hash == hash && is_same(r.key.as_slice(), key))
        };
        self.table.find(spread(hash), same).map(|&index| index as usize)
    }

    /// Adds a key that is not there.
    #[inline]
    pub(super) fn push(&mut self, hash: u32, key: Bytes, value: Value, expires: i64) -> usize {
        let index = self.records.len();
        self.records.push(Record { key, value, expires, hash });
        let records = &self.records;
        self.table.insert_unique(spread(hash), index as u32, |&index| place_of(records, index));
        index
    }

    pub(super) fn remove_at(&mut self, index: usize) -> Option<Record> {
        let hash = self.records.get(index)?.hash;
        if let Ok(place) = self.table.find_entry(spread(hash), |&i| i as usize == index) {
            place.remove();
        }
        let last = self.records.len() - 1;
        if index != last {
            let moved = place_of(&self.records, last as u32);
            if let Some(place) = self.table.find_mut(moved, |&i| i as usize == last) {
                *place = index as u32;
            }
        }
        Some(self.records.swap_remove(index))
    }

    /// Brings the table into the caches, from its beginning to its end.
    pub(super) fn warm(&self) {
        black_box(self.table.iter().fold(0, |all, index| all ^ index));
    }

    /// Makes room for so many more keys.
    fn reserve(&mut self, keys: usize) {
        self.records.reserve(keys);
        let records = &self.records;
        self.table.reserve(keys, |&index| place_of(records, index));
    }
}

/// Whether two keys are the same. Nearly all keys have a length at which two words from either end
/// are all there is.
#[inline]
fn is_same(one: &[u8], other: &[u8]) -> bool {
    const WORD: usize = 8;
    const WIDE: usize = 16;
    match one.len() {
        len if len != other.len() => false,
        WORD..=WIDE => {
            one.first_chunk::<WORD>() == other.first_chunk::<WORD>()
                && one.last_chunk::<WORD>() == other.last_chunk::<WORD>()
        }
        17..=32 => {
            one.first_chunk::<WIDE>() == other.first_chunk::<WIDE>()
                && one.last_chunk::<WIDE>() == other.last_chunk::<WIDE>()
        }
        _ => one == other,
    }
}

/// The hash that a table goes by: it looks at the lowest bits and the highest ones.
#[inline]
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

#[inline]
fn place_of(records: &[Record], index: u32) -> u64 {
    records.get(index as usize).map_or(0, |record| spread(record.hash))
}

/// What a record keeps of the hash of its key.
#[inline]
pub(super) fn short_hash(key: &[u8]) -> u32 {
    hash(key) as u32
}

/// The databases of one shard.
#[derive(Debug, Clone, Default)]
pub struct Shard {
    pub(super) dbs: Vec<Db>,
}

impl Shard {
    /// The databases, some of which may be empty.
    pub fn dbs(&self) -> &[Db] {
        &self.dbs
    }

    /// The databases, to be changed.
    pub fn dbs_mut(&mut self) -> &mut [Db] {
        &mut self.dbs
    }

    #[inline]
    pub(super) fn db(&mut self, db: usize) -> &mut Db {
        if db >= self.dbs.len() {
            self.dbs.resize_with(db + 1, Db::default);
        }
        #[expect(clippy::indexing_slicing, reason = "made above")]
        &mut self.dbs[db]
    }
}

/// All keys, or those of some shards while a thread works on them.
#[derive(Default)]
pub struct Keyspace {
    pub(super) shards: Vec<Shard>,
    /// The number of the first shard that is here.
    pub(super) first: usize,
    pub(super) base: Option<Base>,
    /// The logs that strings lie in.
    logs: Vec<BaseBytes>,
    /// Where the bytes of the last log are in memory, and how many they are.
    log_place: (usize, usize),
    pub(super) scratch: Scratch,
    /// How many databases there may be.
    databases: usize,
    pub(super) limits: Limits,
}

impl fmt::Debug for Keyspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyspace").field("shards", &self.shards).finish_non_exhaustive()
    }
}

impl Keyspace {
    /// No keys, in so many databases; collections are packed within these limits.
    pub fn new(databases: usize, limits: Limits) -> Self {
        let shards = vec![Shard::default(); SHARDS];
        Keyspace { shards, databases, limits, ..Keyspace::default() }
    }

    /// Packs collections within other limits from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// How small a collection has to be to be packed.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Makes this the base that frozen values lie in; there must be none yet.
    pub fn set_base(&mut self, base: Base) {
        self.base = Some(base);
    }

    /// The base, if there is one.
    pub fn base(&self) -> Option<&Base> {
        self.base.as_ref()
    }

    /// Makes this the log that is being run: long strings among the arguments of its commands are
    /// not copied, but left to lie there.
    pub fn run_log(&mut self, bytes: BaseBytes) {
        let log: &[u8] = (*bytes).as_ref();
        self.log_place = (log.as_ptr().addr(), log.len());
        self.logs.push(bytes);
    }

    /// Where a text lies in the log that is being run, if it is from there and worth it.
    #[inline]
    pub(super) fn lying(&self, text: &[u8]) -> Option<Lying> {
        if text.len() <= Bytes::INLINE {
            return None;
        }
        let (log, size) = self.log_place;
        // Memory that is neither here nor there is no part of what is mapped.
        let at = text.as_ptr().addr().checked_sub(log).filter(|at| *at < size)?;
        Lying::new(self.logs.len() - 1, at, text.len())
    }

    /// The string that lies in a log.
    #[inline]
    pub fn text(&self, lying: Lying) -> &[u8] {
        let log = self.logs.get(lying.log()).map(|log| (**log).as_ref());
        log.and_then(|log| log.get(lying.range())).unwrap_or_default()
    }

    /// How many databases there may be.
    pub fn databases(&self) -> usize {
        self.databases
    }

    /// Lets there be more databases.
    pub fn set_databases(&mut self, databases: usize) {
        self.databases = databases;
    }

    /// The shards that are here.
    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// The shards that are here, to be changed.
    pub fn shards_mut(&mut self) -> &mut [Shard] {
        &mut self.shards
    }

    /// The same without any shards.
    pub fn shell(&self) -> Keyspace {
        let (base, logs) = (self.base.clone(), self.logs.clone());
        let Keyspace { log_place, databases, limits, .. } = *self;
        Keyspace { base, logs, log_place, databases, limits, ..Keyspace::default() }
    }

    /// Takes the shards away.
    pub fn take_shards(&mut self) -> Vec<Shard> {
        std::mem::take(&mut self.shards)
    }

    /// Puts shards here, of which the first one has this number; there must be none.
    pub fn put_shards(&mut self, first: usize, shards: Vec<Shard>) {
        (self.first, self.shards) = (first, shards);
    }

    /// Takes the shards away, a run of them for each of so many threads.
    pub fn split(&mut self, parts: usize) -> Vec<Keyspace> {
        let share = shards_per_thread(parts);
        let mut rest = std::mem::take(&mut self.shards);
        let mut out = Vec::new();
        let mut first = self.first;
        while !rest.is_empty() {
            let tail = rest.split_off(share.min(rest.len()));
            let shards = std::mem::replace(&mut rest, tail);
            let count = shards.len();
            let mut part = self.shell();
            part.put_shards(first, shards);
            out.push(part);
            first += count;
        }
        out
    }

    /// Takes the shards back, in the order in which [`split`](Self::split) gave them away.
    pub fn join(&mut self, part: &mut Keyspace) {
        if self.shards.is_empty() {
            self.first = part.first;
        }
        self.shards.append(&mut part.shards);
    }

    /// Whether a key belongs to the shards that are here.
    #[inline]
    pub fn holds(&self, key: &[u8]) -> bool {
        shard_of(key).wrapping_sub(self.first) < self.shards.len()
    }

    #[inline]
    fn db(&mut self, db: usize, key: &[u8]) -> Option<&mut Db> {
        let shard = shard_of(key).wrapping_sub(self.first);
        Some(self.shards.get_mut(shard)?.db(db))
    }

    /// Adds a key of the base, or of any source that has each key once; an earlier one of the same
    /// name is overwritten. Whether there was one.
    pub fn load(
        &mut self,
        db: usize,
        key: &[u8],
        value: Value,
        expires_at_ms: Option<i64>,
    ) -> bool {
        let expires = expires_at_ms.unwrap_or(NEVER);
        let Some(db) = self.db(db, key) else { return false };
        let hash = short_hash(key);
        match db.index(hash, key).and_then(|index| db.records.get_mut(index)) {
            Some(record) => {
                (record.value, record.expires) = (value, expires);
                true
            }
            None => {
                db.push(hash, key.into(), value, expires);
                false
            }
        }
    }

    /// Adds keys as [`load`](Self::load) does, which takes less time for some at once: the places
    /// in the tables are far from the caches, and are all fetched before the first key is added.
    /// Of those that were there before, one with its database.
    pub fn load_all(&mut self, keys: &mut Vec<Loading<'_>>) -> Option<(usize, Vec<u8>)> {
        black_box(keys.iter().fold(false, |seen, key| seen ^ self.fetch(key.db, &key.key)));
        let mut repeated = None;
        for Loading { db, key, value, expires_at_ms } in keys.drain(..) {
            if self.load(db, &key, value, expires_at_ms) {
                repeated = Some((db, key.into_owned()));
            }
        }
        repeated
    }

    fn fetch(&mut self, db: usize, key: &[u8]) -> bool {
        let Some(db) = self.db(db, key) else { return false };
        db.table.find(spread(short_hash(key)), |&index| index == u32::MAX).is_some()
    }

    /// Makes room for so many keys of a database.
    pub fn reserve(&mut self, db: usize, keys: usize) {
        // A little more than an even share: chance gives hardly any shard more than this.
        let share = keys / SHARDS;
        let each = share + 4 * share.isqrt();
        self.shards.iter_mut().for_each(|shard| shard.db(db).reserve(each));
    }

    /// How many keys a database has here.
    pub fn size(&self, db: usize) -> usize {
        let of = |shard: &Shard| shard.dbs.get(db).map_or(0, |db| db.records.len());
        self.shards.iter().map(of).sum()
    }

    /// The highest number of a database that has been used, and one more.
    pub fn used_databases(&self) -> usize {
        self.shards.iter().map(|shard| shard.dbs.len()).max().unwrap_or(0)
    }

    /// A key, as it is.
    pub fn record(&self, db: usize, key: &[u8]) -> Option<&Record> {
        let shard = self.shards.get(shard_of(key).wrapping_sub(self.first))?;
        let db = shard.dbs().get(db)?;
        db.records().get(db.index(short_hash(key), key)?)
    }

    /// The keys of a database, in their order.
    pub fn records(&self, db: usize) -> impl Iterator<Item = &Record> {
        self.shards.iter().filter_map(move |shard| shard.dbs.get(db)).flat_map(Db::records)
    }

    /// Forgets the keys of a database.
    pub fn flush(&mut self, db: usize) {
        for shard in &mut self.shards {
            if let Some(db) = shard.dbs.get_mut(db) {
                *db = Db::default();
            }
        }
    }

    /// Forgets all keys.
    pub fn flush_all(&mut self) {
        self.shards.iter_mut().for_each(|shard| shard.dbs.clear());
    }

    /// Swaps two databases.
    pub fn swap(&mut self, one: usize, other: usize) {
        for shard in &mut self.shards {
            shard.db(one.max(other));
            shard.dbs.swap(one, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Keys;
    use super::*;

    #[test]
    fn keys_come_and_go() {
        let mut space = Keyspace::new(16, Limits::default());
        let mut keys = Keys::new(&mut space, 3, None);
        for n in 0..1000_i64 {
            keys.set(n.to_string().as_bytes(), Value::Int(n), None);
        }
        for n in (0..1000_i64).filter(|n| n % 3 == 0) {
            let gone = keys.remove(n.to_string().as_bytes());
            assert!(matches!(gone, Some(Record { value: Value::Int(m), .. }) if m == n));
        }
        for n in 0..1000_i64 {
            let value = keys.peek(n.to_string().as_bytes()).map(|record| record.value.clone());
            match value {
                Some(Value::Int(m)) => assert!(m == n && n % 3 != 0),
                other => assert!(other.is_none() && n % 3 == 0),
            }
        }
        assert_eq!((space.size(3), space.size(0)), (666, 0));
        space.swap(0, 3);
        assert_eq!((space.size(3), space.size(0)), (0, 666));
        let mut parts = space.split(3);
        assert_eq!(parts.iter().map(|part| part.size(0)).sum::<usize>(), 666);
        assert!(parts.iter().all(|part| part.size(0) > 100));
        parts.iter_mut().for_each(|part| space.join(part));
        assert_eq!(space.size(0), 666);
        space.flush_all();
        assert_eq!(space.size(0), 0);
    }

    #[test]
    fn what_has_expired_is_gone_where_time_counts() {
        let mut space = Keyspace::new(16, Limits::default());
        Keys::new(&mut space, 0, None).set(b"a", Value::Int(1), Some(1000));
        assert!(Keys::new(&mut space, 0, None).has(b"a"));
        assert!(Keys::new(&mut space, 0, Some(1000)).has(b"a"));
        assert!(!Keys::new(&mut space, 0, Some(1001)).has(b"a"));
        assert!(!Keys::new(&mut space, 0, None).has(b"a"));
    }

    #[test]
    fn records_are_one_cache_line() {
        assert_eq!(size_of::<Record>(), 64);
    }
}
