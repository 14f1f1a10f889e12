//! Lists: cut into nodes as the target would cut them, whoever cut them before.
//!
//! ```text
//! Redis 2.6 to 3.0   up to 512 elements of up to 64 bytes: one ziplist; else one by one
//! Redis 3.2 to 6.2   ziplists of up to 8 KiB
//! newer              listpacks of up to 8 KiB; from 7.4 on a larger element stands alone
//! ```

use super::Sink;
use crate::rdb::packed::Listpack;
use crate::rdb::{Target, ValueType};
use crate::value::Elem;

/// Elements of a list that is one ziplist (`list-max-ziplist-entries` of old servers).
const OLD_ENTRIES: usize = 512;
/// Bytes of each of them (`list-max-ziplist-value`).
const OLD_VALUE: u64 = 64;
/// What servers add to the size of an element to guess what it takes in a listpack.
const LISTPACK_GUESS: usize = 8;
/// Elements of a node: servers count them in 16 bits.
const MOST_OF_NODE: usize = 65_535;

const PLAIN: u64 = 1;
const PACKED: u64 = 2;

/// A node of a list in memory.
#[derive(Debug, Clone, Copy)]
pub enum ListNode<'a> {
    /// A listpack of elements.
    Packed(&'a [u8]),
    /// One element that stands alone.
    Plain(&'a [u8]),
}

/// Writes a list.
pub fn list<'a>(
    sink: &mut Sink,
    target: &Target,
    elements: impl Iterator<Item = Elem<'a>> + Clone,
) -> ValueType {
    if target.has_listpacks() {
        listpacks(sink, target, elements);
        ValueType::ListQuicklist2
    } else if target.has_quicklists() {
        ziplists(sink, target, elements);
        ValueType::ListQuicklist
    } else {
        old(sink, elements)
    }
}

/// Writes a list that is in nodes: as they are, where the target has listpacks.
pub fn list_nodes<'a>(
    sink: &mut Sink,
    target: &Target,
    nodes: impl Iterator<Item = ListNode<'a>> + Clone,
) -> ValueType {
    if target.has_listpacks() {
        sink.length(nodes.clone().count() as u64);
        for node in nodes {
            match node {
                ListNode::Packed(blob) => {
                    sink.length(PACKED);
                    sink.blob(blob);
                }
                ListNode::Plain(element) => {
                    sink.length(PLAIN);
                    sink.text(element);
                }
            }
        }
        return ValueType::ListQuicklist2;
    }
    list(sink, target, nodes.flat_map(NodeElems::of))
}

/// The elements of a node.
#[derive(Clone)]
enum NodeElems<'a> {
    Packed(crate::rdb::packed::ListpackIter<'a>),
    Plain(std::option::IntoIter<Elem<'a>>),
}

impl<'a> NodeElems<'a> {
    fn of(node: ListNode<'a>) -> Self {
        match node {
            ListNode::Plain(element) => NodeElems::Plain(Some(Elem::Bytes(element)).into_iter()),
            ListNode::Packed(blob) => match Listpack::new(blob) {
                Ok(pack) => NodeElems::Packed(pack.iter()),
                // The owner of a node made it, so there is none like this.
                Err(_) => NodeElems::Plain(None.into_iter()),
            },
        }
    }
}

impl<'a> Iterator for NodeElems<'a> {
    type Item = Elem<'a>;

    fn next(&mut self) -> Option<Elem<'a>> {
        match self {
            NodeElems::Packed(walk) => walk.next()?.ok(),
            NodeElems::Plain(element) => element.next(),
        }
    }
}

fn listpacks<'a>(sink: &mut Sink, target: &Target, elements: impl Iterator<Item = Elem<'a>>) {
    let limits = &target.limits;
    let alone = |size: usize| target.has_plain_nodes() && !limits.list_node_fits(size, 1);
    let before = sink.out.len();
    let mut nodes = 0;
    let mut held = 0;
    sink.listpack.clear();
    for elem in elements {
        let size = usize::try_from(elem.len()).unwrap_or(usize::MAX);
        let guess = sink.listpack.size_bytes().saturating_add(size).saturating_add(LISTPACK_GUESS);
        let full = held > 0 && (held >= MOST_OF_NODE || !limits.list_node_fits(guess, held + 1));
        let alone = alone(size);
        if held > 0 && (full || alone) {
            sink.length(PACKED);
            sink.flush_listpack();
            sink.listpack.clear();
            (nodes, held) = (nodes + 1, 0);
        }
        if alone {
            sink.length(PLAIN);
            sink.elem(elem);
            nodes += 1;
        } else {
            sink.listpack.push_elem(elem);
            held += 1;
        }
    }
    if held > 0 {
        sink.length(PACKED);
        sink.flush_listpack();
        nodes += 1;
    }
    count_in_front(sink, before, nodes);
}

fn ziplists<'a>(sink: &mut Sink, target: &Target, elements: impl Iterator<Item = Elem<'a>>) {
    let before = sink.out.len();
    let mut nodes = 0;
    let mut held = 0;
    sink.ziplist.clear();
    for elem in elements {
        let size = usize::try_from(elem.len()).unwrap_or(usize::MAX);
        let back = if size < 254 { 1 } else { 5 };
        let head = match size {
            ..64 => 1,
            64..16384 => 2,
            _ => 5,
        };
        let guess = sink.ziplist.size_bytes().saturating_add(size).saturating_add(back + head);
        let fits = held < MOST_OF_NODE && target.limits.list_node_fits(guess, held + 1);
        if held > 0 && !fits {
            sink.flush_ziplist();
            sink.ziplist.clear();
            (nodes, held) = (nodes + 1, 0);
        }
        sink.ziplist.push_elem(elem);
        held += 1;
    }
    if held > 0 {
        sink.flush_ziplist();
        nodes += 1;
    }
    count_in_front(sink, before, nodes);
}

/// Puts the number of nodes in front of them: it is known only behind them.
fn count_in_front(sink: &mut Sink, before: usize, nodes: u64) {
    let behind = sink.out.len();
    sink.length(nodes);
    let size = sink.out.len() - behind;
    if let Some(all) = sink.out.get_mut(before..) {
        all.rotate_right(size);
    }
}

fn old<'a>(sink: &mut Sink, elements: impl Iterator<Item = Elem<'a>> + Clone) -> ValueType {
    let (mut count, mut longest) = (0_usize, 0);
    for elem in elements.clone() {
        count += 1;
        longest = longest.max(elem.len());
    }
    if count <= OLD_ENTRIES && longest <= OLD_VALUE {
        sink.ziplist.clear();
        elements.for_each(|elem| sink.ziplist.push_elem(elem));
        sink.flush_ziplist();
        return ValueType::ListZiplist;
    }
    sink.length(count as u64);
    elements.for_each(|elem| sink.elem(elem));
    ValueType::List
}
