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
//! any snapshot is: that can be repeated as long as no command has taken effect. A mark says so
//! where the progress will stand; whoever does not find its own there any more loads nothing.

mod begin;
mod goes_on;
mod prepare;
mod read;
mod send;
mod stretch;

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use self::prepare::{look_ahead, not_emptied, refuse, rules, session};
pub(super) use self::prepare::{note_dropped, parts};
use self::stretch::{End, Position, Stretch};
use super::ahead::{self, Needs};
use super::confirm::Limits;
use super::destination::Destination;
use super::files::gather;
use super::pack::{Marks, Plan};
use super::point::{Point, point};
use super::release::removed;
use super::servers::Evicted;
use super::words::{asked, log_stopped};
use super::{LoadOptions, settle};
use crate::bytes::PathName as _;
use crate::error::{Error, Result};
use crate::live::ServerInfo;
use crate::ops::rewrite::Rules;
use crate::ops::silences::told;
use crate::ops::walk::Observer;
use crate::report::load::LoadReport;
use crate::source::Source;
use crate::target::live::{Claim, CourierOptions, Halt, Held, Keeper, Pace, Progress, Route};

/// A batch has about so many bytes.
const BATCH_BYTES: usize = 1 << 20;
/// And at most so many commands, unless they are one transaction.
const BATCH_COMMANDS: usize = 10_000;
/// How long the first wait is, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// How many errors are kept in full.
const SHOWN: usize = 100;

/// A command that is kept until its transaction is whole: where it begins, and its bytes.
type Kept = (u64, Vec<u8>);

/// Sends a log's commands in order. `source` is a log, or a directory of one.
///
/// ```no_run
/// use std::time::Duration;
///
/// use rdbkit::live::{Connector, Endpoint, LiveOptions};
/// use rdbkit::ops::load::{LoadOptions, connect, load_log};
/// use rdbkit::ops::walk::Silent;
/// use rdbkit::source::{OpenOptions, open};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let endpoint: Endpoint = "redis://localhost:6380".parse()?;
/// let LiveOptions { tls, timeouts, .. } = LiveOptions::default();
/// let connector = Connector::new(&endpoint, &tls, timeouts)?;
/// let destination = connect(&endpoint, &connector, 1, Duration::from_secs(60), &Silent)?;
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
    let connector = destination.connector.clone();
    told(&connector, observer, || send_log(source, destination, options, observer))
}

