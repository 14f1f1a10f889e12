//! One key of a snapshot: where it lies and what its header says. Nothing of its value is decoded.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::object::{self, Broken, Scratch, Shape};
use super::{Template, Text, ValueType};
use crate::error::{Doing, Fault, FormatError};
use crate::value::{Item, Kind, StreamId};

/// One key of a snapshot.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// The database.
    pub db: u64,
    /// The key.
    pub key: Text<'a>,
    /// When the key expires, unix time in milliseconds.
    pub expires_at_ms: Option<i64>,
    /// What an eviction policy remembers of it.
    pub eviction: Option<Eviction>,
    /// Metadata that modules attached (Redis 8.6 and newer): the record behind its opcode.
    pub meta: Option<&'a [u8]>,
    /// How its value is stored.
    pub value_type: ValueType,
    /// Absolute, of the first byte that belongs to it: a prefix, or the type byte.
    pub offset: u64,
    /// Absolute, of the first byte of the value.
    pub body_offset: u64,
    /// One past its last byte, absolute.
    pub end: u64,
    pub(super) body: &'a [u8],
    /// The body with its blobs unpacked, where that has been done.
    pub(super) unpacked: Option<&'a [u8]>,
    pub(super) template: Option<Arc<Template>>,
}

/// What an eviction policy remembers of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eviction {
    /// Seconds since the last access (LRU policies).
    IdleSecs(u64),
    /// The access counter (LFU policies).
    Frequency(u8),
}

impl<'a> Entry<'a> {
    /// An entry of database 0 that is nothing but a key and the body of a value.
    pub fn of_body(key: &'a [u8], value_type: ValueType, body: &'a [u8], body_offset: u64) -> Self {
        Entry {
            db: 0,
            key: Text::Raw(key),
            expires_at_ms: None,
            eviction: None,
            meta: None,
            value_type,
            offset: body_offset,
            body_offset,
            end: body_offset + body.len() as u64,
            body,
            unpacked: None,
            template: None,
        }
    }

    /// The serialized value, as RESTORE wants it before version and checksum. (Types 30 and 32
    /// refer to a template of their file and cannot be restored as they are.)
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// The bytes from which the value is read.
    #[inline]
    pub(super) fn readable(&self) -> &'a [u8] {
        self.unpacked.unwrap_or(self.body)
    }

    /// The entry as it lies in the file, and nowhere else.
    pub(crate) fn lying(&self) -> Self {
        Entry { unpacked: None, ..self.clone() }
    }

    /// The template of a hash that has one.
    pub fn template(&self) -> Option<&Template> {
        self.template.as_deref()
    }

    /// The bytes of the key.
    pub fn key_bytes(&self) -> Result<Cow<'a, [u8]>, Box<FormatError>> {
        self.key.to_cow().map_err(|fault| self.key_error(fault))
    }

    /// A fault of this entry's key.
    #[cold]
    pub(crate) fn key_error(&self, fault: Fault) -> Box<FormatError> {
        Box::new(FormatError {
            file: None,
            offset: self.offset,
            doing: Doing::Key,
            key: None,
            fault,
        })
    }

    /// The bytes that this key takes in the file, prefixes and key included.
    pub fn size_bytes(&self) -> u64 {
        self.end - self.offset
    }

    /// Kind, encoding and number of elements, from headers alone.
    pub fn shape(&self) -> Result<Shape, Box<FormatError>> {
        object::shape(self).map_err(|fault| self.error(0, fault))
    }

    /// Decodes the value and hands out its parts; the visitor may stop it early.
    pub fn visit(
        &self,
        scratch: &mut Scratch,
        mut visitor: impl FnMut(Item<'_>) -> ControlFlow<()>,
    ) -> Result<(), Box<FormatError>> {
        object::visit(self, scratch, &mut visitor)
            .map_err(|broken| self.error_of_reading(broken, scratch))
    }

    /// Hands out the nodes of a stream as they are stored: the id each begins with, and its
    /// listpack. A value of another kind has none.
    pub fn stream_nodes(
        &self,
        scratch: &mut Scratch,
        each: impl FnMut(StreamId, &[u8]),
    ) -> Result<(), Box<FormatError>> {
        match self.value_type.kind() {
            Kind::Stream => object::stream_nodes(self.readable(), scratch, each)
                .map_err(|broken| self.error_of_reading(broken, scratch)),
            _ => Ok(()),
        }
    }

    /// Hands out all parts of a stream but its entries, which are not looked at; `each` is told of
    /// a node the id that it begins with, and its size unpacked. A value of another kind has none.
    pub fn visit_stream_frame(
        &self,
        scratch: &mut Scratch,
        each: impl FnMut(StreamId, u64),
        mut visitor: impl FnMut(Item<'_>) -> ControlFlow<()>,
    ) -> Result<(), Box<FormatError>> {
        match self.value_type.kind() {
            Kind::Stream => object::visit_stream_frame(self, scratch, each, &mut visitor)
                .map_err(|broken| self.error_of_reading(broken, scratch)),
            _ => Ok(()),
        }
    }

    /// What is wrong with the value, with its place in the file.
    #[cold]
    fn error_of_reading(&self, broken: Broken, scratch: &mut Scratch) -> Box<FormatError> {
        let of_lying = match self.unpacked {
            // Places in what was unpacked are in no file.
            Some(_) => object::visit(&self.lying(), scratch, &mut |_| ControlFlow::Continue(())),
            None => Ok(()),
        };
        let Broken { at, fault } = of_lying.err().unwrap_or(broken);
        self.error(at, fault)
    }

    /// A fault of this entry's value, `at` bytes behind its start.
    #[cold]
    pub(crate) fn error(&self, at: u64, fault: Fault) -> Box<FormatError> {
        Box::new(FormatError {
            file: None,
            offset: self.body_offset + at,
            doing: Doing::Value(self.value_type.label()),
            key: self.key.to_cow().ok().map(Cow::into_owned),
            fault,
        })
    }
}
