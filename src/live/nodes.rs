//! The servers that together have the data of an endpoint.

use std::ops::RangeInclusive;
use std::sync::atomic::AtomicBool;

use super::{
    Address, Connector, Endpoint, Failure, Place, Role, Sentinels, ServerInfo, Topology, patiently,
};
use crate::error::{Error, Result};

/// A server that data is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it is.
    pub address: Address,
    /// Its URL, without the password.
    pub name: String,
    /// Of a Cluster: the slots that it has.
    pub slots: Vec<RangeInclusive<u16>>,
    /// Of a Cluster: the master of these slots, and its replicas.
    pub members: Vec<Address>,
}

impl Node {
    /// One of an endpoint's.
    fn new(endpoint: &Endpoint, address: Address, slots: Vec<RangeInclusive<u16>>) -> Self {
        let place = Place::Server(address.clone());
        let name = Endpoint { place, database: None, ..endpoint.clone() }.to_string();
        Node { address, name, slots, members: Vec::new() }
    }
}

/// The servers to read from: one, or of a Cluster one for each shard. Where a replica is preferred
/// and one is in step with its master, that; else the master.
///
/// Fails where nobody says who has the data, and where some slots have nobody.
pub fn nodes(
    endpoint: &Endpoint,
    connector: &Connector,
    prefer_replica: bool,
) -> Result<Vec<Node>> {
    no_database(endpoint)?;
    Ok(found(endpoint, connector, prefer_replica)?)
}

/// The same, once all of them answer: a failover that is under way is waited for, as long as a server
/// may be silent, or until `stop` is set. A single server is not asked at all.
pub fn nodes_in_service(
    endpoint: &Endpoint,
    connector: &Connector,
    prefer_replica: bool,
    stop: &AtomicBool,
) -> Result<Vec<Node>> {
    no_database(endpoint)?;
    let limits = (connector.timeouts().reply, stop);
    Ok(patiently(endpoint, connector, limits, &|_| (), || {
        let nodes = found(endpoint, connector, prefer_replica)?;
        if !matches!(endpoint.place, Place::Server(_)) {
            nodes.iter().try_for_each(|node| in_service(connector, &node.address))?;
        }
        Ok(nodes)
    })?)
}

fn no_database(endpoint: &Endpoint) -> Result<()> {
    match endpoint.database {
        Some(db @ 1..) => Err(Error::Usage(format!(
            "{endpoint}: a server sends all its databases or nothing: leave the database out, and \
             choose its keys with --db {db} where the verb has it"
        ))),
        _ => Ok(()),
    }
}

fn found(
    endpoint: &Endpoint,
    connector: &Connector,
    prefer_replica: bool,
) -> Result<Vec<Node>, Failure> {
    let impatient = &connector.impatient();
    let choose = |master: Address, replicas: Vec<Address>| {
        let in_step = |replica: &Address| is_in_step(impatient, replica);
        let preferred = replicas.into_iter().filter(|_| prefer_replica).find(in_step);
        preferred.unwrap_or(master)
    };
    match &endpoint.place {
        Place::Server(address) => Ok(vec![Node::new(endpoint, address.clone(), Vec::new())]),
        Place::Sentinel { seeds, service, access } => {
            let mut sentinels =
                Sentinels::new(connector, seeds.clone(), service.clone(), access.clone());
            let master = sentinels.master()?;
            let replicas = if prefer_replica { sentinels.replicas()? } else { Vec::new() };
            Ok(vec![Node::new(endpoint, choose(master, replicas), Vec::new())])
        }
        Place::Cluster { seeds } => {
            let topology = Topology::discover(impatient, seeds)?;
            let shards = topology.shards().iter().filter(|shard| !shard.slots.is_empty());
            let node = |shard: &super::Shard| {
                let address = choose(shard.master.clone(), shard.replicas.clone());
                let members = [vec![shard.master.clone()], shard.replicas.clone()].concat();
                Node { members, ..Node::new(endpoint, address, shard.slots.clone()) }
            };
            Ok(shards.map(node).collect())
        }
    }
}

/// Fails where a server can't be reached, or is one that has just lost its master.
fn in_service(connector: &Connector, address: &Address) -> Result<(), Failure> {
    match ServerInfo::of(&mut connector.open(address)?) {
        Ok(info) if info.role == Role::Replica && !info.has_master_link() => {
            Err(Failure::Unfound {
                address: address.clone(),
                words: format!(
                    "{address} is a replica whose link to its master is down: is a failover under \
                     way?"
                ),
                is_passing: true,
            })
        }
        // Replicating can be allowed without being told.
        Err(failure) if failure.is_passing() => Err(failure),
        _ => Ok(()),
    }
}

/// Whether a replica can be reached and its link to its master stands.
fn is_in_step(connector: &Connector, replica: &Address) -> bool {
    let info = connector.open(replica).and_then(|mut connection| ServerInfo::of(&mut connection));
    info.is_ok_and(|info| info.has_master_link() && !info.is_loading)
}
