//! `--as log`: the commands of a log, one by one and in their order, each exactly once.
//!
//! ```text
//! WATCH progress │ GET progress │ MULTI │ SELECT db │ commands … │ SET progress, lock │ EXEC
//!                  └ ours, and as it was left: only then EXEC is sent
//! ```
//!
//! A batch takes effect together with the progress behind it, or not at all. So whatever happens
//! (this process is killed, the connection is lost, the server restarts with an older log), the
//! progress on the target says what has taken effect, and the log goes on right behind that. While
//! a batch runs, the next one is on its way already; only its EXEC waits for the word of the GET.
//!
//! A transaction of the log lies in one batch. The snapshot in front of a log is loaded first, as
//! any snapshot is: that can be repeated as long as no command has taken effect.

mod stretch;

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use redis::Value;

use self::stretch::{End, Pending, Position, Stretch};
use super::batch::Batch;
use super::confirm::confirmed;
use super::destination::Destination;
use super::ledger::{Ledger, Root};
use super::lent::Lent;
use super::pack::Plan;
use super::{LoadOptions, settle};
use crate::aof::{self, LogItem};
use crate::bytes::{Input as _, crc64};
use crate::error::{Doing, Error, FormatError, Result};
use crate::live::{Address, Class, Connection, ErrorReply, Failure, Role, ServerInfo};
use crate::ops::items::{Go, Seen, each};
use crate::ops::rewrite::{Noted, Rules, Verdict};
use crate::ops::walk::{Observer, WalkOptions, walk};
use crate::report::load::{LoadReport, RefusedKey};
use crate::resp::{Command, encode};
use crate::source::{Feed, Form, Source, open_part};
use crate::target::live::{Claim, Courier, Halt, Held, Route};

/// A batch has about so many bytes.
const BATCH_BYTES: usize = 1 << 20;
/// And at most so many commands, unless they are one transaction.
const BATCH_COMMANDS: usize = 10_000;
/// Bytes at the start of a log that tell it from others; it may grow at its end.
const HEAD_BYTES: usize = 4096;
/// How long the first wait is, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// How many errors are kept in full.
const SHOWN: usize = 100;

/// A command that is kept until its transaction is whole: where it begins, and its bytes.
type Kept = (u64, Vec<u8>);

/// Sends a log's commands in order. `source` is a log, or a directory of one.
///
/// ```no_run
/// use rdbkit::live::{Connector, Endpoint, LiveOptions};
/// use rdbkit::ops::load::{LoadOptions, connect, load_log};
/// use rdbkit::ops::walk::Silent;
/// use rdbkit::source::{OpenOptions, open};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let endpoint: Endpoint = "redis://localhost:6380".parse()?;
/// let LiveOptions { tls, timeouts, .. } = LiveOptions::default();
/// let destination = connect(&endpoint, &Connector::new(&endpoint, &tls, timeouts)?, 1)?;
/// let log = open(&"appendonlydir".into(), &OpenOptions::default())?;
/// let report = load_log(log, destination, &LoadOptions::default(), &Silent)?;
/// println!("{} commands", report.log_commands);
/// # Ok(())
/// # }
/// ```
pub fn load_log(
    source: Source,
    destination: Destination,
    options: &LoadOptions,
    observer: &dyn Observer,
) -> Result<LoadReport> {
    let began = Instant::now();
    let Destination { mut route, name: target, info } = destination;
    let paths = parts(&source)?;
    let mut report = LoadReport {
        schema: "rdbkit.replay-to/1",
        source: source.name.clone(),
        target: target.clone(),
        server: info.name(),
        dry_run: options.dry_run,
        ..LoadReport::default()
    };
    if info.is_cluster {
        let destination = Destination { route, name: target, info };
        return super::by_slot::load_by_slot(source, destination, options, report, observer);
    }
    drop(source);
    let session = session(&paths, options)?;
    let claim = Claim::new(&session, "");
    let mut log = Log {
        options,
        paths,
        claim,
        rules: Rules {
            filter: options.filter.clone(),
            rename: options.rename.clone(),
            map_db: options.map_db.clone(),
            ..Rules::default()
        },
        skip: HashSet::new(),
        report: &mut report,
        since: None,
        dropped_from: None,
        run_id: info.run_id.clone(),
        began,
        paced: 0,
    };
    if options.dry_run {
        let mut stretch = Stretch::new(None, Position::default());
        match log.commands(&mut stretch, observer) {
            Ok(()) => {}
            Err(End::Error(error)) => return Err(error),
            Err(_) => {}
        }
        let dropped = log.dropped_from.take();
        note_dropped(&mut report, dropped);
        return Ok(report);
    }
    let halt = log.run(&mut *route, &target, &info, observer)?;
    let (claim, dropped) = (log.claim.clone(), log.dropped_from.take());
    note_dropped(&mut report, dropped);
    if !matches!(halt, Some(Halt::Taken(_)))
        && let Ok(mut connection) = route.open(0)
    {
        let _ = claim.release(&mut connection, halt.is_none());
    }
    report.took_ms = super::millis(began);
    report.stopped = halt.map(|halt| {
        let why = super::why(&halt, &target);
        format!(
            "{why}; the target remembers what has taken effect, and the same command goes on \
             right behind it"
        )
    });
    Ok(report)
}

