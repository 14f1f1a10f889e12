//! The checksum of a snapshot.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

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

/// States are kept at multiples of this.
const BLOCK: usize = 1 << 20;

/// The checksum over bytes whose end is not known yet: it runs ahead of the walker, which finds
/// the pages that it needs already mapped and in the cache.
pub(super) struct Ahead {
    /// The walker's word on where the end is.
    end: AtomicUsize,
    /// The state before each block.
    states: Mutex<Vec<u64>>,
}

impl Ahead {
    pub(super) fn new() -> Self {
        Ahead { end: AtomicUsize::new(usize::MAX), states: Mutex::new(Vec::new()) }
    }

    /// Computes block after block, to the end of the bytes or the one that was told meanwhile.
    pub(super) fn run(&self, bytes: &[u8]) {
        let mut states = Vec::with_capacity(bytes.len() / BLOCK + 1);
        let mut crc = 0;
        for (number, block) in bytes.chunks(BLOCK).enumerate() {
            if number * BLOCK > self.end.load(Ordering::Relaxed) {
                break;
            }
            states.push(crc);
            crc = crc64::update(crc, block);
        }
        *self.states.lock().unwrap_or_else(PoisonError::into_inner) = states;
    }

    /// Tells where the end is.
    pub(super) fn ends_at(&self, end: usize) {
        self.end.store(end, Ordering::Relaxed);
    }

    /// The checksum up to `end`, once [`run`](Self::run) has returned.
    pub(super) fn up_to(&self, bytes: &[u8], end: usize) -> Option<u64> {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        // An end right behind the last block has no state of its own.
        let block = (end / BLOCK).min(states.len().checked_sub(1)?);
        Some(crc64::update(*states.get(block)?, bytes.get(block * BLOCK..end)?))
    }
}
