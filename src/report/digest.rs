//! Digests: a line for each source or key, as tools for checksums write them, or a JSON object.

use std::io::Write;

use serde::Serialize;

use super::filtered::FilteredFrom;
use super::json::{self, failed, push_bytes};
use crate::bytes::quoted;
use crate::error::Result;

/// The digest of a source as JSON, `rdbkit.digest/1`.
#[derive(Debug, Clone, Serialize)]
pub struct DigestLine<'a> {
    /// `rdbkit.digest/1`.
    pub schema: &'static str,
    /// The source.
    pub source: &'a str,
    /// Hexadecimal digits.
    pub digest: &'a str,
    /// Whose digest it is: `redis:8.10`, or `full` for our own.
    pub server: &'a str,
    /// Keys in it.
    pub keys: u64,
    /// Keys left out because they had expired.
    pub expired: u64,
    /// Keys left out because they hold nothing.
    pub empty: u64,
    /// Keys of modules whose part in a server's digest cannot be known.
    pub uncovered: u64,
    /// All the keys of the source, where a filter chose among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filtered_from: Option<FilteredFrom>,
}

/// Writes `<hex>  <source>`.
pub fn write_line(out: &mut dyn Write, digest: &str, source: &str) -> Result<()> {
    writeln!(out, "{digest}  {source}").map_err(failed)
}

/// Writes the digest of a source as JSON on one line.
pub fn write_json(out: &mut dyn Write, line: &DigestLine<'_>) -> Result<()> {
    json::line(out, line)
}

/// Writes `<hex>  <db>  "<key>"`.
pub fn write_key(out: &mut dyn Write, digest: &str, db: u64, key: &[u8]) -> Result<()> {
    writeln!(out, "{digest}  {db}  {}", quoted(key)).map_err(failed)
}

/// Writes the digest of a key as JSON on one line, `rdbkit.digest-value/1`.
pub fn write_key_json(
    out: &mut dyn Write,
    source: &str,
    digest: &str,
    db: u64,
    key: &[u8],
) -> Result<()> {
    let mut line = Vec::with_capacity(128 + key.len());
    line.extend_from_slice(b"{\"schema\":\"rdbkit.digest-value/1\",\"source\":");
    push_bytes(&mut line, source.as_bytes());
    line.extend_from_slice(format!(",\"db\":{db},\"key\":").as_bytes());
    push_bytes(&mut line, key);
    line.extend_from_slice(format!(",\"digest\":\"{digest}\"}}\n").as_bytes());
    out.write_all(&line).map_err(failed)
}