fn send_log(
    source: Source,
    destination: Destination,
    options: &LoadOptions,
    observer: &dyn Observer,
) -> Result<LoadReport> {
    let began = Instant::now();
    refuse(options)?;
    let Destination { mut route, name: target, info, connector } = destination;
    let paths = parts(&source)?;
    let empties = options.flush_first && !options.dry_run;
    if empties {
        not_emptied(ahead::manifest_fault(&source)?)?;
        look_ahead(&paths, options)?;
    }
    let mut report = LoadReport {
        schema: "rdbkit.replay-to/1",
        source: source.name.clone(),
        target: target.clone(),
        server: info.name(),
        dry_run: options.dry_run,
        is_log: true,
        ..LoadReport::default()
    };
    if !options.filter.is_empty() {
        report.notes.push(
            "commands stay of which a key passes the filters: what such a command takes from a key \
             that does not (COPY, RENAME, SUNIONSTORE …) is not there"
                .to_owned(),
        );
    }
    drop(source);
    let files = gather(&paths, &options.open, observer)?;
    let point = point(&files, options.until)?;
    let rules = rules(options);
    let plan = Plan::new(options, &info, Marks::None);
    let needs = ahead::look_into(&files, point, &plan, &rules)?;
    if empties {
        not_emptied(ahead::cut_in_files(&files, point))?;
    }
    if info.is_cluster {
        let destination = Destination { route, name: target, info, connector };
        let log = (files.as_slice(), point, &rules);
        return super::by_slot::load_by_slot(log, destination, options, report, observer);
    }
    if route.lanes() > 1 {
        report.notes.push(
            "several connections are for the snapshot in front of a log: its commands go over one, in \
             their order"
                .to_owned(),
        );
    }
    drop(files);
    let session = session(&paths, options)?;
    let claim =
        Claim::new(&session, "").kept_by(Keeper::new(&connector)).heeding(&options.courier.stop);
    let mut log = Log {
        options,
        paths,
        point,
        claim,
        rules,
        needs,
        skip: HashSet::new(),
        report: &mut report,
        since: None,
        patience_left: options.courier.patience,
        dropped_from: None,
        run_id: info.run_id.clone(),
        evicted: Evicted::default(),
        pace: Pace::new(options.courier.rate),
        observer,
    };
    if options.dry_run {
        route.open(0).and_then(|mut connection| log.needs.ask(&mut connection))?;
        let mut stretch = Stretch::new(None, Position::default());
        match log.commands(&mut stretch, observer) {
            Ok(()) => {}
            Err(End::Error(error)) => return Err(error),
            Err(_) => {}
        }
        let dropped = log.dropped_from.take();
        note_dropped(&mut report, dropped);
        report.took_ms = super::millis(began);
        return Ok(report);
    }
    let halt = log.run(&mut *route, &target, &info, observer)?;
    let (claim, dropped) = (log.claim.clone(), log.dropped_from.take());
    let evicted = log.evicted.clone();
    let replicas = log.patience_left;
    if let (Some(point), None) = (point, &halt) {
        log.report.notes.push(point.reached(&log.file(point.part), &claim.progress_key()));
    }
    note_dropped(&mut report, dropped);
    if halt.is_none() && point.is_none() {
        let CourierOptions { patience, stop, .. } = &options.courier;
        let limits = Limits { replicas, ..Limits::new(*patience, stop, observer) };
        report.notes.extend(removed(&mut *route, &claim, limits));
        report.evicted = evicted.count(&mut *route);
    } else {
        settle::ends(&mut *route, &connector);
        report.evicted = evicted.count(&mut *route);
        // Only a lock of its own is given back.
        if let Ok(mut connection) = route.open(0) {
            let _ = claim.release(&mut connection, false);
        }
    }
    report.notes.extend(route.trusted().filter(|_| halt.is_none()));
    report.took_ms = super::millis(began);
    report.sent_ms = report.took_ms;
    let halt = halt.map(|halt| asked(halt, &options.courier.stop));
    report.stopped = halt.map(|halt| log_stopped(&halt, &target));
    Ok(report)
}

