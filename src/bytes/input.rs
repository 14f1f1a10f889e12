//! Bytes that arrive: all at once, or through a window.
//!
//! A reader parses [`Input::buffer`], consumes what it understood, and where a frame is cut off
//! asks for [`Input::more`] and parses the same frame anew. `more` may move the bytes, so no slice
//! outlives it.

/// Where a reader takes its bytes from.
pub trait Input {
    /// The bytes at hand, from the current position on.
    fn buffer(&self) -> &[u8];
    /// Moves the position past `n` of them.
    fn consume(&mut self, n: usize);
    /// Brings more bytes behind those at hand; `false` at the end of the data.
    fn more(&mut self) -> crate::Result<bool>;
    /// The position of the first byte at hand, from the start of the (uncompressed) data.
    fn position(&self) -> u64;
}

/// A slice that is there as a whole.
#[derive(Debug, Clone)]
pub struct SliceInput<'a> {
    rest: &'a [u8],
    position: u64,
}

impl<'a> SliceInput<'a> {
    /// Starts at the first byte of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        SliceInput { rest: bytes, position: 0 }
    }
}

impl Input for SliceInput<'_> {
    fn buffer(&self) -> &[u8] {
        self.rest
    }

    fn consume(&mut self, n: usize) {
        let n = n.min(self.rest.len());
        self.rest = self.rest.get(n..).unwrap_or_default();
        self.position += n as u64;
    }

    fn more(&mut self) -> crate::Result<bool> {
        Ok(false)
    }

    fn position(&self) -> u64 {
        self.position
    }
}
