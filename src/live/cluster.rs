//! A Cluster: which node serves which slots at this moment.
//!
//! ```text
//! CLUSTER SLOTS  →  first slot, last slot, [host, port, id] of the master, and of each replica
//! ```
//!
//! Any node can be asked. What it says may be a moment old: a node that does not serve a slot any
//! more answers MOVED, and the table is read again.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use redis::Value;

use super::sentinel::{silence, text};
use super::{Address, Class, Connection, Connector, Failure};
use crate::bytes::slot::SLOTS;

/// A master and those that follow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// The id of the master's node; empty where a server is too old to tell.
    pub id: String,
    /// The master.
    pub master: Address,
    /// Its replicas, as far as the others think that they are up.
    pub replicas: Vec<Address>,
    /// The slots that it serves, in order.
    pub slots: Vec<RangeInclusive<u16>>,
}

/// Who serves what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    shards: Vec<Shard>,
    /// For each slot, which of the shards.
    owners: Vec<Option<u16>>,
}

impl Topology {
    /// Asks one node after the other until one knows who serves every slot.
    pub fn discover<'a>(
        connector: &Connector,
        seeds: impl IntoIterator<Item = &'a Address>,
    ) -> Result<Self, Failure> {
        let (mut silent, mut told) = (Vec::new(), None);
        let (mut first, mut hangs_up) = (None, false);
        for seed in seeds {
            first.get_or_insert(seed);
            let asked = connector
                .open(seed)
                .and_then(|mut node| Self::of(&mut node)?.whole(seed, || is_changing(&mut node)));
            match asked {
                Ok(topology) => return Ok(topology),
                Err(failure @ (Failure::Unreachable { .. } | Failure::Lost { .. })) => {
                    hangs_up |= matches!(failure, Failure::Lost { .. });
                    silent.push(silence(&failure));
                }
                Err(failure) => {
                    told.get_or_insert(failure);
                }
            }
        }
        Err(told.unwrap_or_else(|| Failure::Unfound {
            address: first.cloned().unwrap_or(Address::Tcp(String::new(), 0)),
            words: format!(
                "no node of the Cluster answers ({}): are they running, and are the addresses \
                 right?{}",
                silent.join("; "),
                // So does a server that waits for a TLS handshake.
                if hangs_up { " Over TLS it is rediss+cluster://" } else { "" }
            ),
            is_passing: true,
        }))
    }

    /// What one node says, which need not be all slots.
    pub fn of(node: &mut Connection) -> Result<Self, Failure> {
        let reply = node.request(&["CLUSTER", "SLOTS"]).map_err(|failure| match failure {
            Failure::Refused { address, reply, .. }
                if reply.words.contains("cluster support disabled") =>
            {
                Failure::Unfit {
                    address,
                    words: "is no node of a Cluster (cluster-enabled no): a single server is \
                            redis:// rather than redis+cluster://"
                        .into(),
                }
            }
            Failure::Refused { address, reply, .. } if reply.class() == Class::Refused => {
                Failure::Unfit {
                    address,
                    words: format!("does not say who serves which slots (CLUSTER SLOTS): {reply}"),
                }
            }
            failure => failure,
        })?;
        let mut topology = Topology { shards: Vec::new(), owners: vec![None; usize::from(SLOTS)] };
        let Value::Array(ranges) = reply else { return Ok(topology) };
        for range in ranges {
            topology.add(range, node.address());
        }
        for shard in &mut topology.shards {
            shard.slots.sort_by_key(|range| *range.start());
        }
        Ok(topology)
    }

    /// One of masters without replicas: the id of each, where it is, and its slots.
    #[cfg(test)]
    pub(super) fn made<'n>(
        nodes: impl IntoIterator<Item = (&'n str, Address, RangeInclusive<u16>)>,
    ) -> Self {
        let shard = |(id, master, slots): (&str, Address, _)| Shard {
            id: id.to_owned(),
            master,
            replicas: Vec::new(),
            slots: vec![slots],
        };
        Topology { shards: nodes.into_iter().map(shard).collect(), owners: Vec::new() }
    }

    /// The masters that serve slots, each with its replicas.
    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// Which of the shards serves a slot.
    pub fn owner(&self, slot: u16) -> Option<usize> {
        self.owners.get(usize::from(slot)).copied().flatten().map(usize::from)
    }

    /// The shard whose master is there.
    pub fn at(&self, master: &Address) -> Option<usize> {
        self.shards.iter().position(|shard| shard.master == *master)
    }

    /// Everybody who can be asked next time: masters first.
    pub fn nodes(&self) -> impl Iterator<Item = &Address> {
        let masters = self.shards.iter().map(|shard| &shard.master);
        masters.chain(self.shards.iter().flat_map(|shard| &shard.replicas))
    }

    /// Ranges of slots that nobody serves.
    pub fn uncovered(&self) -> Vec<RangeInclusive<u16>> {
        let mut ranges: Vec<RangeInclusive<u16>> = Vec::new();
        for slot in (0..SLOTS).filter(|&slot| self.owner(slot).is_none()) {
            match ranges.last_mut() {
                Some(last) if *last.end() + 1 == slot => *last = *last.start()..=slot,
                _ => ranges.push(slot..=slot),
            }
        }
        ranges
    }

    /// Itself, if every slot has a master; `is_changing` says whether that is about to be so.
    fn whole(self, seed: &Address, is_changing: impl FnOnce() -> bool) -> Result<Self, Failure> {
        let uncovered = self.uncovered();
        if uncovered.is_empty() {
            return Ok(self);
        }
        let missing: usize = uncovered.iter().map(RangeInclusive::len).sum();
        let shown: Vec<String> = uncovered.iter().take(3).map(shown).collect();
        let more = if uncovered.len() > 3 { ", …" } else { "" };
        let words = format!(
            "{seed} knows of nobody who serves {} of the {SLOTS} slots ({}{more}): is the Cluster \
             complete (CLUSTER INFO)?",
            missing,
            shown.join(", ")
        );
        let address = seed.clone();
        Err(if is_changing() {
            Failure::Unfound { address, words, is_passing: true }
        } else {
            Failure::Unserved { address, words }
        })
    }

    /// Takes one range in; `asked` is who said it, and stands for hosts that it leaves empty.
    fn add(&mut self, range: Value, asked: &Address) {
        let Value::Array(fields) = range else { return };
        let number = |at: usize| match fields.get(at) {
            Some(Value::Int(number)) => u16::try_from(*number).ok().filter(|&slot| slot < SLOTS),
            _ => None,
        };
        let (Some(from), Some(to)) = (number(0), number(1)) else { return };
        let mut nodes = fields.iter().skip(2).filter_map(|node| place(node, asked));
        let Some((master, id)) = nodes.next() else { return };
        let replicas: BTreeSet<Address> = nodes.map(|(address, _)| address).collect();
        let index = self.at(&master).unwrap_or_else(|| {
            let replicas = replicas.into_iter().collect();
            self.shards.push(Shard { id, master, replicas, slots: Vec::new() });
            self.shards.len() - 1
        });
        let Ok(number) = u16::try_from(index) else { return };
        for slot in from..=to {
            if let Some(owner) = self.owners.get_mut(usize::from(slot)) {
                *owner = Some(number);
            }
        }
        if let Some(shard) = self.shards.get_mut(index) {
            shard.slots.push(from..=to);
        }
    }
}

