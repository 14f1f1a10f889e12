//! What the servers remember: read, compared with what it was, and removed at the end.

use redis::Value;

use super::servers::{Job, Outcome};
use super::{Fleet, LOG, PAUSES, one};
use crate::bytes::slot::slot;
use crate::live::{Class, Connection, reply_of};
use crate::ops::load::by_slot::window::Batch;
use crate::target::live::{Claim, Halt, tag_of};

/// What stands behind a position where a replay has ended.
const END: &str = " end";

/// What the servers remember.
pub(super) struct Found {
    /// What all slots have reached; `None` where nothing says so.
    base: Option<u64>,
    /// Whether that was the end of a replay, which is kept only when all servers have everything.
    pub(super) is_end: bool,
    /// What each slot has reached, as far as it says so.
    slots: Vec<Option<u64>>,
    /// Who holds each of the locks.
    owners: Vec<Option<String>>,
}

impl Found {
    pub(super) fn base(&self) -> u64 {
        self.base.unwrap_or_default()
    }

    /// What each slot has reached, at least.
    pub(super) fn reached(&self) -> impl Iterator<Item = u64> + '_ {
        let base = self.base();
        self.slots.iter().map(move |at| at.unwrap_or_default().max(base))
    }

    /// What the checkpoints of slots say.
    pub(super) fn slots(&self) -> impl Iterator<Item = u64> + '_ {
        self.slots.iter().map(|at| at.unwrap_or_default())
    }
}

