//! `anonymize`: a snapshot of the same shape with nothing of its content, to be attached to a bug
//! report.
//!
//! ```text
//! source ─ walk, on all cores ─ each key and each part of its value behind the veil ─► output
//! ```
//!
//! Lengths, types, encodings, numbers, order and equality stay; see `veil` for what becomes of a
//! text. Function libraries, values of modules and what modules keep besides may hold secrets that
//! nobody but the module can find, so they are left out and counted, unless they are asked for.

mod gather;
mod memo;
mod network;
mod scores;
mod shape;
mod veil;

use std::hash::{BuildHasher as _, RandomState};
use std::ops::ControlFlow;
use std::path::Path;

use self::gather::Gather;
use self::veil::{Veil, VeilRoom};
use super::convert::encode::Chunk;
use super::convert::output::Databases;
use super::convert::{Done, How, Keys};
use super::filter::Filter;
use super::parts;
use super::sources_of;
use super::walk::{Observer, Tally, WalkOptions};
use crate::error::{Error, Result};
use crate::rdb::write::{self, EntryHead, Sink, SnapshotWriter};
use crate::rdb::{Entry, Limits, Record, Scratch, Target, Text, ValueType, opcode};
use crate::report::anonymize::AnonymizeReport;
use crate::source::{OpenOptions, Source};
use crate::target::{AtomicFile, Publish};
use crate::value::{Item, Kind};

/// What becomes of scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scores {
    /// They stay.
    #[default]
    Keep,
    /// Each becomes its place among the scores of its sorted set: order and equality stay.
    Rank,
    /// Each becomes another one of about the same size: order and equality within a sorted set stay.
    Perturb,
}

/// How a source is made anonymous.
#[derive(Debug, Clone)]
pub struct AnonymizeOptions {
    /// What decides which text becomes which; without one it is by chance.
    pub seed: Option<Vec<u8>>,
    /// How many parts of a key, from its start, stay as they are.
    pub keep_prefix_depth: usize,
    /// What separates the parts of a key.
    pub separator: Vec<u8>,
    /// What becomes of scores.
    pub scores: Scores,
    /// What is added to the time at which keys and fields expire, milliseconds.
    pub shift_expiry_ms: i64,
    /// Function libraries stay.
    pub keep_functions: bool,
    /// Values of modules, metadata of keys, and what modules remember besides, stay.
    pub keep_modules: bool,
    /// Which keys.
    pub filter: Filter,
    /// Whom it is written for; without that, for a server that writes the source's version.
    pub target: Option<Target>,
    /// An output that exists is replaced.
    pub force: bool,
    /// How the walk is done.
    pub walk: WalkOptions,
    /// How sources are opened.
    pub open: OpenOptions,
}

impl Default for AnonymizeOptions {
    fn default() -> Self {
        AnonymizeOptions {
            seed: None,
            keep_prefix_depth: 0,
            separator: b":".to_vec(),
            scores: Scores::default(),
            shift_expiry_ms: 0,
            keep_functions: false,
            keep_modules: false,
            filter: Filter::default(),
            target: None,
            force: false,
            walk: WalkOptions::default(),
            open: OpenOptions::default(),
        }
    }
}

