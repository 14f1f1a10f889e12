//! A live server as a source: its snapshot, asked for as a replica does, through the window.
//!
//! The server makes it for us, as it does for any replica that has nothing yet: a child process
//! and, in its memory, what is written meanwhile. It keeps no commands for us.

use std::sync::atomic::AtomicBool;

use super::{Asked, LiveUrl, OpenOptions, Source, cluster};
use crate::error::{Error, Result};
use crate::live::{Connector, Endpoint, Place, nodes_in_service, replication};

/// Begins the transfer; the first bytes have come when this returns.
pub(super) fn open(url: &LiveUrl, options: &OpenOptions) -> Result<Source> {
    let access = options.live.access.clone();
    let endpoint: Endpoint = url.reveal().parse()?;
    let endpoint = endpoint.with_access(access.user, access.password);
    let prefer_replica = options.live.prefer_replica;
    let connector = Connector::new(&endpoint, &options.live.tls, options.live.timeouts)?
        .telling(options.live.silence.as_ref())
        .watching(&endpoint, prefer_replica);
    if let Place::Cluster { seeds } = &endpoint.place {
        let name = endpoint.to_string();
        let joined = cluster::joined(&endpoint, seeds, connector, prefer_replica, &options.window)?;
        return Asked::new(&name, options).stream(Box::new(joined), None);
    }
    let never = AtomicBool::new(false);
    let found = nodes_in_service(&endpoint, &connector, prefer_replica, &never)?;
    let [node] = found.as_slice() else {
        return Err(Error::Usage(format!("{endpoint} is not one server")));
    };
    // What Sentinels found is shown where it is.
    let (_, payload) = replication::snapshot(&connector, &node.address, &node.name)?;
    Asked::new(&node.name, options).stream(Box::new(payload), None)
}
