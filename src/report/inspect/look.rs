//! Where bytes and memory are: the part of a report that is made when it is asked for.

use serde::Serialize;

use super::TopKey;
use crate::report::convert::Ran;
use crate::report::json;
use crate::report::text::{count, key, percent, size};

/// Where bytes and memory are.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct LookReport {
    /// The server whose memory is estimated: `redis:7.0`.
    pub server: String,
    /// Its allocator: `jemalloc-q8`.
    pub allocator: &'static str,
    /// Whether the rules for this server were measured on it, and not on one close to it.
    pub measured: bool,
    /// How the log was run whose keys these are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ran: Option<Ran>,
    /// All keys.
    pub total: Volume,
    /// Keys that never expire.
    pub without_expiry: Volume,
    /// Keys that have expired already.
    pub expired: Volume,
    /// Keys that expire within the next hour, day and week; each span holds the one before.
    pub expiring: Vec<Expiring>,
    /// The kinds and encodings, most memory first.
    pub types: Vec<TypeVolume>,
    /// Keys by what was asked for, most memory first; by prefix, see `prefixes`.
    pub groups: Option<Groups>,
    /// Keys by prefix.
    pub prefixes: Option<Prefixes>,
    /// The keys that take the most memory.
    pub biggest_by_memory: Vec<BigKey>,
    /// The keys with the most elements; strings have no part in it.
    pub biggest_by_elements: Vec<BigKey>,
    /// The keys with the longest elements (or texts, where they are strings).
    pub biggest_by_longest: Vec<BigKey>,
}

/// What some keys are together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Volume {
    /// Keys.
    pub keys: u64,
    /// Their elements; of a string 1.
    pub elements: u64,
    /// What they take in the file, with key and expiry.
    pub size_bytes: u64,
    /// What they would take in a server's memory.
    pub memory_bytes: u64,
}

impl Volume {
    /// One key.
    pub fn of_key(elements: u64, size_bytes: u64, memory_bytes: u64) -> Self {
        Volume { keys: 1, elements, size_bytes, memory_bytes }
    }

    /// Adds others.
    #[inline]
    pub fn add(&mut self, other: Volume) {
        self.keys += other.keys;
        self.elements = self.elements.saturating_add(other.elements);
        self.size_bytes += other.size_bytes;
        self.memory_bytes = self.memory_bytes.saturating_add(other.memory_bytes);
    }

    /// What is left without others that are part of it.
    #[must_use]
    pub fn without(&self, other: Volume) -> Volume {
        Volume {
            keys: self.keys.saturating_sub(other.keys),
            elements: self.elements.saturating_sub(other.elements),
            size_bytes: self.size_bytes.saturating_sub(other.size_bytes),
            memory_bytes: self.memory_bytes.saturating_sub(other.memory_bytes),
        }
    }
}

/// Keys that expire soon.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Expiring {
    /// `1h`, `1d` or `7d`.
    pub within: &'static str,
    /// These keys.
    #[serde(flatten)]
    pub volume: Volume,
}

/// A kind in one encoding.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct TypeVolume {
    /// As TYPE names it.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// As on disk.
    pub encoding: &'static str,
    /// Its keys.
    #[serde(flatten)]
    pub volume: Volume,
}

/// Keys by something that each of them has.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Groups {
    /// `type`, `db`, `slot`, `expiry`, `idle` or `size`.
    pub by: &'static str,
    /// The groups; spans and sizes in their order, all others by memory, greatest first.
    pub groups: Vec<Group>,
}

/// A group of keys.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Group {
    /// What they have in common.
    pub name: String,
    /// These keys.
    #[serde(flatten)]
    pub volume: Volume,
}

/// Keys by prefix.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Prefixes {
    /// What ends a part of a key.
    #[serde(serialize_with = "json::bytes")]
    pub separator: Vec<u8>,
    /// How many parts deep prefixes were told apart.
    pub depth: usize,
    /// Whether only prefixes of just that depth are to be shown.
    #[serde(skip)]
    pub flat: bool,
    /// First parts that there are; an estimate where the empty prefix is among `folded`.
    pub first_parts: u64,
    /// Keys in which the separator does not stand.
    pub without_prefix: Volume,
    /// Prefixes below which further ones are not told apart, as there are too many of them: their
    /// keys count for the prefix only.
    #[serde(serialize_with = "many")]
    pub folded: Vec<Vec<u8>>,
    /// The prefixes, each in front of those that begin with it, of one depth most memory first.
    pub prefixes: Vec<Prefix>,
}

/// The greatest first parts that have to have a hundredth of the memory together: if not, a list of
/// them answers nothing.
const GREATEST: usize = 12;

impl Prefixes {
    /// Says that keys have no prefixes in common, where that is so.
    pub(super) fn nothing_in_common(&self, total: Volume) -> Option<String> {
        let mut shown = Volume::default();
        let mut greatest: Option<&Prefix> = None;
        for row in self.prefixes.iter().filter(|row| row.depth == 1).take(GREATEST) {
            shown.add(row.volume);
            greatest = greatest.or(Some(row));
        }
        let greatest = greatest.filter(|_| {
            let is_little = |part: u64, whole: u64| part.saturating_mul(100) < whole;
            is_little(shown.memory_bytes, total.memory_bytes) && is_little(shown.keys, total.keys)
        })?;
        let count = if self.folded.iter().any(Vec::is_empty) {
            format!("about {}", count(rounded(self.first_parts)))
        } else {
            count(self.first_parts)
        };
        Some(format!(
            "{count} first parts, the greatest of which ({}, {}) has {} of the memory: keys have no \
             prefixes in common",
            key(&greatest.prefix, 24),
            size(greatest.volume.memory_bytes),
            percent(greatest.volume.memory_bytes, total.memory_bytes),
        ))
    }
}

/// A number of which two digits count.
fn rounded(n: u64) -> u64 {
    let unit = 10_u64.pow(n.checked_ilog10().unwrap_or(0).saturating_sub(1));
    n.div_ceil(unit) * unit
}

/// A prefix; what begins with a longer one counts here too.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Prefix {
    /// The prefix, its separator included.
    #[serde(serialize_with = "json::bytes")]
    pub prefix: Vec<u8>,
    /// Its parts.
    pub depth: usize,
    /// Keys that begin with it.
    #[serde(flatten)]
    pub volume: Volume,
}

/// A key among the biggest, with its memory.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct BigKey {
    /// The key.
    #[serde(flatten)]
    pub key: TopKey,
    /// What it would take in a server's memory.
    pub memory_bytes: u64,
    /// The bytes of its longest element, where that was looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_bytes: Option<u64>,
}

fn many<S: serde::Serializer>(names: &[Vec<u8>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(names.iter().map(|name| json::Bytes(name)))
}
