//! Values as JSON, written as they come.
//!
//! ```text
//! string  bytes                                   list, set  [bytes, …]
//! zset    [{"member": bytes, "score": number}]    hash       [{"field": bytes, "value": bytes}]
//! stream  {"entries": [{"id": "1-0", "fields": [[bytes, bytes], …]}], "length": …, "groups": […]}
//! array   {"insert_index": n, "cells": [{"index": n, "value": …}]}
//! module  {"module": "ReJSON-RL", "version": 3, "items": [{"unsigned": 1}, {"string": bytes}]}
//! ```
//!
//! Bytes are as [`crate::report::json`] says; a hash field with its own expiry has
//! `"expires_at_ms"`; scores that are not finite are `"inf"` and `"-inf"`.

use super::json::{push_bytes, push_double, push_number};
use super::short;
use crate::rdb::ModuleId;
use crate::value::{Cell, Elem, Item, Kind, ModuleItem, StreamId};

/// Where in an object the next part goes.
#[derive(Debug, Default)]
pub(crate) struct ValueJson {
    /// What closes the objects and arrays that are open, innermost last.
    open: Vec<Level>,
    /// Whether something stands in the innermost one already.
    comma: bool,
    /// Whether the cells of an array have been begun: what it says of itself may come before them.
    cells: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// A list of plain parts.
    List,
    /// An object around parts of its own: `]` or `}` and what it belongs to.
    Stream,
    Entries,
    Groups,
    Group,
    Pending,
    Consumers,
    Consumer,
    Owned,
    Nacked,
    Producers,
    Producer,
    Ids,
    Array,
    Cells,
    Module,
    Items,
}

impl Level {
    fn closing(self) -> u8 {
        match self {
            Level::List
            | Level::Entries
            | Level::Groups
            | Level::Pending
            | Level::Consumers
            | Level::Owned
            | Level::Nacked
            | Level::Producers
            | Level::Ids
            | Level::Cells
            | Level::Items => b']',
            Level::Stream
            | Level::Group
            | Level::Consumer
            | Level::Producer
            | Level::Array
            | Level::Module => b'}',
        }
    }
}

impl ValueJson {
    /// Begins a value.
    #[inline]
    pub(crate) fn begin(&mut self, out: &mut Vec<u8>, kind: Kind) {
        self.open.clear();
        self.comma = false;
        match kind {
            Kind::String => {}
            Kind::Stream => {
                self.object(out, Level::Stream);
                self.list(out, "entries", Level::Entries);
            }
            Kind::Array => {
                self.object(out, Level::Array);
                self.cells = false;
            }
            Kind::Module => self.object(out, Level::Module),
            Kind::List | Kind::Set | Kind::SortedSet | Kind::Hash => {
                out.push(b'[');
                self.open.push(Level::List);
            }
        }
    }

    /// Ends it.
    #[inline]
    pub(crate) fn end(&mut self, out: &mut Vec<u8>) {
        if self.open.contains(&Level::Array) {
            self.begin_cells(out);
        }
        while let Some(level) = self.open.pop() {
            out.push(level.closing());
        }
    }

    /// Writes the next part of it.
    #[inline]
    pub(crate) fn item(&mut self, out: &mut Vec<u8>, item: &Item<'_>) {
        if self.short(out, item).is_some() {
            self.comma = true;
            return;
        }
        match item {
            Item::Text(text) => push_elem(out, *text),
            Item::Element(elem) | Item::Member(elem) => {
                self.separate(out);
                push_elem(out, *elem);
            }
            Item::Scored { member, score } => {
                self.separate(out);
                out.extend_from_slice(b"{\"member\":");
                push_elem(out, *member);
                out.extend_from_slice(b",\"score\":");
                push_double(out, *score);
                out.push(b'}');
            }
            Item::Field { field, value, expires_at_ms } => {
                self.separate(out);
                out.extend_from_slice(b"{\"field\":");
                push_elem(out, *field);
                out.extend_from_slice(b",\"value\":");
                push_elem(out, *value);
                if let Some(at_ms) = expires_at_ms {
                    out.extend_from_slice(b",\"expires_at_ms\":");
                    push_number(out, *at_ms);
                }
                out.push(b'}');
            }
            Item::Cell { index, cell } => {
                self.begin_cells(out);
                self.separate(out);
                out.extend_from_slice(b"{\"index\":");
                push_number(out, *index);
                out.extend_from_slice(b",\"value\":");
                match *cell {
                    Cell::Bytes(bytes) => push_bytes(out, bytes),
                    Cell::Int(n) => push_number(out, n),
                    Cell::Double(n) => push_double(out, n),
                }
                out.push(b'}');
            }
            Item::ArrayInsertIndex(index) => {
                self.close_to(out, Level::Array);
                self.number(out, "insert_index", *index);
            }
            Item::Module(item) => self.module(out, item),
            stream => self.stream(out, stream),
        }
    }

