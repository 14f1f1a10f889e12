//! What inspect counts while a snapshot goes by. Nothing is decoded, and nothing is allocated for
//! a key that is not among the biggest: arrays are indexed by encoding, a comparison keeps the
//! rest out of the lists.

use super::top::{Floor, Top};
use super::{InspectOptions, lzf};
use crate::error::Result;
use crate::ops::encoding::{self, ENCODINGS};
use crate::ops::walk::Tally;
use crate::rdb::{Entry, LibraryHead, ModuleId, Record, Text, ValueType, length};
use crate::report::inspect::{Amount, AuxField, DatabaseReport, FunctionReport, LzfReport, TopKey};
use crate::value::Kind;

/// How many aux fields are kept; what stands there for every key or slot is counted only.
const AUX_FIELDS: usize = 256;
/// A day in milliseconds.
const DAY_MS: u64 = 86_400_000;

/// Spans of time to live; those already over come before them, longer ones and none after them.
pub(super) const WITHIN: [(&str, u64); 5] = [
    ("1h", 3_600_000),
    ("1d", DAY_MS),
    ("7d", 7 * DAY_MS),
    ("30d", 30 * DAY_MS),
    ("1y", 365 * DAY_MS),
];

/// What all batches share.
#[derive(Debug)]
pub(super) struct Shared {
    now_ms: i64,
    limit: usize,
    bytes_floor: Floor,
    elements_floor: Floor,
}

impl Shared {
    pub(super) fn new(options: &InspectOptions) -> Self {
        Shared {
            now_ms: options.now_ms,
            limit: options.top,
            bytes_floor: Floor::default(),
            elements_floor: Floor::default(),
        }
    }
}

/// What was counted.
#[derive(Debug)]
pub(super) struct InspectTally<'s> {
    shared: &'s Shared,
    pub(super) encodings: [Amount; ENCODINGS],
    /// Expired, within each of [`WITHIN`], later.
    pub(super) expiry: [u64; WITHIN.len() + 2],
    pub(super) databases: Vec<DatabaseReport>,
    /// Which of the databases the last key was in.
    current: usize,
    pub(super) lzf: LzfReport,
    pub(super) by_bytes: Top<TopKey>,
    pub(super) by_elements: Top<TopKey>,
    pub(super) aux: Vec<AuxField>,
    pub(super) aux_more: u64,
    pub(super) slots: u64,
    pub(super) hash_templates: u64,
    pub(super) keys_with_metadata: u64,
    pub(super) functions: Vec<FunctionReport>,
    pub(super) modules: Vec<ModuleTally>,
}

/// What was counted of a module.
#[derive(Debug)]
pub(super) struct ModuleTally {
    pub(super) id: ModuleId,
    pub(super) keys: u64,
    pub(super) size_bytes: u64,
    pub(super) aux_records: u64,
}

impl<'s> InspectTally<'s> {
    pub(super) fn new(shared: &'s Shared) -> Self {
        InspectTally {
            shared,
            encodings: [Amount::default(); ENCODINGS],
            expiry: [0; WITHIN.len() + 2],
            databases: Vec::new(),
            current: 0,
            lzf: LzfReport::default(),
            by_bytes: Top::new(shared.limit, shared.bytes_floor.get()),
            by_elements: Top::new(shared.limit, shared.elements_floor.get()),
            aux: Vec::new(),
            aux_more: 0,
            slots: 0,
            hash_templates: 0,
            keys_with_metadata: 0,
            functions: Vec::new(),
            modules: Vec::new(),
        }
    }

    fn key(&mut self, entry: &Entry<'_>) -> Result<()> {
        let index = encoding::index(entry);
        lzf::text(&entry.key, &mut self.lzf);
        let elements = if entry.value_type == ValueType::String {
            lzf::value(entry, &mut self.lzf);
            1
        } else {
            self.collection(entry, index, entry.size_bytes())?
        };
        self.count(entry, index, elements)?;
        if let Some(at_ms) = entry.expires_at_ms {
            self.database(entry.db).expiring += 1;
            self.expires(at_ms);
        }
        self.keys_with_metadata += u64::from(entry.meta.is_some());
        Ok(())
    }

    /// What is counted of every key.
    #[inline(always)]
    fn count(&mut self, entry: &Entry<'_>, index: usize, elements: u64) -> Result<()> {
        let size_bytes = entry.size_bytes();
        if let Some(amount) = self.encodings.get_mut(index) {
            amount.add(Amount { keys: 1, elements, size_bytes });
        }
        if self.by_bytes.takes(size_bytes) {
            self.by_bytes.push(size_bytes, top_key(entry, index, elements)?);
        }
        let database = self.database(entry.db);
        database.keys += 1;
        database.size_bytes += size_bytes;
        Ok(())
    }

    fn collection(&mut self, entry: &Entry<'_>, index: usize, size_bytes: u64) -> Result<u64> {
        let elements = entry.shape()?.elements;
        lzf::value(entry, &mut self.lzf);
        if self.by_elements.takes(elements) {
            self.by_elements.push(elements, top_key(entry, index, elements)?);
        }
        if entry.value_type.kind() == Kind::Module
            && let Ok((_, id)) = length(entry.body())
        {
            let module = self.module(id);
            module.keys += 1;
            module.size_bytes += size_bytes;
        }
        Ok(elements)
    }

    fn expires(&mut self, at_ms: i64) {
        let place = match u64::try_from(i128::from(at_ms) - i128::from(self.shared.now_ms)) {
            Ok(left) if left > 0 => {
                1 + WITHIN.iter().take_while(|(_, within)| left > *within).count()
            }
            _ => 0,
        };
        if let Some(keys) = self.expiry.get_mut(place) {
            *keys += 1;
        }
    }

