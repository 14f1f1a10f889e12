//! Keys by prefix: a tree of parts, of which no more than a number of nodes is kept.
//!
//! A node counts all keys that begin with its prefix. Where there are too many nodes, those with
//! the most nodes below them are folded: of these the greatest stay, the others are forgotten, and
//! no new ones are told apart there. What stays has been counted from its first key on, so every
//! number that is shown is exact, however many prefixes there are.

use std::cmp::Reverse;

use hashbrown::{HashMap, HashSet};
use xxhash_rust::xxh3::xxh3_64;

use super::distinct::Distinct;
use crate::report::inspect::{Prefix, Prefixes, Volume};

/// Nodes that are kept.
const NODES: usize = 1 << 16;
/// Nodes below a folded one that stay.
const STAY: usize = 64;

/// A tree of prefixes.
#[derive(Debug, Default)]
pub(super) struct Tree {
    root: Node,
    /// Keys in which the separator does not stand.
    bare: Volume,
    first_parts: Distinct,
    /// By prefix, with the separator at its end.
    nodes: HashMap<Vec<u8>, Node>,
}

#[derive(Debug, Default)]
struct Node {
    volume: Volume,
    /// Where the prefix above ends.
    parent: usize,
    depth: usize,
    /// Whether further prefixes below it are not told apart.
    folded: bool,
}

/// A prefix by its memory, greatest first.
type Weighed = (Reverse<u64>, Vec<u8>);

/// How keys are taken apart.
#[derive(Debug, Clone)]
pub(super) struct Parts {
    pub(super) separator: Vec<u8>,
    pub(super) depth: usize,
}

impl Parts {
    /// The ends of the prefixes of a key.
    fn ends(&self, key: &[u8]) -> impl Iterator<Item = usize> {
        let width = self.separator.len().max(1);
        let mut at = 0;
        std::iter::from_fn(move || {
            let rest = key.get(at..)?;
            let found = match self.separator.as_slice() {
                [one] => rest.iter().position(|byte| byte == one)?,
                many => rest.windows(width).position(|window| window == many)?,
            };
            at += found + width;
            Some(at)
        })
        .take(self.depth)
    }
}

impl Tree {
    /// Takes in a key.
    pub(super) fn add(&mut self, key: &[u8], parts: &Parts, volume: Volume) {
        self.root.volume.add(volume);
        let mut parent = 0;
        let mut is_bare = true;
        for (above, end) in parts.ends(key).enumerate() {
            let Some(prefix) = key.get(..end) else { return };
            let depth = above + 1;
            if depth == 1 {
                self.first_parts.add(prefix);
                is_bare = false;
            }
            let node = self.nodes.entry_ref(prefix).or_insert_with(|| Node {
                parent,
                depth,
                ..Node::default()
            });
            node.volume.add(volume);
            parent = end;
        }
        if is_bare {
            self.bare.add(volume);
        }
    }

    /// Takes in a tree of keys that come later.
    pub(super) fn merge(&mut self, later: Tree) {
        self.root.volume.add(later.root.volume);
        self.bare.add(later.bare);
        self.first_parts.merge(&later.first_parts);
        let mut nodes: Vec<_> = later.nodes.into_iter().collect();
        // So a prefix comes in front of those that it begins.
        nodes.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        for (prefix, node) in nodes {
            if let Some(known) = self.nodes.get_mut(&prefix) {
                known.volume.add(node.volume);
                continue;
            }
            let above = prefix.get(..node.parent).unwrap_or_default();
            let is_open = match above {
                [] => !self.root.folded,
                above => self.nodes.get(above).is_some_and(|parent| !parent.folded),
            };
            if is_open {
                self.nodes.insert(prefix, node);
            }
        }
        if self.nodes.len() > NODES {
            self.fold(NODES / 2, STAY);
        }
    }

