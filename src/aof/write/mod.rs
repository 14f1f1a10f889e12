//! The writer of logs: keys as the commands that make them, in the forms that the target's own
//! rewrite uses.
//!
//! ```text
//! string    SET k v
//! list      RPUSH k e …                        up to 64 elements
//! set       SADD k m …                         up to 64 members
//! zset      ZADD k score m …                   up to 64 members
//! hash      HMSET k f v …                      up to 64 fields
//!           HMSET k f v, HPEXPIREAT k ms FIELDS 1 f    a field that expires (Redis 7.4)
//!           HSETEX k PXAT ms FIELDS 1 f v              a field that expires (Valkey 9.0)
//! stream    XADD, XSETID, XGROUP, XCLAIM, …    see `stream`
//! array     ARMSET k i v …, ARSEEK k n         up to 32 cells (Redis 8.8)
//! other     RESTORE k 0 payload REPLACE        modules, and what has no command
//! all       PEXPIREAT k ms                     behind the value
//! ```
//!
//! Four things go by RESTORE because no command can say them: module values (vector sets among
//! them), keys with metadata of modules, streams with a pending entry whose message was deleted,
//! and sorted sets with a score of −0, which ZADD loses since Redis 7.0: for older servers, too, so
//! that the log leads to the same in newer ones (but not before Redis 3.0, where nothing replaces).
//! Times of consumers and what an eviction policy remembers are in no command at all.

mod batch;
mod key;
mod stream;
#[cfg(test)]
mod tests;

use self::batch::Batch;
use self::stream::StreamCommands;
use crate::bytes::number::shortest;
use crate::rdb::write::Loss;
use crate::rdb::{Family, Target};
use crate::resp::encode;
use crate::value::{Elem, Item, Kind};

pub use key::KeyRoom;

/// A log of nothing. Servers load a file without a byte, too, but their checkers refuse it, and
/// nobody can tell it from what a full disk has left.
pub(crate) const NOTHING: &[u8] = b"*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n";

/// Elements of one command.
const ITEMS: usize = 64;
/// Cells of one ARMSET.
const CELLS: usize = 32;

/// Writes keys as commands.
#[derive(Debug)]
pub struct CommandWriter {
    /// The commands so far.
    pub out: Vec<u8>,
    /// What could not be said.
    pub losses: Vec<Loss>,
    target: Target,
    key: Vec<u8>,
    kind: Kind,
    batch: Batch,
    stream: StreamCommands,
    /// Where an array's next insert goes after: said behind its cells.
    insert: Option<u64>,
    /// Whether the key has come into being.
    any: bool,
}

impl CommandWriter {
    /// An empty one.
    pub fn new(target: &Target) -> Self {
        CommandWriter {
            out: Vec::new(),
            losses: Vec::new(),
            target: *target,
            key: Vec::new(),
            kind: Kind::String,
            batch: Batch::default(),
            stream: StreamCommands::default(),
            insert: None,
            any: false,
        }
    }

    /// Whom it is written for.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Throws away what was written; the room stays.
    pub fn clear(&mut self) {
        self.out.clear();
        self.losses.clear();
    }

