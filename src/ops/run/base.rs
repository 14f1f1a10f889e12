//! The snapshot of a source into the keyspace: keys are indexed, values stay where they are.
//!
//! Each thread walks all frames and takes the keys of its own shards: walking is the cheap part,
//! and nothing has to be handed over. The checksum is computed beside, while the log behind the
//! snapshot already runs.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::RunOptions;
use crate::Result;
use crate::bytes::crc64;
use crate::engine::{
    Base, Engine, Frozen, Keyspace, Loading, Remarks, SHARDS, Value, library_name, thaw,
};
use crate::error::{Doing, Error, Fault, FormatError};
use crate::ops::once::{Library, library};
use crate::ops::sound;
use crate::ops::walk::Observer;
use crate::rdb::object::Checker;
use crate::rdb::{Entry, Framer, HEADER_BYTES, Header, Record, Scratch, Snapshot, Target, Text};
use crate::source::Whole;

/// What a snapshot brought.
pub(super) struct Loaded {
    pub(super) keys: u64,
    /// Where it ends.
    pub(super) end: usize,
    /// Whether its checksum holds, as soon as that is known.
    pub(super) sum: Sum,
    /// A key that stands in it twice, with its database.
    pub(super) repeated: Option<(usize, Vec<u8>)>,
    /// The function libraries.
    pub(super) libraries: Vec<Library>,
    /// Who wrote it, by its own words or its version.
    pub(super) writer: Target,
}

impl Loaded {
    /// What was brought by a snapshot whose checksum is known to hold.
    pub(super) fn sound(keys: u64, end: usize, writer: Target) -> Self {
        Loaded { keys, end, sum: Sum(None), repeated: None, libraries: Vec::new(), writer }
    }
}

/// A checksum that is still being computed.
pub(super) struct Sum(Option<(u64, u64, JoinHandle<u64>)>);

impl Sum {
    /// An error where the checksum is not that of the bytes.
    pub(super) fn judge(self) -> Result<()> {
        let Some((stored, offset, handle)) = self.0 else { return Ok(()) };
        // A thread that panicked has shown why already.
        let computed = handle.join().unwrap_or(stored);
        if computed == stored { Ok(()) } else { Err(mismatch(stored, computed, offset)) }
    }
}

#[cold]
fn mismatch(stored: u64, computed: u64, offset: u64) -> Error {
    let fault = Fault::Checksum { stored, computed };
    let doing = Doing::Checksum;
    Error::Format(Box::new(FormatError { file: None, offset, doing, key: None, fault }))
}

/// Loads the snapshot that a feed begins with, all of whose bytes are at hand.
pub(super) fn whole(
    engine: &mut Engine,
    file: &Arc<Whole>,
    options: &RunOptions,
    observer: &dyn Observer,
) -> Result<Loaded> {
    let bytes: &[u8] = (**file).as_ref();
    let header = Snapshot::new(bytes)?.header();
    // Only one base can be pointed into; values of another are taken out of it at once.
    let freeze = engine.keyspace.base().is_none();
    let based = |remarks| {
        let bytes: Arc<Whole> = Arc::clone(file);
        Base { bytes, header, remarks: Arc::new(remarks), left: Arc::default() }
    };
    if freeze {
        engine.keyspace.set_base(based(Remarks::default()));
    }
    let taker = options.target.unwrap_or_else(|| Target::of_header(header));
    let taker = options.sound.then_some(taker);
    let loader = |part| Loader::new(part, header, freeze, taker);
    let mut parts = engine.keyspace.split(options.threads.clamp(1, SHARDS));
    let mut writer = Target::of_header(header);
    let functions = &mut engine.env.functions;
    let mut remarks = Remarks::default();
    let mut libraries = Vec::new();
    let results: Vec<_> = thread::scope(|scope| {
        let mut parts = parts.iter_mut();
        let first = parts.next();
        let others: Vec<_> = parts
            .map(|part| scope.spawn(|| loader(part).load(bytes, &mut |_, _, _| Ok(()))))
            .collect();
        let first = first.map(|part| {
            loader(part).load(bytes, &mut |record, offset, len| {
                observer.progress(offset);
                match record {
                    Record::Function(code) => {
                        let code = function_text(code, offset)?;
                        libraries.push(library(offset, &code));
                        functions.insert(library_name(&code), code);
                        Ok(())
                    }
                    Record::FunctionPreGa { name, engine, body, .. } => {
                        let name = function_text(name, offset)?;
                        let head = [b"#!", &*function_text(engine, offset)?, b" name=", &*name];
                        let code =
                            [&*head.concat(), b"\n", &*function_text(body, offset)?].concat();
                        functions.insert(name, code);
                        Ok(())
                    }
                    Record::ModuleAux { .. } | Record::SlotImport { .. } if freeze => {
                        let from = usize::try_from(offset).unwrap_or(bytes.len());
                        remarks.note_record(from..from.saturating_add(len));
                        Ok(())
                    }
                    Record::Aux { name, value } => {
                        writer = named(name, value).unwrap_or(writer);
                        Ok(())
                    }
                    _ => Ok(()),
                }
            })
        });
        let others = others.into_iter().filter_map(|handle| handle.join().ok());
        first.into_iter().chain(others).collect()
    });
    parts.iter_mut().for_each(|part| engine.keyspace.join(part));
    if options.target.is_none() {
        engine.play(writer);
    }
    let mut loaded = Loaded { libraries, ..Loaded::sound(0, 0, writer) };
    let mut stored = None;
    for result in results {
        let end = result?;
        remarks.append(end.remarks);
        loaded.keys += end.keys;
        // What is in another snapshot before this one is no matter.
        loaded.repeated = loaded.repeated.or(end.repeated.filter(|_| freeze));
        loaded.end = end.end;
        stored = end.checksum;
    }
    if freeze {
        remarks.sort();
        engine.keyspace.set_base(based(remarks));
    }
    if let Some(stored) = stored.filter(|&stored| stored != 0) {
        let file = Arc::clone(file);
        let covered = loaded.end.saturating_sub(8);
        let sum = move || {
            let bytes: &[u8] = (*file).as_ref();
            crc64::update(0, bytes.get(..covered).unwrap_or_default())
        };
        loaded.sum = Sum(Some((stored, covered as u64, thread::spawn(sum))));
    }
    Ok(loaded)
}

