//! `replay --to`: loads the keys of a source into live servers.
//!
//! ```text
//! source ─walk─► Batch (commands for its keys) ─merge─► Root ─► Courier ─► servers
//!                                                        │ acknowledged mark
//!                                                        ├─► state file beside the source
//!                                                        └─► progress key on the target
//! ```
//!
//! Loading a snapshot can be repeated: RESTORE … REPLACE of the same key is the same key. So a load
//! that was interrupted goes on behind the mark that is safe, which is the lower one of what the
//! state file says and what the target itself remembers. The keys of a log have no offsets; they
//! are counted, and the log is run again at the time of the first attempt, so that they are the same
//! ones in the same order.
//!
//! How a target is reached is a [`Route`](crate::target::live::Route); [`connect`] makes the one for an endpoint.

mod ahead;
mod batch;
mod by_slot;
mod confirm;
mod destination;
mod files;
mod inquiry;
mod keys;
mod ledger;
mod lent;
mod log;
mod made;
mod masters;
mod options;
mod pack;
mod point;
mod release;
mod servers;
mod settle;
mod state;
mod verify;
mod words;

use std::fmt::Write as _;
use std::time::Instant;

use self::confirm::{Limits, confirmed};
pub use self::destination::{Destination, connect};
use self::keys::Keys;
use self::ledger::{Ledger, Root};
pub use self::log::load_log;
pub use self::options::{As, CrossSlot, LoadOptions, OnExisting, Verify};
use self::pack::{Marks, Plan};
pub use self::state::StatePlace;
use self::state::{Identity, StateFile};
use self::words::{asked, stopped};
use super::silences::told;
use super::snapshot::{self, Ended, View};
use super::walk::{Observer, Silent};
use crate::error::{Error, Result};
use crate::report::load::LoadReport;
use crate::source::{Form, Source};
use crate::target::live::{Courier, CourierOptions, Halt};

/// Whether a source has commands that can be sent one by one.
///
/// ```
/// use rdbkit::ops::load::is_log;
/// use rdbkit::source::{OpenOptions, open};
///
/// # fn main() -> rdbkit::Result<()> {
/// let opened = |name: &str| open(&name.into(), &OpenOptions::default());
/// assert!(is_log(&mut opened("fixtures/annotations.aof")?));
/// assert!(!is_log(&mut opened("fixtures/redis-7.0.15-lru.rdb")?));
/// # Ok(())
/// # }
/// ```
pub fn is_log(source: &mut Source) -> bool {
    match source.form {
        Form::Aof | Form::AofDir | Form::Manifest => true,
        Form::Rdb => source.feed.as_mut().is_some_and(snapshot::goes_on_as_log),
        _ => false,
    }
}

/// Loads a source into a target. `again` opens the source once more, for a comparison, or for a
/// target that has lost something.
///
/// ```no_run
/// use std::time::Duration;
///
/// use rdbkit::live::{Connector, Endpoint, LiveOptions};
/// use rdbkit::ops::load::{LoadOptions, connect, load};
/// use rdbkit::ops::walk::Silent;
/// use rdbkit::source::{OpenOptions, open};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let endpoint: Endpoint = "redis://localhost:6380".parse()?;
/// let LiveOptions { tls, timeouts, .. } = LiveOptions::default();
/// let connector = Connector::new(&endpoint, &tls, timeouts)?;
/// let destination = connect(&endpoint, &connector, 1, Duration::from_secs(60), &Silent)?;
/// let again = || open(&"dump.rdb".into(), &OpenOptions::default());
/// let report = load(again()?, &again, destination, &LoadOptions::default(), &Silent)?;
/// assert!(report.is_complete());
/// # Ok(())
/// # }
/// ```
pub fn load(
    source: Source,
    again: &dyn Fn() -> Result<Source>,
    destination: Destination,
    options: &LoadOptions,
    observer: &dyn Observer,
) -> Result<LoadReport> {
    let connector = destination.connector.clone();
    told(&connector, observer, || send(source, again, destination, options, observer))
}

