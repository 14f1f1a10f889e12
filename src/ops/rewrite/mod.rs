//! `rewrite`: the log itself, transformed without being executed.
//!
//! Commands and keys come and go, get other names or databases, and the log is cut, split or
//! joined, in one pass and in bounded memory. A transaction stays whole or goes whole. Only a
//! sound log is rewritten: what is damaged is the business of repair.

mod log;
mod merged;
pub(super) mod output;
mod renamed;
mod rules;
mod snapshot;

use std::path::{Path, PathBuf};

#[cfg(feature = "live")]
pub(super) use merged::Clash;
pub use rules::{CommandName, OnUnknown, Rename, Rules};
#[cfg(feature = "live")]
pub(super) use rules::{Noted, Verdict, database_places, is_about_all_databases, number};

use crate::aof::manifest::{Entry, Manifest};
use crate::aof::{self, Layout, PartType};
use crate::bytes::{Input as _, PathName as _};
use crate::error::{Error, Result};
use crate::finding::Severity;
use crate::ops::before;
use crate::ops::behind::Behind;
use crate::ops::snapshot::is_empty;
use crate::ops::sources_of;
use crate::ops::walk::Observer;
pub use crate::report::rewrite::RewriteReport;
use crate::source::{Feed, Form, OpenOptions, Source, open_part};
use crate::target::Publish;
use log::LogWriter;
pub(super) use merged::Merged;
use output::Output;

/// How a log is rewritten.
#[derive(Debug, Clone, Default)]
pub struct RewriteOptions {
    /// Commands and keys.
    pub rules: Rules,
    /// The part of the log that stays.
    pub range: Range,
    /// Leave out annotations.
    pub strip_annotations: bool,
    /// Leave out the snapshot in front of the log.
    pub drop_snapshot: bool,
    /// The files of the output.
    pub shape: Shape,
    /// Write nothing.
    pub dry_run: bool,
    /// What may be replaced; the sources are filled in.
    pub publish: Publish,
    /// How parts are opened.
    pub open: OpenOptions,
}

/// The part of a log that stays. Of several starts the last counts, of several ends the first; a
/// transaction over either is left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Range {
    /// From the first annotation of this time or a later one, unix seconds.
    pub from_time: Option<u64>,
    /// From the first item that begins here or behind. Offsets count in the only log that there is:
    /// behind a snapshot as base, in the increment.
    pub from_offset: Option<u64>,
    /// From this command on, counted from 1 over all parts.
    pub from_command: Option<u64>,
    /// Up to the first annotation of a later time, unix seconds.
    pub until_time: Option<u64>,
    /// Up to the last item that ends here or before.
    pub until_offset: Option<u64>,
    /// Up to this command, which stays.
    pub until_command: Option<u64>,
}

impl Range {
    fn begins_at_once(&self) -> bool {
        self.from_time.is_none() && self.from_offset.is_none() && self.from_command.is_none()
    }

    /// Fails where it ends before it begins, whatever the log.
    fn judge(&self) -> Result<()> {
        let empty = |from: Option<u64>, until: Option<u64>, is_empty: fn(u64, u64) -> bool| {
            from.zip(until).filter(|&(from, until)| is_empty(from, until))
        };
        let commands = empty(self.from_command, self.until_command, |from, until| from > until);
        let offsets = empty(self.from_offset, self.until_offset, |from, until| from >= until);
        let times = empty(self.from_time, self.until_time, |from, until| from > until);
        let (what, (from, until)) = match (commands, offsets, times) {
            (Some(range), ..) => ("command", range),
            (_, Some(range), _) => ("offset", range),
            (.., Some(range)) => ("unix time", range),
            _ => return Ok(()),
        };
        Err(Error::Usage(format!(
            "nothing is in a range that begins at {what} {from} and ends at {what} {until}"
        )))
    }
}

/// The files of the output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Shape {
    /// As the source: one file, or a directory of parts.
    #[default]
    Same,
    /// One file.
    Join,
    /// A directory of several parts.
    Split(Split),
}

/// Where new parts begin: always outside a transaction, and none of them empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Split {
    /// Once a part has this many bytes.
    pub bytes: Option<u64>,
    /// At each of these offsets.
    pub offsets: Vec<u64>,
    /// At each of these commands.
    pub commands: Vec<u64>,
    /// At the first annotation of each of these times or a later one.
    pub times: Vec<u64>,
}

impl Split {
    /// Takes out the places that have been reached; whether there were any.
    fn reach(&mut self, at: u64, number: u64, secs: Option<u64>) -> bool {
        let mut reached = false;
        let mut take = |places: &mut Vec<u64>, now: Option<u64>| {
            let before = places.len();
            places.retain(|place| now.is_none_or(|now| *place > now));
            reached |= places.len() < before;
        };
        take(&mut self.offsets, Some(at));
        take(&mut self.commands, Some(number));
        take(&mut self.times, secs);
        reached
    }
}

