//! Lists, in the forms that servers hold them in.
//!
//! ```text
//! packed       one listpack, in 7.2 and newer               listpack
//! quicklist    nodes: a listpack each, or one large element  quicklist
//! ```
//!
//! A node holds as much as `list-max-listpack-size` says. A list that outgrows one node becomes a
//! quicklist, and a quicklist that has shrunk to one node half full is packed again. Where a node
//! is cut in two the parts are merged with their neighbours as far as they fit, as servers do.

mod edit;
mod elements;
mod load;
mod node;

use std::collections::VecDeque;

pub use elements::Elements;
pub use node::ListNode;

use crate::rdb::packed::ListpackBuf;
use crate::rdb::{Limits, Target};
use crate::value::Elem;
use node::Node;

/// An end of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The head.
    Left,
    /// The tail.
    Right,
}

/// A list.
#[derive(Debug, Clone)]
pub struct List {
    nodes: VecDeque<Node>,
    len: usize,
    /// Whether the one node is the whole list, and no quicklist.
    packed: bool,
}

impl Default for List {
    fn default() -> Self {
        List { nodes: VecDeque::from([Node::Packed(ListpackBuf::new())]), len: 0, packed: true }
    }
}

impl List {
    /// How many elements there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no element.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What OBJECT ENCODING says.
    pub fn encoding(&self, target: &Target) -> &'static str {
        if self.packed && target.has_packed_lists() { "listpack" } else { "quicklist" }
    }

    /// The nodes, head first; a packed list is one.
    pub fn nodes(&self) -> impl Iterator<Item = ListNode<'_>> {
        self.nodes.iter().map(Node::view)
    }

    /// The elements, head first.
    #[inline]
    pub fn iter(&self) -> Elements<'_> {
        self.iter_from(0)
    }

    /// The elements from the `index`-th on.
    pub fn iter_from(&self, index: usize) -> Elements<'_> {
        match self.seek(index) {
            Some((node, within)) => Elements::new(&self.nodes, node, within),
            None => Elements::new(&self.nodes, self.nodes.len(), 0),
        }
    }

    /// The `index`-th element.
    pub fn get(&self, index: usize) -> Option<Elem<'_>> {
        let (node, within) = self.seek(index)?;
        self.nodes.get(node)?.get(within)
    }

    /// The node that the `index`-th element is in, and its index there.
    fn seek(&self, index: usize) -> Option<(usize, usize)> {
        if index >= self.len {
            return None;
        }
        if index < self.len / 2 {
            let mut before = 0;
            for (place, node) in self.nodes.iter().enumerate() {
                let behind = before + node.len();
                if index < behind {
                    return Some((place, index - before));
                }
                before = behind;
            }
        } else {
            let mut behind = self.len;
            for (place, node) in self.nodes.iter().enumerate().rev() {
                let before = behind - node.len();
                if index >= before {
                    return Some((place, index - before));
                }
                behind = before;
            }
        }
        None
    }

    /// Says that elements of so many bytes are about to come: a packed list that has no room for
    /// them becomes a quicklist at once.
    #[inline]
    pub fn expect(&mut self, bytes: usize, count: usize, limits: &Limits) {
        if self.packed
            && let Some(Node::Packed(pack)) = self.nodes.front()
            && !limits.list_node_fits(pack.size_bytes() + bytes, self.len + count)
        {
            self.packed = false;
            if self.len == 0 {
                self.nodes.clear();
            }
        }
    }

    /// Adds an element at an end.
    #[inline]
    pub fn push(&mut self, end: End, text: &[u8], limits: &Limits) {
        self.len += 1;
        let node = match end {
            End::Left => self.nodes.front_mut(),
            End::Right => self.nodes.back_mut(),
        };
        if let Some(Node::Packed(pack)) = node
            && (self.packed || node::has_room(pack, text.len(), limits))
        {
            let at = if end == End::Left { ListpackBuf::FIRST } else { pack.end() };
            pack.insert(at, text);
            return;
        }
        let node = Node::of(text, limits);
        match end {
            End::Left => self.nodes.push_front(node),
            End::Right => self.nodes.push_back(node),
        }
    }

    /// Takes the element at an end.
    #[inline]
    pub fn pop(&mut self, end: End) -> Option<Vec<u8>> {
        let node = match end {
            End::Left => self.nodes.front_mut()?,
            End::Right => self.nodes.back_mut()?,
        };
        let (text, empty) = match node {
            Node::Plain(text) => (std::mem::take(text), true),
            Node::Packed(pack) => {
                let at = match end {
                    End::Left => ListpackBuf::FIRST,
                    End::Right => pack.before(pack.end())?,
                };
                let text = pack.get(at)?.to_vec();
                pack.remove(at, 1);
                (text, pack.is_empty())
            }
        };
        self.len -= 1;
        if empty && !self.packed {
            match end {
                End::Left => self.nodes.pop_front(),
                End::Right => self.nodes.pop_back(),
            };
        }
        Some(text)
    }

    /// Packs a quicklist that has become small.
    #[inline]
    pub fn shrink(&mut self, limits: &Limits) {
        if !self.packed
            && self.nodes.len() == 1
            && let Some(Node::Packed(pack)) = self.nodes.front()
            && match limits.list_node {
                most @ 1.. => self.len as u64 <= most as u64 / 2,
                0 => false,
                _ => limits.list_node_fits(pack.size_bytes() * 2, 0),
            }
        {
            self.packed = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{End, List};
    use crate::rdb::{Limits, Target};

    /// A model is a vector; nodes are small, so that everything is cut and merged often.
    #[test]
    fn a_list_is_what_a_vector_is() {
        for list_node in [3, 8, -1] {
            let limits = Limits { list_node, ..Limits::default() };
            let (mut list, mut model) = (List::default(), Vec::<Vec<u8>>::new());
            let mut seed = 12345_u64;
            let mut chance = |bound: usize| {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (seed >> 33) as usize % bound
            };
            for n in 0..6000 {
                let size = if chance(50) == 0 { 9000 } else { chance(200) };
                let text = match chance(3) {
                    0 => n.to_string().into_bytes(),
                    _ => vec![b'a' + chance(3) as u8; size],
                };
                let at = chance(model.len().max(1));
                match chance(12) {
                    0..4 => {
                        list.expect(text.len(), 1, &limits);
                        list.push(End::Left, &text, &limits);
                        model.insert(0, text);
                    }
                    4..6 => {
                        list.expect(text.len(), 1, &limits);
                        list.push(End::Right, &text, &limits);
                        model.push(text);
                    }
                    6 => {
                        let want = (!model.is_empty()).then(|| model.remove(0));
                        assert_eq!(list.pop(End::Left), want);
                        list.shrink(&limits);
                    }
                    7 => {
                        assert_eq!(list.pop(End::Right), model.pop());
                        list.shrink(&limits);
                    }
                    8 if !model.is_empty() => {
                        list.expect(text.len(), 1, &limits);
                        list.insert(at, n % 2 == 0, &text, &limits);
                        model.insert(if n % 2 == 0 { at + 1 } else { at }, text);
                    }
                    9 if !model.is_empty() => {
                        list.expect(text.len(), 1, &limits);
                        list.set(at, &text, &limits);
                        model[at] = text;
                        list.shrink(&limits);
                    }
                    10 if chance(20) == 0 => {
                        list.remove_range(at, 5);
                        model.drain(at.min(model.len())..(at + 5).min(model.len()));
                        list.shrink(&limits);
                    }
                    11 if !model.is_empty() && chance(10) == 0 => {
                        let text = model[at].clone();
                        let most = 1 + chance(3);
                        let mut left = most;
                        model.retain(|other| {
                            let gone = *other == text && left > 0;
                            left -= usize::from(gone);
                            !gone
                        });
                        assert_eq!(list.remove_equal(&text, most, End::Left), most - left);
                        list.shrink(&limits);
                    }
                    _ => {}
                }
                assert_eq!(list.len(), model.len());
                if n % 20 == 0 {
                    let got: Vec<_> = list.iter().map(|elem| elem.to_vec()).collect();
                    assert_eq!(got, model);
                    for (index, element) in model.iter().enumerate().take(40) {
                        assert_eq!(list.get(index).unwrap().to_vec(), *element);
                    }
                }
            }
        }
    }

    #[test]
    fn a_list_is_packed_again_when_it_is_small() {
        let (limits, target) = (Limits::default(), Target::default());
        let mut list = List::default();
        for n in 0..133 {
            list.expect(60, 1, &limits);
            list.push(End::Right, &[b'x'; 60], &limits);
            assert_eq!(list.encoding(&target) == "listpack", n < 132, "{n}");
        }
        while !list.is_empty() {
            list.pop(End::Right);
            list.shrink(&limits);
            assert_eq!(list.encoding(&target) == "listpack", list.len() <= 65, "{}", list.len());
        }
    }
}
