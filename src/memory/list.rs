//! Lists: nodes, which stay as they lie in the file where the server has the same.

use std::ops::ControlFlow;

use super::{EMPTY_BYTES, Elem, Estimator, Item, entry_bytes, length, read};
use crate::error::{Fault, FormatError};
use crate::rdb::packed::Ziplist;
use crate::rdb::{Entry, Scratch, Text, ValueType};

/// What servers add to the size of an element to guess what it takes in a node.
const GUESS: u64 = 8;
/// What a node may take.
const NODE: u64 = 8192;
/// A node that is one element.
const PLAIN: u64 = 1;
/// How much longer a ziplist is than a listpack of the same elements.
const ZIPLIST: u64 = 4;

/// Nodes and their bytes.
#[derive(Debug, Default)]
struct Nodes {
    nodes: u64,
    bytes: u64,
    /// Whether one is a single element.
    plain: bool,
    /// The bytes of the last one.
    last: u64,
}

impl Nodes {
    fn add(&mut self, estimator: &Estimator, bytes: u64) {
        self.nodes += 1;
        self.bytes = self.bytes.saturating_add(estimator.blocks.packed(bytes));
        self.last = bytes;
    }
}

impl Estimator {
    /// The value of a list.
    pub(super) fn list(
        &self,
        entry: &Entry<'_>,
        scratch: &mut Scratch,
    ) -> Result<u64, Box<FormatError>> {
        let nodes = match entry.value_type {
            ValueType::ListQuicklist | ValueType::ListQuicklist2 => {
                self.nodes_as_they_lie(entry).map_err(|fault| entry.error(0, fault))?
            }
            _ => self.nodes_of_elements(entry, scratch)?,
        };
        let server = &self.profile.server;
        let is_packed = server.has_packed_lists() && nodes.nodes == 1 && !nodes.plain;
        if is_packed && nodes.last <= NODE {
            return Ok(self.blocks.packed(nodes.last));
        }
        let rules = self.blocks.rules;
        // Where the list knows its own size, it counts blocks.
        let sized = |bytes: u64| {
            if rules.short_by_length { self.blocks.block(bytes) } else { bytes }
        };
        Ok((sized(rules.list) + nodes.nodes.saturating_mul(sized(rules.list_node)))
            .saturating_add(nodes.bytes))
    }

    fn nodes_as_they_lie(&self, entry: &Entry<'_>) -> Result<Nodes, Fault> {
        let mut rest = entry.body();
        let mut nodes = Nodes::default();
        let (is_new, listpacks) =
            (entry.value_type == ValueType::ListQuicklist2, self.profile.server.has_listpacks());
        let mut room = Vec::new();
        for _ in 0..read(&mut rest, length)? {
            let plain = is_new && read(&mut rest, length)? == PLAIN;
            nodes.plain |= plain;
            let text = read(&mut rest, Text::parse)?;
            let bytes = match (is_new, listpacks) {
                (false, true) => as_listpack(text.blob(&mut room)?)?,
                (true, false) => text.len().saturating_add(ZIPLIST),
                _ => text.len(),
            };
            nodes.add(self, bytes);
        }
        Ok(nodes)
    }

    /// Elements are put into nodes one by one.
    fn nodes_of_elements(
        &self,
        entry: &Entry<'_>,
        scratch: &mut Scratch,
    ) -> Result<Nodes, Box<FormatError>> {
        let head = if self.profile.server.has_listpacks() { 0 } else { ZIPLIST };
        let mut nodes = Nodes::default();
        let mut open = 0;
        entry.visit(scratch, |item| {
            if let Item::Element(elem) = item {
                if open > 0 && open + elem.len() + GUESS > NODE {
                    nodes.add(self, open);
                    open = 0;
                }
                if open == 0 {
                    open = EMPTY_BYTES + head;
                }
                open = open.saturating_add(entry_bytes(elem));
            }
            ControlFlow::Continue(())
        })?;
        if open > 0 {
            nodes.add(self, open);
        }
        Ok(nodes)
    }
}

/// What the elements of a ziplist take as a listpack.
fn as_listpack(ziplist: &[u8]) -> Result<u64, Fault> {
    let mut bytes = EMPTY_BYTES;
    for elem in Ziplist::new(ziplist)?.iter() {
        let elem: Elem<'_> = elem.map_err(|flaw| flaw.fault)?;
        bytes += entry_bytes(elem);
    }
    Ok(bytes)
}
