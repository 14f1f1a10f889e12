//! What the nodes of a Cluster say of who serves its slots.
//!
//! ```text
//! CLUSTER SLOTS   →  which node serves which slots, and where that node is
//! CLUSTER NODES   →  the epoch of each node: of which election its slots are; and whether it is down
//! ```
//!
//! Another node is asked each time, since one that is cut off from the others goes on saying what
//! was. Of two that have a slot, the one with the later epoch has it. A master that has given all its
//! slots away is one still, and may get others. Nodes are told apart by their ids: one may call by its
//! name what another one calls by its address.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use redis::Value;

use super::{Ask, Lines, Word};
use crate::bytes::slot::SLOTS;
use crate::live::sentinel::text;
use crate::live::{Address, Topology};

pub(super) struct ClusterWords {
    lines: Lines,
    /// Who is asked next comes first.
    nodes: VecDeque<Address>,
    known: Owners,
}

impl ClusterWords {
    pub(super) fn new(lines: Lines, seeds: &[Address]) -> Self {
        ClusterWords { lines, nodes: seeds.iter().cloned().collect(), known: Owners::default() }
    }
}

impl Ask for ClusterWords {
    fn ask(&mut self, tell: &mut dyn FnMut(Word)) {
        for _ in 0..self.nodes.len() {
            let Some(node) = self.nodes.pop_front() else { return };
            let told = self.lines.ask(&node, |node| {
                let topology = Topology::of(node)?;
                Ok((topology, node.request(&["CLUSTER", "NODES"])?))
            });
            self.nodes.push_back(node);
            let Some((topology, listed)) = told else { continue };
            for node in topology.nodes() {
                if !self.nodes.contains(node) {
                    self.nodes.push_back(node.clone());
                }
            }
            self.known.take(&topology, &listings(&listed));
            return tell(Word::Deposed(self.known.deposed()));
        }
    }
}

/// Who has the slots.
#[derive(Debug)]
struct Owners {
    /// Of each slot: the epoch, and the id of the node.
    slots: Vec<(u64, String)>,
    /// The nodes that had slots some time, by where they are.
    ids: BTreeMap<Address, String>,
    /// Those of them that have none, and are down or follow another one.
    out: BTreeSet<String>,
}

impl Default for Owners {
    fn default() -> Self {
        let slots = vec![Default::default(); usize::from(SLOTS)];
        Owners { slots, ids: BTreeMap::new(), out: BTreeSet::new() }
    }
}

impl Owners {
    fn take(&mut self, topology: &Topology, listed: &BTreeMap<String, Listed>) {
        for shard in topology.shards() {
            let Some(&Listed { epoch, .. }) = listed.get(&shard.id) else { continue };
            self.ids.insert(shard.master.clone(), shard.id.clone());
            for slot in shard.slots.iter().cloned().flatten() {
                if let Some(owner) = self.slots.get_mut(usize::from(slot))
                    && (owner.0 < epoch || owner.1.is_empty())
                {
                    *owner = (epoch, shard.id.clone());
                }
            }
        }
        let owners: BTreeSet<&str> = self.slots.iter().map(|(_, id)| id.as_str()).collect();
        for id in self.ids.values() {
            // Who still says that it has slots has not heard what became of it.
            let has_heard = topology.shards().iter().all(|shard| shard.id != *id);
            match listed.get(id) {
                _ if owners.contains(id.as_str()) => drop(self.out.remove(id)),
                Some(Listed { is_out: true, .. }) if has_heard => drop(self.out.insert(id.clone())),
                Some(_) if has_heard => drop(self.out.remove(id)),
                _ => {}
            }
        }
    }

    /// Where those are who are masters no more.
    fn deposed(&self) -> Vec<Address> {
        let gone = self.ids.iter().filter(|(_, id)| self.out.contains(*id));
        gone.map(|(address, _)| address.clone()).collect()
    }
}

/// What a node says of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Listed {
    epoch: u64,
    /// It is down, as most of the masters say, or a replica.
    is_out: bool,
}

/// What is said of nodes, by their ids: `ID ADDRESS FLAG,FLAG MASTER PING PONG EPOCH …`
fn listings(listed: &Value) -> BTreeMap<String, Listed> {
    let listed = text(listed).unwrap_or_default();
    let one = |line: &str| {
        let mut words = line.split(' ');
        let id = words.next()?.to_owned();
        let flags = words.nth(1)?;
        let is_out = flags.split(',').any(|flag| matches!(flag, "slave" | "fail"));
        Some((id, Listed { epoch: words.nth(3)?.parse().ok()?, is_out }))
    };
    listed.lines().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> Address {
        Address::Tcp("h".into(), port)
    }

    #[test]
    fn nodes_are_listed_with_epoch_and_flags() {
        let listed = "a 127.0.0.1:1@2 myself,master - 0 0 7 connected 0-5\n\
                      b 127.0.0.1:3@4 slave a 0 0 9 connected\n\
                      c 127.0.0.1:3@4 master,fail - 0 0 2 connected\n\
                      d 127.0.0.1:3@4 master,fail? - 0 0 1 connected\n\nodd\n";
        let listed = listings(&Value::BulkString(listed.into()));
        let want = [("a", 7, false), ("b", 9, true), ("c", 2, true), ("d", 1, false)];
        let want = want.map(|(id, epoch, is_out)| (id.to_owned(), Listed { epoch, is_out }));
        assert_eq!(listed, BTreeMap::from(want));
    }

    #[test]
    fn who_has_the_later_epoch_has_the_slot() {
        let mut owners = Owners::default();
        let mut check =
            |shards: &[(&str, u64, u16, u16)], others: &[(&str, bool)], want: &[u16]| {
                let nodes = shards.iter().map(|&(id, _, port, end)| (id, at(port), 0..=end));
                let masters =
                    shards.iter().map(|&(id, epoch, ..)| (id, Listed { epoch, is_out: false }));
                let others = others.iter().map(|&(id, is_out)| (id, Listed { epoch: 0, is_out }));
                let listed = masters.chain(others).map(|(id, it)| (id.to_owned(), it)).collect();
                owners.take(&Topology::made(nodes), &listed);
                let want: Vec<Address> = want.iter().copied().map(at).collect();
                assert_eq!(owners.deposed(), want, "{shards:?}");
            };
        check(&[("a", 1, 1, 9)], &[("b", true)], &[]);
        // Nobody knows yet that it is down.
        check(&[("b", 2, 2, 9)], &[("a", false)], &[]);
        check(&[("b", 2, 2, 9)], &[("a", true)], &[1]);
        // One that is cut off says what was.
        check(&[("a", 1, 1, 9)], &[("b", true)], &[1]);
        // It has become the master again, and is called by another name as well.
        check(&[("a", 3, 1, 9)], &[("b", true)], &[2]);
        check(&[("a", 3, 4, 9)], &[("b", true)], &[2]);
        // It gives its slots away, and is a master all the same; then it is none.
        check(&[("c", 6, 3, 9)], &[("a", false), ("b", true)], &[2]);
        check(&[("c", 6, 3, 9)], &[("a", true), ("b", true)], &[1, 2, 4]);
    }
}
