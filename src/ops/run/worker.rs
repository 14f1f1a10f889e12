//! The threads of a run: each reads the whole log and runs the commands of its own shards.
//!
//! A command over several keys that are not all in one hand is run by whoever comes last to the
//! [`Gate`], on all of them. What needs no meeting has none: databases are selected, swapped and
//! flushed by each thread in its own shards, and DEL and MSET fall apart into their keys.

use std::thread;

use super::RunOptions;
use super::failed::{Failed, Failures};
use super::gate::{CalledOff, Gate};
use super::log::{End, Progress, Runner, read};
use crate::Result;
use crate::engine::{
    Answer, Call, Engine, Env, Failure, Keys, Keyspace, Route, SHARDS, Spec, foreign, lookup,
    shard_of, shards_per_thread,
};
use crate::error::{Error, FormatError};
use crate::ops::walk::Observer;
use crate::resp::{Command, command_keys};

/// The threads that run a part, each with its shards.
pub(super) struct Crew<'e> {
    engine: &'e mut Engine,
    threads: usize,
    skip_unknown: bool,
}

/// What ends a run for good.
#[derive(Debug)]
pub(super) enum Halt {
    /// A name that no command has.
    Unknown { offset: u64, name: Vec<u8>, argc: Option<&'static Spec> },
    /// A command that cannot be run here.
    Unsupported { offset: u64, words: String },
    /// A value of the base is broken.
    Broken { offset: u64, error: Box<FormatError> },
    /// Another thread has failed.
    CalledOff,
}

impl Halt {
    fn offset(&self) -> u64 {
        match self {
            Halt::Unknown { offset, .. }
            | Halt::Unsupported { offset, .. }
            | Halt::Broken { offset, .. } => *offset,
            Halt::CalledOff => u64::MAX,
        }
    }

    pub(super) fn error(self) -> Error {
        match self {
            Halt::Unknown { offset, name, argc: None } => Error::Usage(format!(
                "offset {offset}: no command is called {}: a server of another kind or a module \
                 wrote it; --on-unknown skip steps over such commands",
                crate::bytes::quoted(&name)
            )),
            Halt::Unknown { offset, name, argc: Some(_) } => Error::Usage(format!(
                "offset {offset}: {} has another number of arguments than the command takes; \
                 --on-unknown skip steps over such commands",
                crate::bytes::quoted(&name)
            )),
            Halt::Unsupported { offset, words } => Error::Usage(format!(
                "offset {offset}: {words}; --on-unknown skip steps over such commands"
            )),
            Halt::Broken { error, .. } => Error::Format(error),
            Halt::CalledOff => Error::Usage("the run was called off".to_owned()),
        }
    }
}

impl<'e> Crew<'e> {
    pub(super) fn of(engine: &'e mut Engine, options: &RunOptions) -> Self {
        let threads = options.threads.clamp(1, SHARDS);
        Crew { engine, threads, skip_unknown: options.skip_unknown }
    }

