//! The order of a large sorted set: which member is the n-th, and which n a member is.
//!
//! ```text
//! index ─ branch ─ heads   the first key of each leaf
//!       │        └ leaves  keys in order, up to 128
//!       └ branch …         up to 256 leaves
//! ```
//!
//! A key is a score and the number of a member, 12 bytes; the member itself is with whoever owns
//! the index, and is asked for only where two scores are equal. So nothing is stored twice, and a
//! search looks at scores that lie side by side. The danger is the order: a key must be found by
//! the score and the member that it was put in with.

use std::cmp::Ordering;

const LEAF_KEYS: usize = 128;
const BRANCH_LEAVES: usize = 256;

/// A score, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, packed(4))]
pub(super) struct Key {
    pub(super) score: f64,
    pub(super) id: u32,
}

/// Who knows the members by their numbers.
pub(super) trait Known {
    fn member(&self, id: u32) -> &[u8];
}

/// See the head of this file.
#[derive(Debug, Clone, Default)]
pub(super) struct SortedIndex {
    branches: Vec<Branch>,
    len: usize,
}

#[derive(Debug, Clone, Default)]
struct Branch {
    heads: Vec<Key>,
    leaves: Vec<Vec<Key>>,
    count: usize,
}

/// Where a key is, or would be.
#[derive(Debug, Clone, Copy)]
struct Place {
    branch: usize,
    leaf: usize,
    at: usize,
}

/// The order of two keys: by score, then by the bytes of the members.
#[inline]
fn order(members: &impl Known, one: Key, other: Key) -> Ordering {
    // No score is NaN, and the two zeros are the same.
    match { one.score }.partial_cmp(&{ other.score }) {
        Some(Ordering::Equal) | None => members.member(one.id).cmp(members.member(other.id)),
        Some(order) => order,
    }
}

impl SortedIndex {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds a key that is not there.
    pub(super) fn insert(&mut self, members: &impl Known, key: Key) {
        let place = self.find(|k| order(members, k, key) == Ordering::Less);
        self.insert_at(place, key);
    }

    /// Adds a key that comes behind all others.
    pub(super) fn push(&mut self, key: Key) {
        self.insert_at(self.last(), key);
    }

    /// Removes a key that is there.
    pub(super) fn remove(&mut self, members: &impl Known, key: Key) {
        let place = self.holder(members, key);
        self.remove_at(place);
    }

    /// How many keys come before one that is there.
    pub(super) fn rank(&self, members: &impl Known, key: Key) -> usize {
        self.rank_of(self.holder(members, key))
    }

    /// How many keys there are of which `low` holds; it must hold of a beginning and of nothing
    /// behind it.
    pub(super) fn partition_point(&self, low: impl Fn(Key) -> bool) -> usize {
        self.rank_of(self.find(low))
    }

