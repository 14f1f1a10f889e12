//! The elements of a list, one after the other.

use std::collections::VecDeque;

use super::node::{self, Node};
use crate::rdb::packed::{Elems, ListpackBuf};
use crate::value::Elem;

/// The elements of a list, head first.
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    nodes: &'a VecDeque<Node>,
    /// The node that is next.
    node: usize,
    walk: Option<Elems<'a>>,
}

impl<'a> Elements<'a> {
    pub(super) fn new(nodes: &'a VecDeque<Node>, node: usize, within: usize) -> Self {
        match nodes.get(node) {
            Some(Node::Packed(pack)) => {
                let at = match within {
                    0 => ListpackBuf::FIRST,
                    _ => node::place(pack, within).unwrap_or(pack.end()),
                };
                Elements { nodes, node: node + 1, walk: Some(pack.iter_from(at)) }
            }
            _ => Elements { nodes, node, walk: None },
        }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Elem<'a>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((_, elem)) = self.walk.as_mut().and_then(Iterator::next) {
                return Some(elem);
            }
            let node = self.nodes.get(self.node)?;
            self.node += 1;
            match node {
                Node::Packed(pack) => self.walk = Some(pack.iter()),
                Node::Plain(text) => {
                    self.walk = None;
                    return Some(Elem::Bytes(text));
                }
            }
        }
    }
}
