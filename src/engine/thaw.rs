//! Values out of a snapshot, in the form that a server holds them in after loading them.

use super::Value;
use super::value::{Array, Hash, List, Opaque, Set, SortedSet, Stream, Typed, VectorSet};
use crate::bytes::number::integer;
use crate::error::FormatError;
use crate::rdb::write::is_vector_set;
use crate::rdb::{Entry, Limits, Scratch};
use crate::value::{Elem, Item, Kind};
use std::ops::ControlFlow;
use std::sync::Arc;

/// The value of an entry. What cannot be read says where.
pub fn value(
    entry: &Entry<'_>,
    limits: &Limits,
    scratch: &mut Scratch,
) -> Result<Value, Box<FormatError>> {
    Ok(match entry.value_type.kind() {
        Kind::String => string(entry, scratch)?,
        Kind::List => List::load(entry, limits, scratch)?.wrap(),
        Kind::Set => Set::load(entry, limits, scratch)?.wrap(),
        Kind::Hash => Hash::load(entry, limits, scratch)?.wrap(),
        Kind::SortedSet => SortedSet::load(entry, limits, scratch)?.wrap(),
        Kind::Stream => Stream::load(entry, limits, scratch)?.wrap(),
        Kind::Array => Array::load(entry, scratch)?.wrap(),
        Kind::Module => {
            let set = match is_vector_set(entry.body()) {
                true => VectorSet::load(entry, scratch)?,
                false => None,
            };
            set.map_or_else(|| Value::Opaque(Arc::new(Opaque::load(entry))), VectorSet::wrap)
        }
    })
}

fn string(entry: &Entry<'_>, scratch: &mut Scratch) -> Result<Value, Box<FormatError>> {
    let mut value = Value::Int(0);
    entry.visit(scratch, |item| {
        if let Item::Text(text) = item {
            value = match text {
                Elem::Int(n) => Value::Int(n),
                Elem::Bytes(bytes) => text_value(bytes),
            };
        }
        ControlFlow::Continue(())
    })?;
    Ok(value)
}

/// A string as a server holds one that was set as a whole.
#[inline]
pub fn text_value(bytes: &[u8]) -> Value {
    match integer(bytes) {
        Some(n) => Value::Int(n),
        None => Value::Str(bytes.into()),
    }
}
