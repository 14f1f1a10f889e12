//! What a merge came to, as text and as JSON (`rdbkit.merge/1`).

use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;

use super::convert::Ran;
use super::filtered::left_out_by_filters;
use super::json::{self, failed};
use super::losses::{Lost, losses_text};
use super::text::{Style, count, plural, size};
use crate::bytes::PathName as _;
use crate::error::Result;

/// What was merged.
#[derive(Debug, Clone, Serialize)]
pub struct MergeReport {
    /// `rdbkit.merge/1`.
    pub schema: &'static str,
    /// The output.
    #[serde(serialize_with = "json::path")]
    pub output: PathBuf,
    /// What it is, in words.
    pub form: &'static str,
    /// Whom it is written for.
    pub target: String,
    /// Magic and version that this server writes.
    pub target_version: String,
    /// The sources, in the order of the keys.
    pub sources: Vec<MergedSource>,
    /// Keys that were in more than one source.
    pub conflicts: u64,
    /// Keys in the output.
    pub keys_written: u64,
    /// Values that are in the output as they were in the source.
    pub copied: u64,
    /// Function libraries in the output.
    pub functions: u64,
    /// Size of the output.
    pub size_bytes: u64,
    /// The files of a directory.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<MergedFile>,
    /// What the output does not hold.
    pub losses: Vec<Lost>,
}

/// A file of the output.
#[derive(Debug, Clone, Serialize)]
pub struct MergedFile {
    /// Its name.
    pub file: String,
    /// Its size.
    pub size_bytes: u64,
}

/// A source of a merge.
#[derive(Debug, Clone, Serialize)]
pub struct MergedSource {
    /// Its name.
    pub source: String,
    /// How its log ran, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ran: Option<Ran>,
    /// Magic and version of its snapshot.
    pub source_version: String,
    /// When it was written, unix time in seconds.
    pub written_secs: u64,
    /// Its keys.
    pub keys_read: u64,
    /// Those that are in the output.
    pub keys_written: u64,
    /// Those that another source has, too, and that lost to it.
    pub keys_lost: u64,
    /// Those that filters leave out; `None` without such.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filtered: Option<u64>,
    /// Its size, compressed as it is; `None` for a pipe.
    pub size_bytes: Option<u64>,
}

/// Writes the report for a human's eye.
pub fn write_text(out: &mut dyn Write, report: &MergeReport, style: Style) -> Result<()> {
    let sources = plural(report.sources.len() as u64, "source");
    let target = &report.target;
    // A snapshot is what everybody expects.
    let whom = match report.form {
        "RDB snapshot" => format!("for {target}"),
        form => format!("as an {form}, for {target}"),
    };
    let head = format!("{}: {sources} {whom}", report.output.shown());
    let mut text = format!("{}\n", style.bold(head));
    let width = report.sources.iter().map(|one| one.source.len()).max().unwrap_or(0);
    for one in &report.sources {
        let MergedSource { source, keys_read, keys_written, keys_lost, .. } = one;
        let unit = if *keys_written == 1 { "key" } else { "keys" };
        text += &format!("  {source:<width$}  {:>12} {unit}", count(*keys_written).to_string());
        if keys_written != keys_read {
            text += &format!(" of {}", count(*keys_read));
        }
        if let Some(filtered) = one.filtered {
            text += &left_out_by_filters(filtered);
        }
        if *keys_lost > 0 {
            text += &format!(", {} taken from another source", count(*keys_lost));
        }
        text += "\n";
    }
    let keys = plural(report.keys_written, "key");
    text += &format!("  {keys}, {} copied", plural(report.copied, "value"));
    if report.conflicts > 0 {
        text += &format!(", {} in several sources", count(report.conflicts));
    }
    if report.functions > 0 {
        text += &format!(", {}", plural(report.functions, "function library"));
    }
    text += &format!(", {}\n", size(report.size_bytes));
    for MergedFile { file, size_bytes } in &report.files {
        text += &format!("  {file}, {}\n", size(*size_bytes));
    }
    text += &losses_text(&report.losses, style);
    out.write_all(text.as_bytes()).map_err(failed)
}

/// Writes the report as one document, `rdbkit.merge/1`.
pub fn write_json(out: &mut dyn Write, report: &MergeReport) -> Result<()> {
    json::document(out, report)
}
