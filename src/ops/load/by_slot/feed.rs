//! The commands of a source in their order, put into windows by the slot of their keys.
//!
//! ```text
//! parts ─ snapshot ─ what makes each key ─────┐
//!       └ log ────── commands, transactions ──┴─► Window (a batch for each slot) ─► …
//! ```
//!
//! A position counts the bytes of all parts up to the end of a command. What a slot has reached
//! already is left out, so that the same source can be fed again and again.

use std::borrow::Cow;
use std::collections::HashSet;

use crossbeam_channel::Sender;

use super::window::Window;
use crate::error::{Error, FormatError, Result};
use crate::ops::load::LoadOptions;
use crate::ops::load::ahead::{across, has_place_in_cluster};
use crate::ops::load::batch::Batch;
use crate::ops::load::files::{File, place as place_of};
use crate::ops::load::pack::{Plan, Room};
use crate::ops::load::point::{Point, up_to};
use crate::ops::rewrite::{Noted, Rules, number};
use crate::ops::run::log::{About, Progress, Runner, read};
use crate::ops::walk::Tally as _;
use crate::rdb::Record;
use crate::report::load::RefusedKey;
use crate::resp::cluster::{Place, place};
use crate::resp::{Command, command_keys, encode};

/// How many refusals are kept with their words.
const KEPT: usize = 100;

/// What comes out.
pub(super) enum Step {
    /// Commands by slot.
    Window(Window),
    /// A command that every master gets, when everything before it has taken effect.
    Everywhere(Everywhere),
}

/// See [`Step::Everywhere`].
pub(super) struct Everywhere {
    /// Whether it empties the servers.
    pub(super) flushes: bool,
    /// The command.
    pub(super) words: Vec<Vec<u8>>,
    /// Where it ends.
    pub(super) position: u64,
    /// Of one of the log: where it begins.
    pub(super) begins_at: Option<u64>,
}

/// What was read.
#[derive(Debug, Clone, Default)]
pub(super) struct Fed {
    /// Transactions whose keys are in several slots.
    pub(super) split_transactions: u64,
    /// Commands that were taken apart.
    pub(super) split_commands: u64,
    /// Keys of the snapshot in front, and commands of the log, that the filters left out.
    pub(super) filtered: u64,
    /// Keys of the snapshot in front.
    pub(super) base_keys: u64,
    /// What cannot be run in a Cluster as it stands: the first of it.
    pub(super) refused: Vec<RefusedKey>,
    pub(super) refused_count: u64,
    /// The file, and where its tail begins that was left out.
    pub(super) dropped: Option<(String, u64)>,
    /// The bytes of all files, or those before the point at which it ends.
    pub(super) end: u64,
}

/// Where something is in a file: where it ends, and where it begins if it is a command of the log.
#[derive(Clone, Copy)]
struct Span {
    begins: Option<u64>,
    end: u64,
}

/// Why the feeding ended early.
enum Stop {
    /// Nobody takes any more.
    Gone,
    Error(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Error(error)
    }
}

impl From<Box<FormatError>> for Stop {
    fn from(error: Box<FormatError>) -> Self {
        Stop::Error(error.into())
    }
}

/// How a source is fed.
#[derive(Clone, Copy)]
pub(super) struct Feeding<'f> {
    pub(super) files: &'f [File],
    pub(super) plan: &'f Plan<'f>,
    pub(super) rules: &'f Rules,
    pub(super) options: &'f LoadOptions,
    /// Where it ends before the end of the log.
    pub(super) point: Option<Point>,
    /// What a window holds at most: bytes, commands.
    pub(super) full: (usize, usize),
}

impl<'f> Feeding<'f> {
    /// Feeds all files; `None` where nobody takes any more. `floors` is what each slot has reached.
    pub(super) fn run(self, floors: &[u64], steps: &Sender<Step>) -> Result<Option<Fed>> {
        let mut splitter = Splitter {
            how: self,
            floors,
            steps,
            window: Window::new(self.full),
            database: 0,
            begins_at: 0,
            fed: Fed::default(),
        };
        let mut go = || {
            for (file, progress) in up_to(self.files, self.point) {
                splitter.file(file, &progress).map_err(|stop| match stop {
                    Stop::Error(error) => Stop::Error(error.in_file(&file.name)),
                    Stop::Gone => Stop::Gone,
                })?;
            }
            splitter.ship()
        };
        match go() {
            Ok(()) => Ok(Some(splitter.fed)),
            Err(Stop::Gone) => Ok(None),
            Err(Stop::Error(error)) => Err(error),
        }
    }
}

