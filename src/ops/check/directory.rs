//! The check of a multi-part log: its manifest, then each part in the order of a loading server.

use std::path::Path;

use super::snapshot::Findings;
use super::{CheckOptions, SourceReport, file};
use crate::aof::{self, Layout, Part, PartType, Place};
use crate::bytes::PathName as _;
use crate::error::{Error, Result};
use crate::finding::{Finding, Severity};
use crate::ops::behind::Behind;
use crate::ops::walk::Observer;
use crate::source::{Form, Source, open_part};

/// Checks the log in a directory, or the one that a manifest describes.
pub(super) fn check(
    source: &Source,
    options: &CheckOptions,
    observer: &dyn Observer,
) -> Result<SourceReport> {
    let Some(path) = &source.path else {
        return Err(Error::Usage("a manifest has no parts without its directory".to_owned()));
    };
    let log = match source.form {
        Form::Manifest => aof::survey_manifest(path)?,
        _ => aof::survey(path)?,
    };
    let kind = match log.layout {
        Layout::MultiPart => "AOF directory",
        Layout::NoManifest => "AOF directory without its manifest",
        Layout::SingleFile => "AOF in a directory",
    };
    let mut report = SourceReport {
        name: source.name.clone(),
        kind: kind.to_owned(),
        findings: log.findings,
        ..SourceReport::default()
    };
    if path.is_dir() && path.join("dump.rdb").is_file() {
        report.findings.push(snapshot_beside(path));
    }
    let mut findings = Findings::new(options.max_findings);
    for finding in std::mem::take(&mut report.findings) {
        findings.add(finding);
    }
    (report.findings, report.unlisted) = findings.into_parts();
    // A missing part has its finding already.
    let there = log.parts.iter().enumerate().filter(|(_, part)| part.size_bytes.is_some());
    let last = log.parts.last();
    for (index, part) in there {
        let place = if Some(part) == last { Place::Last } else { Place::Earlier };
        let observer = Behind::parts(observer, log.parts.get(..index));
        report.files.push(check_part(part, place, options, &observer)?);
    }
    Ok(report)
}

/// A data directory holds a log and a snapshot, and the log is what a server with it loads.
fn snapshot_beside(path: &Path) -> Finding {
    Finding {
        severity: Severity::Info,
        code: "snapshot-beside",
        file: path.join("dump.rdb").shown().to_string(),
        offset: None,
        db: None,
        key: None,
        doing: "the files of the log".to_owned(),
        expected: "only a log".to_owned(),
        found: "a snapshot as well, which was not looked at".to_owned(),
        server: "loads the log and ignores the snapshot with appendonly yes, and the other way round with no",
        advice: "check the snapshot by its own name",
    }
}

fn check_part(
    part: &Part,
    place: Place,
    options: &CheckOptions,
    observer: &dyn Observer,
) -> Result<super::FileReport> {
    let source = open_part(&part.path, &options.open)?;
    let snapshot = source.form == Form::Rdb;
    let mut report = file::check(source, place, options, observer)?;
    let role = match part.part_type {
        PartType::Base => "base",
        PartType::Incr => "increment",
        PartType::History => "history",
    };
    report.kind = format!("{role}: {}", report.kind);
    if snapshot && part.part_type == PartType::Incr {
        let mut finding = aof::check::preamble_in_increment();
        finding.file.clone_from(&report.name);
        report.findings.insert(0, finding);
    }
    Ok(report)
}
