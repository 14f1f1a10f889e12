//! Sorts the commands of a log by the shard that they work on.

use super::crew::{Crew, Pace};
use super::failed::Failures;
use super::hand::{Halt, Hand};
use super::log::{About, Runner};
use super::steps::Steps;
use super::watched::Eyes;
use crate::engine::{Route, SHARDS, Spec, foreign, shard_of};
use crate::ops::walk::Observer;
use crate::resp::{Command, command_keys};

/// Sorts commands, and has them run when there are many, or when one comes that needs all shards.
pub(super) struct Router<'a, 'o> {
    pub(super) hand: Hand<'a>,
    pub(super) failures: Failures,
    /// The first of what ended the run.
    pub(super) halt: Option<Halt>,
    pub(super) eyes: Option<Eyes<'o>>,
    crew: Crew,
    steps: Vec<Steps>,
    /// The shards that have steps.
    filled: Vec<usize>,
    /// Steps that wait to be run.
    waiting: usize,
    pace: Pace,
    observer: &'o dyn Observer,
}

impl<'a> Runner<'a> for Router<'a, '_> {
    type Stop = Halt;

    #[inline]
    fn command(&mut self, offset: u64, command: Command<'a>) -> Result<(), Halt> {
        let at = offset as usize;
        let spec = match self.hand.lookup(command.name()) {
            Some(spec) if spec.takes(command.argc() as usize) => spec,
            spec => return self.refuse(offset, &command, spec),
        };
        if self.eyes.is_some() && self.show(offset, &command, spec)? {
            return Ok(());
        }
        match spec.route {
            Route::Key(1) => self.push(shard_of(command.first().unwrap_or_default()), at),
            Route::Key(place) => {
                let key = command.args().nth(usize::from(place) - 1).unwrap_or_default();
                self.push(shard_of(key), at)
            }
            Route::Split(step) => self.split(at, &command, spec, usize::from(step)),
            Route::Keys => self.keys(at, &command, spec),
            Route::Nothing => self.alone(at, &command, spec),
            // It selects, and nothing else is to be seen of it.
            Route::Each if spec.name == "SELECT" => self.alone(at, &command, spec),
            Route::Each | Route::All => self.together(at, &command, spec),
        }
    }

    #[inline(always)]
    fn about(&mut self, about: &About) {
        if let Some(eyes) = &mut self.eyes {
            eyes.about = *about;
        }
    }

    fn reached(&mut self, offset: u64) {
        self.observer.progress(offset);
    }
}

impl<'a, 'o> Router<'a, 'o> {
    pub(super) fn new(
        hand: Hand<'a>,
        crew: Crew,
        pace: Pace,
        eyes: Option<Eyes<'o>>,
        observer: &'o dyn Observer,
    ) -> Self {
        let steps = vec![Steps::default(); SHARDS];
        let (failures, halt, filled, waiting) = (Failures::default(), None, Vec::new(), 0);
        Router { hand, failures, halt, eyes, crew, steps, filled, waiting, pace, observer }
    }

    /// The steps of a shard, to which one is added.
    #[inline]
    fn steps_of(&mut self, shard: usize) -> Option<&mut Steps> {
        let steps = self.steps.get_mut(shard)?;
        if steps.is_empty() {
            self.filled.push(shard);
        }
        Some(steps)
    }

    #[inline]
    fn push(&mut self, shard: usize, at: usize) -> Result<(), Halt> {
        let db = self.hand.db;
        if let Some(steps) = self.steps_of(shard) {
            steps.push(db, at);
        }
        self.waiting += 1;
        if self.waiting < self.pace.section { Ok(()) } else { self.share() }
    }

    /// A command that falls apart into its keys.
    fn split(
        &mut self,
        at: usize,
        command: &Command<'a>,
        spec: &Spec,
        step: usize,
    ) -> Result<(), Halt> {
        let keys = || command.args().step_by(step).map(shard_of);
        let first = keys().next().unwrap_or_default();
        let whole = (command.argc() as usize - 1).is_multiple_of(step);
        if !whole || keys().all(|shard| shard == first) {
            return self.push(first, at);
        }
        // Only what is written as servers write it tells where its arguments begin.
        if Command::strict(command.frame()).is_none() {
            return self.together(at, command, spec);
        }
        let start = command.frame().as_ptr().addr();
        for key in command.args().step_by(step) {
            let digits = key.len().checked_ilog10().unwrap_or(0) as usize + 1;
            // In front of it are `$`, its length, and a line end.
            let place = key.as_ptr().addr() - start - digits - 3;
            let db = self.hand.db;
            if let Some(steps) = self.steps_of(shard_of(key)) {
                steps.push_part(db, at, place);
            }
        }
        self.waiting += command.argc() as usize;
        if self.waiting < self.pace.section { Ok(()) } else { self.share() }
    }

