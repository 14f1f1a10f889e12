//! `diff`: what two sources do not have alike.
//!
//! ```text
//! first  ─ rows ─ sorted ─┐                       ┌─ only there: removed
//!                         ├─ side by side, by key ┼─ sums differ: both values, part by part
//! second ─ rows ─ sorted ─┘                       └─ only there: added
//! ```
//!
//! A row is a key with a digest of its value as it lies. Rows are sorted in files where they are
//! many, and values are looked up again only where digests differ: in the source itself where it
//! is a mapped snapshot, or else in a temporary file into which they were put on the way. So
//! memory does not grow with the sources, but for logs, which have to be run.

mod alike;
mod count;
mod rows;
mod values;

use std::collections::BTreeMap;
use std::thread;

use self::count::Totals;
pub(super) use self::count::prefix;
use self::rows::{Anew, Row, Spool, Values, keep, refers_to_template};
use self::values::Ignored;
use super::filter::Filter;
use super::snapshot::{self, Ended, View};
use super::sorted::{Sorted, Sorter};
use super::walk::{Observer, Tally, WalkOptions};
use crate::digest::full::value_digest;
use crate::engine::library_name;
use crate::error::{Error, Result};
use crate::rdb::{Entry, Record, Scratch};
use crate::report::diff::{Aspect, DiffSummary, KeyDiff};
use crate::source::{Form, OpenOptions, Source};

/// Pairs that are compared in one go.
const PAIRS: usize = 1024;

/// How two sources are compared.
#[derive(Debug, Clone)]
pub struct DiffOptions {
    /// Which keys. A key that passes in either source is compared with the other.
    pub filter: Filter,
    /// Whether it does not matter when keys and fields expire.
    pub ignore_ttl: bool,
    /// Whether it does not matter how values are stored.
    pub ignore_encoding: bool,
    /// What ends the prefix of a key in the totals.
    pub separator: Vec<u8>,
    /// How much memory rows may take before they are sorted in files, in bytes.
    pub memory: usize,
    /// How the sources are walked.
    pub walk: WalkOptions,
    /// How the base of a log directory is opened.
    pub open: OpenOptions,
}

impl Default for DiffOptions {
    fn default() -> Self {
        DiffOptions {
            filter: Filter::default(),
            ignore_ttl: false,
            ignore_encoding: false,
            separator: b":".to_vec(),
            memory: 64 << 20,
            walk: WalkOptions::default(),
            open: OpenOptions::default(),
        }
    }
}

/// What a comparison came to.
#[derive(Debug, Clone)]
pub struct DiffReport {
    /// The totals.
    pub summary: DiffSummary,
    /// What there is to say of the first source, and of the second. Where one breaks off, the
    /// comparison fails.
    pub ended: [Ended; 2],
}

/// Compares two sources, and hands out each key that differs, by database and key. `observers`
/// hear how far the reading of each is.
///
/// ```
/// use rdbkit::ops::diff::{DiffOptions, diff};
/// use rdbkit::ops::walk::Silent;
/// use rdbkit::source::{OpenOptions, open};
///
/// # fn main() -> rdbkit::Result<()> {
/// let file = "fixtures/redis-7.0.15-alltypes.rdb";
/// let source = || open(&file.into(), &OpenOptions::default());
/// let options = DiffOptions::default();
/// let report = diff([source()?, source()?], &options, &mut |_| Ok(()), [&Silent, &Silent])?;
/// assert!(report.summary.same);
/// # Ok(())
/// # }
/// ```
pub fn diff(
    sources: [Source; 2],
    options: &DiffOptions,
    each: &mut dyn FnMut(&KeyDiff) -> Result<()>,
    observers: [&dyn Observer; 2],
) -> Result<DiffReport> {
    let [first, second] = sources;
    let names = [first.name.clone(), second.name.clone()];
    let before = Read::of(first, options, observers[0])?;
    let after = Read::of(second, options, observers[1])?;
    let encodings = before.has_encodings && after.has_encodings && !options.ignore_encoding;
    let unlogged = before.is_log || after.is_log;
    let judge = Judge {
        ignored: Ignored { ttl: options.ignore_ttl, unlogged },
        encodings,
        values: [&before.values, &after.values],
        names: &names,
    };
    let mut totals = Totals::new(&options.separator);
    let mut repeated = 0;
    let mut pairs = Pairs { one: before.rows, other: after.rows, next: [None, None] };
    loop {
        let mut batch = Vec::with_capacity(PAIRS);
        while batch.len() < PAIRS
            && let Some(pair) = pairs.next()?
        {
            if pair.passes() {
                repeated += u64::from(pair.is_repeated());
                batch.push(pair);
            }
        }
        if batch.is_empty() {
            break;
        }
        let found = judge.all(&batch, options.walk.threads)?;
        for (pair, found) in batch.iter().zip(found) {
            totals.count(pair, found.as_ref());
            if let Some(found) = found {
                each(&found)?;
            }
        }
    }
    let mut summary = totals.summary(names);
    // A filter names keys, so it says that only keys are meant.
    if options.filter.is_empty() {
        extras(&mut summary, &before.extras, &after.extras);
    }
    summary.encodings_compared = encodings || options.ignore_encoding;
    summary.consumer_times_compared = !unlogged;
    summary.repeated_keys = repeated;
    summary.same = summary.is_same();
    Ok(DiffReport { summary, ended: [before.ended, after.ended] })
}

