//! Which link a key's bytes go to, and whom to ask for it.

use crate::live::{Address, Connection, Connector, Failure};

/// The one place that knows how many servers there are and who serves what.
///
/// A lane is a link that can be opened again: its number stays, whoever serves it. The courier asks
/// for a lane when it is needed, and again after it broke; it asks as long as the failure
/// [passes](Failure::is_passing) and its patience lasts, so an implementation tries once, asks
/// anew who is responsible, and does not wait itself.
pub trait Route: Send + Sync {
    /// How many lanes there are now. Lanes may be added when slots move to a new server.
    fn lanes(&self) -> usize;

    /// The lane that serves a slot; `None` where every lane serves every key.
    fn lane(&self, slot: u16) -> Option<usize>;

    /// Connects to whoever serves a lane now.
    fn open(&mut self, lane: usize) -> Result<Connection, Failure>;

    /// How many replicas of a lane's master are up and would have to hold what it took, by those who
    /// choose the next master; 0 where nobody does.
    fn followers(&mut self, lane: usize) -> Result<usize, Failure> {
        let _ = lane;
        Ok(0)
    }

    /// A lane's link broke, or its server says that it takes no writes any more: whoever is
    /// responsible has to be asked for again.
    fn broke(&mut self, lane: usize, failure: &Failure) {
        let _ = (lane, failure);
    }

    /// A server said that a slot is served elsewhere from now on. `from` is the lane that said so.
    fn moved(&mut self, from: usize, slot: u16, to: &Address) -> Result<(), Failure> {
        let _ = slot;
        Err(self.unexpected(from, to))
    }

    /// The lane to ask about a slot that is moving there.
    fn asked(&mut self, from: usize, to: &Address) -> Result<usize, Failure> {
        Err(self.unexpected(from, to))
    }

    /// What is said of a server that sends elsewhere although it should not.
    fn unexpected(&self, _lane: usize, to: &Address) -> Failure {
        Failure::Unfit {
            address: to.clone(),
            words:
                "serves some of the keys: the target is a Cluster, give redis+cluster://HOST:PORT"
                    .into(),
        }
    }

    /// What follows a lane's name in the keys that a replayer keeps on the servers: a hash tag
    /// whose slot the lane serves, or nothing.
    fn tag(&self, lane: usize) -> String {
        let _ = lane;
        String::new()
    }

    /// Removes what a replayer keeps on the servers, wherever slots have taken it: `keys` names it
    /// for a tag. Where nothing moves there is nothing to look for.
    fn forget(&mut self, keys: &dyn Fn(&str) -> Vec<String>) -> Result<(), Failure> {
        let _ = keys;
        Ok(())
    }

    /// Whether who was there last is good enough from now on, where nobody says who is responsible:
    /// for what is asked when all has been sent, and for giving back what is held.
    fn trust_last(&mut self, trusts: bool) {
        let _ = trusts;
    }

    /// What there is to say of one who was trusted so.
    fn trusted(&self) -> Option<String> {
        None
    }

    /// Who serves a lane, for a sentence.
    fn name(&self, lane: usize) -> String;
}

/// One server, over one or several connections.
#[derive(Debug)]
pub struct Standalone {
    connector: Connector,
    address: Address,
    connections: usize,
}

impl Standalone {
    /// With so many connections.
    pub fn new(connector: Connector, address: Address, connections: usize) -> Self {
        Standalone { connector, address, connections: connections.max(1) }
    }
}

impl Route for Standalone {
    fn lanes(&self) -> usize {
        self.connections
    }

    fn lane(&self, _: u16) -> Option<usize> {
        None
    }

    fn open(&mut self, _: usize) -> Result<Connection, Failure> {
        self.connector.open(&self.address)
    }

    fn name(&self, _: usize) -> String {
        self.address.to_string()
    }
}
