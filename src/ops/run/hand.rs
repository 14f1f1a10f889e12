//! Runs commands on the shards at hand.

use std::ops::Deref;

use super::failed::{Failed, Failures};
use super::known::Known;
use super::steps::{Step, Steps};
use super::watched::Scene;
use crate::aof::LogItem;
use crate::aof::log::{Quirks, item};
use crate::bytes::prefetch::prefetch_first;
use crate::engine::{Answer, Call, Env, Failure, Keys, Keyspace, Route, Spec, warm};
use crate::error::{Error, FormatError};
use crate::resp::{Command, Reply};

/// What ends a run for good.
#[derive(Debug)]
pub(super) enum Halt {
    /// A name that no command has.
    Unknown { offset: u64, name: Vec<u8>, argc: Option<&'static Spec> },
    /// A command that cannot be run here.
    Unsupported { offset: u64, words: String },
    /// A value of the base is broken.
    Broken { offset: u64, error: Box<FormatError> },
    /// Whoever watches wants no more.
    Watcher { offset: u64, error: Error },
}

impl Halt {
    pub(super) fn offset(&self) -> u64 {
        match self {
            Halt::Unknown { offset, .. }
            | Halt::Unsupported { offset, .. }
            | Halt::Broken { offset, .. }
            | Halt::Watcher { offset, .. } => *offset,
        }
    }

    /// In words; `file` is the part of the log that it stands in.
    pub(super) fn error(self, file: &str) -> Error {
        match self {
            Halt::Unknown { offset, name, argc: None } => Error::Source(format!(
                "{file}: offset {offset}: no command is called {}: a server of another kind or a module \
                 wrote it; --on-unknown skip steps over such commands",
                crate::bytes::quoted(&name)
            )),
            Halt::Unknown { offset, name, argc: Some(_) } => Error::Source(format!(
                "{file}: offset {offset}: {} has another number of arguments than the command takes; \
                 --on-unknown skip steps over such commands",
                crate::bytes::quoted(&name)
            )),
            Halt::Unsupported { offset, words } => Error::Source(format!(
                "{file}: offset {offset}: {words}; --on-unknown skip steps over such commands"
            )),
            Halt::Broken { error, .. } => Error::Format(error),
            Halt::Watcher { error, .. } => error,
        }
    }
}

/// What is left to chance in a command that begins there.
fn chance_at(offset: u64) -> u64 {
    (offset + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1
}

/// Steps that are made ready together.
const AHEAD: usize = 16;

/// Steps that are made ready.
struct Ahead {
    steps: [Step; AHEAD],
    count: usize,
}

impl Deref for Ahead {
    type Target = [Step];

    #[inline]
    fn deref(&self) -> &[Step] {
        self.steps.get(..self.count).unwrap_or_default()
    }
}

/// One thread at work.
pub(super) struct Hand<'a> {
    /// The log.
    bytes: &'a [u8],
    /// The shards at hand.
    pub(super) keyspace: Keyspace,
    pub(super) env: Env,
    pub(super) db: usize,
    pub(super) failures: Failures,
    skip_unknown: bool,
    args: Vec<&'a [u8]>,
    known: Known,
}

impl<'a> Hand<'a> {
    pub(super) fn new(
        bytes: &'a [u8],
        keyspace: Keyspace,
        env: Env,
        db: usize,
        skip_unknown: bool,
    ) -> Self {
        let (failures, args, known) = (Failures::default(), Vec::new(), Known::default());
        Hand { bytes, keyspace, env, db, failures, skip_unknown, args, known }
    }

    /// The command of a name.
    #[inline]
    pub(super) fn lookup(&mut self, name: &[u8]) -> Option<&'static Spec> {
        self.known.lookup(name)
    }

    /// Whether commands that are not known are stepped over.
    pub(super) fn skips_unknown(&self) -> bool {
        self.skip_unknown
    }

    /// The arguments at hand, the name first.
    pub(super) fn args(&self) -> &[&'a [u8]] {
        &self.args
    }

    /// Takes the arguments of a command in hand.
    pub(super) fn take(&mut self, command: &Command<'a>) {
        self.args.clear();
        self.args.push(command.name());
        self.args.extend(command.args());
    }

