//! Whom a file is written for: which version of the format it gets, which types and encodings.
//!
//! What a target can hold follows from its RDB version; how it packs small collections, from the
//! limits that the server has by default. Nothing here looks at a value.

use std::fmt;
use std::str::FromStr;

use super::object::MAX_EXPIRY_MS;
use super::{Family, Header, Limits, ValueType};
use crate::bytes::number::{DoubleRules, ScoreText};
use crate::error::Error;

/// A server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Product {
    /// Redis.
    Redis,
    /// Redict, which writes version 12 and none of its newer types.
    Redict,
    /// Valkey.
    Valkey,
}

impl Product {
    /// The name, as targets are written.
    pub fn name(self) -> &'static str {
        match self {
            Product::Redis => "redis",
            Product::Redict => "redict",
            Product::Valkey => "valkey",
        }
    }
}

/// A server that files are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Whose.
    pub product: Product,
    /// Major and minor version.
    pub version: (u16, u16),
    /// The format it gets.
    pub header: Header,
    /// Its limits.
    pub limits: Limits,
}

/// From which server on which version of the format is written.
const REDIS: [((u16, u16), u32); 9] = [
    ((2, 6), 6),
    ((3, 2), 7),
    ((4, 0), 8),
    ((5, 0), 9),
    ((7, 0), 10),
    ((7, 2), 11),
    ((7, 4), 12),
    ((8, 6), 13),
    ((8, 8), 14),
];
const NEWEST_REDIS: (u16, u16) = (8, 10);
const NEWEST_VALKEY: (u16, u16) = (9, 1);

/// The versions that were released.
const REDIS_RELEASES: [(u16, u16); 17] = [
    (2, 6),
    (2, 8),
    (3, 0),
    (3, 2),
    (4, 0),
    (5, 0),
    (6, 0),
    (6, 2),
    (7, 0),
    (7, 2),
    (7, 4),
    (8, 0),
    (8, 2),
    (8, 4),
    (8, 6),
    (8, 8),
    NEWEST_REDIS,
];
const VALKEY_RELEASES: [(u16, u16); 5] = [(7, 2), (8, 0), (8, 1), (9, 0), NEWEST_VALKEY];
const REDICT_RELEASES: [(u16, u16); 1] = [(7, 3)];

impl Default for Target {
    /// The newest Redis that is known.
    fn default() -> Self {
        Target::of(Product::Redis, NEWEST_REDIS)
    }
}

impl Target {
    /// The target for a server; one that is newer than known is taken for the newest known.
    pub fn of(product: Product, version: (u16, u16)) -> Self {
        let header = match product {
            Product::Redis if version >= NEWEST_REDIS => Header::of_dump(15),
            Product::Redis => {
                let known = REDIS.iter().rev().find(|(since, _)| version >= *since);
                Header::of_dump(known.map_or(6, |(_, rdb)| *rdb as u16))
            }
            Product::Redict => Header::of_dump(12),
            Product::Valkey if version >= (9, 0) => Header::of_dump(80),
            Product::Valkey => Header::of_dump(11),
        };
        let mut target = Target { product, version, header, limits: Limits::default() };
        if !target.has_packed_sets() {
            target.limits.set_entries = 0;
        }
        target.limits.list_plain = target.has_plain_nodes();
        target
    }

    /// The oldest server that writes a version of the format.
    pub fn of_rdb_version(rdb: u32) -> Result<Self, Error> {
        match rdb {
            80 => Ok(Target::of(Product::Valkey, (9, 0))),
            15 => Ok(Target::of(Product::Redis, NEWEST_REDIS)),
            _ => match REDIS.iter().find(|(_, known)| *known == rdb) {
                Some((version, _)) => Ok(Target::of(Product::Redis, *version)),
                None => Err(Error::Usage(format!(
                    "RDB version {rdb} is not written here: 6 to 15 and 80 are"
                ))),
            },
        }
    }

    /// The server that most likely wrote a file with this header.
    pub fn of_header(header: Header) -> Self {
        match header.family {
            Family::Valkey => Target::of(Product::Valkey, (9, 0)),
            Family::Redis => {
                Target::of_rdb_version(header.version.clamp(6, 15)).unwrap_or_default()
            }
        }
    }