/// What a snapshot has beside its keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Extras {
    functions: BTreeMap<Vec<u8>, Vec<u8>>,
    modules: Vec<(u64, u64, Vec<u8>)>,
}

fn extras(summary: &mut DiffSummary, before: &Extras, after: &Extras) {
    let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
    for (name, code) in &before.functions {
        match after.functions.get(name) {
            None => summary.functions_removed.push(text(name)),
            Some(other) if other != code => summary.functions_changed.push(text(name)),
            Some(_) => {}
        }
    }
    let added = after.functions.keys().filter(|name| !before.functions.contains_key(*name));
    summary.functions_added = added.map(|name| text(name)).collect();
    summary.module_data_differs = before.modules != after.modules;
}

/// A source that has been read.
struct Read {
    rows: Sorted,
    values: Values,
    extras: Extras,
    is_log: bool,
    /// NDJSON names encodings, but a value read from it gets its own.
    has_encodings: bool,
    ended: Ended,
}

impl Read {
    fn of(source: Source, options: &DiffOptions, observer: &dyn Observer) -> Result<Self> {
        let name = source.name.clone();
        let is_text = source.form == Form::Ndjson;
        let (source, is_log) = match snapshot::view(source, &options.open)? {
            View::Snapshot(source) => (source, false),
            View::Log(source) => (source, true),
        };
        let in_source = if is_log { None } else { Values::in_source(&source) };
        let fresh = || Listing::new(options, in_source.is_some());
        let mut root = fresh();
        // Two sources share the memory.
        root.sorter = Some(Sorter::new(options.memory / 2));
        let ended =
            snapshot::walk(source, &options.open, &fresh, &mut root, &options.walk, observer)?;
        if let Some(fault) = ended.fault {
            return Err(Error::from(fault).in_file(&name));
        }
        let sorter = root.sorter.take().unwrap_or_else(|| Sorter::new(0));
        let (spool, mut extras) = (root.spool, root.extras);
        extras.modules.sort();
        Ok(Read {
            rows: sorter.finish()?,
            values: Values::new(in_source, spool)?,
            extras,
            is_log,
            has_encodings: !is_log && !is_text,
            ended,
        })
    }
}

/// The rows of a batch, and at the root the sorter that they go to.
struct Listing<'o> {
    options: &'o DiffOptions,
    in_source: bool,
    rows: Vec<Row>,
    /// Values on their way to the spool.
    waiting: Vec<u8>,
    extras: Extras,
    sorter: Option<Sorter>,
    spool: Spool,
}

impl<'o> Listing<'o> {
    fn new(options: &'o DiffOptions, in_source: bool) -> Self {
        Listing {
            options,
            in_source,
            rows: Vec::new(),
            waiting: Vec::new(),
            extras: Extras::default(),
            sorter: None,
            spool: Spool::default(),
        }
    }
}

