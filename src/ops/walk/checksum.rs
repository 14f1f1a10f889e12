//! The checksum of a snapshot.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::bytes::crc64::{self, Shift};

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

/// The bytes are cut into blocks of this size: it fits the nearest caches.
const BLOCK: usize = 256 << 10;
/// How far the checksum may run ahead of the walker: what the caches still hold when it comes.
const LEAD: usize = 4 << 20;

/// The checksum over bytes whose end is not known yet, block by block, by whoever has time.
///
/// It runs a little ahead of the walker, and so brings the bytes into the cache one after the
/// other, at the speed of memory; the walker, which jumps, would wait for each of its jumps.
pub(super) struct Blocks<'a> {
    bytes: &'a [u8],
    /// The first block that nobody has taken.
    next: AtomicUsize,
    /// Of each block by itself.
    sums: Vec<AtomicU64>,
}

impl<'a> Blocks<'a> {
    /// Nothing is computed yet.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let sums = bytes.chunks(BLOCK).map(|_| AtomicU64::new(0)).collect();
        Blocks { bytes, next: AtomicUsize::new(0), sums }
    }

    /// Computes block after block, until all that hold the first `upto` bytes have been taken.
    pub(super) fn advance(&self, upto: usize) {
        while self.take_one(upto) {}
    }

    /// Computes the next block, if it begins before `upto`.
    fn take_one(&self, upto: usize) -> bool {
        let begins_before = |block: usize| (block * BLOCK < upto).then_some(block + 1);
        let order = Ordering::Relaxed;
        let Ok(block) = self.next.fetch_update(order, order, begins_before) else { return false };
        let Some(sum) = self.sums.get(block) else { return false };
        let end = self.bytes.len().min((block + 1) * BLOCK);
        let bytes = self.bytes.get(block * BLOCK..end).unwrap_or_default();
        sum.store(crc64::update(0, bytes), order);
        true
    }

    /// Runs ahead of a walker on another thread until that has finished.
    ///
    /// Each pause costs a few microseconds, so that a slow walker is not asked after each block but
    /// when about half of the lead should have been used up.
    pub(super) fn follow(&self, walker: &Position) {
        let mut pause = SHORTEST_PAUSE;
        loop {
            let (at, finished) = walker.get();
            if finished {
                return self.advance(at);
            }
            let next = self.next.load(Ordering::Relaxed);
            if next >= self.sums.len() {
                return;
            }
            if next * BLOCK >= at.saturating_add(LEAD) {
                std::thread::sleep(pause);
                let used = walker.get().0.saturating_sub(at);
                pause = match used {
                    0..QUARTER => (pause * 2).min(LONGEST_PAUSE),
                    QUARTER..HALF => pause,
                    _ => (pause / 2).max(SHORTEST_PAUSE),
                };
                continue;
            }
            self.take_one(at.saturating_add(LEAD));
        }
    }

    /// The checksum of the first `end` bytes, when no other thread is at work any longer.
    pub(super) fn up_to(&self, end: usize) -> Option<u64> {
        self.advance(end);
        let whole = end / BLOCK;
        let tail = self.bytes.get(whole * BLOCK..end)?;
        let mut crc = 0;
        if whole > 0 {
            let shift = Shift::over(BLOCK);
            let sums = self.sums.get(..whole)?.iter();
            crc = sums.fold(0, |crc, sum| shift.apply(crc) ^ sum.load(Ordering::Relaxed));
        }
        Some(crc64::update(crc, tail))
    }
}

/// How long the checksum waits for the walker to catch up.
const SHORTEST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(2);
/// Parts of the lead.
const QUARTER: usize = LEAD / 4;
const HALF: usize = LEAD / 2;

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
