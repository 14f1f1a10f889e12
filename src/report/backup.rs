//! Backups: what was taken from a live server, and where it is.
//!
//! The text beside each backup is the same as the JSON of the report.

use std::io::Write;

use serde::{Deserialize, Serialize};

use super::json::{self, failed};
use super::text::{Style, count, instant, plural, size};
use crate::error::Result;

/// The schema of a backup.
pub const SCHEMA: &str = "rdbkit.backup/1";
/// The schema of the functions beside it.
pub const FUNCTIONS_SCHEMA: &str = "rdbkit.functions/1";

/// A snapshot that was taken; as JSON it is `rdbkit.backup/1`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Backup {
    /// `rdbkit.backup/1`.
    pub schema: String,
    /// The file, without its directory.
    pub file: String,
    /// When the server was asked for it, in RFC 3339.
    pub taken_at: String,
    /// How long it took until all was on disk, in milliseconds.
    pub took_ms: u64,
    /// The server.
    pub server: ServerFacts,
    /// The point of the replication stream that it is of.
    pub replication: Replication,
    /// The version of its format, as its magic says it: `REDIS0011`, `VALKEY080`.
    pub format: String,
    /// Size of the file in bytes.
    pub size_bytes: u64,
    /// SHA-256 of the file, as `sha256sum` prints it.
    pub sha256: String,
    /// `zstd`, `gzip`, or nothing.
    pub compression: Option<String>,
    /// Size of the snapshot, uncompressed.
    pub snapshot_bytes: u64,
    /// Keys in it.
    pub keys: u64,
    /// Keys by database.
    pub databases: Vec<DatabaseKeys>,
    /// Names of the function libraries in it.
    pub functions: Vec<String>,
    /// What a server of the same kind that has loaded it answers to DEBUG DIGEST.
    pub digest: Option<Digest>,
    /// What was checked while it came.
    pub check: Checked,
}

/// The server that a backup is of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerFacts {
    /// Its URL, without the password.
    pub url: String,
    /// `redis`, `valkey`, `redict`; nothing where it did not tell.
    pub product: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Its run id.
    pub run_id: Option<String>,
    /// `master` or `replica`.
    pub role: Option<String>,
    /// Whether it is a node of a Cluster, and so the backup has a part of the keys.
    pub cluster_node: bool,
    /// Of a node of a Cluster: the slots it serves, as `0-5460`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slots: Vec<String>,
}

/// A point of a replication stream.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Replication {
    /// The replication id.
    pub id: String,
    /// The offset.
    pub offset: u64,
}

/// Keys of a database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatabaseKeys {
    /// The database.
    pub db: u64,
    /// Keys in it.
    pub keys: u64,
}

/// A digest, and by whose rules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Digest {
    /// For `rdbkit digest --server`.
    pub server: String,
    /// Forty hexadecimal digits.
    pub value: String,
    /// Keys of modules, which it does not cover.
    pub uncovered: u64,
}

/// What was checked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Checked {
    /// How deep, in words.
    pub depth: String,
    /// What became of the checksum of the snapshot, in words.
    pub checksum: String,
    /// Findings that are errors; a backup that has any is not kept.
    pub errors: u64,
    /// Findings that are none.
    pub warnings: u64,
}

/// A function library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Library {
    /// Its name.
    pub name: String,
    /// What runs it.
    pub engine: String,
    /// All of it, for FUNCTION LOAD.
    #[serde(serialize_with = "json::bytes")]
    pub code: Vec<u8>,
}

/// The functions of a backup; as JSON it is `rdbkit.functions/1`.
#[derive(Debug, Clone, Serialize)]
pub struct Functions<'a> {
    /// `rdbkit.functions/1`.
    pub schema: &'static str,
    /// The backup that has them too.
    pub file: &'a str,
    /// One for each library.
    pub libraries: &'a [Library],
}

/// Writes a backup as one document.
pub fn write_json(out: &mut dyn Write, backup: &Backup) -> Result<()> {
    json::document(out, backup)
}

/// Writes the functions of a backup as one document.
pub fn write_functions(out: &mut dyn Write, functions: &Functions<'_>) -> Result<()> {
    json::document(out, functions)
}

