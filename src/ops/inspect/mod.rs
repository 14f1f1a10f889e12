//! `inspect`: what is this, and what is in it?
//!
//! A snapshot is walked once on all cores and its keys' headers are tallied; a log is counted
//! command by command. What stands before a fault is reported together with the fault.

mod log;
mod look;
mod lzf;
mod tally;
mod top;

use crate::bytes::input::Input as _;
use crate::error::{Doing, Error, Fault, FormatError, Result};
use crate::ops::filter::Filter;
use crate::ops::filtered::filtered;
use crate::ops::snapshot::{has_log_behind, is_empty};
use crate::ops::walk::{Checksum, Observer, Tally, WalkOptions, Walked, walk};
use crate::ops::{encoding, ndjson};
use crate::rdb::{Dump, Family};
use crate::report::filtered::FilteredFrom;
use crate::report::inspect::{
    Amount, ChecksumReport, EncodingReport, ExpiryBucket, InspectReport, ModuleReport,
    SnapshotReport, TypeReport,
};
use crate::source::{Feed, Form, OpenOptions, Source};
use crate::value::Kind;
use tally::{InspectTally, Shared, WITHIN};

pub use look::{By, LookOptions};

/// How a source is inspected.
#[derive(Debug, Clone)]
pub struct InspectOptions {
    /// Which keys. With a filter, a log is run first.
    pub filter: Filter,
    /// How many of the biggest keys are listed.
    pub top: usize,
    /// What times to live are counted from, unix time in milliseconds.
    pub now_ms: i64,
    /// What is looked for in all keys besides; a log is run first then, and its commands are not
    /// told. This is slower than reading headers.
    pub look: Option<LookOptions>,
    /// Whether commands of a log that is run, and that are not known, are stepped over.
    pub skip_unknown: bool,
    /// Threads.
    pub threads: usize,
    /// How the parts of a log directory are opened.
    pub open: OpenOptions,
}

impl Default for InspectOptions {
    fn default() -> Self {
        InspectOptions {
            filter: Filter::default(),
            top: 10,
            now_ms: super::run::RunOptions::default().now_ms,
            look: None,
            skip_unknown: false,
            threads: WalkOptions::default().threads,
            open: OpenOptions::default(),
        }
    }
}

/// Reads a source to its end and says what it is and what is in it.
///
/// A source that breaks in the middle gives what stands before the fault, and the fault in
/// [`InspectReport::broken`]. Fails where nothing can be said: the source cannot be read, or is
/// broken from its first bytes on.
///
/// ```
/// use rdbkit::ops::inspect::{InspectOptions, inspect};
/// use rdbkit::ops::walk::Silent;
/// use rdbkit::source::{OpenOptions, open};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let source = open(&"fixtures/redis-8.10.2-alltypes.rdb".into(), &OpenOptions::default())?;
/// let report = inspect(source, &InspectOptions::default(), &Silent)?;
/// let snapshot = report.snapshot.ok_or("a snapshot")?;
/// assert_eq!((report.kind, snapshot.keys), ("rdb", 126));
/// assert_eq!(snapshot.biggest_by_bytes.len(), 10);
/// # Ok(())
/// # }
/// ```
pub fn inspect(
    mut source: Source,
    options: &InspectOptions,
    observer: &dyn Observer,
) -> Result<InspectReport> {
    let mut report = InspectReport {
        schema: "rdbkit.inspect/1",
        source: source.name.clone(),
        kind: "aof",
        size_bytes: source.size_bytes,
        compression: source.compression.map(|compression| compression.to_string()),
        now_ms: options.now_ms,
        broken: Vec::new(),
        parts: Vec::new(),
        snapshot: None,
        look: None,
        log: None,
    };
    // A filter is about keys, and those of a log are there when it has been run.
    let run = (!options.filter.is_empty() && is_log(&mut source, &options.open))
        .then(LookOptions::default);
    if let Some(asked) = options.look.as_ref().or(run.as_ref()) {
        look::look(source, &mut report, options, asked, observer)?;
        return Ok(report);
    }
    let name = source.name.clone();
    if source.directory().is_some() {
        report.kind = "aof-dir";
        log::directory(&source, &mut report, options, observer)?;
        return Ok(report);
    }
    let form = source.form;
    if form == Form::Empty {
        return Err(is_empty(&name));
    }
    let source = ndjson::resolve(source, &OpenOptions::default())?;
    let Some(mut feed) = source.feed else {
        return Err(Error::Usage(format!("{name} has no bytes to look at")));
    };
    match source.form {
        Form::Rdb => {
            report.kind = "rdb";
            if snapshot(&mut feed, &name, &mut report, options, observer)?
                && log::behind_snapshot(&mut feed, &mut report, options, observer)?
            {
                report.kind = "aof-preamble";
            }
            if form == Form::Ndjson {
                report.kind = "ndjson";
                // That of the snapshot that was made of it says nothing.
                if let Some(snapshot) = &mut report.snapshot {
                    snapshot.checksum = checksum(&Checksum::Absent);
                }
            }
        }
        Form::Dump => {
            report.kind = "dump";
            dump(&mut feed, &mut report, options).map_err(|error| error.in_file(&name))?;
        }
        _ => log::file(&mut feed, &mut report, options, observer)?,
    }
    Ok(report)
}

