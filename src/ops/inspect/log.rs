//! Logs: a file of commands, what follows a preamble, the parts of a directory.

use std::collections::BTreeMap;

use super::{InspectOptions, snapshot};
use crate::aof::{self, LogOutcome, LogStats, PartType, Place, ScanOptions, Walk};
use crate::bytes::input::Input as _;
use crate::error::{Doing, Error, Fault, FormatError, Result};
use crate::finding::{Finding, Severity};
use crate::ops::behind::Behind;
use crate::ops::walk::Observer;
use crate::report::inspect::{
    BiggestCommand, CommandReport, InspectReport, LogDatabase, LogReport, PartReport,
};
use crate::source::{Feed, Form, Source, open_part};

/// Sums over the parts of a log.
#[derive(Default)]
struct Sums {
    report: LogReport,
    by_name: BTreeMap<Vec<u8>, (u64, u64)>,
    databases: BTreeMap<u64, u64>,
}

/// A log without a snapshot in front of it.
pub(super) fn file(
    feed: &mut Feed,
    report: &mut InspectReport,
    options: &InspectOptions,
    observer: &dyn Observer,
) -> Result<()> {
    let mut sums = Sums::default();
    let name = report.source.clone();
    sums.log(feed, &name, Place::Last, report, options, observer)?;
    report.log = Some(sums.finish());
    Ok(())
}

/// What follows a snapshot: a log whose preamble it is, or bytes that do not belong there.
/// Says whether it is a log.
pub(super) fn behind_snapshot(
    feed: &mut Feed,
    report: &mut InspectReport,
    options: &InspectOptions,
    observer: &dyn Observer,
) -> Result<bool> {
    if !matches!(feed.buffer(), [b'*' | b'#', ..]) {
        let name = report.source.clone();
        report.broken.push(trailing(feed, &name)?);
        return Ok(false);
    }
    file(feed, report, options, observer)?;
    Ok(true)
}

/// A directory, part by part.
pub(super) fn directory(
    source: &Source,
    report: &mut InspectReport,
    options: &InspectOptions,
    observer: &dyn Observer,
) -> Result<()> {
    let Some(path) = &source.path else {
        return Err(Error::Usage(format!("{} has no path, and so no parts", source.name)));
    };
    let directory = aof::survey(path)?;
    report.broken.extend(directory.findings.iter().filter_map(|f| sentence(&source.name, f)));
    let mut sums = Sums::default();
    let mut commands_seen = false;
    let last = directory.parts.len().saturating_sub(1);
    for (index, part) in directory.parts.iter().enumerate() {
        let name = String::from_utf8_lossy(&part.name).into_owned();
        let mut row = PartReport {
            name: name.clone(),
            role: role(part.part_type),
            format: "missing",
            sequence: u64::try_from(part.seq).ok(),
            size_bytes: part.size_bytes,
            keys: None,
            commands: None,
        };
        // A part that is missing is among the findings already.
        if part.size_bytes.is_some() {
            let source = open_part(&part.path, &options.open)?;
            row.format = if source.form == Form::Rdb { "rdb" } else { "aof" };
            let Some(mut feed) = source.feed else { continue };
            let observer = Behind::parts(observer, directory.parts.get(..index));
            let mut more = true;
            if source.form == Form::Rdb {
                more = snapshot(&mut feed, &name, report, options, &observer)?;
                row.keys = report.snapshot.as_ref().map(|snapshot| snapshot.keys);
            }
            let is_log = matches!(feed.buffer(), [b'*' | b'#', ..]);
            if more && (is_log || source.form != Form::Rdb) {
                if source.form == Form::Rdb {
                    row.format = "aof-preamble";
                }
                let place = if index == last { Place::Last } else { Place::Earlier };
                let outcome = sums.log(&mut feed, &name, place, report, options, &observer)?;
                row.commands = Some(outcome.counts.commands);
                commands_seen = true;
            } else if more {
                report.broken.push(trailing(&mut feed, &name)?);
            }
        }
        report.parts.push(row);
    }
    for part in &directory.history {
        report.parts.push(PartReport {
            name: String::from_utf8_lossy(&part.name).into_owned(),
            role: role(part.part_type),
            format: "not loaded",
            sequence: u64::try_from(part.seq).ok(),
            size_bytes: part.size_bytes,
            keys: None,
            commands: None,
        });
    }
    let sizes = directory.parts.iter().filter_map(|part| part.size_bytes);
    report.size_bytes = Some(sizes.sum());
    if commands_seen {
        report.log = Some(sums.finish());
    }
    Ok(())
}

