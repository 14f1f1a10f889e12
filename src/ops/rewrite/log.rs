//! The log itself: item by item, with the databases and transactions that hold it together.
//!
//! ```text
//! SELECT   is held until a command follows that stays, and written anew where one is missing
//! MULTI    its commands are gathered until EXEC: a transaction goes as a whole if nothing of it
//!          is left, or if the range begins or ends inside it
//! ```
//!
//! The danger is a command in the wrong database: after each one, `out_db` is what a loader of
//! the output has selected, and a command is written only after the two agree.

use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, Write as _};

use tempfile::SpooledTempFile;

use super::merged::{Clash, Merged};
use super::output::Output;
use super::rules::{Noted, number};
use super::{Range, RewriteOptions, Split};
use crate::aof::annotation::Annotation;
use crate::aof::{LogItem, PartType};
use crate::error::{Doing, Error, Fault, FormatError, Result};
use crate::ops::before;
use crate::ops::items::{Go, Seen, each};
use crate::ops::walk::Observer;
use crate::report::rewrite::{Dropped, Place, RewriteReport};
use crate::resp::{Command, encode};
use crate::source::{Feed, default_directory, temporary_failed};

/// Transactions up to this size are kept in memory.
const IN_MEMORY_BYTES: usize = 8 << 20;

/// How many parts may be ended because of their size.
const MOST_FULL_PARTS: u64 = 1000;

/// How often progress is told, in items.
const PROGRESS_ITEMS: u64 = 1 << 14;

/// Why a command cannot stay where databases become one.
fn refused(clash: &Clash) -> Error {
    let name = clash.name;
    Error::Usage(format!(
        "{clash}: give each a number of its own with --map-db, leave the command out with --drop \
         {name}, or `rdbkit compact --to aof` first, which leaves the keys alone"
    ))
}

/// A log being written, over all its parts.
pub(super) struct LogWriter<'o> {
    options: &'o RewriteOptions,
    pub(super) output: Output,
    pub(super) report: RewriteReport,
    dropped: BTreeMap<Vec<u8>, (u64, u64)>,
    /// Which of the names that are to be dropped have been met.
    dropped_by: Vec<bool>,
    /// The part that is read.
    file: String,
    /// What a loader of the source has selected.
    in_db: u64,
    /// What a loader of the output has selected.
    out_db: u64,
    /// A SELECT that no command has followed yet.
    select: Option<Vec<u8>>,
    /// Something was dropped since the last command that was written.
    dropped_since: bool,
    transaction: Option<Transaction>,
    started: bool,
    pub(super) stopped: bool,
    saw_time: bool,
    /// The last time that was seen.
    secs: Option<u64>,
    /// Where new parts will begin.
    split: Option<Split>,
    /// Parts that were ended because of their size.
    full_parts: u64,
    /// Databases that become one.
    pub(super) merged: Merged,
}

/// A transaction under way.
struct Transaction {
    at: u64,
    /// The number of its MULTI.
    number: u64,
    /// SELECT, where one stands in front of it, and MULTI.
    head: Vec<u8>,
    head_commands: u64,
    body: SpooledTempFile,
    /// In the body.
    written: u64,
    read: u64,
    kept: u64,
    out_db: u64,
    /// How many SELECTs had been added before it.
    added: u64,
    /// It began before the range.
    skip: bool,
}

impl<'o> LogWriter<'o> {
    pub(super) fn new(options: &'o RewriteOptions, output: Output, report: RewriteReport) -> Self {
        LogWriter {
            options,
            output,
            report,
            dropped: BTreeMap::new(),
            dropped_by: vec![false; options.rules.drop.len()],
            file: String::new(),
            in_db: 0,
            out_db: 0,
            select: None,
            dropped_since: false,
            transaction: None,
            started: options.range.begins_at_once(),
            stopped: false,
            saw_time: false,
            secs: None,
            split: options.shape.split().cloned(),
            full_parts: 0,
            merged: Merged::default(),
        }
    }

    /// Says that the output goes on in a new file, where a loader begins in database 0.
    pub(super) fn begin_file(&mut self) {
        self.out_db = 0;
    }

