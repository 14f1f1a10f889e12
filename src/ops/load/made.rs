//! A key that is made by commands: it comes into being as a whole, or what was there stays.
//!
//! ```text
//! SET k v                                      in place of what is there
//! MULTI, DEL k, RPUSH k …, EXEC                the same for several commands
//! MULTI, DEL a, RPUSH a …, RENAMENX a k, DEL a, EXEC    only if it is not there
//! DEL a, RPUSH a …, PEXPIRE a hour, …, RENAME a k, DEL a    what is too large for a transaction
//! ```
//!
//! `a` is a name aside, of the same slot. The last DEL answers 1 if RENAMENX has found the key.

use std::ops::Range;

use super::batch::arg;
use super::pack::{Plan, Room};
use crate::error::Result;
use crate::rdb::{Entry, Text, ValueType};
use crate::resp::{Command, encode};
use crate::target::live::{KEYS, tag_of};

/// A request may have more than an argument of the longest kind; this is left for the rest.
const PART_BYTES: usize = 64 << 20;
/// A server holds the commands of a transaction beside the value, and closes the connection of a
/// client that has it hold a gigabyte.
const TRANSACTION_BYTES: usize = 32 << 20;
/// The longest string before Redis 6.2, whatever `proto-max-bulk-len` is.
const LONGEST_STRING: usize = 512 << 20;
/// When a name aside is removed that a replay has left behind.
const HOUR_MS: &[u8] = b"3600000";
/// What expires at once does so a little later.
const SOON_MS: i64 = 2000;

/// How a key is made.
pub(super) enum Made {
    /// By the commands in the room.
    By(Commands),
    /// There is nothing to make.
    Nothing,
    /// It cannot be: the command that would be refused, and why.
    Not(String, String),
}

/// The commands of a key.
pub(super) struct Commands {
    pub(super) replies: u32,
    /// Where its name is among them.
    pub(super) key_at: Range<usize>,
    /// Whether it is made under a name aside.
    pub(super) is_aside: bool,
    /// Whether one of them is a RESTORE.
    pub(super) restores: bool,
}

impl Plan<'_> {
    /// The commands that make a key, into the room.
    pub(super) fn made(
        &self,
        entry: &Entry<'_>,
        key: &[u8],
        slot: u16,
        room: &mut Room,
    ) -> Result<Made> {
        let is_string = entry.value_type == ValueType::String;
        let long = is_string && entry.body().len() > self.max_bulk_bytes && {
            string(entry.body(), &mut room.text);
            room.text.len() > self.max_bulk_bytes
        };
        let longest = if self.target.since((6, 2)) { self.max_bulk_bytes } else { LONGEST_STRING };
        if long && room.text.len() > longest {
            let len = room.text.len();
            return Ok(Made::Not("SET".to_owned(), too_long("a string", len, longest)));
        }
        let is_large = long || entry.body().len() > TRANSACTION_BYTES;
        let is_aside = is_large || !self.replaces;
        let aside = [KEYS.as_bytes(), b"part:{", tag_of(slot).as_bytes(), b"}:", key].concat();
        let name = if is_aside { &aside } else { key };
        // A key aside that expires at once could not be renamed.
        let soon = self.options.now_ms.saturating_add(SOON_MS);
        let expires_at_ms = entry.expires_at_ms.map(|at| if is_aside { at.max(soon) } else { at });
        let Room { writer, keys, text, .. } = room;
        writer.out.clear();
        if long {
            in_parts(&mut writer.out, name, text, self.max_bulk_bytes.min(PART_BYTES));
            expire(&mut writer.out, name, expires_at_ms);
        } else {
            let mut entry = entry.clone();
            (entry.key, entry.expires_at_ms) = (Text::Raw(name), expires_at_ms);
            writer.key(&entry, keys)?;
        }
        let spelled = match Spelled::read(&writer.out, self.max_bulk_bytes) {
            Ok(spelled) if spelled.commands == 0 => return Ok(Made::Nothing),
            Ok(spelled) => spelled,
            Err(not) => return Ok(not),
        };
        let restores = spelled.restores;
        let out = &mut room.commands;
        out.clear();
        if is_string && spelled.commands == 1 && !is_aside {
            out.extend_from_slice(&writer.out);
            let at = b"*3\r\n$3\r\nSET\r\n$".len();
            let digits = itoa::Buffer::new().format(key.len()).len();
            let key_at = at + digits + 2..at + digits + 2 + key.len();
            return Ok(Made::By(Commands { replies: 1, key_at, is_aside, restores }));
        }
        let wrap = Wrap {
            key,
            name,
            is_aside,
            is_whole: !is_large,
            replaces: self.replaces,
            stays: entry.expires_at_ms.is_none(),
        };
        let (more, key_at) = wrap.around(writer.out.split_at(spelled.first), out);
        Ok(Made::By(Commands { replies: spelled.commands + more, key_at, is_aside, restores }))
    }
}

