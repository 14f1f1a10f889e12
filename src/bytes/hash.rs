//! A quick hash for finding equals among keys and elements: seeded per process, so that no file
//! can be made to collide on purpose.

use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;

use hashbrown::DefaultHashBuilder;

static SEED: LazyLock<DefaultHashBuilder> = LazyLock::new(DefaultHashBuilder::default);

/// The hash of some bytes. It differs from run to run: for tables only, never for output.
#[inline]
pub fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = SEED.build_hasher();
    hasher.write(bytes);
    hasher.finish()
}

/// The hash of an integer; not that of its bytes.
#[inline]
pub fn hash_int(n: i64) -> u64 {
    let mut hasher = SEED.build_hasher();
    hasher.write_i64(n);
    hasher.finish()
}

/// The hash of some bytes in a numbered space (a database).
#[inline]
pub fn hash_in(space: u64, bytes: &[u8]) -> u64 {
    let mut hasher = SEED.build_hasher();
    hasher.write_u64(space);
    hasher.write(bytes);
    hasher.finish()
}
