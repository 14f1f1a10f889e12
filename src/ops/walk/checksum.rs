//! The checksum of a snapshot.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

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

/// States are kept at multiples of this, and a step is that long: it fits the nearest cache.
const BLOCK: usize = 256 << 10;
/// How far the checksum may run ahead of the walker: what the caches still hold when it comes.
const LEAD: usize = 4 << 20;

/// The checksum over bytes whose end is not known yet.
///
/// It runs a little ahead of the walker, and so brings the bytes into the cache one after the
/// other, at the speed of memory; the walker, which jumps, would wait for each of its jumps.
#[derive(Default)]
pub(super) struct Ahead {
    crc: u64,
    done: usize,
    /// The state before each block.
    states: Vec<u64>,
}

impl Ahead {
    /// Computes block after block until those that hold the first `upto` bytes are done.
    pub(super) fn advance(&mut self, bytes: &[u8], upto: usize) {
        while self.done < upto.min(bytes.len()) {
            self.states.push(self.crc);
            let end = (self.done + BLOCK).min(bytes.len());
            self.crc = crc64::update(self.crc, bytes.get(self.done..end).unwrap_or_default());
            self.done = end;
        }
    }

    /// Runs ahead of a walker on another thread until that has finished.
    pub(super) fn follow(mut self, bytes: &[u8], walker: &Position) -> Ahead {
        while self.done < bytes.len() {
            let (at, finished) = walker.get();
            if finished {
                self.advance(bytes, at);
                break;
            }
            if self.done < at.saturating_add(LEAD) {
                self.advance(bytes, self.done + BLOCK);
            } else {
                std::thread::sleep(PAUSE);
            }
        }
        self
    }

    /// The checksum of the first `end` bytes.
    pub(super) fn up_to(mut self, bytes: &[u8], end: usize) -> Option<u64> {
        self.advance(bytes, end);
        if end == self.done {
            return Some(self.crc);
        }
        let block = end / BLOCK;
        Some(crc64::update(*self.states.get(block)?, bytes.get(block * BLOCK..end)?))
    }
}

/// How long the checksum waits for the walker to catch up.
const PAUSE: Duration = Duration::from_micros(50);

/// Where a walker is, for others to see.
#[derive(Default)]
pub(super) struct Position(AtomicUsize);

impl Position {
    const FINISHED: usize = 1 << (usize::BITS - 1);

    pub(super) fn reach(&self, at: usize) {
        self.0.store(at, Ordering::Relaxed);
    }

    pub(super) fn finish(&self, at: usize) {
        self.0.store(at | Self::FINISHED, Ordering::Relaxed);
    }

    fn get(&self) -> (usize, bool) {
        let value = self.0.load(Ordering::Relaxed);
        (value & !Self::FINISHED, value & Self::FINISHED != 0)
    }
}
