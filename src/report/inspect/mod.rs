//! What a source is and what is in it. The struct is the JSON, `rdbkit.inspect/1`.
//!
//! Sizes are bytes, times are unix time in milliseconds. Shares are left to the reader: they are
//! quotients of what is there.

use serde::Serialize;

use super::filtered::FilteredFrom;
use super::json;

#[cfg(feature = "cli")]
mod biggest;
mod folded;
#[cfg(feature = "html")]
mod html;
mod look;
#[cfg(feature = "cli")]
mod look_text;
#[cfg(feature = "cli")]
mod text;

pub use folded::write_folded;
#[cfg(feature = "html")]
pub use html::write_html;
pub use look::{BigKey, Expiring, Group, Groups, LookReport, Prefix, Prefixes, TypeVolume, Volume};
#[cfg(feature = "cli")]
pub use text::write_text;

/// What a source is and what is in it.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct InspectReport {
    /// `rdbkit.inspect/1`.
    pub schema: &'static str,
    /// The name of the source.
    pub source: String,
    /// `rdb`, `aof`, `aof-preamble`, `aof-dir` or `dump`.
    pub kind: &'static str,
    /// The size on disk; `null` for a pipe.
    pub size_bytes: Option<u64>,
    /// How the source as a whole is compressed.
    pub compression: Option<String>,
    /// What times to live were counted from.
    pub now_ms: i64,
    /// Where the source is broken, a sentence each; what is reported stands before that.
    pub broken: Vec<String>,
    /// The files of a log, in the order in which they are loaded.
    pub parts: Vec<PartReport>,
    /// The snapshot: the source itself, a log's preamble, or the base of a directory.
    pub snapshot: Option<SnapshotReport>,
    /// Where bytes and memory are, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub look: Option<LookReport>,
    /// The commands of the log, all parts together.
    pub log: Option<LogReport>,
}

/// What a class of expiries is called: each holds what the ones before it do not.
pub(crate) fn expiry_class(within: &str) -> &str {
    match within {
        "1h" => "within 1h",
        "1d" => "1h to 1d",
        "7d" => "1d to 7d",
        "30d" => "7d to 30d",
        "1y" => "30d to 1y",
        "later" => "after 1y",
        other => other,
    }
}

impl InspectReport {
    /// Keeps so many of the biggest keys, of each kind.
    pub fn keep_biggest(&mut self, top: usize) {
        if let Some(snapshot) = &mut self.snapshot {
            snapshot.biggest_by_bytes.truncate(top);
            snapshot.biggest_by_elements.truncate(top);
        }
        if let Some(look) = &mut self.look {
            look.biggest_by_memory.truncate(top);
            look.biggest_by_elements.truncate(top);
            look.biggest_by_longest.truncate(top);
        }
    }
}

/// What is reported of a source that could not be looked at, `rdbkit.inspect/1` as well.
#[derive(Debug, Clone, Serialize)]
pub struct CouldNotLook<'a> {
    schema: &'static str,
    source: &'a str,
    could_not_look: &'a str,
}

impl<'a> CouldNotLook<'a> {
    /// `why` is a sentence.
    pub fn of(source: &'a str, why: &'a str) -> Self {
        CouldNotLook { schema: "rdbkit.inspect/1", source, could_not_look: why }
    }
}

/// A file of a log.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct PartReport {
    /// Its name.
    pub name: String,
    /// `base`, `incr` or `history`.
    pub role: &'static str,
    /// `rdb`, `aof` or `aof-preamble`.
    pub format: &'static str,
    /// Its sequence number.
    pub sequence: Option<u64>,
    /// Its size on disk.
    pub size_bytes: Option<u64>,
    /// Keys of its snapshot.
    pub keys: Option<u64>,
    /// Commands in it.
    pub commands: Option<u64>,
}

/// A snapshot.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct SnapshotReport {
    /// The magic, as it stands in the file: `REDIS0011`, `VALKEY080`.
    pub magic: String,
    /// The version of the format.
    pub version: u32,
    /// Who wrote it, by its aux fields: `Redis 7.0.15`.
    pub writer: Option<String>,
    /// When it was written, by its aux fields.
    pub written_at_ms: Option<i64>,
    /// From the first byte to the last of the checksum, uncompressed.
    pub size_bytes: u64,
    /// The checksum.
    pub checksum: ChecksumReport,
    /// All aux fields but those that stand there for every slot or key.
    pub aux: Vec<AuxField>,
    /// Aux fields that are not listed.
    pub aux_more: u64,
    /// All the keys of the source, where a filter chose among them; what follows is of those that
    /// passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filtered_from: Option<FilteredFrom>,
    /// Keys.
    pub keys: u64,
    /// Keys with a time to live.
    pub expiring: u64,
    /// Cluster slots that the file lists.
    pub slots: u64,
    /// Templates of hash fields.
    pub hash_templates: u64,
    /// Keys to which modules attached metadata.
    pub keys_with_metadata: u64,
    /// The databases, by number.
    pub databases: Vec<DatabaseReport>,
    /// The kinds of values, most bytes first.
    pub types: Vec<TypeReport>,
    /// Strings compressed inside the file.
    pub lzf: LzfReport,
    /// When keys expire, soonest first.
    pub expiry: Vec<ExpiryBucket>,
    /// The keys that take the most bytes.
    pub biggest_by_bytes: Vec<TopKey>,
    /// The keys with the most elements; strings have no part in it.
    pub biggest_by_elements: Vec<TopKey>,
    /// Function libraries.
    pub functions: Vec<FunctionReport>,
    /// Modules that wrote values or data of their own.
    pub modules: Vec<ModuleReport>,
}

