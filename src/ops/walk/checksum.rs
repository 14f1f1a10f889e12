//! The checksum of a snapshot, computed behind the walker.

use std::sync::mpsc::Receiver;

use crate::bytes::crc64;

/// What became of a checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// Stored and computed agree.
    Matches(u64),
    /// The writer had checksums switched off: zero is stored.
    Disabled,
    /// The version has none (below 5).
    Absent,
    /// Stored and computed differ.
    Mismatch {
        /// In the file.
        stored: u64,
        /// From the bytes.
        computed: u64,
    },
    /// It was not computed: the caller did not ask, or the end marker was not reached.
    Unknown,
}

impl Checksum {
    /// Compares; `computed` is `None` where nobody computed it.
    pub(super) fn of(stored: Option<u64>, computed: Option<u64>) -> Checksum {
        match (stored, computed) {
            (None, _) => Checksum::Absent,
            (Some(0), _) => Checksum::Disabled,
            (Some(_), None) => Checksum::Unknown,
            (Some(stored), Some(computed)) if stored == computed => Checksum::Matches(stored),
            (Some(stored), Some(computed)) => Checksum::Mismatch { stored, computed },
        }
    }
}

/// Follows the walker: each number received is a length of `bytes` that has been walked. Ends
/// with the checksum over the last.
pub(super) fn follow(bytes: &[u8], walked: &Receiver<usize>) -> u64 {
    let (mut crc, mut done) = (0, 0);
    for upto in walked {
        crc = crc64::update(crc, bytes.get(done..upto).unwrap_or_default());
        done = upto;
    }
    crc
}
