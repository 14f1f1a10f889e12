//! `repair`: the soundest file that the bytes allow, and a list of what was lost.
//!
//! A snapshot keeps every record that is sound; a log what stands before the first damage, or, if
//! that is asked for, also what follows it; a directory its manifest, as far as the files tell.
//! The source is never written to.

mod directory;
mod fields;
mod finder;
mod holes;
mod log;
mod names;
mod restored;
mod resync;
mod retyped;
mod section;
mod snapshot;

use std::path::Path;

use self::restored::restored;
use crate::bytes::Input;
use crate::error::{Error, Result};
use crate::ops::behind::Behind;
use crate::ops::rewrite::output::Output;
use crate::ops::snapshot::{is_announced_as_base, is_log};
use crate::ops::sources_of;
use crate::ops::walk::Observer;
use crate::report::repair::NoteList;
pub use crate::report::repair::{FileReport, Note, RepairReport};
use crate::report::rewrite::RewriteReport;
use crate::source::{Feed, Form, OpenOptions, Source, open_part};
use crate::target::Publish;

/// Where bytes go.
type Put<'p> = &'p mut dyn FnMut(&[u8]) -> Result<()>;

/// How a source is repaired.
#[derive(Debug, Clone)]
pub struct RepairOptions {
    /// Step over damage in a log instead of cutting there.
    pub skip_damaged: bool,
    /// Leave out all that is not sound: what any server refuses, not only what all of them do, and
    /// what they take and give wrong answers of.
    pub strict: bool,
    /// Write nothing.
    pub dry_run: bool,
    /// Notes of each kind that are listed for a file; the rest is counted.
    pub most_notes: usize,
    /// What may be replaced; never the source.
    pub publish: Publish,
    /// How sources are opened.
    pub open: OpenOptions,
}

impl Default for RepairOptions {
    fn default() -> Self {
        RepairOptions {
            skip_damaged: false,
            strict: false,
            dry_run: false,
            most_notes: 1000,
            publish: Publish::default(),
            open: OpenOptions::default(),
        }
    }
}

/// Writes to `to` what is sound in a source.
///
/// ```
/// use rdbkit::ops::check::{CheckOptions, check_source};
/// use rdbkit::ops::repair::{RepairOptions, repair};
/// use rdbkit::ops::walk::Silent;
/// use rdbkit::source::{OpenOptions, open};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// let out = folder.path().join("repaired.rdb");
/// let source = open(&"fixtures/broken/checksum.rdb".into(), &OpenOptions::default())?;
/// repair(source, &out, &RepairOptions::default(), &Silent)?;
/// let repaired = open(&out.as_os_str().into(), &OpenOptions::default())?;
/// assert!(check_source(repaired, &CheckOptions::default(), &Silent)?.is_sound());
/// # Ok(())
/// # }
/// ```
pub fn repair(
    source: Source,
    to: &Path,
    options: &RepairOptions,
    observer: &dyn Observer,
) -> Result<RepairReport> {
    let mut report = RepairReport {
        schema: "rdbkit.repair/1",
        source: source.name.clone(),
        ..RepairReport::default()
    };
    let mut publish = Publish { in_place: false, ..options.publish.clone() };
    publish.sources.extend(sources_of(&source));
    let written = match source.path.as_deref().filter(|_| source.directory().is_some()) {
        Some(path) => {
            let plan = directory::plan(path, source.form, &mut report.files_notes)?;
            parts(&plan, to, publish, options, &mut report, observer)?
        }
        None => {
            let Source { name, form, feed, .. } = source;
            let Some(mut feed) = feed else {
                return Err(Error::Usage(format!("{name} cannot be read as a file")));
            };
            let mut output = match options.dry_run {
                true => Output::nothing(),
                false => Output::file(to, &publish)?,
            };
            let mut file = FileReport { file: name, ..FileReport::default() };
            one(form, &mut feed, &mut output, options, &mut file, observer)?;
            report.kind.clone_from(&file.kind);
            report.files.push(file);
            output
        }
    };
    let mut published = RewriteReport::default();
    written.publish(&mut published)?;
    report.output = published.output;
    Ok(report)
}

/// The parts of a log, one after the other.
fn parts(
    plan: &directory::Plan,
    to: &Path,
    mut publish: Publish,
    options: &RepairOptions,
    report: &mut RepairReport,
    observer: &dyn Observer,
) -> Result<Output> {
    // Also those that no manifest lists.
    publish.sources.extend(plan.parts.iter().map(|part| part.path.clone()));
    report.kind = plan.kind.to_owned();
    let mut output = match (options.dry_run, plan.is_single) {
        (true, _) => Output::nothing(),
        (false, true) => Output::file(to, &publish)?,
        (false, false) => Output::directory(to, &plan.stem, &publish)?,
    };
    let mut before_bytes = Vec::new();
    for part in &plan.parts {
        let source = open_part(&part.path, &options.open)?;
        let Some(mut feed) = source.feed else { continue };
        output.begin_part(part.entry.part_type, source.form == Form::Rdb, Some(&part.entry))?;
        let name = String::from_utf8_lossy(&part.entry.name).into_owned();
        let mut file = FileReport { file: name, ..FileReport::default() };
        let observer = Behind::parts(observer, Some(&before_bytes));
        one(source.form, &mut feed, &mut output, options, &mut file, &observer)
            .map_err(|error| error.in_file(&source.name))?;
        before_bytes.push(part.as_part(file.read_bytes));
        report.files.push(file);
    }
    Ok(output)
}

