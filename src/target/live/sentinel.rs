//! Whoever the Sentinels say is the master now.
//!
//! Where none of them says anything any more, and all has been sent, the one that was the master last
//! is taken at its word. Its replicas have to confirm what it took all the same: those of one that was
//! deposed have left it.

use std::time::{Duration, Instant};

use super::Route;
use crate::live::{Address, Connection, Connector, Failure, Sentinels};

/// Sentinels that were silent are not asked again for so long, where they can be done without.
const SILENT: Duration = Duration::from_secs(5);

/// The master of a service, over one or several connections.
#[derive(Debug)]
pub struct Watched {
    connector: Connector,
    sentinels: Sentinels,
    connections: usize,
    /// The one that was the master last, and how many replicas it had.
    last: Option<(Address, usize)>,
    trusts_last: bool,
    /// When no Sentinel answered.
    silent: Option<Instant>,
    trusted: Option<Address>,
}

impl Watched {
    /// With so many connections.
    pub fn new(connector: Connector, sentinels: Sentinels, connections: usize) -> Self {
        Watched {
            connector,
            sentinels,
            connections: connections.max(1),
            last: None,
            trusts_last: false,
            silent: None,
            trusted: None,
        }
    }

    /// Asks the Sentinels; `None` where none of them answers and they can be done without.
    fn ask<T>(
        &mut self,
        ask: impl FnOnce(&mut Sentinels, &Connector) -> Result<T, Failure>,
    ) -> Result<Option<T>, Failure> {
        let spares = self.trusts_last && self.last.is_some();
        if spares && self.silent.is_some_and(|at| at.elapsed() < SILENT) {
            return Ok(None);
        }
        let answer = ask(&mut self.sentinels, &self.connector);
        self.silent = self.sentinels.are_silent().then(Instant::now);
        match answer {
            Err(_) if spares && self.silent.is_some() => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// The one that was the master last, if it says that it is.
    fn open_last(&mut self) -> Result<Connection, Failure> {
        let Some((address, _)) = self.last.clone() else {
            return self.sentinels.connect(&self.connector);
        };
        let connection = self.sentinels.connect_to(&self.connector, &address)?;
        self.trusted = Some(address);
        Ok(connection)
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
        let Some(connection) = self.ask(Sentinels::connect)? else { return self.open_last() };
        let known = self.last.take().map_or(0, |(_, followers)| followers);
        // How many there are is known to those who may be gone when it counts.
        let followers = self.sentinels.followers().unwrap_or(known);
        self.last = Some((connection.address().clone(), followers));
        self.trusted = None;
        Ok(connection)
    }

    fn followers(&mut self, _: usize) -> Result<usize, Failure> {
        match self.ask(|sentinels, _| sentinels.followers())? {
            Some(followers) => Ok(followers),
            None => Ok(self.last.as_ref().map_or(0, |(_, followers)| *followers)),
        }
    }

    fn trust_last(&mut self, trusts: bool) {
        self.trusts_last = trusts;
    }

    fn trusted(&self) -> Option<String> {
        let master = self.trusted.as_ref()?;
        Some(format!(
            "no Sentinel of {} answers any more: that {master} is the master is its own word",
            self.sentinels.service()
        ))
    }

    fn name(&self, _: usize) -> String {
        format!("the master of {}", self.sentinels.service())
    }
}
