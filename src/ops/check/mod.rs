//! `check`: is it sound, and where not, exactly where and why?
//!
//! A snapshot is walked once; a log is read by its own floor; a directory part by part, in
//! the order in which a server loads them. Every finding says what a server would
//! make of it: that is known here, not in the formats.

mod directory;
mod dump;
mod file;
pub(super) mod keys;
mod snapshot;
mod words;

use crate::error::{Error, Result};
use crate::finding::{Finding, Severity};
use crate::ops::walk::Observer;
pub use crate::report::check::{CheckReport, FileReport, SourceReport, Unlisted};
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

/// Checks each source. A source that cannot be opened or read is reported, and the others are
/// checked all the same.
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

/// A source that could not be read to its end: the bytes are to blame, or something else is.
fn unreadable(name: String, error: Error) -> SourceReport {
    match error {
        // Compressed data that are broken or cut off: what they hold cannot be had.
        Error::Format(error) => {
            let finding = Finding::of(Severity::Error, &error).explained(
                "nothing can be loaded from it",
                "the copy is broken or not complete: copy it again, or unpack what its own tool can save",
            );
            let finding = Finding { file: name.clone(), ..finding };
            let kind = "compressed file".to_owned();
            SourceReport { name, kind, findings: vec![finding], ..SourceReport::default() }
        }
        error => SourceReport {
            name,
            could_not_look: Some(error.to_string()),
            ..SourceReport::default()
        },
    }
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