    /// Writes the log that begins at the feed's position in this file of the source.
    pub(super) fn log(
        &mut self,
        feed: &mut Feed,
        file: &str,
        observer: &dyn Observer,
    ) -> Result<()> {
        file.clone_into(&mut self.file);
        (self.in_db, self.select, self.dropped_since) = (0, None, false);
        let begins_at = crate::bytes::Input::position(feed);
        let (mut items, mut ends_at) = (0, begins_at);
        each(feed, |seen| match seen {
            Seen::Item { at, item, raw, quirks, .. } => {
                items += 1;
                if items % PROGRESS_ITEMS == 0 {
                    observer.progress(at);
                }
                let go = match item {
                    LogItem::Command(command) if quirks.is_empty() => self.command(at, &command)?,
                    LogItem::Command(command) => {
                        // As a server would have written it.
                        let mut bytes = Vec::new();
                        let words: Vec<&[u8]> =
                            std::iter::once(command.name()).chain(command.args()).collect();
                        encode::command(&mut bytes, words);
                        match Command::strict(&bytes) {
                            Some((command, _)) => self.command(at, &command)?,
                            None => Go::Stop,
                        }
                    }
                    LogItem::Annotation(annotation) => self.annotation(at, &annotation)?,
                };
                if go == Go::On {
                    ends_at = at + raw.len() as u64;
                }
                Ok(go)
            }
            Seen::Broken { at, offset, fault } => match self.options.range.until_offset {
                Some(until) if until <= at => Ok(self.stop(at)),
                _ => Err(self.broken(at, offset, fault)),
            },
            Seen::Skipped { .. } => Ok(Go::Stop),
        })?;
        self.report.read_bytes += ends_at - begins_at;
        if let Some(transaction) = self.transaction.take() {
            let fault = Fault::Truncated { need: 0, have: 0 };
            return Err(self.broken(transaction.at, transaction.at, fault));
        }
        if let Some(select) = self.select.take()
            && !self.dropped_since
            && self.started
            && !self.stopped
        {
            self.report.written_commands += 1;
            self.write(&select)?;
        }
        Ok(())
    }

    /// What begins at `at` breaks at `offset`.
    fn broken(&self, at: u64, offset: u64, fault: Fault) -> Error {
        let file = Some(self.file.clone());
        let error = FormatError { file, offset, doing: Doing::Command, key: None, fault };
        Error::Source(format!(
            "{error}: a log that is not sound is not rewritten; rdbkit repair mends it, and \
             --until-offset {at} leaves it out, and what follows"
        ))
    }

    /// Ends the range before what begins at this offset.
    fn stop(&mut self, at: u64) -> Go {
        let (at, command) = match self.transaction.take() {
            Some(transaction) => {
                self.report.dropped_transactions += 1;
                self.out_db = transaction.out_db;
                self.report.added_commands = transaction.added;
                (transaction.at, transaction.number)
            }
            None => (at, self.report.read_commands + 1),
        };
        self.stopped = true;
        self.report.ended_at = Some(Place { file: self.file.clone(), offset: at, command });
        Go::Stop
    }

    fn annotation(&mut self, at: u64, annotation: &Annotation<'_>) -> Result<Go> {
        let range = &self.options.range;
        let ends_at = at + annotation.line().len() as u64;
        if range.until_offset.is_some_and(|until| ends_at > until) {
            return Ok(self.stop(at));
        }
        if let Some(secs) = annotation.timestamp_secs() {
            self.saw_time = true;
            self.secs = Some(secs);
            if range.until_time.is_some_and(|until| secs > until) {
                return Ok(self.stop(at));
            }
        }
        self.report.read_annotations += 1;
        self.start(at, self.report.read_commands + 1);
        let skipped = self.transaction.as_ref().map_or(!self.started, |open| open.skip);
        if skipped || self.options.strip_annotations {
            self.report.dropped_annotations += 1;
            return Ok(Go::On);
        }
        if self.transaction.is_none() {
            self.split(at, self.report.read_commands + 1)?;
        }
        if self.select.is_some() {
            self.select_database()?;
        }
        self.write(annotation.line())?;
        if !annotation.is_ended() {
            self.write(b"\r\n")?;
        }
        Ok(Go::On)
    }