    /// Runs the log that begins at `from`.
    pub(super) fn run(
        self,
        bytes: &[u8],
        from: usize,
        progress: &Progress,
        observer: &dyn Observer,
    ) -> Result<(End, Failures)> {
        // A short log is run before threads have started.
        const WORTH_THREADS: usize = 1 << 20;
        let threads = if bytes.len() - from < WORTH_THREADS { 1 } else { self.threads };
        let gate = Gate::new(threads, self.engine.env.clone());
        let mut parts = self.engine.keyspace.split(threads).into_iter();
        let spaces: Vec<Keyspace> =
            (0..threads).map(|_| parts.next().unwrap_or_default()).collect();
        let db = self.engine.db();
        let mut done: Vec<(Hand<'_, '_>, Result<End, Halt>)> = thread::scope(|scope| {
            let work = |index: usize, space: Keyspace| {
                let env = self.engine.env.clone();
                let gate = &gate;
                let skip_unknown = self.skip_unknown;
                move || {
                    let mut hand =
                        Hand::new(index, threads, space, env, db, gate, skip_unknown, observer);
                    let end = read(bytes, from, progress, &mut hand);
                    if end.is_err() {
                        gate.call_off();
                    }
                    (hand, end)
                }
            };
            let mut spaces = spaces.into_iter().enumerate();
            let first = spaces.next().map(|(index, space)| work(index, space));
            let others: Vec<_> =
                spaces.map(|(index, space)| scope.spawn(work(index, space))).collect();
            let first = first.map(|run| run());
            let others = others.into_iter().filter_map(|handle| handle.join().ok());
            first.into_iter().chain(others).collect()
        });
        let mut failures = Failures::default();
        let mut halt: Option<Halt> = None;
        let mut end = None;
        for (hand, result) in &mut done {
            self.engine.keyspace.join(&mut hand.keyspace);
            failures.beside(std::mem::take(&mut hand.failures));
            self.engine.select(hand.db);
            match std::mem::replace(result, Err(Halt::CalledOff)) {
                Ok(found) => end = end.or(Some(found)),
                Err(stop) if halt.as_ref().is_none_or(|h| stop.offset() < h.offset()) => {
                    halt = Some(stop);
                }
                Err(_) => {}
            }
        }
        // What there is only one of was with the only thread, or where several met.
        let alone = if threads == 1 { done.pop().map(|(hand, _)| hand.env) } else { None };
        drop(done);
        self.engine.env = alone.unwrap_or_else(|| gate.into_env());
        match (halt, end) {
            (Some(halt), _) => Err(halt.error()),
            (None, Some(end)) => Ok((end, failures)),
            (None, None) => Err(Halt::CalledOff.error()),
        }
    }
}

/// One thread at work.
struct Hand<'a, 'g> {
    index: usize,
    threads: usize,
    keyspace: Keyspace,
    env: Env,
    db: usize,
    gate: &'g Gate,
    skip_unknown: bool,
    observer: &'g dyn Observer,
    failures: Failures,
    args: Vec<&'a [u8]>,
    /// What is left to chance depends on where a command stands, not on which thread runs it.
    chance: u64,
    known: [Option<(&'a [u8], &'static Spec)>; KNOWN],
}

/// What is left to chance in a command that begins there.
pub(super) fn chance_at(offset: u64) -> u64 {
    (offset + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1
}

/// How many names are remembered: a power of two.
const KNOWN: usize = 16;

impl<'a, 'g> Hand<'a, 'g> {
    #[expect(clippy::too_many_arguments, reason = "made in one place")]
    fn new(
        index: usize,
        threads: usize,
        keyspace: Keyspace,
        env: Env,
        db: usize,
        gate: &'g Gate,
        skip_unknown: bool,
        observer: &'g dyn Observer,
    ) -> Self {
        Hand {
            index,
            threads,
            keyspace,
            env,
            db,
            gate,
            skip_unknown,
            observer,
            failures: Failures::default(),
            args: Vec::new(),
            chance: 0,
            known: [None; KNOWN],
        }
    }

    /// The command of a name; most logs have few names, so the last ones are remembered.
    #[inline]
    fn lookup(&mut self, name: &'a [u8]) -> Option<&'static Spec> {
        let first = name.first().copied().unwrap_or(0);
        let last = name.last().copied().unwrap_or(0);
        let place = usize::from(first.wrapping_mul(7) ^ last) ^ name.len();
        let slot = self.known.get_mut(place % KNOWN)?;
        if let Some((known, spec)) = slot
            && *known == name
        {
            return Some(spec);
        }
        let spec = lookup(name)?;
        *slot = Some((name, spec));
        Some(spec)
    }

    /// Runs a command on the shards at hand.
    #[inline]
    fn run(&mut self, spec: &Spec) -> Answer<()> {
        self.env.chance = self.chance;
        let keys = Keys::new(&mut self.keyspace, self.db, None);
        let mut call = Call { args: &self.args, keys, env: &mut self.env };
        let answer = (spec.run)(&mut call);
        self.db = call.keys.db;
        match answer {
            Ok(crate::resp::Reply::Error(words)) => Err(Failure::Error(words)),
            Ok(_) => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Runs a command on all shards, when everybody is there.
    fn run_together(&mut self, spec: &Spec) -> Result<Answer<()>, Halt> {
        if self.threads == 1 {
            return Ok(self.run(spec));
        }
        let (args, db, chance) = (&self.args, self.db, self.chance);
        let met = self.gate.meet(self.index, &mut self.keyspace, |keyspace, env| {
            env.chance = chance;
            let keys = Keys::new(keyspace, db, None);
            let mut call = Call { args, keys, env };
            (spec.run)(&mut call).map(|_| ())
        });
        match met {
            Ok(answer) => Ok(answer.unwrap_or(Ok(()))),
            Err(CalledOff) => Err(Halt::CalledOff),
        }
    }

    #[cold]
    fn note(&mut self, offset: u64, failure: Failure) -> Result<(), Halt> {
        match failure {
            Failure::Error(words) => {
                let mut args = self.args.iter().map(|arg| arg.to_vec());
                let (name, key) = (args.next().unwrap_or_default(), args.next());
                let error = words.into_owned();
                self.failures.note(Failed { file: String::new(), offset, name, key, error });
                Ok(())
            }
            Failure::Unsupported(_) if self.skip_unknown => {
                let name = self.args.first().copied().unwrap_or_default();
                self.failures.skip(name);
                Ok(())
            }
            Failure::Unsupported(words) => Err(Halt::Unsupported { offset, words }),
            Failure::Broken(error) => Err(Halt::Broken { offset, error }),
        }
    }

    /// Takes the arguments of a command in hand.
    #[inline]
    fn take(&mut self, command: &Command<'a>) {
        self.args.clear();
        self.args.push(command.name());
        self.args.extend(command.args());
    }

    /// The thread that has all keys of the command in hand, if one has.
    fn owner(&self) -> Option<usize> {
        if self.threads == 1 {
            return Some(0);
        }
        let (name, args) = self.args.split_first()?;
        let share = shards_per_thread(self.threads);
        let mut owners = command_keys(name, args)?.map(|key| shard_of(key) / share);
        let first = owners.next()?;
        owners.all(|owner| owner == first).then_some(first)
    }

    /// Of a command whose arguments come in groups of `step`, each beginning with a key, keeps
    /// those whose key is here. Whether any is left.
    fn keep_own(&mut self, step: usize) -> bool {
        if self.threads == 1 {
            return true;
        }
        let mut kept = Vec::with_capacity(self.args.len());
        kept.extend(self.args.first());
        for group in self.args.get(1..).unwrap_or_default().chunks(step) {
            if group.first().is_some_and(|key| self.keyspace.holds(key)) {
                kept.extend(group);
            }
        }
        self.args = kept;
        self.args.len() > 1
    }
}

impl<'a> Runner<'a> for Hand<'a, '_> {
    type Stop = Halt;

    #[inline]
    fn command(&mut self, offset: u64, command: Command<'a>) -> Result<(), Halt> {
        self.chance = chance_at(offset);
        let spec = self.lookup(command.name());
        let spec = match spec {
            Some(spec) if spec.takes(command.argc() as usize) => spec,
            _ => return self.refuse(offset, &command, spec),
        };
        let answer = match spec.route {
            Route::Key(place) => {
                if self.threads > 1 {
                    let key = command.args().nth(usize::from(place) - 1).unwrap_or_default();
                    if !self.keyspace.holds(key) {
                        return Ok(());
                    }
                }
                self.take(&command);
                self.run(spec)
            }
            Route::Each => {
                self.take(&command);
                let answer = self.run(spec);
                if self.index > 0 { Ok(()) } else { answer }
            }
            Route::Split(step) => {
                self.take(&command);
                if (self.args.len() - 1).is_multiple_of(usize::from(step))
                    && !self.keep_own(usize::from(step))
                {
                    return Ok(());
                }
                self.run(spec)
            }
            Route::Nothing => {
                if self.index > 0 {
                    return Ok(());
                }
                self.take(&command);
                self.run(spec)
            }
            Route::Keys => {
                self.take(&command);
                match self.owner() {
                    Some(owner) if owner != self.index => return Ok(()),
                    Some(_) => self.run(spec),
                    None => self.run_together(spec)?,
                }
            }
            Route::All => {
                self.take(&command);
                self.run_together(spec)?
            }
        };
        match answer {
            Ok(()) => Ok(()),
            Err(failure) => self.note(offset, failure),
        }
    }

    fn reached(&mut self, offset: u64) {
        if self.index == 0 {
            self.observer.progress(offset);
        }
    }
}

impl<'a> Hand<'a, '_> {
    /// A name that no command has, or arguments in another number than it takes.
    #[cold]
    fn refuse(
        &mut self,
        offset: u64,
        command: &Command<'a>,
        spec: Option<&'static Spec>,
    ) -> Result<(), Halt> {
        if !self.skip_unknown {
            let name = command.name();
            return Err(match foreign(name).filter(|_| spec.is_none()) {
                Some(words) => Halt::Unsupported { offset, words },
                None => Halt::Unknown { offset, name: name.to_vec(), argc: spec },
            });
        }
        if self.index == 0 {
            self.failures.skip(command.name());
        }
        Ok(())
    }
}