impl Tally for Listing<'_> {
    type Room = Anew;

    fn entry(&mut self, entry: &Entry<'_>, anew: &mut Anew) -> Result<()> {
        // Whether a value passes is said of a pair: a key that passes in one source only is in both.
        if !self.options.filter.matches_name(entry)? {
            return Ok(());
        }
        let place = if self.in_source && !refers_to_template(entry) {
            rows::Place { at: entry.offset, len: entry.end - entry.offset, spooled: None, meta: 0 }
        } else {
            keep(&mut self.waiting, entry, anew)?
        };
        let mut row = Row::of(entry, place)?;
        row.passes = self.options.filter.matches(entry)?;
        self.rows.push(row);
        Ok(())
    }

    fn record(&mut self, record: &Record<'_>, offset: u64, _: &mut Anew) -> Result<()> {
        match record {
            Record::Function(code) => {
                let failed = |fault| record_error("FUNCTION2", fault, offset);
                let code = code.to_cow().map_err(failed)?;
                self.extras.functions.insert(library_name(&code), code.into_owned());
            }
            // The source that a released server makes of it, as every other verb reads it.
            Record::FunctionPreGa { name, engine, body, .. } => {
                let failed = |fault| record_error("FUNCTION_PRE_GA", fault, offset);
                let name = name.to_cow().map_err(failed)?;
                let engine = engine.to_cow().map_err(failed)?;
                let body = body.to_cow().map_err(failed)?;
                let code = [b"#!", &*engine, b" name=", &*name, b"\n", &*body].concat();
                self.extras.functions.insert(name.into_owned(), code);
            }
            Record::ModuleAux { id, when, body } => {
                self.extras.modules.push((*id, *when, body.to_vec()));
            }
            _ => {}
        }
        Ok(())
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        self.extras.functions.extend(later.extras.functions);
        self.extras.modules.extend(later.extras.modules);
        let start = self.spool.len;
        self.spool.write(&later.waiting)?;
        let Some(sorter) = &mut self.sorter else { return Ok(()) };
        for mut row in later.rows {
            if row.place.spooled.is_some() {
                row.place.at += start;
            }
            sorter.push(&row.sort_key(), &row.rest())?;
        }
        Ok(())
    }
}

fn record_error(name: &'static str, fault: crate::error::Fault, offset: u64) -> Error {
    let doing = crate::error::Doing::Record(name);
    Box::new(crate::error::FormatError { file: None, offset, doing, key: None, fault }).into()
}

/// A key of one source or both.
struct Pair {
    before: Option<Row>,
    after: Option<Row>,
}

impl Pair {
    /// Whether a source has it more than once.
    fn is_repeated(&self) -> bool {
        [&self.before, &self.after].into_iter().flatten().any(|row| row.repeated)
    }

    /// Whether it is one of those that are meant.
    fn passes(&self) -> bool {
        [&self.before, &self.after].into_iter().flatten().any(|row| row.passes)
    }
}

/// The keys of both sources side by side.
struct Pairs {
    one: Sorted,
    other: Sorted,
    /// The next row of each, where it has been taken out already.
    next: [Option<Row>; 2],
}

impl Pairs {
    fn next(&mut self) -> Result<Option<Pair>> {
        let [before, after] = &mut self.next;
        let mut before = take(before, &mut self.one)?;
        let mut after = take(after, &mut self.other)?;
        if let (Some(one), Some(other)) = (&before, &after) {
            let [first, second] = &mut self.next;
            match (one.db, &one.key).cmp(&(other.db, &other.key)) {
                std::cmp::Ordering::Less => *second = after.take(),
                std::cmp::Ordering::Greater => *first = before.take(),
                std::cmp::Ordering::Equal => {}
            }
        }
        Ok((before.is_some() || after.is_some()).then_some(Pair { before, after }))
    }
}

/// The next row of a side; of several with one key the last.
fn take(next: &mut Option<Row>, sorted: &mut Sorted) -> Result<Option<Row>> {
    let mut row = match next.take() {
        Some(row) => row,
        None => match sorted.next()?.as_ref().and_then(Row::back) {
            Some(row) => row,
            None => return Ok(None),
        },
    };
    while let Some(taken) = sorted.next_if(&row.sort_key())? {
        row = Row::back(&taken).unwrap_or(row);
        row.repeated = true;
    }
    Ok(Some(row))
}

