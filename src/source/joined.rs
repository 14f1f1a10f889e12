//! Several snapshots as one: what the nodes of a Cluster hold, in one stream.
//!
//! ```text
//! of one node    header  aux  functions  keys  end, checksum
//! of the next    header  aux  functions  keys  end, checksum
//! joined         header  aux  functions  keys  keys  end, checksum of what stands here
//! ```
//!
//! Nothing of a part is kept but what all of them may have: functions, scripts, what modules
//! remember. That is written once, however many have it. Keys go on byte for byte, save hashes that
//! refer to a template of their file: these become hashes with names of their own.
//!
//! The one danger is a key that two nodes have, or none of those that were read, because its slot
//! is on its way from one to the other. So each key is held against the slots of its node. A record
//! that cannot be read goes on as it is, and everything behind it, for the reader to meet it there.

use std::collections::HashMap;
use std::io::{self, Read};
use std::ops::RangeInclusive;

use xxhash_rust::xxh3::xxh3_128;

use super::WindowOptions;
use super::window::Window;
use crate::bytes::input::Input;
use crate::bytes::slot::slot;
use crate::bytes::{crc64, quoted};
use crate::error::{Error, Result};
use crate::rdb::write::{Body, EntryHead, EntryRoom, Sink, entry as write_entry};
use crate::rdb::{
    Entry, Framer, HEADER_BYTES, Header, LibraryHead, NAMED_BYTES, Record, Target, Text, ValueType,
    opcode,
};

/// Bytes that go on in one piece, and records that are framed at a time.
const STEP_BYTES: usize = 256 << 10;

/// What a node says of itself alone, not of the whole.
const OF_ONE_NODE: [&[u8]; 4] = [b"used-mem", b"repl-stream-db", b"repl-id", b"repl-offset"];

/// The snapshot of one node.
pub(super) struct Part {
    /// What sentences call the node.
    pub(super) name: String,
    /// The slots that it serves.
    pub(super) slots: Vec<RangeInclusive<u16>>,
    /// Its bytes.
    pub(super) reader: Box<dyn Read + Send>,
}

/// The next part; `None` behind the last one, if all is well.
pub(super) type Next = Box<dyn FnMut() -> Result<Option<Part>> + Send>;

/// The parts as one snapshot. The first one decides about its format.
pub(super) struct Joined {
    next: Next,
    options: WindowOptions,
    part: Option<Reading>,
    header: Option<Header>,
    extras: Extras,
    room: Rooms,
    /// What comes next but for what is passed on, and how much of it has gone.
    out: Vec<u8>,
    gone: usize,
    crc: u64,
    is_over: bool,
}

/// Room that hashes without their templates share.
struct Rooms {
    entry: EntryRoom,
    head: Sink,
    body: Sink,
}

impl Default for Rooms {
    fn default() -> Self {
        Rooms { entry: EntryRoom::default(), head: Sink::new(true), body: Sink::new(true) }
    }
}

/// A part that is being read.
struct Reading {
    name: String,
    slots: Vec<RangeInclusive<u16>>,
    is_first: bool,
    /// Whether a database has begun, so that fields are no longer about the file.
    has_begun: bool,
    window: Window,
    framer: Framer,
    crc: u64,
    /// Bytes at hand that go on as they are.
    pass: usize,
    /// Bytes behind them that do not.
    drop: usize,
    /// Whether the end marker has come, and the checksum behind it.
    end: Option<Option<u64>>,
    is_broken: bool,
}

/// What becomes of a record.
enum Fate {
    Pass,
    Drop,
    End(Option<u64>),
}

impl Joined {
    pub(super) fn new(next: Next, options: WindowOptions) -> Self {
        Joined {
            next,
            options,
            part: None,
            header: None,
            extras: Extras::default(),
            room: Rooms::default(),
            out: Vec::new(),
            gone: 0,
            crc: 0,
            is_over: false,
        }
    }

    /// Something more to go on, or the end.
    fn step(&mut self) -> Result<()> {
        let Some(part) = &mut self.part else { return self.begin() };
        if part.is_broken {
            part.pass = part.window.buffer().len();
            if part.pass == 0 && !part.window.more()? {
                self.is_over = true;
            }
            return Ok(());
        }
        match part.end {
            None => self.frames(),
            Some(stored) => {
                part.ended(stored)?;
                // Who writes no database in front of its keys means the first one.
                if part.framer.db() != 0 {
                    self.write(&[opcode::SELECT_DB, 0]);
                }
                self.part = None;
                Ok(())
            }
        }
    }