struct Splitter<'s> {
    how: Feeding<'s>,
    floors: &'s [u64],
    steps: &'s Sender<Step>,
    window: Window,
    database: u64,
    begins_at: u64,
    fed: Fed,
}

impl Splitter<'_> {
    fn file(&mut self, file: &File, progress: &Progress) -> Result<(), Stop> {
        let bytes = file.bytes();
        self.begins_at = file.begins_at;
        self.fed.end = file.begins_at + bytes.len() as u64;
        self.database = 0;
        let Some(at) = self.snapshot(file)? else { return Ok(()) };
        let end = read(bytes, at, progress, self)?;
        if let Some(offset) = progress.offset {
            self.fed.end = file.begins_at + offset;
            return Ok(());
        }
        if end.good_up_to == bytes.len() as u64 {
            return Ok(());
        }
        match end.fault {
            Some(error) if !(file.is_last && error.fault.is_truncated()) => {
                // All before the damage has to take effect, or it would depend on the window.
                self.ship()?;
                Err(Stop::Error(error.into()))
            }
            _ => {
                self.fed.dropped = Some((file.name.clone(), end.good_up_to));
                Ok(())
            }
        }
    }

    /// The keys of a snapshot, packed as those of any snapshot; where the log behind it begins.
    fn snapshot(&mut self, file: &File) -> Result<Option<usize>, Stop> {
        let mut batch = Batch::fresh(self.how.plan, 0);
        let mut room: Option<Box<Room>> = None;
        file.log_begins(|found, offset, end| {
            match found {
                Record::Entry(entry) => batch.entry(entry, &mut room)?,
                Record::Function(_) => batch.record(found, offset, &mut room)?,
                _ => {}
            }
            self.packed(&mut batch, end)?;
            self.ship_if_full()
        })
    }

    /// Takes in what was packed of one key, or of one library.
    fn packed(&mut self, batch: &mut Batch<'_, '_, '_>, end: u64) -> Result<(), Stop> {
        let taken = batch.drain();
        let span = Span { begins: None, end };
        self.fed.base_keys += taken.counts.keys;
        self.fed.filtered += taken.counts.filtered;
        self.fed.refused_count += taken.refusals.len() as u64;
        for refusal in taken.refusals {
            self.keep(None, refusal.key, refusal.command, refusal.reply.words);
        }
        for parcel in &taken.parcels {
            for (index, item) in parcel.items.iter().enumerate() {
                let mut rest = parcel.item_bytes(index);
                while let Some((command, after)) = Command::strict(rest) {
                    if parcel.is_for_all {
                        self.for_all(span, &command)?;
                    } else {
                        self.put(item.slot, span, command.frame());
                    }
                    rest = after;
                }
            }
        }
        Ok(())
    }

    fn has_reached(&self, slot: u16, end: u64) -> bool {
        let floor = self.floors.get(usize::from(slot)).copied().unwrap_or_default();
        self.begins_at + end <= floor
    }

    /// The database on the target has to be the one that there is.
    fn check_database(&self) -> Result<(), Stop> {
        Ok(has_place_in_cluster(self.database, self.how.options)?)
    }

    /// A command of the log, and where it begins.
    fn one(&mut self, offset: u64, command: &Command<'_>) -> Result<(), Stop> {
        let span = Span { begins: Some(offset), end: offset + command.size_bytes() };
        if command.is("SELECT")
            && let Some(selected) = command.args().next().and_then(number)
        {
            self.database = selected;
            return Ok(());
        }
        let mut noted = Noted::default();
        let verdict = self.how.rules.judge(command, self.database, &mut noted)?;
        let mut room = Vec::new();
        match verdict.command(*command, &mut room) {
            Some(command) => self.by_slot(span, &command),
            None => {
                self.fed.filtered += 1;
                Ok(())
            }
        }
    }

    fn by_slot(&mut self, span: Span, command: &Command<'_>) -> Result<(), Stop> {
        let args: Vec<&[u8]> = command.args().collect();
        let place = place(command.name(), &args);
        match &place {
            Place::Slot(slot) => {
                self.check_database()?;
                // Loaders let through what no server writes, and a server would not take.
                let bytes: Cow<'_, [u8]> = match Command::strict(command.frame()) {
                    Some(_) => Cow::Borrowed(command.frame()),
                    None => {
                        let mut bytes = Vec::new();
                        encode::command(&mut bytes, words(command.name(), &args));
                        Cow::Owned(bytes)
                    }
                };
                self.put(*slot, span, &bytes);
                return Ok(());
            }
            Place::Parts(parts) => {
                self.check_database()?;
                self.fed.split_commands += 1;
                let mut bytes = Vec::new();
                for (slot, words) in parts {
                    bytes.clear();
                    encode::command(&mut bytes, words);
                    self.put(*slot, span, &bytes);
                }
                return Ok(());
            }
            Place::Everywhere => return self.for_all(span, command),
            _ => {}
        }
        let Some(why) = across(command, &place) else { return Ok(()) };
        let name = String::from_utf8_lossy(command.name()).into_owned();
        let key = command_keys(command.name(), &args).and_then(|mut keys| keys.next());
        self.fed.refused_count += 1;
        self.keep(span.begins, key.unwrap_or_default().to_vec(), name, why.to_owned());
        Ok(())
    }

    fn keep(&mut self, begins: Option<u64>, key: Vec<u8>, command: String, error: String) {
        if self.fed.refused.len() < KEPT {
            let place = begins.and_then(|at| place_of(self.how.files, self.begins_at + at));
            self.fed.refused.push(RefusedKey { db: 0, key, command, error, place });
        }
    }

    /// A command for every master; of those in the log, what empties is about a database.
    fn for_all(&mut self, span: Span, command: &Command<'_>) -> Result<(), Stop> {
        let flushes = command.is("FLUSHALL") || command.is("FLUSHDB");
        if span.begins.is_some() && command.is("FLUSHDB") {
            self.check_database()?;
        }
        self.ship()?;
        let args: Vec<&[u8]> = command.args().collect();
        let mut words: Vec<Vec<u8>> =
            words(command.name(), &args).into_iter().map(<[u8]>::to_vec).collect();
        // What may be sent twice has to mean the same twice.
        let is = |at: usize, word: &str| {
            args.get(at).is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
        };
        if command.is("FUNCTION") && is(0, "LOAD") && !is(1, "REPLACE") {
            words.insert(2, b"REPLACE".to_vec());
        }
        let position = self.begins_at + span.end;
        let begins_at = span.begins.map(|at| self.begins_at + at);
        let step = Everywhere { flushes, words, position, begins_at };
        self.steps.send(Step::Everywhere(step)).map_err(|_| Stop::Gone)
    }

    fn put(&mut self, slot: u16, span: Span, frame: &[u8]) {
        if !self.has_reached(slot, span.end) {
            let begins_at = span.begins.map(|at| self.begins_at + at);
            self.window.push(slot, frame, self.begins_at + span.end, begins_at);
        }
    }

    fn ship_if_full(&mut self) -> Result<(), Stop> {
        if self.window.is_full() { self.ship() } else { Ok(()) }
    }

    fn ship(&mut self) -> Result<(), Stop> {
        if self.window.is_empty() {
            return Ok(());
        }
        let window = std::mem::replace(&mut self.window, Window::new(self.how.full));
        self.steps.send(Step::Window(window)).map_err(|_| Stop::Gone)
    }

    /// The slots in which a transaction has keys.
    fn slots(commands: &[(About, Command<'_>)]) -> HashSet<u16> {
        let mut slots = HashSet::new();
        for (_, command) in commands {
            let args: Vec<&[u8]> = command.args().collect();
            match place(command.name(), &args) {
                Place::Slot(slot) => drop(slots.insert(slot)),
                Place::Parts(parts) => slots.extend(parts.iter().map(|(slot, _)| *slot)),
                _ => {}
            }
        }
        slots
    }
}

fn words<'a>(name: &'a [u8], args: &[&'a [u8]]) -> Vec<&'a [u8]> {
    std::iter::once(name).chain(args.iter().copied()).collect()
}

impl<'a> Runner<'a> for Splitter<'_> {
    type Stop = Stop;

    fn command(&mut self, offset: u64, command: Command<'a>) -> Result<(), Stop> {
        self.one(offset, &command)?;
        self.ship_if_full()
    }

    fn transaction(&mut self, commands: Vec<(About, Command<'a>)>) -> Result<(), Stop> {
        let slots = Self::slots(&commands);
        if slots.len() > 1 {
            self.fed.split_transactions += 1;
        }
        for (About { offset, .. }, command) in commands {
            self.one(offset, &command)?;
        }
        self.ship_if_full()
    }
}
