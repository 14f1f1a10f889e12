//! Strings: three ways to hold one, and what commands need of them.

use std::ops::{Deref, DerefMut};

use super::Value;
use crate::engine::Bytes;
use crate::rdb::Target;

/// Longer strings are `raw`.
const EMBEDDED_BYTES: usize = 44;

/// A string that was changed in place, with room to grow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grown(pub Vec<u8>);

impl Deref for Grown {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.0
    }
}

impl DerefMut for Grown {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

impl Value {
    /// A string that counts as changed in place.
    pub fn raw(bytes: Vec<u8>) -> Value {
        Value::Raw(Box::new(Grown(bytes)))
    }

    /// The bytes of a string; those of an integer are made in `digits`.
    #[inline]
    pub fn text<'a>(&'a self, digits: &'a mut itoa::Buffer) -> Option<&'a [u8]> {
        match self {
            Value::Str(bytes) => Some(bytes),
            Value::Raw(bytes) => Some(bytes),
            Value::Int(n) => Some(digits.format(*n).as_bytes()),
            _ => None,
        }
    }

    /// The bytes of a string, to be changed in place: it is a raw one from now on.
    pub fn raw_mut(&mut self) -> Option<&mut Vec<u8>> {
        match self {
            Value::Str(bytes) => {
                *self = Value::raw(std::mem::replace(bytes, Bytes::EMPTY).into_vec());
            }
            Value::Int(n) => *self = Value::raw(itoa::Buffer::new().format(*n).into()),
            _ => {}
        }
        match self {
            Value::Raw(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Whether this is a string.
    #[inline]
    pub fn is_text(&self) -> bool {
        matches!(self, Value::Str(_) | Value::Raw(_) | Value::Int(_) | Value::Lying(_))
    }

    /// What OBJECT ENCODING says of a string.
    pub fn text_encoding(&self, _target: &Target) -> Option<&'static str> {
        match self {
            Value::Str(bytes) if bytes.len() <= EMBEDDED_BYTES => Some("embstr"),
            Value::Lying(text) if text.size_bytes() <= EMBEDDED_BYTES => Some("embstr"),
            Value::Str(_) | Value::Raw(_) | Value::Lying(_) => Some("raw"),
            Value::Int(_) => Some("int"),
            _ => None,
        }
    }
}