    /// Forgets prefixes until no more than `most` are left.
    fn fold(&mut self, most: usize, stay: usize) {
        while self.nodes.len() > most {
            let mut below: HashMap<&[u8], usize> = HashMap::new();
            for (prefix, node) in &self.nodes {
                let above = prefix.get(..node.parent).unwrap_or_default();
                *below.entry(above).or_default() += 1;
            }
            let widest = below.into_iter().max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(a.0)));
            let Some((above, count)) = widest else { return };
            if count <= stay {
                return;
            }
            let above = above.to_vec();
            self.fold_below(&above, stay);
        }
    }

    fn fold_below(&mut self, above: &[u8], stay: usize) {
        match above {
            [] => self.root.folded = true,
            above => {
                if let Some(node) = self.nodes.get_mut(above) {
                    node.folded = true;
                }
            }
        }
        let mut children: Vec<Weighed> = self
            .nodes
            .iter()
            .filter(|(prefix, node)| node.parent == above.len() && prefix.starts_with(above))
            .map(|(prefix, node)| (Reverse(node.volume.memory_bytes), prefix.clone()))
            .collect();
        children.sort_unstable();
        let kept: Vec<Vec<u8>> =
            children.into_iter().take(stay).map(|(_, prefix)| prefix).collect();
        let is_kept = |prefix: &[u8]| kept.iter().any(|kept| prefix.starts_with(kept));
        self.nodes.retain(|prefix, node| {
            let is_below = node.parent >= above.len() && prefix.len() > above.len();
            !(is_below && prefix.starts_with(above)) || is_kept(prefix)
        });
    }

    /// The prefixes, each in front of those that it begins, of one depth most memory first; of
    /// each `most` below it.
    pub(super) fn finish(mut self, parts: Parts, flat: bool) -> Prefixes {
        let mut below: HashMap<Vec<u8>, Vec<Weighed>> = HashMap::new();
        let mut first = 0;
        for (prefix, node) in &self.nodes {
            first += u64::from(node.depth == 1);
            let above = prefix.get(..node.parent).unwrap_or_default();
            let row = (Reverse(node.volume.memory_bytes), prefix.to_vec());
            below.entry(above.to_vec()).or_default().push(row);
        }
        for rows in below.values_mut() {
            // Backwards, as the last is taken first.
            rows.sort_unstable_by(|a, b| b.cmp(a));
        }
        let mut folded: Vec<Vec<u8>> =
            self.nodes.iter().filter(|(_, node)| node.folded).map(|(p, _)| p.to_vec()).collect();
        if self.root.folded {
            folded.push(Vec::new());
        }
        folded.sort_unstable();
        let mut prefixes = Vec::with_capacity(self.nodes.len());
        let mut open = below.remove(&[][..]).unwrap_or_default();
        while let Some((_, prefix)) = open.pop() {
            if let Some(node) = self.nodes.remove(prefix.as_slice()) {
                open.extend(below.remove(&prefix).unwrap_or_default());
                prefixes.push(Prefix { prefix, depth: node.depth, volume: node.volume });
            }
        }
        let first_parts =
            if self.root.folded { self.first_parts.estimate().max(first) } else { first };
        let Parts { separator, depth } = parts;
        let without_prefix = self.bare;
        Prefixes { separator, depth, flat, first_parts, without_prefix, folded, prefixes }
    }
}

/// What may end a part of a key, most usual first.
const SEPARATORS: &[u8] = b":/.|-_#";

/// Finds out what ends the parts of keys: that which stands in the most of them. One that comes
/// later in the list must stand in twice as many. One behind which keys have little in common (each
/// begins with a number or name of its own) gives way to another that stands in a tenth as many.
#[derive(Debug, Default)]
pub(super) struct Guess {
    seen: [Seen; SEPARATORS.len()],
}

/// What was seen of a separator.
#[derive(Debug, Default)]
struct Seen {
    keys: u64,
    /// Hashes of what stands in front of it.
    first_parts: HashSet<u64>,
}

impl Seen {
    /// Whether most keys have a first part of their own.
    fn is_scattered(&self) -> bool {
        self.keys >= SCATTERED_FROM && self.first_parts.len() as u64 * 2 > self.keys
    }
}

/// Of fewer keys it says nothing that each has a first part of its own.
const SCATTERED_FROM: u64 = 1000;

impl Guess {
    /// Looks at a key.
    pub(super) fn look(&mut self, key: &[u8]) {
        for (seen, separator) in self.seen.iter_mut().zip(SEPARATORS) {
            // What a key begins with is no separator.
            let behind = key.get(1..).unwrap_or_default();
            let Some(at) = behind.iter().position(|byte| byte == separator) else { continue };
            seen.keys += 1;
            seen.first_parts.insert(xxh3_64(key.get(..=at).unwrap_or_default()));
        }
    }