pub(super) fn note_dropped(report: &mut LoadReport, dropped: Option<(String, u64)>) {
    if let Some((file, at)) = dropped {
        report.notes.push(format!(
            "{file} ends in a command that is cut or a transaction without its EXEC: what stands \
             from offset {at} on was not sent"
        ));
    }
}

/// The files of a log.
fn parts(source: &Source) -> Result<Vec<std::path::PathBuf>> {
    let Some(path) = &source.path else {
        return Err(Error::Usage(
            "--as log reads a log from a file, so that it can go on where it stopped".into(),
        ));
    };
    let directory = match source.form {
        Form::AofDir => aof::survey(path)?,
        Form::Manifest => aof::survey_manifest(path)?,
        Form::Aof | Form::Rdb => return Ok(vec![path.clone()]),
        Form::Dump | Form::Empty | Form::Ndjson => {
            return Err(Error::Usage(format!("{} is no log", source.name)));
        }
    };
    Ok(directory.parts.into_iter().map(|part| part.path).collect())
}

/// The name of this load: the same for the same log with the same wishes, though it has grown.
fn session(paths: &[std::path::PathBuf], options: &LoadOptions) -> Result<String> {
    let Some(first) = paths.first() else {
        return Err(Error::Usage("the log has no parts".into()));
    };
    let mut source = open_part(first, &options.open)?;
    let Some(feed) = &mut source.feed else {
        return Err(Error::Usage(format!("{} is no file", source.name)));
    };
    while feed.buffer().len() < HEAD_BYTES && feed.more()? {}
    let head = feed.buffer().get(..HEAD_BYTES).unwrap_or(feed.buffer());
    let crc = crc64::update(crc64::update(0, head), options.settings.as_bytes());
    Ok(format!("log-{crc:016x}"))
}

/// A log on its way.
struct Log<'a> {
    options: &'a LoadOptions,
    paths: Vec<std::path::PathBuf>,
    claim: Claim,
    rules: Rules,
    /// Commands that the server does not know: where they begin.
    skip: HashSet<(usize, u64)>,
    report: &'a mut LoadReport,
    /// Since when the target has been waited for.
    since: Option<Instant>,
    dropped_from: Option<(String, u64)>,
    run_id: String,
    began: Instant,
    paced: u64,
}

