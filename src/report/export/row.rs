//! A key as one JSON object, and what a file has beside its keys.
//!
//! ```text
//! {"schema":"rdbkit.export/1","record":"header","format":"REDIS0012"}
//! {"record":"aux","name":"redis-ver","value":"7.4.0"}
//! {"record":"function","code":"#!lua name=mylib\n…"}
//! {"record":"module-aux","module":"ReJSON-RL","version":3,"body":{"base64":"…"}}
//! {"db":0,"key":"user:1","type":"hash","encoding":"listpack","expires_at_ms":…,"value":[…]}
//! ```
//!
//! Values are as in the crate's other JSON of values, but that of a module, which is
//! `{"module":"ReJSON-RL","version":3,"body":{"base64":"…"}}` and so comes back bit for bit.

use std::ops::ControlFlow;

use super::line::Line;
use crate::error::{FormatError, Result};
use crate::rdb::{Entry, Eviction, ModuleId, Scratch, Text, ValueType, length};
use crate::report::json::{push_blob, push_bytes, push_bytes_in_pieces, push_number};
use crate::report::value_json::{ValueJson, push_elem};
use crate::value::{Elem, Item, Kind};

/// The name of the form.
pub(crate) const SCHEMA: &str = "rdbkit.export/1";

/// Room that rows share.
#[derive(Debug, Default)]
pub(crate) struct RowRoom {
    pub(crate) scratch: Scratch,
    pub(super) json: ValueJson,
    pub(super) text: Vec<u8>,
    /// Of keys that are short and plain.
    pub(crate) line: Line,
}

/// Appends the object of a key; `encoding` is the word for how its value is stored.
#[inline]
pub(crate) fn push_key(
    out: &mut Vec<u8>,
    entry: &Entry<'_>,
    encoding: &str,
    room: &mut RowRoom,
) -> Result<(), Box<FormatError>> {
    push_head(out, entry, encoding)?;
    push_value(out, entry, room)?;
    out.push(b'}');
    Ok(())
}

/// Appends the object of a huge key, `put` taking away what has been appended from time to time.
/// The value has to be sound: what has been taken away cannot be had back.
pub(crate) fn push_huge_key(
    out: &mut Vec<u8>,
    entry: &Entry<'_>,
    encoding: &str,
    room: &mut RowRoom,
    put: &mut impl FnMut(&mut Vec<u8>) -> Result<()>,
) -> Result<()> {
    push_head(out, entry, encoding)?;
    push_huge_value(out, entry, room, put)?;
    out.push(b'}');
    Ok(())
}

/// How much of a huge value is appended before it is taken away.
pub(super) const PIECE: usize = 1 << 20;