    /// The next part, up to its first record; or the end of all.
    fn begin(&mut self) -> Result<()> {
        let Some(Part { name, slots, reader }) = (self.next)()? else {
            self.write(&[opcode::EOF]);
            let crc = crc64::update(self.crc, &[opcode::EOF]);
            self.write(&crc.to_le_bytes());
            self.is_over = true;
            return Ok(());
        };
        let mut window = Window::new(reader, &name, self.options.clone());
        while window.buffer().len() < HEADER_BYTES && window.more()? {}
        let head = window.buffer();
        let Ok((_, header)) = Header::parse(head) else {
            return Err(Error::Usage(format!("what {name} sends is no snapshot")));
        };
        let is_first = self.header.is_none();
        match self.header {
            None => {
                self.write(header.magic().as_bytes());
                self.header = Some(header);
            }
            Some(first) if first.reads(header) => {}
            Some(first) => {
                return Err(Error::Usage(format!(
                    "{name} writes {}, which cannot go on behind {} of another node: read the \
                     nodes one by one",
                    header.magic(),
                    first.magic()
                )));
            }
        }
        let crc = crc64::update(0, head.get(..HEADER_BYTES).unwrap_or_default());
        window.consume(HEADER_BYTES);
        let framer = Framer::new(header);
        self.part = Some(Reading {
            name,
            slots,
            is_first,
            has_begun: false,
            window,
            framer,
            crc,
            pass: 0,
            drop: 0,
            end: None,
            is_broken: false,
        });
        Ok(())
    }

    /// Looks at the records at hand, up to one that does not go on as it is.
    fn frames(&mut self) -> Result<()> {
        let Joined { part: Some(part), extras, room, header, out, .. } = self else {
            return Ok(());
        };
        while part.pass < STEP_BYTES {
            let buffer = part.window.buffer();
            let rest = buffer.get(part.pass..).unwrap_or_default();
            let offset = part.window.position() + part.pass as u64;
            let (record, after) = match part.framer.next(rest, offset) {
                Ok(next) => next,
                Err(_) if part.pass > 0 => break,
                // A record of a kind that is none is named where its key can be.
                Err(error) if error.fault.is_truncated() || rest.len() < NAMED_BYTES => {
                    part.is_broken = !part.window.more()?;
                    break;
                }
                Err(_) => {
                    part.is_broken = true;
                    break;
                }
            };
            let len = rest.len() - after.len();
            let fate = match &record {
                Record::Entry(entry) => {
                    holds(&part.slots, &part.name, entry)?;
                    let target = header.map(Target::of_header).unwrap_or_default();
                    without_template(entry, &target, out, room)?
                }
                Record::Aux { name, value } if !part.has_begun => {
                    let name = name.to_cow().unwrap_or_default();
                    match &*name {
                        b"lua" => extras.fate(&part.name, Extra::script(value))?,
                        name if part.is_first && !OF_ONE_NODE.contains(&name) => Fate::Pass,
                        _ => Fate::Drop,
                    }
                }
                Record::SelectDb(_) => {
                    part.has_begun = true;
                    Fate::Pass
                }
                Record::Function(code) => extras.fate(&part.name, Extra::function(code))?,
                Record::FunctionPreGa { .. } | Record::ModuleAux { .. } => {
                    let bytes = rest.get(..len).unwrap_or_default();
                    extras.fate(&part.name, Extra::other(bytes))?
                }
                Record::HashTemplate { .. } => Fate::Drop,
                Record::End { checksum } => Fate::End(*checksum),
                _ => Fate::Pass,
            };
            match fate {
                Fate::Pass => {
                    part.pass += len;
                    continue;
                }
                // An expiry that stands in front of it is that of the next key.
                Fate::Drop if part.framer.carries() => part.pass += len,
                Fate::Drop => part.drop = len,
                Fate::End(checksum) => {
                    // The checksum is not of itself.
                    part.drop = 1;
                    part.end = Some(checksum);
                }
            }
            break;
        }
        Ok(())
    }

    /// Bytes that stand behind what is passed on.
    fn write(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }
}

impl Read for Joined {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if room.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(part) = &mut self.part {
                if part.pass > 0 {
                    let n = part.pass.min(room.len());
                    let n = copy(room, part.window.buffer().get(..n).unwrap_or_default());
                    self.crc = crc64::update(self.crc, room.get(..n).unwrap_or_default());
                    part.pass -= n;
                    part.leave(n);
                    return Ok(n);
                }
                let n = std::mem::take(&mut part.drop);
                part.leave(n);
            }
            let rest = self.out.get(self.gone..).unwrap_or_default();
            if !rest.is_empty() {
                let n = copy(room, rest);
                self.crc = crc64::update(self.crc, room.get(..n).unwrap_or_default());
                self.gone += n;
                return Ok(n);
            }
            self.out.clear();
            self.gone = 0;
            if self.is_over {
                return Ok(0);
            }
            self.step().map_err(|error| match error {
                Error::Io { what, cause } => {
                    io::Error::new(cause.kind(), format!("{what}: {cause}"))
                }
                error => io::Error::other(error.to_string()),
            })?;
        }
    }
}

