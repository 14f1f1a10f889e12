//! `check`: is it sound, and where not, exactly where and why?
//!
//! A snapshot is walked once, for policies too; a log is read by its own floor; a directory part by
//! part, in the order in which a server loads them. Every finding says what a server would make of
//! it: that is known here, not in the formats.

mod beside;
mod directory;
mod dump;
mod file;
pub(super) mod keys;
mod loads;
mod policy;
mod snapshot;
mod words;

use std::io::Write as _;
use std::path::Path;

use crate::bytes::input::Input as _;
use crate::error::{Error, Result};
use crate::finding::{Finding, Severity};
use crate::ops::filter::Filter;
use crate::ops::snapshot::{says_that_it_is_a_base, unannounced};
use crate::ops::walk::Observer;
use crate::rdb::{HEADER_BYTES, Header};
pub use crate::report::check::{CheckReport, FileReport, PolicyReport, SourceReport, Unlisted};
use crate::source::{
    Form, Locator, OpenOptions, Source, default_directory, open, temporary_failed,
};
use policy::Judge;
pub use policy::{Policy, RULES};

/// How a check is done.
#[derive(Debug, Clone)]
pub struct CheckOptions {
    /// Frames and checksums only.
    pub quick: bool,
    /// A checksum that does not match is only a warning.
    pub ignore_checksum: bool,
    /// Threads.
    pub threads: usize,
    /// Findings that are listed for each file; the rest is counted.
    pub max_findings: usize,
    /// How sources are opened.
    pub open: OpenOptions,
    /// What is asked of the keys.
    pub policy: Policy,
    /// Which keys the policies are asked of. Whether the source is sound is looked at in all of it.
    pub filter: Filter,
    /// The time from which ages count, unix time in milliseconds.
    pub now_ms: i64,
    /// Whether commands of a log that is run for policies, and that are not known, are stepped over.
    pub skip_unknown: bool,
}

impl Default for CheckOptions {
    fn default() -> Self {
        CheckOptions {
            quick: false,
            ignore_checksum: false,
            threads: super::walk::WalkOptions::default().threads,
            max_findings: 1000,
            open: OpenOptions::default(),
            policy: Policy::default(),
            filter: Filter::default(),
            now_ms: crate::ops::run::RunOptions::default().now_ms,
            skip_unknown: false,
        }
    }
}

/// Checks each source. A source that cannot be opened or read is reported, and the others are
/// checked all the same.
///
/// ```
/// use rdbkit::ops::check::{CheckOptions, Policy, check};
/// use rdbkit::ops::walk::Silent;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sources = ["fixtures/redis-7.0.15-lru.rdb".into(), "fixtures/broken/checksum.rdb".into()];
/// let policy = Policy { max_keys: Some(10), ..Policy::default() };
/// let options = CheckOptions { policy, ..CheckOptions::default() };
/// let report = check(&sources, &options, &Silent);
/// let [sound, broken] = report.sources.as_slice() else { panic!("one for each") };
/// assert!(sound.is_sound() && !sound.keeps_policy());
/// assert!(!broken.is_sound());
/// # Ok(())
/// # }
/// ```
pub fn check(sources: &[Locator], options: &CheckOptions, observer: &dyn Observer) -> CheckReport {
    let mut seen_stdin = false;
    let sources = sources
        .iter()
        .map(|locator| {
            let again = *locator == Locator::Stdin && std::mem::replace(&mut seen_stdin, true);
            let name = locator.to_string();
            let report = if again {
                Err(Error::Usage("standard input can be read only once".to_owned()))
            } else {
                open(locator, &options.open)
                    .and_then(|source| check_source(source, options, observer))
            };
            report.unwrap_or_else(|error| unreadable(name, error))
        })
        .collect();
    CheckReport { sources }
}

