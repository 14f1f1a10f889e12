//! Batches on their way: each goes out behind the one that runs, and its EXEC when the progress on
//! the target is known to be as it was left.

use std::thread;
use std::time::{Duration, Instant};

use redis::Value;

use super::stretch::{End, Pending, Stretch};
use super::{Log, SHOWN};
use crate::live::{Class, ErrorReply};
use crate::report::load::{LogPlace, RefusedKey};
use crate::resp::encode;
use crate::target::live::Halt;

impl Log<'_> {
    /// Sends a batch behind the one that is on its way.
    pub(super) fn flush(&mut self, stretch: &mut Stretch) -> Result<(), End> {
        if stretch.batch.behind <= stretch.position && stretch.batch.places.is_empty() {
            return Ok(());
        }
        if self.is_stopped() {
            self.finish(stretch)?;
            return Err(End::Halt(Halt::Interrupted));
        }
        let mut batch = std::mem::take(&mut stretch.batch);
        stretch.position = batch.behind;
        if stretch.connection.is_none() {
            let commands = batch.commands();
            self.report.log_commands += commands;
            self.report.bytes += batch.bytes.len() as u64;
            return Ok(());
        }
        self.pace(&batch);
        let key = self.claim.progress_key();
        let mut head = Vec::new();
        for database in &batch.databases {
            encode::command(&mut head, ["SELECT", &database.to_string()]);
        }
        encode::command(&mut head, ["SELECT", "0"]);
        encode::command(&mut head, ["WATCH", &key]);
        encode::command(&mut head, ["GET", &key]);
        encode::command(&mut head, ["MULTI"]);
        batch.push(None, |out| encode::command(out, ["SELECT", "0"]));
        for words in self.claim.words(&batch.behind.progress(&self.claim)) {
            batch.push(None, |out| encode::command(out, &words));
        }
        let mut bytes = head;
        bytes.extend_from_slice(&batch.bytes);
        // The EXEC of the batch before this one may go now that its GET has been answered.
        let before = stretch.waiting.take();
        if let Some(before) = &before {
            stretch.check(before, &self.claim)?;
            let mut exec = Vec::new();
            encode::command(&mut exec, ["EXEC"]);
            stretch.write(&exec)?;
        }
        stretch.write(&bytes)?;
        if let Some(before) = before {
            self.answers(stretch, &before)?;
        }
        stretch.waiting = Some(batch);
        Ok(())
    }

    /// Waits for the last batch.
    pub(super) fn finish(&mut self, stretch: &mut Stretch) -> Result<(), End> {
        let Some(last) = stretch.waiting.take() else { return Ok(()) };
        stretch.check(&last, &self.claim)?;
        let mut exec = Vec::new();
        encode::command(&mut exec, ["EXEC"]);
        stretch.write(&exec)?;
        self.answers(stretch, &last)
    }

    /// Takes in what a batch was answered: each command queued, and what EXEC did.
    fn answers(&mut self, stretch: &mut Stretch, batch: &Pending) -> Result<(), End> {
        let mut refused = Vec::new();
        for index in 0..batch.places.len() {
            if let Value::ServerError(error) = stretch.read()? {
                refused.push((index, crate::live::reply_of(&error)));
            }
        }
        let replies = match stretch.read()? {
            Value::Array(replies) => replies,
            Value::Nil => {
                return Err(End::Again(
                    stretch.refused("EXEC", "somebody else wrote the progress"),
                ));
            }
            Value::ServerError(error) => {
                let reply = crate::live::reply_of(&error);
                return Err(self.not_run(stretch, batch, refused, reply));
            }
            other => {
                let words = format!("EXEC was answered by {other:?}");
                return Err(End::Halt(Halt::Failed(stretch.refused("EXEC", &words))));
            }
        };
        // All of them are told, also where the first one ends the replay.
        let mut noted = Ok(());
        for (index, reply) in replies.into_iter().enumerate() {
            if let Value::ServerError(error) = reply {
                noted = noted.and(self.refuse(batch, index, crate::live::reply_of(&error)));
            }
        }
        let commands = batch.commands();
        self.report.log_commands += commands;
        self.report.commands += commands;
        self.report.bytes += batch.bytes.len() as u64;
        if self.since.take().is_some() {
            self.observer.goes_on();
        }
        stretch.effective = Some(batch.behind);
        noted
    }

    /// A batch that did not take effect: waits for the server, or leaves out what it does not know.
    fn not_run(
        &mut self,
        stretch: &Stretch,
        batch: &Pending,
        refused: Vec<(usize, ErrorReply)>,
        reply: ErrorReply,
    ) -> End {
        let passing = refused.iter().find(|(_, reply)| reply.class() == Class::Wait);
        if let Some((_, reply)) = passing {
            return End::Again(stretch.refused("a command of the log", &reply.words));
        }
        if refused.is_empty() || reply.class() == Class::Wait {
            let failure = stretch.refused("EXEC", &reply.words);
            return End::from(failure);
        }
        for (index, reply) in refused {
            if let Some(Some(place)) = batch.places.get(index) {
                self.skip.insert(*place);
            } else {
                let failure = stretch.refused("a command of the replay itself", &reply.words);
                return End::Halt(Halt::Failed(failure));
            }
            if let Err(end) = self.refuse(batch, index, reply) {
                return end;
            }
        }
        // Not a failure of the target's: the same stretch again, without those commands.
        self.since = None;
        End::Again(stretch.refused("EXEC", "TRYAGAIN without the commands that it does not take"))
    }

    /// Notes an error of one command.
    fn refuse(&mut self, batch: &Pending, index: usize, reply: ErrorReply) -> Result<(), End> {
        self.report.refused += 1;
        if self.report.errors.len() < SHOWN {
            let (name, key) = batch.command(index);
            let place = batch.places.get(index).copied().flatten();
            let place = place.map(|(part, offset)| LogPlace { file: self.file(part), offset });
            self.report.errors.push(RefusedKey {
                db: 0,
                key,
                command: String::from_utf8_lossy(&name).into_owned(),
                error: reply.words,
                place,
            });
        }
        match self.options.courier.max_errors {
            Some(most) if self.report.refused > most => Err(End::Halt(Halt::TooManyErrors)),
            _ => Ok(()),
        }
    }

    /// Holds back what would be too fast.
    fn pace(&mut self, batch: &Pending) {
        let due = self.pace.due(batch.commands(), batch.bytes.len());
        while Instant::now() < due && !self.is_stopped() {
            thread::sleep(Duration::from_millis(20).min(due - Instant::now().min(due)));
        }
    }
}
