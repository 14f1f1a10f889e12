//! The biggest of many, at the price of one comparison for all that are not among them.

use std::sync::atomic::{AtomicU64, Ordering};

/// The `limit` greatest, by weight; of equal ones the first that came.
#[derive(Debug)]
pub(super) struct Top<T> {
    limit: usize,
    /// What is not above this does not get in.
    floor: u64,
    /// Greatest first.
    entries: Vec<(u64, T)>,
}

impl<T> Top<T> {
    /// Nothing yet; `floor` is what earlier ones have set already.
    pub(super) fn new(limit: usize, floor: u64) -> Self {
        let floor = if limit == 0 { u64::MAX } else { floor };
        Top { limit, floor, entries: Vec::new() }
    }

    /// Whether something of this weight gets in.
    #[inline(always)]
    pub(super) fn takes(&self, weight: u64) -> bool {
        weight > self.floor
    }

    /// Adds one that [`takes`](Self::takes) has let in.
    pub(super) fn push(&mut self, weight: u64, entry: T) {
        let place = self.entries.partition_point(|(other, _)| *other >= weight);
        self.entries.insert(place, (weight, entry));
        self.entries.truncate(self.limit);
        if self.entries.len() == self.limit {
            self.floor = self.entries.last().map_or(self.floor, |(weight, _)| *weight);
        }
    }

    /// Takes in those that came later.
    pub(super) fn merge(&mut self, later: Self) {
        for (weight, entry) in later.entries {
            if self.takes(weight) {
                self.push(weight, entry);
            }
        }
    }

    /// What gets in must be above this.
    pub(super) fn floor(&self) -> u64 {
        self.floor
    }

    pub(super) fn into_entries(self) -> impl Iterator<Item = T> {
        self.entries.into_iter().map(|(_, entry)| entry)
    }
}

/// A floor that batches begin with: what the ones before them, in file order, have set.
#[derive(Debug, Default)]
pub(super) struct Floor(AtomicU64);

impl Floor {
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, floor: u64) {
        self.0.store(floor, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::Top;

    #[track_caller]
    fn check(limit: usize, weights: &[u64], want: &[(u64, usize)]) {
        let numbered: Vec<(usize, u64)> = weights.iter().copied().enumerate().collect();
        let tally = |part: &[(usize, u64)]| {
            let mut top = Top::new(limit, 0);
            for &(number, weight) in part {
                if top.takes(weight) {
                    top.push(weight, (weight, number));
                }
            }
            top
        };
        for cut in 0..=numbered.len() {
            let (first, second) = numbered.split_at(cut);
            let mut top = tally(first);
            top.merge(tally(second));
            assert_eq!(top.into_entries().collect::<Vec<_>>(), want, "cut at {cut}");
        }
    }

    #[test]
    fn the_greatest_stay_and_the_first_of_equals() {
        check(3, &[5, 1, 9, 5, 7, 5], &[(9, 2), (7, 4), (5, 0)]);
        check(10, &[1, 2], &[(2, 1), (1, 0)]);
        check(0, &[1, 2], &[]);
        check(2, &[], &[]);
    }
}
