//! A run on one thread, command by command, while somebody watches what each of them does.

use super::RunOptions;
use super::failed::{Failed, Failures};
use super::hand::{Halt, chance_at};
use super::log::{About, End, Progress, Runner, read};
use crate::Result;
use crate::engine::{Engine, Failure, foreign, lookup};
use crate::error::Error;
use crate::ops::walk::Observer;
use crate::resp::{Command, Reply};

/// Somebody who watches a run.
pub(in crate::ops) trait Watcher {
    /// A part of the log begins.
    fn part(&mut self, name: &str);

    /// The snapshot that a part begins with has been loaded.
    fn loaded(&mut self, engine: &mut Engine) -> Result<()>;

    /// A command is about to be run.
    fn before(&mut self, engine: &mut Engine, about: &About, args: &[&[u8]]) -> Result<()>;

    /// It was run, or failed with these words.
    fn after(
        &mut self,
        engine: &mut Engine,
        about: &About,
        args: &[&[u8]],
        failed: Option<&str>,
    ) -> Result<()>;
}

/// Runs the log that begins at `from`.
pub(super) fn run(
    engine: &mut Engine,
    bytes: &[u8],
    from: usize,
    progress: &Progress,
    options: &RunOptions,
    watcher: &mut dyn Watcher,
    observer: &dyn Observer,
) -> Result<(End, Failures), Stop> {
    let mut solo = Solo {
        engine,
        skip_unknown: options.skip_unknown,
        watcher,
        observer,
        failures: Failures::default(),
        about: About::default(),
    };
    let end = read(bytes, from, progress, &mut solo)?;
    Ok((end, solo.failures))
}

struct Solo<'e> {
    engine: &'e mut Engine,
    skip_unknown: bool,
    watcher: &'e mut dyn Watcher,
    observer: &'e dyn Observer,
    failures: Failures,
    about: About,
}

/// Why it would go no further.
pub(super) enum Stop {
    Halt(Halt),
    Watcher(Error),
}

impl Stop {
    /// In words; `file` is the part of the log that it stands in.
    pub(super) fn error(self, file: &str) -> Error {
        match self {
            Stop::Halt(halt) => halt.error(file),
            Stop::Watcher(error) => error,
        }
    }
}

impl<'a> Runner<'a> for Solo<'_> {
    type Stop = Stop;

    fn about(&mut self, about: &About) {
        self.about = *about;
    }

    fn command(&mut self, offset: u64, command: Command<'a>) -> Result<(), Stop> {
        let mut args = vec![command.name()];
        args.extend(command.args());
        let name = command.name();
        let spec = lookup(name);
        if !spec.is_some_and(|spec| spec.takes(args.len())) {
            if self.skip_unknown {
                self.failures.skip(name);
                return Ok(());
            }
            return Err(Stop::Halt(match foreign(name).filter(|_| spec.is_none()) {
                Some(words) => Halt::Unsupported { offset, words },
                None => Halt::Unknown { offset, name: name.to_vec(), argc: spec },
            }));
        }
        self.watcher.before(self.engine, &self.about, &args).map_err(Stop::Watcher)?;
        self.engine.env.chance = chance_at(offset);
        let failed = match self.engine.run(&args) {
            Ok(Reply::Error(words)) | Err(Failure::Error(words)) => Some(words.into_owned()),
            Ok(_) => None,
            Err(Failure::Unsupported(_)) if self.skip_unknown => {
                self.failures.skip(name);
                None
            }
            Err(Failure::Unsupported(words)) => {
                return Err(Stop::Halt(Halt::Unsupported { offset, words }));
            }
            Err(Failure::Broken(error)) => {
                return Err(Stop::Halt(Halt::Broken { offset, error }));
            }
        };
        let words = failed.as_deref();
        self.watcher.after(self.engine, &self.about, &args, words).map_err(Stop::Watcher)?;
        if let Some(error) = failed {
            let key = args.get(1).map(|key| key.to_vec());
            let name = name.to_vec();
            self.failures.note(Failed { file: String::new(), offset, name, key, error });
        }
        Ok(())
    }

    fn reached(&mut self, offset: u64) {
        self.observer.progress(offset);
    }
}
