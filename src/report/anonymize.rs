//! What was made anonymous, as text and as JSON (`rdbkit.anonymize/1`).

use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;

use super::convert::Ran;
use super::filtered::left_out_by_filters;
use super::json::{self, failed};
use super::text::{Style, count, plural, size};
use crate::bytes::PathName as _;
use crate::error::Result;

/// What was written, and what left out because it may hold secrets.
#[derive(Debug, Clone, Serialize)]
pub struct AnonymizeReport {
    /// `rdbkit.anonymize/1`.
    pub schema: &'static str,
    /// The source as it was named.
    pub source: String,
    /// How the log ran, if the keys are those of a log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ran: Option<Ran>,
    /// The output.
    #[serde(serialize_with = "json::path")]
    pub output: PathBuf,
    /// Whom it is written for.
    pub target: String,
    /// Magic and version that this server writes.
    pub target_version: String,
    /// Keys in the source.
    pub keys_read: u64,
    /// Keys in the output.
    pub keys_written: u64,
    /// Keys left out by filters; `None` without such.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filtered: Option<u64>,
    /// Keys whose value is a module's.
    pub modules_left_out: u64,
    /// Keys that are there without the metadata that modules attached to them.
    pub metadata_left_out: u64,
    /// Function libraries.
    pub functions_left_out: u64,
    /// What modules remember besides their keys.
    pub module_aux_left_out: u64,
    /// Size of the output.
    pub size_bytes: u64,
}

/// Writes the report for a human's eye.
pub fn write_text(out: &mut dyn Write, report: &AnonymizeReport, style: Style) -> Result<()> {
    let AnonymizeReport { source, target, target_version, .. } = report;
    let head = format!("{}: {source} without its content", report.output.shown());
    let mut text = format!("{}\n", style.bold(head));
    text += &format!("  format     {target_version}, for {target}\n");
    let mut keys = plural(report.keys_written, "key");
    if report.keys_written != report.keys_read {
        keys += &format!(" of {}", count(report.keys_read));
    }
    if let Some(filtered) = report.filtered {
        keys += &left_out_by_filters(filtered);
    }
    text += &format!("  keys       {keys}, {}\n", size(report.size_bytes));
    let left_out = [
        (report.functions_left_out, "function library", "--keep-functions"),
        (report.modules_left_out, "value of a module", "--keep-modules"),
        (report.metadata_left_out, "metadata of a key", "--keep-modules"),
        (report.module_aux_left_out, "module's own data", "--keep-modules"),
    ];
    for (number, what, option) in left_out.into_iter().filter(|(number, ..)| *number > 0) {
        text += &format!(
            "  left out   {} ({what}): may hold secrets; {option} keeps it\n",
            count(number)
        );
    }
    out.write_all(text.as_bytes()).map_err(failed)
}

/// Writes the report as one document, `rdbkit.anonymize/1`.
pub fn write_json(out: &mut dyn Write, report: &AnonymizeReport) -> Result<()> {
    json::document(out, report)
}