impl Log<'_> {
    /// Sends all of it; why it stopped, if it did.
    fn run(
        &mut self,
        route: &mut dyn Route,
        target: &str,
        info: &ServerInfo,
        observer: &dyn Observer,
    ) -> Result<Option<Halt>> {
        // Open to the end: it carries the owner's name, so that others see that there is one.
        let mut connection = route.open(0)?;
        if let Held::No(words) = self.claim.hold(&mut connection, self.options.courier.patience)? {
            return Err(Error::Usage(words));
        }
        let found = self.claim.progress(&mut connection)?;
        let known = found.as_ref().filter(|_| !self.options.restart);
        let other = known.is_some_and(|found| found.session != self.claim.session());
        if let Some(found) = known.filter(|_| other) {
            self.claim.release(&mut connection, false)?;
            return Err(Error::Usage(format!(
                "{target} remembers another replay that has not ended ({}): end that one with its \
                 own command, or forget it with --restart",
                found.session
            )));
        }
        match known.and_then(Position::of) {
            Some((at, _)) => {
                self.report.resumed_from = Some(at.offset);
                self.report.notes.push(format!(
                    "goes on behind what has taken effect: offset {} of {}",
                    at.offset,
                    self.paths
                        .get(at.part)
                        .map_or(String::new(), |path| path.display().to_string())
                ));
            }
            None => {
                if self.options.flush_first {
                    connection.request(&["FLUSHALL"])?;
                }
                if let Some(halt) = self.base(route, info, observer)? {
                    return Ok(Some(halt));
                }
                let start = Position::default().progress(&self.claim);
                let mut connection = route.open(0)?;
                self.claim.note(&mut connection, &start)?;
            }
        }
        let mut pause = PAUSES.0;
        loop {
            let before = self.report.log_commands;
            let end = match self.stretch(route, observer) {
                Ok(()) => return Ok(None),
                Err(end) => end,
            };
            match end {
                End::Error(error) => {
                    if let Ok(mut connection) = route.open(0) {
                        let _ = self.claim.release(&mut connection, false);
                    }
                    return Err(error);
                }
                End::Halt(halt) => return Ok(Some(halt)),
                End::Again(failure) => {
                    if self.report.log_commands > before {
                        (self.since, pause) = (None, PAUSES.0);
                    }
                    self.report.reopened += 1;
                    route.broke(0, &failure);
                    let since = *self.since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= self.options.courier.patience {
                        return Ok(Some(Halt::Failed(failure)));
                    }
                    let until = Instant::now() + pause;
                    while Instant::now() < until {
                        if self.is_stopped() {
                            return Ok(Some(Halt::Interrupted));
                        }
                        thread::sleep(Duration::from_millis(20));
                    }
                    self.report.waited_ms += u64::try_from(pause.as_millis()).unwrap_or(0);
                    pause = (pause * 2).min(PAUSES.1);
                }
            }
        }
    }

    fn is_stopped(&self) -> bool {
        self.options.courier.stop.load(Ordering::Relaxed)
    }

    /// Loads the snapshot in front of the log, if there is one.
    fn base(
        &mut self,
        route: &mut dyn Route,
        info: &ServerInfo,
        observer: &dyn Observer,
    ) -> Result<Option<Halt>> {
        let Some(path) = self.paths.first() else { return Ok(None) };
        let mut tries = 0;
        loop {
            let Source { form, feed, name, .. } = open_part(path, &self.options.open)?;
            let (Form::Rdb, Some(mut feed)) = (form, feed) else { return Ok(None) };
            let plan = Plan::new(self.options, info, false);
            let mut ledger = Ledger::default();
            let servers = settle::Servers::default();
            let reopened = settle::reopened(&self.claim, &servers);
            let mut courier =
                Courier::new(Box::new(Lent(route)), reopened, 0, self.options.courier.clone());
            let whole = feed.is_seekable();
            let walk_options =
                WalkOptions { now_ms: Some(self.options.now_ms), ..self.options.walk };
            let mut root = Root::sending(&mut ledger, &mut courier);
            let walked = {
                let mut batch = Batch::root(&plan, 0, &mut root);
                let fresh = || Batch::fresh(&plan, 0);
                walk(&mut feed, whole, &fresh, &mut batch, &walk_options, observer)
            };
            let halt = root.into_halt().or_else(|| match &walked {
                Ok(_) => courier.finish().err(),
                Err(_) => None,
            });
            ledger.close_turn(courier);
            // No command may go out to a master whose successor would lack what stands before it.
            let halt = halt.or_else(|| {
                let mut is_known = settle::reopened(&self.claim, &servers);
                let limits = (self.options.courier.patience, &*self.options.courier.stop);
                confirmed(route, &self.claim, limits, &mut is_known).err()
            });
            match halt {
                // A server that came back without some of it gets all of it again.
                Some(Halt::Rewind(_)) if tries < 100 => {
                    tries += 1;
                    continue;
                }
                Some(halt) => return Ok(Some(halt)),
                None => {}
            }
            walked.and_then(crate::ops::walk::Walked::complete).map_err(|e| e.in_file(&name))?;
            ledger.fill(self.report);
            return Ok(None);
        }
    }

    /// Goes on behind the target's progress, to the end of the log.
    fn stretch(&mut self, route: &mut dyn Route, observer: &dyn Observer) -> Result<(), End> {
        let mut connection = route.open(0)?;
        let server = ServerInfo::of(&mut connection)?;
        let wait = |words: &str| {
            let reply = ErrorReply { words: words.to_owned() };
            let address = connection.address().clone();
            End::Again(Failure::Refused { address, command: "writes".into(), reply })
        };
        if server.role == Role::Replica {
            return Err(wait("READONLY it is a replica"));
        }
        if server.is_loading {
            return Err(wait("LOADING it reads its files"));
        }
        self.run_id = server.run_id;
        self.claim.name(&mut connection)?;
        if let Held::No(words) = self.claim.still_held(&mut connection)? {
            return Err(End::Halt(Halt::Taken(words)));
        }
        let at = self.take_over(&mut connection)?;
        let mut stretch = Stretch::new(Some(connection), at);
        self.commands(&mut stretch, observer)?;
        self.confirmed(route)
    }

    /// Makes sure that nobody can take over who lacks some of it.
    fn confirmed(&mut self, route: &mut dyn Route) -> Result<(), End> {
        let run_id = self.run_id.clone();
        let mut is_known = |_: usize, _: &dyn Route, connection: &mut Connection| {
            if ServerInfo::of(connection)?.run_id == run_id {
                return Ok(());
            }
            Err(Halt::Rewind(0))
        };
        let limits = (self.options.courier.patience, &*self.options.courier.stop);
        match confirmed(route, &self.claim, limits, &mut is_known) {
            Ok(late) => {
                self.report.notes.extend(late);
                Ok(())
            }
            // What this one remembers is where the log goes on.
            Err(Halt::Rewind(_)) => {
                let reply = ErrorReply { words: "TRYAGAIN another server is the master".into() };
                let address = Address::Tcp(route.name(0), 0);
                Err(End::Again(Failure::Refused { address, command: "the end".into(), reply }))
            }
            Err(Halt::Failed(failure)) => Err(failure.into()),
            Err(halt) => Err(End::Halt(halt)),
        }
    }

    /// Writes our name beside the progress, so that whoever had it before finds out.
    fn take_over(&mut self, connection: &mut Connection) -> Result<Position, End> {
        let key = self.claim.progress_key();
        loop {
            connection.request(&["WATCH", &key])?;
            let progress = self.claim.progress(connection)?;
            let Some(progress) = progress.filter(|p| p.session == self.claim.session()) else {
                let _ = connection.request(&["UNWATCH"]);
                return Err(End::Halt(Halt::Taken(format!(
                    "{} does not remember this replay any more: it was emptied, or restarted \
                     without its data, and what has taken effect there is not known; empty it and \
                     begin anew (--flush-first --restart)",
                    connection.address()
                ))));
            };
            let Some((at, _)) = Position::of(&progress) else {
                return Err(End::Error(Error::Usage(format!(
                    "{key} on {} holds no progress of a log",
                    connection.address()
                ))));
            };
            connection.request(&["MULTI"])?;
            for words in self.claim.words(&at.progress(&self.claim)) {
                connection.request(&words)?;
            }
            if connection.request(&["EXEC"])? != Value::Nil {
                return Ok(at);
            }
        }
    }

    /// Sends the commands from the stretch's position on.
    fn commands(&mut self, stretch: &mut Stretch, observer: &dyn Observer) -> Result<(), End> {
        let from = stretch.position;
        for (part, path) in self.paths.clone().iter().enumerate().skip(from.part) {
            let Source { form, feed, name, .. } = open_part(path, &self.options.open)?;
            let Some(mut feed) = feed else { continue };
            if form == Form::Rdb {
                self.step_over_snapshot(&mut feed)?;
            }
            let mut db = 0;
            if part == from.part {
                db = from.db;
                self.skip_to(&mut feed, from.offset)?;
            }
            let is_last = part + 1 == self.paths.len();
            self.part((part, &name, is_last), db, &mut feed, stretch, observer)?;
        }
        self.flush(stretch)?;
        self.finish(stretch)
    }

    fn step_over_snapshot(&self, feed: &mut Feed) -> Result<()> {
        let whole = feed.is_seekable();
        let options = WalkOptions { checksum: false, tally: false, ..self.options.walk };
        let silent = crate::ops::walk::Silent;
        walk(feed, whole, &|| Nothing, &mut Nothing, &options, &silent)?.complete().map(drop)
    }

    fn skip_to(&self, feed: &mut Feed, offset: u64) -> Result<()> {
        loop {
            let missing = offset.saturating_sub(feed.position());
            if missing == 0 {
                return Ok(());
            }
            if feed.buffer().is_empty() && !feed.more()? {
                return Err(Error::Usage(format!(
                    "the log ends before offset {offset}, up to which it has taken effect already: \
                     is it the same log?"
                )));
            }
            let have = feed.buffer().len();
            feed.consume(usize::try_from(missing).unwrap_or(have).min(have));
        }
    }

    fn part(
        &mut self,
        (part, name, is_last): (usize, &str, bool),
        db: u64,
        feed: &mut Feed,
        stretch: &mut Stretch,
        observer: &dyn Observer,
    ) -> Result<(), End> {
        let mut transaction: Option<(u64, Vec<Kept>)> = None;
        let mut db = db;
        let mut ended: Option<End> = None;
        let mut broken = None;
        each(feed, |seen| {
            let (at, (command, bytes), behind) = match seen {
                Seen::Item { at, item: LogItem::Command(command), raw, quirks, .. } => {
                    // What loaders let through is sent as a server would have written it.
                    let bytes = match quirks.is_empty() {
                        true => Cow::Borrowed(raw),
                        false => Cow::Owned(frame(&command)),
                    };
                    (at, (command, bytes), at + raw.len() as u64)
                }
                Seen::Item { .. } => return Ok(Go::On),
                Seen::Broken { at, offset, fault } => {
                    broken = Some((at, offset, fault));
                    return Ok(Go::Stop);
                }
                Seen::Skipped { .. } => return Ok(Go::Stop),
            };
            let mut go = || -> Result<(), End> {
                if command.is("MULTI") && transaction.is_none() {
                    transaction = Some((at, Vec::new()));
                } else if command.is("EXEC") && transaction.is_some() {
                    let (_, held) = transaction.take().unwrap_or_default();
                    for (at, frame) in held {
                        if let Some((command, _)) = Command::strict(&frame) {
                            self.command((part, at), &command, &frame, &mut db, stretch)?;
                        }
                    }
                    self.reach(Position { part, offset: behind, db }, stretch)?;
                } else if let Some((_, held)) = &mut transaction {
                    held.push((at, bytes.to_vec()));
                } else {
                    self.command((part, at), &command, &bytes, &mut db, stretch)?;
                    self.reach(Position { part, offset: behind, db }, stretch)?;
                }
                Ok(())
            };
            match go() {
                Ok(()) => {
                    observer.progress(behind);
                    Ok(Go::On)
                }
                Err(end) => {
                    ended = Some(end);
                    Ok(Go::Stop)
                }
            }
        })?;
        if let Some(end) = ended {
            return Err(end);
        }
        let cut = match (broken, &transaction) {
            (Some((at, _, fault)), open) if is_last && fault.is_truncated() => {
                Some(open.as_ref().map_or(at, |(at, _)| *at))
            }
            (Some((_, offset, fault)), _) => {
                // All before the damage has to take effect, or it would depend on the batch.
                self.flush(stretch)?;
                self.finish(stretch)?;
                let file = Some(name.to_owned());
                let doing = Doing::Command;
                return Err(End::Error(
                    Box::new(FormatError { file, offset, doing, key: None, fault }).into(),
                ));
            }
            (None, Some((at, _))) => Some(*at),
            (None, None) => None,
        };
        if let Some(at) = cut {
            self.dropped_from = Some((name.to_owned(), at));
        }
        Ok(())
    }

    /// Takes a command into the batch.
    fn command(
        &mut self,
        place: (usize, u64),
        command: &Command<'_>,
        bytes: &[u8],
        db: &mut u64,
        stretch: &mut Stretch,
    ) -> Result<(), End> {
        if self.skip.contains(&place) {
            return Ok(());
        }
        if command.is("SELECT")
            && let Some(selected) = command.args().next().and_then(crate::ops::rewrite::number)
        {
            *db = selected;
            return Ok(());
        }
        let mut noted = Noted::default();
        let words: Option<Vec<Cow<'_, [u8]>>> =
            match self.rules.judge(command, *db, &mut noted).map_err(End::Error)? {
                Verdict::Keep => None,
                Verdict::Drop => {
                    self.report.filtered += 1;
                    return Ok(());
                }
                Verdict::Change(words) => Some(words),
            };
        let mapped = match (self.options.map_db.get(db), self.options.database) {
            (Some(mapped), _) => *mapped,
            (None, Some(database)) => database.into(),
            (None, None) => *db,
        };
        let batch = &mut stretch.batch;
        if batch.db != Some(mapped) {
            let mut spelled = itoa::Buffer::new();
            batch.push(None, |out| {
                encode::command(out, ["SELECT", spelled.format(mapped)]);
            });
            batch.db = Some(mapped);
        }
        batch.push(Some(place), |out| match words {
            Some(words) => encode::command(out, &words),
            None => out.extend_from_slice(bytes),
        });
        Ok(())
    }

    /// Notes that everything before a position is in the batch, which goes when it is large enough.
    fn reach(&mut self, position: Position, stretch: &mut Stretch) -> Result<(), End> {
        stretch.batch.behind = position;
        let Pending { bytes, places, .. } = &stretch.batch;
        if bytes.len() >= BATCH_BYTES || places.len() >= BATCH_COMMANDS {
            self.flush(stretch)?;
        }
        Ok(())
    }

    /// Sends a batch behind the one that is on its way.
    fn flush(&mut self, stretch: &mut Stretch) -> Result<(), End> {
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
            let commands = batch.places.iter().flatten().count() as u64;
            self.report.log_commands += commands;
            self.report.bytes += batch.bytes.len() as u64;
            return Ok(());
        }
        self.pace(&batch);
        let key = self.claim.progress_key();
        let mut head = Vec::new();
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
    fn finish(&mut self, stretch: &mut Stretch) -> Result<(), End> {
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
        for (index, reply) in replies.into_iter().enumerate() {
            if let Value::ServerError(error) = reply {
                self.refuse(batch, index, crate::live::reply_of(&error))?;
            }
        }
        let commands = batch.places.iter().flatten().count() as u64;
        self.report.log_commands += commands;
        self.report.commands += commands;
        self.report.bytes += batch.bytes.len() as u64;
        self.since = None;
        stretch.effective = Some(batch.behind);
        Ok(())
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
            self.report.errors.push(RefusedKey {
                db: 0,
                key,
                command: String::from_utf8_lossy(&name).into_owned(),
                error: reply.words,
            });
        }
        match self.options.courier.max_errors {
            Some(most) if self.report.refused > most => Err(End::Halt(Halt::TooManyErrors)),
            _ => Ok(()),
        }
    }

    fn pace(&mut self, batch: &Pending) {
        use crate::target::live::Rate;
        let Some(rate) = self.options.courier.rate else { return };
        let (more, rate) = match rate {
            Rate::Keys(rate) => (batch.places.len() as u64, rate),
            Rate::Bytes(rate) => (batch.bytes.len() as u64, rate),
        };
        #[expect(clippy::cast_precision_loss, reason = "a rate is no exact wish")]
        let due = self.began + Duration::from_secs_f64(self.paced as f64 / rate.max(1) as f64);
        self.paced += more;
        while Instant::now() < due && !self.is_stopped() {
            thread::sleep(Duration::from_millis(20).min(due - Instant::now().min(due)));
        }
    }
}

/// The bytes of a command as servers write it.
fn frame(command: &Command<'_>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(command.frame().len());
    let words: Vec<&[u8]> = std::iter::once(command.name()).chain(command.args()).collect();
    encode::command(&mut bytes, words);
    bytes
}

/// A tally of nothing.
struct Nothing;

impl crate::ops::walk::Tally for Nothing {
    type Room = ();

    fn entry(&mut self, _: &crate::rdb::Entry<'_>, (): &mut ()) -> Result<()> {
        Ok(())
    }

    fn merge(&mut self, Nothing: Self) -> Result<()> {
        Ok(())
    }
}
