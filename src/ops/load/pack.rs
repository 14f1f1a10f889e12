//! How one key is sent: which commands, and their bytes.
//!
//! ```text
//! MSET k v …                          plain strings, several at a time (not into a Cluster)
//! SET k v [PXAT ms]                   plain strings
//! RESTORE k ms payload [REPLACE] [ABSTTL] [IDLETIME s | FREQ n]
//! MULTI, DEL k, RPUSH k … , EXEC      what RESTORE cannot say, or not in one argument: see `made`
//! ```
//!
//! A payload is copied from the source where the target takes the bytes as they are, and written
//! anew where it does not.

use std::borrow::Cow;
use std::ops::Range;

use super::batch::arg;
use super::{As, LoadOptions, OnExisting};
use crate::aof::write::{CommandWriter, KeyRoom};
use crate::error::{Error, Result};
use crate::live::ServerInfo;
use crate::rdb::write::{Body, EntryRoom, LivingRoom, Sink, dump, entry as write_entry};
use crate::rdb::{Entry, Eviction, Target, Text, ValueType};
use crate::resp::encode;
use crate::value::Kind;

/// A longer string gains nothing from company.
const GROUPED_BYTES: usize = 4 << 10;
/// The footer of a payload: version and checksum.
const FOOTER: usize = 10;

/// What holds for all keys of a load.
pub(super) struct Plan<'o> {
    pub(super) options: &'o LoadOptions,
    pub(super) target: Target,
    /// What says how far a load has come.
    pub(super) marks: Marks,
    /// Whether keys fall to slots.
    pub(super) has_slots: bool,
    pub(super) max_bulk_bytes: usize,
    pub(super) replaces: bool,
    may_set: bool,
    may_group: bool,
    has_pxat: bool,
    has_absttl: bool,
}

/// What the marks of a source are, by which a load goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marks {
    /// Bytes of it that came before.
    Offsets,
    /// Keys that came before: those that are there when a log has been run at a time that is kept
    /// come in the same order each time, however many threads run it.
    Keys,
    /// There are none: what comes through a pipe or from a server does not come again.
    None,
}

impl Marks {
    /// A mark in words.
    pub(super) fn named(self, mark: u64) -> String {
        match self {
            Marks::Keys => format!("key {mark}"),
            Marks::Offsets | Marks::None => format!("offset {mark}"),
        }
    }
}

/// How a key is sent.
pub(super) enum Form<'a> {
    /// Among others in an MSET; the value is in the room.
    Grouped,
    /// By a SET; the value is in the room.
    Set,
    /// By a RESTORE of these bytes, or of what was written to the room's sink.
    Restore(ValueType, Option<&'a [u8]>),
    /// By commands.
    Commands,
    /// Not at all: the target has no such thing.
    Nothing,
}

/// What a worker needs.
pub(super) struct Room {
    pub(super) sink: Sink,
    entry: EntryRoom,
    pub(super) writer: CommandWriter,
    pub(super) living: LivingRoom,
    pub(super) keys: KeyRoom,
    /// A string's value.
    pub(super) text: Vec<u8>,
    /// The commands of a key.
    pub(super) commands: Vec<u8>,
}

impl Room {
    pub(super) fn new(plan: &Plan<'_>) -> Self {
        let (mut entry, mut keys) = (EntryRoom::default(), KeyRoom::default());
        entry.shift_fields(plan.options.ttl_shift_ms);
        keys.shift_fields(plan.options.ttl_shift_ms);
        Room {
            sink: Sink::new(true),
            entry,
            writer: CommandWriter::new(&plan.target),
            living: LivingRoom::default(),
            keys,
            text: Vec::new(),
            commands: Vec::new(),
        }
    }
}

impl<'o> Plan<'o> {
    pub(super) fn new(options: &'o LoadOptions, server: &ServerInfo, marks: Marks) -> Self {
        let target = server.target;
        let replaces = options.on_existing == OnExisting::Replace;
        let may_set = replaces && options.send != As::Restore;
        Plan {
            options,
            target,
            marks,
            has_slots: server.is_cluster,
            max_bulk_bytes: usize::try_from(server.max_bulk_bytes).unwrap_or(usize::MAX),
            replaces,
            may_set,
            may_group: may_set && options.send == As::Auto && !server.is_cluster,
            has_pxat: target.since((6, 2)),
            has_absttl: target.since((5, 0)),
        }
    }