impl Shape {
    fn split(&self) -> Option<&Split> {
        match self {
            Shape::Split(split) => Some(split),
            Shape::Same | Shape::Join => None,
        }
    }
}

/// A file of the source.
struct Piece {
    /// `None` for the source itself.
    path: Option<PathBuf>,
    name: String,
    entry: Option<Entry>,
    /// Whether offsets count in its log: in one file alone.
    has_offsets: bool,
}

/// Rewrites a log to `to`, a file or a directory.
///
/// Fails with [`Error::Source`] or [`Error::Format`] where the log is not sound, and with
/// [`Error::Usage`] where the rules cannot be held.
///
/// ```
/// use rdbkit::ops::rewrite::{CommandName, RewriteOptions, Rules, rewrite};
/// use rdbkit::ops::walk::Silent;
/// use rdbkit::source::{OpenOptions, open};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("appendonly.aof");
/// std::fs::write(&path, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n*1\r\n$8\r\nFLUSHALL\r\n")?;
/// let log = open(&path.as_os_str().into(), &OpenOptions::default())?;
/// let rules = Rules { drop: vec![CommandName::new(b"flushall")], ..Rules::default() };
/// let options = RewriteOptions { rules, ..RewriteOptions::default() };
/// rewrite(log, &folder.path().join("rescued.aof"), &options, &Silent)?;
/// let rescued = std::fs::read_to_string(folder.path().join("rescued.aof"))?;
/// assert!(rescued.contains("SET") && !rescued.contains("FLUSHALL"));
/// # Ok(())
/// # }
/// ```
pub fn rewrite(
    mut source: Source,
    to: &Path,
    options: &RewriteOptions,
    observer: &dyn Observer,
) -> Result<RewriteReport> {
    judge_options(options)?;
    if source.form == Form::Empty {
        return Err(is_empty(&source.name));
    }
    if options.publish.in_place && source.compression.is_some() {
        return Err(Error::Usage(format!(
            "{} is compressed, and what is written is not: give the output another name with -o",
            source.name
        )));
    }
    let report = RewriteReport {
        schema: "rdbkit.rewrite/1",
        source: source.name.clone(),
        ..RewriteReport::default()
    };
    let directory = match source.path.as_deref().filter(|_| source.directory().is_some()) {
        Some(path) => Some(sound(path)?),
        None => None,
    };
    let mut publish = options.publish.clone();
    publish.sources.extend(sources_of(&source));
    let mut pieces = Vec::new();
    let (mut manifest_path, mut is_directory) = (None, false);
    match &directory {
        None => {
            let name = source.name.clone();
            pieces.push(Piece { path: None, name, entry: None, has_offsets: true });
        }
        Some(directory) => {
            is_directory = directory.layout != Layout::SingleFile;
            manifest_path = directory.manifest.as_deref();
            let entries = manifest_path.map(entries).transpose()?.unwrap_or_default();
            for part in &directory.parts {
                let entry = entries.iter().find(|entry| entry.name == part.name).cloned();
                let name = part.path.shown().to_string();
                let has_offsets = pieces.len() + 1 == directory.parts.len();
                pieces.push(Piece { path: Some(part.path.clone()), name, entry, has_offsets });
            }
        }
    }

    let to_directory = match options.shape {
        Shape::Same => is_directory,
        Shape::Join => false,
        Shape::Split(_) => true,
    };
    let stem = output::stem(manifest_path);
    let output = match (options.dry_run, to_directory) {
        (true, true) => Output::parts_of_nothing(to, &stem),
        (true, false) => Output::nothing(),
        (false, true) => Output::directory(to, &stem, &publish)?,
        (false, false) => Output::file(to, &publish)?,
    };
    let mut writer = LogWriter::new(options, output, report);
    let parts = directory.as_ref().map(|directory| directory.parts.as_slice());
    for (index, piece) in pieces.iter().enumerate() {
        let observer = Behind::parts(observer, parts.and_then(|parts| parts.get(..index)));
        let (form, feed) = match &piece.path {
            Some(path) => {
                let source = open_part(path, &options.open)?;
                (source.form, source.feed)
            }
            None => (source.form, source.feed.take()),
        };
        let Some(mut feed) = feed else { continue };
        one(&mut writer, piece, index, form, &mut feed, options, &observer)
            .map_err(|error| error.in_file(&piece.name))?;
        if writer.stopped {
            break;
        }
    }
    writer.finish()
}