/// Walks a snapshot; says whether something follows it. `name` is that of the file.
fn snapshot(
    feed: &mut Feed,
    name: &str,
    report: &mut InspectReport,
    options: &InspectOptions,
    observer: &dyn Observer,
) -> Result<bool> {
    let shared = Shared::new(options);
    let mut tally = InspectTally::new(&shared);
    let fresh = || InspectTally::new(&shared);
    let (walked, all, more) = checked(feed, name, report, options, observer, &fresh, &mut tally)?;
    report.snapshot = Some(summary(tally, &walked, all));
    Ok(more)
}

/// Whether the keys of a source are there only when it has been run.
fn is_log(source: &mut Source, open: &OpenOptions) -> bool {
    match source.form {
        Form::Aof | Form::AofDir | Form::Manifest => true,
        Form::Rdb => {
            open.from == Some(Form::Aof) || source.feed.as_mut().is_some_and(has_log_behind)
        }
        Form::Dump | Form::Ndjson | Form::Empty => false,
    }
}

/// Walks a snapshot with any tally, and reports what is broken; says how many keys a filter chose
/// from, and whether something follows the snapshot.
fn checked<T: Tally>(
    feed: &mut Feed,
    name: &str,
    report: &mut InspectReport,
    options: &InspectOptions,
    observer: &dyn Observer,
    fresh: &(dyn Fn() -> T + Sync),
    tally: &mut T,
) -> Result<(Walked, Option<FilteredFrom>, bool)> {
    let walk_options = WalkOptions { threads: options.threads, ..WalkOptions::default() };
    let whole = feed.is_seekable();
    let (walked, all) = if options.filter.is_empty() {
        walk(feed, whole, fresh, tally, &walk_options, observer).map(|walked| (walked, None))
    } else {
        filtered(&options.filter, fresh, tally, |fresh, tally| {
            walk(feed, whole, fresh, tally, &walk_options, observer)
        })
        .map(|(walked, all)| (walked, Some(all)))
    }
    .map_err(|error| error.in_file(name))?;
    let more = walked.fault.is_none() && (!feed.buffer().is_empty() || feed.more()?);
    if let Some(fault) = &walked.fault {
        report.broken.push(Error::from(fault.clone()).in_file(name).to_string());
    } else if let Checksum::Mismatch { stored, computed } = walked.checksum {
        let fault = Fault::Checksum { stored, computed };
        let (file, offset) = (Some(name.to_owned()), walked.end.saturating_sub(8));
        let error = FormatError { file, offset, doing: Doing::Checksum, key: None, fault };
        report.broken.push(error.to_string());
    }
    Ok((walked, all, more))
}

/// A DUMP payload: one key without a name.
fn dump(feed: &mut Feed, report: &mut InspectReport, options: &InspectOptions) -> Result<()> {
    let shared = Shared::new(options);
    let fresh = || InspectTally::new(&shared);
    let mut tally = fresh();
    let (walked, all) = payload(feed, &options.filter, &fresh, &mut tally)?;
    report.snapshot = Some(summary(tally, &walked, all));
    Ok(())
}

/// Tallies a DUMP payload.
fn payload<T: Tally>(
    feed: &mut Feed,
    filter: &Filter,
    fresh: &(dyn Fn() -> T + Sync),
    tally: &mut T,
) -> Result<(Walked, Option<FilteredFrom>)> {
    while feed.more()? {}
    let dump = Dump::parse(feed.buffer())?;
    let checksum = if dump.is_intact() {
        Checksum::Matches(dump.checksum)
    } else {
        Checksum::Mismatch { stored: dump.checksum, computed: dump.computed }
    };
    let mut room = T::Room::default();
    let all = if filter.is_empty() {
        tally.entry(&dump.entry, &mut room)?;
        None
    } else {
        let ((), all) =
            filtered(filter, fresh, tally, |_, tally| tally.entry(&dump.entry, &mut room))?;
        Some(all)
    };
    let end = feed.buffer().len() as u64;
    let header = dump.header;
    Ok((Walked { header, checksum, end, keys: 1, others: 0, fault: None }, all))
}

