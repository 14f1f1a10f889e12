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

pub(super) mod encode;
mod fingerprint;
pub(super) mod output;
mod proof;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use self::encode::{Encoder, Plan};
use self::output::{Output, Place};
pub(super) use self::proof::{Proof, Prove};
use super::filter::Filter;
use super::once::{Noted, Once};
use super::run::{self, Run, RunOptions, entries};
use super::snapshot::{self, Ended, Ran, View};
use super::sources_of;
use super::walk::{Observer, Tally, WalkOptions};
use crate::bytes::quoted;
use crate::bytes::rooms::Rooms;
use crate::engine::Value;
use crate::error::{Error, Result, unwrap_bad};
pub use crate::rdb::Target;
use crate::rdb::write::Loss;
use crate::rdb::{HEADER_BYTES, Header, Product};
use crate::report::convert::{ConvertReport, Written};
use crate::report::losses::Lost;
use crate::source::{Form, OpenOptions, Source};
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
    /// Begins a log with this time, unix time in seconds.
    pub timestamp_secs: Option<u64>,
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
    let keys = Keys::of_source(source, options.target, &options.walk, &options.open, observer)?;
    Ok(make(&name, keys, place, options, None, observer)?.0)
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
    let target = options.target.unwrap_or_else(|| keys.writer());
    refuse_forms(options.form, &target)?;

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
        copies: options.compress.is_none() && options.drop_expired_at_ms.is_none(),
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
    let ran = keys.tally(name, &how, &fresh, &mut root)?;
    let mut counts = root.into_counts();
    if let Some(run) = &ran {
        note_lost_metadata(run, options.list, &mut counts.losses);
    }
    let losses = listed(counts.losses);
    if !options.lossy
        && let Some(sentence) = refusal(&target, &losses)
    {
        return Err(Error::Usage(format!("{name}: {sentence}")));
    }
    let written = output.finish()?;
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
        source_version: header.magic(),
        ran: log,
        backup: published.backup,
        output: published.name,
        form: options.form.name(),
        target: target.to_string(),
        target_version: target.header.magic(),
        keys_read: counts.keys,
        keys_written: counts.written,
        expired: counts.expired,
        copied: counts.copied,
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

/// Keys that are to be written.
pub(super) enum Keys {
    /// Those of a snapshot that has not been read.
    Snapshot {
        /// The snapshot.
        base: Box<Source>,
        /// Its header.
        header: Header,
    },
    /// Those that a log has led to.
    Ran(Box<Run>),
}

/// How keys are gone through.
pub(super) struct How<'o> {
    pub(super) walk: &'o WalkOptions,
    pub(super) open: &'o OpenOptions,
    /// Whether what is written anew is packed.
    pub(super) compress: bool,
    /// Whether keys of an engine come once more, with nothing packed.
    pub(super) plain: bool,
    /// The server that is to load what is made of them: what it would refuse in a snapshot, values
    /// that are broken and keys that stand twice, is a failure.
    pub(super) taker: Option<Target>,
    pub(super) observer: &'o dyn Observer,
}

impl Keys {
    /// Those of a source; a log is run as the server runs it that they are for, because what its
    /// commands lead to differs between servers, and a log does not say who wrote it.
    pub(super) fn of_source(
        source: Source,
        target: Option<Target>,
        walk: &WalkOptions,
        open: &OpenOptions,
        observer: &dyn Observer,
    ) -> Result<Self> {
        if source.form == Form::Dump {
            return Err(Error::Usage(format!(
                "{} is a DUMP payload: a value without a key, which no file can hold",
                source.name
            )));
        }
        match snapshot::view(source, open)? {
            View::Snapshot(base) => Keys::of_snapshot(base),
            View::Log(source) => {
                let asked = RunOptions {
                    target: target.or(walk.target),
                    sound: true,
                    ..RunOptions::of_walk(walk, open)
                };
                Ok(Keys::Ran(Box::new(run::run(source, &asked, observer)?)))
            }
        }
    }

    /// What there is to say of the log, if one was run.
    pub(super) fn ran(&self) -> Option<Ran> {
        match self {
            Keys::Snapshot { .. } => None,
            Keys::Ran(run) => Some(snapshot::ran(run)),
        }
    }