/// Whether a node gets to know others just now, or doubts that they live. One that does not tell may.
fn is_changing(node: &mut Connection) -> bool {
    let told = node.request(&["CLUSTER", "NODES"]).ok().as_ref().and_then(text);
    told.is_none_or(|told| told.lines().any(has_doubts))
}

/// `ID ADDRESS FLAG,FLAG …`
fn has_doubts(line: &str) -> bool {
    let flags = line.split(' ').nth(2).unwrap_or_default();
    flags.split(',').any(|flag| matches!(flag, "fail?" | "handshake"))
}

/// `5`, `5-9`.
fn shown(range: &RangeInclusive<u16>) -> String {
    match (range.start(), range.end()) {
        (from, to) if from == to => from.to_string(),
        (from, to) => format!("{from}-{to}"),
    }
}

/// Address and id of a node; a host that is empty or unknown is the one that was asked.
fn place(node: &Value, asked: &Address) -> Option<(Address, String)> {
    let Value::Array(fields) = node else { return None };
    let port = match fields.get(1)? {
        Value::Int(port) => u16::try_from(*port).ok()?,
        _ => return None,
    };
    let host = fields.first().and_then(text).filter(|host| !host.is_empty() && host != "?");
    let address = Address::Tcp(host.unwrap_or_else(|| asked.host().to_owned()), port);
    Some((address, fields.get(2).and_then(text).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(host: &str, port: u16, id: &str) -> Value {
        let host = Value::BulkString(host.into());
        Value::Array(vec![host, Value::Int(port.into()), Value::BulkString(id.into())])
    }

    fn range(from: i64, to: i64, nodes: &[Value]) -> Value {
        let bounds = [Value::Int(from), Value::Int(to)];
        Value::Array(bounds.into_iter().chain(nodes.iter().cloned()).collect())
    }

    fn read(ranges: Vec<Value>) -> Topology {
        let mut topology = Topology { shards: Vec::new(), owners: vec![None; usize::from(SLOTS)] };
        let asked = Address::Tcp("asked".into(), 1);
        ranges.into_iter().for_each(|range| topology.add(range, &asked));
        topology
    }

    #[test]
    fn slots_have_an_owner() {
        let (a, b) = (node("a", 1, "A"), node("", 2, "B"));
        let replica = node("c", 3, "C");
        let topology = read(vec![
            range(0, 99, &[a.clone(), replica.clone()]),
            range(100, 16382, &[b]),
            range(16383, 16383, &[a, replica]),
        ]);
        assert_eq!(topology.shards().len(), 2);
        assert_eq!(topology.owner(99), Some(0));
        assert_eq!(topology.owner(100), Some(1));
        assert_eq!(topology.owner(16383), Some(0));
        assert_eq!(topology.shards()[0].slots, [0..=99, 16383..=16383]);
        assert_eq!(topology.shards()[0].replicas, [Address::Tcp("c".into(), 3)]);
        assert_eq!(topology.shards()[1].master, Address::Tcp("asked".into(), 2));
        assert!(topology.uncovered().is_empty());
        assert_eq!(topology.nodes().count(), 3);
    }

    #[test]
    fn slots_that_nobody_serves_are_named() {
        let topology =
            read(vec![range(5, 9, &[node("a", 1, "")]), range(11, 16382, &[node("b", 1, "")])]);
        assert_eq!(topology.uncovered(), [0..=4, 10..=10, 16383..=16383]);
        for is_changing in [true, false] {
            let asked = topology.clone();
            let said = asked.whole(&Address::Tcp("a".into(), 1), || is_changing).unwrap_err();
            assert!(said.is_passing());
            assert_eq!(matches!(said, Failure::Unserved { .. }), !is_changing);
            let said = said.to_string();
            assert!(said.contains("7 of the 16384 slots (0-4, 10, 16383)"), "{said}");
        }
    }

    #[test]
    fn doubts_are_among_the_flags_of_a_node() {
        for (flags, want) in [
            ("myself,master", false),
            ("slave", false),
            ("master,fail", false),
            ("master,fail?", true),
            ("handshake", true),
        ] {
            assert_eq!(has_doubts(&format!("id 127.0.0.1:1@2 {flags} - 0 0 0 x")), want, "{flags}");
        }
    }

    #[test]
    fn claims_beyond_the_table_are_left_out() {
        let topology =
            read(vec![range(0, 99_999, &[node("a", 1, "")]), Value::Nil, range(5, 4, &[])]);
        assert_eq!(topology.shards().len(), 0);
    }
}