    /// Appends the next part, if it is one of the many that are short.
    #[inline]
    fn short(&self, out: &mut Vec<u8>, item: &Item<'_>) -> Option<()> {
        let comma = usize::from(self.comma);
        match *item {
            Item::Element(elem) | Item::Member(elem) => short::append(out, |short| {
                short.put_some(b",", comma)?;
                short.elem(elem)
            }),
            Item::Scored { member, score } => short::append(out, |short| {
                short.put_some(b",", comma)?;
                short.put(b"{\"member\":")?;
                short.elem(member)?;
                short.put(b",\"score\":")?;
                short.double(score)?;
                short.put(b"}")
            }),
            Item::Field { field, value, expires_at_ms: None } => short::append(out, |short| {
                short.put_some(b",", comma)?;
                short.put(b"{\"field\":")?;
                short.elem(field)?;
                short.put(b",\"value\":")?;
                short.elem(value)?;
                short.put(b"}")
            }),
            _ => None,
        }
    }

    fn begin_cells(&mut self, out: &mut Vec<u8>) {
        if !self.cells {
            self.cells = true;
            self.list(out, "cells", Level::Cells);
        }
    }

    fn module(&mut self, out: &mut Vec<u8>, item: &ModuleItem<'_>) {
        if let ModuleItem::Id(id) = *item {
            let id = ModuleId(id);
            self.name(out, "module");
            push_bytes(out, id.name().as_bytes());
            self.number(out, "version", id.version());
            self.list(out, "items", Level::Items);
            return;
        }
        self.separate(out);
        let mut push = |name: &str, value: &dyn Fn(&mut Vec<u8>)| {
            out.extend_from_slice(format!("{{\"{name}\":").as_bytes());
            value(out);
            out.push(b'}');
        };
        match *item {
            ModuleItem::Id(_) => {}
            ModuleItem::Signed(n) => push("signed", &|out| out.extend(n.to_string().bytes())),
            ModuleItem::Unsigned(n) => push("unsigned", &|out| out.extend(n.to_string().bytes())),
            ModuleItem::Float(n) => push("float", &|out| push_double(out, n.into())),
            ModuleItem::Double(n) => push("double", &|out| push_double(out, n)),
            ModuleItem::Text(text) => push("string", &|out| push_bytes(out, text)),
        }
    }

    fn stream(&mut self, out: &mut Vec<u8>, item: &Item<'_>) {
        match item {
            Item::StreamEntry { id, fields } => {
                let comma = usize::from(self.comma);
                self.comma = true;
                short::append(out, |short| {
                    short.put_some(b",", comma)?;
                    short.put(b"{\"id\":")?;
                    short.id(*id)?;
                    short.put(b",\"fields\":[")
                });
                for (i, (field, value)) in fields.iter().enumerate() {
                    push_pair(out, i > 0, field, value);
                }
                out.extend_from_slice(b"]}");
            }
            Item::StreamInfo(info) => {
                self.close_to(out, Level::Stream);
                self.number(out, "length", info.length);
                self.id(out, "last_id", info.last_id);
                if let Some(id) = info.first_id {
                    self.id(out, "first_id", id);
                }
                if let Some(id) = info.max_deleted_id {
                    self.id(out, "max_deleted_id", id);
                }
                if let Some(added) = info.entries_added {
                    self.number(out, "entries_added", added);
                }
                if let Some(idempotence) = info.idempotence {
                    self.number(out, "idempotence_duration_secs", idempotence.duration_secs);
                    self.number(out, "idempotence_max_entries", idempotence.max_entries);
                    self.number(out, "idempotence_added", idempotence.added);
                    self.number(out, "idempotence_duplicates", idempotence.duplicates);
                }
                self.list(out, "groups", Level::Groups);
            }
            Item::Group(group) => {
                self.close_to(out, Level::Groups);
                self.separate(out);
                self.object(out, Level::Group);
                self.bytes(out, "name", group.name);
                self.id(out, "last_id", group.last_id);
                if let Some(read) = group.entries_read {
                    self.number(out, "entries_read", read);
                }
                self.list(out, "pending", Level::Pending);
            }
            Item::Pending { id, delivered_at_ms, deliveries } => {
                self.separate(out);
                out.extend_from_slice(b"{\"id\":");
                push_id(out, *id);
                out.extend_from_slice(b",\"delivered_at_ms\":");
                push_number(out, *delivered_at_ms);
                out.extend_from_slice(b",\"deliveries\":");
                push_number(out, *deliveries);
                out.push(b'}');
            }
            Item::Consumer { name, seen_at_ms, active_at_ms } => {
                if self.open.contains(&Level::Consumers) {
                    self.close_to(out, Level::Consumers);
                } else {
                    self.close_to(out, Level::Group);
                    self.list(out, "consumers", Level::Consumers);
                }
                self.separate(out);
                self.object(out, Level::Consumer);
                self.bytes(out, "name", name);
                self.number(out, "seen_at_ms", *seen_at_ms);
                if let Some(at_ms) = active_at_ms {
                    self.number(out, "active_at_ms", *at_ms);
                }
                self.list(out, "pending", Level::Owned);
            }
            Item::Owned(id) => self.plain_id(out, *id),
            Item::Nacked(id) => {
                if self.open.last() != Some(&Level::Nacked) {
                    self.close_to(out, Level::Group);
                    self.list(out, "nacked", Level::Nacked);
                }
                self.plain_id(out, *id);
            }
            Item::Producer(name) => {
                if self.open.contains(&Level::Producers) {
                    self.close_to(out, Level::Producers);
                } else {
                    self.close_to(out, Level::Stream);
                    self.list(out, "producers", Level::Producers);
                }
                self.separate(out);
                self.object(out, Level::Producer);
                self.bytes(out, "name", name);
                self.list(out, "ids", Level::Ids);
            }
            Item::Idempotent { iid, id } => {
                self.separate(out);
                out.extend_from_slice(b"{\"iid\":");
                push_bytes(out, iid);
                out.extend_from_slice(b",\"id\":");
                push_id(out, *id);
                out.push(b'}');
            }
            // Everything else was taken care of before.
            _ => {}
        }
    }

