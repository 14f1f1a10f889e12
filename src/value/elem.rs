//! One element, as its encoding stores it: bytes, or an integer that stands for its decimal text.

use std::borrow::Cow;

/// One element of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Elem<'a> {
    /// Bytes as they are.
    Bytes(&'a [u8]),
    /// An integer; what a client sees is its decimal text.
    Int(i64),
}

impl<'a> Elem<'a> {
    /// The bytes that a client would see; `text` is where an integer is spelled out.
    #[inline]
    pub fn bytes<'s>(&self, text: &'s mut itoa::Buffer) -> &'s [u8]
    where
        'a: 's,
    {
        match *self {
            Elem::Bytes(bytes) => bytes,
            Elem::Int(n) => text.format(n).as_bytes(),
        }
    }

    /// The bytes that a client would see, owned where the element is an integer.
    pub fn to_cow(&self) -> Cow<'a, [u8]> {
        match *self {
            Elem::Bytes(bytes) => Cow::Borrowed(bytes),
            Elem::Int(n) => Cow::Owned(itoa::Buffer::new().format(n).as_bytes().to_vec()),
        }
    }

    /// The bytes that a client would see, owned.
    pub fn to_vec(&self) -> Vec<u8> {
        self.to_cow().into_owned()
    }

    /// The number of bytes that a client would see.
    #[inline]
    pub fn len(&self) -> u64 {
        match *self {
            Elem::Bytes(bytes) => bytes.len() as u64,
            Elem::Int(n) => {
                let digits = u64::from(n.unsigned_abs().checked_ilog10().unwrap_or(0)) + 1;
                digits + u64::from(n < 0)
            }
        }
    }

    /// Whether a client would see nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::Elem;

    #[test]
    fn an_integer_is_as_long_as_its_text() {
        for n in [0, 1, -1, 9, 10, -10, 99, 100, i64::MAX, i64::MIN] {
            let elem = Elem::Int(n);
            assert_eq!(elem.to_vec(), n.to_string().into_bytes());
            assert_eq!(elem.len(), n.to_string().len() as u64);
        }
    }
}
