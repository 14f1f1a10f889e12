//! `convert`: a source written anew, in another form, version or dialect.
//!
//! ```text
//! source ─ walk, on all cores ─ encode: each key for the target ─ in file order ─► output
//!                                       copied where it can be                     beside, then
//!                                       read and written anew where not            published
//! ```
//!
//! What the target cannot hold ends the conversion before anything is published, with a list of
//! the keys; or it is allowed, and listed.

pub(super) mod counts;
pub(super) mod encode;
mod fingerprint;
mod keys;
pub(super) mod output;
mod proof;
mod records;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use self::encode::{Encoder, Plan};
pub(super) use self::keys::{Done, How, Keys};
use self::output::{Output, Place};
pub(super) use self::proof::{Proof, Prove};
use super::filter::Filter;
use super::run::{Run, entries};
use super::sources::{log_of_part, sources_of};
use super::walk::{Observer, WalkOptions};
use crate::bytes::quoted;
use crate::bytes::rooms::Rooms;
use crate::engine::Value;
use crate::error::{Error, Result};
pub use crate::rdb::Target;
use crate::rdb::write::Loss;
use crate::rdb::{Header, Product};
use crate::report::convert::{ConvertReport, Unsigned, Written};
use crate::report::losses::Lost;
use crate::source::{Form, OpenOptions, Source, temporary_failed, temporary_file};
use crate::target::Publish;

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OutputForm {
    /// A snapshot.
    #[default]
    Rdb,
    /// A log of commands in one file.
    Aof,
    /// A log of one file that begins with a snapshot (and has no commands).
    AofPreamble,
    /// The directory of a multi-part log whose base is a snapshot.
    AofDir,
    /// The directory of a multi-part log whose base is a log of commands.
    AofDirCommands,
}

impl OutputForm {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            OutputForm::Rdb => "RDB snapshot",
            OutputForm::Aof => "AOF",
            OutputForm::AofPreamble => "AOF with an RDB preamble",
            OutputForm::AofDir => "AOF directory with an RDB base",
            OutputForm::AofDirCommands => "AOF directory with a base of commands",
        }
    }

    /// The same with its article.
    fn with_article(self) -> String {
        format!("an {}", self.name())
    }

    pub(super) fn is_snapshot(self) -> bool {
        !matches!(self, OutputForm::Aof | OutputForm::AofDirCommands)
    }
}

/// What is written, for whom, and where.
#[derive(Debug, Clone, Default)]
pub struct ConvertOptions {
    /// The form of the output.
    pub form: OutputForm,
    /// Whom it is written for; without that, for a server that writes the source's version.
    pub target: Option<Target>,
    /// Whether texts are packed. Without an answer those that are written anew are, and what is
    /// copied stays as it is.
    pub compress: Option<bool>,
    /// Writes what can be written where the target cannot hold all.
    pub lossy: bool,
    /// Leaves out what had expired at this unix time (milliseconds): keys, fields of hashes, and
    /// hashes that have no others.
    pub drop_expired_at_ms: Option<i64>,
    /// Begins a log of commands with this time, unix time in seconds.
    pub timestamp_secs: Option<u64>,
    /// Which keys are written. Function libraries, and what modules keep beside the keys, are written
    /// whatever it says.
    pub filter: Filter,
    /// Gives a snapshot a checksum though it is one of the same version as the source, which has none.
    /// All others have one.
    pub checksum: bool,
    /// How many keys are listed for each kind of loss.
    pub list: usize,
    /// An output that exists is replaced.
    pub force: bool,
    /// How the walk is done.
    pub walk: WalkOptions,
    /// How sources are opened.
    pub open: OpenOptions,
}

/// Writes a source anew.
///
/// A log is run, and the keys that are there in the end are written.
///
/// Fails with [`Error::Usage`] where the target cannot hold all of it (unless that is allowed), or
/// where the output may not be replaced; nothing is published then.
///
/// ```
/// use rdbkit::ops::convert::{ConvertOptions, OutputForm, convert};
/// use rdbkit::ops::walk::Silent;
/// use rdbkit::source::{OpenOptions, open};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// let source = open(&"fixtures/redis-7.0.15-lru.rdb".into(), &OpenOptions::default())?;
/// let target = Some("redis:6.2".parse()?);
/// let options = ConvertOptions { form: OutputForm::Aof, target, ..Default::default() };
/// let report = convert(source, &folder.path().join("appendonly.aof"), &options, &Silent)?;
/// assert_eq!((report.keys_written, report.target.as_str()), (11, "redis:6.2"));
/// # Ok(())
/// # }
/// ```
pub fn convert(
    source: Source,
    out: &Path,
    options: &ConvertOptions,
    observer: &dyn Observer,
) -> Result<ConvertReport> {
    let name = source.name.clone();
    let publish = Publish { force: options.force, in_place: false, sources: sources_of(&source) };
    // What may not be written is said before anything is read.
    let place = Place::create(out, options.form, &publish)?;
    let part_of = log_of_part(&source);
    let is_lines = source.form == Form::Ndjson;
    let keys = Keys::of_source(source, options.target, &options.walk, &options.open, observer)?;
    let (mut report, _) = make(&name, keys, place, options, None, observer)?;
    report.part_of = part_of;
    if is_lines {
        // What is copied then was built before.
        report.built = std::mem::take(&mut report.copied);
    }
    Ok(report)
}

