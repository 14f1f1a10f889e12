//! A key of another snapshot, written for a target: copied where the target takes it as it lies,
//! read and written anew where not.
//!
//! A value that is read anew is gathered first, so this takes memory by the largest of them. The
//! large layouts (one by one) are copied by every target that is younger than they are.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use super::collect::{Heap, Place};
use super::module::copies;
use super::repacked::repacked;
use super::vector_set::oldest;
use super::{Loss, Sink, array, hash, list, module, set, sorted_set, stream, string_elem};
use crate::error::FormatError;
use crate::rdb::object::RawStream;
use crate::rdb::{Entry, Scratch, Target, ValueType};
use crate::value::{Cell, Elem, Item, Kind};

/// What has become of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'a> {
    /// It is copied: these bytes, under the type that it had.
    Same(ValueType, &'a [u8]),
    /// It was written to the sink, under this type.
    Written(ValueType),
    /// It is left out; the sink's losses say why.
    Nothing,
}

/// Room that values share.
#[derive(Debug, Default)]
pub struct EntryRoom {
    scratch: Scratch,
    heap: Heap,
    one: Vec<Place>,
    scored: Vec<(Place, f64)>,
    fields: Vec<(Place, Place, Option<u64>)>,
    cells: Vec<(u64, Kept)>,
    /// Whether nothing is to stay as it is.
    anew: bool,
    held: Option<ValueType>,
    field_shift_ms: i64,
}

impl EntryRoom {
    /// Says in which form the target holds the value that comes: it is packed, however large it is,
    /// or not packed, however small. Without a form its limits decide.
    pub fn hold(&mut self, form: Option<ValueType>) {
        self.held = form;
    }

    /// Lets fields of hashes expire later by so many milliseconds, or sooner.
    pub fn shift_fields(&mut self, ms: i64) {
        self.field_shift_ms = ms;
    }
}

/// A cell of an array.
#[derive(Debug)]
enum Kept {
    Text(Place),
    Other(Cell<'static>),
}

/// Writes the value of a key for a target. `same_templates` says that the file that is written
/// has the templates of the file that is read. What is lost is in the sink's losses, whether it
/// allows losses or not: whether such a value is wanted is for the caller to decide.
pub fn entry<'a>(
    sink: &mut Sink,
    entry: &Entry<'a>,
    target: &Target,
    same_templates: bool,
    room: &mut EntryRoom,
) -> Result<Body<'a>, Box<FormatError>> {
    let ty = entry.value_type;
    if is_empty(entry)? {
        sink.losses.push(Loss::EmptyValue);
        return Ok(Body::Nothing);
    }
    let shares = matches!(ty, ValueType::HashTemplateListpack | ValueType::HashTemplateArray);
    if ty.kind() == Kind::Module {
        if copies(target, entry.body()) == Ok(true) {
            return Ok(Body::Same(ty, entry.body()));
        }
        let written = accepted(sink, |sink| module(sink, target, entry.body()));
        return Ok(written.map_or(Body::Nothing, Body::Written));
    }
    let taken = if shares { same_templates && target.has_templates() } else { target.takes(ty) };
    if taken && let (ValueType::HashTemplateArray, Some(template)) = (ty, entry.template()) {
        // The reader has taken the template's id off the body.
        sink.length(template.id);
        sink.raw(entry.body());
        return Ok(Body::Written(ty));
    }
    if taken && !(ty.has_field_expiry() && room.field_shift_ms != 0) {
        return Ok(Body::Same(ty, entry.body()));
    }
    room.anew = false;
    written(sink, entry, target, room)
}

/// The same without copying, for a file whose texts are to be packed or not, whatever they were.
/// A module's value is copied all the same.
pub fn entry_anew<'a>(
    sink: &mut Sink,
    entry: &Entry<'a>,
    target: &Target,
    same_templates: bool,
    room: &mut EntryRoom,
) -> Result<Body<'a>, Box<FormatError>> {
    if is_empty(entry)? || entry.value_type.kind() == Kind::Module {
        return self::entry(sink, entry, target, false, room);
    }
    let same_templates = same_templates && target.has_templates();
    if (same_templates || target.takes(entry.value_type))
        && let Some(ty) = repacked(sink, entry, same_templates)?
    {
        return Ok(Body::Written(ty));
    }
    room.anew = true;
    written(sink, entry, target, room)
}

fn written<'a>(
    sink: &mut Sink,
    entry: &Entry<'a>,
    target: &Target,
    room: &mut EntryRoom,
) -> Result<Body<'a>, Box<FormatError>> {
    let was_lossy = sink.allow_losses(true);
    let written = anew(sink, entry, target, room);
    sink.allow_losses(was_lossy);
    Ok(written?.map_or(Body::Nothing, Body::Written))
}

/// Whether a target has the kind of this key at all; if not, [`entry`] leaves the key out.
pub fn can_hold(target: &Target, entry: &Entry<'_>) -> bool {
    match entry.value_type.kind() {
        Kind::Stream => target.stream_layout().is_some(),
        Kind::Array => target.has_arrays(),
        Kind::Module => match copies(target, entry.body()) {
            Ok(copied) => copied || oldest(&mut Sink::new(false), entry.body()).is_some(),
            Err(_) => false,
        },
        _ => true,
    }
}

