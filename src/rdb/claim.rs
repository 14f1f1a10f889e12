//! Counts that cannot be true.
//!
//! A value says how many elements it has, and the framer takes its word for it: a count that is
//! wrong makes it run on into whatever follows, and what it accuses in the end is not what is
//! wrong. So when it fails inside a value, the value's count is held against the bytes left in the
//! file, of which every element takes at least one.
//!
//! How many bytes are left is known to whoever owns them; through a window they must be read first.

use super::frame;
use super::value_type::ValueType;
use crate::error::{Fault, FormatError};

/// More elements than any memory holds. A file that is cut off has fewer bytes than its last
/// value asks for, so only beyond this is the count to blame for that.
const MOST: u64 = 1 << 40;

/// The number of elements that a value claims to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Where it stands.
    offset: u64,
    /// Where its elements begin.
    from: u64,
    count: u64,
}

impl Claim {
    /// The claim of the value that begins with `body`, at `offset`.
    pub(super) fn of(body: &[u8], ty: ValueType, offset: u64) -> Option<Self> {
        let (at, rest, count) = frame::claim(body, ty)?;
        let place = |from: &[u8]| offset + (body.len() - from.len()) as u64;
        Some(Claim { offset: place(at), from: place(rest), count })
    }

    /// The number itself.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Where the elements begin.
    pub fn from(&self) -> u64 {
        self.from
    }

    /// Whether it asks for more bytes than there are up to `end`.
    pub fn is_beyond(&self, end: u64) -> bool {
        self.count > end.saturating_sub(self.from)
    }

    /// Blames the claim for a failure to read its value, if it cannot be true in a file that ends
    /// at `end`.
    pub fn blame(&self, end: u64, error: &mut FormatError) {
        if let Some((offset, fault)) = self.verdict(end, &error.fault) {
            error.offset = offset;
            error.fault = fault;
        }
    }

    /// Where to look instead of where `fault` was seen, and for what.
    pub(super) fn verdict(&self, end: u64, fault: &Fault) -> Option<(u64, Fault)> {
        let may_be_cut = fault.is_truncated() && self.count <= MOST;
        let left = end.saturating_sub(self.from);
        (self.is_beyond(end) && !may_be_cut)
            .then_some((self.offset, Fault::ElementCount { count: self.count, left }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Framer, Header};
    use super::*;
    use crate::error::Fault::{ElementCount, StringEncoding, Truncated};

    /// What is found in an entry with the key `a`, where the file goes on for `more` bytes.
    #[track_caller]
    fn check(entry: &[u8], more: u64, offset: u64, want: Fault) {
        let header = Header::parse(b"REDIS0012").unwrap().1;
        let mut framer = Framer::new(header);
        let mut error = framer.next(entry, 100).unwrap_err();
        if let Some(claim) = framer.claim() {
            claim.blame(100 + entry.len() as u64 + more, &mut error);
        }
        assert_eq!((error.offset, error.fault), (offset, want));
    }

    #[test]
    fn a_count_is_held_against_the_bytes_left() {
        // A set of 9, its only member, and no string: ten bytes more would make it possible.
        let set = b"\x02\x01a\x09\x01b\xff";
        check(set, 0, 103, ElementCount { count: 9, left: 3 });
        check(set, 5, 103, ElementCount { count: 9, left: 8 });
        check(set, 6, 106, StringEncoding { byte: 0xff });
        let hash = b"\x18\x01a\0\0\0\0\0\0\0\0\x09\0\xff";
        check(hash, 0, 111, ElementCount { count: 9, left: 2 });
        check(b"\x00\x01a\xff", 0, 103, StringEncoding { byte: 0xff });
    }

    #[test]
    fn a_file_that_is_cut_off_is_just_that() {
        let need = Truncated { need: 1, have: 0 };
        check(b"\x01\x01a\x09\x01b", 0, 106, need);
        let count = 1 << 63;
        let list = b"\x01\x01a\x81\x80\0\0\0\0\0\0\0\x01b";
        check(list, 0, 103, ElementCount { count, left: 2 });
    }
}
