//! A live server as a source: its snapshot, asked for as a replica does, through the window.
//!
//! The server makes it for us, as it does for any replica that has nothing yet: a child process
//! and, in its memory, what is written meanwhile. It keeps no commands for us.

use super::{Asked, LiveUrl, OpenOptions, Source};
use crate::error::{Error, Result};
use crate::live::{Connector, Endpoint, Node, nodes, replication};

/// Begins the transfer; the first bytes have come when this returns.
pub(super) fn open(url: &LiveUrl, options: &OpenOptions) -> Result<Source> {
    let (endpoint, connector) = reach(url, options)?;
    let found = match url.node() {
        Some(node) => vec![node.clone()],
        None => nodes(&endpoint, &connector, options.live.prefer_replica)?,
    };
    let [node] = found.as_slice() else {
        let names: Vec<&str> = found.iter().map(|node| node.name.as_str()).collect();
        return Err(Error::Usage(format!(
            "{endpoint} has {} masters, each with a part of the keys, and one source is wanted: \
             name one of them ({}), or write a file of each by `rdbkit backup`",
            found.len(),
            names.join(", ")
        )));
    };
    // What Sentinels found is shown where it is.
    let (_, payload) = replication::snapshot(&connector, &node.address, &node.name)?;
    Asked::new(&node.name, options).stream(Box::new(payload), None)
}

/// The same URL of each server that it means.
pub(super) fn spread(url: &LiveUrl, options: &OpenOptions) -> Result<Vec<LiveUrl>> {
    let (endpoint, connector) = reach(url, options)?;
    let found = nodes(&endpoint, &connector, options.live.prefer_replica)?;
    Ok(found.into_iter().map(|node: Node| url.of_node(node)).collect())
}

fn reach(url: &LiveUrl, options: &OpenOptions) -> Result<(Endpoint, Connector)> {
    let access = options.live.access.clone();
    let endpoint: Endpoint = url.reveal().parse()?;
    let endpoint = endpoint.with_access(access.user, access.password);
    let connector = Connector::new(&endpoint, &options.live.tls, options.live.timeouts)?;
    Ok((endpoint, connector))
}
