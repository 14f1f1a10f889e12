//! The elements of a value as rows: what a table has in columns, whatever the kind.

use std::ops::ControlFlow;

use crate::error::FormatError;
use crate::rdb::{Entry, Scratch};
use crate::value::{Elem, Item, Kind, StreamId};

/// A row of a table of elements.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Element<'a> {
    /// The place in a list, or the index in an array.
    pub(crate) index: Option<u64>,
    /// The id of a stream's entry.
    pub(crate) id: Option<StreamId>,
    /// The field of a hash, or of a stream's entry.
    pub(crate) field: Option<Elem<'a>>,
    /// The element itself, the member, or the value of the field.
    pub(crate) value: Option<Elem<'a>>,
    /// Of a member of a sorted set.
    pub(crate) score: Option<f64>,
    /// Of a field that expires on its own, unix time in milliseconds.
    pub(crate) expires_at_ms: Option<u64>,
}

/// Hands out a row for each element; returns how many. A module's value is one row with its bytes;
/// groups, consumers and what else belongs to a stream have none.
pub(crate) fn visit(
    entry: &Entry<'_>,
    scratch: &mut Scratch,
    mut each: impl FnMut(&Element<'_>),
) -> Result<u64, Box<FormatError>> {
    if entry.value_type.kind() == Kind::Module {
        each(&Element { value: Some(Elem::Bytes(entry.body())), ..Element::default() });
        return Ok(1);
    }
    let mut rows = 0;
    let mut row = |element: &Element<'_>| {
        rows += 1;
        each(element);
    };
    let mut place = 0;
    entry.visit(scratch, |item| {
        let none = Element::default();
        match item {
            Item::Text(text) | Item::Member(text) => row(&Element { value: Some(text), ..none }),
            Item::Element(elem) => {
                row(&Element { index: Some(place), value: Some(elem), ..none });
                place += 1;
            }
            Item::Scored { member, score } => {
                row(&Element { value: Some(member), score: Some(score), ..none });
            }
            Item::Field { field, value, expires_at_ms } => {
                row(&Element { field: Some(field), value: Some(value), expires_at_ms, ..none });
            }
            Item::StreamEntry { id, fields } => {
                for (field, value) in fields.iter() {
                    let (id, field, value) = (Some(id), Some(field), Some(value));
                    row(&Element { id, field, value, ..none });
                }
            }
            Item::Cell { index, cell } => cell.with_text(|text| {
                let value = Some(Elem::Bytes(text));
                row(&Element { index: Some(index), value, ..none });
            }),
            // What belongs to no element.
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    Ok(rows)
}