    /// All keys, from either end.
    pub(super) fn iter(&self) -> Iter<'_> {
        Iter {
            index: self,
            front: Place { branch: 0, leaf: 0, at: 0 },
            back: self.last(),
            left: self.len,
        }
    }

    /// The keys from a rank on.
    pub(super) fn iter_from(&self, rank: usize) -> impl Iterator<Item = Key> + '_ {
        let place = self.place_of(rank);
        let (first, rest) =
            (self.branches.get(place.branch), self.branches.get(place.branch + 1..));
        let leaves = first.map_or(&[][..], |b| b.leaves.get(place.leaf..).unwrap_or_default());
        let rest = rest.unwrap_or_default().iter().flat_map(|branch| &branch.leaves);
        leaves.iter().chain(rest).flatten().copied().skip(place.at)
    }

    /// The keys before a rank, the last one first.
    pub(super) fn iter_before(&self, rank: usize) -> impl Iterator<Item = Key> + '_ {
        let place = self.place_of(rank);
        let whole = self.branches.get(..place.branch).unwrap_or_default();
        let broken = self.branches.get(place.branch);
        let leaves = broken.map_or(&[][..], |b| b.leaves.get(..place.leaf).unwrap_or_default());
        let leaf =
            broken.and_then(|b| b.leaves.get(place.leaf)?.get(..place.at)).unwrap_or_default();
        let whole = whole.iter().rev().flat_map(|branch| branch.leaves.iter().rev());
        leaf.iter()
            .rev()
            .chain(leaves.iter().rev().chain(whole).flat_map(|l| l.iter().rev()))
            .copied()
    }

    /// The key at a rank.
    #[cfg(test)]
    fn get(&self, rank: usize) -> Option<Key> {
        let place = self.place_of(rank);
        self.branches.get(place.branch)?.leaves.get(place.leaf)?.get(place.at).copied()
    }

    /// Removes `count` keys from a rank on, and hands them out.
    pub(super) fn remove_ranks(&mut self, rank: usize, count: usize, mut gone: impl FnMut(Key)) {
        let mut left = count;
        while left > 0 {
            let Place { branch: b, leaf: l, at } = self.place_of(rank);
            let Some(branch) = self.branches.get_mut(b) else { return };
            let Some(leaf) = branch.leaves.get_mut(l) else { return };
            let take = left.min(leaf.len().saturating_sub(at));
            if take == 0 {
                return;
            }
            leaf.drain(at..at + take).for_each(&mut gone);
            branch.count -= take;
            self.len -= take;
            left -= take;
            self.settle(b, l);
        }
    }

    /// The first place of whose key `low` does not hold.
    #[inline]
    fn find(&self, low: impl Fn(Key) -> bool) -> Place {
        let first_low = |branch: &Branch| branch.heads.first().is_some_and(|head| low(*head));
        let b = self.branches.partition_point(first_low).saturating_sub(1);
        let Some(branch) = self.branches.get(b) else { return Place { branch: 0, leaf: 0, at: 0 } };
        let l = branch.heads.partition_point(|head| low(*head)).saturating_sub(1);
        let leaf = branch.leaves.get(l).map_or(&[][..], Vec::as_slice);
        Place { branch: b, leaf: l, at: leaf.partition_point(|key| low(*key)) }
    }

    /// The place of a key that is there.
    #[inline]
    fn holder(&self, members: &impl Known, key: Key) -> Place {
        let place = self.find(|k| order(members, k, key) != Ordering::Greater);
        Place { at: place.at.saturating_sub(1), ..place }
    }

    fn rank_of(&self, place: Place) -> usize {
        let whole = self.branches.get(..place.branch).unwrap_or_default();
        let before: usize = whole.iter().map(|branch| branch.count).sum();
        let leaves = self.branches.get(place.branch).and_then(|b| b.leaves.get(..place.leaf));
        before + leaves.unwrap_or_default().iter().map(Vec::len).sum::<usize>() + place.at
    }

    /// The place of a rank; behind the last key where there is no such rank.
    fn place_of(&self, rank: usize) -> Place {
        let mut left = rank;
        for (b, branch) in self.branches.iter().enumerate() {
            if left >= branch.count {
                left -= branch.count;
                continue;
            }
            for (l, leaf) in branch.leaves.iter().enumerate() {
                if left < leaf.len() {
                    return Place { branch: b, leaf: l, at: left };
                }
                left -= leaf.len();
            }
        }
        self.last()
    }

    /// The place behind the last key.
    fn last(&self) -> Place {
        let Some(branch) = self.branches.last() else { return Place { branch: 0, leaf: 0, at: 0 } };
        Place {
            branch: self.branches.len() - 1,
            leaf: branch.leaves.len().saturating_sub(1),
            at: branch.leaves.last().map_or(0, Vec::len),
        }
    }

    #[inline]
    fn insert_at(&mut self, place: Place, key: Key) {
        self.len += 1;
        let Some(branch) = self.branches.get_mut(place.branch) else {
            self.branches.push(Branch { heads: vec![key], leaves: vec![vec![key]], count: 1 });
            return;
        };
        branch.count += 1;
        let Some(leaf) = branch.leaves.get_mut(place.leaf) else { return };
        leaf.insert(place.at, key);
        if place.at == 0
            && let Some(head) = branch.heads.get_mut(place.leaf)
        {
            *head = key;
        }
        if leaf.len() > LEAF_KEYS {
            // What comes in order leaves full leaves behind.
            let half = if place.at == LEAF_KEYS { LEAF_KEYS } else { LEAF_KEYS / 2 };
            let mut tail = Vec::with_capacity(LEAF_KEYS);
            tail.extend(leaf.drain(half..));
            if let Some(first) = tail.first() {
                branch.heads.insert(place.leaf + 1, *first);
                branch.leaves.insert(place.leaf + 1, tail);
            }
            if branch.leaves.len() > BRANCH_LEAVES {
                self.split_branch(place.branch);
            }
        }
    }

    #[cold]
    fn split_branch(&mut self, b: usize) {
        let is_last = b + 1 == self.branches.len();
        let Some(branch) = self.branches.get_mut(b) else { return };
        let half = if is_last { BRANCH_LEAVES - 1 } else { BRANCH_LEAVES / 2 };
        let leaves = branch.leaves.split_off(half);
        let heads = branch.heads.split_off(half);
        let count = leaves.iter().map(Vec::len).sum();
        branch.count -= count;
        self.branches.insert(b + 1, Branch { heads, leaves, count });
    }

    #[inline]
    fn remove_at(&mut self, place: Place) {
        let Some(branch) = self.branches.get_mut(place.branch) else { return };
        let Some(leaf) = branch.leaves.get_mut(place.leaf) else { return };
        if place.at >= leaf.len() {
            return;
        }
        leaf.remove(place.at);
        branch.count -= 1;
        self.len -= 1;
        if place.at == 0 || leaf.len() < LEAF_KEYS / 4 {
            self.settle(place.branch, place.leaf);
        }
    }

    /// After keys have gone from a leaf: its head is its first key, a small leaf joins a small
    /// neighbour, and what is empty goes.
    fn settle(&mut self, b: usize, l: usize) {
        let Some(branch) = self.branches.get_mut(b) else { return };
        let len_of = |branch: &Branch, l: usize| branch.leaves.get(l).map_or(LEAF_KEYS, Vec::len);
        let len = len_of(branch, l);
        if len == 0 {
            branch.leaves.remove(l);
            branch.heads.remove(l);
            if branch.leaves.is_empty() {
                self.branches.remove(b);
            }
            return;
        }
        if let (Some(head), Some(first)) =
            (branch.heads.get_mut(l), branch.leaves.get(l).and_then(|leaf| leaf.first()))
        {
            *head = *first;
        }
        if len < LEAF_KEYS / 4 && len + len_of(branch, l + 1) <= LEAF_KEYS / 2 {
            let next = branch.leaves.remove(l + 1);
            branch.heads.remove(l + 1);
            if let Some(leaf) = branch.leaves.get_mut(l) {
                leaf.extend(next);
            }
        }
    }
}

