//! Windows on their way: a transaction for each slot, until all of them have taken effect.

use super::servers::{Job, Outcome};
use super::verdict::{Verdict, verdict};
use super::{Fleet, PAUSES};
use crate::live::{Class, ErrorReply};
use crate::ops::load::by_slot::window::{Batch, Window};
use crate::report::load::RefusedKey;
use crate::resp::command_keys;
use crate::target::live::Halt;

/// How many failures are kept with their words.
const KEPT: usize = 100;

impl Fleet<'_> {
    /// Runs a window: returns when all of it has taken effect.
    pub(in crate::ops::load::by_slot) fn run(&mut self, window: Window) -> Result<(), Halt> {
        self.renew()?;
        let mut left = window.batches;
        let mut pause = PAUSES.0;
        let mut is_doubtful = false;
        while !left.is_empty() {
            self.check_stop()?;
            if is_doubtful {
                self.look(&mut left)?;
                is_doubtful = false;
                continue;
            }
            let slots: Vec<u16> = left.iter().map(|batch| batch.slot).collect();
            self.open_for(&slots)?;
            if self.look_if_new(&mut left)? {
                continue;
            }
            let jobs: Vec<Job> = left.iter().map(|batch| self.job(batch)).collect();
            let bytes: u64 = jobs.iter().map(|job| job.bytes.len() as u64).sum();
            let outcomes = self.scatter(&jobs)?;
            let count = left.len();
            let mut cause = None;
            let mut asked = Vec::new();
            for (mut batch, outcome) in std::mem::take(&mut left).into_iter().zip(outcomes) {
                let replies = match outcome {
                    Outcome::Replies(replies) => replies,
                    Outcome::Unsent(failure) => {
                        cause = Some(failure);
                        left.push(batch);
                        continue;
                    }
                    Outcome::Lost(failure) => {
                        is_doubtful = true;
                        cause = Some(failure);
                        left.push(batch);
                        continue;
                    }
                };
                match verdict(&replies) {
                    Verdict::Done(refused) => self.took(&batch, refused)?,
                    Verdict::Without(refused) => {
                        let indices: Vec<usize> = refused.iter().map(|(index, _)| *index).collect();
                        self.note(&batch, refused)?;
                        batch.leave_out(&indices);
                        left.push(batch);
                    }
                    Verdict::Not(reply) => {
                        if let Class::Ask(_, to) = reply.class() {
                            asked.push((batch, to));
                            continue;
                        }
                        is_doubtful |= self.not_taken(batch.slot, &reply)?;
                        cause = Some(self.refusal(batch.slot, reply));
                        left.push(batch);
                    }
                }
            }
            for (mut batch, to) in asked {
                let from = self.lane(batch.slot);
                let there = self.route.asked(from, &to)?;
                let job = self.job(&batch);
                if self.lanes.get(there).is_none_or(Option::is_none) {
                    // Asked when the checkpoints were looked at behind the new connection.
                    if let Err(Halt::Failed(failure)) = self.open(there) {
                        if !failure.is_passing() {
                            return Err(Halt::Failed(failure));
                        }
                        self.broke(there, &failure);
                        cause = Some(failure);
                    }
                    left.push(batch);
                    continue;
                }
                match self.ask(there, &job)? {
                    Outcome::Replies(replies) => match verdict(&replies) {
                        Verdict::Done(refused) => {
                            self.took(&batch, refused)?;
                            continue;
                        }
                        Verdict::Without(refused) => {
                            let indices: Vec<usize> =
                                refused.iter().map(|(index, _)| *index).collect();
                            self.note(&batch, refused)?;
                            batch.leave_out(&indices);
                        }
                        Verdict::Not(reply) => {
                            is_doubtful |= self.not_taken(batch.slot, &reply)?;
                            cause = Some(self.refusal(batch.slot, reply));
                        }
                    },
                    Outcome::Unsent(failure) => cause = Some(failure),
                    Outcome::Lost(failure) => {
                        is_doubtful = true;
                        cause = Some(failure);
                    }
                }
                left.push(batch);
            }
            self.done.bytes += bytes;
            self.done.again += left.len() as u64;
            if left.len() < count {
                self.goes_on();
                pause = PAUSES.0;
            }
            if let Some(failure) = cause.filter(|_| !left.is_empty()) {
                self.wait(failure, &mut pause)?;
            }
        }
        Ok(())
    }

    fn job(&self, batch: &Batch) -> Job {
        let checkpoint = self.checkpoint(batch.slot);
        let value = self.value(batch.end);
        let (bytes, replies) = batch.transaction(&checkpoint, &value);
        Job { slot: batch.slot, bytes, replies }
    }

    /// A batch has taken effect.
    pub(super) fn took(
        &mut self,
        batch: &Batch,
        refused: Vec<(usize, ErrorReply)>,
    ) -> Result<(), Halt> {
        if let Some(reached) = self.reached.get_mut(usize::from(batch.slot)) {
            *reached = batch.end;
        }
        self.done.batches += 1;
        self.done.commands += batch.len() as u64;
        self.note(batch, refused)
    }

    fn note(&mut self, batch: &Batch, refused: Vec<(usize, ErrorReply)>) -> Result<(), Halt> {
        // All of them are told, also where the first one ends the replay.
        let mut noted = Ok(());
        for (index, reply) in refused {
            let Some(command) = batch.command(index) else { continue };
            let args: Vec<&[u8]> = command.args().collect();
            let key = command_keys(command.name(), &args).and_then(|mut keys| keys.next());
            let key = key.unwrap_or_default().to_vec();
            noted = noted.and(self.note_one(batch.begins_at(index), command.name(), key, reply));
        }
        noted
    }

    pub(super) fn note_one(
        &mut self,
        begins_at: Option<u64>,
        name: &[u8],
        key: Vec<u8>,
        reply: ErrorReply,
    ) -> Result<(), Halt> {
        self.done.refused_count += 1;
        if self.done.refused.len() < KEPT {
            let command = String::from_utf8_lossy(name).into_owned();
            let error = reply.words;
            let refused = RefusedKey { db: 0, key, command, error, place: None };
            self.done.refused.push((begins_at, refused));
        }
        match self.max_errors {
            Some(most) if self.done.refused_count > most => Err(Halt::TooManyErrors),
            _ => Ok(()),
        }
    }
}
