//! What a split came to, as text and as JSON (`rdbkit.split/1`).

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

/// What was split, and into what.
#[derive(Debug, Clone, Serialize)]
pub struct SplitReport {
    /// `rdbkit.split/1`.
    pub schema: &'static str,
    /// The source as it was named.
    pub source: String,
    /// How the log ran, if the keys are those of a log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ran: Option<Ran>,
    /// The directory.
    #[serde(serialize_with = "json::path")]
    pub output: PathBuf,
    /// By what: `slots`, `database`, `type` or `prefix`.
    pub by: &'static str,
    /// Whom the parts are written for.
    pub target: String,
    /// Magic and version that this server writes.
    pub target_version: String,
    /// Keys in the source.
    pub keys_read: u64,
    /// Keys in the parts.
    pub keys_written: u64,
    /// Keys left out by filters; `None` without such.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filtered: Option<u64>,
    /// Where the parts are for nodes: keys in other databases than 0, which nodes do not load.
    #[serde(skip_serializing_if = "is_zero")]
    pub keys_beyond_db_0: u64,
    /// Function libraries, which every part has.
    pub functions: u64,
    /// The parts.
    pub parts: Vec<PartReport>,
    /// What the parts do not hold.
    pub losses: Vec<Lost>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A part.
#[derive(Debug, Clone, Serialize)]
pub struct PartReport {
    /// The name of its file in the directory.
    pub file: String,
    /// What is in it, in words.
    pub part: String,
    /// Whether it has what belongs to no part that was asked for.
    pub is_rest: bool,
    /// Its keys.
    pub keys: u64,
    /// Its size.
    pub size_bytes: u64,
}

impl SplitReport {
    /// The part with what belongs to no part that was asked for, if there is such.
    pub fn rest(&self) -> Option<&PartReport> {
        self.parts.iter().find(|part| part.is_rest)
    }
}

/// The report as the bytes of a file.
pub(crate) fn manifest(report: &SplitReport) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    json::document(&mut bytes, report)?;
    Ok(bytes)
}

/// Writes the report for a human's eye.
pub fn write_text(out: &mut dyn Write, report: &SplitReport, style: Style) -> Result<()> {
    let SplitReport { source, target, by, .. } = report;
    let parts = plural(report.parts.len() as u64, "part");
    let head = format!("{}: {source} by {by}, {parts} for {target}", report.output.shown());
    let mut text = format!("{}\n", style.bold(head));
    let width = report.parts.iter().map(|part| part.file.len()).max().unwrap_or(0);
    for part in &report.parts {
        let keys = count(part.keys).to_string();
        let size = size(part.size_bytes).to_string();
        let unit = if part.keys == 1 { "key " } else { "keys" };
        text += &format!("  {:<width$}  {keys:>12} {unit}  {size:>11}  {}\n", part.file, part.part);
    }
    let mut keys = plural(report.keys_written, "key");
    if report.keys_written != report.keys_read {
        keys += &format!(" of {}", count(report.keys_read));
    }
    if let Some(filtered) = report.filtered {
        keys += &left_out_by_filters(filtered);
    }
    text += &format!("  {keys}");
    if report.functions > 0 {
        text += &format!(", {} in every part", plural(report.functions, "function library"));
    }
    text += "\n";
    text += &losses_text(&report.losses, style);
    if report.keys_beyond_db_0 > 0 {
        let keys = plural(report.keys_beyond_db_0, "key");
        let why = style.bad("a node has no other unless it is told to, and refuses the file");
        text += &format!("  {keys} in other databases than 0: {why}; --db 0 leaves them out\n");
    }
    if let Some(rest) = report.rest() {
        let why = style.bad("their slots belong to no part");
        text += &format!("  {} of {}: {why}\n", rest.file, plural(rest.keys, "key"));
    }
    out.write_all(text.as_bytes()).map_err(failed)
}

/// Writes the report as one document, `rdbkit.split/1`.
pub fn write_json(out: &mut dyn Write, report: &SplitReport) -> Result<()> {
    json::document(out, report)
}