/// Says what differs between the two sides of a pair.
struct Judge<'a> {
    ignored: Ignored,
    encodings: bool,
    values: [&'a Values; 2],
    names: &'a [String; 2],
}

impl Judge<'_> {
    /// Judges pairs on several threads, in order.
    fn all(&self, pairs: &[Pair], threads: usize) -> Result<Vec<Option<KeyDiff>>> {
        let share = |pairs: &[Pair]| -> Result<Vec<_>> {
            let mut scratch = Scratch::default();
            pairs.iter().map(|pair| self.one(pair, &mut scratch)).collect()
        };
        // Where digests agree there is nothing to look up, and no work to share.
        let apart = |pair: &Pair| match (&pair.before, &pair.after) {
            (Some(before), Some(after)) => before.sum != after.sum,
            _ => false,
        };
        let threads =
            if pairs.iter().filter(|pair| apart(pair)).count() < 16 { 1 } else { threads };
        if threads <= 1 {
            return share(pairs);
        }
        let results: Vec<_> = thread::scope(|scope| {
            let parts = pairs.chunks(pairs.len().div_ceil(threads).max(1));
            let handles: Vec<_> = parts.map(|part| scope.spawn(|| share(part))).collect();
            handles.into_iter().filter_map(|handle| handle.join().ok()).collect()
        });
        let mut all = Vec::with_capacity(pairs.len());
        for result in results {
            all.extend(result?);
        }
        Ok(all)
    }

    fn one(&self, pair: &Pair, scratch: &mut Scratch) -> Result<Option<KeyDiff>> {
        let (before, after) = match (&pair.before, &pair.after) {
            (Some(before), Some(after)) => (before, after),
            (None, None) => return Ok(None),
            (before, after) => {
                let Some(row) = before.as_ref().or(after.as_ref()) else { return Ok(None) };
                return Ok(Some(KeyDiff {
                    db: row.db,
                    key: row.key.clone(),
                    before: before.as_ref().map(|row| row.side.clone()),
                    after: after.as_ref().map(|row| row.side.clone()),
                    differs: Vec::new(),
                    parts: Vec::new(),
                }));
            }
        };
        let mut differs = Vec::new();
        let mut parts = Vec::new();
        if before.side.kind != after.side.kind {
            differs.push(Aspect::Type);
        } else if before.sum != after.sum {
            let one = self.entry(0, before)?;
            let other = self.entry(1, after)?;
            if value_digest(&one, scratch)? != value_digest(&other, scratch)? {
                // The digest covers more than may count here.
                parts = values::parts(&one, &other, self.ignored, scratch)?;
                if !parts.is_empty() {
                    differs.push(Aspect::Value);
                }
            }
        }
        if !self.ignored.ttl && before.side.expires_at_ms != after.side.expires_at_ms {
            differs.push(Aspect::Expiry);
        }
        let same_kind = before.side.kind == after.side.kind;
        let (old, new) = (served(before.side.encoding), served(after.side.encoding));
        if self.encodings && same_kind && old != new {
            differs.push(Aspect::Encoding);
        }
        Ok((!differs.is_empty()).then(|| KeyDiff {
            db: before.db,
            key: before.key.clone(),
            before: Some(before.side.clone()),
            after: Some(after.side.clone()),
            differs,
            parts,
        }))
    }

    fn entry<'r>(&'r self, index: usize, row: &'r Row) -> Result<Entry<'r>> {
        let (values, name) = match index {
            0 => (self.values[0], &self.names[0]),
            _ => (self.values[1], &self.names[1]),
        };
        let mut entry = values.entry(row).map_err(|error| error.in_file(name))?;
        // When the key expires is compared apart.
        entry.expires_at_ms = None;
        Ok(entry)
    }
}

/// The encoding that a server gives a value: what is compressed in a file is not so in memory.
fn served(encoding: &str) -> &str {
    if encoding == "lzf" { "raw" } else { encoding }
}