/// One file: a snapshot, a log, or one behind the other.
fn one(
    form: Form,
    feed: &mut Feed,
    output: &mut Output,
    options: &RepairOptions,
    file: &mut FileReport,
    observer: &dyn Observer,
) -> Result<()> {
    let most = options.most_notes;
    let mut input = Tolerant { feed, failure: None };
    let mut is_log = matches!(form, Form::Aof | Form::Empty);
    match form {
        Form::Aof => "AOF".clone_into(&mut file.kind),
        Form::Rdb => {
            "RDB snapshot".clone_into(&mut file.kind);
            is_log = behind_snapshot(&mut input, output, options, file, observer)?;
        }
        Form::Empty if file.file.ends_with(".aof") || !file.file.contains('.') => {
            "empty AOF".clone_into(&mut file.kind);
        }
        Form::Empty => {
            return Err(Error::Source(format!(
                "{} is empty, there is nothing to save in it; --from aof says that it is an empty \
                 log",
                file.file
            )));
        }
        other => {
            return Err(Error::Usage(format!(
                "{} is neither snapshot nor log but {other}",
                file.file
            )));
        }
    }
    if is_log {
        let put = &mut |bytes: &[u8]| output.put(bytes);
        log::repair(&mut input, options.skip_damaged, most, put, file, observer)?;
    }
    file.read_bytes = input.position();
    if let Some(error) = input.failure {
        let text = format!("the compressed source broke off: {error}");
        let note = Note { code: "compressed", text, is_loss: true, ..Note::default() };
        file.note(NoteList::Loss, note, most.saturating_add(1));
    }
    Ok(())
}

/// Repairs the snapshot; afterwards the input stands behind it. Whether a log follows.
fn behind_snapshot(
    input: &mut Tolerant<'_>,
    output: &mut Output,
    options: &RepairOptions,
    file: &mut FileReport,
    observer: &dyn Observer,
) -> Result<bool> {
    // All of it is needed; beyond some size the window is a temporary file.
    while input.more()? {}
    let most = options.most_notes;
    let bytes = input.buffer();
    let mut found = FileReport::default();
    let mut salvaged = snapshot::salvage(bytes, options.strict, most, &mut found, observer)?;
    let mut was = None;
    if !salvaged.is_whole {
        let ends = restored::ends(bytes, salvaged.ends_at);
        if let Some(restored) = restored(bytes, &ends, (options.strict, most), observer)? {
            (found, salvaged, was) = (restored.file, restored.salvage, Some(restored.bytes));
        }
    }
    let bytes = was.as_ref().map_or(bytes, AsRef::as_ref);
    let (name, kind) = (std::mem::take(&mut file.file), std::mem::take(&mut file.kind));
    *file = FileReport { file: name, kind, ..found };
    salvaged.write(bytes, &mut |bytes| output.put(bytes), file)?;
    let behind = bytes.get(salvaged.ends_at..).unwrap_or_default();
    let trailing = behind.len() as u64;
    let is_log = match behind {
        [] => false,
        behind if is_log(behind, is_announced_as_base(bytes)) => true,
        _ => {
            let (list, text) = match salvaged.ends_in_doubt {
                false => (
                    NoteList::Mended,
                    "bytes behind the end of the snapshot, which servers do not read, were left out",
                ),
                true => (
                    NoteList::Loss,
                    "bytes in which nothing can be read, behind an end marker whose checksum does \
                     not fit",
                ),
            };
            let is_loss = list == NoteList::Loss;
            file.lost_bytes += if is_loss { trailing } else { 0 };
            let note = Note {
                code: "trailing-bytes",
                offset: Some(salvaged.ends_at as u64),
                bytes: Some(trailing),
                text: text.to_owned(),
                is_loss,
                ..Note::default()
            };
            file.note(list, note, most);
            false
        }
    };
    if is_log {
        let told = is_announced_as_base(bytes) || options.open.from == Some(Form::Aof);
        let kind = match told {
            true => "AOF with RDB preamble",
            false => "AOF with RDB preamble that does not say so; --from aof takes it for a log",
        };
        kind.clone_into(&mut file.kind);
        input.consume(salvaged.ends_at);
    } else {
        input.consume(usize::MAX);
    }
    Ok(is_log)
}

/// An input that ends where a compressed source breaks off: what came before is there to be saved.
struct Tolerant<'f> {
    feed: &'f mut Feed,
    failure: Option<Error>,
}

impl Input for Tolerant<'_> {
    fn buffer(&self) -> &[u8] {
        self.feed.buffer()
    }

    fn consume(&mut self, n: usize) {
        self.feed.consume(n);
    }

    fn more(&mut self) -> Result<bool> {
        if self.failure.is_some() {
            return Ok(false);
        }
        match self.feed.more() {
            Err(error @ Error::Format(_)) => {
                self.failure = Some(error);
                Ok(false)
            }
            other => other,
        }
    }

    fn position(&self) -> u64 {
        self.feed.position()
    }
}