impl Fleet<'_> {
    /// Removes all checkpoints, the one that speaks of all of them last.
    pub(super) fn remove(&mut self) -> Result<(), Halt> {
        self.forget()?;
        let key = self.base_key();
        let job = one((slot(key.as_bytes()), vec!["DEL".to_owned(), key]));
        self.settle(vec![job]).map(drop)
    }

    /// Removes the checkpoints of slots.
    pub(super) fn forget(&mut self) -> Result<(), Halt> {
        let keys = |at: usize| {
            let slot = u16::try_from(at).unwrap_or_default();
            let tag = format!("{{{}}}", tag_of(slot));
            let checkpoint = self.checkpoint(slot);
            let claim = self.claim.tagged(&tag);
            // A lock that is held is given back at the end, and that of another is not ours.
            let mut words = vec!["DEL".to_owned(), checkpoint, claim.progress_key()];
            if !self.tags.contains(&tag) {
                words.push(claim.lock_key());
            }
            (slot, words)
        };
        let jobs: Vec<Job> = (0..self.reached.len()).map(keys).map(one).collect();
        self.settle(jobs).map(drop)
    }

    /// Compares the checkpoints with what they were: leaves out of `left` what has taken effect.
    pub(super) fn look(&mut self, left: &mut Vec<Batch>) -> Result<(), Halt> {
        let found = self.found()?;
        if found.base() < self.base {
            return Err(Halt::Rewind(0));
        }
        if found.base() > self.base {
            return Err(taken());
        }
        let mut under_way: Vec<Option<u64>> = vec![None; self.reached.len()];
        for batch in left.iter() {
            if let Some(end) = under_way.get_mut(usize::from(batch.slot)) {
                *end = Some(batch.end);
            }
        }
        for ((found, &before), &end) in found.reached().zip(&self.reached).zip(&under_way) {
            if found < before {
                return Err(Halt::Rewind(0));
            }
            if found > before && Some(found) != end {
                return Err(taken());
            }
        }
        let reached: Vec<u64> = found.reached().collect();
        for batch in std::mem::take(left) {
            let at = usize::from(batch.slot);
            if reached.get(at).is_some_and(|&found| found == batch.end) {
                // Its answer was lost, and with it which of its commands failed.
                self.took(&batch, Vec::new())?;
            } else {
                left.push(batch);
            }
        }
        Ok(())
    }

    /// Before something is sent over connections of which some are new: what another one may have
    /// done since the old ones were lost.
    pub(super) fn look_if_new(&mut self, left: &mut Vec<Batch>) -> Result<bool, Halt> {
        if self.opened { self.look(left).map(|()| true) } else { Ok(false) }
    }

    /// What the servers remember, all of it asked over connections that were there before the first
    /// question and are there behind the last answer: no other replayer holds the servers as long
    /// as these are.
    pub(super) fn found(&mut self) -> Result<Found, Halt> {
        loop {
            self.opened = false;
            let found = self.ask_all()?;
            if self.opened {
                continue;
            }
            let is_ours = |owner: &Option<String>| owner.as_deref() == Some(self.claim.owner());
            let is_known = found.base.is_some()
                || found.slots.iter().any(Option::is_some)
                || found.owners.iter().any(is_ours);
            if is_known {
                return Ok(found);
            }
            return Err(Halt::Taken(
                "the target does not remember this replay any more: another one of the same log \
                 has come to its end meanwhile, or the target was emptied; what has taken effect \
                 there is not known"
                    .to_owned(),
            ));
        }
    }

    /// Whether the servers remember nothing of a replay.
    pub(super) fn is_forgotten(&mut self) -> Result<bool, Halt> {
        let found = self.ask_all()?;
        Ok(found.base.is_none() && found.slots.iter().all(Option::is_none))
    }

    fn ask_all(&mut self) -> Result<Found, Halt> {
        let get = |key: String| one((slot(key.as_bytes()), vec!["GET".to_owned(), key]));
        let mut jobs: Vec<Job> = (0..self.reached.len())
            .map(|at| self.checkpoint(u16::try_from(at).unwrap_or_default()))
            .map(get)
            .collect();
        jobs.push(get(self.base_key()));
        jobs.extend(self.tags.iter().map(|tag| get(self.claim.tagged(tag).lock_key())));
        let mut values = self.settle(jobs)?.into_iter();
        let mut slots = Vec::with_capacity(self.reached.len());
        for value in values.by_ref().take(self.reached.len()) {
            slots.push(self.position(&value)?);
        }
        let base = values.next().unwrap_or(Value::Nil);
        let is_end = matches!(&base, Value::BulkString(bytes) if bytes.ends_with(END.as_bytes()));
        let base = self.position(&base)?;
        let owner = |value: Value| match value {
            Value::BulkString(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            _ => None,
        };
        Ok(Found { base, is_end, slots, owners: values.map(owner).collect() })
    }

    /// Takes again the locks that a server has lost.
    pub(super) fn hold_lost(&mut self, found: &Found) {
        let lost = self.tags.iter().zip(&found.owners).filter(|(_, owner)| owner.is_none());
        let lost: Vec<String> = lost.map(|(tag, _)| tag.clone()).collect();
        for tag in lost {
            // One that cannot be taken now is taken another time.
            let _ = self.tell(slot(tag.as_bytes()), &self.claim.tagged(&tag).words_to_hold());
        }
    }

    /// Sends what says that this replay is at work: over a connection that is there, or not at all.
    fn tell(&mut self, slot: u16, words: &[String]) -> Result<(), Halt> {
        let lane = self.lane(slot);
        let Some(Some(connection)) = self.lanes.get_mut(lane) else { return Err(Halt::Rewind(0)) };
        match connection.request(words) {
            Err(failure) if failure.is_passing() => {
                self.broke(lane, &failure);
                Err(Halt::Rewind(0))
            }
            other => Ok(other.map(drop)?),
        }
    }

    /// Makes the locks last as long again, those that are still ours.
    pub(super) fn prolong(&mut self) -> Result<(), Halt> {
        let claims: Vec<Claim> = self.tags.iter().map(|tag| self.claim.tagged(tag)).collect();
        let job =
            |claim: &Claim, words: Vec<String>| one((slot(claim.lock_key().as_bytes()), words));
        let ask = |claim: &Claim| job(claim, vec!["GET".to_owned(), claim.lock_key()]);
        let owners = self.settle(claims.iter().map(ask).collect())?;
        let ours = Value::BulkString(self.claim.owner().as_bytes().to_vec());
        let held = claims.iter().zip(owners).filter(|(_, owner)| *owner == ours);
        let jobs = held.map(|(claim, _)| job(claim, claim.words_to_prolong())).collect();
        self.settle(jobs).map(drop)
    }

    /// Reads a checkpoint.
    fn position(&self, value: &Value) -> Result<Option<u64>, Halt> {
        let Value::BulkString(bytes) = value else { return Ok(None) };
        let text = String::from_utf8_lossy(bytes);
        match text.split_once(' ') {
            Some((session, position)) if session == self.session => {
                let position = position.strip_suffix(END).unwrap_or(position);
                Ok(Some(position.parse().unwrap_or_default()))
            }
            _ => Err(Halt::Taken(format!(
                "the target remembers the replay of another log that was not finished ({LOG}…): \
                 finish that one first, or forget it with --restart"
            ))),
        }
    }

    pub(super) fn value(&self, position: u64) -> String {
        format!("{} {position}", self.session)
    }

    pub(super) fn checkpoint(&self, slot: u16) -> String {
        format!("{LOG}{{{}}}", tag_of(slot))
    }

    pub(super) fn base_key(&self) -> String {
        LOG.to_owned()
    }

    /// Notes that all servers have everything before a position, and that the checkpoints of slots
    /// say nothing any more.
    pub(super) fn keep_end(&mut self, position: u64) -> Result<(), Halt> {
        self.keep(&format!("{}{END}", self.value(position)))
    }

    /// Takes back what was noted of all slots.
    pub(super) fn keep_nothing(&mut self) -> Result<(), Halt> {
        self.keep(&self.value(0))
    }

    /// Notes what all slots have reached, unless somebody else has noted something meanwhile: over a
    /// connection that is there, or not at all.
    fn keep(&mut self, value: &str) -> Result<(), Halt> {
        let at = slot(self.base_key().as_bytes());
        let lane = self.lane(at);
        let Some(mut connection) = self.lanes.get_mut(lane).and_then(Option::take) else {
            return Err(Halt::Rewind(0));
        };
        match self.replace_base(&mut connection, value) {
            Ok(is_kept) => {
                if let Some(slot) = self.lanes.get_mut(lane) {
                    *slot = Some(connection);
                }
                if is_kept { Ok(()) } else { Err(Halt::Rewind(0)) }
            }
            Err(Halt::Failed(failure)) if failure.is_passing() => {
                match failure.reply() {
                    Some(reply) => drop(self.not_taken(at, reply)?),
                    None => self.broke(lane, &failure),
                }
                self.wait(failure, &mut PAUSES.0.clone())?;
                Err(Halt::Rewind(0))
            }
            Err(halt) => Err(halt),
        }
    }

    /// Writes a value where the last position stands; whether it still stood there.
    fn replace_base(&self, connection: &mut Connection, value: &str) -> Result<bool, Halt> {
        let key = self.base_key();
        connection.request(&["WATCH", &key])?;
        let found = connection.request(&["GET", &key])?;
        if self.position(&found)?.unwrap_or_default() != self.base {
            return Err(taken());
        }
        connection.request(&["MULTI"])?;
        connection.request(&["SET", &key, value])?;
        Ok(connection.request(&["EXEC"])? != Value::Nil)
    }

    /// Asks what may be asked again, until everything is answered.
    pub(super) fn settle(&mut self, jobs: Vec<Job>) -> Result<Vec<Value>, Halt> {
        let mut answers: Vec<Value> = vec![Value::Nil; jobs.len()];
        let mut left: Vec<(usize, Job)> = jobs.into_iter().enumerate().collect();
        let mut pause = PAUSES.0;
        while !left.is_empty() {
            self.check_stop()?;
            let (indices, jobs): (Vec<usize>, Vec<Job>) =
                std::mem::take(&mut left).into_iter().unzip();
            let outcomes = self.scatter(&jobs)?;
            let mut cause = None;
            for ((index, job), outcome) in indices.into_iter().zip(jobs).zip(outcomes) {
                let mut outcome = outcome;
                if let Outcome::Replies(replies) = &outcome
                    && let Some(Value::ServerError(error)) = replies.first()
                    && let Class::Ask(_, to) = reply_of(error).class()
                {
                    let there = self.route.asked(self.lane(job.slot), &to)?;
                    outcome = self.ask(there, &job)?;
                }
                match outcome {
                    Outcome::Replies(mut replies) => match replies.pop() {
                        Some(Value::ServerError(error)) => {
                            let reply = reply_of(&error);
                            self.not_taken(job.slot, &reply)?;
                            cause = Some(self.refusal(job.slot, reply));
                            left.push((index, job));
                        }
                        Some(value) => {
                            if let Some(answer) = answers.get_mut(index) {
                                *answer = value;
                            }
                        }
                        None => left.push((index, job)),
                    },
                    Outcome::Unsent(failure) | Outcome::Lost(failure) => {
                        cause = Some(failure);
                        left.push((index, job));
                    }
                }
            }
            match cause {
                Some(failure) if !left.is_empty() => self.wait(failure, &mut pause)?,
                _ => self.goes_on(),
            }
        }
        Ok(answers)
    }
}

pub(super) fn taken() -> Halt {
    Halt::Taken("another replay of the same log has written to the target".to_owned())
}
