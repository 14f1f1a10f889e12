//! A master for each range of slots.
//!
//! ```text
//! slot ─► lane ─► address        slots move between lanes, a lane moves between addresses
//! ```
//!
//! A lane is a shard: when its master fails over to a replica, the lane is the same and its address
//! another. Who serves what is read again when a lane breaks or a node says that a slot has moved.
//!
//! A replayer keeps keys of its own on every master. They carry a hash tag of the lane's home, a
//! slot that it serves; when the home moves away the lane gets another one, and the keys of the old
//! one are remembered so that they can be removed.

use std::sync::LazyLock;

use super::Route;
use crate::bytes::slot::{SLOTS, slot};
use crate::live::{Address, Connection, Connector, Failure, Shard, Topology};
use crate::resp::encode;

/// The masters of a Cluster, one connection to each.
#[derive(Debug)]
pub struct Slots {
    connector: Connector,
    seeds: Vec<Address>,
    topology: Topology,
    lanes: Vec<Lane>,
    /// For each slot, its lane.
    owners: Vec<usize>,
    /// Whether what is known may have changed.
    is_stale: bool,
    /// Whether what is known is good enough where nobody knows it better.
    trusts_last: bool,
}

#[derive(Debug, Clone)]
struct Lane {
    address: Address,
    /// A slot that it serves.
    home: u16,
}

impl Slots {
    /// Asks the nodes of an endpoint who serves what.
    pub fn discover(connector: Connector, seeds: Vec<Address>) -> Result<Self, Failure> {
        let topology = Topology::discover(&connector, &seeds)?;
        let mut slots = Slots {
            connector,
            seeds,
            topology: topology.clone(),
            lanes: Vec::new(),
            owners: vec![0; usize::from(SLOTS)],
            is_stale: false,
            trusts_last: false,
        };
        slots.adopt(topology);
        Ok(slots)
    }

    /// What is known of who serves what.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Reads again who serves what.
    pub fn refresh(&mut self) -> Result<(), Failure> {
        let known: Vec<Address> = self.topology.nodes().chain(&self.seeds).cloned().collect();
        // A node that says nothing need not be waited for: there are others.
        let topology = Topology::discover(&self.connector.impatient(), &known)?;
        self.adopt(topology);
        self.is_stale = false;
        Ok(())
    }

    fn adopt(&mut self, topology: Topology) {
        for shard in topology.shards() {
            let Some(home) = shard.slots.first().map(|range| *range.start()) else { continue };
            if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.address == shard.master) {
                if topology.owner(lane.home) != topology.owner(home) {
                    lane.home = home;
                }
                continue;
            }
            // A replica that took over goes on with the lane of its master.
            let follows = |lane: &&mut Lane| {
                topology.at(&lane.address).is_none() && took_over(&topology, shard, lane)
            };
            match self.lanes.iter_mut().find(follows) {
                Some(lane) => {
                    lane.address = shard.master.clone();
                    if topology.owner(lane.home) != topology.owner(home) {
                        lane.home = home;
                    }
                }
                None => self.lanes.push(Lane { address: shard.master.clone(), home }),
            }
        }
        // A node that serves nothing any more: its lane goes where its home went.
        for lane in &mut self.lanes {
            if topology.at(&lane.address).is_none()
                && let Some(shard) = shard_of(&topology, lane.home)
            {
                lane.address = shard.master.clone();
            }
        }
        let lane_of: Vec<usize> = topology
            .shards()
            .iter()
            .map(|shard| {
                self.lanes.iter().position(|lane| lane.address == shard.master).unwrap_or(0)
            })
            .collect();
        for (slot, owner) in (0..SLOTS).zip(&mut self.owners) {
            let lane = topology.owner(slot).and_then(|shard| lane_of.get(shard));
            *owner = lane.copied().unwrap_or(*owner);
        }
        self.topology = topology;
    }

    /// Whether a slot is served there, as far as is known.
    fn serves(&self, slot: u16, address: &Address) -> bool {
        let lane = self.lane(slot).and_then(|lane| self.lanes.get(lane));
        lane.is_some_and(|lane| lane.address == *address)
    }

    fn lane_at(&mut self, address: &Address, slot: Option<u16>) -> usize {
        if let Some(lane) = self.lanes.iter().position(|lane| lane.address == *address) {
            return lane;
        }
        self.lanes.push(Lane { address: address.clone(), home: slot.unwrap_or_default() });
        self.lanes.len() - 1
    }

    /// An address as a node said it: an empty host is its own.
    fn spoken(&self, from: usize, to: &Address) -> Address {
        match (to, self.lanes.get(from)) {
            (Address::Tcp(host, port), Some(lane)) if host.is_empty() => {
                Address::Tcp(lane.address.host().to_owned(), *port)
            }
            _ => to.clone(),
        }
    }
}

/// Whether a shard is what a lane was before its master changed.
fn took_over(topology: &Topology, shard: &Shard, lane: &Lane) -> bool {
    shard_of(topology, lane.home).is_some_and(|owner| owner.master == shard.master)
        || shard.replicas.contains(&lane.address)
}