    fn command(&mut self, at: u64, command: &Command<'_>) -> Result<Go> {
        let Range { until_offset, until_command, .. } = self.options.range;
        let number = self.report.read_commands + 1;
        if until_offset.is_some_and(|until| at + command.size_bytes() > until)
            || until_command.is_some_and(|until| number > until)
        {
            return Ok(self.stop(at));
        }
        self.report.read_commands = number;
        self.start(at, number);
        let alone = command.argc() == 1;
        if command.is("MULTI") && alone && self.transaction.is_none() {
            self.multi(at, command)?;
        } else if command.is("EXEC") && alone && self.transaction.is_some() {
            self.exec(command)?;
        } else if let Some(db) = selected(command) {
            self.in_db = db;
            self.select = None;
            if self.is_skipped() {
                self.report.before_range += 1;
            } else {
                let mapped = self.options.rules.mapped(db);
                self.select = Some(match mapped == db {
                    true => command.frame().to_vec(),
                    false => select(mapped),
                });
            }
        } else {
            self.plain(at, number, command)?;
        }
        Ok(Go::On)
    }

    /// Begins the range, if it begins here.
    fn start(&mut self, at: u64, number: u64) {
        let range = &self.options.range;
        self.started |= range.from_offset.is_none_or(|from| at >= from)
            && range.from_command.is_none_or(|from| number >= from)
            && range.from_time.is_none_or(|from| self.secs.is_some_and(|secs| secs >= from));
    }

    fn is_skipped(&self) -> bool {
        self.transaction.as_ref().map_or(!self.started, |open| open.skip)
    }

    fn multi(&mut self, at: u64, command: &Command<'_>) -> Result<()> {
        self.report.read_transactions += 1;
        let skip = !self.started;
        if !skip {
            self.split(at, self.report.read_commands)?;
        }
        let (out_db, added) = (self.out_db, self.report.added_commands);
        let (mut head, mut head_commands) = (Vec::new(), 1);
        if let Some(select) = self.select_needed() {
            head = select;
            head_commands += 1;
            self.out_db = self.options.rules.mapped(self.in_db);
        }
        head.extend_from_slice(command.frame());
        self.transaction = Some(Transaction {
            at,
            number: self.report.read_commands,
            head,
            head_commands,
            body: SpooledTempFile::new_in(IN_MEMORY_BYTES, default_directory()),
            written: 0,
            read: 0,
            kept: 0,
            out_db,
            added,
            skip,
        });
        Ok(())
    }

    fn exec(&mut self, command: &Command<'_>) -> Result<()> {
        if !self.dropped_since && !self.is_skipped() && self.select.is_some() {
            self.select_database()?;
        }
        let Some(mut transaction) = self.transaction.take() else { return Ok(()) };
        if transaction.skip || transaction.kept == 0 && transaction.read > 0 {
            self.report.dropped_transactions += 1;
            if transaction.skip {
                self.report.before_range += 2 + transaction.read;
            }
            self.out_db = transaction.out_db;
            self.report.added_commands = transaction.added;
            self.dropped_since = true;
            return Ok(());
        }
        self.report.written_commands += transaction.head_commands + transaction.written + 1;
        self.write(&transaction.head)?;
        let failed = temporary_failed;
        transaction.body.rewind().map_err(failed)?;
        let mut room = vec![0; 64 << 10];
        loop {
            match transaction.body.read(&mut room).map_err(failed)? {
                0 => break,
                n => self.write(room.get(..n).unwrap_or_default())?,
            }
        }
        self.write(command.frame())
    }

    fn plain(&mut self, at: u64, number: u64, command: &Command<'_>) -> Result<()> {
        if let Some(transaction) = &mut self.transaction {
            transaction.read += 1;
        }
        if self.is_skipped() {
            if self.transaction.is_none() {
                self.report.before_range += 1;
            }
            return Ok(());
        }
        let mut noted = Noted::default();
        let rules = &self.options.rules;
        let file = self.file.clone();
        let named = |error| match error {
            Error::Usage(why) => Error::Usage(format!("{file}: offset {at}: {why}")),
            other => other,
        };
        let verdict = rules.judge(command, self.in_db, &mut noted).map_err(named)?;
        self.report.renamed += u64::from(noted.renamed);
        self.report.reduced += u64::from(noted.reduced);
        if noted.straddles {
            self.report.straddling += 1;
            let file = self.file.clone();
            let place = || Place { file, offset: at, command: number };
            self.report.first_straddling.get_or_insert_with(place);
        }
        let mut room = Vec::new();
        let bytes = match verdict.command(*command, &mut room) {
            None => {
                let name = command.name().to_ascii_uppercase();
                let (count, bytes) = self.dropped.entry(name).or_default();
                *count += 1;
                *bytes += command.size_bytes();
                for (name, dropped) in self.options.rules.drop.iter().zip(&mut self.dropped_by) {
                    *dropped = *dropped || name.is(command);
                }
                self.dropped_since = true;
                return Ok(());
            }
            Some(command) => command.frame(),
        };
        if rules.maps_databases() {
            self.merged
                .judge(&|db| rules.mapped(db), command, self.in_db)
                .map_err(|clash| named(refused(&clash)))?;
        }
        if self.transaction.is_none() {
            self.split(at, number)?;
        }
        self.select_database()?;
        match &mut self.transaction {
            Some(transaction) => {
                transaction.written += 1;
                transaction.kept += 1;
            }
            None => self.report.written_commands += 1,
        }
        self.dropped_since = false;
        self.write(bytes)
    }

