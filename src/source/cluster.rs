//! A Cluster as one source: the snapshots of its masters, one after the other.
//!
//! Each is of a moment of its own, as the nodes of a Cluster are. The node with the newest server
//! comes first, so that its format can hold what the others send.

use std::cmp::Reverse;
use std::sync::atomic::AtomicBool;

use super::WindowOptions;
use super::joined::{Joined, Part};
use crate::error::{Error, Result};
use crate::live::{
    Address, Connector, Endpoint, Layout, Node, ServerInfo, nodes, nodes_in_service, replication,
};

/// What the nodes of a Cluster hold. Nothing is transferred before it is read.
pub(super) fn joined(
    endpoint: &Endpoint,
    seeds: &[Address],
    connector: Connector,
    prefer_replica: bool,
    window: &WindowOptions,
) -> Result<Joined> {
    // A failover that is under way is over before anything is read.
    nodes_in_service(endpoint, &connector, prefer_replica, &AtomicBool::new(false))?;
    let before = Layout::of(&connector, seeds)?;
    let mut found = nodes(endpoint, &connector, prefer_replica)?;
    found.sort_by_cached_key(|node| Reverse(version(&connector, node)));
    let (mut rest, seeds, shown) = (found.into_iter(), seeds.to_vec(), endpoint.to_string());
    let next = move || match rest.next() {
        Some(Node { address, name, slots, .. }) => {
            let (_, payload) = replication::snapshot(&connector, &address, &name)?;
            Ok(Some(Part { name, slots, reader: Box::new(payload) }))
        }
        None if before.stayed(&Layout::of(&connector, &seeds)?) => Ok(None),
        None => Err(Error::Usage(format!(
            "slots of {shown} moved from node to node while it was read, so keys of theirs may be \
             missing: read it again"
        ))),
    };
    Ok(Joined::new(Box::new(next), window.clone()))
}

/// Newer servers write newer formats, and Valkey reads what Redis wrote before they parted.
fn version(connector: &Connector, node: &Node) -> impl Ord + use<> {
    let info = connector.open(&node.address).and_then(|mut server| ServerInfo::of(&mut server));
    info.ok().map(|info| (info.target.product, info.target.version))
}
