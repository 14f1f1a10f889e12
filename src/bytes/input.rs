//! Bytes that arrive: all at once, or through a window.

/// Where a reader takes its bytes from. A reader that runs out of bytes inside a frame asks for
/// [`more`](Input::more) and begins the frame anew.
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

/// Bytes that are all at hand.
#[derive(Debug, Clone, Copy)]
pub struct SliceInput<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> SliceInput<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        SliceInput { bytes, position: 0 }
    }
}

impl Input for SliceInput<'_> {
    fn buffer(&self) -> &[u8] {
        self.bytes.get(self.position..).unwrap_or_default()
    }

    fn consume(&mut self, n: usize) {
        self.position = self.position.saturating_add(n).min(self.bytes.len());
    }

    fn more(&mut self) -> crate::Result<bool> {
        Ok(false)
    }

    fn position(&self) -> u64 {
        self.position as u64
    }
}