    /// A command over several keys, which may all be in one shard.
    fn keys(&mut self, at: usize, command: &Command<'a>, spec: &Spec) -> Result<(), Halt> {
        self.hand.take(command);
        let one = self.hand.args().split_first().and_then(|(name, args)| {
            let mut shards = command_keys(name, args)?.map(shard_of);
            let first = shards.next()?;
            shards.all(|shard| shard == first).then_some(first)
        });
        match one {
            Some(shard) => self.push(shard, at),
            None => self.together(at, command, spec),
        }
    }

    /// A command that works on no key.
    fn alone(&mut self, at: usize, command: &Command<'a>, spec: &Spec) -> Result<(), Halt> {
        self.hand.take(command);
        let done = self.run(at, spec);
        if done.is_err() {
            // What came before may have ended the run already.
            self.settle()?;
        }
        done
    }

    /// A command that works on all shards.
    fn together(&mut self, at: usize, command: &Command<'a>, spec: &Spec) -> Result<(), Halt> {
        self.settle()?;
        self.hand.take(command);
        self.run(at, spec)
    }

    fn run(&mut self, at: usize, spec: &Spec) -> Result<(), Halt> {
        let done = self.hand.run(at, spec);
        self.failures.beside(std::mem::take(&mut self.hand.failures));
        done
    }

    /// Has run what waits, and waits for all that is under way.
    pub(super) fn settle(&mut self) -> Result<(), Halt> {
        if self.waiting >= self.pace.worth_sharing && !self.crew.is_empty() {
            self.share()?;
        }
        self.wait()?;
        self.run_waiting()
    }

    /// Shares what waits among all.
    fn share(&mut self) -> Result<(), Halt> {
        if self.crew.is_empty() {
            return self.run_waiting();
        }
        self.wait()?;
        let room = self.waiting / SHARDS + self.waiting / (SHARDS * 8);
        let fresh = (0..SHARDS).map(|_| Steps::with_capacity(room)).collect();
        self.filled.clear();
        self.waiting = 0;
        let steps = std::mem::replace(&mut self.steps, fresh);
        self.crew.start(&mut self.hand, steps);
        Ok(())
    }

    fn wait(&mut self) -> Result<(), Halt> {
        self.crew.wait(&mut self.hand, &mut self.failures, &mut self.halt);
        self.halt.take().map_or(Ok(()), Err)
    }

    /// Runs what waits here and now.
    fn run_waiting(&mut self) -> Result<(), Halt> {
        if self.waiting == 0 {
            return Ok(());
        }
        self.waiting = 0;
        for shard in self.filled.drain(..) {
            let Some(steps) = self.steps.get_mut(shard) else { continue };
            let done = self.hand.steps(shard, steps);
            self.failures.beside(std::mem::take(&mut self.hand.failures));
            steps.clear();
            if let Err(found) = done
                && self.halt.as_ref().is_none_or(|halt| found.offset() < halt.offset())
            {
                self.halt = Some(found);
            }
        }
        self.halt.take().map_or(Ok(()), Err)
    }

    /// Ends it: takes back what is under way, and sends the others home.
    pub(super) fn dismiss(&mut self) {
        self.crew.wait(&mut self.hand, &mut self.failures, &mut self.halt);
        self.crew.close();
    }

    /// A name that no command has, or arguments in another number than it takes.
    #[cold]
    fn refuse(
        &mut self,
        offset: u64,
        command: &Command<'a>,
        spec: Option<&'static Spec>,
    ) -> Result<(), Halt> {
        let name = command.name();
        if self.hand.skips_unknown() {
            self.failures.skip(name);
            return Ok(());
        }
        // What came before may have ended the run already.
        self.settle()?;
        Err(match foreign(name).filter(|_| spec.is_none()) {
            Some(words) => Halt::Unsupported { offset, words },
            None => Halt::Unknown { offset, name: name.to_vec(), argc: spec },
        })
    }
}
