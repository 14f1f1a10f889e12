//! How a value lies on disk, in one word and as a small number to index arrays with.

use crate::rdb::{Entry, ValueType};
use crate::value::Kind;

/// The encodings that are told apart: one per value type, and two more of strings.
pub(crate) const ENCODINGS: usize = ValueType::ALL.len() + 2;
const STRING_INT: usize = ValueType::ALL.len();
const STRING_LZF: usize = ValueType::ALL.len() + 1;

/// The number of a key's encoding, below [`ENCODINGS`].
#[inline]
pub(crate) fn index(entry: &Entry<'_>) -> usize {
    match (entry.value_type, entry.body().first()) {
        (ValueType::String, Some(0xc0..=0xc2)) => STRING_INT,
        (ValueType::String, Some(0xc3)) => STRING_LZF,
        (value_type, _) => value_type as usize,
    }
}

/// The word for an encoding: that of OBJECT ENCODING where it has one; strings are `raw`, `int`
/// or `lzf`, as they lie in the file.
pub(crate) fn name(index: usize) -> &'static str {
    match ValueType::ALL.get(index) {
        Some(ValueType::String) => "raw",
        Some(value_type) => value_type.encoding(),
        None if index == STRING_INT => "int",
        None => "lzf",
    }
}

/// The kind of an encoding.
pub(crate) fn kind(index: usize) -> Kind {
    ValueType::ALL.get(index).map_or(Kind::String, |value_type| value_type.kind())
}

/// The word for the encoding of a key.
pub fn encoding(entry: &Entry<'_>) -> &'static str {
    name(index(entry))
}

/// Every word that [`encoding`] can answer.
pub fn encodings() -> Vec<&'static str> {
    let mut names: Vec<_> = (0..ENCODINGS).map(name).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_its_own_index() {
        for (index, &value_type) in ValueType::ALL.iter().enumerate() {
            assert_eq!(value_type as usize, index);
            assert_eq!(kind(index), value_type.kind());
        }
        assert_eq!([name(STRING_INT), name(STRING_LZF), name(0)], ["int", "lzf", "raw"]);
    }
}
