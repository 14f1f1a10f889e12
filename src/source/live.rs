//! A live server as a source: its snapshot, asked for as a replica does, through the window.
//!
//! The server makes it for us, as it does for any replica that has nothing yet: a child process
//! and, in its memory, what is written meanwhile. It keeps no commands for us.

use super::{Asked, OpenOptions, Source};
use crate::error::{Error, Result};
use crate::live::{Connector, Endpoint, Place, replication};

/// Begins the transfer; the first bytes have come when this returns.
pub(super) fn open(url: &str, options: &OpenOptions) -> Result<Source> {
    let endpoint = endpoint(url, options)?;
    let connector = Connector::new(&endpoint, &options.live.tls, options.live.timeouts)?;
    let Place::Server(address) = &endpoint.place else {
        return Err(Error::Usage(format!(
            "{endpoint} is not one server: name the one to read from"
        )));
    };
    let name = endpoint.to_string();
    let (_, payload) = replication::snapshot(&connector, address, &name)?;
    Asked::new(&name, options).stream(Box::new(payload), None)
}

fn endpoint(url: &str, options: &OpenOptions) -> Result<Endpoint> {
    let access = options.live.access.clone();
    Ok(url.parse::<Endpoint>()?.with_access(access.user, access.password))
}
