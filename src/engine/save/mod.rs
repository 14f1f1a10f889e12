//! Values into the types and encodings of a target: what the engine holds packed is copied.

mod stream;

use super::value::{ListNode, PackedHash, PackedSet, kept_as_double};
use super::{Array, Hash, Keyspace, List, Record, Set, SortedSet, Value};
use crate::error::FormatError;
use crate::rdb::write::{self, Body, EntryRoom, Loss, Sink};
use crate::rdb::{Entry, Family, Target, ValueType};
use crate::value::{Cell, Elem};

/// Writes the value of a record of this keyspace for a target; what is lost is in the sink's losses.
pub fn save<'a>(
    record: &'a Record,
    keyspace: &'a Keyspace,
    target: &Target,
    sink: &mut Sink,
    room: &mut EntryRoom,
) -> Result<Body<'a>, Box<FormatError>> {
    let written = match &record.value {
        Value::Frozen(frozen) => {
            return match keyspace.base().and_then(|base| base.entry(&record.key, *frozen)) {
                Some(entry) => write::entry(sink, &entry, target, false, room),
                None => Ok(Body::Nothing),
            };
        }
        Value::Str(text) => Ok(write::string(sink, text)),
        Value::Raw(text) => Ok(write::string(sink, text)),
        Value::Lying(text) => Ok(write::string(sink, keyspace.text(*text))),
        Value::Int(n) => Ok(write::string_elem(sink, Elem::Int(*n))),
        Value::Hash(hash) => save_hash(hash, target, sink),
        Value::Set(set) => Ok(save_set(set, target, sink)),
        Value::SortedSet(set) => Ok(save_sorted_set(set, target, sink)),
        Value::Stream(it) => match stream::save(it, target, sink) {
            Ok(Some(ty)) => Ok(ty),
            Ok(None) => return Ok(Body::Nothing),
            Err(loss) => Err(loss),
        },
        Value::List(list) => Ok(save_list(list, target, sink)),
        Value::Array(array) => match save_array(array, target, sink) {
            Ok(Some(ty)) => Ok(ty),
            Ok(None) => return Ok(Body::Nothing),
            Err(loss) => Err(loss),
        },
        Value::Opaque(opaque) => {
            let entry = Entry::of_body(&record.key, opaque.value_type, &opaque.body, 0);
            return write::entry(sink, &entry, target, false, room);
        }
    };
    Ok(written.map_or_else(
        |loss| {
            sink.losses.push(loss);
            Body::Nothing
        },
        Body::Written,
    ))
}

fn save_hash(hash: &Hash, target: &Target, sink: &mut Sink) -> Result<ValueType, Loss> {
    if !hash.has_template() && target.has_listpacks() {
        match hash.packed() {
            Some(PackedHash::Pairs(pack)) => {
                sink.blob(pack.as_bytes());
                return Ok(ValueType::HashListpack);
            }
            Some(PackedHash::Triples(pack))
                if target.has_field_expiry() && target.header.family == Family::Redis =>
            {
                sink.i64_le(hash.soonest_expiry_ms().unwrap_or(0));
                sink.blob(pack.as_bytes());
                return Ok(ValueType::HashListpackEx);
            }
            _ => {}
        }
    }
    let fields: Vec<_> = hash
        .iter()
        .map(|(field, value, at_ms)| (field, value, at_ms.map(|at| u64::try_from(at).unwrap_or(0))))
        .collect();
    write::hash(sink, target, fields.iter().copied())
}

fn save_sorted_set(set: &SortedSet, target: &Target, sink: &mut Sink) -> ValueType {
    match set.packed() {
        Some(pack) if target.has_listpacks() => {
            sink.blob(pack.as_bytes());
            ValueType::SortedSetListpack
        }
        _ => write::sorted_set(sink, target, set.iter()),
    }
}

fn save_set(set: &Set, target: &Target, sink: &mut Sink) -> ValueType {
    match set.packed() {
        Some(PackedSet::Packed(pack)) if target.has_packed_sets() => {
            sink.blob(pack.as_bytes());
            ValueType::SetListpack
        }
        _ => {
            let members: Vec<_> = set.iter().collect();
            write::set(sink, target, members.iter().copied())
        }
    }
}

fn save_list(list: &List, target: &Target, sink: &mut Sink) -> ValueType {
    let nodes: Vec<write::ListNode<'_>> = list
        .nodes()
        .map(|node| match node {
            ListNode::Packed(pack) => write::ListNode::Packed(pack.as_bytes()),
            ListNode::Plain(element) => write::ListNode::Plain(element),
        })
        .collect();
    write::list_nodes(sink, target, nodes.iter().copied())
}

fn save_array(array: &Array, target: &Target, sink: &mut Sink) -> Result<Option<ValueType>, Loss> {
    let cells = array.iter().map(|(index, text)| match kept_as_double(text) {
        Some(value) => (index, Cell::Double(value)),
        None => (index, Cell::Bytes(text)),
    });
    write::array(sink, target, array.inserted(), cells)
}
