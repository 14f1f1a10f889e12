//! Strings: one string, raw, as an integer, or compressed.

use std::ops::ControlFlow;

use super::cursor::Cursor;
use super::{Out, Scratch, Stop};
use crate::value::Item;

pub(super) fn visit(
    mut body: Cursor<'_>,
    scratch: &mut Scratch,
    out: &mut Out<'_, impl FnMut(Item<'_>) -> ControlFlow<()>>,
) -> Result<(), Stop> {
    out.give(Item::Text(body.elem(&mut scratch.first)?))
}
