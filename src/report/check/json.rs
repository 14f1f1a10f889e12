//! The check as JSON, `rdbkit.check/1`.

use std::io::Write;

use serde::Serialize;

use super::{CheckReport, FileReport, PolicyReport, SourceReport, Unlisted};
use crate::error::Result;
use crate::finding::Finding as Found;
use crate::report::filtered::FilteredFrom;
use crate::report::json::{self, Bytes};

/// Writes the report as one document.
pub fn write_json(out: &mut dyn Write, report: &CheckReport) -> Result<()> {
    let sources = report.sources.iter().map(Source::of).collect();
    let sound = report.is_sound() && report.is_complete();
    json::document(out, &Document { schema: "rdbkit.check/1", sound, sources })
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    /// Whether all sources could be looked at and no finding is an error.
    sound: bool,
    sources: Vec<Source<'a>>,
}

#[derive(Serialize)]
struct Source<'a> {
    source: &'a str,
    kind: &'a str,
    sound: bool,
    could_not_look: Option<&'a str>,
    findings: Vec<Finding<'a>>,
    unlisted_errors: u64,
    unlisted_others: u64,
    files: Vec<File<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<Policy<'a>>,
}

#[derive(Serialize)]
struct Policy<'a> {
    kept: bool,
    rules: &'a [&'static str],
    keys: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    filtered_from: Option<FilteredFrom>,
    findings: Vec<Finding<'a>>,
    unlisted_errors: u64,
    unlisted_others: u64,
}

impl<'a> Policy<'a> {
    fn of(report: &'a PolicyReport) -> Self {
        Policy {
            kept: report.is_kept(),
            rules: &report.rules,
            keys: report.keys,
            filtered_from: report.filtered_from,
            findings: report.findings.iter().map(Finding::of).collect(),
            unlisted_errors: report.unlisted.errors,
            unlisted_others: report.unlisted.others,
        }
    }
}

#[derive(Serialize)]
struct File<'a> {
    file: &'a str,
    kind: &'a str,
    sound: bool,
    depth: &'a str,
    size_bytes: u64,
    keys: Option<u64>,
    broken_at: Option<u64>,
    checksum: Option<&'a str>,
    commands: Option<u64>,
    transactions: Option<u64>,
    good_up_to: Option<u64>,
    findings: Vec<Finding<'a>>,
    unlisted_errors: u64,
    unlisted_others: u64,
}

#[derive(Serialize)]
struct Finding<'a> {
    severity: &'a str,
    code: &'a str,
    file: &'a str,
    offset: Option<u64>,
    db: Option<u64>,
    key: Option<Bytes<'a>>,
    doing: &'a str,
    expected: &'a str,
    found: &'a str,
    server: &'a str,
    advice: &'a str,
}

impl<'a> Source<'a> {
    fn of(report: &'a SourceReport) -> Self {
        Source {
            source: &report.name,
            kind: &report.kind,
            sound: report.is_sound() && report.could_not_look.is_none(),
            could_not_look: report.could_not_look.as_deref(),
            findings: report.findings.iter().map(Finding::of).collect(),
            unlisted_errors: report.unlisted.errors,
            unlisted_others: report.unlisted.others,
            files: report.files.iter().map(File::of).collect(),
            policy: report.policy.as_ref().map(Policy::of),
        }
    }
}

impl<'a> File<'a> {
    fn of(report: &'a FileReport) -> Self {
        let Unlisted { errors, others } = report.unlisted;
        File {
            file: &report.name,
            kind: &report.kind,
            sound: report.is_sound(),
            depth: report.depth,
            size_bytes: report.size_bytes,
            keys: report.keys,
            broken_at: report.broken_at,
            checksum: report.checksum.as_deref(),
            commands: report.commands,
            transactions: report.transactions,
            good_up_to: report.good_up_to,
            findings: report.findings.iter().map(Finding::of).collect(),
            unlisted_errors: errors,
            unlisted_others: others,
        }
    }
}

impl<'a> Finding<'a> {
    fn of(found: &'a Found) -> Self {
        Finding {
            severity: found.severity.name(),
            code: found.code,
            file: &found.file,
            offset: found.offset,
            db: found.db,
            key: found.key.as_deref().map(Bytes),
            doing: &found.doing,
            expected: &found.expected,
            found: &found.found,
            server: found.server,
            advice: found.advice,
        }
    }
}