/// What the commands of a value say, one after the other.
struct Spelled {
    commands: u32,
    /// Where the first one ends.
    first: usize,
    restores: bool,
}

impl Spelled {
    /// Reads them; one that the server would refuse is the answer.
    fn read(bytes: &[u8], max_bulk_bytes: usize) -> Result<Self, Made> {
        let mut spelled = Spelled { commands: 0, first: 0, restores: false };
        let mut rest = bytes;
        while let Some((command, behind)) = Command::strict(rest) {
            if let Some(long) = command.args().find(|arg| arg.len() > max_bulk_bytes) {
                let command = String::from_utf8_lossy(command.name()).into_owned();
                return Err(Made::Not(command, too_long("an element", long.len(), max_bulk_bytes)));
            }
            spelled.restores |= command.name() == b"RESTORE";
            spelled.commands += 1;
            rest = behind;
            if spelled.commands == 1 {
                spelled.first = bytes.len() - rest.len();
            }
        }
        Ok(spelled)
    }
}

/// What goes around the commands of a value, so that it comes as a whole.
struct Wrap<'a> {
    key: &'a [u8],
    /// The name under which it is made.
    name: &'a [u8],
    is_aside: bool,
    /// Whether all of it is one transaction.
    is_whole: bool,
    replaces: bool,
    /// Whether it does not expire.
    stays: bool,
}

impl Wrap<'_> {
    /// Writes all of it; how many more replies there are, and where the key stands.
    fn around(&self, (first, rest): (&[u8], &[u8]), out: &mut Vec<u8>) -> (u32, Range<usize>) {
        // That of DEL.
        let mut more = 1;
        if self.is_whole {
            encode::command(out, [b"MULTI"]);
        }
        encode::header(out, b'*', 2);
        arg(out, b"DEL");
        let mut key_at = arg(out, self.name);
        out.extend_from_slice(first);
        if !self.is_whole {
            encode::command(out, [b"PEXPIRE".as_slice(), self.name, HOUR_MS]);
            more += 1;
        }
        out.extend_from_slice(rest);
        if !self.is_whole && self.stays {
            encode::command(out, [b"PERSIST".as_slice(), self.name]);
            more += 1;
        }
        if self.is_aside {
            encode::header(out, b'*', 3);
            arg(out, if self.replaces { b"RENAME".as_slice() } else { b"RENAMENX" });
            arg(out, self.name);
            key_at = arg(out, self.key);
            encode::command(out, [b"DEL".as_slice(), self.name]);
            more += 2;
        }
        if self.is_whole {
            encode::command(out, [b"EXEC"]);
            more += 2;
        }
        (more, key_at)
    }
}

fn too_long(what: &str, len: usize, most: usize) -> String {
    format!("it has {what} of {len} bytes, and the server takes {most} (proto-max-bulk-len)")
}

/// A string in several parts.
fn in_parts(out: &mut Vec<u8>, key: &[u8], text: &[u8], part: usize) {
    for (index, part) in text.chunks(part).enumerate() {
        let name = if index == 0 { b"SET".as_slice() } else { b"APPEND" };
        encode::command(out, [name, key, part]);
    }
}

fn expire(out: &mut Vec<u8>, key: &[u8], at_ms: Option<i64>) {
    if let Some(at) = at_ms {
        let mut spelled = itoa::Buffer::new();
        encode::command(out, [b"PEXPIREAT".as_slice(), key, spelled.format(at).as_bytes()]);
    }
}

/// The value of a string.
fn string(body: &[u8], out: &mut Vec<u8>) {
    out.clear();
    if let Ok((_, text)) = Text::parse(body)
        && let Ok(bytes) = text.to_cow()
    {
        out.extend_from_slice(&bytes);
    }
}
