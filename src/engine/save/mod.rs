//! Values into the types and encodings of a target: what the engine holds packed is copied, and
//! what it does not hold packed is written one by one, however small it has become.
//!
//! ```text
//! touched by a command   as it is held
//! untouched              as it lies in the base, if the server that loads it would write it so
//!                        else as it is held once it is loaded
//! ```

mod stream;
mod vector_set;

use super::value::{ListNode, PackedHash, PackedSet, kept_as_double};
use super::{Array, Hash, Keyspace, List, Record, Set, SortedSet, Value, thaw};
use crate::error::FormatError;
use crate::rdb::write::{self, Body, EntryRoom, Loss, Sink};
use crate::rdb::{Entry, Family, Scratch, Target, ValueType};
use crate::value::{Cell, Elem};

/// Writes the value of a record of this keyspace with the types of a target, and in the forms in
/// which `server` holds it, which is the one that the engine plays; what is lost is in the sink's
/// losses.
pub fn save<'a>(
    record: &'a Record,
    keyspace: &'a Keyspace,
    server: &Target,
    target: &Target,
    sink: &mut Sink,
    room: &mut EntryRoom,
) -> Result<Body<'a>, Box<FormatError>> {
    let written = match &record.value {
        Value::Frozen(frozen) => {
            let entry = keyspace.base().and_then(|base| base.entry(&record.key, *frozen));
            let Some(entry) = entry else { return Ok(Body::Nothing) };
            if write::stays(&entry, server)? {
                return write::entry(sink, &entry, target, false, room);
            }
            let value = thaw(&entry, &server.limits, &mut Scratch::default())?;
            save_value(&value, keyspace, target, sink)
        }
        Value::Opaque(opaque) => {
            let entry = Entry::of_body(&record.key, opaque.value_type, &opaque.body, 0);
            return write::entry(sink, &entry, target, false, room);
        }
        value => save_value(value, keyspace, target, sink),
    };
    Ok(match written {
        Ok(ty) => ty.map_or(Body::Nothing, Body::Written),
        Err(loss) => {
            sink.losses.push(loss);
            Body::Nothing
        }
    })
}

/// The type of a value that has been written; none where there is no form for it.
fn save_value(
    value: &Value,
    keyspace: &Keyspace,
    target: &Target,
    sink: &mut Sink,
) -> Result<Option<ValueType>, Loss> {
    Ok(Some(match value {
        Value::Str(text) => write::string(sink, text),
        Value::Raw(text) => write::string(sink, text),
        Value::Lying(text) => write::string(sink, keyspace.text(*text)),
        Value::Int(n) => write::string_elem(sink, Elem::Int(*n)),
        Value::Hash(hash) => save_hash(hash, target, sink)?,
        Value::Set(set) => save_set(set, target, sink),
        Value::SortedSet(set) => save_sorted_set(set, target, sink),
        Value::List(list) => save_list(list, target, sink),
        Value::Stream(it) => return stream::save(it, target, sink),
        Value::Array(array) => return save_array(array, target, sink),
        Value::VectorSet(set) => return vector_set::save(set, target, sink),
        Value::Opaque(_) | Value::Frozen(_) => return Ok(None),
    }))
}

/// The target, with limits by which a value stays as it is held: packed or not.
fn keeping(target: &Target, held: ValueType) -> Target {
    Target { limits: target.limits.keeping(held), ..*target }
}

fn save_hash(hash: &Hash, target: &Target, sink: &mut Sink) -> Result<ValueType, Loss> {
    if hash.has_template() && target.has_templates() {
        let fields = hash.iter().map(|(field, value, _)| (field, value));
        return Ok(write::template_hash(sink, target, hash.packed().is_some(), fields));
    }
    let held = match hash.packed() {
        Some(PackedHash::Pairs(pack)) if !hash.has_template() && target.has_listpacks() => {
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
        Some(_) => ValueType::HashListpack,
        None => ValueType::Hash,
    };
    let fields: Vec<_> = hash
        .iter()
        .map(|(field, value, at_ms)| (field, value, at_ms.map(|at| u64::try_from(at).unwrap_or(0))))
        .collect();
    // Where there are no templates it is written as one without, which a loading server packs by its
    // limits.
    let target = if hash.has_template() { *target } else { keeping(target, held) };
    write::hash(sink, &target, fields.iter().copied())
}

fn save_sorted_set(set: &SortedSet, target: &Target, sink: &mut Sink) -> ValueType {
    let held = match set.packed() {
        Some(pack) if target.has_listpacks() => {
            sink.blob(pack.as_bytes());
            return ValueType::SortedSetListpack;
        }
        Some(_) => ValueType::SortedSetListpack,
        None => ValueType::SortedSet2,
    };
    write::sorted_set(sink, &keeping(target, held), set.iter())
}

fn save_set(set: &Set, target: &Target, sink: &mut Sink) -> ValueType {
    match set.packed() {
        Some(PackedSet::Ints(members, width)) => write::set_of_integers(sink, members, width),
        Some(PackedSet::Packed(pack)) if target.has_packed_sets() => {
            sink.blob(pack.as_bytes());
            ValueType::SetListpack
        }
        _ => {
            let members: Vec<_> = set.iter().collect();
            let target = keeping(target, ValueType::Set);
            write::set(sink, &target, members.iter().copied())
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