/// One file of the source: a snapshot, a log, or one behind the other.
fn one(
    writer: &mut LogWriter<'_>,
    piece: &Piece,
    index: usize,
    form: Form,
    feed: &mut Feed,
    options: &RewriteOptions,
    observer: &dyn Observer,
) -> Result<()> {
    let part_type = match &piece.entry {
        Some(entry) => entry.part_type,
        None if form == Form::Rdb => PartType::Base,
        None => PartType::Incr,
    };
    let keeps_parts = options.shape == Shape::Same;
    let mut begun = false;
    match form {
        Form::Rdb => {
            if options.shape == Shape::Join && index > 0 && !options.drop_snapshot {
                return Err(Error::Usage(format!(
                    "{} is a snapshot behind a log, so they cannot be joined",
                    piece.name
                )));
            }
            if options.range.until_time.is_some() {
                while feed.buffer().len() < before::HEAD_BYTES && feed.more()? {}
                let head = feed.buffer().get(..before::HEAD_BYTES).unwrap_or(feed.buffer());
                before::refuse(&piece.name, head, options.range.until_time)?;
            }
            let copied = if options.drop_snapshot {
                let put = &mut |_: &[u8]| Ok(());
                let merged = &mut Merged::default();
                let copied = snapshot::copy(feed, &Rules::default(), put, merged, observer)?;
                let (written_bytes, written_keys) = (0, Some(0));
                crate::report::rewrite::SnapshotReport { written_bytes, written_keys, ..copied }
            } else {
                if options.shape != Shape::Join {
                    writer.output.begin_part(part_type, true, piece.entry.as_ref())?;
                    writer.begin_file();
                    begun = true;
                }
                let output = &mut writer.output;
                let merged = &mut writer.merged;
                let put = &mut |bytes: &[u8]| output.put(bytes);
                snapshot::copy(feed, &options.rules, put, merged, observer)?
            };
            writer.report.snapshot = Some(copied);
            while feed.buffer().is_empty() && feed.more()? {}
            match feed.buffer().first() {
                None => return Ok(()),
                Some(b'*' | b'#') => {}
                Some(_) => {
                    return Err(Error::Source(format!(
                        "{}: offset {}: what follows the snapshot is no log: rdbkit repair leaves \
                         it out",
                        piece.name,
                        feed.position()
                    )));
                }
            }
            if matches!(options.shape, Shape::Split(_)) {
                begun = false;
            }
        }
        Form::Aof | Form::Empty => {}
        other => {
            return Err(Error::Usage(format!("{} is no log but {other}", piece.name)));
        }
    }
    if !piece.has_offsets && has_offsets(options) {
        return Err(Error::Usage(
            "the log has several files with commands, and an offset counts in one of them: name \
             that file, or give the number of a command or a time"
                .to_owned(),
        ));
    }
    let part_type = if begun || form != Form::Rdb { part_type } else { PartType::Incr };
    if !begun && (keeps_parts || matches!(options.shape, Shape::Split(_))) {
        // What is no snapshot any more cannot have the name of one.
        let like = piece.entry.as_ref().filter(|_| keeps_parts && form != Form::Rdb);
        writer.output.begin_part(part_type, false, like)?;
        writer.begin_file();
    }
    writer.log(feed, &piece.name, observer)
}

/// A log directory with nothing wrong about its files.
fn sound(path: &Path) -> Result<aof::Directory> {
    let directory = aof::survey(path)?;
    match directory.findings.iter().find(|finding| finding.severity == Severity::Error) {
        Some(finding) => Err(Error::Source(format!(
            "{}: {}: a log that is not sound is not rewritten; rdbkit repair mends it",
            finding.file, finding.found
        ))),
        None => Ok(directory),
    }
}

fn entries(manifest: &Path) -> Result<Vec<Entry>> {
    let bytes = std::fs::read(manifest)
        .map_err(|cause| Error::io(format!("cannot read {}", manifest.shown()), cause))?;
    let parsed = Manifest::parse(&bytes);
    Ok(parsed.map(|manifest| manifest.entries).unwrap_or_default())
}

fn judge_options(options: &RewriteOptions) -> Result<()> {
    let Rules { drop, only, filter, .. } = &options.rules;
    if drop.iter().chain(only).any(CommandName::is_structure) {
        return Err(Error::Usage(
            "MULTI, EXEC, DISCARD and SELECT come and go with the commands that they are about"
                .to_owned(),
        ));
    }
    if !filter.is_about_names() {
        return Err(Error::Usage(
            "a log can be filtered by database and by the names of keys only".to_owned(),
        ));
    }
    options.range.judge()
}

fn has_offsets(options: &RewriteOptions) -> bool {
    let Range { from_offset, until_offset, .. } = options.range;
    let splits = options.shape.split().is_some_and(|split| !split.offsets.is_empty());
    splits || from_offset.or(until_offset).is_some()
}
