//! A file: header, records, end marker and checksum, through a buffer.
//!
//! The order is the caller's: aux fields, what modules want before the keys, functions, templates,
//! then for each database its number, its size and its keys, then what modules want after them.

use std::io::Write;

use super::Sink;
use crate::bytes::crc64;
use crate::error::{Error, Result};
use crate::rdb::{Eviction, Target, Text, ValueType, opcode};

/// The buffer is written when it has grown so far.
const BUFFER_BYTES: usize = 1 << 20;

/// What stands in front of a key's value.
#[derive(Debug, Clone, Copy)]
pub struct EntryHead<'a> {
    /// The key, as it lies in a snapshot; raw bytes are written as a string of their own right.
    pub key: Text<'a>,
    /// When the key expires, unix time in milliseconds.
    pub expires_at_ms: Option<i64>,
    /// What an eviction policy remembers; left out where the target has no place for it.
    pub eviction: Option<Eviction>,
    /// Metadata of modules, behind its opcode; left out where the target has no place for it.
    pub meta: Option<&'a [u8]>,
}

impl<'a> EntryHead<'a> {
    /// A key that does not expire.
    pub fn of(key: &'a [u8]) -> Self {
        EntryHead { key: Text::Raw(key), expires_at_ms: None, eviction: None, meta: None }
    }

    /// Appends prefixes, type and key, `same` with the key exactly as it lies.
    pub fn write(&self, sink: &mut Sink, target: &Target, value_type: ValueType, same: bool) {
        if let Some(at) = self.expires_at_ms {
            sink.byte(opcode::EXPIRE_MS);
            sink.i64_le(at);
        }
        match self.eviction {
            Some(Eviction::IdleSecs(secs)) if target.has_eviction() => {
                sink.byte(opcode::IDLE);
                sink.length(secs);
            }
            Some(Eviction::Frequency(frequency)) if target.has_eviction() => {
                sink.raw(&[opcode::FREQ, frequency]);
            }
            _ => {}
        }
        if let Some(meta) = self.meta
            && target.has_key_meta()
        {
            sink.byte(opcode::KEY_META_OR_SLOT_IMPORT);
            sink.raw(meta);
        }
        sink.byte(value_type.code());
        match self.key {
            Text::Raw(key) if !same => sink.text(key),
            key => sink.same_text(&key),
        }
    }
}

/// Writes a snapshot.
#[derive(Debug)]
pub struct SnapshotWriter<W: Write> {
    to: W,
    target: Target,
    sink: Sink,
    crc: u64,
    written: u64,
}

impl<W: Write> SnapshotWriter<W> {
    /// Begins with the header of the target's format.
    pub fn new(to: W, target: &Target, compress: bool) -> Self {
        let mut sink = Sink::new(compress);
        sink.raw(target.header.magic().as_bytes());
        SnapshotWriter { to, target: *target, sink, crc: 0, written: 0 }
    }

    /// Whom it is written for.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Bytes so far.
    pub fn size_bytes(&self) -> u64 {
        self.written + self.sink.out.len() as u64
    }

    /// A name and a text about the file, where the format has such.
    pub fn aux(&mut self, name: &[u8], value: &[u8]) -> Result<()> {
        if self.target.has_aux() {
            self.sink.byte(opcode::AUX);
            self.sink.text(name);
            self.sink.text(value);
        }
        self.flush_when_full()
    }

    /// A function library; the caller has asked whether the target has such.
    pub fn function(&mut self, code: &[u8]) -> Result<()> {
        self.sink.byte(opcode::FUNCTION);
        self.sink.text(code);
        self.flush_when_full()
    }

    /// The database of the keys that follow.
    pub fn select_db(&mut self, db: u64) -> Result<()> {
        self.sink.byte(opcode::SELECT_DB);
        self.sink.length(db);
        self.flush_when_full()
    }

    /// How many keys the database has, and how many of them expire, where the format has such.
    pub fn resize_db(&mut self, keys: u64, expires: u64) -> Result<()> {
        if self.target.has_aux() {
            self.sink.byte(opcode::RESIZE_DB);
            self.sink.length(keys);
            self.sink.length(expires);
        }
        self.flush_when_full()
    }

    /// A key whose value is written already.
    pub fn entry(
        &mut self,
        head: &EntryHead<'_>,
        value_type: ValueType,
        body: &[u8],
    ) -> Result<()> {
        head.write(&mut self.sink, &self.target, value_type, false);
        self.sink.raw(body);
        self.flush_when_full()
    }

    /// A key whose value is written now, into the sink that is handed out; without a type
    /// nothing is written.
    pub fn entry_with(
        &mut self,
        head: &EntryHead<'_>,
        value: &mut Sink,
        write: impl FnOnce(&mut Sink, &Target) -> Option<ValueType>,
    ) -> Result<()> {
        value.out.clear();
        match write(value, &self.target) {
            Some(value_type) => self.entry(head, value_type, &value.out),
            None => Ok(()),
        }
    }

    /// Records that are in their final form.
    pub fn raw(&mut self, records: &[u8]) -> Result<()> {
        if self.sink.out.len() + records.len() < BUFFER_BYTES / 4 {
            self.sink.raw(records);
            return Ok(());
        }
        // Much at once need not be copied once more.
        self.flush()?;
        self.crc = crc64::update(self.crc, records);
        self.to.write_all(records).map_err(cannot_write)?;
        self.written += records.len() as u64;
        Ok(())
    }

    /// The end marker and, from version 5 on, the checksum. Returns where it was written to, and
    /// how many bytes.
    pub fn finish(self) -> Result<(W, u64)> {
        self.end(true)
    }

    /// The same with zero for a checksum, as servers with `rdbchecksum no` write it.
    pub fn finish_unsigned(self) -> Result<(W, u64)> {
        self.end(false)
    }

    fn end(mut self, signed: bool) -> Result<(W, u64)> {
        self.sink.byte(opcode::EOF);
        self.flush()?;
        let crc = if signed { self.crc } else { 0 }.to_le_bytes();
        self.to.write_all(&crc).map_err(cannot_write)?;
        self.to.flush().map_err(cannot_write)?;
        Ok((self.to, self.written + crc.len() as u64))
    }

    #[inline]
    fn flush_when_full(&mut self) -> Result<()> {
        if self.sink.out.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.crc = crc64::update(self.crc, &self.sink.out);
        self.to.write_all(&self.sink.out).map_err(cannot_write)?;
        self.written += self.sink.out.len() as u64;
        self.sink.clear();
        Ok(())
    }
}

fn cannot_write(cause: std::io::Error) -> Error {
    Error::io("cannot write the snapshot", cause)
}
