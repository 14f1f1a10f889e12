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