/// Writes a snapshot of the same shape; a log is run first.
///
/// Fails with [`Error::Format`] where the source is not sound, with [`Error::Source`] where a key
/// stands twice in it, and with [`Error::Usage`] where the target cannot hold a value, or the output
/// may not be replaced; nothing is published then.
///
/// ```
/// use rdbkit::ops::anonymize::{AnonymizeOptions, anonymize};
/// use rdbkit::ops::walk::Silent;
/// use rdbkit::source::{OpenOptions, open};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// let source = open(&"fixtures/redis-7.0.15-lru.rdb".into(), &OpenOptions::default())?;
/// let options = AnonymizeOptions { seed: Some(b"secret".to_vec()), ..Default::default() };
/// let report = anonymize(source, &folder.path().join("shape.rdb"), &options, &Silent)?;
/// assert_eq!((report.keys_read, report.keys_written), (11, 11));
/// # Ok(())
/// # }
/// ```
pub fn anonymize(
    source: Source,
    out: &Path,
    options: &AnonymizeOptions,
    observer: &dyn Observer,
) -> Result<AnonymizeReport> {
    let name = source.name.clone();
    let publish = Publish { force: options.force, in_place: false, sources: sources_of(&source) };
    let mut file = AtomicFile::create(out, &publish)?;
    let keys = Keys::of_source(source, options.target, &options.walk, &options.open, observer)?;
    let target = options.target.unwrap_or_else(|| keys.writer());
    let log = keys.ran();
    let mut seed = options.seed.clone().unwrap_or_else(random_seed);
    // Keys of one text in two runs with other separators are none of each other's business.
    seed.extend_from_slice(&options.separator);
    let plan = Plan { options, target, veil: Veil::new(&seed) };
    let writer = SnapshotWriter::new(&mut file, &target, true);
    let fresh = || Anonymizing {
        plan: &plan,
        chunk: Chunk::default(),
        counts: Counts::default(),
        root: None,
    };
    let mut root = Anonymizing { root: Some((writer, Databases::default())), ..fresh() };
    let how = How {
        walk: &options.walk,
        open: &options.open,
        compress: false,
        plain: false,
        taker: Some(target),
        observer,
    };
    let Done { run: ran, filtered_from, .. } =
        keys.tally_filtered(&name, &how, &options.filter, &fresh, &mut root)?;
    let Anonymizing { counts, root, .. } = root;
    if let Some((writer, _)) = root {
        writer.finish()?;
    }
    // Giving back all that memory piece by piece takes time that nobody needs to wait for.
    std::mem::forget(ran);
    let published = file.commit()?;
    let Counts { keys, written, modules, metadata, functions, module_aux } = counts;
    Ok(AnonymizeReport {
        schema: "rdbkit.anonymize/1",
        source: name,
        ran: log,
        output: published.path,
        target: target.to_string(),
        target_version: target.header.magic(),
        keys_read: filtered_from.map_or(keys, |all| all.keys),
        keys_written: written,
        filtered: filtered_from.map(|all| all.keys.saturating_sub(keys)),
        modules_left_out: modules,
        metadata_left_out: metadata,
        functions_left_out: functions,
        module_aux_left_out: module_aux,
        size_bytes: published.size_bytes,
    })
}

/// A seed that nobody knows.
fn random_seed() -> Vec<u8> {
    (0..4_u8).flat_map(|number| RandomState::new().hash_one(number).to_le_bytes()).collect()
}

struct Plan<'o> {
    options: &'o AnonymizeOptions,
    target: Target,
    veil: Veil,
}

/// What was written, and what left out.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    keys: u64,
    written: u64,
    modules: u64,
    metadata: u64,
    functions: u64,
    module_aux: u64,
}

struct Anonymizing<'p, 'f> {
    plan: &'p Plan<'p>,
    chunk: Chunk,
    counts: Counts,
    root: Option<(SnapshotWriter<&'f mut AtomicFile>, Databases)>,
}

/// Room of a thread.
#[derive(Default)]
struct Room {
    scratch: Scratch,
    sink: Sink,
    value: Sink,
    veil: VeilRoom,
    key: Vec<u8>,
}

impl Anonymizing<'_, '_> {
    fn value(&self, entry: &Entry<'_>, room: &mut Room) -> Result<Option<ValueType>> {
        let plan = self.plan;
        room.value.clear();
        if entry.value_type.kind() == Kind::Module {
            room.value.raw(entry.body());
            return Ok(Some(entry.value_type));
        }
        if entry.value_type == ValueType::String {
            let (text, veil) = (&mut room.key, &mut room.veil);
            text.clear();
            entry.visit(&mut room.scratch, |item| {
                if let Item::Text(elem) = item {
                    plan.veil.text(text, elem.bytes(&mut itoa::Buffer::new()), veil);
                }
                ControlFlow::Continue(())
            })?;
            return Ok(Some(write::string(&mut room.value, text)));
        }
        let mut gather = Gather::new(entry.value_type.kind(), plan.options, &plan.veil);
        let (scratch, veil) = (&mut room.scratch, &mut room.veil);
        entry.visit(scratch, |item| {
            gather.item(&item, veil);
            ControlFlow::Continue(())
        })?;
        let target = Target { limits: limits(entry.value_type, plan.target.limits), ..plan.target };
        let sink = &mut room.value;
        parts::write_like(sink, &target, &gather.finish(), entry.value_type).map_err(|why| {
            // The key itself is not told.
            Error::Usage(format!("a key of type {}: {why}", entry.value_type.kind().name()))
        })
    }
}

/// Limits by which a value is packed if it was packed before.
fn limits(value_type: ValueType, usual: Limits) -> Limits {
    const ALL: usize = usize::MAX;
    match value_type.encoding() {
        "listpack" | "ziplist" | "zipmap" | "listpackex" => Limits {
            hash_entries: ALL,
            hash_value: ALL,
            zset_entries: ALL,
            zset_value: ALL,
            set_entries: ALL,
            set_value: ALL,
            intset_entries: 0,
            ..usual
        },
        "intset" => Limits { intset_entries: ALL, ..usual },
        "hashtable" | "skiplist" => {
            Limits { hash_entries: 0, zset_entries: 0, set_entries: 0, intset_entries: 0, ..usual }
        }
        _ => usual,
    }
}

impl Tally for Anonymizing<'_, '_> {
    type Room = Room;

