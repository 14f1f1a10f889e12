//! What has been seen in a collection, to find what stands there twice.
//!
//! A table that is reused from value to value (a stamp tells what is left over from before) holds
//! hash bits and positions of up to [`TABLE`] elements. What comes beyond, or everything where
//! more are announced, goes to [`Distinct`], which is bounded. Where the number of elements is
//! sure and a table of them would not fit the nearest caches, they are listed ([`Few`]) and looked
//! through at the end.

use std::io;

use super::{Halt, Report, Stance};
use crate::bytes::distinct::{Distinct, Few};
use crate::bytes::hash::{hash, hash_int};
use crate::bytes::number::integer;
use crate::error::Fault;
use crate::value::Elem;

/// Elements that the table holds: with 16 bytes in at most half of the slots, 4 MiB.
const TABLE: usize = 100_000;
const POSITION_BITS: u32 = 40;
const POSITION_MASK: u64 = (1 << POSITION_BITS) - 1;
const LEAST_SLOTS: usize = 64;
/// Up to so many elements the table is a quarter full, beyond half full.
const SMALL: usize = 1000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Seen {
    slots: Vec<Slot>,
    stamp: u32,
    /// Slots in use for this value, less one: a small collection stays in a corner of the table.
    mask: usize,
    held: usize,
    few: Few,
    /// Whether elements go there.
    to_few: bool,
    /// Where the table is full, or was never begun.
    beyond: Option<Box<Distinct>>,
    to_beyond: bool,
}

#[derive(Debug, Default, Clone, Copy)]
struct Slot {
    stamp: u32,
    /// Hash bits; the lower ones choose the slot.
    tag: u32,
    /// The number of the element above, its position below.
    place: u64,
}

impl Seen {
    /// Forgets everything. `expected` is a claim: it only chooses where things go.
    #[inline]
    pub(super) fn begin(&mut self, expected: u64) {
        self.to_few = false;
        self.to_beyond = expected > TABLE as u64;
        self.held = 0;
        self.stamp = self.stamp.wrapping_add(1);
        if self.stamp == 0 {
            self.slots.clear();
            self.stamp = 1;
        }
        let expected = if self.to_beyond { 0 } else { expected as usize };
        self.room_for(expected);
    }

    /// The same where no more than `count` can come.
    #[inline]
    pub(super) fn begin_sure(&mut self, count: u64) {
        let listed = count > SMALL as u64 && count <= TABLE as u64;
        self.begin(if listed { 0 } else { count });
        self.to_few = listed;
        if listed {
            self.few.clear();
        }
    }

    fn room_for(&mut self, elements: usize) {
        // A collision costs more than a cache line does, as long as all of it fits the cache.
        let spread = if elements <= SMALL { 4 } else { 2 };
        let slots = (elements * spread).next_power_of_two().max(LEAST_SLOTS);
        if slots > self.slots.len() {
            self.slots.resize(slots, Slot::default());
        }
        self.mask = slots - 1;
    }

    /// Notes element `number` at `position`; if the same stood there before, says its number.
    /// `same` looks at what is at a position.
    #[inline]
    pub(super) fn insert(
        &mut self,
        hash: u64,
        position: u64,
        number: u64,
        mut same: impl FnMut(u64) -> bool,
    ) -> io::Result<Option<u64>> {
        if self.to_few {
            self.few.insert(hash, position);
            return Ok(None);
        }
        if self.to_beyond && self.held == 0 {
            return self.insert_beyond(hash, position);
        }
        let tag = hash as u32;
        let mut at = tag as usize & self.mask;
        while let Some(slot) = self.slots.get_mut(at) {
            if slot.stamp != self.stamp {
                if self.held == TABLE {
                    break;
                }
                *slot = Slot { stamp: self.stamp, tag, place: number << POSITION_BITS | position };
                self.held += 1;
                if self.held * 2 > self.mask + 1 {
                    self.grow();
                }
                return Ok(None);
            }
            if slot.tag == tag && same(slot.place & POSITION_MASK) {
                return Ok(Some(slot.place >> POSITION_BITS));
            }
            at = (at + 1) & self.mask;
        }
        self.to_beyond = true;
        self.insert_beyond(hash, position)
    }

    #[inline]
    fn insert_beyond(&mut self, hash: u64, position: u64) -> io::Result<Option<u64>> {
        self.beyond.get_or_insert_default().insert(hash, position).map(|()| None)
    }

    #[cold]
    fn grow(&mut self) {
        let mut held = Vec::with_capacity(self.held);
        // The stamp of the old places must not count any longer.
        for slot in self.slots.iter_mut().take(self.mask + 1) {
            if slot.stamp == self.stamp {
                held.push(std::mem::take(slot));
            }
        }
        self.room_for(self.held * 2);
        for old in held {
            let mut at = old.tag as usize & self.mask;
            while let Some(slot) = self.slots.get_mut(at) {
                if slot.stamp != self.stamp {
                    *slot = old;
                    break;
                }
                at = (at + 1) & self.mask;
            }
        }
    }

