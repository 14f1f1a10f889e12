//! The keys of one database, held against how many it has announced.

use std::ops::Range;

use super::fields::read_like_keys;
use crate::rdb::ValueType;

/// The most tails that are noted.
const MOST_TAILS: usize = 1 << 12;

/// The keys behind one SELECTDB.
#[derive(Debug, Default)]
pub(super) struct Section {
    pub(super) db: u64,
    /// How many there should be.
    pub(super) announced: Option<u64>,
    pub(super) kept: u64,
    /// Those that went alone.
    pub(super) lost: u64,
    /// Places where nothing could be read: a key each, as a rule.
    pub(super) broken: u64,
    /// Whether nobody knows how many keys went.
    is_in_doubt: bool,
    /// What stands behind hashes whose fields read like keys.
    tails: Vec<Tail>,
    /// Where the last of these ends.
    tail_end: usize,
}

/// Keys with plain strings, right behind a hash whose fields without expiry look the same.
#[derive(Debug, Clone, Copy)]
struct Tail {
    at: usize,
    keys: u64,
    /// How many of the places where nothing could be read stand between the hash and these.
    gaps: u64,
}

impl Section {
    /// How many keys there should be behind what was seen.
    pub(super) fn left(&self) -> Option<u64> {
        let announced = self.announced.filter(|_| !self.is_in_doubt)?;
        Some(announced.saturating_sub(self.kept + self.lost + self.broken))
    }

    /// Takes in that keys are gone, and nobody knows how many.
    pub(super) fn loses_count(&mut self) {
        self.is_in_doubt = true;
    }

    /// How many keys were seen at least that were not announced: what is broken may be none.
    pub(super) fn too_many(&self) -> u64 {
        let seen = self.kept + self.lost;
        self.announced.map_or(0, |announced| seen.saturating_sub(announced))
    }

    /// The only place where those can be that were not announced, and how many they are there.
    pub(super) fn culprit(&self) -> Option<(usize, u64)> {
        let too_many = self.too_many();
        let mut likely = self.tails.iter().filter(|tail| tail.keys >= too_many);
        let tail = likely.next()?;
        let is_only = likely.next().is_none() && self.tails.len() < MOST_TAILS;
        let doubtful = self.broken.saturating_sub(tail.gaps);
        is_only.then_some((tail.at, tail.keys.min(too_many + doubtful)))
    }

    /// What was expected at one place goes on at another: earlier than a length said, or behind
    /// so many gaps. Where a hash was expected to end there, what follows may still be fields of it.
    pub(super) fn goes_on(&mut self, expected: usize, at: usize, gaps: u64) {
        if self.tail_end == expected
            && let Some(tail) = self.tails.last_mut().filter(|tail| tail.keys == 0)
        {
            (tail.at, self.tail_end) = (at, at);
            tail.gaps += gaps;
        }
    }

    /// Takes in an entry; `is_plain` if it begins like a string without prefixes.
    pub(super) fn note(&mut self, value_type: ValueType, range: &Range<usize>, is_plain: bool) {
        if read_like_keys(value_type.label()) {
            self.tails.pop_if(|tail| tail.keys == 0);
            if self.tails.len() < MOST_TAILS {
                self.tails.push(Tail { at: range.end, keys: 0, gaps: 0 });
                self.tail_end = range.end;
            }
        } else if is_plain
            && range.start == self.tail_end
            && let Some(tail) = self.tails.last_mut()
        {
            tail.keys += 1;
            self.tail_end = range.end;
        }
    }
}
