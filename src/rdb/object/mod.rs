//! The logical values out of their layouts on disk: one file per kind.
//!
//! Reading goes along with what a loading server tolerates (a wrong back length is not seen), but
//! never past a length that does not hold. Nothing is collected: what is large is walked, what is
//! compressed is unpacked into a [`Scratch`] that the next value reuses.

mod array;
mod check;
mod cursor;
mod hash;
mod list;
mod module;
mod score;
mod set;
mod shape;
mod sorted_set;
mod stream;
mod stream_parts;
mod string;
mod template;
mod unpacked;

use std::ops::ControlFlow;

use self::cursor::Cursor;
use super::Entry;
use super::packed::{Flaw, Packed, Walk};
use crate::error::Fault;
use crate::value::{Elem, Item, Kind, StreamId};

pub use check::{Checker, MOST, Problem, Stance};
pub(in crate::rdb) use hash::MAX_EXPIRY_MS;
pub use shape::Shape;
pub(super) use shape::shape;
pub(super) use stream::nodes as stream_nodes;
pub(super) use stream_parts::RawStream;
pub(crate) use unpacked::Unpacked;

/// Room that decoding reuses from value to value.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(super) blob: Vec<u8>,
    pub(super) first: Vec<u8>,
    pub(super) second: Vec<u8>,
}

/// A fault, that many bytes behind the start of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) at: u64,
    pub(crate) fault: Fault,
}

/// Decodes a value and hands out its parts.
#[inline]
pub(super) fn visit(
    entry: &Entry<'_>,
    scratch: &mut Scratch,
    visitor: &mut impl FnMut(Item<'_>) -> ControlFlow<()>,
) -> Result<(), Broken> {
    let mut out = Out(visitor);
    let body = Cursor::new(entry.readable());
    let done = match entry.value_type.kind() {
        Kind::String => string::visit(body, scratch, &mut out),
        Kind::List => list::visit(entry.value_type, body, scratch, &mut out),
        Kind::Set => set::visit(entry.value_type, body, scratch, &mut out),
        Kind::SortedSet => sorted_set::visit(entry.value_type, body, scratch, &mut out),
        Kind::Hash => hash::visit(entry, body, scratch, &mut out),
        // These are large code and no hot loops: one copy of each will do.
        Kind::Stream => stream::visit(entry.value_type, body, scratch, &mut out.boxed()),
        Kind::Module => module::visit(entry.value_type, body, scratch, &mut out.boxed()),
        Kind::Array => array::visit(body, scratch, &mut out.boxed()),
    };
    over(done)
}

/// Hands out all parts of a stream but its entries; `each` is told of a node the id that it begins
/// with, and its size unpacked.
pub(super) fn visit_stream_frame(
    entry: &Entry<'_>,
    scratch: &mut Scratch,
    each: impl FnMut(StreamId, u64),
    visitor: &mut impl FnMut(Item<'_>) -> ControlFlow<()>,
) -> Result<(), Broken> {
    let mut out = Out(visitor);
    over(stream::visit_frame(entry.value_type, entry.readable(), scratch, each, &mut out.boxed()))
}

/// A walk that ended, early or not.
fn over(done: Result<(), Stop>) -> Result<(), Broken> {
    match done {
        Ok(()) | Err(Stop::Enough) => Ok(()),
        Err(Stop::Broken(broken)) => Err(broken),
    }
}

/// Where the parts go.
struct Out<'v, V: ?Sized>(&'v mut V);

type DynOut<'v, 'd> = Out<'v, dyn FnMut(Item<'_>) -> ControlFlow<()> + 'd>;

impl<V: FnMut(Item<'_>) -> ControlFlow<()> + ?Sized> Out<'_, V> {
    /// Hands out a part; the visitor may have had enough.
    #[inline(always)]
    fn give(&mut self, item: Item<'_>) -> Result<(), Stop> {
        match (self.0)(item) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Stop::Enough),
        }
    }
}

impl<'d, V: FnMut(Item<'_>) -> ControlFlow<()> + 'd> Out<'_, V> {
    fn boxed(&mut self) -> DynOut<'_, 'd> {
        Out(&mut *self.0)
    }
}

/// Why a walk ends early.
enum Stop {
    /// The visitor has had enough.
    Enough,
    /// The value is broken.
    Broken(Broken),
}

impl From<Broken> for Stop {
    #[cold]
    fn from(broken: Broken) -> Self {
        Stop::Broken(broken)
    }
}

/// Walks a blob in tuples of `N` elements, at most three.
#[inline]
fn tuples<'s, P: Packed<'s>, const N: usize>(
    blob: cursor::Blob<'s>,
    mut each: impl FnMut([Elem<'s>; 3], u64) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let pack = P::open(blob.bytes).map_err(|fault| blob.broken(Flaw { at: 0, fault }))?;
    let mut walk = pack.plain();
    let mut seen = 0;
    // One by one: an array that a loop fills goes through memory in pieces, and is waited for.
    let (at, place) = loop {
        let at = walk.offset();
        let Some(first) = walk.advance() else { break (at, 0) };
        let (mut second, mut third) = (Elem::Int(0), Elem::Int(0));
        if N > 1 {
            let Some(elem) = walk.advance() else { break (at, 1) };
            second = elem;
        }
        if N > 2 {
            let Some(elem) = walk.advance() else { break (at, 2) };
            third = elem;
        }
        each([first, second, third], blob.at(at))?;
        seen += N as u64;
    };
    match walk.broken() {
        Some(flaw) => Err(blob.broken(flaw).into()),
        None if place == 0 => Ok(()),
        None => {
            let fault = Fault::TupleCount { count: seen + place, of: N as u64 };
            Err(blob.broken(Flaw { at, fault }).into())
        }
    }
}