/// A log on its way.
struct Log<'a> {
    options: &'a LoadOptions,
    paths: Vec<std::path::PathBuf>,
    /// Where it ends before the end of the log.
    point: Option<Point>,
    claim: Claim,
    rules: Rules,
    needs: Needs,
    /// Commands that the server does not know: where they begin.
    skip: HashSet<(usize, u64)>,
    report: &'a mut LoadReport,
    /// Since when the target has been waited for.
    since: Option<Instant>,
    /// How long replicas are still waited for.
    patience_left: Duration,
    dropped_from: Option<(String, u64)>,
    run_id: String,
    evicted: Evicted,
    pace: Pace,
    /// Hears what is waited for.
    observer: &'a dyn Observer,
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
        let claimed = self.patiently(route, |route| {
            let mut connection = route.open(0)?;
            self.needs.ask(&mut connection)?;
            let (patience, waits) =
                (self.options.courier.patience, |why: &str| self.observer.waiting(why));
            let held = self.claim.hold(&mut connection, patience, &waits)?;
            self.evicted.sees(&ServerInfo::of(&mut connection)?);
            let found = self.claim.progress(&mut connection)?;
            Ok((connection, held, found))
        });
        // The connection is open to the end: it carries the owner's name, so that others see that
        // there is one.
        let (mut connection, found) = match claimed {
            Ok((connection, Held::Yes, found)) => (connection, found),
            Ok((_, Held::No(words), _)) => return Err(Error::Usage(words)),
            Err(Halt::Failed(failure)) => {
                return Err(Error::Usage(settle::with_rights(&failure)));
            }
            Err(halt) => return Ok(Some(halt)),
        };
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
                let here = Point { part: at.part, offset: at.offset };
                if let Some(point) = self.point.filter(|point| here > *point) {
                    self.claim.release(&mut connection, false)?;
                    return Err(point.is_past(target, &self.file(point.part)));
                }
                self.report.resumed_from = Some(at.offset);
                self.report.notes.push(format!(
                    "goes on behind what has taken effect: offset {} of {}",
                    at.offset,
                    self.file(at.part)
                ));
            }
            None => {
                if let Some(halt) = self.begin(route, info, found.as_ref(), observer)? {
                    return Ok(Some(halt));
                }
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
                End::Base => {
                    self.report.notes.push(format!(
                        "{target} came back as it was before the first command, so the log was \
                         sent from its beginning again"
                    ));
                    (self.report.log_commands, self.report.reopened) =
                        (0, self.report.reopened + 1);
                    self.skip.clear();
                    if let Some(halt) = self.begin(route, info, None, observer)? {
                        return Ok(Some(halt));
                    }
                }
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
                    let words = failure.to_string();
                    while Instant::now() < until {
                        if self.is_stopped() {
                            return Ok(Some(Halt::Interrupted));
                        }
                        self.observer.waiting(&words);
                        thread::sleep(Duration::from_millis(20));
                    }
                    self.report.waited_ms += u64::try_from(pause.as_millis()).unwrap_or(0);
                    pause = (pause * 2).min(PAUSES.1);
                }
            }
        }
    }

    /// Loads the snapshot in front, and says that commands follow. `found` is what the target
    /// remembered before; why it stopped, if it did.
    fn begin(
        &mut self,
        route: &mut dyn Route,
        info: &ServerInfo,
        found: Option<&Progress>,
        observer: &dyn Observer,
    ) -> Result<Option<Halt>> {
        if let Err(halt) = self.mark(route, found) {
            return Ok(Some(halt));
        }
        if let Some(halt) = self.base(route, info, observer)? {
            return Ok(Some(halt));
        }
        Ok(self.start(route).err())
    }

    /// Does at the beginning what may fail while servers load their data, or change their roles.
    fn patiently<T>(
        &self,
        route: &mut dyn Route,
        mut ask: impl FnMut(&mut dyn Route) -> Result<T, Halt>,
    ) -> Result<T, Halt> {
        let until = Instant::now() + self.options.courier.patience;
        loop {
            match ask(route) {
                Ok(answer) => {
                    self.observer.goes_on();
                    return Ok(answer);
                }
                Err(_) if self.is_stopped() => return Err(Halt::Interrupted),
                Err(Halt::Failed(failure)) if failure.is_passing() && Instant::now() < until => {
                    route.broke(0, &failure);
                    self.observer.waiting(&failure.to_string());
                }
                // Another server has taken over.
                Err(Halt::Rewind(_)) if Instant::now() < until => {}
                Err(halt) => return Err(halt),
            }
            thread::sleep(PAUSES.0);
        }
    }

    /// How long replicas are waited for at the beginning, and once everything was sent.
    fn limits(&self) -> Limits<'_> {
        let CourierOptions { patience, stop, .. } = &self.options.courier;
        Limits { replicas: self.patience_left, ..Limits::new(*patience, stop, self.observer) }
    }

    /// Replicas that were waited for in vain are not waited for again before the end.
    fn waited_for(&mut self, late: &[String]) {
        if !late.is_empty() {
            self.patience_left = Duration::ZERO;
        }
    }

    /// The name of a file of the log.
    fn file(&self, part: usize) -> String {
        self.paths.get(part).map_or(String::new(), |path| path.shown().to_string())
    }

    fn is_stopped(&self) -> bool {
        self.options.courier.stop.load(Ordering::Relaxed)
    }
}