/// The server that an auxiliary field names: `redis-ver` 7.0.15.
pub(super) fn named(name: &Text<'_>, value: &Text<'_>) -> Option<Target> {
    let (name, value) = (name.to_cow().ok()?, value.to_cow().ok()?);
    let product = name.strip_suffix(b"-ver")?;
    let text = format!("{}:{}", str::from_utf8(product).ok()?, str::from_utf8(&value).ok()?);
    Target::of_writer(&text).ok()
}

pub(super) fn function_text(text: &Text<'_>, offset: u64) -> Result<Vec<u8>, Box<FormatError>> {
    let text = text.to_cow().map_err(|fault| {
        let doing = Doing::Record("FUNCTION2");
        Box::new(FormatError { file: None, offset, doing, key: None, fault })
    })?;
    Ok(text.into_owned())
}

/// One thread's share of a snapshot.
struct Loader<'p, 'a> {
    part: &'p mut Keyspace,
    header: Header,
    freeze: bool,
    /// Whoever is to load what is made of it, where values are looked at.
    taker: Option<Target>,
    checker: Checker,
    scratch: Scratch,
    keys: u64,
    remarks: Remarks,
    /// Keys that have been read and wait for others.
    some: Vec<Loading<'a>>,
    repeated: Option<(usize, Vec<u8>)>,
}

/// Keys that are loaded together.
const SOME: usize = 32;

/// Where a walk over a snapshot came to its end.
struct Ended {
    keys: u64,
    repeated: Option<(usize, Vec<u8>)>,
    remarks: Remarks,
    end: usize,
    checksum: Option<u64>,
}

/// Who hears of records that are no keys, with their offset and length.
type OnRecord<'r> = &'r mut dyn FnMut(&Record<'_>, u64, usize) -> Result<()>;

impl<'p, 'a> Loader<'p, 'a> {
    fn new(part: &'p mut Keyspace, header: Header, freeze: bool, taker: Option<Target>) -> Self {
        let some = Vec::with_capacity(SOME);
        Loader {
            part,
            header,
            freeze,
            taker,
            checker: Checker::default(),
            scratch: Scratch::default(),
            keys: 0,
            remarks: Remarks::default(),
            some,
            repeated: None,
        }
    }

    fn load(mut self, bytes: &'a [u8], record: OnRecord<'_>) -> Result<Ended> {
        let mut framer = Framer::new(self.header);
        let mut rest = bytes.get(HEADER_BYTES..).unwrap_or_default();
        loop {
            let offset = (bytes.len() - rest.len()) as u64;
            if let Some((entry, after)) = framer.plain_string(rest, offset) {
                self.take(&entry)?;
                rest = after;
                continue;
            }
            let (found, after) = framer.next(rest, offset)?;
            match &found {
                Record::Entry(entry) => self.take(entry)?,
                Record::End { checksum } => {
                    self.put();
                    let end = bytes.len() - after.len();
                    let Loader { keys, remarks, repeated, .. } = self;
                    return Ok(Ended { keys, repeated, remarks, end, checksum: *checksum });
                }
                Record::ResizeDb { keys, .. } => {
                    // The number is a claim, and no key takes less than three bytes.
                    let most = (rest.len() / 3) as u64;
                    self.part.reserve(framer.db() as usize, (*keys).min(most) as usize);
                }
                other => record(other, offset, rest.len() - after.len())?,
            }
            rest = after;
        }
    }

    #[inline]
    fn take(&mut self, entry: &Entry<'a>) -> Result<()> {
        let key = entry.key_bytes()?;
        if !self.part.holds(&key) {
            return Ok(());
        }
        if let Some(taker) = &self.taker {
            sound::value(&mut self.checker, entry, taker)?;
        }
        self.keys += 1;
        let frozen = if self.freeze { Frozen::of(entry) } else { None };
        let value = match frozen {
            Some(frozen) => {
                self.remarks.note(entry);
                Value::Frozen(frozen)
            }
            None => thaw(entry, &self.part.limits(), &mut self.scratch)?,
        };
        let (db, expires_at_ms) = (database(entry)?, entry.expires_at_ms);
        self.some.push(Loading { db, key, value, expires_at_ms });
        if self.some.len() == SOME {
            self.put();
        }
        Ok(())
    }

    /// Puts the keys that were read into the keyspace.
    fn put(&mut self) {
        if let Some(key) = self.part.load_all(&mut self.some) {
            self.repeated.get_or_insert(key);
        }
    }
}

/// The database of a key; one beyond all reason is refused before anything is made for it.
pub(super) fn database(entry: &Entry<'_>) -> Result<usize, Box<FormatError>> {
    const MOST: u64 = 1 << 20;
    if entry.db < MOST {
        return Ok(entry.db as usize);
    }
    let fault = Fault::Database { db: entry.db };
    let doing = Doing::Record("SELECTDB");
    Err(Box::new(FormatError { file: None, offset: entry.offset, doing, key: None, fault }))
}
