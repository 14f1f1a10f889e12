//! A place in the body of a value, and the parts of the formats that are read there.

use super::Broken;
use crate::bytes::take::{be_u64, byte, le_f32, le_f64, le_i64, take};
use crate::error::{Bad, Fault, Parsed, unwrap_bad};
use crate::rdb::packed::Flaw;
use crate::rdb::{Text, length};
use crate::value::{Elem, StreamId};

/// A place in the body of a value.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    body: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    #[inline(always)]
    pub(super) fn new(body: &'a [u8]) -> Self {
        Cursor { body, rest: body }
    }

    /// Bytes behind the start of the body.
    #[inline(always)]
    pub(super) fn at(&self) -> u64 {
        (self.body.len() - self.rest.len()) as u64
    }

    /// Another place in the same body.
    #[inline]
    pub(super) fn jump(&self, at: u64) -> Cursor<'a> {
        let rest = usize::try_from(at).ok().and_then(|at| self.body.get(at..));
        Cursor { body: self.body, rest: rest.unwrap_or_default() }
    }

    /// What has not been read yet.
    #[inline(always)]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline(always)]
    fn run<T>(&mut self, parser: impl FnOnce(&'a [u8]) -> Parsed<'a, T>) -> Result<T, Broken> {
        match parser(self.rest) {
            Ok((rest, value)) => {
                self.rest = rest;
                Ok(value)
            }
            Err(error) => Err(self.broken(unwrap_bad(error))),
        }
    }

    #[cold]
    fn broken(&self, bad: Bad<'_>) -> Broken {
        Broken { at: (self.body.len() - bad.at.len()) as u64, fault: bad.fault }
    }

    #[inline(always)]
    pub(super) fn length(&mut self) -> Result<u64, Broken> {
        self.run(length)
    }

    #[inline(always)]
    pub(super) fn byte(&mut self) -> Result<u8, Broken> {
        self.run(byte)
    }

    #[inline(always)]
    pub(super) fn take(&mut self, n: u64) -> Result<&'a [u8], Broken> {
        self.run(|input| take(input, n))
    }

    #[inline(always)]
    pub(super) fn i64(&mut self) -> Result<i64, Broken> {
        self.run(le_i64)
    }

    #[inline(always)]
    pub(super) fn f64(&mut self) -> Result<f64, Broken> {
        self.run(le_f64)
    }

    pub(super) fn f32(&mut self) -> Result<f32, Broken> {
        self.run(le_f32)
    }

    /// A stream id of two lengths.
    pub(super) fn id(&mut self) -> Result<StreamId, Broken> {
        Ok(StreamId { ms: self.length()?, seq: self.length()? })
    }

    /// A stream id of sixteen bytes.
    #[inline]
    pub(super) fn raw_id(&mut self) -> Result<StreamId, Broken> {
        Ok(StreamId { ms: self.run(be_u64)?, seq: self.run(be_u64)? })
    }

    /// A string, not decoded.
    #[inline(always)]
    #[expect(clippy::redundant_closure, reason = "a function by name would be called, not inlined")]
    pub(super) fn text(&mut self) -> Result<Text<'a>, Broken> {
        self.run(|input| Text::parse(input))
    }

    /// Steps over a string that is short and not compressed; says whether it was.
    #[inline(always)]
    pub(super) fn skip_short(&mut self) -> bool {
        let rest = Text::skip_short(self.rest);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// A string as the element that it is; a compressed one is unpacked into `room`.
    #[inline(always)]
    pub(super) fn elem<'s>(&mut self, room: &'s mut Vec<u8>) -> Result<Elem<'s>, Broken>
    where
        'a: 's,
    {
        // Most are short and plain, and made in registers: to come from the same place as all others,
        // they would have to go through memory.
        if let [len @ 0..64, rest @ ..] = self.rest
            && let Some((bytes, rest)) = rest.split_at_checked(usize::from(*len))
        {
            self.rest = rest;
            return Ok(Elem::Bytes(bytes));
        }
        let at = self.at();
        match self.run(Text::parse_long)? {
            Text::Raw(bytes) => Ok(Elem::Bytes(bytes)),
            Text::Int(n) => Ok(Elem::Int(n.into())),
            text @ Text::Lzf { .. } => text.elem(room).map_err(|fault| Broken { at, fault }),
        }
    }

    /// A string as bytes; what is not there as such is spelled out in `room`.
    #[inline]
    pub(super) fn bytes<'s>(&mut self, room: &'s mut Vec<u8>) -> Result<&'s [u8], Broken>
    where
        'a: 's,
    {
        let at = self.at();
        text_bytes(self.text()?, room).map_err(|fault| Broken { at, fault })
    }

    /// A string that holds a packed blob.
    #[inline]
    pub(super) fn blob<'s>(&mut self, room: &'s mut Vec<u8>) -> Result<Blob<'s>, Broken>
    where
        'a: 's,
    {
        let at = self.at();
        let text = self.text()?;
        match text {
            Text::Raw(bytes) => Ok(Blob { bytes, at: self.at() - bytes.len() as u64, raw: true }),
            text => match text_bytes(text, room) {
                Ok(bytes) => Ok(Blob { bytes, at, raw: false }),
                Err(fault) => Err(Broken { at, fault }),
            },
        }
    }
}

/// The bytes of a string; what is not there as such is spelled out in `room`.
pub(super) fn text_bytes<'s>(text: Text<'s>, room: &'s mut Vec<u8>) -> Result<&'s [u8], Fault> {
    match text {
        Text::Raw(bytes) => Ok(bytes),
        Text::Int(n) => {
            room.clear();
            room.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
            Ok(room)
        }
        Text::Lzf { .. } => match text.elem(room)? {
            Elem::Bytes(bytes) => Ok(bytes),
            Elem::Int(_) => Ok(&[]),
        },
    }
}

/// A packed blob: in place, or unpacked. A flaw in an unpacked one is where its string begins,
/// because the bytes that are wrong are not in the file as such.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blob<'s> {
    pub(super) bytes: &'s [u8],
    at: u64,
    raw: bool,
}

impl Blob<'_> {
    /// The place in the body of a place in the blob.
    #[inline]
    pub(super) fn at(&self, inner: u64) -> u64 {
        if self.raw { self.at + inner } else { self.at }
    }

    #[cold]
    pub(super) fn broken(&self, flaw: Flaw) -> Broken {
        Broken { at: self.at(flaw.at), fault: flaw.fault }
    }
}