    /// The key's name on the target.
    pub(super) fn key<'a>(&self, entry: &Entry<'a>) -> Result<Cow<'a, [u8]>> {
        let key = entry.key_bytes()?;
        Ok(match self.options.rename.iter().find_map(|rule| rule.apply(&key)) {
            Some(renamed) => Cow::Owned(renamed),
            None => key,
        })
    }

    /// When it expires on the target.
    pub(super) fn expiry(&self, entry: &Entry<'_>) -> Option<i64> {
        entry.expires_at_ms.map(|at| at.saturating_add(self.options.ttl_shift_ms))
    }

    /// Whether a key is left out because it has expired. A time of -1 is none, as it is for a loader.
    pub(super) fn drops(&self, entry: &Entry<'_>) -> bool {
        self.options.drop_expired
            && entry.expires_at_ms != Some(-1)
            && self.expiry(entry).is_some_and(|at| at < self.options.now_ms)
    }

    /// Whether something may be left out of a source.
    pub(super) fn may_leave_out(&self) -> bool {
        self.options.drop_expired || !self.options.filter.is_empty()
    }

    /// Whether a key is left out, by the filter or because it has expired.
    pub(super) fn leaves_out(&self, entry: &Entry<'_>) -> Result<bool> {
        let filter = &self.options.filter;
        Ok(self.drops(entry) || !filter.is_empty() && !filter.matches(entry)?)
    }

    /// The database on the target.
    pub(super) fn database(&self, db: u64) -> Result<u32> {
        if let Some(mapped) = self.options.map_db.get(&db) {
            return self.small(*mapped);
        }
        match self.options.database {
            Some(database) => Ok(database),
            None => self.small(db),
        }
    }

    /// Whether two keys may get the same name.
    pub(super) fn joins_names(&self) -> bool {
        !self.options.rename.is_empty()
            || !self.options.map_db.is_empty()
            || self.options.database.is_some()
    }

    fn small(&self, db: u64) -> Result<u32> {
        match u32::try_from(db) {
            Ok(0) => Ok(0),
            Ok(db) if !self.has_slots => Ok(db),
            _ => Err(Error::Usage(format!(
                "the source has keys in database {db}, and the target has none of that number: \
                 --map-db {db}=0 sends them elsewhere, --db 0 takes only those of database 0"
            ))),
        }
    }

    /// How a key is sent.
    pub(super) fn form<'a>(
        &self,
        entry: &Entry<'a>,
        expires_at_ms: Option<i64>,
        room: &mut Room,
    ) -> Result<Form<'a>> {
        if self.options.send == As::Commands {
            return Ok(Form::Commands);
        }
        let is_plain = entry.value_type == ValueType::String
            && entry.meta.is_none()
            && entry.eviction.is_none()
            && (expires_at_ms.is_none() || self.has_pxat);
        if is_plain && self.may_set && plain_text(entry.body(), &mut room.text) {
            if room.text.len() <= GROUPED_BYTES && expires_at_ms.is_none() && self.may_group {
                return Ok(Form::Grouped);
            }
            if room.text.len() <= self.max_bulk_bytes {
                return Ok(Form::Set);
            }
        }
        room.sink.clear();
        let body = write_entry(&mut room.sink, entry, &self.target, false, &mut room.entry)?;
        let (form, len) = match body {
            Body::Same(ty, body) => (Form::Restore(ty, Some(body)), body.len()),
            Body::Written(ty) => (Form::Restore(ty, None), room.sink.out.len()),
            Body::Nothing => return Ok(Form::Nothing),
        };
        let len = len + 1 + FOOTER + entry.meta.map_or(0, |meta| meta.len() + 1);
        if len <= self.max_bulk_bytes || entry.value_type.kind() == Kind::Module {
            return Ok(form);
        }
        Ok(Form::Commands)
    }

    /// A SET; where its key is comes back.
    pub(super) fn set(
        &self,
        out: &mut Vec<u8>,
        key: &[u8],
        value: &[u8],
        expires_at_ms: Option<i64>,
    ) -> Range<usize> {
        encode::header(out, b'*', if expires_at_ms.is_some() { 5 } else { 3 });
        arg(out, b"SET");
        let at = arg(out, key);
        arg(out, value);
        if let Some(expires) = expires_at_ms {
            arg(out, b"PXAT");
            arg(out, itoa::Buffer::new().format(expires.max(1)).as_bytes());
        }
        at
    }

    /// A RESTORE; where its key is comes back.
    pub(super) fn restore(
        &self,
        out: &mut Vec<u8>,
        key: &[u8],
        ty: ValueType,
        body: &[u8],
        entry: &Entry<'_>,
        expires_at_ms: Option<i64>,
    ) -> Range<usize> {
        let meta = entry.meta.filter(|_| self.target.has_key_meta());
        let eviction = entry.eviction.filter(|_| self.has_absttl);
        let absttl = expires_at_ms.is_some() && self.has_absttl;
        let count =
            4 + u64::from(self.replaces) + u64::from(absttl) + 2 * u64::from(eviction.is_some());
        encode::header(out, b'*', count);
        arg(out, b"RESTORE");
        let at = arg(out, key);
        let mut spelled = itoa::Buffer::new();
        let ttl = match expires_at_ms {
            None => 0,
            Some(at) if self.has_absttl => at.max(1),
            Some(at) => at.saturating_sub(self.options.now_ms).max(1),
        };
        arg(out, spelled.format(ttl).as_bytes());
        let len = body.len() + 1 + FOOTER + meta.map_or(0, |meta| meta.len() + 1);
        encode::header(out, b'$', len as u64);
        dump(out, &self.target, ty, body, meta);
        out.extend_from_slice(b"\r\n");
        if self.replaces {
            arg(out, b"REPLACE");
        }
        if absttl {
            arg(out, b"ABSTTL");
        }
        match eviction {
            Some(Eviction::IdleSecs(secs)) => {
                arg(out, b"IDLETIME");
                arg(out, spelled.format(secs).as_bytes());
            }
            Some(Eviction::Frequency(frequency)) => {
                arg(out, b"FREQ");
                arg(out, spelled.format(frequency).as_bytes());
            }
            None => {}
        }
        at
    }

    /// Loads a function library.
    pub(super) fn function(&self, out: &mut Vec<u8>, code: &[u8]) {
        encode::command(out, [b"FUNCTION".as_slice(), b"LOAD", b"REPLACE", code]);
    }
}

/// The value of a string that is not compressed.
fn plain_text(body: &[u8], out: &mut Vec<u8>) -> bool {
    let Ok((_, text)) = Text::parse(body) else { return false };
    out.clear();
    match text {
        Text::Raw(bytes) => out.extend_from_slice(bytes),
        Text::Int(n) => out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes()),
        Text::Lzf { .. } => return false,
    }
    true
}
