//! The nodes.conf of a cluster's node: who has which slots.
//!
//! ```text
//! ID HOST:PORT@BUS[,HOSTNAME] FLAGS PRIMARY PING PONG EPOCH LINK [SLOT|A-B|[SLOT->-ID]] …
//! vars currentEpoch 6 lastVoteEpoch 0
//! ```
//!
//! CLUSTER NODES answers the same without the last line. Slots in brackets are on their way to or
//! from another node and are listed without them where they belong now. A live Cluster is asked
//! itself.

use std::ops::RangeInclusive;

use super::SlotPart;
use crate::bytes::slot::SLOTS;
use crate::error::{Error, Result};
#[cfg(feature = "live")]
use crate::live::{Connector, Endpoint, LiveOptions, Place, Topology};

/// A node that has slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its id.
    pub id: String,
    /// Host and port.
    pub address: String,
    /// Its slots.
    pub slots: Vec<RangeInclusive<u16>>,
}

impl Node {
    /// The part that is for this node.
    pub fn part(self) -> SlotPart {
        // A node that does not know its own address has none.
        let known = self.address.split(':').next().is_some_and(|host| !host.is_empty());
        let name = if known { self.address } else { self.id };
        SlotPart { name: Some(name), slots: self.slots }
    }
}

/// Reads a nodes.conf, or what CLUSTER NODES answers: the nodes that have slots, in its order.
/// `name` is for sentences.
///
/// ```
/// use rdbkit::ops::split::nodes;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let text = "e7d1eec 127.0.0.1:30001@31001 myself,master - 0 0 1 connected 0-5460 12000";
/// let found = nodes(text, "nodes.conf")?;
/// assert_eq!(found[0].slots, [0..=5460, 12000..=12000]);
/// # Ok(())
/// # }
/// ```
pub fn nodes(text: &str, name: &str) -> Result<Vec<Node>> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let wrong = |why: &str| {
            Error::Usage(format!(
                "{name}: line {}: {why}; a nodes.conf, or the answer of CLUSTER NODES, is expected",
                number + 1
            ))
        };
        let mut words = line.split_ascii_whitespace();
        let Some(id) = words.next() else { continue };
        if id == "vars" {
            continue;
        }
        let (Some(address), Some(flags)) = (words.next(), words.next()) else {
            return Err(wrong("a node has an id, an address and flags"));
        };
        if words.by_ref().take(5).count() < 5 {
            return Err(wrong("a node has eight fields before its slots"));
        }
        let address = address.split(['@', ',']).next().unwrap_or(address);
        let mut slots = Vec::new();
        for word in words.filter(|word| !word.starts_with('[')) {
            let (first, last) = word.split_once('-').unwrap_or((word, word));
            match (first.parse::<u16>(), last.parse::<u16>()) {
                (Ok(first), Ok(last)) if first <= last && last < SLOTS => slots.push(first..=last),
                _ => return Err(wrong(&format!("{word:?} are no slots"))),
            }
        }
        let is_primary = flags.split(',').any(|flag| flag == "master" || flag == "primary");
        if is_primary && !slots.is_empty() {
            found.push(Node { id: id.to_owned(), address: address.to_owned(), slots });
        }
    }
    if found.is_empty() {
        return Err(Error::Usage(format!("{name} has no node with slots")));
    }
    Ok(found)
}

/// Asks a Cluster, by any of its nodes: the masters that serve slots at this moment.
///
/// Fails where nobody answers, and where some slots have nobody.
///
/// ```no_run
/// use rdbkit::live::LiveOptions;
/// use rdbkit::ops::split::{By, nodes_of_cluster};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let endpoint = "redis+cluster://node-1,node-2".parse()?;
/// let nodes = nodes_of_cluster(&endpoint, &LiveOptions::default())?;
/// let by = By::Slots(nodes.into_iter().map(|node| node.part()).collect());
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "live")]
pub fn nodes_of_cluster(endpoint: &Endpoint, options: &LiveOptions) -> Result<Vec<Node>> {
    let connector = Connector::new(endpoint, &options.tls, options.timeouts)?;
    let seeds = match &endpoint.place {
        Place::Cluster { seeds } => seeds.as_slice(),
        Place::Server(address) => std::slice::from_ref(address),
        Place::Sentinel { .. } => {
            return Err(Error::Usage(format!(
                "{endpoint}: Sentinels watch over servers that have all slots: name a node of a \
                 Cluster, redis+cluster://HOST:PORT"
            )));
        }
    };
    let topology = Topology::discover(&connector, seeds)?;
    let node = |shard: &crate::live::Shard| Node {
        id: shard.id.clone(),
        address: shard.master.to_string(),
        slots: shard.slots.clone(),
    };
    Ok(topology.shards().iter().filter(|shard| !shard.slots.is_empty()).map(node).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primaries_with_slots_are_found() {
        let text = "\
07c37df 127.0.0.1:30004@31004,host4 slave e7d1eec 0 1426238317239 4 connected
67ed2db 127.0.0.1:30002@31002 master - 0 1426238316232 2 connected 5461-10922 [93-<-292f]
292f8b3 127.0.0.1:30003@31003 master - 0 1426238318243 3 connected
e7d1eec 127.0.0.1:30001@31001 myself,master - 0 0 1 connected 0-5460 12000 [77->-67ed]
vars currentEpoch 6 lastVoteEpoch 0
";
        let found = nodes(text, "nodes.conf").unwrap();
        let seen: Vec<_> = found.iter().map(|n| (n.address.as_str(), n.slots.clone())).collect();
        let want = [
            ("127.0.0.1:30002", vec![5461..=10922]),
            ("127.0.0.1:30001", vec![0..=5460, 12000..=12000]),
        ];
        assert_eq!(seen, want);
    }

    #[test]
    fn what_is_no_nodes_conf_is_said() {
        let wrong = |text: &str| nodes(text, "x").unwrap_err().to_string();
        assert!(wrong("").contains("no node with slots"));
        assert!(wrong("a b").contains("line 1: a node has an id"));
        assert!(wrong("a b master - 0 0 1 connected 0-99999").contains("are no slots"));
    }
}
