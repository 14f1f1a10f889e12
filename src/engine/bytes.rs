//! Short byte strings: keys, and values that are not worth an allocation of their own.
//!
//! ```text
//! inline   len u8, up to 22 bytes in place
//! heap     a boxed slice
//! ```
//!
//! Either takes 24 bytes, and the spare values of the tag are left to whoever embeds one.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use crate::bytes::quoted;

const INLINE: usize = 22;

/// An owned byte string.
#[derive(Clone)]
pub struct Bytes(Repr);

#[derive(Clone)]
enum Repr {
    Inline { len: u8, data: [u8; INLINE] },
    Heap(Box<[u8]>),
}

impl Bytes {
    /// An empty one.
    pub const EMPTY: Bytes = Bytes(Repr::Inline { len: 0, data: [0; INLINE] });

    /// How many bytes fit in place.
    pub const INLINE: usize = INLINE;

    /// The bytes.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline { len, data } => data.get(..usize::from(*len)).unwrap_or_default(),
            Repr::Heap(bytes) => bytes,
        }
    }

    /// The bytes in a vector, without a copy where they have an allocation.
    pub fn into_vec(self) -> Vec<u8> {
        match self.0 {
            Repr::Inline { .. } => self.as_slice().to_vec(),
            Repr::Heap(bytes) => bytes.into_vec(),
        }
    }

    /// Bytes of memory besides the 24 in place.
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Repr::Inline { .. } => 0,
            Repr::Heap(bytes) => bytes.len(),
        }
    }

    #[inline]
    fn inline(bytes: &[u8]) -> Option<Bytes> {
        let mut data = [0; INLINE];
        data.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Bytes(Repr::Inline { len: bytes.len() as u8, data }))
    }
}

impl From<&[u8]> for Bytes {
    #[inline]
    fn from(bytes: &[u8]) -> Self {
        Bytes::inline(bytes).unwrap_or_else(|| Bytes(Repr::Heap(bytes.into())))
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::inline(&bytes).unwrap_or_else(|| Bytes(Repr::Heap(bytes.into_boxed_slice())))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl Borrow<[u8]> for Bytes {
    fn borrow(&self) -> &[u8] {
        self.as_slice()
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Bytes {}

impl PartialOrd for Bytes {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Bytes {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

impl Hash for Bytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", quoted(self))
    }
}

#[cfg(test)]
mod tests {
    use super::Bytes;

    #[test]
    fn short_and_long_ones_are_what_they_were() {
        for len in [0, 1, 21, 22, 23, 24, 300] {
            let text: Vec<u8> = (0..len).map(|n| n as u8).collect();
            let bytes = Bytes::from(text.as_slice());
            assert_eq!(bytes.as_slice(), text);
            assert_eq!(Bytes::from(text.clone()), bytes);
            assert_eq!(bytes.heap_bytes(), if len > 22 { len } else { 0 });
            assert_eq!(bytes.into_vec(), text);
        }
    }

    #[test]
    fn the_size_is_that_of_three_words() {
        assert_eq!(size_of::<Bytes>(), 24);
        assert_eq!(size_of::<Option<Bytes>>(), 24);
    }
}