    /// Tells what [`Seen::insert`] could not: repetitions among the elements outside the table.
    /// `same` compares what is at two positions, `fault` says what it is that the element at a
    /// position stands there again, `text` what a client would see of it.
    pub(super) fn finish(
        &mut self,
        same: impl FnMut(u64, u64) -> bool,
        mut fault: impl FnMut(u64) -> Fault,
        mut text: impl FnMut(u64) -> Vec<u8>,
        at: impl Fn(u64) -> u64,
        stance: Stance,
        report: &mut Report<'_>,
    ) -> Result<(), Halt> {
        let most = report.left as usize;
        let mut repeats: Vec<(u64, u64)> = Vec::new();
        let keep = |first, again| {
            // Those that are told are the first, in whatever order they are found.
            repeats.push((again, first));
            if repeats.len() >= most.saturating_mul(2) {
                repeats.sort_unstable();
                repeats.truncate(most);
            }
        };
        if self.to_few {
            self.few.repeats(same, keep);
        } else if let Some(beyond) = self.beyond.as_mut().filter(|_| self.to_beyond) {
            beyond.repeats(1, same, keep)?;
        } else {
            return Ok(());
        }
        repeats.sort_unstable();
        repeats.truncate(most);
        for (again, first) in repeats {
            report.show(at(again), fault(first), stance, Elem::Bytes(&text(again)))?;
        }
        Ok(())
    }
}

/// The hash of an element: the same for an integer and for its text.
#[inline]
pub(super) fn hash_elem(elem: Elem<'_>) -> u64 {
    match elem {
        Elem::Int(n) => hash_int(n),
        Elem::Bytes(text) => match integer(text) {
            Some(n) => hash_int(n),
            None => hash(text),
        },
    }
}

/// Whether a client would see the same.
#[inline]
pub(super) fn same(a: Elem<'_>, b: Elem<'_>) -> bool {
    match (a, b) {
        (Elem::Bytes(a), Elem::Bytes(b)) => a == b,
        (Elem::Int(a), Elem::Int(b)) => a == b,
        (Elem::Bytes(text), Elem::Int(n)) | (Elem::Int(n), Elem::Bytes(text)) => {
            integer(text) == Some(n)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(expected: u64, values: &[u64], want: &[(u64, u64)]) {
        check_by(Seen::begin, expected, values, want);
    }

    #[track_caller]
    fn check_by(
        begin: impl Fn(&mut Seen, u64),
        expected: u64,
        values: &[u64],
        want: &[(u64, u64)],
    ) {
        let mut seen = Seen::default();
        // What was there before does not matter.
        for round in 0..3u64 {
            let mut found = Vec::new();
            let mut sink = |problem: super::super::Problem<'_>| match problem.fault {
                Fault::Duplicate { first } => found.push((problem.at, first)),
                fault => panic!("{fault}"),
            };
            let mut report = Report { sink: &mut sink, left: 100 };
            begin(&mut seen, expected);
            for (at, value) in values.iter().enumerate() {
                let same = |first: u64| values[first as usize] == *value;
                let hash = hash(&(value + round).to_le_bytes());
                if let Some(first) = seen.insert(hash, at as u64, at as u64, same).unwrap() {
                    let duplicate = Fault::Duplicate { first };
                    assert!(report.add(at as u64, duplicate, Stance::Fatal).is_ok());
                }
            }
            let same = |a: u64, b: u64| values[a as usize] == values[b as usize];
            let fault = |first| Fault::Duplicate { first };
            let done =
                seen.finish(same, fault, |_| Vec::new(), |at| at, Stance::Fatal, &mut report);
            assert!(done.is_ok());
            found.sort_unstable();
            assert_eq!(found, want, "round {round}");
        }
    }

    #[test]
    fn repetitions_have_the_number_of_the_first() {
        check(0, &[], &[]);
        check(4, &[5, 6, 7, 8], &[]);
        check(4, &[5, 6, 5, 5], &[(2, 0), (3, 0)]);
    }

    #[test]
    fn a_sure_count_is_listed() {
        for count in [SMALL as u64 + 1, 5000, TABLE as u64] {
            let mut values: Vec<u64> = (2..count).collect();
            values.extend([17, count - 1]);
            check_by(Seen::begin_sure, count, &values, &[(count - 2, 15), (count - 1, count - 3)]);
        }
    }

    #[test]
    fn a_claim_may_be_wrong() {
        let mut values: Vec<u64> = (0..3000).collect();
        values.extend([17, 2999]);
        check(1, &values, &[(3000, 17), (3001, 2999)]);
        check(1 << 60, &values, &[(3000, 17), (3001, 2999)]);
    }

    #[test]
    fn beyond_the_table() {
        let mut values: Vec<u64> = (0..TABLE as u64 + 50).collect();
        values.extend([17, TABLE as u64 + 3]);
        let n = TABLE as u64;
        check(1, &values, &[(n + 50, 17), (n + 51, n + 3)]);
    }

    #[test]
    fn integers_and_their_texts_are_one() {
        for n in [0, -1, 12, i64::MAX, i64::MIN] {
            let text = n.to_string();
            let (a, b) = (Elem::Int(n), Elem::Bytes(text.as_bytes()));
            assert!(same(a, b));
            assert_eq!(hash_elem(a), hash_elem(b));
        }
        assert!(!same(Elem::Int(1), Elem::Bytes(b"01")));
    }
}