/// Writes keys, and publishes what was written; where they come from a log and a proof is asked
/// for, after having read them back and found the same.
pub(super) fn make(
    name: &str,
    keys: Keys,
    mut place: Place,
    options: &ConvertOptions,
    prove: Option<Prove>,
    observer: &dyn Observer,
) -> Result<(ConvertReport, Option<Proof>)> {
    let bytes_in = keys.size_bytes();
    let (header, log) = (keys.header(), keys.ran());
    let source_version = keys.source_version();
    let target = options.target.unwrap_or_else(|| keys.writer());
    refuse_forms(options.form, &target)?;
    refuse_timestamp(options, &target)?;
    let chooses = !options.filter.is_empty() || options.drop_expired_at_ms.is_some();
    let is_copy = keys.is_snapshot() && options.form == OutputForm::Rdb;

    let plan = Plan {
        target,
        source: header,
        same: keys.is_snapshot() && is_same(options, header, &target),
        held: !keys.is_snapshot(),
        compress: options.compress,
        snapshot: options.form.is_snapshot(),
        drop_expired_at_ms: options.drop_expired_at_ms,
        list: options.list,
        filter: Filter::default(),
        functions: true,
        prove: prove.filter(|_| options.form.is_snapshot()),
        copies: options.compress.is_none() && !chooses,
        chooses,
        parts: false,
        rooms: Rooms::default(),
    };
    let mut output = Output::begin(place.writer(), options, &target, plan.same)?;
    let mut root = Encoder::root(&plan, &mut output);
    let fresh = || Encoder::batch(&plan);
    let how = How {
        walk: &options.walk,
        open: &options.open,
        compress: options.compress.unwrap_or(true),
        plain: plan.prove.is_some(),
        taker: Some(target),
        observer,
    };
    let Done { run: ran, filtered_from, is_unsigned } =
        keys.tally_filtered(name, &how, &options.filter, &fresh, &mut root)?;
    let mut counts = root.into_counts();
    if let Some(run) = &ran {
        note_lost_metadata(run, &options.filter, options.list, &mut counts.losses)?;
    }
    let losses = listed(counts.losses);
    if !options.lossy
        && let Some(sentence) = refusal(&target, &losses)
    {
        return Err(Error::Usage(format!("{name}: {sentence}")));
    }
    // Of the same version it is a copy. For another server nothing speaks for going without.
    let unsigned = (is_unsigned && is_copy).then_some(match options.checksum {
        false if header == target.header => Unsigned::Kept,
        _ => Unsigned::Signed,
    });
    let written = match unsigned {
        Some(Unsigned::Kept) => output.finish_unsigned()?,
        _ => output.finish()?,
    };
    let proof = match (&ran, prove) {
        (Some(run), Some(prove)) => {
            // What the target does not keep, and times that no command carries, are in our digests
            // and not in the servers'.
            let ours = counts.digest.filter(|_| losses.is_empty());
            let copies = &written.copies;
            let proven = proof::same(&mut place, run, ours.as_ref(), copies, prove, options);
            Some(proven.map_err(|error| error.in_file(name))?)
        }
        _ => None,
    };
    let published = place.publish(written.size_bytes)?;
    let report = ConvertReport {
        source: name.to_owned(),
        source_version,
        ran: log,
        part_of: None,
        backup: published.backup,
        output: published.name,
        form: options.form.name(),
        target: target.to_string(),
        target_version: target.header.magic(),
        keys_read: filtered_from.map_or(counts.keys, |all| all.keys),
        filtered: filtered_from.map(|all| all.keys.saturating_sub(counts.keys)),
        unsigned,
        keys_written: counts.written,
        expired: counts.expired,
        copied: counts.copied,
        built: 0,
        anew: counts
            .anew
            .into_iter()
            .map(|((from, to), keys)| Written { from: from.label(), to: to.label(), keys })
            .collect(),
        functions: counts.functions,
        bytes_read: bytes_in,
        bytes_written: published.size_bytes,
        files: published.files,
        losses,
    };
    // Giving back all that memory piece by piece takes time that nobody needs to wait for.
    std::mem::forget(ran);
    Ok((report, proof))
}

/// Whether all that the source says of itself holds for the output, too.
fn is_same(options: &ConvertOptions, header: Header, target: &Target) -> bool {
    options.form == OutputForm::Rdb
        && header == target.header
        && target.product != Product::Redict
        && options.compress.is_none()
        && options.drop_expired_at_ms.is_none()
        && options.filter.is_empty()
}

