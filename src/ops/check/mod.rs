//! `check`: is it sound, and where not, exactly where and why?
//!
//! A snapshot is walked once ([`snapshot`]); a log by its own floor; a directory part by part, in
//! the order in which a server loads them ([`directory`]). Every finding says what a server would
//! make of it: that is known here, not in the formats.

mod directory;
mod dump;
mod file;
mod keys;
mod snapshot;
mod words;

use crate::error::Result;
use crate::finding::{Finding, Severity};
use crate::ops::walk::Observer;
use crate::source::{Locator, OpenOptions, Source, open};

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
}

impl Default for CheckOptions {
    fn default() -> Self {
        CheckOptions {
            quick: false,
            ignore_checksum: false,
            threads: super::walk::WalkOptions::default().threads,
            max_findings: 1000,
            open: OpenOptions::default(),
        }
    }
}

/// What a check of several sources found.
#[derive(Debug, Clone, Default)]
pub struct CheckReport {
    /// One for each source, in the order of the call.
    pub sources: Vec<SourceReport>,
}

/// What a check of one source found.
#[derive(Debug, Clone, Default)]
pub struct SourceReport {
    /// The source as it was named.
    pub name: String,
    /// What it is, in words: `RDB snapshot`, `AOF`, `AOF directory`.
    pub kind: String,
    /// Its files: one, or the parts of a directory.
    pub files: Vec<FileReport>,
    /// What is wrong with a directory as a whole.
    pub findings: Vec<Finding>,
    /// Why it could not be looked at.
    pub could_not_look: Option<String>,
}

/// What a check of one file found.
#[derive(Debug, Clone, Default)]
pub struct FileReport {
    /// The file as the source names it.
    pub name: String,
    /// What it is, in words.
    pub kind: String,
    /// How deep it was looked at.
    pub depth: &'static str,
    /// Its size, uncompressed.
    pub size_bytes: u64,
    /// What was found, in the order of the file, up to the limit of the call.
    pub findings: Vec<Finding>,
    /// Findings that are not listed.
    pub unlisted: Unlisted,
    /// Keys of its snapshot.
    pub keys: Option<u64>,
    /// What became of the checksum of its snapshot, in words.
    pub checksum: Option<String>,
    /// Commands of its log.
    pub commands: Option<u64>,
    /// Transactions of its log.
    pub transactions: Option<u64>,
    /// Up to which offset its log is good: whole commands outside a transaction.
    pub good_up_to: Option<u64>,
}

/// Findings that are not listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unlisted {
    /// Of severity error.
    pub errors: u64,
    /// Of a lower severity.
    pub others: u64,
}

impl CheckReport {
    /// Whether nothing found is an error.
    pub fn is_sound(&self) -> bool {
        self.sources.iter().all(SourceReport::is_sound)
    }

    /// Whether every source could be looked at.
    pub fn is_complete(&self) -> bool {
        self.sources.iter().all(|source| source.could_not_look.is_none())
    }
}

impl SourceReport {
    /// Whether nothing found is an error.
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|f| f.severity < Severity::Error)
            && self.files.iter().all(FileReport::is_sound)
    }
}

impl FileReport {
    /// Whether nothing found is an error.
    pub fn is_sound(&self) -> bool {
        self.unlisted.errors == 0 && self.findings.iter().all(|f| f.severity < Severity::Error)
    }
}

/// Checks each source. A source that cannot be opened or read is reported, and the others are
/// checked all the same.
pub fn check(sources: &[Locator], options: &CheckOptions, observer: &dyn Observer) -> CheckReport {
    let sources = sources
        .iter()
        .map(|locator| {
            let name = locator.to_string();
            let report = open(locator, &options.open)
                .and_then(|source| check_source(source, options, observer));
            report.unwrap_or_else(|error| SourceReport {
                name,
                could_not_look: Some(error.to_string()),
                ..SourceReport::default()
            })
        })
        .collect();
    CheckReport { sources }
}

/// Checks an opened source.
pub fn check_source(
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
