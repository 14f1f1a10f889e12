//! What a replay came to: commands, databases, digest, time.

use std::io::Write;

use serde::Serialize;

use super::json::{self, failed};
use super::table::Table;
use super::text::{Style, count, key, plural, size};
use crate::bytes::quoted;
use crate::error::Result;

/// The report of a replay; as JSON it is `rdbkit.replay/1`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ReplayReport {
    /// `rdbkit.replay/1`.
    pub schema: &'static str,
    /// The source as it was named.
    pub source: String,
    /// The server that was played.
    pub server: String,
    /// The files, in the order in which they were run.
    pub parts: Vec<ReplayPart>,
    /// Keys that came out of a snapshot.
    pub base_keys: u64,
    /// Commands that were run, MULTI and EXEC among them.
    pub commands: u64,
    /// Transactions that were run.
    pub transactions: u64,
    /// Commands that failed, as they do in a server.
    pub failed: u64,
    /// The first of them.
    pub failures: Vec<ReplayFailure>,
    /// Commands that were stepped over, by name.
    pub skipped: Vec<Skipped>,
    /// Whether the run stopped where it was told to, before the end.
    pub stopped: bool,
    /// The databases that have keys.
    pub databases: Vec<ReplayedDb>,
    /// All keys.
    pub keys: u64,
    /// Function libraries.
    pub functions: u64,
    /// DEBUG DIGEST of the keyspace.
    pub digest: String,
    /// Whose digest it is.
    pub digest_server: String,
    /// How long the run took, the digest apart.
    pub took_ms: u64,
    /// Where the keyspace was written to.
    pub saved: Option<Saved>,
}

/// A file of the source.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ReplayPart {
    /// Its path.
    pub file: String,
    /// Its size, uncompressed.
    pub size_bytes: u64,
    /// Where its tail begins that was dropped.
    pub dropped_from: Option<u64>,
}

/// A command that failed.
#[derive(Debug, Clone, Serialize)]
pub struct ReplayFailure {
    /// The file.
    pub file: String,
    /// Where the command begins.
    pub offset: u64,
    /// Its name.
    #[serde(serialize_with = "json::bytes")]
    pub command: Vec<u8>,
    /// Its first key, if it has one.
    #[serde(serialize_with = "json::optional_bytes")]
    pub key: Option<Vec<u8>>,
    /// What the server would have answered.
    pub error: String,
}

/// Commands of one name that were stepped over.
#[derive(Debug, Clone, Serialize)]
pub struct Skipped {
    /// The name, in upper case.
    #[serde(serialize_with = "json::bytes")]
    pub command: Vec<u8>,
    /// How many.
    pub count: u64,
}

/// A database after a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ReplayedDb {
    /// Its number.
    pub db: u64,
    /// Keys.
    pub keys: u64,
    /// Keys that expire.
    pub expiring: u64,
    /// Keys that have expired by now, which a server would drop when it gets to them.
    pub expired: u64,
}

/// A file that was written.
#[derive(Debug, Clone, Serialize)]
pub struct Saved {
    /// Its path.
    pub path: String,
    /// Its size.
    pub size_bytes: u64,
    /// Where the file is that it replaced.
    pub backup: Option<String>,
}

/// How many failures are shown.
const SHOWN: usize = 10;

/// Writes the report as one document.
pub fn write_json(out: &mut dyn Write, report: &ReplayReport) -> Result<()> {
    json::document(out, report)
}

/// Writes the report for the eye.
pub fn write_text(out: &mut dyn Write, report: &ReplayReport, style: Style) -> Result<()> {
    let mut text = String::new();
    let mut line = |line: String| text += &format!("{line}\n");
    line(style.bold(format!("{}, run as {}", report.source, report.server)).to_string());
    let ReplayReport { commands, transactions, base_keys, failed: wrong, .. } = report;
    if *base_keys > 0 || *commands == 0 {
        line(format!("  snapshot   {}", plural(*base_keys, "key")));
    }
    if *commands > 0 {
        let inside = if *transactions > 0 {
            format!(", {} among them", plural(*transactions, "transaction"))
        } else {
            String::new()
        };
        line(format!("  log        {}{inside}", plural(*commands, "command")));
    }
    if *wrong > 0 {
        let failed = format!("{} failed, as in a server", plural(*wrong, "command"));
        line(format!("  {}", style.warn(failed)));
        for failure in report.failures.iter().take(SHOWN) {
            let of = failure.key.as_ref().map_or(String::new(), |of| format!(" {}", key(of, 40)));
            let command = quoted(&failure.command);
            line(format!(
                "    {}:{}  {command}{of}: {}",
                failure.file, failure.offset, failure.error
            ));
        }
        if *wrong > SHOWN as u64 {
            line(format!("    and {} more", count(wrong - SHOWN as u64)));
        }
    }
    for Skipped { command, count: times } in &report.skipped {
        let words = format!("{} stepped over: {}", plural(*times, "command"), quoted(command));
        line(format!("  {}", style.warn(words)));
    }
    for part in &report.parts {
        if let Some(at) = part.dropped_from {
            let bytes = part.size_bytes - at;
            let words = format!(
                "{}: {} from offset {at} on were dropped: a command that is cut, or a transaction \
                 without its EXEC",
                part.file,
                plural(bytes, "byte")
            );
            line(format!("  {}", style.warn(words)));
        }
    }
    if report.stopped {
        line("  stopped before the end, as told".to_owned());
    }
    let mut table = Table::new(&["database", ">keys", ">expiring", ">expired by now"]);
    for db in &report.databases {
        let cells = [db.db.to_string(), count(db.keys), count(db.expiring), count(db.expired)];
        table.row(cells);
    }
    if table.is_empty() {
        line("\n  no keys".to_owned());
    } else {
        line(format!("\n{}", table.to_string().trim_end()));
    }
    if report.functions > 0 {
        line(format!("  {}", plural(report.functions, "function library")));
    }
    line(format!("\n  digest     {}  ({})", report.digest, report.digest_server));
    line(format!("  took       {}", rate(report)));
    if let Some(saved) = &report.saved {
        line(format!("  saved      {} ({})", saved.path, size(saved.size_bytes)));
        if let Some(backup) = &saved.backup {
            line(format!("             the file that was there is now {backup}"));
        }
    }
    out.write_all(text.as_bytes()).map_err(failed)
}

#[expect(clippy::cast_precision_loss, reason = "for the eye")]
fn rate(report: &ReplayReport) -> String {
    let secs = report.took_ms.max(1) as f64 / 1000.0;
    let bytes: u64 = report.parts.iter().map(|part| part.size_bytes).sum();
    let per_sec = |n: u64| (n as f64 / secs) as u64;
    let what = if report.commands > 0 {
        format!("{} a second", plural(per_sec(report.commands), "command"))
    } else {
        format!("{} a second", plural(per_sec(report.base_keys), "key"))
    };
    format!("{secs:.2} s: {what}, {} a second", size(per_sec(bytes)))
}
