//! A value that no command looks into: what a module wrote.

use crate::rdb::{Entry, ValueType};

/// A value that is carried along as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opaque {
    /// How it is stored.
    pub value_type: ValueType,
    /// Its body.
    pub body: Vec<u8>,
}

impl Opaque {
    /// The value of an entry.
    pub fn load(entry: &Entry<'_>) -> Self {
        Opaque { value_type: entry.value_type, body: entry.body().to_vec() }
    }
}
