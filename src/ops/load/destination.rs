//! The target of a load: found, asked who it is, and refused early where it cannot be one.

use crate::error::Result;
use crate::live::{Address, Connector, Endpoint, Failure, Place, Role, Sentinels, ServerInfo};
use crate::target::live::{Route, Slots, Standalone, Watched};

/// A target that was reached.
pub struct Destination {
    /// Who serves which keys.
    pub route: Box<dyn Route>,
    /// What it is called.
    pub name: String,
    /// Who answers there; of several servers, one of them.
    pub info: ServerInfo,
    /// How its servers are reached.
    pub connector: Connector,
}

/// Reaches the target of an endpoint, over so many connections to each server.
pub fn connect(
    endpoint: &Endpoint,
    connector: &Connector,
    connections: usize,
) -> Result<Destination> {
    let name = endpoint.to_string();
    let kept = connector.clone();
    match &endpoint.place {
        Place::Server(address) => {
            let mut connection = connector.open(address)?;
            let info = ServerInfo::of(&mut connection)?;
            fit(address, &info)?;
            let route = Standalone::new(connector.clone(), address.clone(), connections);
            Ok(Destination { route: Box::new(route), name, info, connector: kept })
        }
        Place::Sentinel { seeds, service, access } => {
            let mut sentinels =
                Sentinels::new(connector, seeds.clone(), service.clone(), access.clone());
            let info = ServerInfo::of(&mut sentinels.connect(connector)?)?;
            let route = Watched::new(connector.clone(), sentinels, connections);
            Ok(Destination { route: Box::new(route), name, info, connector: kept })
        }
        Place::Cluster { seeds } => {
            let mut route = Slots::discover(connector.clone(), seeds.clone())?;
            let info = ServerInfo::of(&mut route.open(0)?)?;
            Ok(Destination { route: Box::new(route), name, info, connector: kept })
        }
    }
}

/// Refuses what is no single server that takes writes.
fn fit(address: &Address, info: &ServerInfo) -> Result<(), Failure> {
    let words = match info.role {
        Role::Sentinel => {
            "is a Sentinel, not a server: give redis+sentinel://HOST:PORT/SERVICE".to_owned()
        }
        Role::Replica if !info.is_cluster => {
            let field = |name: &str| info.fields.get(name).map_or("?", String::as_str);
            format!(
                "is a replica and takes no writes: its master is {}:{}",
                field("master_host"),
                field("master_port")
            )
        }
        _ if info.is_cluster => {
            "is a node of a Cluster: give redis+cluster://HOST:PORT, so that each key goes to the \
             node that serves it"
                .to_owned()
        }
        _ => return Ok(()),
    };
    Err(Failure::Unfit { address: address.clone(), words })
}
