//! The logical values out of their layouts on disk: one file per kind.

use std::ops::ControlFlow;

use super::Entry;
use crate::error::Fault;
use crate::value::{Item, Kind};

/// Room that decoding reuses from value to value.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(super) blob: Vec<u8>,
    pub(super) first: Vec<u8>,
    pub(super) second: Vec<u8>,
}

/// What the headers of a value tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// The kind.
    pub kind: Kind,
    /// The encoding on disk.
    pub encoding: &'static str,
    /// Elements: of a string 1, of a hash its fields, of a stream its live entries.
    pub elements: u64,
}

/// A fault, that many bytes behind the start of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) at: u64,
    pub(crate) fault: Fault,
}

/// Kind, encoding and number of elements.
pub(super) fn shape(entry: &Entry<'_>) -> Result<Shape, Fault> {
    let ty = entry.value_type;
    Ok(Shape { kind: ty.kind(), encoding: ty.encoding(), elements: 0 })
}

/// Decodes a value and hands out its parts.
pub(super) fn visit(
    _entry: &Entry<'_>,
    _scratch: &mut Scratch,
    _visitor: &mut dyn FnMut(Item<'_>) -> ControlFlow<()>,
) -> Result<(), Broken> {
    Ok(())
}