    /// Tallies all of them. What is not sound is a failure. The run, where there was one.
    pub(super) fn tally<T: Tally>(
        self,
        name: &str,
        how: &How<'_>,
        fresh: &(dyn Fn() -> T + Sync),
        root: &mut T,
    ) -> Result<Option<Box<Run>>> {
        match self {
            Keys::Snapshot { base, header } => {
                let How { walk, open, observer, .. } = *how;
                let Some(taker) = how.taker else {
                    check_ended(name, snapshot::walk(*base, open, fresh, root, walk, observer)?)?;
                    return Ok(None);
                };
                let mut noted = Noted::of(base.feed.as_ref(), taker);
                let asked = noted.asked();
                let fresh = || Once::batch(fresh(), asked);
                let root = &mut noted.root(root);
                check_ended(name, snapshot::walk(*base, open, &fresh, root, walk, observer)?)?;
                noted.finish(name, header, walk.threads)?;
                Ok(None)
            }
            Keys::Ran(run) => {
                let whole = entries::View::whole(&run.engine, how.walk.threads);
                let view = entries::View { compress: how.compress, plain: how.plain, ..whole };
                entries::tally(&run.engine, &view, fresh, root, how.observer)
                    .map_err(|error| error.in_file(name))?;
                Ok(Some(run))
            }
        }
    }

    fn of_snapshot(mut base: Source) -> Result<Self> {
        let header = header_of(&mut base)?;
        Ok(Keys::Snapshot { base: Box::new(base), header })
    }

    pub(super) fn is_snapshot(&self) -> bool {
        matches!(self, Keys::Snapshot { .. })
    }

    /// The form in which they come.
    pub(super) fn header(&self) -> Header {
        match self {
            Keys::Snapshot { header, .. } => *header,
            Keys::Ran(run) => entries::View::whole(&run.engine, 1).target.header,
        }
    }

    /// The server that most likely wrote them.
    pub(super) fn writer(&self) -> Target {
        match self {
            Keys::Snapshot { header, .. } => Target::of_header(*header),
            Keys::Ran(run) => run.engine.env.target,
        }
    }

    pub(super) fn size_bytes(&self) -> Option<u64> {
        match self {
            Keys::Snapshot { base, .. } => base.size_bytes,
            Keys::Ran(run) => Some(run.parts.iter().map(|part| part.size_bytes).sum()),
        }
    }
}

/// Magic and version of a snapshot that nobody has read from.
fn header_of(base: &mut Source) -> Result<Header> {
    let Some(feed) = &mut base.feed else {
        return Err(Error::Usage(format!("{} has no snapshot", base.name)));
    };
    use crate::bytes::input::Input as _;
    while feed.buffer().len() < HEADER_BYTES && feed.more()? {}
    match Header::parse(feed.buffer()) {
        Ok((_, header)) => Ok(header),
        Err(error) => {
            let fault = unwrap_bad(error).fault;
            let error = crate::error::FormatError {
                file: Some(base.name.clone()),
                offset: 0,
                doing: crate::error::Doing::Header,
                key: None,
                fault,
            };
            Err(Box::new(error).into())
        }
    }
}

/// Whether all that the source says of itself holds for the output, too.
fn is_same(options: &ConvertOptions, header: Header, target: &Target) -> bool {
    options.form == OutputForm::Rdb
        && header == target.header
        && target.product != Product::Redict
        && options.compress.is_none()
        && options.drop_expired_at_ms.is_none()
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
        parts: false,
        rooms: Rooms::default(),
    };
    let mut file =
        tempfile::tempfile().map_err(|cause| Error::io("cannot make a temporary file", cause))?;
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

/// What is not sound is not made to look sound.
fn check_ended(name: &str, ended: Ended) -> Result<()> {
    if let Some(fault) = ended.fault {
        return Err(Error::from(fault).in_file(name));
    }
    match ended.checksum_mismatch {
        None => Ok(()),
        Some((stored, computed)) => Err(Error::Source(format!(
            "{name}: the checksum is {stored:016x} but the bytes have {computed:016x}; nothing was \
             written, because the output would look sound. `rdbkit check` says more, and `rdbkit \
             repair` keeps what is sound"
        ))),
    }
}

/// Metadata goes with a value that no command has touched. What a module would make of it when one
/// does, only the module knows.
pub(super) fn note_lost_metadata(
    run: &Run,
    list: usize,
    losses: &mut BTreeMap<Loss, encode::Noted>,
) {
    let keyspace = &run.engine.keyspace;
    let metas = keyspace.base().map_or(&[][..], |base| base.remarks.metas());
    for meta in metas {
        let Some(record) = keyspace.record(meta.db as usize, &meta.key) else { continue };
        if matches!(record.value, Value::Frozen(frozen) if meta.is_of(frozen)) {
            continue;
        }
        let noted = losses.entry(Loss::ChangedKeyMeta).or_default();
        noted.count += 1;
        if noted.keys.len() < list {
            noted.keys.push((meta.db, meta.key.clone()));
        }
    }
}

/// Losses as a report lists them.
pub(super) fn listed(losses: BTreeMap<Loss, encode::Noted>) -> Vec<Lost> {
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
