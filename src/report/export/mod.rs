//! What an export writes for a key (`rdbkit.export/1`), and what it came to
//! (`rdbkit.export-report/1`).

pub(crate) mod elements;
mod line;
#[cfg(feature = "parquet")]
pub(crate) mod parquet;
pub(crate) mod rdbtools;
pub(crate) mod read;
pub(crate) mod row;
pub(crate) mod table;

use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;

use super::convert::Ran;
use super::json::{self, failed};
use super::losses::{Lost, losses_text};
use super::text::{Style, count, plural, size};
use crate::bytes::PathName as _;
use crate::error::Result;

/// What was exported.
#[derive(Debug, Clone)]
pub struct ExportReport {
    /// The source as it was named.
    pub source: String,
    /// How the log ran, if the keys are those of a log.
    pub ran: Option<Ran>,
    /// The output.
    pub output: PathBuf,
    /// What it is, in words.
    pub form: &'static str,
    /// Keys in the source.
    pub keys_read: u64,
    /// Keys in the output.
    pub keys_written: u64,
    /// Rows of a table; objects or commands are not counted.
    pub rows: Option<u64>,
    /// Function libraries in the output.
    pub functions: u64,
    /// Function libraries that a table has no place for.
    pub functions_left_out: u64,
    /// Size of the source, compressed as it is; `None` for a pipe.
    pub bytes_read: Option<u64>,
    /// Size of the output.
    pub bytes_written: u64,
    /// The tables of a directory.
    pub files: Vec<ExportedFile>,
    /// What the output does not hold: of commands, for the server that they are for.
    pub losses: Vec<Lost>,
}

/// A table of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExportedFile {
    /// Its name.
    pub file: String,
    /// The keys in it.
    pub keys: u64,
    /// Its rows.
    pub rows: u64,
    /// Its size.
    pub size_bytes: u64,
}

impl ExportReport {
    /// One that says where it is from and what it is, and nothing else yet.
    pub(crate) fn new(source: &str, form: &'static str) -> Self {
        ExportReport {
            source: source.to_owned(),
            ran: None,
            output: PathBuf::new(),
            form,
            keys_read: 0,
            keys_written: 0,
            rows: None,
            functions: 0,
            functions_left_out: 0,
            bytes_read: None,
            bytes_written: 0,
            files: Vec::new(),
            losses: Vec::new(),
        }
    }
}

/// The report as the bytes of a file.
#[cfg(feature = "parquet")]
pub(crate) fn manifest(report: &ExportReport) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write_json(&mut bytes, report)?;
    Ok(bytes)
}

/// Writes the report for a human's eye.
pub fn write_text(out: &mut dyn Write, report: &ExportReport, style: Style) -> Result<()> {
    let head = format!("{}: {} of {}", report.output.shown(), report.form, report.source);
    let mut text = format!("{}\n", style.bold(head));
    let mut line = |name: &str, value: String| text += &format!("  {name:<10} {value}\n");
    let read = report.bytes_read.map_or_else(|| "a pipe".into(), |bytes| size(bytes).to_string());
    line("size", format!("{read} to {}", size(report.bytes_written)));
    let mut keys = plural(report.keys_written, "key");
    if report.keys_written != report.keys_read {
        keys += &format!(" of {}", count(report.keys_read));
    }
    line("keys", keys);
    if let Some(rows) = report.rows {
        line("rows", count(rows).to_string());
    }
    for ExportedFile { file, keys, rows, size_bytes } in &report.files {
        let (keys, rows) = (plural(*keys, "key"), plural(*rows, "row"));
        line("file", format!("{file}: {keys}, {rows}, {}", size(*size_bytes)));
    }
    if report.functions > 0 {
        line("functions", plural(report.functions, "library"));
    }
    if report.functions_left_out > 0 {
        let libraries = plural(report.functions_left_out, "library");
        line("functions", format!("{libraries} left out: a table has no place for them"));
    }
    text += &losses_text(&report.losses, style);
    out.write_all(text.as_bytes()).map_err(failed)
}

/// Writes the report as one document, `rdbkit.export-report/1`.
pub fn write_json(out: &mut dyn Write, report: &ExportReport) -> Result<()> {
    #[derive(Serialize)]
    struct Document<'a> {
        schema: &'static str,
        source: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        ran: Option<&'a Ran>,
        output: String,
        form: &'a str,
        keys_read: u64,
        keys_written: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        rows: Option<u64>,
        functions: u64,
        #[serde(skip_serializing_if = "is_zero")]
        functions_left_out: u64,
        bytes_read: Option<u64>,
        bytes_written: u64,
        #[serde(skip_serializing_if = "<[ExportedFile]>::is_empty")]
        files: &'a [ExportedFile],
        losses: &'a [Lost],
    }
    json::document(
        out,
        &Document {
            schema: "rdbkit.export-report/1",
            source: &report.source,
            ran: report.ran.as_ref(),
            output: report.output.shown().to_string(),
            form: report.form,
            keys_read: report.keys_read,
            keys_written: report.keys_written,
            rows: report.rows,
            functions: report.functions,
            functions_left_out: report.functions_left_out,
            bytes_read: report.bytes_read,
            bytes_written: report.bytes_written,
            files: &report.files,
            losses: &report.losses,
        },
    )
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}
