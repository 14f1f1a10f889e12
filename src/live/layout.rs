//! Whether the slots of a Cluster stay where they are while it is read.
//!
//! ```text
//! CLUSTER NODES, each master about itself
//! <id> <address> myself,master - 0 <pong> <epoch> connected 0-5460 [77->-<id>]
//!                                                           └ has  └ is moving away
//! ```
//!
//! Nodes are read one after the other. A slot that moves meanwhile may be read twice or not at all,
//! and nothing in the data tells: only the nodes do, before and after. A slot that moved and came
//! back is told by the epoch of its node.

use std::collections::BTreeMap;

use redis::Value;

use super::sentinel::text;
use super::{Address, Connector, Failure, Topology};

/// Which slots go together, and who had them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// By the slots of a node: its id and its epoch.
    nodes: BTreeMap<String, (String, String)>,
}

impl Layout {
    /// Asks all masters. Fails where a slot is on its way from one node to another.
    pub fn of(connector: &Connector, seeds: &[Address]) -> Result<Self, Failure> {
        let topology = Topology::discover(connector, seeds)?;
        let mut nodes = BTreeMap::new();
        for shard in topology.shards().iter().filter(|shard| !shard.slots.is_empty()) {
            let mut node = connector.open(&shard.master)?;
            let listed = node.request(&["CLUSTER", "NODES"])?;
            let (slots, who) = own_line(&listed, &shard.master)?;
            nodes.insert(slots, who);
        }
        Ok(Layout { nodes })
    }

    /// Whether no slot can have moved between this moment and a later one. That a replica has
    /// taken its master's place is no such move.
    pub fn stayed(&self, later: &Layout) -> bool {
        self.nodes.len() == later.nodes.len()
            && self.nodes.iter().all(|(slots, (id, epoch))| {
                let then = later.nodes.get(slots);
                then.is_some_and(|(other, later)| id != other || epoch == later)
            })
    }
}

/// What a node says of itself: its slots, and its id and epoch.
fn own_line(listed: &Value, address: &Address) -> Result<(String, (String, String)), Failure> {
    let unfit = |words: String| Failure::Unfit { address: address.clone(), words };
    let listed = text(listed).unwrap_or_default();
    let mut lines = listed.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let own = lines.find(|words| words.get(2).is_some_and(|flags| flags.contains("myself")));
    let words = own.unwrap_or_default();
    let (Some(id), Some(epoch), Some(slots)) = (words.first(), words.get(6), words.get(8..)) else {
        return Err(unfit("does not say which slots it has (CLUSTER NODES)".into()));
    };
    if let Some(moving) = slots.iter().find_map(|word| word.strip_prefix('[')) {
        let slot = moving.split('-').next().unwrap_or_default();
        return Err(unfit(format!(
            "is moving slot {slot} to or from another node: read the Cluster when its slots are at \
             rest (CLUSTER NODES, --cluster check), or its nodes one by one"
        )));
    }
    Ok((slots.join(" "), ((*id).to_owned(), (*epoch).to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(slots: &str) -> Result<(String, (String, String)), Failure> {
        let lines = format!(
            "bbb 127.0.0.1:2@12 master - 0 1 2 connected 5461-16383\n\
             aaa 127.0.0.1:1@11 myself,master - 0 0 7 connected{slots}\n"
        );
        own_line(&Value::BulkString(lines.into()), &Address::Tcp("a".into(), 1))
    }

    #[test]
    fn a_node_tells_of_itself() {
        let told = own(" 0-5460 9000").unwrap();
        assert_eq!(told, ("0-5460 9000".into(), ("aaa".into(), "7".into())));
        assert_eq!(own("").unwrap().0, "");
        for moving in [" 0-5460 [77->-bbb]", " 0-5460 [77-<-bbb]"] {
            let words = own(moving).unwrap_err().to_string();
            assert!(words.contains("is moving slot 77"), "{words}");
        }
        let nothing = own_line(&Value::Nil, &Address::Tcp("a".into(), 1)).unwrap_err();
        assert!(nothing.to_string().contains("does not say which slots"), "{nothing}");
    }

    #[test]
    fn slots_that_moved_are_seen_and_failovers_are_none() {
        let layout = |nodes: &[(&str, &str, &str)]| Layout {
            nodes: nodes
                .iter()
                .map(|(slots, id, epoch)| ((*slots).into(), ((*id).into(), (*epoch).into())))
                .collect(),
        };
        let before = layout(&[("0-9", "a", "1"), ("10-19", "b", "2")]);
        assert!(before.stayed(&before));
        assert!(before.stayed(&layout(&[("0-9", "a", "1"), ("10-19", "c", "3")])));
        assert!(!before.stayed(&layout(&[("0-8", "a", "1"), ("9-19", "b", "3")])));
        assert!(!before.stayed(&layout(&[("0-9", "a", "3"), ("10-19", "b", "2")])));
        assert!(!before.stayed(&layout(&[("0-19", "a", "1")])));
    }
}