    fn entry(&mut self, entry: &Entry<'_>, room: &mut Room) -> Result<()> {
        let options = self.plan.options;
        self.counts.keys += 1;
        if entry.value_type.kind() == Kind::Module && !options.keep_modules {
            self.counts.modules += 1;
            return Ok(());
        }
        let Some(value_type) = self.value(entry, room)? else { return Ok(()) };
        room.key.clear();
        let (keep, separator) = (options.keep_prefix_depth, &options.separator);
        let veil = &self.plan.veil;
        veil.key(&mut room.key, &entry.key_bytes()?, separator, keep, &mut room.veil);
        let meta = entry.meta.filter(|_| options.keep_modules);
        self.counts.metadata += u64::from(entry.meta.is_some() && meta.is_none());
        let shift = |at: i64| at.saturating_add(options.shift_expiry_ms);
        let head = EntryHead {
            key: Text::Raw(&room.key),
            expires_at_ms: entry.expires_at_ms.map(shift),
            eviction: entry.eviction,
            meta,
        };
        room.sink.clear();
        head.write(&mut room.sink, &self.plan.target, value_type, false);
        self.chunk.select(entry.db);
        self.chunk.bytes.extend_from_slice(&room.sink.out);
        self.chunk.bytes.extend_from_slice(&room.value.out);
        self.counts.written += 1;
        Ok(())
    }

    fn record(&mut self, record: &Record<'_>, _: u64, room: &mut Room) -> Result<()> {
        let options = self.plan.options;
        let target = &self.plan.target;
        let sink = &mut room.sink;
        sink.clear();
        match record {
            // Which server wrote it is no secret, and what a reader of the report asks first.
            Record::Aux { name, value } if target.has_aux() => {
                let names: [&[u8]; 3] = [b"redis-ver", b"valkey-ver", b"redis-bits"];
                if name.to_cow().is_ok_and(|name| names.contains(&&*name)) {
                    sink.byte(opcode::AUX);
                    sink.same_text(name);
                    sink.same_text(value);
                }
            }
            Record::Function(code) if options.keep_functions && target.has_functions() => {
                sink.byte(opcode::FUNCTION);
                sink.same_text(code);
            }
            Record::Function(_) | Record::FunctionPreGa { .. } => self.counts.functions += 1,
            Record::ModuleAux { id, when, body }
                if options.keep_modules && target.has_module_aux() =>
            {
                sink.byte(opcode::MODULE_AUX);
                sink.length(*id);
                sink.length(2);
                sink.length(*when);
                sink.raw(body);
            }
            Record::ModuleAux { .. } => self.counts.module_aux += 1,
            _ => {}
        }
        self.chunk.bytes.extend_from_slice(&sink.out);
        Ok(())
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        let Counts { keys, written, modules, metadata, functions, module_aux } = later.counts;
        self.counts.keys += keys;
        self.counts.written += written;
        self.counts.modules += modules;
        self.counts.metadata += metadata;
        self.counts.functions += functions;
        self.counts.module_aux += module_aux;
        match &mut self.root {
            Some((writer, databases)) => databases.put(writer, &later.chunk),
            None => Ok(()),
        }
    }
}