    /// The version of the format, as it stands in the header.
    pub fn rdb_version(&self) -> u32 {
        self.header.version
    }

    /// Whether it reads files with this header: its own version of the format and older ones, and of
    /// the other family what both had before they parted (seen with Valkey 9.1 and Redis 8.10).
    pub fn reads(&self, header: Header) -> bool {
        self.header.reads(header)
    }

    /// Whether this is a Redis (or what branched off later) of at least that version.
    pub(crate) fn since(&self, redis: (u16, u16)) -> bool {
        match self.product {
            Product::Redis => self.version >= redis,
            // Both branched off behind 7.2.
            Product::Redict | Product::Valkey => redis <= (7, 2),
        }
    }

    /// Whether LSET keeps the lower 32 bits of an index alone: servers with packed lists do, up to
    /// Redis 8.6.3 and in Valkey 9.1; Redis 8.10.2 does not.
    pub(crate) fn cuts_list_indexes(&self) -> bool {
        self.has_packed_lists() && (self.product != Product::Redis || self.version < (8, 8))
    }

    /// What its commands take for a double: Valkey 9 and newer refuse hexadecimal ones.
    pub fn double_rules(&self) -> DoubleRules {
        let hex = self.product != Product::Valkey || self.version < (9, 0);
        DoubleRules { hex, ..DoubleRules::COMMAND }
    }

    /// AUX and RESIZEDB records (version 7).
    pub fn has_aux(&self) -> bool {
        self.header.version >= 7
    }

    /// Binary scores, type 5 (version 8).
    pub fn has_binary_scores(&self) -> bool {
        self.header.version >= 8
    }

    /// Module values (version 8).
    pub fn has_modules(&self) -> bool {
        self.header.version >= 8
    }

    /// IDLE and FREQ (version 9).
    pub fn has_eviction(&self) -> bool {
        self.header.version >= 9
    }

    /// Lists of several nodes: types 14 and 18 (version 7).
    pub fn has_quicklists(&self) -> bool {
        self.header.version >= 7
    }

    /// Listpacks for hashes, sorted sets and lists (version 10); ziplists before.
    pub fn has_listpacks(&self) -> bool {
        self.header.version >= 10
    }

    /// RESTORE with REPLACE (Redis 3.0).
    pub fn has_restore_replace(&self) -> bool {
        self.product != Product::Redis || self.version >= (3, 0)
    }

    /// Annotations in a log (servers that write version 10, Redis 7.0).
    pub fn has_annotations(&self) -> bool {
        self.header.version >= 10
    }

    /// Function libraries (version 10).
    pub fn has_functions(&self) -> bool {
        self.header.version >= 10
    }

    /// Packed sets, type 20 (version 11).
    pub fn has_packed_sets(&self) -> bool {
        self.header.version >= 11
    }

    /// Which of the stream layouts is written, if streams are known at all.
    pub fn stream_layout(&self) -> Option<u8> {
        match (self.header.family, self.header.version) {
            (Family::Valkey, _) | (Family::Redis, 11 | 12) => Some(3),
            (Family::Redis, ..9) => None,
            (Family::Redis, 9) => Some(1),
            (Family::Redis, 10) => Some(2),
            (Family::Redis, 13) => Some(4),
            (Family::Redis, _) => Some(5),
        }
    }

    /// Fields of hashes that expire: types 24 and 25, or Valkey's 22.
    pub fn has_field_expiry(&self) -> bool {
        match self.product {
            Product::Redis => self.header.version >= 12,
            Product::Redict => false,
            Product::Valkey => self.header.family == Family::Valkey,
        }
    }

    /// The latest time at which a field of a hash can expire, unix time in milliseconds; `None`
    /// where fields do not expire.
    pub fn latest_field_expiry_ms(&self) -> Option<u64> {
        match self.header.family {
            _ if !self.has_field_expiry() => None,
            Family::Redis => Some(MAX_EXPIRY_MS),
            Family::Valkey => Some(u64::MAX),
        }
    }

    /// How many entries a stream has ever had and its groups have read: type 19 (version 10).
    pub fn has_stream_counters(&self) -> bool {
        self.stream_layout().is_some_and(|layout| layout >= 2)
    }