    fn plain_id(&mut self, out: &mut Vec<u8>, id: StreamId) {
        self.separate(out);
        push_id(out, id);
    }

    /// Closes what is open inside the innermost `level`.
    fn close_to(&mut self, out: &mut Vec<u8>, level: Level) {
        while let Some(&innermost) = self.open.last() {
            if innermost == level {
                break;
            }
            out.push(innermost.closing());
            self.open.pop();
            self.comma = true;
        }
    }

    fn separate(&mut self, out: &mut Vec<u8>) {
        if self.comma {
            out.push(b',');
        }
        self.comma = true;
    }

    fn object(&mut self, out: &mut Vec<u8>, level: Level) {
        out.push(b'{');
        self.open.push(level);
        self.comma = false;
    }

    fn name(&mut self, out: &mut Vec<u8>, name: &str) {
        self.separate(out);
        out.push(b'"');
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
    }

    fn list(&mut self, out: &mut Vec<u8>, name: &str, level: Level) {
        self.name(out, name);
        out.push(b'[');
        self.open.push(level);
        self.comma = false;
    }

    fn number(&mut self, out: &mut Vec<u8>, name: &str, number: impl itoa::Integer) {
        self.name(out, name);
        push_number(out, number);
    }

    fn id(&mut self, out: &mut Vec<u8>, name: &str, id: StreamId) {
        self.name(out, name);
        push_id(out, id);
    }

    fn bytes(&mut self, out: &mut Vec<u8>, name: &str, bytes: &[u8]) {
        self.name(out, name);
        push_bytes(out, bytes);
    }
}

/// An element. The text of an integer needs no look at what is in it.
#[inline]
pub(crate) fn push_elem(out: &mut Vec<u8>, elem: Elem<'_>) {
    match elem {
        Elem::Bytes(bytes) => push_bytes(out, bytes),
        Elem::Int(n) => {
            out.push(b'"');
            push_number(out, n);
            out.push(b'"');
        }
    }
}

/// A field of a stream's entry, with its value.
#[inline]
fn push_pair(out: &mut Vec<u8>, comma: bool, field: Elem<'_>, value: Elem<'_>) {
    let done = short::append(out, |short| {
        short.put_some(b",", usize::from(comma))?;
        short.put(b"[")?;
        short.elem(field)?;
        short.put(b",")?;
        short.elem(value)?;
        short.put(b"]")
    });
    if done.is_none() {
        out.extend_from_slice(if comma { b",[" } else { b"[" });
        push_elem(out, field);
        out.push(b',');
        push_elem(out, value);
        out.push(b']');
    }
}

