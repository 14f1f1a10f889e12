//! `--as log` into a Cluster: the commands of a log, those of each slot in their order, each
//! exactly once.
//!
//! ```text
//! parts ─feed─► Window ─► Fleet ─► a transaction for each slot, with its checkpoint ─► masters
//! ```
//!
//! Each transaction also writes how far its slot has come, into a key of that slot: it goes where
//! the slot goes, to another node or to a replica that takes over. Whoever goes on, after whatever
//! has happened to the replay or to the servers, asks there. Nothing is kept beside the source.
//!
//! Commands of different slots have nothing to do with each other, and overtake each other inside
//! a window.

mod feed;
mod fleet;
mod window;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;

use self::feed::{Fed, Feeding, Step};
use self::fleet::{Fleet, LOG};
use self::window::{FULL, Window};
use super::LoadOptions;
use super::destination::Destination;
use super::files::{File, place};
use super::pack::{Marks, Plan};
use super::point::Point;
use super::words::{asked, log_stopped, why};
use crate::bytes::crc64;
use crate::error::{Error, Result};
use crate::ops::rewrite::Rules;
use crate::ops::walk::Observer;
use crate::report::load::{LoadReport, RefusedKey};
use crate::report::text::plural;
use crate::target::live::{Halt, Pace, Rate, Route};

/// Bytes that tell a log from others; it may grow at its end.
const HEAD_BYTES: usize = 4096;
/// How many errors are kept in full.
const SHOWN: usize = 100;

/// Replays a log into a Cluster.
pub(super) fn load_by_slot(
    (files, point, rules): (&[File], Option<Point>, &Rules),
    destination: Destination,
    options: &LoadOptions,
    mut report: LoadReport,
    observer: &dyn Observer,
) -> Result<LoadReport> {
    let began = Instant::now();
    let Destination { route, info, name, connector } = destination;
    let plan = Plan::new(options, &info, Marks::None);
    // What is to go slowly goes in small pieces.
    let full = match options.courier.rate {
        Some(Rate::Keys(rate)) => {
            (FULL.0, usize::try_from(rate / 10 + 1).unwrap_or(FULL.1).min(FULL.1))
        }
        Some(Rate::Bytes(rate)) => {
            (usize::try_from(rate / 10 + 1).unwrap_or(FULL.0).min(FULL.0), FULL.1)
        }
        None => FULL,
    };
    let feeding = Feeding { files, plan: &plan, rules, options, point, full };
    if options.dry_run {
        let fed = count(feeding, &*route, &mut report, observer)?;
        tell(&mut report, fed);
        report.took_ms = super::millis(began);
        return Ok(report);
    }
    let limits = (options.courier.patience, options.courier.max_errors);
    let stop = Arc::clone(&options.courier.stop);
    let mut fleet =
        Fleet::claim(route, &connector, session(files, options), limits, stop, observer)
            .map_err(|halt| Error::Usage(why(&halt, &name)))?;
    let mut restart = options.restart;
    if let Err(halt) = fleet.begin(options.flush_first, restart) {
        fleet.release(false);
        return Err(Error::Usage(why(&halt, &name)));
    }
    let mut rewound = 0;
    let ends_at = point.and_then(|point| Some((point, files.get(point.part)?)));
    let halt = loop {
        match pass(feeding, &mut fleet, restart, &name, observer) {
            Ok(Ok(fed)) => {
                let end = fed.end;
                match fleet.finish(end, point.is_some()) {
                    Err(Halt::Rewind(_)) => {}
                    Ok(late) => {
                        tell(&mut report, fed);
                        report.notes.extend(late);
                        if let Some((point, file)) = ends_at {
                            report.notes.push(point.reached(&file.name, LOG));
                        }
                        break None;
                    }
                    Err(halt) => {
                        tell(&mut report, fed);
                        break Some(halt);
                    }
                }
            }
            Ok(Err(Halt::Rewind(_))) => {}
            Ok(Err(halt)) => break Some(halt),
            Err(error) => {
                fleet.release(false);
                return Err(error);
            }
        }
        restart = false;
        rewound += 1;
    };
    fleet.release(halt.is_none());
    report.evicted = fleet.evicted();
    if rewound > 0 {
        report.notes.push(format!(
            "a node came back without some of what it had taken; what was missing was sent again \
             ({})",
            plural(rewound, "time")
        ));
    }
    let mut done = std::mem::take(&mut fleet.done);
    done.refused.sort_by_key(|(begins_at, _)| *begins_at);
    report.log_commands = done.commands;
    report.commands = done.commands;
    report.bytes = done.bytes;
    report.sent_again = done.again;
    report.reopened = done.reopened;
    report.waited_ms = u64::try_from(done.waited.as_millis()).unwrap_or(u64::MAX);
    report.refused += done.refused_count;
    report.errors.extend(done.refused.into_iter().map(|(begins_at, refused)| RefusedKey {
        place: begins_at.and_then(|at| place(files, at)),
        ..refused
    }));
    report.errors.truncate(SHOWN);
    report.took_ms = super::millis(began);
    report.sent_ms = report.took_ms;
    let halt = halt.map(|halt| asked(halt, &options.courier.stop));
    report.stopped = halt.map(|halt| log_stopped(&halt, &name));
    Ok(report)
}

