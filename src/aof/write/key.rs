//! A key of a snapshot as commands.

use std::ops::ControlFlow;

use super::CommandWriter;
use crate::error::FormatError;
use crate::rdb::write::{Body, EntryRoom, Loss, Sink, dump, entry};
use crate::rdb::{Entry, Scratch, ValueType};
use crate::value::{Item, Kind, StreamId};

/// Room that keys share.
#[derive(Debug)]
pub struct KeyRoom {
    scratch: Scratch,
    sink: Sink,
    entry: EntryRoom,
    payload: Vec<u8>,
    ids: Vec<StreamId>,
    field_shift_ms: i64,
}

impl KeyRoom {
    /// Lets fields of hashes expire later by so many milliseconds, or sooner.
    pub fn shift_fields(&mut self, ms: i64) {
        self.entry.shift_fields(ms);
        self.field_shift_ms = ms;
    }
}

impl Default for KeyRoom {
    fn default() -> Self {
        KeyRoom {
            scratch: Scratch::default(),
            // A payload in a log is packed as servers pack it.
            sink: Sink::new(true),
            entry: EntryRoom::default(),
            payload: Vec::new(),
            ids: Vec::new(),
            field_shift_ms: 0,
        }
    }
}

impl CommandWriter {
    /// A key of a snapshot, with its expiry. What cannot be said is in `losses`.
    pub fn key(&mut self, key: &Entry<'_>, room: &mut KeyRoom) -> Result<(), Box<FormatError>> {
        let name = key.key_bytes()?;
        let kind = key.value_type.kind();
        if key.eviction.is_some() {
            self.losses.push(Loss::Eviction);
        }
        if let Some(meta) = key.meta {
            if self.target.has_key_meta() {
                return self.payload(key, &name, Some(meta), room);
            }
            self.losses.push(Loss::KeyMeta);
        }
        if kind == Kind::Module {
            return self.payload(key, &name, None, room);
        }
        let has_streams = self.target.stream_layout().is_some();
        if kind == Kind::Stream && has_streams && has_deleted_pending(key, room)? {
            return self.payload(key, &name, None, room);
        }
        let elements = match kind {
            Kind::List | Kind::Set | Kind::SortedSet | Kind::Hash => Some(key.shape()?.elements),
            _ => None,
        };
        if elements == Some(0) {
            self.losses.push(Loss::EmptyValue);
            return Ok(());
        }
        // A ZADD of −0 stores 0 in a listpack, as which sorted sets begin since Redis 7.0, whoever wrote
        // the log. One that a server made of a ziplist holds −0 as text, and so does a payload.
        let loses_sign = self.target.has_restore_replace();
        let (begun, mut loses) = (self.out.len(), false);
        self.begin(&name, kind);
        self.batch.expect(elements.unwrap_or(0));
        key.visit(&mut room.scratch, |item| {
            if loses_sign && is_minus_zero(&item) {
                loses = true;
                return ControlFlow::Break(());
            }
            self.item(&item.later(room.field_shift_ms));
            ControlFlow::Continue(())
        })?;
        if loses {
            self.out.truncate(begun);
            return self.payload(key, &name, None, room);
        }
        self.end(key.expires_at_ms);
        Ok(())
    }

    fn payload(
        &mut self,
        key: &Entry<'_>,
        name: &[u8],
        meta: Option<&[u8]>,
        room: &mut KeyRoom,
    ) -> Result<(), Box<FormatError>> {
        room.sink.clear();
        let body = entry(&mut room.sink, key, &self.target, false, &mut room.entry)?;
        self.losses.append(&mut room.sink.losses);
        let (ty, body): (ValueType, &[u8]) = match body {
            Body::Same(ty, body) => (ty, body),
            Body::Written(ty) => (ty, &room.sink.out),
            Body::Nothing => return Ok(()),
        };
        room.payload.clear();
        dump(&mut room.payload, &self.target, ty, body, meta);
        self.restore(name, &room.payload, key.expires_at_ms);
        Ok(())
    }
}

/// Whether a member's score is −0.
fn is_minus_zero(item: &Item<'_>) -> bool {
    matches!(item, Item::Scored { score, .. } if *score == 0.0 && score.is_sign_negative())
}

/// Whether a message is pending that is not there any more: no XCLAIM makes such an entry.
fn has_deleted_pending(key: &Entry<'_>, room: &mut KeyRoom) -> Result<bool, Box<FormatError>> {
    let ids = &mut room.ids;
    ids.clear();
    let mut found = false;
    key.visit(&mut room.scratch, |item| {
        match item {
            Item::StreamEntry { id, .. } => ids.push(id),
            Item::StreamInfo(info) if info.groups == 0 => return ControlFlow::Break(()),
            Item::Pending { id, .. } if ids.binary_search(&id).is_err() => {
                found = true;
                return ControlFlow::Break(());
            }
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}