    /// The SELECT that must stand before the next command, if any.
    fn select_needed(&mut self) -> Option<Vec<u8>> {
        let mapped = self.options.rules.mapped(self.in_db);
        let differs = self.out_db != mapped;
        match self.select.take() {
            // One that is not needed stays where nothing was dropped: it is the log as it was.
            Some(select) if differs || !self.dropped_since => Some(select),
            None if differs => {
                self.report.added_commands += 1;
                Some(select(mapped))
            }
            _ => None,
        }
    }

    fn select_database(&mut self) -> Result<()> {
        let Some(select) = self.select_needed() else { return Ok(()) };
        self.out_db = self.options.rules.mapped(self.in_db);
        match &mut self.transaction {
            Some(transaction) => transaction.written += 1,
            None => self.report.written_commands += 1,
        }
        self.write(&select)
    }

    /// Begins another part before what stands here, if it is time.
    fn split(&mut self, at: u64, number: u64) -> Result<()> {
        let Some(split) = &mut self.split else { return Ok(()) };
        let full = split.bytes.is_some_and(|bytes| self.output.part_bytes() >= bytes);
        let reached = split.reach(at, number, self.secs);
        if (full || reached) && self.output.part_bytes() > 0 {
            self.full_parts += u64::from(full);
            if self.full_parts > MOST_FULL_PARTS {
                return Err(Error::Usage(format!(
                    "more than {MOST_FULL_PARTS} parts come of one for every {} bytes, and a server \
                     opens all of them: give a larger size, such as 64mb",
                    split.bytes.unwrap_or_default()
                )));
            }
            self.output.begin_part(PartType::Incr, false, None)?;
            self.begin_file();
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if let Some(transaction) = &mut self.transaction {
            return transaction.body.write_all(bytes).map_err(temporary_failed);
        }
        self.report.written_bytes += bytes.len() as u64;
        self.output.put(bytes)
    }

    /// Publishes what was written.
    pub(super) fn finish(mut self) -> Result<RewriteReport> {
        let Range { from_time, until_time, .. } = self.options.range;
        if (from_time.is_some() || until_time.is_some()) && !self.saw_time {
            return Err(before::no_times(&self.report.source));
        }
        if !self.started {
            return Err(Error::Usage(format!(
                "{}: nothing is in the range: {} before it begins",
                self.report.source,
                match &self.report.ended_at {
                    Some(place) => format!("it ends at offset {} of {}", place.offset, place.file),
                    None => format!("the log ends after {} commands", self.report.read_commands),
                }
            )));
        }
        let dropped = self.dropped.into_iter();
        self.report.dropped =
            dropped.map(|(command, (count, bytes))| Dropped { command, count, bytes }).collect();
        let rules = self.options.rules.drop.iter().zip(&self.dropped_by);
        self.report.not_found =
            rules.filter(|(_, dropped)| !**dropped).map(|(name, _)| name.to_string()).collect();
        self.report.dropped.sort_by_key(|dropped| std::cmp::Reverse(dropped.count));
        self.output.publish(&mut self.report)?;
        Ok(self.report)
    }
}

/// The database that a SELECT selects.
fn selected(command: &Command<'_>) -> Option<u64> {
    if !command.is("SELECT") || command.argc() != 2 {
        return None;
    }
    number(command.args().next()?)
}

fn select(db: u64) -> Vec<u8> {
    let mut out = Vec::new();
    encode::command(&mut out, ["SELECT", &db.to_string()]);
    out
}