/// Reads the source from its beginning to its end, and runs what has not taken effect.
fn pass(
    feeding: Feeding<'_>,
    fleet: &mut Fleet<'_>,
    restart: bool,
    name: &str,
    observer: &dyn Observer,
) -> Result<Result<Fed, Halt>> {
    let floors = match fleet.read(restart) {
        Ok(floors) => floors,
        Err(halt) => return Ok(Err(halt)),
    };
    let ends_at = feeding.point.and_then(|point| Some((point, feeding.files.get(point.part)?)));
    if let Some((point, file)) = ends_at
        && floors.iter().any(|&floor| floor > file.begins_at + point.offset)
    {
        return Err(point.is_past(name, &file.name));
    }
    let mut pace = Pace::new(feeding.options.courier.rate);
    steps(feeding, &floors, |step| match step {
        Step::Window(window) => {
            observer.progress(window.end());
            hold_back(&window, &mut pace, feeding.options)?;
            fleet.run(window)
        }
        Step::Everywhere(step) => fleet.everywhere(&step),
    })
}

/// Feeds in a thread beside, and hands the steps on.
fn steps(
    feeding: Feeding<'_>,
    floors: &[u64],
    mut take: impl FnMut(Step) -> Result<(), Halt>,
) -> Result<Result<Fed, Halt>> {
    // One is made ready while another is on its way.
    let (sender, steps) = bounded(1);
    thread::scope(|scope| {
        let feeder = scope.spawn(move || feeding.run(floors, &sender));
        let mut halt = None;
        while let Ok(step) = steps.recv() {
            if let Err(why) = take(step) {
                halt = Some(why);
                break;
            }
        }
        // A feeder that still has something finds that nobody takes it.
        drop(steps);
        let fed = feeder.join().map_err(|_| Error::Usage("the source cannot be read".into()))?;
        match (halt, fed) {
            (Some(halt), _) => Ok(Err(halt)),
            (None, Ok(Some(fed))) => Ok(Ok(fed)),
            (None, Ok(None)) => Ok(Err(Halt::Interrupted)),
            (None, Err(error)) => Err(error),
        }
    })
}

/// Holds back what would be too fast.
fn hold_back(window: &Window, pace: &mut Pace, options: &LoadOptions) -> Result<(), Halt> {
    let due = pace.due(window.commands() as u64, window.bytes());
    while Instant::now() < due {
        if options.courier.stop.load(Ordering::Relaxed) {
            return Err(Halt::Interrupted);
        }
        let left = due.saturating_duration_since(Instant::now());
        thread::sleep(left.min(Duration::from_millis(50)));
    }
    Ok(())
}

/// Only counts what would go where.
fn count(
    feeding: Feeding<'_>,
    route: &dyn Route,
    report: &mut LoadReport,
    observer: &dyn Observer,
) -> Result<Fed> {
    let mut lanes = vec![0; route.lanes()];
    let fed = steps(feeding, &[], |step| {
        match step {
            Step::Window(window) => {
                observer.progress(window.end());
                report.bytes += window.bytes() as u64;
                for batch in &window.batches {
                    report.log_commands += batch.len() as u64;
                    if let Some(lane) = route.lane(batch.slot).and_then(|it| lanes.get_mut(it)) {
                        *lane += batch.len() as u64;
                    }
                }
            }
            Step::Everywhere(_) => report.log_commands += 1,
        }
        Ok(())
    })?;
    let lanes = lanes.into_iter().enumerate();
    report
        .notes
        .extend(lanes.map(|(lane, n)| format!("{} to {}", plural(n, "command"), route.name(lane))));
    fed.map_err(|halt| Error::Usage(why(&halt, &report.target)))
}

/// What tells a log and the wishes about it from others.
fn session(files: &[File], options: &LoadOptions) -> String {
    let mut sum = crc64::update(0, options.settings.as_bytes());
    for file in files.iter().take(1) {
        let bytes = file.bytes();
        sum = crc64::update(sum, bytes.get(..HEAD_BYTES).unwrap_or(bytes));
    }
    format!("log-{sum:016x}")
}

/// What there is to say of the source.
fn tell(report: &mut LoadReport, fed: Fed) {
    report.filtered = fed.filtered;
    report.refused = fed.refused_count;
    report.errors = fed.refused;
    if fed.base_keys > 0 {
        let keys = plural(fed.base_keys, "key");
        report.notes.push(format!("the log begins with a snapshot of {keys}"));
    }
    if fed.split_commands > 0 {
        let commands = plural(fed.split_commands, "command");
        report.notes.push(format!("{commands} with keys in several slots went in parts"));
    }
    if fed.split_transactions > 0 {
        let transactions = plural(fed.split_transactions, "transaction");
        report
            .notes
            .push(format!("{transactions} with keys in several slots became one for each slot"));
    }
    if let Some((file, at)) = fed.dropped {
        super::log::note_dropped(report, Some((file, at)));
    }
}