    /// The separator.
    pub(super) fn separator(&self) -> Vec<u8> {
        let all = || SEPARATORS.iter().copied().zip(&self.seen);
        let Some((separator, most)) = Self::most(all()) else { return vec![b':'] };
        let others = all().filter(|(_, seen)| !seen.is_scattered() && seen.keys * 10 >= most.keys);
        match Self::most(others) {
            Some((other, _)) if most.is_scattered() => vec![other],
            _ => vec![separator],
        }
    }

    fn most<'g>(seen: impl Iterator<Item = (u8, &'g Seen)>) -> Option<(u8, &'g Seen)> {
        seen.reduce(|best, next| if next.1.keys > best.1.keys * 2 { next } else { best })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(depth: usize) -> Parts {
        Parts { separator: b":".to_vec(), depth }
    }

    fn tree(keys: &[(&str, u64)], depth: usize) -> Tree {
        let mut tree = Tree::default();
        for (key, bytes) in keys {
            tree.add(key.as_bytes(), &parts(depth), Volume::of_key(1, *bytes, *bytes));
        }
        tree
    }

    fn shown(tree: Tree) -> Vec<String> {
        let done = tree.finish(parts(3), false);
        let row = |row: &Prefix| {
            let Volume { keys, memory_bytes, .. } = row.volume;
            format!("{} {keys} {memory_bytes}", row.prefix.escape_ascii())
        };
        done.prefixes.iter().map(row).collect()
    }

    const KEYS: [(&str, u64); 6] =
        [("u:1:a", 10), ("u:1:b", 5), ("u:2", 7), ("s:x", 90), ("plain", 1), ("u:1:c:d", 2)];

    #[test]
    fn a_prefix_counts_what_begins_with_it() {
        let all = ["s: 1 90", "u: 4 24", "u:1: 3 17", "u:1:c: 1 2"];
        assert_eq!(shown(tree(&KEYS, 3)), all);
        assert_eq!(shown(tree(&KEYS, 1)), ["s: 1 90", "u: 4 24"]);
        let done = tree(&KEYS, 3).finish(parts(3), false);
        assert_eq!((done.without_prefix.keys, done.folded.len()), (1, 0));
        assert_eq!(done.first_parts, 2);
        for cut in 0..=KEYS.len() {
            let (first, second) = KEYS.split_at(cut);
            let mut merged = tree(first, 3);
            merged.merge(tree(second, 3));
            assert_eq!(shown(merged), all, "cut at {cut}");
        }
    }

    #[test]
    fn what_is_folded_says_so_and_the_rest_is_exact() {
        let keys: Vec<(String, u64)> =
            (0..100).map(|n| (format!("u:{n}:x"), n)).chain([("s:x".to_owned(), 3)]).collect();
        let keys: Vec<(&str, u64)> = keys.iter().map(|(key, n)| (key.as_str(), *n)).collect();
        let mut folded = tree(&keys, 3);
        folded.fold(10, 2);
        // New ones below a folded prefix are not told apart, known ones are counted on.
        folded.merge(tree(&[("u:new:x", 1000), ("u:99:y", 1), ("t:x", 1)], 3));
        let done = folded.finish(parts(3), false);
        assert_eq!(done.folded, [b"u:"]);
        let rows: Vec<_> =
            done.prefixes.iter().map(|row| row.prefix.escape_ascii().to_string()).collect();
        assert_eq!(rows, ["u:", "u:99:", "u:98:", "s:", "t:"]);
        assert_eq!(done.prefixes[0].volume.keys, 102);
        assert_eq!(done.prefixes[1].volume.keys, 2);
    }

    #[test]
    fn separators_are_found() {
        let guess = |keys: &[&str]| {
            let mut guess = Guess::default();
            keys.iter().for_each(|key| guess.look(key.as_bytes()));
            guess.separator()
        };
        assert_eq!(guess(&["user:1:first-name", "user:2:last-name"]), b":");
        assert_eq!(guess(&["a/b.png", "/c/d.png", "e/f", "x:y"]), b"/");
        assert_eq!(guess(&[]), b":");
        assert_eq!(guess(&["k1", "k2"]), b":");
        let keys = |form: fn(u32) -> String| {
            let keys: Vec<String> = (0..2000).map(form).collect();
            guess(&keys.iter().map(String::as_str).collect::<Vec<_>>())
        };
        assert_eq!(keys(|n| format!("{n}:cart")), b":", "there is no other");
        assert_eq!(keys(|n| format!("shop{}-{n}:cart", n % 7)), b"-");
        assert_eq!(keys(|n| format!("{n}:{}", if n < 20 { "a-b" } else { "c" })), b":");
    }
}