fn role(part_type: PartType) -> &'static str {
    match part_type {
        PartType::Base => "base",
        PartType::Incr => "incr",
        PartType::History => "history",
    }
}

impl Sums {
    /// Counts the log from the feed's position on.
    fn log(
        &mut self,
        feed: &mut Feed,
        name: &str,
        place: Place,
        report: &mut InspectReport,
        options: &InspectOptions,
        observer: &dyn Observer,
    ) -> Result<LogOutcome> {
        let begins_at = feed.position();
        let progress = |bytes_done| observer.progress(bytes_done);
        let (outcome, stats) = match feed.whole() {
            Some(bytes) => {
                let scan = ScanOptions { threads: options.threads, ..ScanOptions::default() };
                aof::scan(bytes, begins_at, &scan, LogStats::at_start(), &progress)?
            }
            None => {
                let kept = ScanOptions::default().kept_per_kind;
                let mut walk = Walk::new(begins_at, kept, LogStats::at_start());
                walk.run(feed, &progress)?;
                walk.finish()
            }
        };
        self.add(&outcome, &stats, name);
        let checked = aof::judge(outcome, place);
        report.broken.extend(checked.findings.iter().filter_map(|f| sentence(name, f)));
        Ok(checked.outcome)
    }

    fn add(&mut self, outcome: &LogOutcome, stats: &LogStats, name: &str) {
        let report = &mut self.report;
        let counts = &outcome.counts;
        report.size_bytes += outcome.ends_at - outcome.begins_at;
        report.commands += counts.commands;
        report.transactions += counts.transactions;
        report.commands_in_transactions += counts.in_transactions;
        report.annotations += counts.annotations;
        if let Some((first, last)) = stats.time_range_secs() {
            let ms = |secs: u64| i64::try_from(secs.saturating_mul(1000)).unwrap_or(i64::MAX);
            report.first_at_ms.get_or_insert(ms(first));
            report.last_at_ms = Some(ms(last));
        }
        for (command, volume) in stats.names() {
            let sum = self.by_name.entry(command.to_vec()).or_default();
            sum.0 += volume.commands;
            sum.1 += volume.bytes;
        }
        report.other_names += stats.other_names().commands;
        for (db, commands) in stats.databases() {
            *self.databases.entry(db).or_default() += commands;
        }
        if let Some(biggest) = stats.biggest()
            && report.biggest.as_ref().is_none_or(|other| other.size_bytes < biggest.size_bytes)
        {
            report.biggest = Some(BiggestCommand {
                file: name.to_owned(),
                offset: biggest.offset,
                size_bytes: biggest.size_bytes,
                name: biggest.name.clone(),
                key: biggest.key.clone(),
            });
        }
    }

    fn finish(self) -> LogReport {
        let mut report = self.report;
        let names = self.by_name.into_iter();
        report.by_name = names
            .map(|(name, (commands, size_bytes))| CommandReport { name, commands, size_bytes })
            .collect();
        report.by_name.sort_by_key(|command| std::cmp::Reverse(command.size_bytes));
        let databases = self.databases.into_iter();
        report.databases = databases.map(|(db, commands)| LogDatabase { db, commands }).collect();
        report
    }
}

/// An error of a check in one sentence; what is no error is left to the check.
fn sentence(name: &str, finding: &Finding) -> Option<String> {
    if finding.severity < Severity::Error {
        return None;
    }
    let file = if finding.file.is_empty() { name } else { &finding.file };
    let at = finding.offset.map_or_else(String::new, |offset| format!(" offset {offset}:"));
    Some(format!("{file}:{at} expected {}, found {}", finding.expected, finding.found))
}

/// The sentence about bytes behind the end of a snapshot.
fn trailing(feed: &mut Feed, name: &str) -> Result<String> {
    let offset = feed.position();
    let mut bytes = 0;
    while !feed.buffer().is_empty() || feed.more()? {
        let n = feed.buffer().len();
        bytes += n as u64;
        feed.consume(n);
    }
    let fault = Fault::TrailingBytes { bytes };
    let file = Some(name.to_owned());
    Ok(FormatError { file, offset, doing: Doing::Checksum, key: None, fault }.to_string())
}
