//! What a key holds: its type, how much of it, until when, and on demand the value.

use std::ops::ControlFlow;

use super::Place;
use crate::Result;
use crate::engine::{Keyspace, Record, Value, save};
use crate::ops::run::Scene;
use crate::rdb::write::{Body, EntryRoom, Sink as BodySink};
use crate::rdb::{Entry, Scratch, Target};
use crate::report::history::State;
use crate::report::{get, keys};
use crate::value::Kind;

/// What a key holds, if it is there; its value too, where that is wanted.
pub(super) fn state(scene: Scene<'_>, (db, key): &Place, value: bool) -> Result<Option<State>> {
    let Ok(index) = usize::try_from(*db) else { return Ok(None) };
    if index >= scene.keyspace.used_databases() {
        return Ok(None);
    }
    let keyspace = scene.keyspace;
    let Some(record) = keyspace.record(index, key) else { return Ok(None) };
    let frozen = match record.value {
        Value::Frozen(frozen) => keyspace.base().and_then(|base| base.entry(key, frozen)),
        _ => None,
    };
    let (kind, elements, size_bytes) = match &frozen {
        Some(entry) => measured(entry)?,
        None => held(&record.value),
    };
    let mut state = State {
        kind: kind.name(),
        elements,
        size_bytes,
        expires_at_ms: record.expires_at_ms(),
        text: Vec::new(),
        json: Vec::new(),
    };
    if value {
        written(record, keyspace, scene.target, *db, &mut state)?;
    }
    Ok(Some(state))
}

/// Kind, elements and bytes of a string.
fn measured(entry: &Entry<'_>) -> Result<(Kind, u64, Option<u64>)> {
    let shape = entry.shape()?;
    let mut size_bytes = None;
    if shape.kind == Kind::String {
        entry.visit(&mut Scratch::default(), |item| {
            if let crate::value::Item::Text(text) = item {
                size_bytes = Some(text.len());
            }
            ControlFlow::Continue(())
        })?;
    }
    Ok((shape.kind, shape.elements, size_bytes))
}

fn held(value: &Value) -> (Kind, u64, Option<u64>) {
    let text = |bytes: usize| (Kind::String, 1, Some(bytes as u64));
    let count = |kind: Kind, elements: usize| (kind, elements as u64, None);
    match value {
        Value::Str(bytes) => text(bytes.len()),
        Value::Raw(grown) => text(grown.len()),
        Value::Lying(it) => text(it.size_bytes()),
        Value::Int(n) => (Kind::String, 1, Some(crate::value::Elem::Int(*n).len())),
        Value::List(it) => count(Kind::List, it.len()),
        Value::Set(it) => count(Kind::Set, it.len()),
        Value::Hash(it) => count(Kind::Hash, it.len()),
        Value::SortedSet(it) => count(Kind::SortedSet, it.len()),
        Value::Stream(it) => count(Kind::Stream, it.len()),
        Value::Array(it) => count(Kind::Array, it.len()),
        // As values of modules are counted in a snapshot.
        Value::VectorSet(_) => count(Kind::Module, 1),
        Value::Opaque(it) => count(it.value_type.kind(), 1),
        // What is frozen was looked at in the base.
        Value::Frozen(it) => count(it.value_type().kind(), 1),
    }
}

/// Writes the value as `get` does, for the eye and as JSON.
fn written(
    record: &Record,
    keyspace: &Keyspace,
    target: &Target,
    db: u64,
    state: &mut State,
) -> Result<()> {
    let mut sink = BodySink::new(false).lossy();
    let mut room = EntryRoom::default();
    let body = save(record, keyspace, target, target, &mut sink, &mut room)?;
    let (ty, body) = match body {
        Body::Same(ty, body) => (ty, body),
        Body::Written(ty) => (ty, sink.as_bytes()),
        Body::Nothing => return Ok(()),
    };
    let mut entry = Entry::of_body(&record.key, ty, body, 0);
    entry.db = db;
    entry.expires_at_ms = record.expires_at_ms();
    let key = entry.key_bytes()?;
    let row: keys::KeyRow<'_> = crate::ops::keys::row(&entry, &key)?;
    let human = get::ValueFormat::Human { style: Default::default(), now_ms: 0 };
    for (format, out) in [(human, &mut state.text), (get::ValueFormat::JsonLines, &mut state.json)]
    {
        let mut writer = get::ValueWriter::new(format);
        writer.begin(&row, entry.value_type.kind());
        entry.visit(&mut Scratch::default(), |item| {
            // Writing into memory cannot fail.
            drop(writer.item(&item, out));
            ControlFlow::Continue(())
        })?;
        drop(writer.end(out));
    }
    Ok(())
}
