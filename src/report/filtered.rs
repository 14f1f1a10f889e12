//! What a filter chose from.

use serde::Serialize;

use super::text::{count, percent, plural};

/// All the keys that a filter chose from: those of the source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FilteredFrom {
    /// Keys.
    pub keys: u64,
    /// What they take in the file, with key and expiry.
    pub size_bytes: u64,
}

/// `, 7 left out by filters`
pub(super) fn left_out_by_filters(keys: u64) -> String {
    format!(", {} left out by filters", count(keys))
}

impl FilteredFrom {
    /// One more key.
    pub fn add(&mut self, size_bytes: u64) {
        self.keys += 1;
        self.size_bytes += size_bytes;
    }

    /// `of 1,000,000 keys (filtered: 0.4 % of them, 1.2 % of their bytes)`
    pub fn words(&self, keys: u64, size_bytes: u64) -> String {
        format!(
            "of {} (filtered: {} of them, {} of their bytes)",
            plural(self.keys, "key"),
            percent(keys, self.keys),
            percent(size_bytes, self.size_bytes)
        )
    }

    /// Those of another stretch.
    pub fn merge(&mut self, other: FilteredFrom) {
        self.keys += other.keys;
        self.size_bytes += other.size_bytes;
    }
}
