//! `compact`: the shortest log with the same keyspace.
//!
//! ```text
//! source ─ run ─► keyspace ─ write ─► output ─ read back ─ same digest? ─► publish
//! ```
//!
//! A log that a server is still writing is read as far as it went when it was opened, up to its
//! last whole command.

use std::fs;
use std::path::{Path, PathBuf};

pub use super::convert::OutputForm;
use super::convert::output::Place;
use super::convert::{ConvertOptions, Keys, Prove, make};
use super::filter::Filter;
use super::run::{self, Run, RunOptions};
use super::snapshot::is_empty;
use super::sources::{log_of_part, sources_of};
use super::walk::{Observer, WalkOptions};
use crate::bytes::PathName as _;
use crate::error::{Error, Result};
use crate::rdb::Target;
use crate::report::compact::CompactReport;
use crate::source::{Form, OpenOptions, Source};
use crate::target::Publish;

/// What is written, for whom, and where.
#[derive(Debug, Clone, Default)]
pub struct CompactOptions {
    /// The form of the output; without that, the form of the source, with a snapshot as base.
    pub form: Option<OutputForm>,
    /// Whom it is written for; without that, for the server that wrote the source's base.
    pub target: Option<Target>,
    /// Now, unix time in milliseconds: what relative expiries count from.
    pub now_ms: i64,
    /// Whether commands that are not known are stepped over.
    pub skip_unknown: bool,
    /// Writes what can be written where the target cannot hold all.
    pub lossy: bool,
    /// Leaves out what had expired at this unix time (milliseconds): keys, fields of hashes, and
    /// hashes that have no others.
    pub drop_expired_at_ms: Option<i64>,
    /// Which keys are written. Function libraries are, whatever it says.
    pub filter: Filter,
    /// Replaces the source itself, of which a backup stays.
    pub in_place: bool,
    /// Computes our full digest of all keys, too, without which the output can be proved.
    pub digest: bool,
    /// An output that exists is replaced.
    pub force: bool,
    /// How many threads.
    pub threads: usize,
    /// How parts are opened.
    pub open: OpenOptions,
}

/// Writes the keyspace that a log leads to.
///
/// ```
/// use rdbkit::ops::compact::{CompactOptions, OutputForm, compact};
/// use rdbkit::ops::walk::Silent;
/// use rdbkit::source::{OpenOptions, open};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// let log = open(&"fixtures/redis-8.10.2-day-aofdir".into(), &OpenOptions::default())?;
/// let options = CompactOptions { form: Some(OutputForm::Rdb), threads: 2, ..Default::default() };
/// let report = compact(log, &folder.path().join("dump.rdb"), &options, &Silent)?;
/// assert!(report.commands > 0 && report.keys == 10);
/// // It was read back and found to hold the same.
/// assert!(report.proved);
/// # Ok(())
/// # }
/// ```
pub fn compact(
    source: Source,
    out: &Path,
    options: &CompactOptions,
    observer: &dyn Observer,
) -> Result<CompactReport> {
    let name = source.name.clone();
    if options.in_place && source.compression.is_some() {
        return Err(Error::Usage(format!(
            "{name} is compressed, and what is written is not: give the output another name with -o"
        )));
    }
    let form = match options.form {
        Some(form) => form,
        None => form_of(&source)?,
    };
    let files = sources_of(&source);
    let part_of = log_of_part(&source).map(|manifest| manifest.shown().to_string());
    let before = sizes(&files);
    let publish =
        Publish { force: options.force, in_place: options.in_place, sources: files.clone() };
    // What may not be written is said before anything is read.
    let place = Place::create(out, form, &publish)?;
    let asked = RunOptions {
        target: options.target,
        now_ms: options.now_ms,
        threads: options.threads,
        skip_unknown: options.skip_unknown,
        sound: true,
        open: options.open.clone(),
        ..RunOptions::default()
    };
    // What is written anew, or left out, has to be looked at.
    let chooses = options.drop_expired_at_ms.is_some() || !options.filter.is_empty();
    let copies = form.is_snapshot() && !chooses;
    let run = if copies { run::run_aside } else { run::run };
    let run = run(source, &asked, observer)?;
    let read_bytes = run.parts.iter().map(|part| part.size_bytes).sum();
    let failed = run.failures.failed;
    let skipped = run.failures.skipped_commands();
    if options.in_place {
        refuse_changed(&name, &files, &before)?;
    }
    refuse_dropped(&name, &run, options.in_place)?;
    // Only a snapshot says who wrote it.
    let is_guessed = options.target.is_none() && run.engine.keyspace.base().is_none();
    if is_guessed && options.in_place && form.is_snapshot() {
        return Err(Error::Usage(format!(
            "{name} does not say which server wrote it, and an older one would not load the \
             snapshot that takes its place: name it with --target NAME:VERSION, or give another \
             output with -o and --to aof, which writes commands"
        )));
    }
    let convert = ConvertOptions {
        form,
        target: options.target,
        drop_expired_at_ms: options.drop_expired_at_ms,
        filter: options.filter.clone(),
        list: 20,
        lossy: options.lossy,
        force: options.force,
        walk: WalkOptions {
            threads: options.threads,
            now_ms: Some(options.now_ms),
            ..WalkOptions::default()
        },
        open: options.open.clone(),
        ..ConvertOptions::default()
    };
    let prove = if options.digest { Prove::SamenessAndDigest } else { Prove::Sameness };
    let prove = (out != Path::new("-")).then_some(prove);
    let keys = Keys::Ran(Box::new(run));
    let (written, proof) = make(&name, keys, place, &convert, prove, observer)?;
    // What has taken the place of the source has a size of its own; to replace one that has changed
    // is refused.
    let grown = if options.in_place { 0 } else { growth(&files, &before) };
    let ran = written.ran.as_ref();
    let (failures, played) =
        (ran.map(|ran| ran.failures.clone()), ran.and_then(|ran| ran.played.clone()));
    Ok(CompactReport {
        schema: "rdbkit.compact/1",
        source: name,
        output: written.output.shown().to_string(),
        form: written.form,
        server: written.target,
        part_of,
        server_is_guess: is_guessed && form.is_snapshot(),
        commands: written.ran.as_ref().map_or(0, |ran| ran.commands),
        failed,
        failures: failures.unwrap_or_default(),
        played,
        skipped,
        keys: written.keys_written,
        filtered: written.filtered,
        read_bytes,
        written_bytes: written.bytes_written,
        dropped_from: written.ran.and_then(|ran| ran.dropped_from),
        grown_bytes: grown,
        proved: proof.is_some(),
        copied_keys: proof.as_ref().map_or(0, |proof| proof.copied),
        digest: proof.and_then(|proof| proof.digest),
        losses: written.losses,
        files: written.files.into_iter().map(|(name, _)| name).collect(),
        backup: written.backup.map(|path| path.shown().to_string()),
    })
}