/// Appends a huge value, as [`push_huge_key`] does.
pub(super) fn push_huge_value(
    out: &mut Vec<u8>,
    entry: &Entry<'_>,
    room: &mut RowRoom,
    put: &mut impl FnMut(&mut Vec<u8>) -> Result<()>,
) -> Result<()> {
    if entry.value_type.kind() == Kind::Module {
        return Ok(push_value(out, entry, room)?);
    }
    let (json, mut done) = (&mut room.json, Ok(()));
    json.begin(out, entry.value_type.kind());
    entry.visit(&mut room.scratch, |item| {
        done = match item {
            Item::Text(Elem::Bytes(bytes)) => push_bytes_in_pieces(out, bytes, put),
            item => {
                json.item(out, &item);
                if out.len() < PIECE { Ok(()) } else { put(out) }
            }
        };
        if done.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    done?;
    json.end(out);
    Ok(())
}

/// Appends all that stands in front of a value.
#[inline]
fn push_head(out: &mut Vec<u8>, entry: &Entry<'_>, encoding: &str) -> Result<(), Box<FormatError>> {
    out.extend_from_slice(b"{\"db\":");
    push_number(out, entry.db);
    out.extend_from_slice(b",\"key\":");
    match entry.key {
        Text::Raw(key) => push_bytes(out, key),
        Text::Int(n) => push_elem(out, Elem::Int(n.into())),
        Text::Lzf { .. } => push_bytes(out, &entry.key_bytes()?),
    }
    out.extend_from_slice(b",\"type\":\"");
    out.extend_from_slice(entry.value_type.kind().name().as_bytes());
    out.extend_from_slice(b"\",\"encoding\":\"");
    out.extend_from_slice(encoding.as_bytes());
    out.push(b'"');
    push_facts(out, entry);
    out.extend_from_slice(b",\"value\":");
    Ok(())
}

fn push_facts(out: &mut Vec<u8>, entry: &Entry<'_>) {
    if let Some(at_ms) = entry.expires_at_ms {
        out.extend_from_slice(b",\"expires_at_ms\":");
        push_number(out, at_ms);
    }
    match entry.eviction {
        Some(Eviction::IdleSecs(secs)) => {
            out.extend_from_slice(b",\"idle_secs\":");
            push_number(out, secs);
        }
        Some(Eviction::Frequency(frequency)) => {
            out.extend_from_slice(b",\"frequency\":");
            push_number(out, frequency);
        }
        None => {}
    }
    if let Some(meta) = entry.meta {
        out.extend_from_slice(b",\"meta\":");
        push_blob(out, meta);
    }
}

/// Appends a value.
#[inline]
pub(crate) fn push_value(
    out: &mut Vec<u8>,
    entry: &Entry<'_>,
    room: &mut RowRoom,
) -> Result<(), Box<FormatError>> {
    match entry.value_type {
        ValueType::String => entry.visit(&mut room.scratch, |item| {
            if let Item::Text(text) = item {
                push_elem(out, text);
            }
            ControlFlow::Continue(())
        }),
        ty if ty.kind() == Kind::Module && ty != ValueType::ModulePreGa => {
            push_module(out, entry.body());
            Ok(())
        }
        ty => {
            let json = &mut room.json;
            json.begin(out, ty.kind());
            entry.visit(&mut room.scratch, |item| {
                json.item(out, &item);
                ControlFlow::Continue(())
            })?;
            json.end(out);
            Ok(())
        }
    }
}

fn push_module(out: &mut Vec<u8>, body: &[u8]) {
    let id = ModuleId(length(body).map_or(0, |(_, id)| id));
    out.push(b'{');
    push_module_fields(out, id, body);
    out.push(b'}');
}

fn push_module_fields(out: &mut Vec<u8>, id: ModuleId, body: &[u8]) {
    out.extend_from_slice(b"\"module\":");
    push_bytes(out, id.name().as_bytes());
    out.extend_from_slice(b",\"version\":");
    push_number(out, id.version());
    out.extend_from_slice(b",\"body\":");
    push_blob(out, body);
}

/// Appends the header's line, without its end.
pub(crate) fn push_header(out: &mut Vec<u8>, magic: &str) {
    out.extend_from_slice(b"{\"schema\":\"");
    out.extend_from_slice(SCHEMA.as_bytes());
    out.extend_from_slice(b"\",\"record\":\"header\",\"format\":");
    push_bytes(out, magic.as_bytes());
    out.push(b'}');
}

/// Begins a document of such objects.
pub(crate) fn begin_document(out: &mut Vec<u8>, magic: &str) {
    out.extend_from_slice(b"{\"schema\":\"");
    out.extend_from_slice(SCHEMA.as_bytes());
    out.extend_from_slice(b"\",\"format\":");
    push_bytes(out, magic.as_bytes());
    out.extend_from_slice(b",\"keys\":[");
}

/// Appends what comes behind the keys of a document: `others`, with a comma before each.
pub(crate) fn end_document(out: &mut Vec<u8>, others: &[u8]) {
    out.extend_from_slice(b",\n\"records\":[");
    out.extend_from_slice(others.strip_prefix(b",").unwrap_or(others));
    out.extend_from_slice(b"\n]");
}

/// Appends a name and a text about the file.
pub(crate) fn push_aux(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(b"{\"record\":\"aux\",\"name\":");
    push_bytes(out, name);
    out.extend_from_slice(b",\"value\":");
    push_bytes(out, value);
    out.push(b'}');
}

/// Appends a function library.
pub(crate) fn push_function(out: &mut Vec<u8>, code: &[u8]) {
    out.extend_from_slice(b"{\"record\":\"function\",\"code\":");
    push_bytes(out, code);
    out.push(b'}');
}

/// Appends what a module remembers besides its keys; `body` is the record behind its opcode.
pub(crate) fn push_module_aux(out: &mut Vec<u8>, id: u64, body: &[u8]) {
    out.extend_from_slice(b"{\"record\":\"module-aux\",");
    push_module_fields(out, ModuleId(id), body);
    out.push(b'}');
}