    /// Arrays, type 28.
    pub fn has_arrays(&self) -> bool {
        self.header.family == Family::Redis && self.header.version >= 14
    }

    /// Metadata that modules attach to keys.
    pub fn has_key_meta(&self) -> bool {
        self.header.family == Family::Redis && self.header.version >= 13
    }

    /// Which of the layouts of vector sets is written, the one module value that some servers have
    /// without a module: 0 is read by all that have any, 1 is refused by Redis 8.0.2. (Redis 8.6
    /// reads it; of those between it is not known.)
    pub fn vector_set_layout(&self) -> Option<u8> {
        match self.product {
            Product::Redis if self.version >= (8, 6) => Some(1),
            Product::Redis if self.version >= (8, 0) => Some(0),
            _ => None,
        }
    }

    /// Templates of hash fields (version 15).
    pub fn has_templates(&self) -> bool {
        self.header.family == Family::Redis && self.header.version >= 15
    }

    /// What modules remember besides their keys (version 9).
    pub fn has_module_aux(&self) -> bool {
        self.header.version >= 9
    }

    /// Whether a list element that is larger than a node may be gets a node of its own without a
    /// listpack around it: Redis from 7.4 on, and what branched off then. (Redis 7.0 and 7.2 and
    /// Valkey 7.2 do that from a gigabyte on.)
    pub fn has_plain_nodes(&self) -> bool {
        match self.product {
            Product::Redis => self.version >= (7, 4),
            Product::Redict => true,
            Product::Valkey => self.version >= (8, 0),
        }
    }

    /// How the server spells scores.
    pub fn score_text(&self) -> ScoreText {
        if self.since((7, 2)) { ScoreText::Grisu2 } else { ScoreText::Printf17 }
    }

    /// Whether the server loads a value of this type as it lies in a file of that family. Types
    /// that refer to a template of their file are not asked about here.
    pub fn takes(&self, value_type: ValueType) -> bool {
        use ValueType::*;
        match value_type {
            HashTemplateListpack | HashTemplateArray => false,
            HashTemplateListpackDump | HashTemplateArrayDump => self.has_templates(),
            HashMetadataPreGa | HashListpackExPreGa | HashMetadata | HashListpackEx => {
                self.product == Product::Redis && self.has_field_expiry()
            }
            HashValkey => self.product == Product::Valkey && self.has_field_expiry(),
            Stream4 | Stream5 => {
                self.header.family == Family::Redis && self.header.version >= value_type.since()
            }
            Array => self.has_arrays(),
            _ => self.header.version >= value_type.since(),
        }
    }

    /// Whether OBJECT ENCODING knows lists of one listpack (7.2 and newer); `quicklist` before.
    pub fn has_packed_lists(&self) -> bool {
        self.since((7, 2))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}.{}", self.product.name(), self.version.0, self.version.1)
    }
}

impl Product {
    fn releases(self) -> &'static [(u16, u16)] {
        match self {
            Product::Redis => &REDIS_RELEASES,
            Product::Redict => &REDICT_RELEASES,
            Product::Valkey => &VALKEY_RELEASES,
        }
    }
}

/// Reads `redis:7.0`, `valkey:9.1.2`, `redict`; a name alone is the newest of its family.
impl FromStr for Target {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let target = Target::of_writer(text)?;
        let releases = target.product.releases();
        if releases.contains(&target.version) {
            return Ok(target);
        }
        let (name, version) = (target.product.name(), target.version);
        let near = [
            releases.iter().rev().find(|release| **release < version),
            releases.iter().find(|release| **release > version),
        ];
        let near =
            near.into_iter().flatten().map(|(major, minor)| format!("{name}:{major}.{minor}"));
        Err(Error::Usage(format!(
            "target {text:?}: there is no such version; next to it are {}",
            near.collect::<Vec<_>>().join(" and ")
        )))
    }
}