/// The report of a source that could not be opened, or not be read to its end: the bytes are to
/// blame, or something else is, of which `could_not_look` tells then.
///
/// ```
/// use rdbkit::ops::check::unreadable;
/// use rdbkit::source::{OpenOptions, open};
///
/// let Err(error) = open(&"Cargo.toml".into(), &OpenOptions::default()) else { panic!("no dump") };
/// let report = unreadable("Cargo.toml".to_owned(), error);
/// let codes: Vec<_> = report.all_findings().map(|finding| finding.code).collect();
/// assert_eq!(codes, ["unreadable"]);
/// ```
pub fn unreadable(name: String, error: Error) -> SourceReport {
    match error {
        // Compressed data that are broken or cut off: what they hold cannot be had.
        Error::Format(error) => {
            let finding = Finding::of(Severity::Error, &error);
            let finding = words::of_broken_frame(finding, &error.fault);
            let finding = Finding { file: name.clone(), ..finding };
            let kind = "compressed file".to_owned();
            SourceReport { name, kind, findings: vec![finding], ..SourceReport::default() }
        }
        // Something else than a dump, or a log that cannot be run for what is asked of its keys.
        Error::Source(found) => {
            let finding = Finding {
                severity: Severity::Error,
                code: "unreadable",
                file: name.clone(),
                offset: None,
                db: None,
                key: None,
                doing: "the source".to_owned(),
                expected: "a snapshot or a log that can be read and run".to_owned(),
                found,
                server: "a server would refuse it, too",
                advice: "see whether it is the file that was meant, and whole",
            };
            SourceReport {
                name,
                kind: "unknown".to_owned(),
                findings: vec![finding],
                ..SourceReport::default()
            }
        }
        error => SourceReport {
            name,
            could_not_look: Some(error.to_string()),
            ..SourceReport::default()
        },
    }
}

/// Checks an opened source.
///
/// ```
/// use rdbkit::ops::check::{CheckOptions, check_source};
/// use rdbkit::ops::walk::Silent;
/// use rdbkit::source::{OpenOptions, open};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let source = open(&"fixtures/broken/checksum.rdb".into(), &OpenOptions::default())?;
/// let report = check_source(source, &CheckOptions::default(), &Silent)?;
/// let codes: Vec<_> = report.all_findings().map(|finding| finding.code).collect();
/// assert_eq!(codes, ["checksum", "damaged-bytes"]);
/// # Ok(())
/// # }
/// ```
pub fn check_source(
    source: Source,
    options: &CheckOptions,
    observer: &dyn Observer,
) -> Result<SourceReport> {
    if options.policy.is_empty() {
        return check_soundness(source, options, observer);
    }
    let mut source = source;
    // The keys of a log are there only when it has been run, and a quick check sees none.
    if source.form == Form::Rdb
        && !options.quick
        && options.open.from != Some(Form::Aof)
        && source.feed.as_mut().is_some_and(|feed| !says_that_it_is_a_base(feed))
    {
        return check_and_judge(source, options, observer);
    }
    // What the policies are asked of is read a second time, so it has to stay.
    let name = source.name.clone();
    let kept = Kept::of(source, options)?;
    let mut report = check_soundness(kept.open(&name, options)?, options, observer)?;
    let last_secs = report.files.iter().rev().find_map(|file| file.last_secs);
    let judge = Judge { last_secs, ..judge(options, kept.changed_ms()) };
    let header = header(kept.open(&name, options)?);
    let policy = judge.judge(kept.open(&name, options)?, header, observer);
    judged(&mut report, policy)?;
    Ok(report)
}

/// Checks a snapshot, and asks the policies of its keys on the way.
fn check_and_judge(
    source: Source,
    options: &CheckOptions,
    observer: &dyn Observer,
) -> Result<SourceReport> {
    let name = source.name.clone();
    let path = source.path.as_deref().filter(|_| source.size_bytes.is_some());
    let judge = judge(options, path.and_then(changed_ms));
    let (place, mut seen) = (crate::aof::Place::Last, None);
    let file = file::check_beside(source, place, options, observer, Some(&judge), &mut seen)?;
    let kind = file.kind.clone();
    let has_log = file.commands.is_some();
    let mut report = SourceReport { name, kind, files: vec![file], ..SourceReport::default() };
    if has_log {
        let error = unannounced(&report.name);
        judged(&mut report, Err(error))?;
    } else if let Some(seen) = seen {
        let policy = seen.finish().map(|(seen, header)| judge.report(&report.name, seen, header));
        judged(&mut report, policy)?;
    }
    Ok(report)
}

