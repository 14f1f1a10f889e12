//! The keys of one database as a command sees them: found, made ready, added and removed.

use super::keyspace::{Db, Keyspace, NEVER, Record, short_hash};
use super::shards::shard_of;
use super::{Answer, Failure, Typed, Value};

/// The keys of one database as a command sees them.
#[derive(Debug)]
pub struct Keys<'k> {
    keyspace: &'k mut Keyspace,
    /// The database.
    pub db: usize,
    /// Keys that expire before this are gone; `None` keeps all, as a loading server does.
    pub gone_before_ms: Option<i64>,
}

impl<'k> Keys<'k> {
    /// The keys of a database.
    pub fn new(keyspace: &'k mut Keyspace, db: usize, gone_before_ms: Option<i64>) -> Self {
        Keys { keyspace, db, gone_before_ms }
    }

    /// The same in another database.
    pub fn in_db(&mut self, db: usize) -> Keys<'_> {
        Keys { keyspace: self.keyspace, db, gone_before_ms: self.gone_before_ms }
    }

    /// All keys.
    pub fn keyspace(&mut self) -> &mut Keyspace {
        self.keyspace
    }

    /// Where a key is to be found. One that has expired is removed.
    #[inline]
    fn spot(&mut self, key: &[u8]) -> Spot {
        let hash = short_hash(key);
        let shard = shard_of(key).wrapping_sub(self.keyspace.first);
        let mut spot = Spot { hash, shard, index: None };
        let Some(db) = self.db_of(&spot) else { return spot };
        spot.index = db.index(hash, key);
        if let (Some(now), Some(index)) = (self.gone_before_ms, spot.index)
            && let Some(db) = self.db_of(&spot)
            && db.records.get(index).is_some_and(|r| r.expires != NEVER && r.expires < now)
        {
            db.remove_at(index);
            spot.index = None;
        }
        spot
    }

    #[inline]
    fn db_of(&mut self, spot: &Spot) -> Option<&mut Db> {
        self.keyspace.shards.get_mut(spot.shard)?.dbs.get_mut(self.db)
    }

    #[inline]
    fn record(&mut self, spot: &Spot) -> Option<&mut Record> {
        let index = spot.index?;
        self.db_of(spot)?.records.get_mut(index)
    }

    /// The record of a key as it is, frozen or not. One that has expired is removed.
    #[inline]
    pub fn peek(&mut self, key: &[u8]) -> Option<&mut Record> {
        let spot = self.spot(key);
        self.record(&spot)
    }

    /// The record of a key, its value ready to be worked on.
    #[inline]
    pub fn find(&mut self, key: &[u8]) -> Answer<Option<&mut Record>> {
        let spot = self.spot(key);
        self.ready(&spot)?;
        Ok(self.record(&spot))
    }

    /// Has the value of a record ready to be worked on.
    #[inline]
    fn ready(&mut self, spot: &Spot) -> Answer<()> {
        match self.record(spot) {
            Some(Record { value: Value::Frozen(_) | Value::Lying(_), .. }) => self.thaw(spot),
            _ => Ok(()),
        }
    }

    #[cold]
    fn thaw(&mut self, spot: &Spot) -> Answer<()> {
        let Some(record) = self.record(spot) else { return Ok(()) };
        let value = match record.value {
            Value::Lying(lying) => Value::Str(self.keyspace.text(lying).into()),
            Value::Frozen(frozen) => {
                let key = record.key.clone();
                let space = &mut *self.keyspace;
                let Some(entry) = space.base.as_ref().and_then(|base| base.entry(&key, frozen))
                else {
                    return Ok(());
                };
                super::thaw::value(&entry, &space.limits, &mut space.scratch)?
            }
            _ => return Ok(()),
        };
        if let Some(record) = self.record(spot) {
            record.value = value;
        }
        Ok(())
    }

    /// Whether the key is there.
    #[inline]
    pub fn has(&mut self, key: &[u8]) -> bool {
        self.spot(key).index.is_some()
    }

    /// A string as SET stores it.
    #[inline]
    pub fn stored(&self, text: &[u8]) -> Value {
        match self.keyspace.lying(text) {
            // No integer is so long.
            Some(lying) => Value::Lying(lying),
            None => super::text_value(text),
        }
    }

    /// The value of a key as one kind: `None` where there is no key, an error where it is of
    /// another kind.
    #[inline]
    pub fn get<T: Typed>(&mut self, key: &[u8]) -> Answer<Option<&mut T>> {
        match self.find(key)? {
            None => Ok(None),
            Some(record) => T::of(&mut record.value).map(Some).ok_or(Failure::WRONG_TYPE),
        }
    }

    /// The value of a key as one kind, beside others: none where it is frozen, which
    /// [`get`](Self::get) ends.
    pub fn view<T: Typed>(&self, key: &[u8]) -> Option<&T> {
        let shard = shard_of(key).wrapping_sub(self.keyspace.first);
        let db = self.keyspace.shards.get(shard)?.dbs.get(self.db)?;
        T::view(&db.records.get(db.index(short_hash(key), key)?)?.value)
    }

    /// The value of a key as one kind, made by `new` where there is no key.
    #[inline]
    pub fn get_or<T: Typed>(&mut self, key: &[u8], new: impl FnOnce() -> T) -> Answer<&mut T> {
        let mut spot = self.spot(key);
        if spot.index.is_none() {
            spot.index = self.add(&spot, key, new().wrap(), NEVER);
        } else {
            self.ready(&spot)?;
        }
        let record = self.record(&spot).ok_or(Failure::NO_SUCH_KEY)?;
        T::of(&mut record.value).ok_or(Failure::WRONG_TYPE)
    }

    /// Adds a key that is known not to be there; where it is.
    #[inline]
    fn add(&mut self, spot: &Spot, key: &[u8], value: Value, expires: i64) -> Option<usize> {
        let db = self.keyspace.shards.get_mut(spot.shard)?.db(self.db);
        Some(db.push(spot.hash, key.into(), value, expires))
    }

    /// Sets the value and the expiry of a key, whatever was there.
    #[inline]
    pub fn set(&mut self, key: &[u8], value: Value, expires_at_ms: Option<i64>) {
        let spot = self.spot(key);
        let expires = expires_at_ms.unwrap_or(NEVER);
        match self.record(&spot) {
            Some(record) => (record.value, record.expires) = (value, expires),
            None => {
                self.add(&spot, key, value, expires);
            }
        }
    }

    /// Sets the value of a key and keeps its expiry.
    #[inline]
    pub fn set_value(&mut self, key: &[u8], value: Value) {
        let spot = self.spot(key);
        match self.record(&spot) {
            Some(record) => record.value = value,
            None => {
                self.add(&spot, key, value, NEVER);
            }
        }
    }

    /// Removes a key; what was there.
    #[inline]
    pub fn remove(&mut self, key: &[u8]) -> Option<Record> {
        let spot = self.spot(key);
        self.db_of(&spot)?.remove_at(spot.index?)
    }
}

/// Where a key is, or would be.
#[derive(Debug, Clone, Copy)]
struct Spot {
    hash: u32,
    shard: usize,
    index: Option<usize>,
}