impl Target {
    /// The same of what a file says of its writer, which may be a version before a release.
    pub(crate) fn of_writer(text: &str) -> Result<Self, Error> {
        let refuse = |why: &str| {
            let forms = "give redis:2.6 to redis:8.10, valkey:7.2 to valkey:9.1 or redict:7.3";
            Err(Error::Usage(format!("target {text:?}: {why}; {forms}")))
        };
        let (name, version) = match text.split_once(':') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        let products = [Product::Redis, Product::Redict, Product::Valkey];
        let Some(product) = products.into_iter().find(|p| p.name().eq_ignore_ascii_case(name))
        else {
            return refuse("no such server is known");
        };
        let (oldest, newest) = match product {
            Product::Redis => ((2, 6), NEWEST_REDIS),
            Product::Redict => ((7, 3), (7, 3)),
            Product::Valkey => ((7, 2), NEWEST_VALKEY),
        };
        let Some(version) = version else { return Ok(Target::of(product, newest)) };
        let mut numbers = version.split('.').map(|part| part.parse::<u16>().ok());
        let (Some(Some(major)), minor) = (numbers.next(), numbers.next().unwrap_or(Some(0))) else {
            return refuse("a version is two or three numbers, as in 7.0 or 7.0.15");
        };
        let (Some(minor), Some(Some(_)) | None, None) = (minor, numbers.next(), numbers.next())
        else {
            return refuse("a version is two or three numbers, as in 7.0 or 7.0.15");
        };
        if (oldest..=newest).contains(&(major, minor)) {
            Ok(Target::of(product, (major, minor)))
        } else {
            refuse("its format is not known")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[track_caller]
    fn check(text: &str, magic: &str, stream: Option<u8>) {
        let target: Target = text.parse().unwrap();
        assert_eq!(target.header.magic(), magic);
        assert_eq!(target.stream_layout(), stream);
    }

    #[test]
    fn a_server_has_its_format() {
        check("redis:2.8", "REDIS0006", None);
        check("redis:6.2", "REDIS0009", Some(1));
        check("redis:6.2.14", "REDIS0009", Some(1));
        check("redis:7.0", "REDIS0010", Some(2));
        check("redis:7.2", "REDIS0011", Some(3));
        check("redis:8.4", "REDIS0012", Some(3));
        check("redis:8.6", "REDIS0013", Some(4));
        check("redis", "REDIS0015", Some(5));
        check("redict", "REDIS0012", Some(3));
        check("valkey:8.1", "REDIS0011", Some(3));
        check("Valkey:9", "VALKEY080", Some(3));
        assert_eq!("redis:8.10".parse::<Target>().unwrap(), Target::default());
    }

    #[test]
    fn a_server_reads_its_own_format_and_what_came_before() {
        let reads = |server: &str, rdb: u16| {
            server.parse::<Target>().unwrap().reads(super::Header::of_dump(rdb))
        };
        assert!(reads("redis:6.2", 9) && !reads("redis:6.2", 10));
        assert!(reads("redis:8.10", 15) && reads("redis:8.10", 1) && !reads("redis:8.10", 80));
        assert!(reads("valkey:9.1", 80) && reads("valkey:9.1", 11) && !reads("valkey:9.1", 12));
        assert!(reads("valkey:8.1", 11) && !reads("valkey:8.1", 12) && !reads("valkey:8.1", 80));
    }

    #[test]
    fn every_version_that_is_written_has_a_server() {
        for rdb in (6..=15).chain([80]) {
            assert_eq!(Target::of_rdb_version(rdb).unwrap().rdb_version(), rdb);
        }
        for rdb in [0, 5, 16, 79, 81] {
            assert!(Target::of_rdb_version(rdb).is_err());
        }
    }

    #[test]
    fn what_is_no_target_is_refused() {
        for text in
            ["", "keydb:6", "redis:2.4", "redis:9.0", "redis:", "redis:7.x", "redis:1.2.3.4"]
        {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
        for (text, near) in [
            ("redis:5.5", "redis:5.0 and redis:6.0"),
            ("redis:8.1.2", "redis:8.0 and redis:8.2"),
            ("valkey:7.4", "valkey:7.2 and valkey:8.0"),
        ] {
            let said = text.parse::<Target>().unwrap_err().to_string();
            assert!(said.contains(near), "{said}");
        }
        // A candidate for 8.0.
        assert_eq!(Target::of_writer("redis:7.9.240").unwrap().version, (7, 9));
    }
}
