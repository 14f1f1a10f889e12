//! A value's parts, each behind the veil, gathered so that they can be written again.

use std::borrow::Cow;

use super::veil::{Veil, VeilRoom};
use super::{AnonymizeOptions, scores};
use crate::report::export::read::{
    Array, Cell, CellValue, Consumer, Double, Field, Group, Id, Parts, Pending, Producer, Scored,
    Stream, StreamEntry, Used,
};
use crate::report::json::Blob;
use crate::value::{self, Elem, Item, Kind};

pub(super) struct Gather<'o> {
    options: &'o AnonymizeOptions,
    veil: &'o Veil,
    parts: Parts<'static>,
}

impl<'o> Gather<'o> {
    pub(super) fn new(kind: Kind, options: &'o AnonymizeOptions, veil: &'o Veil) -> Self {
        let parts = match kind {
            Kind::List => Parts::List(Vec::new()),
            Kind::Set => Parts::Set(Vec::new()),
            Kind::SortedSet => Parts::SortedSet(Vec::new()),
            Kind::Hash => Parts::Hash(Vec::new()),
            Kind::Stream => Parts::Stream(Stream::default()),
            Kind::Array => Parts::Array(Array::default()),
            Kind::String | Kind::Module => Parts::String(Blob(Cow::Borrowed(b""))),
        };
        Gather { options, veil, parts }
    }

    fn bytes(&self, bytes: &[u8], room: &mut VeilRoom) -> Blob<'static> {
        let mut out = Vec::with_capacity(bytes.len());
        self.veil.text(&mut out, bytes, room);
        Blob(Cow::Owned(out))
    }

    fn elem(&self, elem: Elem<'_>, room: &mut VeilRoom) -> Blob<'static> {
        self.bytes(elem.bytes(&mut itoa::Buffer::new()), room)
    }

    pub(super) fn item(&mut self, item: &Item<'_>, room: &mut VeilRoom) {
        match *item {
            Item::Text(text) => {
                let text = self.elem(text, room);
                self.parts = Parts::String(text);
            }
            Item::Element(elem) | Item::Member(elem) => {
                let elem = self.elem(elem, room);
                if let Parts::List(all) | Parts::Set(all) = &mut self.parts {
                    all.push(elem);
                }
            }
            Item::Scored { member, score } => {
                let member = self.elem(member, room);
                if let Parts::SortedSet(all) = &mut self.parts {
                    all.push(Scored { member, score: Double(score) });
                }
            }
            Item::Field { field, value, expires_at_ms } => {
                let (field, value) = (self.elem(field, room), self.elem(value, room));
                let shift = |at: u64| at.saturating_add_signed(self.options.shift_expiry_ms);
                let expires_at_ms = expires_at_ms.map(shift);
                if let Parts::Hash(all) = &mut self.parts {
                    all.push(Field { field, value, expires_at_ms });
                }
            }
            Item::Cell { index, cell } => {
                let value = match cell {
                    value::Cell::Bytes(bytes) => CellValue::Bytes(self.bytes(bytes, room)),
                    value::Cell::Int(n) => {
                        let text = self.elem(Elem::Int(n), room);
                        let n = std::str::from_utf8(&text.0).ok().and_then(|n| n.parse().ok());
                        CellValue::Int(n.unwrap_or_default())
                    }
                    value::Cell::Double(n) => CellValue::Double(n),
                };
                if let Parts::Array(array) = &mut self.parts {
                    array.cells.push(Cell { index, value });
                }
            }
            Item::ArrayInsertIndex(index) => {
                if let Parts::Array(array) = &mut self.parts {
                    array.insert_index = Some(index);
                }
            }
            Item::Module(_) => {}
            _ => self.stream(item, room),
        }
    }

    fn stream(&mut self, item: &Item<'_>, room: &mut VeilRoom) {
        // What has a name has another one; ids and times stay.
        let named = match *item {
            Item::Group(group) => Some(group.name),
            Item::Consumer { name, .. } | Item::Producer(name) => Some(name),
            Item::Idempotent { iid, .. } => Some(iid),
            _ => None,
        };
        let name = self.bytes(named.unwrap_or_default(), room);
        let fields = match *item {
            Item::StreamEntry { fields, .. } => fields
                .iter()
                .map(|(field, value)| (self.elem(field, room), self.elem(value, room)))
                .collect(),
            _ => Vec::new(),
        };
        let Parts::Stream(stream) = &mut self.parts else { return };
        let Stream { entries, groups, producers, .. } = stream;
        match *item {
            Item::StreamEntry { id, .. } => entries.push(StreamEntry { id: Id(id), fields }),
            Item::StreamInfo(info) => {
                stream.length = Some(info.length);
                stream.last_id = Some(Id(info.last_id));
                stream.first_id = info.first_id.map(Id);
                stream.max_deleted_id = info.max_deleted_id.map(Id);
                stream.entries_added = info.entries_added;
                if let Some(settings) = info.idempotence {
                    stream.idempotence_duration_secs = Some(settings.duration_secs);
                    stream.idempotence_max_entries = Some(settings.max_entries);
                    stream.idempotence_added = Some(settings.added);
                    stream.idempotence_duplicates = Some(settings.duplicates);
                }
            }
            Item::Group(group) => groups.push(Group {
                name,
                last_id: Id(group.last_id),
                entries_read: group.entries_read,
                pending: Vec::new(),
                consumers: Vec::new(),
                nacked: Vec::new(),
            }),
            Item::Pending { id, delivered_at_ms, deliveries } => {
                if let Some(group) = groups.last_mut() {
                    group.pending.push(Pending { id: Id(id), delivered_at_ms, deliveries });
                }
            }
            Item::Consumer { seen_at_ms, active_at_ms, .. } => {
                if let Some(group) = groups.last_mut() {
                    let pending = Vec::new();
                    group.consumers.push(Consumer { name, seen_at_ms, active_at_ms, pending });
                }
            }
            Item::Owned(id) => {
                if let Some(consumer) = groups.last_mut().and_then(|g| g.consumers.last_mut()) {
                    consumer.pending.push(Id(id));
                }
            }
            Item::Nacked(id) => {
                if let Some(group) = groups.last_mut() {
                    group.nacked.push(Id(id));
                }
            }
            Item::Producer(_) => producers.push(Producer { name, ids: Vec::new() }),
            Item::Idempotent { id, .. } => {
                if let Some(producer) = producers.last_mut() {
                    producer.ids.push(Used { iid: name, id: Id(id) });
                }
            }
            _ => {}
        }
    }

    /// The parts, in the order in which servers want them.
    pub(super) fn finish(mut self) -> Parts<'static> {
        match &mut self.parts {
            Parts::SortedSet(all) => scores::replace(all, self.options.scores, self.veil),
            Parts::Stream(stream) => {
                // Servers keep these by name.
                stream.groups.sort_by(|a, b| a.name.0.cmp(&b.name.0));
                for group in &mut stream.groups {
                    group.consumers.sort_by(|a, b| a.name.0.cmp(&b.name.0));
                }
                stream.producers.sort_by(|a, b| a.name.0.cmp(&b.name.0));
            }
            _ => {}
        }
        self.parts
    }
}
