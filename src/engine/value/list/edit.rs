//! Changes within a list: LINSERT, LSET, LREM, LTRIM.

use super::node::{self, Node, is_large};
use super::{End, List};
use crate::bytes::number::integer;
use crate::rdb::Limits;
use crate::rdb::packed::ListpackBuf;
use crate::value::Elem;

impl List {
    /// Puts an element beside the `index`-th, behind or in front of it.
    pub fn insert(&mut self, index: usize, behind: bool, text: &[u8], limits: &Limits) {
        let Some((place, within)) = self.seek(index) else { return };
        self.len += 1;
        let Some(node) = self.nodes.get_mut(place) else { return };
        let (first, last) = (within == 0, within + 1 == node.len());
        if let Node::Packed(pack) = node
            && (self.packed || node::has_room(pack, text.len(), limits))
        {
            let at = node::place(pack, within).unwrap_or(pack.end());
            let at = if behind { pack.after(at) } else { at };
            pack.insert(at, text);
            return;
        }
        // Where the new node goes, were there one; and the node on that side.
        let at = place + usize::from(behind);
        let beside = if behind { Some(place + 1) } else { place.checked_sub(1) };
        if behind && last || !behind && first {
            if let Some(Node::Packed(pack)) = beside.and_then(|beside| self.nodes.get_mut(beside))
                && node::has_room(pack, text.len(), limits)
            {
                let at = if behind { ListpackBuf::FIRST } else { pack.end() };
                pack.insert(at, text);
            } else {
                self.nodes.insert(at, Node::of(text, limits));
            }
            return;
        }
        let Some(mut tail) = node.split_off(within + usize::from(behind)) else { return };
        if is_large(text.len(), limits) {
            self.nodes.insert(place + 1, tail);
            self.nodes.insert(place + 1, Node::of(text, limits));
        } else {
            // The part on the far side of the element that was found takes the new one.
            match (&mut *node, &mut tail) {
                (_, Node::Packed(tail)) if behind => tail.insert(ListpackBuf::FIRST, text),
                (Node::Packed(head), _) => head.push(text),
                _ => {}
            }
            self.nodes.insert(place + 1, tail);
        }
        let center = if behind { place } else { place + 1 };
        self.merge_around(center, limits);
    }

    /// Puts another element in the place of the `index`-th.
    pub fn set(&mut self, index: usize, text: &[u8], limits: &Limits) {
        let Some((place, within)) = self.seek(index) else { return };
        let large = !self.packed && is_large(text.len(), limits);
        let Some(node) = self.nodes.get_mut(place) else { return };
        match node {
            Node::Packed(pack) if !large => {
                if let Some(at) = node::place(pack, within) {
                    pack.replace(at, Elem::Bytes(text));
                }
            }
            Node::Plain(old) if large => *old = text.to_vec(),
            Node::Plain(_) => {
                self.insert(index, true, text, limits);
                self.nodes.remove(place);
                self.len -= 1;
            }
            Node::Packed(_) => {
                let tail = node.split_off(within + 1);
                let Node::Packed(pack) = node else { return };
                if let Some(at) = pack.before(pack.end()) {
                    pack.remove(at, 1);
                }
                let empty = pack.is_empty();
                if let Some(tail) = tail {
                    self.nodes.insert(place + 1, tail);
                }
                self.nodes.insert(place + 1, Node::of(text, limits));
                if empty {
                    self.nodes.remove(place);
                } else {
                    self.merge_around(place, limits);
                }
            }
        }
    }

    /// Takes out `count` elements from the `index`-th on.
    pub fn remove_range(&mut self, index: usize, count: usize) {
        let Some((mut place, mut within)) = self.seek(index) else { return };
        let mut left = count.min(self.len - index);
        self.len -= left;
        while left > 0 {
            let Some(node) = self.nodes.get_mut(place) else { return };
            let here = (node.len() - within).min(left);
            left -= here;
            if here == node.len() && !self.packed {
                self.nodes.remove(place);
            } else {
                if let Node::Packed(pack) = node
                    && let Some(at) = node::place(pack, within)
                {
                    pack.remove(at, here);
                }
                place += 1;
            }
            within = 0;
        }
    }

