//! A value in memory: as it came from the base until something touches it, then in the form that
//! a server would hold it in.

use std::ops::Range;
use std::sync::Arc;

use crate::rdb::packed::ListpackBuf;
use crate::rdb::{Entry, Text, ValueType};

use super::Bytes;

mod array;
mod hash;
mod list;
mod opaque;
mod set;
mod sorted_set;
pub mod stream;
mod text;
pub mod vector_set;

pub(in crate::engine) use array::kept_as_double;
pub use array::{Array, Shape};
pub(crate) use hash::is_hidden;
pub use hash::{Fields, Hash, PackedHash};
pub use list::{Elements, End, List, ListNode};
pub use opaque::Opaque;
pub use set::{Members, PackedSet, Set};
pub use sorted_set::{Packing, SortedSet};
pub use stream::Stream;
pub use text::Grown;
pub use vector_set::VectorSet;

/// A value in memory.
#[derive(Debug, Clone)]
pub enum Value {
    /// A string that was set as a whole: `embstr` or `raw` by its length.
    Str(Bytes),
    /// A string that was changed in place: `raw`, however short it is.
    Raw(Box<Grown>),
    /// A string that is the decimal of an integer.
    Int(i64),
    /// A list.
    List(Box<List>),
    /// A set.
    Set(Box<Set>),
    /// A hash.
    Hash(Box<Hash>),
    /// A sorted set.
    SortedSet(Box<SortedSet>),
    /// A stream.
    Stream(Box<Stream>),
    /// An array.
    Array(Box<Array>),
    /// A vector set.
    VectorSet(Box<VectorSet>),
    /// What is carried along without being looked into: values of modules.
    Opaque(Arc<Opaque>),
    /// A string that was set as a whole and lies in the log that set it.
    Lying(Lying),
    /// A value of the base that nothing has touched.
    Frozen(Frozen),
}

/// Where a string lies in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lying {
    at: u64,
    /// The length, and which log in the lowest byte.
    len_and_log: u64,
}

impl Lying {
    /// A string in one of the logs; `None` where that cannot be said.
    #[inline]
    pub(in crate::engine) fn new(log: usize, at: usize, len: usize) -> Option<Self> {
        let len = (len as u64).checked_mul(1 << 8)?;
        Some(Lying { at: at as u64, len_and_log: len | u64::from(u8::try_from(log).ok()?) })
    }

    /// The number of the log.
    pub(in crate::engine) fn log(self) -> usize {
        (self.len_and_log & 0xff) as usize
    }

    /// How many bytes it has.
    pub fn size_bytes(self) -> usize {
        (self.len_and_log >> 8) as usize
    }

    /// Where its bytes are.
    pub(in crate::engine) fn range(self) -> Range<usize> {
        let at = self.at as usize;
        at..at + self.size_bytes()
    }
}

/// Where the body of a value lies in the base, and how it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frozen {
    at: u64,
    /// The length, and the type in the lowest byte: a value has to fit three words.
    len_and_type: u64,
}

impl Frozen {
    /// The frozen value of an entry; `None` for one that is not to be had by its body alone, or
    /// that is too long to be true.
    pub fn of(entry: &Entry<'_>) -> Option<Self> {
        let plain = entry.template().is_none();
        let len = entry.body().len() as u64;
        let place = ValueType::ALL.iter().position(|ty| *ty == entry.value_type)? as u64;
        (plain && len < 1 << 56)
            .then_some(Frozen { at: entry.body_offset, len_and_type: len << 8 | place })
    }

    /// How it is stored.
    pub fn value_type(&self) -> ValueType {
        let place = (self.len_and_type & 0xff) as usize;
        ValueType::ALL.get(place).copied().unwrap_or(ValueType::String)
    }

    /// Where its body begins in the base.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// How many bytes its body takes.
    pub fn size_bytes(&self) -> u64 {
        self.len_and_type >> 8
    }
}

/// A kind of value that commands work on.
pub trait Typed: Sized {
    /// The value as this kind, if it is one.
    fn of(value: &mut Value) -> Option<&mut Self>;
    /// As [`Typed::of`], to look at.
    fn view(value: &Value) -> Option<&Self>;
    /// This as a value.
    fn wrap(self) -> Value;
}

macro_rules! typed {
    ($($kind:ident)*) => {$(
        impl Typed for $kind {
            #[inline]
            fn of(value: &mut Value) -> Option<&mut Self> {
                match value {
                    Value::$kind(it) => Some(it),
                    _ => None,
                }
            }

            #[inline]
            fn view(value: &Value) -> Option<&Self> {
                match value {
                    Value::$kind(it) => Some(it),
                    _ => None,
                }
            }

            #[inline]
            fn wrap(self) -> Value {
                Value::$kind(Box::new(self))
            }
        }
    )*};
}

typed!(List Set Hash SortedSet Stream Array VectorSet);

/// The listpack that the body of an entry is, where a strict walk has nothing to say about it.
fn packed_body(body: &[u8]) -> Option<ListpackBuf> {
    let (_, text) = Text::parse(body).ok()?;
    ListpackBuf::adopt(text.to_cow().ok()?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::Value;

    #[test]
    fn a_value_is_no_larger_than_a_short_string() {
        assert_eq!(size_of::<Value>(), 24);
    }
}
