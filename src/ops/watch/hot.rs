//! The most frequent of many, in bounded memory: space-saving counters.
//!
//! So many names are counted. One that is new takes the place of the least frequent, and its count
//! with it: a count is never too low, and too high by what was taken over at most, which is kept
//! beside it. Whatever comes more often than one in so many is among those that are counted.

use std::collections::BTreeSet;

use hashbrown::HashMap;

/// Counts names.
#[derive(Debug)]
pub(super) struct Hot {
    most: usize,
    places: HashMap<Box<[u8]>, usize>,
    slots: Vec<Slot>,
    /// The slots by their counts, smallest first.
    order: BTreeSet<(u64, usize)>,
}

/// A name that is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) name: Box<[u8]>,
    /// How often it came, or more.
    pub(super) count: u64,
    /// How much of that it may not have been.
    pub(super) over: u64,
}

impl Hot {
    /// Counters for so many names, at least one.
    pub(super) fn new(most: usize) -> Self {
        Hot { most: most.max(1), places: HashMap::new(), slots: Vec::new(), order: BTreeSet::new() }
    }

    /// Counts a name.
    pub(super) fn add(&mut self, name: &[u8]) {
        if let Some(&place) = self.places.get(name) {
            self.bump(place);
        } else if self.slots.len() < self.most {
            let place = self.slots.len();
            self.slots.push(Slot { name: name.into(), count: 1, over: 0 });
            self.places.insert(name.into(), place);
            self.order.insert((1, place));
        } else if let Some(&(least, place)) = self.order.first()
            && let Some(slot) = self.slots.get_mut(place)
        {
            self.places.remove(&slot.name);
            slot.name = name.into();
            slot.over = least;
            self.places.insert(name.into(), place);
            self.bump(place);
        }
    }

    fn bump(&mut self, place: usize) {
        let Some(slot) = self.slots.get_mut(place) else { return };
        self.order.remove(&(slot.count, place));
        slot.count += 1;
        self.order.insert((slot.count, place));
    }

    /// The most frequent, most first.
    pub(super) fn top(&self, most: usize) -> Vec<Slot> {
        let mut top: Vec<_> = self
            .order
            .iter()
            .rev()
            .take(most)
            .filter_map(|&(_, place)| self.slots.get(place).cloned())
            .collect();
        top.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
        top
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_names_are_counted_exactly() {
        let mut hot = Hot::new(4);
        for name in ["a", "b", "a", "c", "a", "b"] {
            hot.add(name.as_bytes());
        }
        let slot = |name: &str, count| Slot { name: name.as_bytes().into(), count, over: 0 };
        assert_eq!(hot.top(2), [slot("a", 3), slot("b", 2)]);
        assert_eq!(hot.top(9).len(), 3);
    }

    #[test]
    fn the_frequent_survive_the_many() {
        let mut hot = Hot::new(16);
        for n in 0..10_000_u32 {
            hot.add(n.to_string().as_bytes());
            if n % 4 == 0 {
                hot.add(b"hot");
            }
        }
        assert_eq!(hot.slots.len(), 16);
        let top = hot.top(1);
        let first = top.first().unwrap();
        assert_eq!(&*first.name, b"hot");
        assert!(first.count >= 2500 && first.count - first.over <= 2500, "{first:?}");
    }
}