    /// `#TS:` and unix time in seconds.
    pub fn timestamp(&mut self, secs: u64) {
        self.out.extend_from_slice(b"#TS:");
        self.out.extend_from_slice(itoa::Buffer::new().format(secs).as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }

    /// Selects the database of the keys that follow.
    pub fn select(&mut self, db: u64) {
        encode::command(&mut self.out, [b"SELECT", itoa::Buffer::new().format(db).as_bytes()]);
    }

    /// Loads a function library.
    pub fn function(&mut self, code: &[u8]) {
        if self.target.has_functions() {
            encode::command(&mut self.out, [b"FUNCTION".as_slice(), b"LOAD", code]);
        } else {
            self.losses.push(Loss::Function);
        }
    }

    /// Begins a key; its parts follow by [`item`](Self::item), in the order of a snapshot.
    pub fn begin(&mut self, key: &[u8], kind: Kind) {
        self.key.clear();
        self.key.extend_from_slice(key);
        self.kind = kind;
        self.insert = None;
        self.any = false;
        self.batch = Batch::default();
        match kind {
            Kind::Stream => self.stream.begin(&self.target, &mut self.losses),
            Kind::Array if !self.target.has_arrays() => self.losses.push(Loss::Array),
            _ => {}
        }
    }

    /// A part of the key's value. Parts of a module's value cannot be said: see
    /// [`restore`](Self::restore).
    pub fn item(&mut self, item: &Item<'_>) {
        self.any = true;
        match *item {
            Item::Text(text) => {
                let mut spelled = itoa::Buffer::new();
                let args = [b"SET".as_slice(), &self.key, text.bytes(&mut spelled)];
                encode::command(&mut self.out, args);
            }
            Item::Element(elem) => self.put(b"RPUSH", [elem]),
            Item::Member(elem) => self.put(b"SADD", [elem]),
            Item::Scored { member, score } => {
                self.put(b"ZADD", [Elem::Bytes(&shortest(score)), member]);
            }
            Item::Field { field, value, expires_at_ms } => self.field(field, value, expires_at_ms),
            Item::Cell { index, cell } if self.target.has_arrays() => {
                let mut spelled = itoa::Buffer::new();
                let index = spelled.format(index).as_bytes();
                self.batch.begin(&mut self.out, b"ARMSET", &self.key, CELLS, 2);
                encode::bulk(&mut self.out, index);
                cell.with_text(|text| encode::bulk(&mut self.out, text));
            }
            Item::ArrayInsertIndex(index) => self.insert = Some(index),
            Item::Cell { .. } | Item::Module(_) => {}
            _ => self.stream.item(&mut self.out, &mut self.losses, &self.key, &self.target, item),
        }
    }

    /// Ends a key; `expires_at_ms` is unix time in milliseconds.
    pub fn end(&mut self, expires_at_ms: Option<i64>) {
        self.batch.flush(&mut self.out);
        let made = match self.kind {
            Kind::Stream => {
                self.stream.end(&mut self.out, &mut self.losses, &self.key, &self.target)
            }
            Kind::Array => {
                if let Some(index) = self.insert.filter(|_| self.target.has_arrays()) {
                    let mut spelled = itoa::Buffer::new();
                    let next = spelled.format(index.saturating_add(1)).as_bytes();
                    encode::command(&mut self.out, [b"ARSEEK".as_slice(), &self.key, next]);
                }
                self.any && self.target.has_arrays()
            }
            _ => self.any,
        };
        if made {
            self.expire(expires_at_ms);
        }
    }

    /// A key whose value is a payload, as DUMP answers it.
    pub fn restore(&mut self, key: &[u8], payload: &[u8], expires_at_ms: Option<i64>) {
        let args = [b"RESTORE".as_slice(), key, b"0", payload, b"REPLACE"];
        encode::command(&mut self.out, args);
        self.key.clear();
        self.key.extend_from_slice(key);
        self.expire(expires_at_ms);
    }

    fn expire(&mut self, at_ms: Option<i64>) {
        if let Some(at) = at_ms {
            let mut spelled = itoa::Buffer::new();
            let args = [b"PEXPIREAT".as_slice(), &self.key, spelled.format(at).as_bytes()];
            encode::command(&mut self.out, args);
        }
    }

    /// Elements that belong together, into the command under way.
    fn put<const N: usize>(&mut self, name: &'static [u8], elems: [Elem<'_>; N]) {
        self.batch.begin(&mut self.out, name, &self.key, ITEMS, N as u64);
        for elem in elems {
            encode::bulk(&mut self.out, elem.bytes(&mut itoa::Buffer::new()));
        }
    }

    fn field(&mut self, field: Elem<'_>, value: Elem<'_>, expires_at_ms: Option<u64>) {
        let Some(at) = expires_at_ms else { return self.put(b"HMSET", [field, value]) };
        let (mut first, mut second, mut third) =
            (itoa::Buffer::new(), itoa::Buffer::new(), itoa::Buffer::new());
        let Some(latest) = self.target.latest_field_expiry_ms() else {
            self.lose(Loss::FieldExpiry);
            return self.put(b"HMSET", [field, value]);
        };
        if at > latest {
            self.lose(Loss::FarFieldExpiry);
            return self.put(b"HMSET", [field, value]);
        }
        let from = self.out.len();
        let (field_text, value_text) = (field.bytes(&mut first), value.bytes(&mut second));
        if self.target.header.family == Family::Valkey {
            let at = third.format(at).as_bytes();
            let args =
                [b"HSETEX", &*self.key, b"PXAT", at, b"FIELDS", b"1", field_text, value_text];
            encode::command(&mut self.out, args);
            return self.batch.let_before(&mut self.out, from);
        }
        let at = third.format(at.max(1)).as_bytes();
        encode::command(&mut self.out, [b"HMSET", &*self.key, field_text, value_text]);
        let args = [b"HPEXPIREAT", &*self.key, at, b"FIELDS", b"1", field_text];
        encode::command(&mut self.out, args);
        self.batch.let_before(&mut self.out, from);
    }

    /// Notes a loss, once for each key.
    fn lose(&mut self, loss: Loss) {
        if self.losses.last() != Some(&loss) {
            self.losses.push(loss);
        }
    }
}
