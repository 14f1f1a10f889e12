//! Strings.

use super::Sink;
use crate::rdb::ValueType;
use crate::value::Elem;

/// Writes a string.
#[inline]
pub fn string(sink: &mut Sink, text: &[u8]) -> ValueType {
    sink.text(text);
    ValueType::String
}

/// Writes a string that is an element.
#[inline]
pub fn string_elem(sink: &mut Sink, elem: Elem<'_>) -> ValueType {
    sink.elem(elem);
    ValueType::String
}