/// A checksum.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ChecksumReport {
    /// `ok`, `mismatch`, `disabled` (written as zero), `none` (before version 5, and in NDJSON), or `run` where
    /// these are the keys after a log was run.
    pub status: &'static str,
    /// As stored, 16 hex digits.
    pub stored: Option<String>,
    /// As computed, where it is another.
    pub computed: Option<String>,
}

/// An aux field.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct AuxField {
    /// Its name.
    #[serde(serialize_with = "json::bytes")]
    pub name: Vec<u8>,
    /// Its text.
    #[serde(serialize_with = "json::bytes")]
    pub value: Vec<u8>,
}

/// A database.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct DatabaseReport {
    /// Its number.
    pub db: u64,
    /// Its keys.
    pub keys: u64,
    /// Those with a time to live.
    pub expiring: u64,
    /// What they take in the file.
    pub size_bytes: u64,
}

/// A kind of values.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct TypeReport {
    /// As TYPE names it.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The sum over its encodings.
    #[serde(flatten)]
    pub total: Amount,
    /// Its encodings, most bytes first.
    pub encodings: Vec<EncodingReport>,
}

/// An encoding of a kind.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct EncodingReport {
    /// As on disk.
    pub encoding: &'static str,
    /// How much there is of it.
    #[serde(flatten)]
    pub total: Amount,
}

/// How much there is of something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Amount {
    /// Keys.
    pub keys: u64,
    /// Their elements; of a string 1.
    pub elements: u64,
    /// What they take in the file, with key and expiry.
    pub size_bytes: u64,
}

impl Amount {
    /// Adds another.
    #[inline]
    pub fn add(&mut self, other: Amount) {
        self.keys += other.keys;
        self.elements = self.elements.saturating_add(other.elements);
        self.size_bytes += other.size_bytes;
    }
}

/// Strings compressed inside the file: keys, values, elements and the blobs of packed values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LzfReport {
    /// Strings and blobs that there are.
    pub strings: u64,
    /// Those that are compressed.
    pub compressed: u64,
    /// What those take in the file.
    pub packed_bytes: u64,
    /// What they unpack to.
    pub unpacked_bytes: u64,
}

/// Keys whose time to live ends within one span.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ExpiryBucket {
    /// `expired`, `1h`, `1d`, `7d`, `30d`, `1y` (within that, and not within the one before),
    /// `later` or `never`.
    pub within: &'static str,
    /// Keys.
    pub keys: u64,
}

/// A key among the biggest.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct TopKey {
    /// Its database.
    pub db: u64,
    /// The key.
    #[serde(serialize_with = "json::bytes")]
    pub key: Vec<u8>,
    /// As TYPE names it.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// As on disk.
    pub encoding: &'static str,
    /// Its elements.
    pub elements: u64,
    /// What it takes in the file.
    pub size_bytes: u64,
    /// When it expires.
    pub expires_at_ms: Option<i64>,
}

/// A function library.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct FunctionReport {
    /// The library's name.
    #[serde(serialize_with = "json::bytes")]
    pub name: Vec<u8>,
    /// Its engine.
    #[serde(serialize_with = "json::bytes")]
    pub engine: Vec<u8>,
    /// The size of its source.
    pub size_bytes: u64,
}

/// A module.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ModuleReport {
    /// The nine characters of its type.
    pub name: String,
    /// The version of its encoding.
    pub version: u64,
    /// Values that it wrote.
    pub keys: u64,
    /// What they take in the file.
    pub size_bytes: u64,
    /// Records of data besides its keys.
    pub aux_records: u64,
}

/// The commands of a log.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct LogReport {
    /// What the log takes, preambles left out.
    pub size_bytes: u64,
    /// Commands.
    pub commands: u64,
    /// Transactions.
    pub transactions: u64,
    /// Commands inside them.
    pub commands_in_transactions: u64,
    /// Annotations with a time.
    pub annotations: u64,
    /// The first of them.
    pub first_at_ms: Option<i64>,
    /// The last of them.
    pub last_at_ms: Option<i64>,
    /// The commands by name, most bytes first.
    pub by_name: Vec<CommandReport>,
    /// Commands of names past the number that is told apart.
    pub other_names: u64,
    /// The commands by database; SELECT is in none.
    pub databases: Vec<LogDatabase>,
    /// The biggest command.
    pub biggest: Option<BiggestCommand>,
}

/// A command of a log.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct CommandReport {
    /// Its name, in capitals.
    #[serde(serialize_with = "json::bytes")]
    pub name: Vec<u8>,
    /// How often it stands there.
    pub commands: u64,
    /// What it takes.
    pub size_bytes: u64,
}

/// A database of a log.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct LogDatabase {
    /// Its number.
    pub db: u64,
    /// Commands that ran in it.
    pub commands: u64,
}

/// The biggest command of a log.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct BiggestCommand {
    /// The file it is in.
    pub file: String,
    /// Where it begins.
    pub offset: u64,
    /// The bytes it takes.
    pub size_bytes: u64,
    /// Its name, in capitals.
    #[serde(serialize_with = "json::bytes")]
    pub name: Vec<u8>,
    /// Its first argument, perhaps cut.
    #[serde(serialize_with = "json::optional_bytes")]
    pub key: Option<Vec<u8>>,
}
