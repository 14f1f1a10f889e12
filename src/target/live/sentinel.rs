//! Whoever the Sentinels say is the master now.

use super::Route;
use crate::live::{Connection, Connector, Failure, Sentinels};

/// The master of a service, over one or several connections.
#[derive(Debug)]
pub struct Watched {
    connector: Connector,
    sentinels: Sentinels,
    connections: usize,
}

impl Watched {
    /// With so many connections.
    pub fn new(connector: Connector, sentinels: Sentinels, connections: usize) -> Self {
        Watched { connector, sentinels, connections: connections.max(1) }
    }
}

impl Route for Watched {
    fn lanes(&self) -> usize {
        self.connections
    }

    fn lane(&self, _: u16) -> Option<usize> {
        None
    }

    /// The Sentinels are asked each time: whoever has to open a lane again has reason to doubt.
    fn open(&mut self, _: usize) -> Result<Connection, Failure> {
        self.sentinels.connect(&self.connector)
    }

    fn followers(&mut self, _: usize) -> Result<usize, Failure> {
        self.sentinels.followers()
    }

    fn name(&self, _: usize) -> String {
        format!("the master of {}", self.sentinels.service())
    }
}