    /// Takes out elements that equal a text, at most so many, beginning at an end; how many.
    pub fn remove_equal(&mut self, text: &[u8], most: usize, from: End) -> usize {
        let mut removed = 0;
        let mut place = if from == End::Left { 0 } else { self.nodes.len() };
        while removed < most {
            if from == End::Right {
                let Some(before) = place.checked_sub(1) else { break };
                place = before;
            }
            let Some(node) = self.nodes.get_mut(place) else { break };
            let mut found = equals(node, text);
            let some = found.len().min(most - removed);
            match from {
                End::Left => found.truncate(some),
                End::Right => _ = found.drain(..found.len() - some),
            }
            removed += some;
            let empty = match node {
                // The last one first, so that no place changes before its turn.
                Node::Packed(pack) => {
                    found.iter().rev().for_each(|&(_, at)| pack.remove(at, 1));
                    pack.is_empty()
                }
                Node::Plain(_) => some > 0,
            };
            if empty && !self.packed {
                self.nodes.remove(place);
            } else if from == End::Left {
                place += 1;
            }
        }
        self.len -= removed;
        removed
    }

    /// The indexes of the elements that equal a text, counted from the head, those of each node
    /// at a time: from the head, or from the tail.
    pub fn positions<'a>(
        &'a self,
        text: &'a [u8],
        from: End,
    ) -> Box<dyn Iterator<Item = usize> + 'a> {
        let within = move |node: &Node, first: usize| -> Vec<usize> {
            equals(node, text).into_iter().map(|(index, _)| first + index).collect()
        };
        match from {
            End::Left => {
                let mut first = 0;
                Box::new(self.nodes.iter().flat_map(move |node| {
                    let found = within(node, first);
                    first += node.len();
                    found
                }))
            }
            End::Right => {
                let mut behind = self.len;
                Box::new(self.nodes.iter().rev().flat_map(move |node| {
                    behind -= node.len();
                    within(node, behind).into_iter().rev()
                }))
            }
        }
    }

    /// Merges the neighbours of a node that has been cut, in the order in which servers try.
    fn merge_around(&mut self, center: usize, limits: &Limits) {
        let mut center = center;
        if center >= 2 && self.merge(center - 2, limits) {
            center -= 1;
        }
        self.merge(center + 1, limits);
        if center >= 1 && self.merge(center - 1, limits) {
            center -= 1;
        }
        self.merge(center, limits);
    }

    /// Merges a node with the one behind it, if both fit into one.
    fn merge(&mut self, place: usize, limits: &Limits) -> bool {
        let fits = match (self.nodes.get(place), self.nodes.get(place + 1)) {
            (Some(one), Some(other)) => one.merges(other, limits),
            _ => false,
        };
        if fits && let Some(other) = self.nodes.remove(place + 1) {
            if let Some(one) = self.nodes.get_mut(place) {
                one.absorb(&other);
            }
            return true;
        }
        false
    }
}

/// The elements of a node that equal a text: their indexes and places.
fn equals(node: &Node, text: &[u8]) -> Vec<(usize, usize)> {
    match node {
        Node::Plain(other) if other == text => vec![(0, 0)],
        Node::Plain(_) => Vec::new(),
        Node::Packed(pack) => {
            let number = integer(text);
            let same = |elem: Elem<'_>| match elem {
                Elem::Bytes(bytes) => bytes == text,
                Elem::Int(n) => number == Some(n),
            };
            let all = pack.iter().enumerate();
            let found = all.filter(|(_, (_, elem))| same(*elem));
            found.map(|(index, (at, _))| (index, at)).collect()
        }
    }
}
