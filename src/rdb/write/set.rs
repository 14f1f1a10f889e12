//! Sets.
//!
//! ```text
//! integers only, up to 512          intset
//! up to 128 members of 64 bytes     listpack (Redis 7.2, Valkey)
//! else                              one by one
//! ```

use super::Sink;
use crate::bytes::number::integer;
use crate::rdb::packed::{intset, intset_of_width};
use crate::rdb::{Target, ValueType};
use crate::value::Elem;

/// Writes a set.
pub fn set<'a>(
    sink: &mut Sink,
    target: &Target,
    members: impl ExactSizeIterator<Item = Elem<'a>> + Clone,
) -> ValueType {
    let count = members.len();
    let limits = &target.limits;
    if count <= limits.intset_entries {
        let mut numbers = std::mem::take(&mut sink.numbers);
        numbers.clear();
        numbers.extend(members.clone().map_while(|elem| match elem {
            Elem::Int(n) => Some(n),
            Elem::Bytes(text) => integer(text),
        }));
        let all = numbers.len() == count;
        if all {
            numbers.sort_unstable();
            numbers.dedup();
            let mut blob = std::mem::take(&mut sink.nodes);
            blob.clear();
            intset(&mut blob, &numbers);
            sink.blob(&blob);
            sink.nodes = blob;
        }
        sink.numbers = numbers;
        if all {
            return ValueType::SetIntset;
        }
    }
    let short = |elem: Elem<'_>| elem.len() <= limits.set_value as u64;
    if target.has_packed_sets() && count <= limits.set_entries && members.clone().all(short) {
        sink.listpack.clear();
        members.for_each(|elem| sink.listpack.push_elem(elem));
        sink.flush_listpack();
        return ValueType::SetListpack;
    }
    sink.length(count as u64);
    members.for_each(|elem| sink.elem(elem));
    ValueType::Set
}

/// Writes a set of integers that takes so many bytes for each of them.
pub fn set_of_integers(sink: &mut Sink, sorted: &[i64], width: u8) -> ValueType {
    let mut blob = std::mem::take(&mut sink.nodes);
    blob.clear();
    intset_of_width(&mut blob, sorted, width);
    sink.blob(&blob);
    sink.nodes = blob;
    ValueType::SetIntset
}