fn shard_of(topology: &Topology, slot: u16) -> Option<&Shard> {
    topology.shards().get(topology.owner(slot)?)
}

impl Route for Slots {
    fn lanes(&self) -> usize {
        self.lanes.len()
    }

    fn lane(&self, slot: u16) -> Option<usize> {
        self.owners.get(usize::from(slot)).copied()
    }

    fn open(&mut self, lane: usize) -> Result<Connection, Failure> {
        if self.is_stale {
            match self.refresh() {
                Err(failure) if self.trusts_last && failure.is_passing() => {}
                other => other?,
            }
        }
        let Some(address) = self.lanes.get(lane).map(|lane| lane.address.clone()) else {
            return Err(Failure::Unfound {
                address: Address::Tcp(String::new(), 0),
                words: format!("no node of the Cluster serves lane {lane}"),
                is_passing: false,
            });
        };
        self.connector.open(&address)
    }

    fn followers(&mut self, lane: usize) -> Result<usize, Failure> {
        self.refresh()?;
        let shard = self.lanes.get(lane).and_then(|lane| self.topology.at(&lane.address));
        let shard = shard.and_then(|shard| self.topology.shards().get(shard));
        Ok(shard.map_or(0, |shard| shard.replicas.len()))
    }

    fn broke(&mut self, _: usize, _: &Failure) {
        self.is_stale = true;
    }

    fn trust_last(&mut self, trusts: bool) {
        self.trusts_last = trusts;
    }

    fn moved(&mut self, from: usize, slot: u16, to: &Address) -> Result<(), Failure> {
        let to = self.spoken(from, to);
        if self.serves(slot, &to) {
            return Ok(());
        }
        // A slot may have moved, or a replica have taken over all of them: the table tells which.
        match self.refresh() {
            Err(failure) if !failure.is_passing() => return Err(failure),
            _ if self.serves(slot, &to) => return Ok(()),
            _ => {}
        }
        // The node that was named knows it before the others do.
        if let Some(lane) = self.lanes.get_mut(from)
            && let Some(shard) = self.topology.at(&lane.address)
            && self.topology.shards().get(shard).is_some_and(|it| it.replicas.contains(&to))
        {
            lane.address = to;
            return Ok(());
        }
        let lane = self.lane_at(&to, Some(slot));
        if let Some(owner) = self.owners.get_mut(usize::from(slot)) {
            *owner = lane;
        }
        // The old owner's home may be what moved.
        if self.lanes.get(from).is_some_and(|lane| lane.home == slot)
            && let Some(home) = self.owners.iter().position(|owner| *owner == from)
            && let (Some(lane), Ok(home)) = (self.lanes.get_mut(from), u16::try_from(home))
        {
            lane.home = home;
        }
        Ok(())
    }

    fn asked(&mut self, from: usize, to: &Address) -> Result<usize, Failure> {
        let to = self.spoken(from, to);
        Ok(self.lane_at(&to, None))
    }

    fn tag(&self, lane: usize) -> String {
        let home = self.lanes.get(lane).map_or(0, |lane| lane.home);
        format!("{{{}}}", tag_of(home))
    }

    fn forget(&mut self, keys: &dyn Fn(&str) -> Vec<String>) -> Result<(), Failure> {
        self.refresh()?;
        for lane in 0..self.lanes.len() {
            let (mut bytes, mut count) = (Vec::new(), 0);
            for slot in (0..SLOTS).filter(|&slot| self.lane(slot) == Some(lane)) {
                let mut words = vec!["DEL".to_owned()];
                words.extend(keys(&format!("{{{}}}", tag_of(slot))));
                encode::command(&mut bytes, words);
                count += 1;
            }
            if count > 0 {
                self.open(lane)?.send(&bytes, count)?;
            }
        }
        Ok(())
    }

    fn name(&self, lane: usize) -> String {
        self.lanes.get(lane).map_or_else(String::new, |lane| lane.address.to_string())
    }
}

/// A short text whose slot is this one, to be put between braces.
pub fn tag_of(slot: u16) -> &'static str {
    TAGS.get(usize::from(slot)).map_or("", String::as_str)
}

static TAGS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut tags = vec![String::new(); usize::from(SLOTS)];
    let mut left = tags.len();
    for number in 0_u32.. {
        let text = number.to_string();
        match tags.get_mut(usize::from(slot(text.as_bytes()))) {
            Some(tag) if tag.is_empty() => *tag = text,
            _ => continue,
        }
        left -= 1;
        if left == 0 {
            break;
        }
    }
    tags
});

#[cfg(test)]
mod tests {
    use super::{SLOTS, slot, tag_of};

    #[test]
    fn every_slot_has_a_tag() {
        for of in 0..SLOTS {
            assert_eq!(slot(format!("rdbkit:{{{}}}", tag_of(of)).as_bytes()), of);
        }
    }
}
