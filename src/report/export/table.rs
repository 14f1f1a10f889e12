//! Keys and elements as rows of CSV, in the form that [`csv`] describes.
//!
//! ```text
//! a row per key      db,key,type,encoding,elements,size_bytes,expires_at_ms,idle_secs,frequency,value
//! a row per element  db,key,type,index,field,value,score,expires_at_ms
//! ```
//!
//! In a row per key the value of a string is its text, and that of all others is JSON. In a row
//! per element `index` is the place in a list, the index in an array, the id of a stream's entry;
//! a member of a set is a `value`; an entry of a stream has a row for each of its fields. What
//! expires is the field where it has an expiry of its own, else the key. A module's value is one
//! row with its bytes. Groups, consumers and what else belongs to a stream have no rows.

use std::ops::ControlFlow;

use super::elements::{self, Element};
use super::row::{PIECE, RowRoom, push_huge_value, push_value};
use crate::error::{FormatError, Result};
use crate::rdb::Entry;
use crate::report::csv;
use crate::report::json::{push_double, push_number};
use crate::report::keys::{KeyRow, push_csv_fields};
use crate::value::{Elem, Item, Kind};

/// Names of the columns, a row per key.
pub(crate) const KEY_COLUMNS: &[u8] =
    b"db,key,type,encoding,elements,size_bytes,expires_at_ms,idle_secs,frequency,value\r\n";
/// Names of the columns, a row per element.
pub(crate) const ELEMENT_COLUMNS: &[u8] = b"db,key,type,index,field,value,score,expires_at_ms\r\n";

/// Appends the row of a key.
pub(crate) fn push_key(
    out: &mut Vec<u8>,
    entry: &Entry<'_>,
    row: &KeyRow<'_>,
    room: &mut RowRoom,
) -> Result<(), Box<FormatError>> {
    push_csv_fields(out, row);
    out.push(b',');
    if entry.value_type.kind() == Kind::String {
        entry.visit(&mut room.scratch, |item| {
            if let Item::Text(text) = item {
                push_elem(out, text);
            }
            ControlFlow::Continue(())
        })?;
    } else {
        let mut text = std::mem::take(&mut room.text);
        text.clear();
        let done = push_value(&mut text, entry, room);
        csv::push_quoted(out, &text);
        room.text = text;
        done?;
    }
    csv::end(out);
    Ok(())
}

/// Appends the row of a huge key, `put` taking away what has been appended from time to time. The
/// value has to be sound, and no string.
pub(crate) fn push_huge_key(
    out: &mut Vec<u8>,
    entry: &Entry<'_>,
    row: &KeyRow<'_>,
    room: &mut RowRoom,
    put: &mut impl FnMut(&mut Vec<u8>) -> Result<()>,
) -> Result<()> {
    push_csv_fields(out, row);
    out.extend_from_slice(b",\"");
    let mut text = Vec::new();
    push_huge_value(&mut text, entry, room, &mut |text| {
        csv::push_doubled(out, text);
        text.clear();
        put(out)
    })?;
    csv::push_doubled(out, &text);
    out.push(b'"');
    csv::end(out);
    Ok(())
}

/// Appends a row for each element of a key, `put` taking away what has been appended when it is
/// much; returns how many.
pub(crate) fn push_elements(
    out: &mut Vec<u8>,
    entry: &Entry<'_>,
    key: &[u8],
    room: &mut RowRoom,
    put: &mut impl FnMut(&mut Vec<u8>) -> Result<()>,
) -> Result<u64> {
    // What all rows of the key begin with.
    let head = &mut room.text;
    head.clear();
    push_number(head, entry.db);
    head.push(b',');
    csv::push_bytes(head, key);
    head.push(b',');
    head.extend_from_slice(entry.value_type.kind().name().as_bytes());
    head.push(b',');
    let mut done = Ok(());
    let rows = elements::visit(entry, &mut room.scratch, |element| {
        out.extend_from_slice(head);
        push_element(out, element, entry.expires_at_ms);
        if out.len() >= PIECE && done.is_ok() {
            done = put(out);
        }
    })?;
    done.map(|()| rows)
}

fn push_element(out: &mut Vec<u8>, element: &Element<'_>, expires_at_ms: Option<i64>) {
    if let Some(index) = element.index {
        push_number(out, index);
    } else if let Some(id) = element.id {
        push_number(out, id.ms);
        out.push(b'-');
        push_number(out, id.seq);
    }
    for elem in [element.field, element.value] {
        out.push(b',');
        if let Some(elem) = elem {
            push_elem(out, elem);
        }
    }
    out.push(b',');
    match element.score {
        Some(score) if score.is_finite() => push_double(out, score),
        Some(score) if score.is_nan() => out.extend_from_slice(b"nan"),
        Some(score) if score > 0.0 => out.extend_from_slice(b"inf"),
        Some(_) => out.extend_from_slice(b"-inf"),
        None => {}
    }
    out.push(b',');
    match (element.expires_at_ms, expires_at_ms) {
        (Some(at_ms), _) => push_number(out, at_ms),
        (None, Some(at_ms)) => push_number(out, at_ms),
        (None, None) => {}
    }
    csv::end(out);
}

fn push_elem(out: &mut Vec<u8>, elem: Elem<'_>) {
    match elem {
        Elem::Bytes(bytes) => csv::push_bytes(out, bytes),
        Elem::Int(n) => push_number(out, n),
    }
}
