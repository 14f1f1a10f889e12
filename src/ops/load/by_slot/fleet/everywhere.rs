//! What all masters are told: at the beginning, and where the log has a command for each of them.

use super::checkpoints::taken;
use super::{Fleet, PAUSES};
use crate::bytes::slot::slot;
use crate::live::{Class, Connection, Failure, ServerInfo};
use crate::ops::load::by_slot::feed::Everywhere;
use crate::ops::load::confirm::{Limits, confirmed};
use crate::target::live::{Halt, Route};

impl Fleet<'_> {
    /// Empties the servers if that is asked for, and waits until whoever may take over has heard of
    /// that, and of this replay.
    pub(in crate::ops::load::by_slot) fn begin(
        &mut self,
        flushes: bool,
        begins_anew: bool,
    ) -> Result<(), Halt> {
        let mut pause = PAUSES.0;
        loop {
            match self.try_to_begin(flushes, begins_anew) {
                Err(Halt::Failed(failure)) if failure.is_passing() => {
                    (0..self.lanes.len()).for_each(|lane| self.broke(lane, &failure));
                    self.wait(failure, &mut pause)?;
                }
                // Somebody has taken over without having heard of it.
                Err(Halt::Rewind(_)) => self.hang_up(),
                other => {
                    self.goes_on();
                    return other;
                }
            }
        }
    }

    fn try_to_begin(&mut self, flushes: bool, begins_anew: bool) -> Result<(), Halt> {
        if flushes {
            self.empty(begins_anew)?;
        }
        let mut told = Vec::new();
        for lane in 0..self.route.lanes() {
            self.open(lane)?;
            if let Some(Some(connection)) = self.lanes.get_mut(lane) {
                told.push(ServerInfo::of(connection)?.run_id);
            }
        }
        let mut is_known = |_: usize, _: &dyn Route, connection: &mut Connection| {
            let server = ServerInfo::of(connection)?;
            if told.contains(&server.run_id) { Ok(()) } else { Err(Halt::Rewind(0)) }
        };
        let limits = Limits::new(self.patience, &self.stop, self.observer);
        confirmed(&mut *self.route, &self.claim, limits, &mut is_known).map(drop)
    }

    /// Empties the servers, unless some of the log has taken effect there.
    fn empty(&mut self, begins_anew: bool) -> Result<(), Halt> {
        if !begins_anew && self.read(false)?.iter().any(|&at| at > 0) {
            return Ok(());
        }
        for lane in 0..self.route.lanes() {
            self.open(lane)?;
            let lock = self.lock_of(lane);
            if let Some(Some(connection)) = self.lanes.get_mut(lane) {
                connection.request(&["MULTI"])?;
                connection.request(&["FLUSHALL"])?;
                // It went with the rest.
                connection.request(&lock)?;
                connection.request(&["EXEC"])?;
            }
        }
        Ok(())
    }

    /// Runs a command on every master.
    pub(in crate::ops::load::by_slot) fn everywhere(
        &mut self,
        step: &Everywhere,
    ) -> Result<(), Halt> {
        if step.position <= self.base {
            return Ok(());
        }
        let mut pause = PAUSES.0;
        loop {
            match self.try_everywhere(step) {
                Ok(()) if !step.flushes => return Ok(()),
                // A node that took over meanwhile may not have heard of it.
                Ok(()) => {
                    let found = self.found()?;
                    if found.base() == step.position && found.slots().all(|at| at == 0) {
                        self.hold_lost(&found);
                        self.base = step.position;
                        self.reached.fill(step.position);
                        self.done.commands += 1;
                        return Ok(());
                    }
                }
                Err(Halt::Failed(failure)) if failure.is_passing() => {
                    for lane in 0..self.lanes.len() {
                        self.broke(lane, &failure);
                    }
                    self.wait(failure, &mut pause)?;
                }
                Err(halt) => return Err(halt),
            }
        }
    }

    fn try_everywhere(&mut self, step: &Everywhere) -> Result<(), Halt> {
        let base_lane = self.lane(slot(self.base_key().as_bytes()));
        let mut lanes: Vec<usize> = Vec::new();
        for lane in 0..self.route.lanes() {
            if !lanes.iter().any(|&other| self.route.name(other) == self.route.name(lane)) {
                lanes.push(lane);
            }
        }
        // The last one is where it is written that all have done it.
        lanes.sort_by_key(|&lane| self.route.name(lane) == self.route.name(base_lane));
        for &lane in &lanes {
            self.open(lane)?;
        }
        if self.opened {
            let found = self.found()?;
            // Nobody else was here who has come further.
            if found.base() > self.base.max(step.position)
                || found.slots().any(|at| at > step.position)
            {
                return Err(taken());
            }
        }
        for lane in lanes {
            let is_last = self.route.name(lane) == self.route.name(base_lane);
            let (key, value) = (self.base_key(), self.value(step.position));
            let lock = self.lock_of(lane);
            let Some(Some(connection)) = self.lanes.get_mut(lane) else { continue };
            if !step.flushes {
                match connection.request(&step.words) {
                    Err(Failure::Refused { reply, .. }) if reply.class() == Class::Refused => {
                        let name = step.words.first().cloned().unwrap_or_default();
                        self.note_one(step.begins_at, &name, Vec::new(), reply)?;
                    }
                    other => drop(other?),
                }
                continue;
            }
            // Something of this replay is left at any moment.
            connection.request(&["MULTI"])?;
            connection.request(&step.words)?;
            match is_last {
                true => connection.request(&["SET", &key, &value])?,
                false => connection.request(&lock)?,
            };
            connection.request(&["EXEC"])?;
            // Replicas that are behind would bring everything back.
            connection.request(&["WAIT", "1", "300"])?;
        }
        Ok(())
    }

    /// What takes the lock of a lane.
    fn lock_of(&mut self, lane: usize) -> Vec<String> {
        let tag = self.route.tag(lane);
        let words = self.claim.tagged(&tag).words_to_hold();
        if !self.tags.contains(&tag) {
            self.tags.push(tag);
        }
        words
    }
}
