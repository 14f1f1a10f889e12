//! The blobs inside values: [`Listpack`], [`Ziplist`], [`Zipmap`], [`Intset`].
//!
//! Each is a view that borrows the blob and holds its header against the bytes. `iter` walks what
//! a loading server would walk; `strict` goes the same way and looks at everything besides, as a
//! server does when it sanitizes: the first flaw of each rule is kept until the walk is over.

use crate::error::Fault;
use crate::value::Elem;

mod intset;
mod intset_buf;
mod listpack;
mod listpack_buf;
mod listpack_entry;
mod pack;
mod ziplist;
mod ziplist_buf;
mod zipmap;

pub use intset::Intset;
pub use intset_buf::{intset, intset_of_width};
pub use listpack::{Listpack, ListpackIter};
pub use listpack_buf::{EMPTY_BYTES, ENTRY_OVERHEAD, Elems, ListpackBuf};
pub use listpack_entry::entry_bytes;
pub use pack::{Layout, Pack, PackIter};
pub use ziplist::{Ziplist, ZiplistIter};
pub use ziplist_buf::ZiplistBuf;
pub use zipmap::{Zipmap, ZipmapIter};

pub(super) use listpack::first_integer;

/// A broken rule inside a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flaw {
    /// Bytes behind the start of the blob.
    pub at: u64,
    /// The rule.
    pub fault: Fault,
}

/// A walk over the elements of a blob, for readers that do not care which of the two it is.
pub(super) trait Walk<'a>: Iterator<Item = Result<Elem<'a>, Flaw>> {
    /// Where the next element begins, bytes behind the start of the blob.
    fn offset(&self) -> u64;

    /// The next element; `None` at the end, and in front of an entry that does not fit. An element
    /// alone stays in registers, where the item of an iterator goes through memory.
    fn advance(&mut self) -> Option<Elem<'a>>;

    /// Why the walk came to no end.
    fn broken(&self) -> Option<Flaw>;

    /// What a strict walk that has come to its end has to say about neighbours, tail and count.
    fn flaws(&self) -> impl Iterator<Item = Flaw>;
}

/// A blob of elements: a listpack or a ziplist.
pub(super) trait Packed<'a>: Copy + Sized {
    /// Walks as a loading server does.
    type Plain: Walk<'a>;
    /// Walks as a sanitizing server does.
    type Strict: Walk<'a>;

    /// Holds the header against the bytes.
    fn open(blob: &'a [u8]) -> Result<Self, Fault>;
    /// See [`Packed::Plain`].
    fn plain(self) -> Self::Plain;
    /// See [`Packed::Strict`].
    fn strict(self) -> Self::Strict;
    /// The number of elements that the header claims, if it claims one.
    fn claimed(self) -> Option<u64>;
    /// The element at an offset that [`Walk::offset`] gave.
    fn element_at(self, at: u64) -> Option<Elem<'a>>;
}
