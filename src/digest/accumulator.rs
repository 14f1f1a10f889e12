//! The digest of a whole data set, as DEBUG DIGEST computes it.
//!
//! ```text
//! F ← 0
//! for each database with keys, ascending:
//!     mix(F, database u32 BE)
//!     for each key, in any order:  D ← 0; mix(D, key); the value into D; xor(F, D)
//! ```
//!
//! Within a database the keys only meet in an exclusive or: that part is what threads share.
//! It also means that a key which stands twice in a file cancels itself; servers refuse such
//! files, and this digest says nothing about them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::hex::Hex;
use super::profile::Profile;
use super::sum::Sum;
use super::value::{self, Rules};
use crate::error::Result;
use crate::rdb::write::can_hold;
use crate::rdb::{Entry, Scratch, Target};

/// What to compute.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whose digest.
    pub profile: Profile,
    /// Leaves out what a primary that loads the snapshot at this unix time (milliseconds) does not
    /// keep: keys and fields of hashes that expired before it. The fields Valkey drops while it
    /// loads; Redis loads them, and its active expiry deletes them in the moments after.
    pub drop_expired_at_ms: Option<i64>,
    /// Leaves out what this server cannot hold: keys of kinds that it lacks, and when fields of
    /// hashes expire.
    pub held_by: Option<Target>,
    /// How many holes the arrays of the data set may have together. The servers' digest takes a
    /// step for each, which a file can ask for without end; 2^26 take about three seconds here.
    pub max_array_holes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            profile: Profile::default(),
            drop_expired_at_ms: None,
            held_by: None,
            max_array_holes: 1 << 26,
        }
    }
}

/// A share of the digest of a data set.
#[derive(Debug, Clone)]
pub struct Accumulator {
    rules: Rules,
    drop_expired_at_ms: Option<i64>,
    held_by: Option<Target>,
    holes: Arc<AtomicU64>,
    databases: BTreeMap<u64, Database>,
    counts: Counts,
}

#[derive(Debug, Clone, Copy, Default)]
struct Database {
    sum: Sum,
    keys: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    expired: u64,
    empty: u64,
    uncovered: u64,
}

impl Accumulator {
    /// Starts with nothing.
    pub fn new(options: &Options) -> Self {
        Accumulator {
            rules: Rules::new(&options.profile, options.drop_expired_at_ms, options.held_by),
            drop_expired_at_ms: options.drop_expired_at_ms,
            held_by: options.held_by,
            holes: Arc::new(AtomicU64::new(options.max_array_holes)),
            databases: BTreeMap::new(),
            counts: Counts::default(),
        }
    }

    /// An empty share for another thread. The limit on holes is one for all shares.
    #[must_use]
    pub fn share(&self) -> Self {
        Accumulator {
            databases: BTreeMap::new(),
            counts: Counts::default(),
            holes: Arc::clone(&self.holes),
            ..*self
        }
    }

    /// Adds a key. After an error the share is as it was before.
    pub fn add(&mut self, entry: &Entry<'_>, scratch: &mut Scratch) -> Result<()> {
        if let Some(now) = self.drop_expired_at_ms
            && value::expires_at_ms(entry).is_some_and(|ms| ms < now)
        {
            self.counts.expired += 1;
            return Ok(());
        }
        if self.held_by.is_some_and(|target| !can_hold(&target, entry)) {
            return Ok(());
        }
        let mut start = Sum::default();
        start.mix(&entry.key_bytes()?);
        let outcome = value::digest(start, entry, &self.rules, &self.holes, scratch)?;
        let Some(outcome) = outcome else {
            self.counts.empty += 1;
            return Ok(());
        };
        let database = self.databases.entry(entry.db).or_default();
        database.sum.xor_sum(outcome.sum.hashed());
        database.keys += 1;
        self.counts.uncovered += u64::from(!outcome.covered);
        Ok(())
    }

    /// Adds what another share has seen.
    pub fn merge(&mut self, other: Self) {
        for (db, theirs) in other.databases {
            let ours = self.databases.entry(db).or_default();
            ours.sum.xor_sum(theirs.sum);
            ours.keys += theirs.keys;
        }
        self.counts.expired += other.counts.expired;
        self.counts.empty += other.counts.empty;
        self.counts.uncovered += other.counts.uncovered;
    }

    /// The digest.
    pub fn finish(&self) -> Digest {
        let mut sum = Sum::default();
        let mut keys = 0;
        for (db, database) in &self.databases {
            // Servers count databases in an int.
            sum.mix(&(*db as u32).to_be_bytes());
            sum.xor_sum(database.sum);
            keys += database.keys;
        }
        let Counts { expired, empty, uncovered } = self.counts;
        Digest { sum: Hex(sum.bytes()), keys, expired, empty, uncovered }
    }
}

/// The digest of a data set, and what it is of. It is shown as its forty digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    /// Forty digits; all zeros for an empty data set.
    pub sum: Hex<20>,
    /// Keys in it.
    pub keys: u64,
    /// Keys left out because they had expired.
    pub expired: u64,
    /// Keys left out because they hold nothing: a server drops them while it loads.
    pub empty: u64,
    /// Keys whose contents are not covered: values of modules whose digest callback is not known.
    /// A server that has the module gives another digest.
    pub uncovered: u64,
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sum.fmt(f)
    }
}