/// Writes a backup for the eye; `path` is where it is, `removed` what went for it.
pub fn write_text(
    out: &mut dyn Write,
    backup: &Backup,
    path: &str,
    removed: &[String],
    style: Style,
) -> Result<()> {
    let mut text = String::new();
    let mut line = |line: String| text += &format!("{line}\n");
    let Backup { server, replication, check, .. } = backup;
    let who = match (&server.product, &server.version) {
        (Some(product), Some(version)) => format!("{product} {version}"),
        _ => "a server that does not say what it is".to_owned(),
    };
    line(style.bold(format!("{} -> {path}", server.url)).to_string());
    let role = server.role.as_deref().map(|role| format!(", {role}")).unwrap_or_default();
    line(format!("  server     {who}{role}"));
    if server.cluster_node {
        let slots = match server.slots.as_slice() {
            [] => "its slots only".to_owned(),
            slots => format!("slots {}", slots.join(" ")),
        };
        line(format!("  cluster    {slots}"));
    }
    line(format!("  point      {} at offset {}", replication.id, count(replication.offset)));
    let packed = match &backup.compression {
        Some(name) => format!("{} under {name}, ", size(backup.size_bytes)),
        None => String::new(),
    };
    line(format!("  size       {packed}{} of {}", size(backup.snapshot_bytes), backup.format));
    let libraries = match backup.functions.len() {
        0 => String::new(),
        n => format!(", {} function {}", n, if n == 1 { "library" } else { "libraries" }),
    };
    let databases = plural(backup.databases.len() as u64, "database");
    line(format!("  keys       {} in {databases}{libraries}", count(backup.keys)));
    let sound = style.good("sound");
    let warned = match check.warnings {
        0 => String::new(),
        n => format!("; {}: `rdbkit check` lists them", plural(n, "warning")),
    };
    // The sum itself is in the text beside it.
    let checksum = if check.checksum.ends_with("matches") { "matches" } else { &check.checksum };
    line(format!("  check      {sound}, {} looked into, checksum {checksum}{warned}", check.depth));
    line(format!("  sha256     {}", backup.sha256));
    if let Some(digest) = &backup.digest {
        line(format!("  digest     {} ({})", digest.value, digest.server));
    }
    for name in removed {
        line(format!("  removed    {name}"));
    }
    out.write_all(text.as_bytes()).map_err(failed)
}

/// What following a server came to; as JSON it is `rdbkit.follow/1`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Followed {
    /// `rdbkit.follow/1`.
    pub schema: &'static str,
    /// The directory.
    pub directory: String,
    /// The server's URL, without the password.
    pub server: String,
    /// Where it stands, all of it on disk.
    pub replication: Replication,
    /// Commands that were written.
    pub commands: u64,
    /// Bytes of the log that was written on.
    pub size_bytes: u64,
    /// Whole snapshots that were taken.
    pub snapshots: u64,
    /// How often the connection was made anew and the stream went on where it was left.
    pub reconnects: u64,
    /// When the last command came, in milliseconds of unix time.
    pub last_ms: Option<i64>,
}

impl Followed {
    /// Whether there is a log at all: a snapshot has come, now or in an earlier run.
    pub fn is_begun(&self) -> bool {
        !self.replication.id.is_empty()
    }
}

/// Writes what following came to as one document.
pub fn write_followed_json(out: &mut dyn Write, followed: &Followed) -> Result<()> {
    json::document(out, followed)
}

/// Writes what following came to for the eye.
pub fn write_followed(out: &mut dyn Write, followed: &Followed, style: Style) -> Result<()> {
    let mut text = String::new();
    let mut line = |line: String| text += &format!("{line}\n");
    let Followed { replication, .. } = followed;
    line(style.bold(format!("{} -> {}", followed.server, followed.directory)).to_string());
    line(format!("  point      {} at offset {}", replication.id, count(replication.offset)));
    line(format!(
        "  log        {}, {} behind the newest snapshot",
        plural(followed.commands, "command"),
        size(followed.size_bytes)
    ));
    if let Some(last) = followed.last_ms {
        line(format!("  last       {}", instant(last)));
    }
    line(format!(
        "  snapshots  {}, {} on which the stream went on",
        count(followed.snapshots),
        plural(followed.reconnects, "reconnect")
    ));
    line("  stopped at a whole command; the same call goes on from here".to_owned());
    out.write_all(text.as_bytes()).map_err(failed)
}
