//! A quick hash for finding equals among keys and elements: seeded per process, so that no file
//! can be made to collide on purpose.

use std::hash::BuildHasher;
use std::sync::LazyLock;

use hashbrown::DefaultHashBuilder;

static SEED: LazyLock<DefaultHashBuilder> = LazyLock::new(DefaultHashBuilder::default);

/// The hash of some bytes. It differs from run to run: for tables only, never for output.
#[inline]
pub fn hash(bytes: &[u8]) -> u64 {
    SEED.hash_one(bytes)
}

/// The hash of some bytes in a numbered space (a database).
#[inline]
pub fn hash_in(space: u64, bytes: &[u8]) -> u64 {
    SEED.hash_one((space, bytes))
}
