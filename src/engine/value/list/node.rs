//! A node of a list.

use crate::rdb::Limits;
use crate::rdb::packed::ListpackBuf;
use crate::value::Elem;

/// What a server reckons an element takes besides its bytes.
const OVERHEAD: usize = 8;
/// Header and end of a listpack, which two of them need once when they become one.
const FRAME: usize = 7;

/// A node of a list.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Packed(ListpackBuf),
    /// One element that is too large for a listpack.
    Plain(Vec<u8>),
}

/// A node of a list, to look at.
#[derive(Debug, Clone, Copy)]
pub enum ListNode<'a> {
    /// A listpack of elements.
    Packed(&'a ListpackBuf),
    /// One element that is too large for a listpack.
    Plain(&'a [u8]),
}

/// Whether an element stands alone, without a listpack around it.
pub(super) fn is_large(bytes: usize, limits: &Limits) -> bool {
    limits.list_plain && !limits.list_node_fits(bytes, 1)
}

/// Whether an element of so many bytes goes into a node.
#[inline]
pub(super) fn has_room(pack: &ListpackBuf, bytes: usize, limits: &Limits) -> bool {
    !is_large(bytes, limits)
        && limits.list_node_fits(pack.size_bytes() + bytes + OVERHEAD, pack.len() + 1)
}

impl Node {
    /// A node of one element.
    pub(super) fn of(text: &[u8], limits: &Limits) -> Node {
        if is_large(text.len(), limits) {
            return Node::Plain(text.to_vec());
        }
        let mut pack = ListpackBuf::new();
        pack.push(text);
        Node::Packed(pack)
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        match self {
            Node::Packed(pack) => pack.len(),
            Node::Plain(_) => 1,
        }
    }

    pub(super) fn get(&self, index: usize) -> Option<Elem<'_>> {
        match self {
            Node::Packed(pack) => pack.get(place(pack, index)?),
            Node::Plain(text) => (index == 0).then_some(Elem::Bytes(text)),
        }
    }

    pub(super) fn view(&self) -> ListNode<'_> {
        match self {
            Node::Packed(pack) => ListNode::Packed(pack),
            Node::Plain(text) => ListNode::Plain(text),
        }
    }

    /// Cuts off the elements from the `index`-th on.
    pub(super) fn split_off(&mut self, index: usize) -> Option<Node> {
        let Node::Packed(pack) = self else { return None };
        let at = place(pack, index)?;
        let mut tail = ListpackBuf::with_capacity(pack.size_bytes() - at + FRAME);
        let mut count = 0;
        for (_, elem) in pack.iter_from(at) {
            tail.push_elem(elem);
            count += 1;
        }
        pack.remove(at, count);
        Some(Node::Packed(tail))
    }

    /// Whether two neighbours may be one node.
    pub(super) fn merges(&self, other: &Node, limits: &Limits) -> bool {
        let (Node::Packed(one), Node::Packed(other)) = (self, other) else { return false };
        let bytes = one.size_bytes() + other.size_bytes() - FRAME;
        limits.list_node_fits(bytes, one.len() + other.len())
    }

    /// Takes the elements of the neighbour behind.
    pub(super) fn absorb(&mut self, other: &Node) {
        if let (Node::Packed(one), Node::Packed(other)) = (self, other) {
            other.iter().for_each(|(_, elem)| one.push_elem(elem));
        }
    }
}

/// The place of the `index`-th element, sought from the nearer end.
pub(super) fn place(pack: &ListpackBuf, index: usize) -> Option<usize> {
    let len = pack.len();
    if index < len / 2 || index >= len {
        return pack.seek(index);
    }
    (index..len).try_fold(pack.end(), |at, _| pack.before(at))
}