/// See [`SortedIndex::iter`].
#[derive(Debug, Clone)]
pub(super) struct Iter<'a> {
    index: &'a SortedIndex,
    /// The place of the next key.
    front: Place,
    /// The place behind the last one.
    back: Place,
    left: usize,
}

impl SortedIndex {
    fn leaf(&self, place: Place) -> Option<&Vec<Key>> {
        self.branches.get(place.branch)?.leaves.get(place.leaf)
    }
}

impl Iterator for Iter<'_> {
    type Item = Key;

    #[inline]
    fn next(&mut self) -> Option<Key> {
        self.left = self.left.checked_sub(1)?;
        // There is no empty leaf, and no empty branch.
        if self.index.leaf(self.front).is_some_and(|leaf| self.front.at >= leaf.len()) {
            self.front = Place { leaf: self.front.leaf + 1, at: 0, ..self.front };
            if self.index.leaf(self.front).is_none() {
                self.front = Place { branch: self.front.branch + 1, leaf: 0, at: 0 };
            }
        }
        let key = self.index.leaf(self.front)?.get(self.front.at).copied();
        self.front.at += 1;
        key
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Key> {
        self.left = self.left.checked_sub(1)?;
        if self.back.at == 0 {
            if self.back.leaf == 0 {
                self.back.branch = self.back.branch.checked_sub(1)?;
                self.back.leaf = self.index.branches.get(self.back.branch)?.leaves.len();
            }
            self.back.leaf = self.back.leaf.checked_sub(1)?;
            self.back.at = self.index.leaf(self.back)?.len();
        }
        self.back.at -= 1;
        self.index.leaf(self.back)?.get(self.back.at).copied()
    }
}