fn send(
    source: Source,
    again: &dyn Fn() -> Result<Source>,
    destination: Destination,
    options: &LoadOptions,
    observer: &dyn Observer,
) -> Result<LoadReport> {
    let began = Instant::now();
    options.state.check(&source)?;
    let form = source.form;
    // What comes through a pipe or from a server is gone when it was read.
    let is_kept = source.size_bytes.is_some() || matches!(form, Form::AofDir | Form::Manifest);
    let path = source.path.clone().filter(|_| is_kept);
    let source = Source { path: path.clone(), ..source };
    let name = source.name.clone();
    let can_read_again = path.is_some() && form != Form::Dump;
    refuse_verify(&name, can_read_again, options)?;
    let empties = options.flush_first && !options.dry_run;
    // Whoever wrote such a manifest, no server would load what it says.
    let refused = if empties { ahead::manifest_fault(&source)? } else { None };
    let view = snapshot::view(source, &options.open)?;
    let (marks, identity, is_log) = match &view {
        // What is made of it has other offsets with another version.
        View::Snapshot(_) if form == Form::Ndjson => (Marks::None, None, false),
        View::Snapshot(source) => marks(source, false)?,
        View::Log(source) => marks(source, true)?,
    };
    let waits = |why: Option<&str>| tell(observer, why);
    let Destination { mut route, name: target, info, connector } = destination;
    let mut wishes = format!("{} {:?} {:?}", options.settings, options.send, options.on_existing);
    if marks == Marks::Keys {
        // The order of an engine's keys is no promise from version to version.
        write!(wishes, " {}", env!("CARGO_PKG_VERSION")).ok();
    }
    let mut state = StateFile::new(&options.state, path.as_deref(), identity, &target, &wishes);
    let found = if options.restart || options.dry_run { None } else { state.load()? };
    // A log that has grown is another one; all of it once more does no harm.
    let has_changed = matches!(&found, Some(found) if found.is_of_another) && marks == Marks::Keys;
    let found = found.filter(|_| !has_changed);
    if let Some(found) = found.as_ref().filter(|found| found.is_of_another) {
        return Err(found.refused("the source had another size or content then"));
    }
    // What has expired since is sent and expires there, and so the keys are the same ones.
    let kept = found.as_ref().filter(|_| marks == Marks::Keys).and_then(|found| found.now_ms);
    let options = &LoadOptions { now_ms: kept.unwrap_or(options.now_ms), ..options.clone() };
    state.keep_time(options.now_ms);
    let keys = Keys::of(view, (&name, form), options, observer)?;
    let reopen =
        || Keys::of(snapshot::view(again()?, &options.open)?, (&name, form), options, observer);
    let plan = Plan::new(options, &info, marks);
    // Who goes on has looked already, at the same file.
    let is_begun = found.as_ref().is_some_and(|found| found.offset > 0);
    let looks = !is_begun && !is_log && can_read_again;
    let (needs, broken) = match (&keys, looks) {
        (Keys::Ran(run), _) => {
            let cut = if empties && !is_begun { ahead::cut_in_run(run) } else { None };
            (ahead::look_over(run, &plan)?, cut)
        }
        (Keys::Snapshot(_), false) => Default::default(),
        (Keys::Snapshot(_), true) => match reopen()? {
            Keys::Snapshot(source) => ahead::look_through(source, &plan, empties, &Silent)?,
            Keys::Ran(_) => {
                return Err(Error::Source(format!("{name} is another source than it was")));
            }
        },
    };
    let mut ledger = Ledger::default();
    let mut report = LoadReport {
        schema: "rdbkit.replay-to/1",
        source: name.clone(),
        target: target.clone(),
        server: info.name(),
        dry_run: options.dry_run,
        notes: keys.note().into_iter().collect(),
        ..LoadReport::default()
    };
    if options.dry_run {
        route.open(0).and_then(|mut connection| needs.ask(&mut connection))?;
        let mut root = Root::counting(&mut ledger, &*route);
        match keys.send(&plan, 0, &mut root, observer)? {
            Some(Ended { fault: Some(fault), .. }) => {
                return Err(Error::from(fault).in_file(&name));
            }
            Some(ended) => complete(&mut report, ended),
            None => {}
        }
        ledger.fill(&mut report);
        report.took_ms = millis(began);
        return Ok(report);
    }
    if let Some(why) = refused.filter(|_| !is_begun).or(broken) {
        report.is_broken = true;
        report.stopped = Some(format!("{why}; nothing was sent, and {target} was not emptied"));
        report.took_ms = millis(began);
        return Ok(report);
    }
    let settled = settle::settle(
        &mut *route,
        &connector,
        (found.as_ref(), marks),
        &needs,
        options,
        observer,
    )?;
    report.notes.extend(settled.notes);
    if has_changed {
        report
            .notes
            .push(format!("{name} has changed since the replay of it began: it begins anew"));
    }
    report.resumed_from = (settled.from > 0).then_some(settled.from);
    ledger.before_keys = found
        .as_ref()
        .filter(|found| settled.from > 0 && settled.from == found.offset)
        .map_or(0, |found| found.keys);
    ledger.keep(state, settled.claim.clone(), &settled.servers);
    let (mut keys, mut from) = (Some(keys), settled.from);
    let mut was_rewound = false;
    let sending = Instant::now();
    let mut limits = Limits::new(options.courier.patience, &options.courier.stop, observer);
    // Each turn ends with the load done, or has to send all behind an older mark again.
    let halt = loop {
        route.trust_last(false);
        let courier_options = CourierOptions {
            skip_existing: options.on_existing == OnExisting::Skip,
            ..options.courier.clone()
        };
        let reopened = settle::reopened(&settled.claim, &settled.servers);
        let mut courier = Courier::new(route, reopened, from, courier_options).heard_by(&waits);
        let mut root = Root::sending(&mut ledger, &mut courier);
        let ended = match keys.take() {
            Some(keys) => Ok(keys),
            None => reopen(),
        };
        let ended = ended.and_then(|keys| keys.send(&plan, from, &mut root, observer));
        let mut halt = root.into_halt();
        if matches!(ended, Ok(Some(_))) {
            halt = halt.or_else(|| courier.finish().err());
        }
        route = ledger.close_turn(courier);
        if let (Ok(Some(_)), None) = (&ended, &halt) {
            route.trust_last(true);
            let mut is_known = settle::reopened(&settled.claim, &settled.servers);
            match confirmed(&mut *route, &settled.claim, limits, &mut is_known) {
                Ok(late) => {
                    limits.not_again(&late);
                    report.notes.extend(late);
                }
                Err(why) => halt = Some(why),
            }
        }
        match (ended, halt) {
            (_, Some(Halt::Rewind(mark))) => {
                observer.goes_on();
                from = ledger.rewind(mark);
                if from == 0 {
                    settled.servers.evicted.begins_anew();
                }
                report.notes.push(format!(
                    "{target} came back without some of what it had taken, so everything behind \
                     {} of the source was sent again",
                    marks.named(from)
                ));
                was_rewound = true;
            }
            (_, Some(halt)) => break Some(halt),
            // Where nothing was done to the target, a sentence says it all.
            (Err(error), None) if !options.flush_first && ledger.has_sent_nothing() => {
                settle::ends(&mut *route, &connector);
                ledger.pause(&mut *route);
                return Err(error);
            }
            (Err(error), None) => {
                report.is_broken = matches!(error, Error::Format(_) | Error::Source(_));
                report.stopped = Some(error.to_string());
                break None;
            }
            (Ok(Some(Ended { fault: Some(fault), .. })), None) => {
                let error = Error::from(fault).in_file(&name);
                // The same file breaks off at the same place however often it is sent.
                if ledger.has_sent_nothing() {
                    ledger.end(&mut *route, limits);
                    return Err(error);
                }
                report.is_broken = true;
                report.stopped = Some(format!("{error}; the keys before that have arrived"));
                break None;
            }
            (Ok(ended), None) => {
                ended.into_iter().for_each(|ended| complete(&mut report, ended));
                break None;
            }
        }
    };
    drop(settled.named);
    ledger.fill(&mut report);
    report.sent_ms = millis(sending);
    report.took_ms = millis(began);
    if let Some(halt) = halt.map(|halt| asked(halt, &options.courier.stop)) {
        ledger.save();
        report.stopped = Some(stopped(&halt, &ledger, &target, marks));
        if !matches!(halt, Halt::Taken(_)) {
            settle::ends(&mut *route, &connector);
            report.evicted = settled.servers.evicted.count(&mut *route);
            ledger.pause(&mut *route);
        }
        return Ok(report);
    }
    if report.stopped.is_some() {
        match report.is_broken {
            true => report.notes.extend(ledger.end(&mut *route, limits)),
            false => {
                settle::ends(&mut *route, &connector);
                report.evicted = settled.servers.evicted.count(&mut *route);
                ledger.pause(&mut *route);
            }
        }
        return Ok(report);
    }
    report.notes.extend(ledger.end(&mut *route, limits));
    report.evicted = settled.servers.evicted.count(&mut *route);
    let wanted = options.verify.unwrap_or(if is_log { Verify::None } else { Verify::Sample });
    if wanted != Verify::None {
        let asked = verify::Asked {
            plan: &plan,
            all: wanted == Verify::Full,
            ledger: &ledger,
            // What was sent twice was counted twice.
            was_empty: report.resumed_from.is_none()
                && !was_rewound
                && (options.flush_first || info.keys.is_empty()),
        };
        let verifying = Instant::now();
        let verified = if can_read_again {
            verify::verify(reopen()?, &asked, &mut *route, observer).map(Some)
        } else {
            report.notes.push(format!("{name} cannot be read again, so no key was compared"));
            verify::counted(&asked, &mut *route, observer)
        };
        report.verify = match verified {
            // What has arrived is told all the same.
            Err(Error::Usage(why)) => {
                report.stopped = Some(why);
                None
            }
            verified => verified?,
        };
        if let Some(verify) = &mut report.verify {
            verify.took_ms = millis(verifying);
        }
    }
    report.notes.extend(route.trusted());
    report.took_ms = millis(began);
    Ok(report)
}

