//! The radix trees of streams, counted without being built.
//!
//! A node is 4 bytes of head and its characters, padded to 8, a word for each child and one for the
//! value. A chain of characters without a fork is one node with one child. Keys come in order, so
//! the branch that is open is all that need be known: where it forks, and from which depth on.

use super::allocator::Allocator;
use super::rules::RadixRule;

/// What a tree itself takes.
const TREE: u64 = 32;

/// Counts a tree whose keys come in order.
pub(super) struct Radix<'k> {
    rule: RadixRule,
    allocator: Allocator,
    last: Option<&'k [u8]>,
    keys: u64,
    open: Vec<Fork>,
    /// Bytes of the nodes that are closed; of a guess their number.
    closed: u64,
}

/// A place in the tree: the root, a fork, the end of a key.
struct Fork {
    depth: usize,
    is_key: bool,
    children: u64,
    /// Characters on the way to the first child.
    first: usize,
    /// Bytes of the chains to children: what is on the way besides its first character.
    chains: u64,
}

impl Fork {
    fn new(depth: usize, is_key: bool) -> Self {
        Fork { depth, is_key, children: 0, first: 0, chains: 0 }
    }
}

impl<'k> Radix<'k> {
    pub(super) fn new(rule: RadixRule, allocator: Allocator) -> Self {
        let root = Fork::new(0, false);
        Radix { rule, allocator, last: None, keys: 0, open: vec![root], closed: 0 }
    }

    /// The size of a tree with these keys.
    pub(super) fn size(
        rule: RadixRule,
        allocator: Allocator,
        keys: impl IntoIterator<Item = &'k [u8]>,
    ) -> u64 {
        let mut radix = Radix::new(rule, allocator);
        keys.into_iter().for_each(|key| radix.push(key));
        radix.finish()
    }

    /// The next key; one that does not come behind the last is passed over.
    pub(super) fn push(&mut self, key: &'k [u8]) {
        let common = match self.last {
            Some(last) if last >= key => return,
            Some(last) => last.iter().zip(key).take_while(|(a, b)| a == b).count(),
            None => 0,
        };
        self.close(common);
        self.open.push(Fork::new(key.len(), true));
        self.last = Some(key);
        self.keys += 1;
    }

    /// The size of the tree.
    pub(super) fn finish(mut self) -> u64 {
        self.close(0);
        let nodes = self.closed + self.open.pop().map_or(0, |root| self.node(&root));
        match self.rule {
            RadixRule::Guess => 16 * self.keys + 244 * nodes,
            _ => self.allocator.usable(TREE) + nodes,
        }
    }

    /// Closes what lies deeper than `depth`, and sees to it that a fork is there.
    fn close(&mut self, depth: usize) {
        while let Some(fork) = self.open.pop_if(|fork| fork.depth > depth) {
            let is_leaf = fork.children == 0;
            if !(is_leaf && self.rule == RadixRule::Leafless) {
                self.closed += self.node(&fork);
            }
            if self.open.last().is_none_or(|parent| parent.depth < depth) {
                self.open.push(Fork::new(depth, false));
            }
            let mut way = 0;
            if let Some(parent) = self.open.last_mut() {
                way = fork.depth - parent.depth;
                if parent.children == 0 {
                    parent.first = way;
                }
                parent.children += 1;
            }
            let chain = self.chain(way - usize::from(way > 0));
            if let Some(parent) = self.open.last_mut() {
                parent.chains += chain;
            }
        }
    }

    /// A place's own node, and the chains to its children.
    fn node(&self, fork: &Fork) -> u64 {
        let value = 8 * u64::from(fork.is_key);
        match (self.rule, fork.children) {
            (RadixRule::Guess, 0 | 1) => 1,
            (RadixRule::Guess, _) => 1 + fork.chains,
            // With one child the node is the chain.
            (_, 1) => self.block(fork.first as u64, 8 + value),
            (_, n) => self.block(n, 8 * n + value) + fork.chains,
        }
    }

    /// A node of characters only.
    fn chain(&self, characters: usize) -> u64 {
        match (self.rule, characters) {
            (_, 0) => 0,
            (RadixRule::Guess, _) => 1,
            (_, n) => self.block(n as u64, 8),
        }
    }

    fn block(&self, characters: u64, words: u64) -> u64 {
        self.allocator.usable((4 + characters).next_multiple_of(8) + words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rule: RadixRule, allocator: Allocator, keys: &[Vec<u8>], want: u64) {
        assert_eq!(Radix::size(rule, allocator, keys.iter().map(Vec::as_slice)), want);
    }

    fn ids(ms: impl Iterator<Item = u64>) -> Vec<Vec<u8>> {
        ms.map(|ms| [ms.to_be_bytes(), 1_u64.to_be_bytes()].concat()).collect()
    }

    #[test]
    fn trees_that_servers_were_asked_about() {
        let (q16, libc) = (Allocator::JemallocQ16, Allocator::Libc);
        check(RadixRule::Guess, q16, &[], 244);
        check(RadixRule::Guess, q16, &ids(1..2), 16 + 2 * 244);
        check(RadixRule::Guess, q16, &ids((0..10).map(|n| n * 100 + 1)), 160 + 26 * 244);
        check(RadixRule::Nodes, q16, &[], 40);
        check(RadixRule::Nodes, q16, &ids(1..2), 80);
        check(RadixRule::Nodes, q16, &ids((0..10).map(|n| n * 100 + 1)), 720);
        check(RadixRule::Nodes, q16, &ids(1..41), 2368);
        check(RadixRule::Nodes, q16, &ids(1..81), 4672);
        check(RadixRule::Leafless, libc, &ids(1..2), 40 + 40);
        check(RadixRule::Leafless, libc, &ids(1..3), 40 + 96);
        check(RadixRule::Leafless, libc, &ids((0..10).map(|n| n * 100 + 1)), 40 + 432);
    }

    #[test]
    fn a_key_may_begin_another() {
        let keys = ["", "a", "ab", "abcd", "b"].map(|key| key.as_bytes().to_vec());
        // The root with two children; a, ab and abcd one below the other, then b.
        let nodes = (8 + 16) + (8 + 16) + (8 + 16) + 16 + 16;
        let q8 = Allocator::JemallocQ8;
        check(RadixRule::Nodes, q8, &keys[1..], TREE + nodes);
        check(RadixRule::Guess, q8, &keys[1..], 16 * 4 + 244 * 5);
    }
}
