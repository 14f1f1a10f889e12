//! `history`: what a log did to a key, command by command.
//!
//! ```text
//! log ─ command ─ which of its keys are asked for? ─ before │ run it │ after ─► event
//!       flush, swap: all keys of the database that are
//! ```
//!
//! The log is run as a loading server runs it, and looked at around each command that concerns a
//! key that is asked for; what lies between these is run beside one another.
//! A key is followed under the name that RENAME gives it and into the database that MOVE or
//! SWAPDB takes it to. Memory is that of the run.

mod idle;
mod state;
#[cfg(test)]
mod tests;
mod watch;

use hashbrown::HashMap;

use self::watch::Watch;
use super::filter::Filter;
use super::run::{self, Pace, Run, RunOptions, Scene};
use super::snapshot::{self, Ended};
use super::walk::Observer;
use crate::bytes::glob::Glob;
use crate::error::{Error, Result};
use crate::report::history::{Effect, Event};
use crate::source::{Form, Source};

/// What is asked of a log.
#[derive(Debug, Clone, Default)]
pub struct HistoryOptions {
    /// Which keys, as KEYS understands patterns; none means all.
    pub patterns: Vec<Vec<u8>>,
    /// Only keys that pass this; of its questions those about database and name are asked.
    pub filter: Filter,
    /// Only the last event of each key that changed it.
    pub last: bool,
    /// Only keys that are gone in the end, by the event that removed each.
    pub deleted: bool,
    /// Whether events carry the value after them, as its bytes.
    pub values: bool,
    /// How the log is run.
    pub run: RunOptions,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Events that were handed out.
    pub events: u64,
    /// Keys that they are about.
    pub keys: u64,
    /// Commands in the log.
    pub commands: u64,
    /// What there is to say of the log.
    pub ended: Ended,
}

/// Runs a log, and hands out what it did to the keys that are asked for, in the order of the log.
///
/// ```
/// use rdbkit::ops::history::{HistoryOptions, history};
/// use rdbkit::ops::walk::Silent;
/// use rdbkit::source::{OpenOptions, open};
///
/// # fn main() -> rdbkit::Result<()> {
/// let log = open(&"fixtures/annotations.aof".into(), &OpenOptions::default())?;
/// let options = HistoryOptions { patterns: vec![b"a".to_vec()], ..Default::default() };
/// let mut commands = Vec::new();
/// history(log, &options, &mut |event| Ok(commands.push(event.command().to_vec())), &Silent)?;
/// assert_eq!(commands, [b"SET"]);
/// # Ok(())
/// # }
/// ```
pub fn history(
    source: Source,
    options: &HistoryOptions,
    each: &mut dyn FnMut(&Event) -> Result<()>,
    observer: &dyn Observer,
) -> Result<History> {
    if source.form == Form::Dump {
        return Err(Error::Usage(format!("{} is a DUMP payload, which has no past", source.name)));
    }
    let mut sink = Sink::new(options, each);
    let mut watch = Watch::new(options, &mut sink);
    let run = run::run_watched(source, &options.run, observer, &mut watch, Pace::default())?;
    let Run { engine, commands, failures, parts, .. } = run;
    watch.end(Scene { keyspace: &engine.keyspace, target: &engine.env.target, db: 0 })?;
    let dropped = parts.iter().find_map(|part| Some((part.name.clone(), part.dropped_from?)));
    std::thread::spawn(move || drop(engine));
    sink.finish()?;
    let ended = Ended {
        ran: Some(snapshot::Ran {
            commands,
            failed: failures.failed,
            failures: failures.told(),
            played: None,
            skipped: failures.skipped_commands(),
            dropped_from: dropped,
        }),
        ..Ended::default()
    };
    Ok(History { events: sink.events, keys: sink.keys.len() as u64, commands, ended })
}

/// A database and a key.
type Place = (u64, Vec<u8>);

/// Where events go: on, or to where only the last of each key is kept.
struct Sink<'o> {
    options: &'o HistoryOptions,
    each: &'o mut dyn FnMut(&Event) -> Result<()>,
    kept: HashMap<Place, Event>,
    events: u64,
    keys: HashMap<Place, ()>,
}

impl<'o> Sink<'o> {
    fn new(options: &'o HistoryOptions, each: &'o mut dyn FnMut(&Event) -> Result<()>) -> Self {
        Sink { options, each, kept: HashMap::new(), events: 0, keys: HashMap::new() }
    }

    fn event(&mut self, event: Event) -> Result<()> {
        let place = (event.db, event.key.clone());
        let options = self.options;
        let changes = !matches!(
            event.effect,
            Effect::Nothing | Effect::Failed | Effect::CopiedTo | Effect::Read | Effect::Expired
        );
        if options.deleted {
            if event.effect.is_gone() {
                self.kept.insert(place, event);
            } else if event.after.is_some() {
                self.kept.remove(&place);
            }
        } else if options.last {
            if changes {
                self.kept.insert(place, event);
            }
        } else {
            return self.tell(&event);
        }
        Ok(())
    }

    fn tell(&mut self, event: &Event) -> Result<()> {
        self.events += 1;
        self.keys.entry((event.db, event.key.clone())).or_insert(());
        (self.each)(event)
    }

    /// Hands out what was kept, in the order of the log.
    fn finish(&mut self) -> Result<()> {
        let mut kept: Vec<Event> = self.kept.drain().map(|(_, event)| event).collect();
        kept.sort_by(|a, b| (a.number, &a.key, a.db).cmp(&(b.number, &b.key, b.db)));
        kept.iter().try_for_each(|event| self.tell(event))
    }
}

/// Which keys are asked for.
struct Wanted<'o> {
    exact: Vec<Vec<u8>>,
    globs: Vec<Glob>,
    filter: &'o Filter,
}

impl<'o> Wanted<'o> {
    fn of(options: &'o HistoryOptions) -> Self {
        let is_glob = |pattern: &&Vec<u8>| pattern.iter().any(|byte| b"*?[\\".contains(byte));
        let globs = options.patterns.iter().filter(is_glob);
        let mut globs: Vec<_> = globs.map(|pattern| Glob::new(pattern)).collect();
        if options.patterns.is_empty() {
            globs.push(Glob::new(b"*"));
        }
        // A key may be called as a pattern looks.
        Wanted { exact: options.patterns.clone(), globs, filter: &options.filter }
    }

    fn takes(&self, db: u64, key: &[u8]) -> bool {
        self.filter.matches_db(db)
            && (self.exact.iter().any(|wanted| wanted == key)
                || self.globs.iter().any(|glob| glob.matches(key)))
            && self.filter.matches_key(key)
    }
}
