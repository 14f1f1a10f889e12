//! The base: the snapshot that values lie in until a command touches them, and what it says of its
//! keys and of itself besides the values.
//!
//! What is remembered of a key (idle time, access frequency, metadata of modules) is found by the
//! place of its value, so it goes wherever the untouched value goes, and is gone with it: a server
//! that loads a log sets the idle time of each key that it touches anew.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::value::Frozen;
use crate::error::FormatError;
use crate::rdb::{Entry, Eviction, Family, Framer, Header, Record};

/// The base file that frozen values lie in.
pub type BaseBytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// The base that frozen values are slices of.
#[derive(Clone)]
pub struct Base {
    /// All bytes of the file.
    pub bytes: BaseBytes,
    /// Its magic and version.
    pub header: Header,
    /// What it says besides keys and values.
    pub remarks: Arc<Remarks>,
    /// Keys that were left where they lie, by ascending database: they are in no shard.
    pub left: Arc<Vec<Left>>,
}

/// Keys of one database that lie in a base and were not loaded: nothing asks for them.
#[derive(Debug, Default)]
pub struct Left {
    /// The database.
    pub db: u64,
    /// How many keys.
    pub keys: u64,
    /// How many of them expire.
    pub expires: u64,
    /// Where they lie, in the order of the file.
    pub stretches: Vec<Stretch>,
}

/// Keys of one database that lie behind one another in a base.
#[derive(Debug)]
pub struct Stretch {
    /// How many.
    pub keys: u64,
    /// From the first byte of the first one to the last byte of the last one.
    pub place: Range<usize>,
}

/// A stretch is no longer than this and one key more.
const STRETCH_BYTES: usize = 256 << 10;

impl Left {
    /// None of this database yet.
    pub fn of(db: u64) -> Self {
        Left { db, ..Left::default() }
    }

    /// Takes in the key that lies there.
    #[inline]
    pub fn add(&mut self, place: Range<usize>, expires: bool) {
        self.keys += 1;
        self.expires += u64::from(expires);
        match self.stretches.last_mut() {
            Some(Stretch { keys, place: last })
                if last.end == place.start && last.len() < STRETCH_BYTES =>
            {
                *keys += 1;
                last.end = place.end;
            }
            _ => self.stretches.push(Stretch { keys: 1, place }),
        }
    }

    /// Takes in those that lie behind these.
    pub fn append(&mut self, mut later: Left) {
        self.keys += later.keys;
        self.expires += later.expires;
        self.stretches.append(&mut later.stretches);
    }
}

/// What a base says besides keys and values.
#[derive(Debug, Default)]
pub struct Remarks {
    /// By the place of a value, in ascending order.
    evictions: Vec<(u64, u32)>,
    metas: Vec<Meta>,
    /// Where records lie that are about no key: what modules remember, slot imports.
    records: Vec<Range<usize>>,
}

/// Metadata that modules attached to a key.
#[derive(Debug)]
pub struct Meta {
    at: u64,
    record: Vec<u8>,
    /// The database of the key.
    pub db: u64,
    /// The key.
    pub key: Vec<u8>,
}

/// Says of a number that it is a frequency.
const IS_FREQUENCY: u32 = 1 << 31;

impl Remarks {
    /// Takes in what is said of a key whose value stays in the base.
    #[inline]
    pub fn note(&mut self, entry: &Entry<'_>) {
        if let Some(eviction) = entry.eviction {
            let number = match eviction {
                Eviction::IdleSecs(secs) => secs.min(u64::from(IS_FREQUENCY - 1)) as u32,
                Eviction::Frequency(count) => u32::from(count) | IS_FREQUENCY,
            };
            self.evictions.push((entry.body_offset, number));
        }
        if let Some(meta) = entry.meta {
            self.metas.push(Meta {
                at: entry.body_offset,
                record: meta.to_vec(),
                db: entry.db,
                key: entry.key_bytes().map(std::borrow::Cow::into_owned).unwrap_or_default(),
            });
        }
    }

