//! What a conversion came to, as text and as JSON (`rdbkit.convert/1`).

use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;

use super::failures::ran_alone;
use super::filtered::left_out_by_filters;
use super::json::{self, failed};
use super::losses::{Lost, losses_text};
use super::replay::ReplayFailure;
use super::text::{Style, count, plural, size};
use crate::bytes::PathName as _;
use crate::error::Result;

/// What was written, and what not.
#[derive(Debug, Clone)]
pub struct ConvertReport {
    /// The source as it was named.
    pub source: String,
    /// Magic and version of its snapshot.
    pub source_version: String,
    /// How the log ran, if the keys are those of a log.
    pub ran: Option<Ran>,
    /// The manifest of the log that the source is only one part of.
    pub part_of: Option<PathBuf>,
    /// Where the files are that were replaced, if they were the source.
    pub backup: Option<PathBuf>,
    /// The output.
    pub output: PathBuf,
    /// What it is, in words.
    pub form: &'static str,
    /// Whom it is written for.
    pub target: String,
    /// Magic and version that this server writes.
    pub target_version: String,
    /// Keys in the source.
    pub keys_read: u64,
    /// Keys in the output.
    pub keys_written: u64,
    /// Keys left out by filters; `None` without such.
    pub filtered: Option<u64>,
    /// Keys left out because they had expired.
    pub expired: u64,
    /// Values that are in the output as they were in the source.
    pub copied: u64,
    /// Values that were built of lines of NDJSON.
    pub built: u64,
    /// Values that were read and written anew.
    pub anew: Vec<Written>,
    /// Function libraries.
    pub functions: u64,
    /// Size of the source, compressed as it is; `None` for a pipe.
    pub bytes_read: Option<u64>,
    /// Size of the output.
    pub bytes_written: u64,
    /// The files of a directory, with their sizes.
    pub files: Vec<(String, u64)>,
    /// Where a snapshot without a checksum became another one: whether that has one.
    pub unsigned: Option<Unsigned>,
    /// What the output does not hold.
    pub losses: Vec<Lost>,
}

/// What became of a snapshot without a checksum (`rdbchecksum no`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Unsigned {
    /// The output has none either.
    #[serde(rename = "none")]
    Kept,
    /// The output has one.
    #[serde(rename = "added")]
    Signed,
}

/// How the log of a source ran.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Ran {
    /// Commands that were run.
    pub commands: u64,
    /// Commands among them that failed, as they do in the server that was played.
    pub failed: u64,
    /// The first of them.
    pub failures: Vec<ReplayFailure>,
    /// The server that was played, where it is not known to be the one that wrote the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub played: Option<String>,
    /// Commands besides that are not known and were stepped over.
    pub skipped: u64,
    /// The file and the offset from which on its tail was dropped.
    pub dropped_from: Option<(String, u64)>,
}

/// Values that changed their type on disk, or were written anew in the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Written {
    /// The type in the source.
    pub from: &'static str,
    /// The type in the output.
    pub to: &'static str,
    /// How many.
    pub keys: u64,
}

/// Writes the report for a human's eye.
pub fn write_text(out: &mut dyn Write, report: &ConvertReport, style: Style) -> Result<()> {
    let ConvertReport { source, source_version, target, target_version, .. } = report;
    let head = format!("{}: {} for {target}", report.output.shown(), report.form);
    let mut text = format!("{}\n", style.bold(head));
    let mut line = |name: &str, value: String| {
        text += &format!("  {name:<10} {value}\n");
    };
    line("format", format!("{source_version} to {target_version}, from {source}"));
    if let Some(manifest) = &report.part_of {
        line("", style.warn(ran_alone(manifest.shown())).to_string());
    }
    let read = report.bytes_read.map_or_else(|| "a pipe".into(), |bytes| size(bytes).to_string());
    line("size", format!("{read} to {}", size(report.bytes_written)));
    let mut keys = plural(report.keys_written, "key");
    if report.keys_written != report.keys_read {
        keys += &format!(" of {}", count(report.keys_read));
    }
    if let Some(filtered) = report.filtered {
        keys += &left_out_by_filters(filtered);
    }
    if report.expired > 0 {
        keys += &format!(", {} expired", count(report.expired));
    }
    line("keys", keys);
    if report.functions > 0 {
        line("functions", plural(report.functions, "library"));
    }
    if report.copied > 0 {
        line("copied", plural(report.copied, "value"));
    }
    if report.built > 0 {
        line("built", plural(report.built, "value"));
    }
    for Written { from, to, keys } in &report.anew {
        line("anew", format!("{} {from} as {to}", count(*keys)));
    }
    match report.unsigned {
        Some(Unsigned::Kept) => {
            line("checksum", "none, as in the source; --checksum writes one".into());
        }
        Some(Unsigned::Signed) => line("checksum", "added: the source has none".into()),
        None => {}
    }
    for (name, bytes) in &report.files {
        line("file", format!("{name}, {}", size(*bytes)));
    }
    text += &losses_text(&report.losses, style);
    out.write_all(text.as_bytes()).map_err(failed)
}

/// Writes the report as one document, `rdbkit.convert/1`.
pub fn write_json(out: &mut dyn Write, report: &ConvertReport) -> Result<()> {
    json::document(
        out,
        &Document {
            schema: "rdbkit.convert/1",
            source: &report.source,
            source_version: &report.source_version,
            part_of: report.part_of.as_ref().map(|manifest| manifest.shown().to_string()),
            ran: report.ran.as_ref(),
            output: report.output.shown().to_string(),
            form: report.form,
            target: &report.target,
            target_version: &report.target_version,
            keys_read: report.keys_read,
            keys_written: report.keys_written,
            filtered: report.filtered,
            expired: report.expired,
            copied: report.copied,
            built: Some(report.built).filter(|&values| values > 0),
            anew: &report.anew,
            functions: report.functions,
            bytes_read: report.bytes_read,
            bytes_written: report.bytes_written,
            checksum: report.unsigned,
            files: report
                .files
                .iter()
                .map(|(file, size_bytes)| File { file, size_bytes: *size_bytes })
                .collect(),
            losses: &report.losses,
        },
    )
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    source: &'a str,
    source_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    part_of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ran: Option<&'a Ran>,
    output: String,
    form: &'a str,
    target: &'a str,
    target_version: &'a str,
    keys_read: u64,
    keys_written: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    filtered: Option<u64>,
    expired: u64,
    copied: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    built: Option<u64>,
    anew: &'a [Written],
    functions: u64,
    bytes_read: Option<u64>,
    bytes_written: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    checksum: Option<Unsigned>,
    files: Vec<File<'a>>,
    losses: &'a [Lost],
}

#[derive(Serialize)]
struct File<'a> {
    file: &'a str,
    size_bytes: u64,
}
