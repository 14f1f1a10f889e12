//! What the servers remember: read, compared with what it was, and removed at the end.

use redis::Value;

use super::servers::{Job, Outcome};
use super::{Fleet, LOG, PAUSES, one};
use crate::bytes::slot::slot;
use crate::live::{Class, reply_of};
use crate::ops::load::by_slot::window::Batch;
use crate::target::live::{Halt, tag_of};

impl Fleet<'_> {
    /// Removes all checkpoints, the one that speaks of all of them last.
    pub(super) fn remove(&mut self) -> Result<(), Halt> {
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
        self.settle(jobs)?;
        let key = self.base_key();
        let job = one((slot(key.as_bytes()), vec!["DEL".to_owned(), key]));
        self.settle(vec![job]).map(drop)
    }

    /// Compares the checkpoints with what they were: leaves out of `left` what has taken effect.
    pub(super) fn look(&mut self, left: &mut Vec<Batch>) -> Result<(), Halt> {
        let (base, found) = self.found()?;
        if base < self.base {
            return Err(Halt::Rewind(0));
        }
        let mut under_way: Vec<Option<u64>> = vec![None; self.reached.len()];
        for batch in left.iter() {
            if let Some(end) = under_way.get_mut(usize::from(batch.slot)) {
                *end = Some(batch.end);
            }
        }
        for ((&found, &before), &end) in found.iter().zip(&self.reached).zip(&under_way) {
            let found = found.max(base);
            if found < before {
                return Err(Halt::Rewind(0));
            }
            if found > before && Some(found) != end {
                return Err(Halt::Taken(
                    "another replay of the same log has written to the target".to_owned(),
                ));
            }
        }
        for batch in std::mem::take(left) {
            let at = usize::from(batch.slot);
            if found.get(at).is_some_and(|&found| found == batch.end) {
                // Its answer was lost, and with it which of its commands failed.
                self.took(&batch, Vec::new())?;
            } else {
                left.push(batch);
            }
        }
        Ok(())
    }

    /// The checkpoints as they are: that of all, and that of each slot.
    pub(super) fn found(&mut self) -> Result<(u64, Vec<u64>), Halt> {
        let jobs = (0..self.reached.len()).map(|at| {
            let slot = u16::try_from(at).unwrap_or_default();
            one((slot, vec!["GET".to_owned(), self.checkpoint(slot)]))
        });
        let mut jobs: Vec<Job> = jobs.collect();
        let key = self.base_key();
        jobs.push(one((slot(key.as_bytes()), vec!["GET".to_owned(), key])));
        let values = self.settle(jobs)?;
        let mut positions = Vec::with_capacity(values.len());
        for value in values {
            positions.push(self.position(&value)?);
        }
        let base = positions.pop().unwrap_or_default();
        Ok((base, positions))
    }

    /// Reads a checkpoint.
    fn position(&self, value: &Value) -> Result<u64, Halt> {
        let Value::BulkString(bytes) = value else { return Ok(0) };
        let text = String::from_utf8_lossy(bytes);
        match text.split_once(' ') {
            Some((session, position)) if session == self.session => {
                Ok(position.parse().unwrap_or_default())
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

    pub(super) fn keep(&mut self, key: &str, position: u64) -> Result<(), Halt> {
        let words = vec!["SET".to_owned(), key.to_owned(), self.value(position)];
        self.settle(vec![one((slot(key.as_bytes()), words))]).map(drop)
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
                _ => self.waiting = None,
            }
        }
        Ok(answers)
    }
}