    /// Takes in a record that is about no key.
    pub fn note_record(&mut self, place: Range<usize>) {
        self.records.push(place);
    }

    /// Takes in what another thread has noted.
    pub fn append(&mut self, mut other: Remarks) {
        self.evictions.append(&mut other.evictions);
        self.metas.append(&mut other.metas);
        self.records.append(&mut other.records);
    }

    /// Brings everything into the order of the file.
    pub fn sort(&mut self) {
        self.evictions.sort_unstable();
        self.metas.sort_unstable_by_key(|meta| meta.at);
    }

    fn eviction(&self, at: u64) -> Option<Eviction> {
        let index = self.evictions.binary_search_by_key(&at, |&(at, _)| at).ok()?;
        let &(_, number) = self.evictions.get(index)?;
        Some(match number & IS_FREQUENCY {
            0 => Eviction::IdleSecs(number.into()),
            _ => Eviction::Frequency(number as u8),
        })
    }

    fn meta(&self, at: u64) -> Option<&[u8]> {
        let index = self.metas.binary_search_by_key(&at, |meta| meta.at).ok()?;
        Some(&self.metas.get(index)?.record)
    }

    /// What is said of the key that has this value.
    #[inline]
    pub fn of(&self, frozen: Frozen) -> (Option<Eviction>, Option<&[u8]>) {
        if self.evictions.is_empty() && self.metas.is_empty() {
            return (None, None);
        }
        (self.eviction(frozen.at()), self.meta(frozen.at()))
    }

    /// All metadata of keys, in the order of the file.
    pub fn metas(&self) -> &[Meta] {
        &self.metas
    }
}

impl Base {
    /// The entry of a frozen value, as if it were read from the file.
    pub fn entry<'a>(&'a self, key: &'a [u8], frozen: Frozen) -> Option<Entry<'a>> {
        let body = self.body(frozen)?;
        let mut entry = Entry::of_body(key, frozen.value_type(), body, frozen.at());
        (entry.eviction, entry.meta) = self.remarks.of(frozen);
        Some(entry)
    }

    /// The body of a frozen value, as it is in the file.
    pub fn body(&self, frozen: Frozen) -> Option<&[u8]> {
        let from = usize::try_from(frozen.at()).ok()?;
        let len = usize::try_from(frozen.size_bytes()).ok()?;
        (*self.bytes).as_ref().get(from..)?.get(..len)
    }

    /// The bytes of keys that were left.
    pub fn lying(&self, place: &Range<usize>) -> &[u8] {
        (*self.bytes).as_ref().get(place.clone()).unwrap_or_default()
    }

    /// The keys in a stretch of those that were left in a database.
    pub fn entries(
        &self,
        db: u64,
        stretch: &Stretch,
    ) -> impl Iterator<Item = Result<Entry<'_>, Box<FormatError>>> {
        let (mut rest, end) = (self.lying(&stretch.place), stretch.place.end);
        let mut framer = Framer::new(self.header);
        std::iter::from_fn(move || {
            while !rest.is_empty() {
                match framer.next(rest, (end - rest.len()) as u64) {
                    Ok((record, after)) => {
                        rest = after;
                        let Record::Entry(mut entry) = record else { continue };
                        entry.db = db;
                        return Some(Ok(entry));
                    }
                    Err(error) => {
                        rest = &[];
                        return Some(Err(error));
                    }
                }
            }
            None
        })
    }

    /// Who gave its type numbers their meaning.
    pub fn family(&self) -> Family {
        self.header.family
    }

    /// The records that are about no key.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let bytes = (*self.bytes).as_ref();
        self.remarks.records.iter().filter_map(move |place| {
            let record = bytes.get(place.clone())?;
            let read = Framer::new(self.header).next(record, place.start as u64);
            read.ok().map(|(record, _)| record)
        })
    }
}

impl Meta {
    /// Whether a value is the one that this is about.
    pub fn is_of(&self, frozen: Frozen) -> bool {
        self.at == frozen.at()
    }
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Base").field("header", &self.header).finish_non_exhaustive()
    }
}