/// Tells that something is waited for, or no more.
fn tell(observer: &dyn Observer, why: Option<&str>) {
    match why {
        Some(why) => observer.waiting(why),
        None => observer.goes_on(),
    }
}

/// A comparison that is asked for and cannot be had is refused before anything is sent.
fn refuse_verify(name: &str, can_read_again: bool, options: &LoadOptions) -> Result<()> {
    match options.verify {
        Some(Verify::Sample | Verify::Full) if !can_read_again => Err(Error::Usage(format!(
            "--verify reads {name} a second time, and that cannot be done: write it into a file \
             first and replay that, or do without (--verify none)"
        ))),
        _ => Ok(()),
    }
}

/// What there is to say of a source that was read to its end.
fn complete(report: &mut LoadReport, ended: Ended) {
    report.ran = ended.ran;
    report.checksum_mismatch = ended
        .checksum_mismatch
        .map(|(stored, computed)| [format!("{stored:016x}"), format!("{computed:016x}")]);
}

/// What says how far the load of a source has come, and what tells it from others.
fn marks(source: &Source, is_log: bool) -> Result<(Marks, Option<Identity>, bool)> {
    let marks = match (&source.path, source.form) {
        (None, _) => Marks::None,
        (Some(_), _) if is_log => Marks::Keys,
        (Some(_), Form::Rdb) => Marks::Offsets,
        _ => Marks::None,
    };
    let identity = match (marks, &source.path) {
        (Marks::Keys, _) => Some(Identity::of_all(&log::parts(source)?)?),
        (Marks::Offsets, Some(path)) => Some(Identity::of(path)?),
        _ => None,
    };
    Ok((marks, identity, is_log))
}

fn millis(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}
