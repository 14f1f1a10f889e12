//! The blobs inside values: listpack, ziplist, zipmap, intset.

use crate::value::Elem;

/// The integer that a listpack's first entry is, from its first bytes.
pub(super) fn first_integer(entry: &[u8]) -> Option<i64> {
    let _ = (entry, Elem::Int(0));
    None
}