fn judge(options: &CheckOptions, changed_ms: Option<i64>) -> Judge<'_> {
    Judge {
        policy: &options.policy,
        filter: &options.filter,
        now_ms: options.now_ms,
        skip_unknown: options.skip_unknown,
        threads: options.threads,
        max_findings: options.max_findings,
        open: &options.open,
        last_secs: None,
        changed_ms,
    }
}

/// Puts what the policies say beside what the check has found.
fn judged(report: &mut SourceReport, policy: Result<PolicyReport>) -> Result<()> {
    match policy {
        Ok(policy) => report.policy = Some(policy),
        // Where the check has said why already, there are no keys to be asked about.
        Err(_) if !report.is_sound() => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

fn check_soundness(
    source: Source,
    options: &CheckOptions,
    observer: &dyn Observer,
) -> Result<SourceReport> {
    if source.directory().is_some() {
        return directory::check(&source, options, observer);
    }
    let name = source.name.clone();
    let file = file::check(source, crate::aof::Place::Last, options, observer)?;
    Ok(SourceReport { name, kind: file.kind.clone(), files: vec![file], ..SourceReport::default() })
}

/// A source that can be opened again.
struct Kept {
    locator: Locator,
    form: Option<Form>,
    /// What came through a pipe, until this is dropped.
    copy: Option<tempfile::NamedTempFile>,
}

impl Kept {
    fn of(source: Source, options: &CheckOptions) -> Result<Self> {
        let is_pipe = source.size_bytes.is_none() && source.directory().is_none();
        match (&source.path, source.feed) {
            (Some(path), _) if !is_pipe => Ok(Kept {
                locator: Locator::Path(path.clone()),
                form: options.open.from,
                copy: None,
            }),
            (_, Some(mut feed)) => {
                let wrong = temporary_failed;
                let mut copy =
                    tempfile::NamedTempFile::new_in(default_directory()).map_err(wrong)?;
                loop {
                    let len = feed.buffer().len();
                    copy.write_all(feed.buffer()).map_err(wrong)?;
                    feed.consume(len);
                    if !feed.more()? {
                        break;
                    }
                }
                copy.flush().map_err(wrong)?;
                let locator = Locator::Path(copy.path().to_owned());
                Ok(Kept { locator, form: Some(source.form), copy: Some(copy) })
            }
            (_, None) => Err(Error::Usage(format!("{} cannot be read twice", source.name))),
        }
    }

    fn open(&self, name: &str, options: &CheckOptions) -> Result<Source> {
        let options = OpenOptions { from: self.form, ..options.open.clone() };
        let source = open(&self.locator, &options)?;
        Ok(Source { name: name.to_owned(), ..source })
    }

    /// When it was changed last; of a directory, when one of its files was.
    fn changed_ms(&self) -> Option<i64> {
        let Locator::Path(path) = &self.locator else { return None };
        let files = std::fs::read_dir(path).into_iter().flatten().flatten();
        let newest = files.filter_map(|file| changed_ms(&file.path())).max();
        newest.or_else(|| self.copy.is_none().then(|| changed_ms(path)).flatten())
    }
}

/// When a file was changed last, unix time in milliseconds.
fn changed_ms(path: &Path) -> Option<i64> {
    let since = path.metadata().ok()?.modified().ok()?;
    let since = since.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

/// Magic and version of the snapshot that a source begins with.
fn header(source: Source) -> Option<Header> {
    let mut feed = match source.directory() {
        Some(_) => {
            let path = source.path.as_deref()?;
            let log = match source.form {
                Form::Manifest => crate::aof::survey_manifest(path),
                _ => crate::aof::survey(path),
            };
            let base = log.ok()?.parts.into_iter().next()?;
            crate::source::open_part(&base.path, &OpenOptions::default()).ok()?.feed?
        }
        None => source.feed?,
    };
    while feed.buffer().len() < HEADER_BYTES && feed.more().ok()? {}
    Header::parse(feed.buffer()).ok().map(|(_, header)| header)
}
