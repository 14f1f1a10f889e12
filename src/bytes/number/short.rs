//! A number's text, on the stack.

use std::fmt;
use std::ops::Deref;

/// The most bytes that a number's text takes here; `%.17g` needs 24, Grisu2's layout 25.
const ROOM: usize = 40;

/// A short text: digits, a sign, a point, an exponent.
#[derive(Clone, Copy)]
pub struct ShortText {
    bytes: [u8; ROOM],
    len: usize,
}

impl ShortText {
    /// The text.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// The text; it is ASCII.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// Appends a byte. What has no room is dropped: no number is that long.
    #[inline]
    pub(super) fn push(&mut self, byte: u8) {
        if let Some(slot) = self.bytes.get_mut(self.len) {
            *slot = byte;
            self.len += 1;
        }
    }

    /// Appends bytes. What has no room is dropped.
    #[inline]
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        let room = self.bytes.get_mut(self.len..).unwrap_or_default();
        let len = bytes.len().min(room.len());
        if let (Some(room), Some(bytes)) = (room.get_mut(..len), bytes.get(..len)) {
            room.copy_from_slice(bytes);
            self.len += len;
        }
    }

    /// Appends zeros.
    #[inline]
    pub(super) fn zeros(&mut self, n: u32) {
        for _ in 0..n {
            self.push(b'0');
        }
    }

    /// The last byte, to be changed.
    #[inline]
    pub(super) fn last_mut(&mut self) -> Option<&mut u8> {
        self.bytes.get_mut(self.len.checked_sub(1)?)
    }

    /// Drops zeros at the end.
    pub(super) fn trim_zeros(&mut self) {
        while self.as_bytes().last() == Some(&b'0') {
            self.len -= 1;
        }
    }
}

impl Default for ShortText {
    fn default() -> Self {
        ShortText { bytes: [0; ROOM], len: 0 }
    }
}

impl Deref for ShortText {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Debug for ShortText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for ShortText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Write for ShortText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.extend(text.as_bytes());
        Ok(())
    }
}
