//! The check of one file: a snapshot, a log, a log behind a snapshot, or a DUMP payload.

use super::beside::Judged;
use super::policy::Judge;
use super::snapshot::{self, Findings};
use super::{CheckOptions, FileReport, dump, words};
use crate::aof::{self, Place, ScanOptions};
use crate::bytes::Input;
use crate::error::{Doing, Error, Fault, FormatError, Result};
use crate::finding::{Finding, Severity};
use crate::ops::snapshot::{is_log, says_that_it_is_a_base};
use crate::ops::walk::Observer;
use crate::source::{Feed, Form, Source};

/// Checks an opened file. `place` says whether other parts of a log follow it.
pub(super) fn check(
    source: Source,
    place: Place,
    options: &CheckOptions,
    observer: &dyn Observer,
) -> Result<FileReport> {
    check_beside(source, place, options, observer, None, &mut None)
}

/// The same, and rules are asked of the keys of its snapshot beside.
pub(super) fn check_beside<'a>(
    source: Source,
    place: Place,
    options: &CheckOptions,
    observer: &dyn Observer,
    judge: Option<&'a Judge<'a>>,
    judged: &mut Option<Judged<'a>>,
) -> Result<FileReport> {
    let Source { name, form, feed, .. } = source;
    let Some(mut feed) = feed else {
        return Err(Error::Usage(format!("{name} is a directory where a file is expected")));
    };
    let mut report = FileReport { name, ..FileReport::default() };
    report.depth = "frames";
    match form {
        Form::Dump => dump::check(&mut feed, options, &mut report)?,
        Form::Rdb => {
            report.kind = "RDB snapshot".to_owned();
            let is_base = says_that_it_is_a_base(&mut feed);
            if snapshot::check(&mut feed, options, observer, &mut report, judge, judged)? {
                let done =
                    behind_snapshot(&mut feed, (place, is_base), options, observer, &mut report);
                unpacked(done, &mut report)?;
            }
        }
        Form::Ndjson => {
            return Err(Error::Usage(format!(
                "{} is NDJSON, which no server loads: `rdbkit convert` makes a snapshot of it, and \
                 says which line is wrong",
                report.name
            )));
        }
        Form::Empty => {
            report.kind = "empty file".to_owned();
            report.findings.push(empty_file(&report.name));
        }
        _ => {
            report.kind = "AOF".to_owned();
            let done = check_log(&mut feed, place, options, observer, &mut report);
            unpacked(done, &mut report)?;
        }
    }
    report.size_bytes = drain(&mut feed)?;
    for finding in &mut report.findings {
        finding.file.clone_from(&report.name);
    }
    Ok(report)
}

/// A file without a byte is a log to which nothing has been written yet, or a snapshot that a full
/// disk or a failed transfer left. Nothing in it tells, so here alone its name decides.
fn empty_file(name: &str) -> Finding {
    let severity = if name.ends_with(".aof") { Severity::Warning } else { Severity::Error };
    let fault = Fault::Truncated { need: 9, have: 0 };
    let error = FormatError { file: None, offset: 0, doing: Doing::Header, key: None, fault };
    Finding { code: "empty-file", ..Finding::of(severity, &error) }.explained(
        "as a log it loads and holds nothing; as a snapshot every server refuses it",
        "a full disk or a failed transfer leaves this; --from aof says that it is an empty log",
    )
}

/// Compressed bytes that cannot be unpacked any further are a finding behind all that came before.
fn unpacked(done: Result<()>, report: &mut FileReport) -> Result<()> {
    let Err(Error::Format(error)) = done else { return done };
    report.broken_at = Some(error.offset);
    let finding = Finding::of(Severity::Error, &error);
    report.findings.push(words::of_broken_frame(finding, &error.fault));
    Ok(())
}

/// What follows a snapshot: nothing, a log whose preamble it is, or bytes that do not belong.
fn behind_snapshot(
    feed: &mut Feed,
    (place, is_base): (Place, bool),
    options: &CheckOptions,
    observer: &dyn Observer,
    report: &mut FileReport,
) -> Result<()> {
    while feed.buffer().is_empty() && feed.more()? {}
    match feed.buffer() {
        [] => Ok(()),
        behind if is_log(behind, is_base) => {
            report.kind = "AOF with RDB preamble".to_owned();
            if !is_base && options.open.from != Some(Form::Aof) {
                report.findings.push(unannounced_log(feed.position()));
            }
            check_log(feed, place, options, observer, report)
        }
        _ => {
            let offset = feed.position();
            let bytes = drain(feed)? - offset;
            let fault = Fault::TrailingBytes { bytes };
            let error =
                FormatError { file: None, offset, doing: Doing::Checksum, key: None, fault };
            report.findings.push(Finding::of(Severity::Warning, &error).explained(
                "servers ignore what follows the checksum",
                "two files joined, or a copy that went on too long: cut the file at this offset",
            ));
            Ok(())
        }
    }
}

/// A snapshot that does not say that it is the base of a log, and a log behind it.
fn unannounced_log(offset: u64) -> Finding {
    snapshot::finding(
        Severity::Warning,
        "unannounced-log",
        Some(offset),
        "what stands behind the snapshot",
        (
            "a snapshot that says it is the base of a log, or nothing behind it",
            "commands behind one that does not say so".to_owned(),
        ),
    )
    .explained(
        "one that loads a log reads all of it; one that loads a snapshot stops at its end",
        "see which it is: --from aof takes it for a log, for all verbs that need to be told",
    )
}

/// Checks the log that begins at the feed's position.
fn check_log(
    feed: &mut Feed,
    place: Place,
    options: &CheckOptions,
    observer: &dyn Observer,
    report: &mut FileReport,
) -> Result<()> {
    let scan = ScanOptions {
        threads: options.threads,
        kept_per_kind: options.max_findings as u64,
        ..ScanOptions::default()
    };
    let begins_at = feed.position();
    let progress = |bytes_done| observer.progress(bytes_done);
    let log = match feed.whole() {
        Some(bytes) => aof::check_slice(bytes, begins_at, place, &scan, &progress)?,
        None => aof::check_input(feed, place, scan.kept_per_kind, &progress)?,
    };
    report.commands = Some(log.outcome.counts.commands);
    report.transactions = Some(log.outcome.counts.transactions);
    report.good_up_to = Some(log.outcome.good_up_to);
    report.last_secs = log.outcome.counts.last_secs;
    let mut findings = Findings::new(options.max_findings);
    for finding in log.findings {
        findings.add(finding);
    }
    report.unlisted.others += log.unlisted;
    findings.hand_over(report);
    Ok(())
}

/// Goes to the end, or to where nothing more can be unpacked; where that is.
fn drain(feed: &mut Feed) -> Result<u64> {
    loop {
        let left = feed.buffer().len();
        feed.consume(left);
        match feed.more() {
            Ok(true) => {}
            Ok(false) | Err(Error::Format(_)) => return Ok(feed.position()),
            Err(error) => return Err(error),
        }
    }
}
