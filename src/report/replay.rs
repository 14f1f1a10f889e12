//! What a replay came to: commands, databases, digest, time.

#[cfg(feature = "cli")]
mod text;

use std::io::Write;

use serde::Serialize;

use super::filtered::FilteredFrom;
use super::json;
use crate::error::Result;
#[cfg(feature = "cli")]
pub use text::write_text;

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
    /// Whether a snapshot was loaded.
    #[serde(skip)]
    pub has_snapshot: bool,
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
    /// All keys that pass the filters.
    pub keys: u64,
    /// Function libraries.
    pub functions: u64,
    /// All keys that were there, where a filter chose those that the report is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filtered_from: Option<FilteredFrom>,
    /// DEBUG DIGEST of the keys.
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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

/// Writes the report as one document.
pub fn write_json(out: &mut dyn Write, report: &ReplayReport) -> Result<()> {
    json::document(out, report)
}
