//! A run that somebody watches: of the commands that concern him, what each of them does.
//!
//! ```text
//! command ─ concerns him? no ─► router   sorted, and run beside others
//!                        yes ─► all before it is run ─ before │ it alone │ after
//! ```
//!
//! What he is told is the same with any number of threads.

use super::hand::Halt;
use super::log::About;
use super::router::Router;
use crate::Result;
use crate::engine::{Failure, Keyspace, Route, Spec};
use crate::rdb::Target;
use crate::resp::{Command, Reply};

/// Somebody who watches a run.
pub(in crate::ops) trait Watcher {
    /// A part of the log begins.
    fn part(&mut self, name: &str);

    /// The snapshot that a part begins with has been loaded.
    fn loaded(&mut self, scene: Scene<'_>) -> Result<()>;

    /// Whether a command concerns him that is about this key and no other.
    fn takes(&self, db: u64, key: &[u8]) -> bool;

    /// Whether a command concerns him that runs in this database, the name first.
    fn concerns(&self, db: u64, args: &[&[u8]]) -> bool;

    /// So many commands were run that do not concern him.
    fn passed(&mut self, commands: u64);

    /// A command is about to be run.
    fn before(&mut self, scene: Scene<'_>, about: &About, args: &[&[u8]]) -> Result<()>;

    /// It was run.
    fn after(
        &mut self,
        scene: Scene<'_>,
        about: &About,
        args: &[&[u8]],
        done: Done<'_>,
    ) -> Result<()>;
}

/// What there is to be looked at.
#[derive(Debug, Clone, Copy)]
pub(in crate::ops) struct Scene<'s> {
    pub(in crate::ops) keyspace: &'s Keyspace,
    /// The server that is played.
    pub(in crate::ops) target: &'s Target,
    /// The selected database.
    pub(in crate::ops) db: usize,
}

/// What came of a command.
#[derive(Debug, Clone, Copy)]
pub(in crate::ops) enum Done<'r> {
    Answered(&'r Reply),
    Failed(&'r str),
    /// It cannot be run, and was stepped over.
    Skipped,
}

/// Who watches, and what is known of the command that comes next.
pub(super) struct Eyes<'w> {
    watcher: &'w mut dyn Watcher,
    pub(super) about: About,
    passed: u64,
}

impl<'w> Eyes<'w> {
    pub(super) fn new(watcher: &'w mut dyn Watcher) -> Self {
        Eyes { watcher, about: About::default(), passed: 0 }
    }

    /// Tells how many commands there were since the last one that was shown.
    pub(super) fn tell_passed(&mut self) {
        self.watcher.passed(std::mem::take(&mut self.passed));
    }
}

impl<'a> Router<'a, '_> {
    /// Runs a command before the eyes of whoever watches, where it concerns him; whether it did.
    pub(super) fn show(
        &mut self,
        offset: u64,
        command: &Command<'a>,
        spec: &'static Spec,
    ) -> Result<bool, Halt> {
        let Some(eyes) = &mut self.eyes else { return Ok(false) };
        let db = self.hand.db as u64;
        let concerns = match spec.route {
            Route::Key(1) if spec.name != "MOVE" => {
                command.first().is_some_and(|key| eyes.watcher.takes(db, key))
            }
            Route::Split(step) => {
                command.args().step_by(step.into()).any(|key| eyes.watcher.takes(db, key))
            }
            _ => {
                self.hand.take(command);
                eyes.watcher.concerns(db, self.hand.args())
            }
        };
        if !concerns {
            eyes.passed += 1;
            return Ok(false);
        }
        self.settle()?;
        let Some(eyes) = &mut self.eyes else { return Ok(false) };
        eyes.tell_passed();
        let Eyes { watcher, about, .. } = eyes;
        let stop = |error| Halt::Watcher { offset, error };
        let hand = &mut self.hand;
        hand.take(command);
        watcher.before(hand.scene(), about, hand.args()).map_err(stop)?;
        let answer = hand.answer(offset as usize, spec);
        let done = match &answer {
            Ok(reply) => Some(Done::Answered(reply)),
            Err(Failure::Error(words)) => Some(Done::Failed(words)),
            Err(Failure::Unsupported(_)) => hand.skips_unknown().then_some(Done::Skipped),
            Err(Failure::Broken(_)) => None,
        };
        if let Some(done) = done {
            watcher.after(hand.scene(), about, hand.args(), done).map_err(stop)?;
        }
        if let Err(failure) = answer {
            hand.note(offset, failure)?;
            self.failures.beside(std::mem::take(&mut hand.failures));
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::{Route, lookup};
    use crate::resp::{command_keys, known_commands};

    /// Commands of one key, and those that fall apart into their keys, are asked about by these
    /// keys alone.
    #[test]
    fn the_keys_that_are_asked_about_are_all_that_there_are() {
        let mut seen = 0;
        for spec in known_commands().filter_map(|name| lookup(name.as_bytes())) {
            let step = match spec.route {
                Route::Key(1) => usize::MAX,
                Route::Split(step) => usize::from(step),
                _ => continue,
            };
            seen += 1;
            let args: Vec<String> = (0..6).map(|n| n.to_string()).collect();
            let keys: Vec<&[u8]> = command_keys(spec.name.as_bytes(), &args).unwrap().collect();
            let want: Vec<&[u8]> = args.iter().step_by(step).map(String::as_bytes).collect();
            assert_eq!(keys, want, "{}", spec.name);
        }
        assert!(seen > 100, "{seen}");
    }
}
