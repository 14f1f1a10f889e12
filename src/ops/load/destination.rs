//! The target of a load: found, asked who it is, and refused early where it cannot be one.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::settle::{not_yet, with_rights};
use crate::error::{Error, Result};
use crate::live::{
    Address, Connector, Endpoint, Failure, Place, Role, Sentinels, ServerInfo, patiently,
};
use crate::ops::silences::told;
use crate::ops::walk::Observer;
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

/// Reaches the target of an endpoint, over so many connections to each server. One that is there and
/// cannot take anything yet is waited for as long as `patience` lasts, and the observer hears of that.
pub fn connect(
    endpoint: &Endpoint,
    connector: &Connector,
    connections: usize,
    patience: Duration,
    observer: &dyn Observer,
) -> Result<Destination> {
    // Nobody listens to signals yet, so they end the program.
    let limits = (patience, &AtomicBool::new(false));
    let connector = &connector.watching(endpoint, false);
    let waits = |failure: &Failure| observer.waiting(&failure.to_string());
    let reached = told(connector, observer, || {
        patiently(endpoint, connector, limits, &waits, || reach(endpoint, connector, connections))
    });
    let (route, info) = reached.map_err(|failure| Error::Usage(with_rights(&failure)))?;
    observer.goes_on();
    let (name, connector) = (endpoint.to_string(), connector.clone());
    Ok(Destination { route, name, info, connector })
}

fn reach(
    endpoint: &Endpoint,
    connector: &Connector,
    connections: usize,
) -> Result<(Box<dyn Route>, ServerInfo), Failure> {
    let (route, mut connection): (Box<dyn Route>, _) = match &endpoint.place {
        Place::Server(address) => {
            let route = Standalone::new(connector.clone(), address.clone(), connections);
            (Box::new(route), connector.open_first(address)?)
        }
        Place::Sentinel { seeds, service, access } => {
            let mut sentinels =
                Sentinels::new(connector, seeds.clone(), service.clone(), access.clone());
            let connection = sentinels.connect(connector)?;
            (Box::new(Watched::new(connector.clone(), sentinels, connections)), connection)
        }
        Place::Cluster { seeds } => {
            let mut route = Slots::discover(connector.clone(), seeds.clone())?;
            let connection = route.open(0)?;
            (Box::new(route), connection)
        }
    };
    let info = ServerInfo::of(&mut connection)?;
    if let Place::Server(address) = &endpoint.place {
        fit(address, &info)?;
    }
    // What it says of its keys is not so yet.
    if info.is_loading {
        let address = connection.address().clone();
        return Err(not_yet(address, "LOADING it reads its files"));
    }
    Ok((route, info))
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
