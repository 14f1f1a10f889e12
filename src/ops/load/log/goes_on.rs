//! Goes on behind the target's progress: what it remembers says where that is.

use redis::Value;

use super::stretch::{End, Position, Stretch};
use super::{Log, begin};
use crate::error::Error;
use crate::live::{Address, Connection, Role, ServerInfo};
use crate::ops::load::confirm::{Limits, confirmed};
use crate::ops::load::settle;
use crate::ops::walk::Observer;
use crate::target::live::{CourierOptions, Halt, Held, Route};

impl Log<'_> {
    /// Goes on behind the target's progress, to the end of the log.
    pub(super) fn stretch(
        &mut self,
        route: &mut dyn Route,
        observer: &dyn Observer,
    ) -> Result<(), End> {
        route.trust_last(false);
        let mut connection = route.open(0)?;
        let server = ServerInfo::of(&mut connection)?;
        let wait = |words: &str| End::Again(settle::not_yet(connection.address().clone(), words));
        if server.role == Role::Replica {
            return Err(wait("READONLY it is a replica"));
        }
        if server.is_loading {
            return Err(wait("LOADING it reads its files"));
        }
        self.evicted.sees(&server);
        self.run_id = server.run_id;
        self.claim.name(&mut connection)?;
        if let Held::No(words) = self.claim.still_held(&mut connection)? {
            return Err(End::Halt(Halt::Taken(words)));
        }
        let at = self.take_over(&mut connection)?;
        let mut stretch = Stretch::new(Some(connection), at);
        self.commands(&mut stretch, observer)?;
        route.trust_last(true);
        self.confirmed(route)
    }

    /// Makes sure that nobody can take over who lacks some of it.
    fn confirmed(&mut self, route: &mut dyn Route) -> Result<(), End> {
        let run_id = self.run_id.clone();
        let mut is_known = |_: usize, _: &dyn Route, connection: &mut Connection| {
            if ServerInfo::of(connection)?.run_id == run_id {
                return Ok(());
            }
            Err(Halt::Rewind(0))
        };
        let CourierOptions { patience, stop, .. } = &self.options.courier;
        let limits = Limits::new(*patience, stop, self.observer);
        match confirmed(route, &self.claim, limits, &mut is_known) {
            Ok(late) => {
                self.waited_for(&late);
                self.report.notes.extend(late);
                Ok(())
            }
            // What this one remembers is where the log goes on.
            Err(Halt::Rewind(_)) => {
                let address = Address::Tcp(route.name(0), 0);
                Err(End::Again(settle::not_yet(address, "TRYAGAIN another server has taken over")))
            }
            Err(Halt::Failed(failure)) => Err(failure.into()),
            Err(halt) => Err(End::Halt(halt)),
        }
    }

    /// Writes our name beside the progress, so that whoever had it before finds out.
    fn take_over(&mut self, connection: &mut Connection) -> Result<Position, End> {
        let key = self.claim.progress_key();
        loop {
            connection.request(&["WATCH", &key])?;
            let progress = self.claim.progress(connection)?;
            let Some(progress) = progress.filter(|p| p.session == self.claim.session()) else {
                let _ = connection.request(&["UNWATCH"]);
                return Err(End::Halt(begin::forgotten(connection)));
            };
            let Some((at, _)) = Position::of(&progress) else {
                let _ = connection.request(&["UNWATCH"]);
                if begin::is_base(&progress, &self.claim) {
                    return Err(End::Base);
                }
                if begin::is_base_of_another(&progress, &self.claim) {
                    return Err(End::Halt(begin::taken(connection)));
                }
                return Err(End::Error(Error::Usage(format!(
                    "{key} on {} holds no progress of a log",
                    connection.address()
                ))));
            };
            connection.request(&["MULTI"])?;
            for words in self.claim.words(&at.progress(&self.claim)) {
                connection.request(&words)?;
            }
            if connection.request(&["EXEC"])? != Value::Nil {
                return Ok(at);
            }
        }
    }
}