fn copy(room: &mut [u8], bytes: &[u8]) -> usize {
    let n = bytes.len().min(room.len());
    if let (Some(to), Some(from)) = (room.get_mut(..n), bytes.get(..n)) {
        to.copy_from_slice(from);
    }
    n
}

impl Reading {
    /// Steps over bytes at hand, which belong to the part's checksum.
    fn leave(&mut self, n: usize) {
        let bytes = self.window.buffer().get(..n).unwrap_or_default();
        self.crc = crc64::update(self.crc, bytes);
        self.window.consume(n);
    }

    /// Holds the checksum behind the end marker against what came.
    fn ended(&mut self, stored: Option<u64>) -> Result<()> {
        let name = &self.name;
        if let Some(stored) = stored {
            self.window.consume(size_of_val(&stored));
            if stored != 0 && stored != self.crc {
                return Err(Error::Usage(format!(
                    "the checksum of what {name} sends is {stored:016x}, and of what has come \
                     {:016x}: something changed it on the way",
                    self.crc
                )));
            }
        }
        if !self.window.buffer().is_empty() || self.window.more()? {
            return Err(Error::Usage(format!("{name} sends more than a snapshot")));
        }
        Ok(())
    }
}

/// Holds a key against the slots of its node.
fn holds(slots: &[RangeInclusive<u16>], name: &str, entry: &Entry<'_>) -> Result<()> {
    let Ok(key) = entry.key_bytes() else { return Ok(()) };
    let slot = slot(&key);
    if slots.iter().any(|range| range.contains(&slot)) {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "{name} holds key {} of slot {slot}, which another node serves: the slot is being moved, or \
         its move was broken off; read the Cluster when its slots are at rest (CLUSTER NODES, \
         --cluster check), or its nodes one by one",
        quoted(&key)
    )))
}

/// A hash that refers to a template as one that has names: ids of templates mean something else in
/// another node's snapshot.
fn without_template(
    entry: &Entry<'_>,
    target: &Target,
    to: &mut Vec<u8>,
    Rooms { entry: room, head, body }: &mut Rooms,
) -> Result<Fate> {
    let ty = entry.value_type;
    if !matches!(ty, ValueType::HashTemplateArray | ValueType::HashTemplateListpack) {
        return Ok(Fate::Pass);
    }
    body.clear();
    // What cannot be decoded goes on as it is, to be met by the reader.
    let Ok(Body::Written(ty)) = write_entry(body, entry, target, false, room) else {
        return Ok(Fate::Pass);
    };
    let Entry { key, expires_at_ms, eviction, meta, .. } = *entry;
    head.clear();
    EntryHead { key, expires_at_ms, eviction, meta }.write(head, target, ty, true);
    to.extend_from_slice(&head.out);
    to.extend_from_slice(&body.out);
    Ok(Fate::Drop)
}

/// What nodes have beside their keys, and all of them may have.
#[derive(Default)]
struct Extras(HashMap<Vec<u8>, (String, u128)>);

/// One of these.
struct Extra {
    /// What there can be one of.
    id: Vec<u8>,
    /// A hash of all of it.
    hash: u128,
}

impl Extra {
    fn function(code: &Text<'_>) -> Self {
        let code = code.to_cow().unwrap_or_default();
        let name = LibraryHead::parse(&code).map(|head| head.name).unwrap_or_default();
        Extra { id: [b"function ", &*name].concat(), hash: xxh3_128(&code) }
    }

    /// There can be many of these, each once.
    fn other(bytes: &[u8]) -> Self {
        let hash = xxh3_128(bytes);
        Extra { id: hash.to_le_bytes().to_vec(), hash }
    }

    fn script(code: &Text<'_>) -> Self {
        Extra::other(&code.to_cow().unwrap_or_default())
    }
}

impl Extras {
    /// What all have goes on once.
    fn fate(&mut self, node: &str, extra: Extra) -> Result<Fate> {
        match self.0.get(&extra.id) {
            None => {
                self.0.insert(extra.id, (node.to_owned(), extra.hash));
                Ok(Fate::Pass)
            }
            Some((_, hash)) if *hash == extra.hash => Ok(Fate::Drop),
            Some((other, _)) => {
                let name = extra.id.strip_prefix(b"function ").unwrap_or_default();
                Err(Error::Usage(format!(
                    "the function library {} is not the same on {other} and {node}: load one of \
                     them on all nodes (FUNCTION LOAD REPLACE), or read the nodes one by one",
                    quoted(name)
                )))
            }
        }
    }
}

#[cfg(test)]
mod tests;