/// Whether servers drop the key for having no elements.
fn is_empty(entry: &Entry<'_>) -> Result<bool, Box<FormatError>> {
    Ok(match entry.value_type.kind() {
        Kind::List | Kind::Set | Kind::SortedSet | Kind::Hash => entry.shape()?.elements == 0,
        _ => false,
    })
}

fn anew(
    sink: &mut Sink,
    entry: &Entry<'_>,
    target: &Target,
    room: &mut EntryRoom,
) -> Result<Option<ValueType>, Box<FormatError>> {
    let (anew, shift_ms) = (room.anew, room.field_shift_ms);
    let mut target = *target;
    if let Some(held) = room.held {
        target.limits = target.limits.keeping(held);
    }
    let target = &target;
    let EntryRoom { scratch, heap, one, scored, fields, cells, .. } = room;
    heap.clear();
    one.clear();
    scored.clear();
    fields.clear();
    cells.clear();
    let kind = entry.value_type.kind();
    match kind {
        Kind::Stream => {
            if target.stream_layout().is_none() {
                sink.losses.push(Loss::Stream);
                return Ok(None);
            }
            let raw =
                RawStream::read(entry).map_err(|broken| entry.error(broken.at, broken.fault))?;
            return Ok(accepted(sink, |sink| raw.with(anew, |parts| stream(sink, target, parts))));
        }
        Kind::Array if !target.has_arrays() => {
            sink.losses.push(Loss::Array);
            return Ok(None);
        }
        _ => {}
    }
    let mut insert = None;
    let mut text = None;
    entry.visit(scratch, |item| {
        match item.later(shift_ms) {
            Item::Text(elem) => text = Some(heap.put(elem)),
            Item::Element(elem) | Item::Member(elem) => one.push(heap.put(elem)),
            Item::Scored { member, score } => scored.push((heap.put(member), score)),
            Item::Field { field, value, expires_at_ms } => {
                fields.push((heap.put(field), heap.put(value), expires_at_ms));
            }
            Item::ArrayInsertIndex(index) => insert = Some(index),
            Item::Cell { index, cell } => cells.push((
                index,
                match cell {
                    Cell::Bytes(bytes) => Kept::Text(heap.put(Elem::Bytes(bytes))),
                    Cell::Int(n) => Kept::Other(Cell::Int(n)),
                    Cell::Double(n) => Kept::Other(Cell::Double(n)),
                },
            )),
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    let heap = &*heap;
    Ok(match kind {
        Kind::List => Some(list(sink, target, one.iter().map(|place| heap.get(place)))),
        Kind::Set => Some(set(sink, target, one.iter().map(|place| heap.get(place)))),
        Kind::SortedSet => {
            ascending(heap, scored);
            let members = scored.iter().map(|(place, score)| (heap.get(place), *score));
            Some(sorted_set(sink, target, members))
        }
        Kind::Hash => {
            let all = fields
                .iter()
                .map(|(field, value, expires)| (heap.get(field), heap.get(value), *expires));
            accepted(sink, |sink| hash(sink, target, all).map(Some))
        }
        Kind::Array => {
            let all = cells.iter().map(|(index, cell)| {
                let cell = match cell {
                    Kept::Other(cell) => *cell,
                    Kept::Text(place) => match heap.get(place) {
                        Elem::Bytes(bytes) => Cell::Bytes(bytes),
                        Elem::Int(n) => Cell::Int(n),
                    },
                };
                (*index, cell)
            });
            accepted(sink, |sink| array(sink, target, insert, all))
        }
        _ => text.map(|place| string_elem(sink, heap.get(&place))),
    })
}

/// A loss that is not accepted is listed all the same.
fn accepted<T>(
    sink: &mut Sink,
    write: impl FnOnce(&mut Sink) -> Result<Option<T>, Loss>,
) -> Option<T> {
    match write(sink) {
        Ok(ty) => ty,
        Err(loss) => {
            sink.losses.push(loss);
            None
        }
    }
}

/// Brings members into the order of a sorted set; from a file they come in it, or in its reverse.
fn ascending(heap: &Heap, members: &mut [(Place, f64)]) {
    let (mut a, mut b) = (itoa::Buffer::new(), itoa::Buffer::new());
    let mut order = |(one, first): &(Place, f64), (other, second): &(Place, f64)| {
        first
            .partial_cmp(second)
            .unwrap_or(Ordering::Equal)
            .then_with(|| heap.get(one).bytes(&mut a).cmp(heap.get(other).bytes(&mut b)))
    };
    if members.is_sorted_by(|one, other| order(one, other).is_le()) {
        return;
    }
    members.reverse();
    if !members.is_sorted_by(|one, other| order(one, other).is_le()) {
        members.sort_by(|one, other| order(one, other));
    }
}