/// What a source becomes without its form being said.
fn form_of(source: &Source) -> Result<OutputForm> {
    match source.form {
        Form::AofDir | Form::Manifest => Ok(OutputForm::AofDir),
        Form::Ndjson => Err(Error::Usage(format!(
            "{} is NDJSON, which has nothing to compact: `rdbkit convert` makes a file of it",
            source.name
        ))),
        Form::Aof | Form::Rdb => Ok(OutputForm::AofPreamble),
        Form::Dump => Err(Error::Usage(format!("{} is a DUMP payload, not a log", source.name))),
        Form::Empty => Err(is_empty(&source.name)),
    }
}

/// The sizes of the files among them.
fn sizes(sources: &[PathBuf]) -> Vec<Option<u64>> {
    let size = |path| fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|it| it.len());
    sources.iter().map(size).collect()
}

/// How much the files have grown.
fn growth(files: &[PathBuf], before: &[Option<u64>]) -> u64 {
    let now = sizes(files);
    let sizes = now.iter().zip(before);
    sizes.map(|(now, then)| now.unwrap_or(0).saturating_sub(then.unwrap_or(0))).sum()
}

/// A log that somebody writes cannot be replaced: what is written meanwhile would be lost.
fn refuse_changed(name: &str, files: &[PathBuf], before: &[Option<u64>]) -> Result<()> {
    let now = sizes(files);
    let changed = files.iter().zip(now.iter().zip(before)).find(|(_, (now, then))| now != then);
    match changed {
        None => Ok(()),
        Some((file, _)) => Err(Error::Usage(format!(
            "{name}: {} has changed while it was read, so a server writes it: stop the server, or \
             give another output with -o",
            file.shown()
        ))),
    }
}

/// What was cut off is gone for good when the source is replaced.
fn refuse_dropped(name: &str, run: &Run, in_place: bool) -> Result<()> {
    let dropped = run.parts.iter().find_map(|part| Some((&part.name, part.dropped_from?)));
    match dropped {
        Some((file, at)) if in_place => Err(Error::Source(format!(
            "{name}: from offset {at} on, {file} ends in a command that is cut or a transaction \
             without its EXEC: `rdbkit repair` cuts it off, or give another output with -o"
        ))),
        _ => Ok(()),
    }
}