    /// The database of a key: nearly always that of the key before.
    #[inline(always)]
    #[expect(clippy::indexing_slicing, reason = "the index was just found or made")]
    fn database(&mut self, db: u64) -> &mut DatabaseReport {
        if self.databases.get(self.current).is_none_or(|database| database.db != db) {
            self.select(db);
        }
        &mut self.databases[self.current]
    }

    #[cold]
    fn select(&mut self, db: u64) {
        self.current = match self.databases.binary_search_by_key(&db, |d| d.db) {
            Ok(place) => place,
            Err(place) => {
                let database = DatabaseReport { db, keys: 0, expiring: 0, size_bytes: 0 };
                self.databases.insert(place, database);
                place
            }
        };
    }

    #[expect(clippy::indexing_slicing, reason = "the index was just found or made")]
    fn module(&mut self, id: u64) -> &mut ModuleTally {
        let id = ModuleId(id);
        let place = match self.modules.binary_search_by_key(&id, |module| module.id) {
            Ok(place) => place,
            Err(place) => {
                let module = ModuleTally { id, keys: 0, size_bytes: 0, aux_records: 0 };
                self.modules.insert(place, module);
                place
            }
        };
        &mut self.modules[place]
    }

    fn aux(&mut self, name: &Text<'_>, value: &Text<'_>) {
        let Ok(name) = name.to_cow() else { return };
        match &*name {
            b"slot-info" => self.slots += 1,
            // KeyDB's, one or more for each key.
            b"mvcc-tstamp" | b"keydb-subexpire-key" | b"keydb-subexpire-when" => self.aux_more += 1,
            _ if self.aux.len() >= AUX_FIELDS => self.aux_more += 1,
            _ => match value.to_cow() {
                Ok(value) => {
                    let (name, value) = (name.into_owned(), value.into_owned());
                    self.aux.push(AuxField { name, value });
                }
                Err(_) => self.aux_more += 1,
            },
        }
    }

    fn function(&mut self, code: &Text<'_>) {
        let Ok(code) = code.to_cow() else { return };
        // What no server can read has neither.
        let LibraryHead { engine, name } = LibraryHead::parse(&code).unwrap_or_default();
        self.functions.push(FunctionReport { name, engine, size_bytes: code.len() as u64 });
    }
}

#[cold]
pub(super) fn top_key(entry: &Entry<'_>, index: usize, elements: u64) -> Result<TopKey> {
    Ok(TopKey {
        db: entry.db,
        key: entry.key_bytes()?.into_owned(),
        kind: encoding::kind(index).name(),
        encoding: encoding::name(index),
        elements,
        size_bytes: entry.size_bytes(),
        expires_at_ms: entry.expires_at_ms,
    })
}

impl Tally for InspectTally<'_> {
    type Room = ();

    #[inline]
    fn entry(&mut self, entry: &Entry<'_>, (): &mut ()) -> Result<()> {
        self.key(entry)
    }

    /// Neither key nor value is compressed, and there is no prefix to look at.
    #[inline(always)]
    fn plain_string(&mut self, entry: &Entry<'_>, (): &mut ()) -> Result<()> {
        self.lzf.strings += 2;
        self.count(entry, encoding::index(entry), 1)
    }

    fn record(&mut self, record: &Record<'_>, _offset: u64, (): &mut ()) -> Result<()> {
        match record {
            Record::Aux { name, value } => self.aux(name, value),
            Record::SlotInfo { .. } => self.slots += 1,
            Record::HashTemplate { .. } => self.hash_templates += 1,
            Record::Function(code) => self.function(code),
            Record::FunctionPreGa { name, engine, body, .. } => {
                let owned = |text: &Text<'_>| text.to_cow().unwrap_or_default().into_owned();
                let (name, engine) = (owned(name), owned(engine));
                self.functions.push(FunctionReport { name, engine, size_bytes: body.len() });
            }
            Record::ModuleAux { id, .. } => self.module(*id).aux_records += 1,
            Record::Entry(_)
            | Record::SelectDb(_)
            | Record::ResizeDb { .. }
            | Record::SlotImport { .. }
            | Record::End { .. } => {}
        }
        Ok(())
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        for (amount, more) in self.encodings.iter_mut().zip(later.encodings) {
            amount.add(more);
        }
        for (keys, more) in self.expiry.iter_mut().zip(later.expiry) {
            *keys += more;
        }
        for more in later.databases {
            let database = self.database(more.db);
            database.keys += more.keys;
            database.expiring += more.expiring;
            database.size_bytes += more.size_bytes;
        }
        self.lzf.strings += later.lzf.strings;
        self.lzf.compressed += later.lzf.compressed;
        self.lzf.packed_bytes += later.lzf.packed_bytes;
        self.lzf.unpacked_bytes = self.lzf.unpacked_bytes.saturating_add(later.lzf.unpacked_bytes);
        self.by_bytes.merge(later.by_bytes);
        self.by_elements.merge(later.by_elements);
        self.shared.bytes_floor.set(self.by_bytes.floor());
        self.shared.elements_floor.set(self.by_elements.floor());
        let room = AUX_FIELDS - self.aux.len().min(AUX_FIELDS);
        self.aux_more += later.aux_more + later.aux.len().saturating_sub(room) as u64;
        self.aux.extend(later.aux.into_iter().take(room));
        self.slots += later.slots;
        self.hash_templates += later.hash_templates;
        self.keys_with_metadata += later.keys_with_metadata;
        self.functions.extend(later.functions);
        for more in later.modules {
            let module = self.module(more.id.0);
            module.keys += more.keys;
            module.size_bytes += more.size_bytes;
            module.aux_records += more.aux_records;
        }
        Ok(())
    }
}