    /// Runs a command, whose arguments are at hand. What fails is noted; what ends the run is
    /// given back.
    #[inline]
    pub(super) fn run(&mut self, offset: usize, spec: &Spec) -> Result<(), Halt> {
        match self.answer(offset, spec) {
            Ok(_) => Ok(()),
            Err(failure) => self.note(offset as u64, failure),
        }
    }

    /// Runs a command, whose arguments are at hand.
    #[inline]
    pub(super) fn answer(&mut self, offset: usize, spec: &Spec) -> Answer {
        // What is left to chance depends on where a command stands, not on which thread runs it.
        self.env.chance = chance_at(offset as u64);
        let keys = Keys::new(&mut self.keyspace, self.db, None);
        let mut call = Call { args: &self.args, keys, env: &mut self.env };
        let answer = (spec.run)(&mut call);
        self.db = call.keys.db;
        match answer {
            Ok(Reply::Error(words)) => Err(Failure::Error(words)),
            answer => answer,
        }
    }

    /// What there is to be looked at.
    pub(super) fn scene(&self) -> Scene<'_> {
        Scene { keyspace: &self.keyspace, target: &self.env.target, db: self.db }
    }

    /// Notes what failed, and gives back what ends the run.
    #[cold]
    pub(super) fn note(&mut self, offset: u64, failure: Failure) -> Result<(), Halt> {
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

    /// Runs the steps of a shard, which is the `place`-th of those at hand.
    pub(super) fn steps(&mut self, place: usize, steps: &Steps) -> Result<(), Halt> {
        if let Some(shard) = self.keyspace.shards().get(place)
            && shard.dbs().iter().map(|db| db.records().len()).sum::<usize>() < steps.count()
        {
            warm(shard);
        }
        let db = std::mem::take(&mut self.db);
        let mut steps = steps.iter();
        let mut now = self.next(&mut steps);
        let mut done = Ok(());
        while !now.is_empty() && done.is_ok() {
            let next = self.next(&mut steps);
            done = now.iter().try_for_each(|step| self.step(*step));
            now = next;
        }
        self.db = db;
        done
    }

    /// The next steps, whose bytes are asked for: they lie far from each other, and come while
    /// those before are run.
    #[inline]
    fn next(&self, steps: &mut impl Iterator<Item = Step>) -> Ahead {
        /// Most commands are no longer, or go on with a text that nobody reads.
        const MOST: usize = 128;
        let mut ahead = Ahead { steps: [Step::Select(0); AHEAD], count: 0 };
        for (slot, step) in ahead.steps.iter_mut().zip(steps) {
            *slot = step;
            ahead.count += 1;
            prefetch_first(MOST, self.bytes.get(step.offset()..).unwrap_or_default());
        }
        ahead
    }

    #[inline]
    fn step(&mut self, step: Step) -> Result<(), Halt> {
        let (offset, read) = match step {
            Step::Select(db) => {
                self.db = db;
                return Ok(());
            }
            Step::Command(offset) => (offset, self.read(offset)),
            Step::Part(offset, key) => (offset, self.read_part(offset, key)),
        };
        let spec = read.and_then(|()| self.lookup(self.args.first().copied()?));
        // Whoever made the steps has read the command before.
        spec.map_or(Ok(()), |spec| self.run(offset, spec))
    }

    #[inline]
    fn read(&mut self, offset: usize) -> Option<()> {
        let rest = self.bytes.get(offset..)?;
        if Command::bulks(rest, &mut self.args).is_some() {
            return Some(());
        }
        match item(rest, true, &mut Quirks::default()) {
            Ok((_, LogItem::Command(command))) => {
                self.take(&command);
                Some(())
            }
            _ => None,
        }
    }

    /// The name of a command and one of its groups of arguments.
    fn read_part(&mut self, offset: usize, key: usize) -> Option<()> {
        let (_, name, _) = Command::head(self.bytes.get(offset..)?)?;
        let Some(Route::Split(step)) = self.lookup(name).map(|spec| spec.route) else {
            return None;
        };
        self.args.clear();
        self.args.push(name);
        let mut rest = self.bytes.get(offset + key..)?;
        for _ in 0..step {
            let (arg, behind) = Command::bulk(rest)?;
            self.args.push(arg);
            rest = behind;
        }
        Some(())
    }
}
