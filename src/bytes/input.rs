//! The window through which a sequential reader sees its bytes.
//!
//! A reader looks at [`Input::buffer`], gives back what it has read with [`Input::consume`], and
//! asks for a wider window with [`Input::more`] when a frame does not fit. The bytes themselves
//! may be a mapped file, a pipe or the output of a decompressor: whoever implements this knows.

use crate::Result;

/// A window over bytes that come one after the other.
pub trait Input {
    /// The bytes seen so far and not yet consumed.
    fn buffer(&self) -> &[u8];

    /// Gives back the first `n` bytes of the buffer. More than it holds counts as all of it.
    fn consume(&mut self, n: usize);

    /// Widens the window by at least one byte; `false` says that there are no more.
    fn more(&mut self) -> Result<bool>;

    /// Where the first byte of the buffer lies, counted from the start of the uncompressed bytes.
    fn position(&self) -> u64;
}

/// An input that is all there.
#[derive(Debug, Clone)]
pub struct SliceInput<'a> {
    rest: &'a [u8],
    position: u64,
}

impl<'a> SliceInput<'a> {
    /// The whole of `bytes`, from position 0.
    pub fn new(bytes: &'a [u8]) -> Self {
        SliceInput { rest: bytes, position: 0 }
    }

    /// The bytes behind `position`; a position past the end leaves nothing.
    pub fn starting_at(bytes: &'a [u8], position: u64) -> Self {
        let rest = usize::try_from(position).ok().and_then(|at| bytes.get(at..)).unwrap_or(&[]);
        SliceInput { rest, position }
    }
}

impl Input for SliceInput<'_> {
    #[inline]
    fn buffer(&self) -> &[u8] {
        self.rest
    }

    #[inline]
    fn consume(&mut self, n: usize) {
        let n = n.min(self.rest.len());
        self.rest = self.rest.get(n..).unwrap_or(&[]);
        self.position += n as u64;
    }

    fn more(&mut self) -> Result<bool> {
        Ok(false)
    }

    fn position(&self) -> u64 {
        self.position
    }
}

#[cfg(test)]
mod tests {
    use super::{Input, SliceInput};

    #[test]
    fn a_slice_is_consumed_from_its_start() {
        let mut input = SliceInput::starting_at(b"0123456789", 4);
        assert_eq!(input.buffer(), b"456789");
        input.consume(2);
        assert_eq!((input.buffer(), input.position()), (&b"6789"[..], 6));
        input.consume(99);
        assert_eq!((input.buffer(), input.position()), (&b""[..], 10));
        assert!(!input.more().unwrap());
        assert_eq!(SliceInput::starting_at(b"01", 3).buffer(), b"");
    }
}
