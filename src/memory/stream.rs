//! Streams: nodes of entries, groups, and the radix trees that hold both.

use std::ops::ControlFlow;

use super::blocks::Blocks;
use super::radix::Radix;
use super::{Estimator, Item};
use crate::error::FormatError;
use crate::rdb::{Entry, Scratch};
use crate::value::StreamId;

/// An id as a key of a tree.
type Id = [u8; 16];

/// The groups of a stream.
#[derive(Debug, Default)]
struct Groups {
    bytes: u64,
    names: Vec<Vec<u8>>,
    /// The consumers of the group before.
    consumers: Vec<Vec<u8>>,
    /// Pending ids of the group before, and of its last consumer.
    pending: Vec<Id>,
    owned: Vec<Id>,
    in_group: bool,
    in_consumer: bool,
    /// Pending ids of all groups.
    waited_for: Vec<Id>,
    producers: u64,
}

impl Estimator {
    /// The value of a stream.
    pub(super) fn stream(
        &self,
        entry: &Entry<'_>,
        scratch: &mut Scratch,
    ) -> Result<u64, Box<FormatError>> {
        let (mut nodes, mut bytes) = (Vec::new(), 0_u64);
        let mut groups = Groups::default();
        let counted = |bytes: u64| match self.blocks.rules.stream_nodes_by_length {
            true => bytes,
            false => self.blocks.block(bytes),
        };
        entry.visit_stream_frame(
            scratch,
            |first_id, node_bytes| {
                nodes.push(id(first_id));
                bytes = bytes.saturating_add(counted(node_bytes));
            },
            |item| {
                groups.add(item, &self.blocks);
                ControlFlow::Continue(())
            },
        )?;
        let own = self.blocks.rules.stream.stream + tree(&self.blocks, &nodes);
        Ok(bytes.saturating_add(own).saturating_add(groups.finish(&self.blocks)))
    }
}

impl Groups {
    fn add(&mut self, item: Item<'_>, blocks: &Blocks) {
        match item {
            Item::Group(group) => {
                self.close_group(blocks);
                self.in_group = true;
                self.names.push(group.name.to_vec());
            }
            Item::Pending { id, .. } => self.pending.push(self::id(id)),
            Item::Consumer { name, .. } => {
                self.close_consumer(blocks);
                self.in_consumer = true;
                let rule = &blocks.rules.stream;
                let len = name.len() as u64;
                let name_bytes = if rule.all_trees { blocks.text(len) } else { len };
                self.bytes = self.bytes.saturating_add(rule.consumer + name_bytes);
                self.consumers.push(name.to_vec());
            }
            Item::Owned(id) => self.owned.push(self::id(id)),
            Item::Producer(_) => self.producers += 1,
            Item::Idempotent { iid, .. } => {
                let iid = blocks.text(iid.len() as u64);
                self.bytes = self.bytes.saturating_add(blocks.rules.stream.producer_id + iid);
            }
            _ => {}
        }
    }

    fn close_consumer(&mut self, blocks: &Blocks) {
        if std::mem::take(&mut self.in_consumer) {
            self.bytes += tree(blocks, &self.owned);
        }
        self.owned.clear();
    }

    fn close_group(&mut self, blocks: &Blocks) {
        self.close_consumer(blocks);
        if std::mem::take(&mut self.in_group) {
            let rule = &blocks.rules.stream;
            let pending = self.pending.len() as u64;
            self.bytes += rule.group + tree(blocks, &self.pending) + rule.pending * pending;
            if rule.all_trees {
                self.bytes += names_tree(blocks, &mut self.consumers);
                self.waited_for.append(&mut self.pending);
            }
        }
        self.pending.clear();
        self.consumers.clear();
    }

    fn finish(mut self, blocks: &Blocks) -> u64 {
        self.close_group(blocks);
        let rule = &blocks.rules.stream;
        if self.producers > 0 {
            self.bytes += rule.producers + rule.producer * self.producers;
        }
        if rule.all_trees {
            if !self.names.is_empty() {
                self.bytes += names_tree(blocks, &mut self.names);
            }
            if !self.waited_for.is_empty() {
                self.waited_for.sort_unstable();
                self.bytes += tree(blocks, &self.waited_for);
            }
        }
        self.bytes
    }
}

fn id(id: StreamId) -> Id {
    (u128::from(id.ms) << 64 | u128::from(id.seq)).to_be_bytes()
}

fn tree(blocks: &Blocks, ids: &[Id]) -> u64 {
    let rule = blocks.rules.stream.radix;
    Radix::size(rule, blocks.allocator, ids.iter().map(<[u8; 16]>::as_slice))
}

fn names_tree(blocks: &Blocks, names: &mut [Vec<u8>]) -> u64 {
    names.sort_unstable();
    let rule = blocks.rules.stream.radix;
    Radix::size(rule, blocks.allocator, names.iter().map(Vec::as_slice))
}
