//! The elements of one value, gathered from a reader that lends them out one at a time, so that a
//! writer can look at them twice: bytes in one heap, and where in it each element lies.

use std::ops::Range;

use crate::value::Elem;

/// Gathered elements.
#[derive(Debug, Default)]
pub(super) struct Heap {
    bytes: Vec<u8>,
}

/// An element in a [`Heap`].
#[derive(Debug, Clone)]
pub(super) enum Place {
    Int(i64),
    Bytes(Range<usize>),
}

impl Heap {
    /// Takes everything out; the room stays, unless it is out of the ordinary.
    pub(super) fn clear(&mut self) {
        const ORDINARY: usize = 16 << 20;
        self.bytes.clear();
        self.bytes.shrink_to(ORDINARY);
    }

    pub(super) fn put(&mut self, elem: Elem<'_>) -> Place {
        match elem {
            Elem::Int(n) => Place::Int(n),
            Elem::Bytes(bytes) => {
                let from = self.bytes.len();
                self.bytes.extend_from_slice(bytes);
                Place::Bytes(from..self.bytes.len())
            }
        }
    }

    pub(super) fn get(&self, place: &Place) -> Elem<'_> {
        match place {
            Place::Int(n) => Elem::Int(*n),
            Place::Bytes(range) => Elem::Bytes(self.bytes.get(range.clone()).unwrap_or_default()),
        }
    }
}
