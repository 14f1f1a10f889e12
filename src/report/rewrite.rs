//! What a rewrite did: sizes, what was dropped, where it began and ended.

use std::io::Write;

use serde::Serialize;

use super::json::{self, failed};
use super::text::{Style, count, plural, size};
use crate::bytes::quoted;
use crate::error::Result;

/// The report of a rewrite; as JSON it is `rdbkit.rewrite/1`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RewriteReport {
    /// `rdbkit.rewrite/1`.
    pub schema: &'static str,
    /// The source as it was named.
    pub source: String,
    /// The output; nothing was written in a dry run.
    pub output: Option<String>,
    /// Where the old files can still be found, if the output was the source.
    pub backup: Option<String>,
    /// The files of the output: one, or the parts of a directory.
    pub files: Vec<FileReport>,
    /// Sizes of the log alone.
    pub read_bytes: u64,
    /// What was written of it.
    pub written_bytes: u64,
    /// Commands, MULTI, EXEC and SELECT among them.
    pub read_commands: u64,
    /// Those that were written.
    pub written_commands: u64,
    /// The SELECTs among those that the source does not have.
    pub added_commands: u64,
    /// Transactions.
    pub read_transactions: u64,
    /// Those of which nothing was left, or that the range cut.
    pub dropped_transactions: u64,
    /// Annotation lines.
    pub read_annotations: u64,
    /// Those that were not written.
    pub dropped_annotations: u64,
    /// What was dropped, by command, the most frequent first.
    pub dropped: Vec<Dropped>,
    /// Names that were to be dropped, and of which there was none.
    pub not_found: Vec<String>,
    /// Commands before the start of the range.
    pub before_range: u64,
    /// Where the range ended the log; what follows was not read.
    pub ended_at: Option<Place>,
    /// Commands in which keys got new names.
    pub renamed: u64,
    /// Commands over several keys that were cut down to some of them.
    pub reduced: u64,
    /// Commands that were kept as a whole although not all of their keys passed.
    pub straddling: u64,
    /// The first of those.
    pub first_straddling: Option<Place>,
    /// The snapshot in front, where there is one.
    pub snapshot: Option<SnapshotReport>,
}

/// One file of the output.
#[derive(Debug, Clone, Serialize)]
pub struct FileReport {
    /// Its name.
    pub name: String,
    /// Its size.
    pub size_bytes: u64,
}

/// Commands of one name that were dropped.
#[derive(Debug, Clone, Serialize)]
pub struct Dropped {
    /// The name, in upper case.
    #[serde(serialize_with = "json::bytes")]
    pub command: Vec<u8>,
    /// How many.
    pub count: u64,
    /// The bytes that they took.
    pub bytes: u64,
}

/// A command in a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file.
    pub file: String,
    /// Where it begins.
    pub offset: u64,
    /// Its number in the whole log, from 1.
    pub command: u64,
}

/// What became of a snapshot.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SnapshotReport {
    /// Its size in the source.
    pub read_bytes: u64,
    /// Its size in the output.
    pub written_bytes: u64,
    /// Its keys, where it was looked into.
    pub read_keys: Option<u64>,
    /// Those that were written.
    pub written_keys: Option<u64>,
}

/// Writes the report as one document.
pub fn write_json(out: &mut dyn Write, report: &RewriteReport) -> Result<()> {
    json::document(out, report)
}

/// Writes the report for the eye.
pub fn write_text(out: &mut dyn Write, report: &RewriteReport, style: Style) -> Result<()> {
    let mut text = String::new();
    let mut line = |line: String| text += &format!("{line}\n");
    let RewriteReport { read_commands, written_commands, .. } = report;
    let to = match &report.output {
        Some(output) => format!("{} -> {}", report.source, output),
        None => format!("{} (dry run, nothing was written)", report.source),
    };
    line(style.bold(to).to_string());
    let added = match report.added_commands {
        0 => String::new(),
        added => format!(", {} added", plural(added, "SELECT")),
    };
    line(format!(
        "  commands      {} of {} kept{added}, {} of {}",
        count(written_commands.saturating_sub(report.added_commands)),
        count(*read_commands),
        size(report.written_bytes),
        size(report.read_bytes),
    ));
    if let Some(snapshot) = &report.snapshot {
        let keys = match (snapshot.read_keys, snapshot.written_keys) {
            (Some(read), Some(written)) => {
                format!("{} of {} keys kept, ", count(written), count(read))
            }
            _ => String::new(),
        };
        line(format!(
            "  snapshot      {keys}{} of {}",
            size(snapshot.written_bytes),
            size(snapshot.read_bytes)
        ));
    }
    if report.read_transactions > 0 {
        line(format!(
            "  transactions  {} of {} kept",
            count(report.read_transactions - report.dropped_transactions),
            count(report.read_transactions)
        ));
    }
    if report.dropped_annotations > 0 {
        line(format!(
            "  annotations   {} of {} kept",
            count(report.read_annotations - report.dropped_annotations),
            count(report.read_annotations)
        ));
    }
    for (index, dropped) in report.dropped.iter().enumerate() {
        let head = if index == 0 { "dropped" } else { "" };
        line(format!(
            "  {head:<13} {} x {}, {}",
            count(dropped.count),
            String::from_utf8_lossy(&dropped.command),
            size(dropped.bytes)
        ));
    }
    for missed in &report.not_found {
        let where_to = if report.ended_at.is_some() { "the range" } else { "the log" };
        line(format!("  {}      no {missed} in {where_to}", style.warn("look at")));
    }
    if report.before_range > 0 {
        line(format!(
            "  range         {} before its start",
            plural(report.before_range, "command")
        ));
    }
    if let Some(place) = &report.ended_at {
        line(format!("  range         ended at {}", words(place)));
    }
    if report.renamed > 0 {
        line(format!("  renamed       keys in {}", plural(report.renamed, "command")));
    }
    if report.reduced > 0 {
        line(format!("  cut down      {} over several keys", plural(report.reduced, "command")));
    }
    if let Some(place) = &report.first_straddling {
        line(format!(
            "  {}      {} over keys of which only some passed, kept as a whole; the first is {}",
            style.warn("look at"),
            plural(report.straddling, "command"),
            words(place)
        ));
    }
    if report.files.len() > 1 {
        for (index, file) in report.files.iter().enumerate() {
            let head = if index == 0 { "files" } else { "" };
            line(format!("  {head:<13} {}, {}", file.name, size(file.size_bytes)));
        }
    }
    if let Some(backup) = &report.backup {
        line(format!("  backup        {backup}"));
    }
    out.write_all(text.as_bytes()).map_err(failed)
}

fn words(place: &Place) -> String {
    format!(
        "command {} at offset {} of {}",
        count(place.command),
        place.offset,
        quoted(place.file.as_bytes()).to_string().trim_matches('"')
    )
}
