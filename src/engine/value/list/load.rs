//! Lists out of a snapshot.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use super::node::Node;
use super::{End, List};
use crate::engine::value::packed_body;
use crate::error::FormatError;
use crate::rdb::{Entry, Limits, Scratch, Text, ValueType, length};
use crate::value::Item;

/// What a node of type 18 says it is.
const PLAIN: u64 = 1;

impl List {
    /// The value of an entry, in the form that a server would give it.
    pub fn load(
        entry: &Entry<'_>,
        limits: &Limits,
        scratch: &mut Scratch,
    ) -> Result<Self, Box<FormatError>> {
        let adopted = match entry.value_type {
            ValueType::ListQuicklist2 => nodes(entry.body()),
            _ => None,
        };
        let mut list = List { nodes: VecDeque::new(), len: 0, packed: false };
        match adopted {
            Some(nodes) => {
                list.len = nodes.iter().map(Node::len).sum();
                list.nodes = nodes;
            }
            None => {
                entry.visit(scratch, |item| {
                    if let Item::Element(elem) = item {
                        list.push(End::Right, elem.bytes(&mut itoa::Buffer::new()), limits);
                    }
                    ControlFlow::Continue(())
                })?;
            }
        }
        list.packed = match (list.nodes.len(), list.nodes.front()) {
            (0, _) => return Ok(List::default()),
            (1, Some(Node::Packed(pack))) => limits.list_node_fits(pack.size_bytes(), list.len),
            _ => false,
        };
        Ok(list)
    }
}

/// The nodes of a list of sound listpacks, as they are.
fn nodes(body: &[u8]) -> Option<VecDeque<Node>> {
    let (mut rest, count) = length(body).ok()?;
    let mut nodes = VecDeque::new();
    for _ in 0..count {
        let (text, container) = length(rest).ok()?;
        let (behind, parsed) = Text::parse(text).ok()?;
        rest = behind;
        let node = match container {
            PLAIN => Node::Plain(parsed.to_cow().ok()?.into_owned()),
            _ => Node::Packed(packed_body(text)?),
        };
        if node.len() > 0 {
            nodes.push_back(node);
        }
    }
    rest.is_empty().then_some(nodes)
}