fn push_id(out: &mut Vec<u8>, id: StreamId) {
    out.push(b'"');
    push_number(out, id.ms);
    out.push(b'-');
    push_number(out, id.seq);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Group, Pairs, StreamInfo};

    #[track_caller]
    fn check(kind: Kind, items: &[Item<'_>], want: &str) {
        let (mut json, mut out) = (ValueJson::default(), Vec::new());
        json.begin(&mut out, kind);
        items.iter().for_each(|item| json.item(&mut out, item));
        json.end(&mut out);
        let document: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let want: serde_json::Value = serde_json::from_str(want).unwrap();
        assert_eq!(document, want, "{}", String::from_utf8_lossy(&out));
    }

    const ID: StreamId = StreamId { ms: 5, seq: 1 };

    #[test]
    fn plain_kinds() {
        let (a, one) = (Elem::Bytes(b"a"), Elem::Int(1));
        check(Kind::String, &[Item::Text(Elem::Bytes(b"\xff"))], r#"{"base64":"/w=="}"#);
        check(Kind::List, &[Item::Element(a), Item::Element(one)], r#"["a","1"]"#);
        check(Kind::Set, &[], "[]");
        check(
            Kind::SortedSet,
            &[
                Item::Scored { member: a, score: f64::INFINITY },
                Item::Scored { member: one, score: 2.5 },
            ],
            r#"[{"member":"a","score":"inf"},{"member":"1","score":2.5}]"#,
        );
        check(
            Kind::Hash,
            &[
                Item::Field { field: a, value: one, expires_at_ms: Some(7) },
                Item::Field { field: one, value: a, expires_at_ms: None },
            ],
            r#"[{"field":"a","value":"1","expires_at_ms":7},{"field":"1","value":"a"}]"#,
        );
    }

    #[test]
    fn streams_with_all_that_belongs_to_them() {
        let fields = [(Elem::Bytes(b"f"), Elem::Int(1))];
        let info = StreamInfo { length: 1, last_id: ID, groups: 2, ..StreamInfo::default() };
        let group =
            |name| Item::Group(Group { name, last_id: ID, entries_read: Some(1), pending: 1 });
        let consumer = |name| Item::Consumer { name, seen_at_ms: 9, active_at_ms: Some(-1) };
        check(
            Kind::Stream,
            &[
                Item::StreamEntry { id: ID, fields: Pairs::new(&fields) },
                Item::StreamInfo(info),
                group(b"g1"),
                Item::Pending { id: ID, delivered_at_ms: 3, deliveries: 2 },
                consumer(b"c1"),
                Item::Owned(ID),
                consumer(b"c2"),
                Item::Nacked(ID),
                Item::Nacked(ID),
                group(b"g2"),
                Item::Producer(b"p1"),
                Item::Idempotent { iid: b"i", id: ID },
                Item::Producer(b"p2"),
            ],
            r#"{"entries":[{"id":"5-1","fields":[["f","1"]]}],"length":1,"last_id":"5-1","groups":[
                {"name":"g1","last_id":"5-1","entries_read":1,
                 "pending":[{"id":"5-1","delivered_at_ms":3,"deliveries":2}],
                 "consumers":[
                    {"name":"c1","seen_at_ms":9,"active_at_ms":-1,"pending":["5-1"]},
                    {"name":"c2","seen_at_ms":9,"active_at_ms":-1,"pending":[]}],
                 "nacked":["5-1","5-1"]},
                {"name":"g2","last_id":"5-1","entries_read":1,"pending":[]}],
               "producers":[{"name":"p1","ids":[{"iid":"i","id":"5-1"}]},{"name":"p2","ids":[]}]}"#,
        );
        check(Kind::Stream, &[], r#"{"entries":[]}"#);
    }

    #[test]
    fn arrays_and_modules() {
        check(
            Kind::Array,
            &[
                Item::ArrayInsertIndex(9),
                Item::Cell { index: u64::MAX - 1, cell: Cell::Int(-7) },
                Item::Cell { index: 9, cell: Cell::Bytes(b"x") },
            ],
            r#"{"cells":[{"index":18446744073709551614,"value":-7},{"index":9,"value":"x"}],
               "insert_index":9}"#,
        );
        check(Kind::Array, &[Item::ArrayInsertIndex(9)], r#"{"cells":[],"insert_index":9}"#);
        check(
            Kind::Array,
            &[Item::Cell { index: 0, cell: Cell::Double(0.5) }, Item::ArrayInsertIndex(1)],
            r#"{"cells":[{"index":0,"value":0.5}],"insert_index":1}"#,
        );
        check(
            Kind::Module,
            &[
                Item::Module(ModuleItem::Id(0x45e2_5238_df91_2c03)),
                Item::Module(ModuleItem::Unsigned(1)),
                Item::Module(ModuleItem::Text(b"{}")),
            ],
            r#"{"module":"ReJSON-RL","version":3,"items":[{"unsigned":1},{"string":"{}"}]}"#,
        );
    }
}
