//! Values brought into the caches before somebody works on them: they lie far from each other in
//! memory, and come sooner when many are asked for at once.

use super::Value;
use super::keyspace::{Db, Keyspace, Record, Shard};
use super::value::{ListNode, PackedHash, PackedSet};
use crate::bytes::prefetch::{prefetch, prefetch_first};

/// So much of a value is asked for.
const MOST_BYTES: usize = 512;

/// Asks for the bytes of a value.
#[inline]
pub(crate) fn fetch(record: &Record, keyspace: &Keyspace) {
    let bytes = match &record.value {
        Value::Lying(text) => keyspace.text(*text),
        Value::Frozen(frozen) => {
            keyspace.base().and_then(|base| base.body(*frozen)).unwrap_or_default()
        }
        Value::Str(text) => text,
        Value::Raw(text) => text,
        value => packed(value),
    };
    prefetch_first(MOST_BYTES, bytes);
}

/// Brings in what commands on the keys of a shard will look at. Its records lie one behind the
/// other, and the packed ones among their values are small.
pub(crate) fn warm(shard: &Shard) {
    let records = || shard.dbs().iter().flat_map(|db| db.records());
    shard.dbs().iter().for_each(Db::warm);
    for record in records() {
        match &record.value {
            Value::List(it) => prefetch(&**it),
            Value::Set(it) => prefetch(&**it),
            Value::Hash(it) => prefetch(&**it),
            Value::SortedSet(it) => prefetch(&**it),
            _ => {}
        }
    }
    for record in records() {
        prefetch_first(MOST_BYTES, packed(&record.value));
    }
}

/// The bytes of a collection that is packed, or its first ones.
#[inline]
fn packed(value: &Value) -> &[u8] {
    match value {
        Value::Hash(hash) => match hash.packed() {
            Some(PackedHash::Pairs(pack) | PackedHash::Triples(pack)) => pack.as_bytes(),
            None => &[],
        },
        Value::Set(set) => match set.packed() {
            Some(PackedSet::Packed(pack)) => pack.as_bytes(),
            _ => &[],
        },
        Value::SortedSet(set) => set.packed().map_or(&[][..], |pack| pack.as_bytes()),
        Value::List(list) => match list.nodes().next() {
            Some(ListNode::Packed(pack)) => pack.as_bytes(),
            Some(ListNode::Plain(text)) => text,
            None => &[],
        },
        _ => &[],
    }
}
