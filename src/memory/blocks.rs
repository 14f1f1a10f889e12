//! Blocks that all values are made of: strings, tables, skiplists.

use super::allocator::Allocator;
use super::filling::Filling;
use super::rules::{Rules, SkiplistRule, TableRule};

/// The head of a string of so many bytes.
fn head(len: u64) -> u64 {
    match len {
        0..32 => 1,
        32..256 => 3,
        256..0x1_0000 => 5,
        0x1_0000..0x1_0000_0000 => 9,
        _ => 17,
    }
}

/// A string with head and final zero.
pub(super) fn string(len: u64) -> u64 {
    head(len).saturating_add(len).saturating_add(1)
}

/// A string that says how much room it has, which those of less than 32 bytes else do not.
pub(super) fn roomy_string(len: u64) -> u64 {
    head(len).max(3).saturating_add(len).saturating_add(1)
}

/// Elements that a bucket of 64 bytes holds, and with a pointer to a further one.
const BUCKET: u64 = 7;
const BUCKET_BYTES: f64 = 64.0;

/// Blocks as one generation of servers has them from one allocator.
#[derive(Debug, Clone)]
pub(super) struct Blocks {
    pub(super) rules: &'static Rules,
    pub(super) allocator: Allocator,
}

impl Blocks {
    /// A block.
    pub(super) fn block(&self, bytes: u64) -> u64 {
        self.allocator.usable(bytes)
    }

    /// A string in a block of its own.
    pub(super) fn text(&self, len: u64) -> u64 {
        let bytes = string(len);
        if self.rules.short_by_length && len < 32 { bytes } else { self.block(bytes) }
    }

    /// A packed value.
    pub(super) fn packed(&self, bytes: u64) -> u64 {
        if self.rules.packed_by_length { bytes } else { self.block(bytes) }
    }

    /// A table of `members`, without their strings.
    pub(super) fn table(&self, members: u64, is_hash: bool, filling: Filling) -> u64 {
        match self.rules.sets {
            TableRule::Chained { head, entry } => {
                head + 8 * filling.buckets(members) + entry * members
            }
            TableRule::Buckets { head, hash_head } => {
                let head = if is_hash { hash_head } else { head };
                head.saturating_add(buckets(members))
            }
        }
    }

    /// What a skiplist takes besides its nodes.
    pub(super) fn skiplist(&self) -> u64 {
        match self.rules.skiplist {
            SkiplistRule::Pointing => 16 + 32 + self.block(24 + 16 * 32),
            SkiplistRule::Holding { head, list, .. } => 16 + self.block(list) + self.block(head),
        }
    }

    /// A node of a skiplist and its member. Heights are thrown by dice: what is counted is the
    /// mean.
    pub(super) fn skiplist_node(&self, member: u64) -> f64 {
        match self.rules.skiplist {
            SkiplistRule::Pointing => self.mean_node(24) + self.block(string(member)) as f64,
            SkiplistRule::Holding { node, .. } => {
                self.mean_node(string(member).saturating_add(node))
            }
        }
    }

    fn mean_node(&self, bytes: u64) -> f64 {
        let (mut mean, mut share) = (0.0, 0.75);
        // Higher ones are rarer than one in 65536.
        for level in 1..9_u64 {
            mean += share * self.block(bytes.saturating_add(16 * level)) as f64;
            share /= 4.0;
        }
        mean
    }
}

/// Buckets of 64 bytes for so many elements, those behind full ones included. Where they come to
/// lie is chance: what is counted is the mean.
pub(super) fn buckets(elements: u64) -> u64 {
    if elements == 0 {
        return 0;
    }
    let least = elements.saturating_mul(5).saturating_sub(1) / 32 + 1;
    let buckets = least.checked_next_power_of_two().unwrap_or(1 << 58);
    let mean = elements as f64 / buckets as f64;
    let mut share = (-mean).exp();
    let (mut further, mut n) = (0.0, 0_u64);
    // At most 6.4 to a bucket, so 40 in one are unheard of.
    while n < 40 {
        further += share * (n.saturating_sub(BUCKET)).div_ceil(BUCKET - 1) as f64;
        n += 1;
        share *= mean / n as f64;
    }
    // A single bucket holds what is there, without chance.
    let further = if buckets == 1 { 0.0 } else { further * buckets as f64 };
    rounded((buckets as f64 + further) * BUCKET_BYTES)
}

/// A mean as a number of bytes.
pub(super) fn rounded(bytes: f64) -> u64 {
    // A cast keeps to the bounds of the number.
    bytes.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_what_a_server_has() {
        // Elements, and buckets that Valkey 8.1.1 counted.
        for (elements, counted) in
            [(1, 1), (2, 1), (200, 41), (255, 67), (500, 132), (1000, 266), (2000, 536)]
        {
            let (got, want) = (buckets(elements), counted * 64);
            assert!(got.abs_diff(want) * 100 <= want * 3, "{elements}: {got} for {want}");
        }
        assert_eq!(buckets(0), 0);
    }

    #[test]
    fn strings_have_heads() {
        let sizes = [0, 31, 32, 255, 256, 65_535, 65_536].map(|len| string(len) - len);
        assert_eq!(sizes, [2, 2, 4, 4, 6, 6, 10]);
        assert_eq!(roomy_string(5), 9);
        assert_eq!(string(u64::MAX), u64::MAX);
    }
}