impl ExactSizeIterator for Iter<'_> {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Members that are the text of their numbers, with four digits.
    struct Digits(Vec<String>);

    impl Known for Digits {
        fn member(&self, id: u32) -> &[u8] {
            self.0[id as usize].as_bytes()
        }
    }

    fn digits() -> Digits {
        Digits((0..10_000).map(|n| format!("{n:05}")).collect())
    }

    #[track_caller]
    fn check(index: &SortedIndex, model: &BTreeSet<(i64, u32)>) {
        assert_eq!(index.len(), model.len());
        let keys = |key: Key| (key.score as i64, key.id);
        assert!(index.iter().map(keys).eq(model.iter().copied()));
        assert!(index.iter().rev().map(keys).eq(model.iter().rev().copied()));
        assert!(index.iter_from(0).map(keys).eq(model.iter().copied()));
        assert!(index.iter_before(index.len()).map(keys).eq(model.iter().rev().copied()));
        for branch in &index.branches {
            assert_eq!(branch.count, branch.leaves.iter().map(Vec::len).sum::<usize>());
            assert!(branch.heads.iter().eq(branch.leaves.iter().map(|leaf| &leaf[0])));
            assert!(branch.leaves.len() <= BRANCH_LEAVES);
            assert!(branch.leaves.iter().all(|leaf| leaf.len() <= LEAF_KEYS));
        }
    }

    /// As many operations as Miri can bear, or many more without it.
    const ROUNDS: usize = if cfg!(miri) { 2000 } else { 200_000 };

    #[test]
    fn it_is_what_a_tree_of_the_standard_library_is() {
        let members = digits();
        let mut model = BTreeSet::new();
        let mut index = SortedIndex::default();
        let mut word = 42_u64;
        for round in 0..ROUNDS {
            word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let score = (word >> 60) as i64;
            let id = (word >> 30) as u32 % 10_000;
            let key = Key { score: score as f64, id };
            // It grows for a while, then shrinks.
            let adds = word % 10 < if (round / (ROUNDS / 4)).is_multiple_of(2) { 8 } else { 2 };
            if adds {
                if model.insert((score, id)) {
                    index.insert(&members, key);
                }
            } else if model.remove(&(score, id)) {
                index.remove(&members, key);
            } else if let Some(&(score, id)) = model.range((score, id)..).next() {
                let rank = index.rank(&members, Key { score: score as f64, id });
                assert_eq!(index.get(rank), Some(Key { score: score as f64, id }));
                if word & 0x80 == 0 {
                    model.remove(&(score, id));
                    index.remove(&members, Key { score: score as f64, id });
                }
            }
            if round % (ROUNDS / 20) == 0 {
                check(&index, &model);
                let low = index.partition_point(|key| { key.score } < 7.0);
                assert_eq!(low, model.range(..(7, 0)).count());
                let tail: Vec<_> = index.iter_from(low).map(|key| key.id).collect();
                let want: Vec<_> = model.range((7, 0)..).map(|key| key.1).collect();
                assert_eq!(tail, want);
                let front: Vec<_> = index.iter_before(low).map(|key| key.id).collect();
                let want: Vec<_> = model.range(..(7, 0)).rev().map(|key| key.1).collect();
                assert_eq!(front, want);
            }
        }
        check(&index, &model);
    }

    #[test]
    fn a_run_of_ranks_goes_at_once() {
        for (from, count) in [(0, 10_000), (0, 1), (9_999, 5), (127, 2), (300, 5_000), (5, 0)] {
            let mut index = SortedIndex::default();
            (0..10_000).for_each(|id| index.push(Key { score: f64::from(id), id }));
            let mut model: BTreeSet<_> = (0..10_000_i64).map(|n| (n, n as u32)).collect();
            let mut gone = Vec::new();
            index.remove_ranks(from, count, |key| gone.push(key.id));
            let end = (from + count).min(10_000);
            assert!(gone.iter().copied().eq(from as u32..end as u32));
            gone.iter().for_each(|&id| assert!(model.remove(&(i64::from(id), id))));
            check(&index, &model);
        }
    }

    #[test]
    fn a_key_is_twelve_bytes() {
        assert_eq!(size_of::<Key>(), 12);
    }
}
