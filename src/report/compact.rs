//! What a compaction came to: sizes before and after, and the proof.

use std::io::Write;

use serde::Serialize;

use super::failures::{as_where, failure_text, ran_alone};
use super::filtered::left_out_by_filters;
use super::json::{self, failed};
use super::losses::{Lost, losses_text};
use super::replay::ReplayFailure;
use super::text::{Style, agreeing, count, percent, plural, size};
use crate::error::Result;

/// The report of a compaction; as JSON it is `rdbkit.compact/1`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CompactReport {
    /// `rdbkit.compact/1`.
    pub schema: &'static str,
    /// The source as it was named.
    pub source: String,
    /// The output.
    pub output: String,
    /// What it is, in words.
    pub form: &'static str,
    /// Whom it is written for.
    pub server: String,
    /// Whether nothing said which server that is.
    pub server_is_guess: bool,
    /// The manifest of the log that the source is only one part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part_of: Option<String>,
    /// Commands that were run.
    pub commands: u64,
    /// Commands among them that failed, as they do in the server that was played.
    pub failed: u64,
    /// The first of them.
    pub failures: Vec<ReplayFailure>,
    /// The server that was played, where it is not known to be the one that wrote the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub played: Option<String>,
    /// Commands that were stepped over.
    pub skipped: u64,
    /// Keys in the output.
    pub keys: u64,
    /// Keys left out by filters; `None` without such.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filtered: Option<u64>,
    /// Size of the source, uncompressed.
    pub read_bytes: u64,
    /// Size of the output.
    pub written_bytes: u64,
    /// The file and the offset from which on its tail was dropped.
    pub dropped_from: Option<(String, u64)>,
    /// How much the source has grown while it was read; that is not in the output.
    pub grown_bytes: u64,
    /// Whether the output was read back, and found to hold the keyspace.
    pub proved: bool,
    /// Keys among them that no command had touched, and that were found to lie in the output byte by
    /// byte as in the base; the others were held against their digest.
    pub copied_keys: u64,
    /// The digest of the keyspace and of the output that was read back, which are the same: our full
    /// one if it was asked for, and the servers' where commands were written.
    pub digest: Option<String>,
    /// What the output cannot hold.
    pub losses: Vec<Lost>,
    /// The files of a directory.
    pub files: Vec<String>,
    /// Where the source is that was replaced.
    pub backup: Option<String>,
}

/// Writes the report as one document.
pub fn write_json(out: &mut dyn Write, report: &CompactReport) -> Result<()> {
    json::document(out, report)
}

/// Writes the report for the eye.
pub fn write_text(out: &mut dyn Write, report: &CompactReport, style: Style) -> Result<()> {
    let mut text = String::new();
    let mut line = |line: String| text += &format!("{line}\n");
    let CompactReport { read_bytes, written_bytes, .. } = report;
    line(style.bold(format!("{} -> {}", report.source, report.output)).to_string());
    let guess = match report.server_is_guess {
        true => ": the log does not say which server wrote it; --target NAME:VERSION",
        false => "",
    };
    line(format!("  written    {} for {}{guess}", report.form, report.server));
    line(format!("  log        {}", plural(report.commands, "command")));
    if let Some(manifest) = &report.part_of {
        line(format!("             {}", style.warn(ran_alone(manifest))));
    }
    if report.failed > 0 {
        let commands = plural(report.failed, "command");
        let words = format!("{commands} failed, {}", as_where(report.played.as_deref()));
        line(format!("             {}", style.warn(words)));
        for failure in &report.failures {
            line(format!("             {}", failure_text(failure)));
        }
        let more = report.failed.saturating_sub(report.failures.len() as u64);
        if more > 0 {
            line(format!("             and {} more; `rdbkit replay` lists them", count(more)));
        }
    }
    if report.skipped > 0 {
        let were = agreeing(report.skipped, "was", "were");
        let words = format!("{} {were} stepped over", plural(report.skipped, "command"));
        line(format!("             {}", style.warn(words)));
    }
    let filtered = report.filtered.map(left_out_by_filters).unwrap_or_default();
    line(format!("  keys       {}{filtered}", plural(report.keys, "key")));
    line(format!(
        "  size       {} before, {} after: {} of it",
        size(*read_bytes),
        size(*written_bytes),
        percent(*written_bytes, *read_bytes)
    ));
    if let Some((file, at)) = &report.dropped_from {
        let words = format!(
            "{file} ends in a command that is cut or a transaction without its EXEC: what stands \
             from offset {at} on is not in the output"
        );
        line(format!("  {}", style.warn(words)));
    }
    if report.grown_bytes > 0 {
        let words = format!(
            "the source has grown by {} meanwhile, so a server writes it: that is not in the output",
            plural(report.grown_bytes, "byte")
        );
        line(format!("  {}", style.warn(words)));
    }
    let copied = plural(report.copied_keys, "key");
    match &report.digest {
        Some(digest) => {
            line(format!("  proof      read back, and the same: {digest}"));
        }
        None if report.proved && report.copied_keys == 0 => {
            line("  proof      read back, and the same".to_owned());
        }
        None if report.proved => {
            line(format!("  proof      read back, and the same: {copied} byte by byte as in the"));
            line("             base, the others by their digest".to_owned());
        }
        None => line("  proof      none: what goes to a pipe cannot be read back".to_owned()),
    }
    if let Some(backup) = &report.backup {
        line(format!("  backup     {backup}"));
    }
    text += &losses_text(&report.losses, style);
    out.write_all(text.as_bytes()).map_err(failed)
}