pub(super) fn refuse_forms(form: OutputForm, target: &Target) -> Result<()> {
    let old = target.rdb_version() < 10;
    match form {
        OutputForm::AofDir | OutputForm::AofDirCommands if old => Err(Error::Usage(format!(
            "{target} has no log directories, which came with Redis 7.0: write an aof, with or \
             without a preamble"
        ))),
        OutputForm::AofPreamble if target.rdb_version() < 8 => Err(Error::Usage(format!(
            "{target} knows no preamble, which came with Redis 4.0: write a plain aof"
        ))),
        _ => Ok(()),
    }
}

/// A server that does not know annotations takes one for a broken command.
fn refuse_timestamp(options: &ConvertOptions, target: &Target) -> Result<()> {
    match options.timestamp_secs {
        Some(_) if options.form.is_snapshot() => Err(Error::Usage(format!(
            "a timestamp annotation stands in front of commands, and {} has none",
            options.form.with_article()
        ))),
        Some(_) if !target.has_annotations() => Err(Error::Usage(format!(
            "{target} refuses a log with a timestamp annotation, which came with Redis 7.0: leave \
             it out, or write for a newer server"
        ))),
        _ => Ok(()),
    }
}

/// Writes keys as a snapshot into a file without a name, for those who have to read them again.
pub(super) fn to_unnamed(
    name: &str,
    keys: Keys,
    walk: &WalkOptions,
    open: &OpenOptions,
    observer: &dyn Observer,
) -> Result<File> {
    let header = keys.header();
    let target = Target::of_header(header);
    let plan = Plan {
        target,
        source: header,
        same: keys.is_snapshot() && header == target.header,
        held: !keys.is_snapshot(),
        compress: None,
        snapshot: true,
        drop_expired_at_ms: None,
        list: 0,
        filter: Filter::default(),
        functions: true,
        prove: None,
        copies: false,
        chooses: false,
        parts: false,
        rooms: Rooms::default(),
    };
    let mut file = temporary_file().map_err(temporary_failed)?;
    let mut output = Output::begin(&mut file, &ConvertOptions::default(), &target, plan.same)?;
    let mut root = Encoder::root(&plan, &mut output);
    let taker = Some(target);
    let how = How { walk, open, compress: false, plain: false, taker, observer };
    keys.tally(name, &how, &|| Encoder::batch(&plan), &mut root)?;
    let losses = listed(root.into_counts().losses);
    if let Some(sentence) = refusal(&target, &losses) {
        return Err(Error::Usage(format!("{name}: {sentence}")));
    }
    output.finish()?;
    Ok(file)
}

/// Metadata goes with a value that no command has touched. What a module would make of it when one
/// does, only the module knows.
pub(super) fn note_lost_metadata(
    run: &Run,
    filter: &Filter,
    list: usize,
    losses: &mut BTreeMap<Loss, counts::Noted>,
) -> Result<()> {
    let keyspace = &run.engine.keyspace;
    let metas = keyspace.base().map_or(&[][..], |base| base.remarks.metas());
    for meta in metas {
        let Some(record) = keyspace.record(meta.db as usize, &meta.key) else { continue };
        if matches!(record.value, Value::Frozen(frozen) if meta.is_of(frozen))
            || !entries::passes(&run.engine, meta.db, record, filter)?
        {
            continue;
        }
        let noted = losses.entry(Loss::ChangedKeyMeta).or_default();
        noted.count += 1;
        if noted.keys.len() < list {
            noted.keys.push((meta.db, meta.key.clone()));
        }
    }
    Ok(())
}

/// Losses as a report lists them.
pub(super) fn listed(losses: BTreeMap<Loss, counts::Noted>) -> Vec<Lost> {
    losses
        .into_iter()
        .map(|(loss, noted)| Lost {
            code: loss.code(),
            grave: loss.is_grave(),
            count: noted.count,
            sentence: loss.sentence(),
            keys: noted.keys,
        })
        .collect()
}

/// Why the output is not published, if it is not.
pub(super) fn refusal(target: &Target, losses: &[Lost]) -> Option<String> {
    let grave: Vec<&Lost> = losses.iter().filter(|lost| lost.grave).collect();
    if grave.is_empty() {
        return None;
    }
    let mut text = format!("{target} cannot hold all of it; --lossy writes the rest.");
    for lost in grave {
        text += &format!("\n  {} ({}): {}", lost.code, lost.count, lost.sentence);
        for (db, key) in &lost.keys {
            text += &format!("\n    db {db} {}", quoted(key));
        }
        let more = lost.count.saturating_sub(lost.keys.len() as u64);
        if more > 0 && !lost.keys.is_empty() {
            text += &format!("\n    and {more} more");
        }
    }
    Some(text)
}

/// What was published.
pub(super) struct PublishedOutput {
    pub(super) name: PathBuf,
    pub(super) size_bytes: u64,
    pub(super) files: Vec<(String, u64)>,
    backup: Option<PathBuf>,
}