fn summary(
    tally: InspectTally<'_>,
    walked: &Walked,
    filtered_from: Option<FilteredFrom>,
) -> SnapshotReport {
    let total = |sum: fn(&crate::report::inspect::DatabaseReport) -> u64| {
        tally.databases.iter().map(sum).sum::<u64>()
    };
    let (keys, expiring) = (total(|db| db.keys), total(|db| db.expiring));
    let aux = |name: &[u8]| {
        let field = tally.aux.iter().find(|field| field.name.eq_ignore_ascii_case(name))?;
        Some(String::from_utf8_lossy(&field.value).into_owned())
    };
    let written_at_ms = aux(b"ctime").and_then(|text| text.parse::<i64>().ok());
    let writer = match (aux(b"valkey-ver"), aux(b"redis-ver"), walked.header.family) {
        (Some(version), _, _) => Some(format!("Valkey {version}")),
        (None, Some(version), Family::Redis) => Some(format!("Redis {version}")),
        (None, Some(version), Family::Valkey) => Some(format!("Valkey {version}")),
        (None, None, _) => None,
    };
    let [expired, within @ .., later] = tally.expiry;
    let mut expiry = vec![ExpiryBucket { within: "expired", keys: expired }];
    let spans = WITHIN.iter().zip(within);
    expiry.extend(spans.map(|((within, _), keys)| ExpiryBucket { within, keys }));
    expiry.push(ExpiryBucket { within: "later", keys: later });
    expiry.push(ExpiryBucket { within: "never", keys: keys - expiring });
    SnapshotReport {
        magic: walked.header.magic(),
        version: walked.header.version,
        writer,
        written_at_ms: written_at_ms.and_then(|secs| secs.checked_mul(1000)),
        size_bytes: walked.end,
        checksum: checksum(&walked.checksum),
        filtered_from,
        keys,
        expiring,
        slots: tally.slots,
        hash_templates: tally.hash_templates,
        keys_with_metadata: tally.keys_with_metadata,
        types: types(&tally.encodings),
        lzf: tally.lzf,
        expiry,
        biggest_by_bytes: tally.by_bytes.into_entries().collect(),
        biggest_by_elements: tally.by_elements.into_entries().collect(),
        modules: tally
            .modules
            .iter()
            .map(|module| ModuleReport {
                name: module.id.name(),
                version: module.id.version(),
                keys: module.keys,
                size_bytes: module.size_bytes,
                aux_records: module.aux_records,
            })
            .collect(),
        functions: tally.functions,
        aux: tally.aux,
        aux_more: tally.aux_more,
        databases: tally.databases,
    }
}

fn types(amounts: &[Amount]) -> Vec<TypeReport> {
    let mut types: Vec<TypeReport> = Vec::new();
    for kind in Kind::ALL {
        let mut total = Amount::default();
        let mut encodings: Vec<EncodingReport> = Vec::new();
        for (index, &amount) in amounts.iter().enumerate() {
            if amount.keys == 0 || encoding::kind(index) != kind {
                continue;
            }
            total.add(amount);
            let name = encoding::name(index);
            // One word may stand for several layouts: those of streams, or of lists with nodes.
            match encodings.iter_mut().find(|encoding| encoding.encoding == name) {
                Some(encoding) => encoding.total.add(amount),
                None => encodings.push(EncodingReport { encoding: name, total: amount }),
            }
        }
        if total.keys > 0 {
            encodings.sort_by_key(|encoding| std::cmp::Reverse(encoding.total.size_bytes));
            types.push(TypeReport { kind: kind.name(), total, encodings });
        }
    }
    types.sort_by_key(|kind| std::cmp::Reverse(kind.total.size_bytes));
    types
}

pub(crate) fn checksum(checksum: &Checksum) -> ChecksumReport {
    let hex = |sum: &u64| Some(format!("{sum:016x}"));
    let (status, stored, computed) = match checksum {
        Checksum::Matches(sum) => ("ok", hex(sum), None),
        Checksum::Mismatch { stored, computed } => ("mismatch", hex(stored), hex(computed)),
        Checksum::Disabled => ("disabled", None, None),
        Checksum::Absent => ("none", None, None),
        Checksum::Unknown => ("unknown", None, None),
    };
    ChecksumReport { status, stored, computed }
}
