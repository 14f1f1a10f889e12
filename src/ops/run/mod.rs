//! Runs a source: its snapshot into a keyspace, then the commands of its log.
//!
//! ```text
//! parts ─ snapshot ─ base ───────────────────► keyspace   values stay in the mapped file
//!       └ log ────── log, router, crew, hand ► keyspace   commands are sorted by shard, then run
//! ```
//!
//! It is done as a loading server does it: nothing expires, a command that fails is counted and
//! the log goes on, a transaction is run when its EXEC comes and dropped as a whole when none does.

mod aside;
mod base;
mod crew;
pub(super) mod entries;
mod failed;
mod hand;
mod known;
pub(super) mod log;
mod router;
mod steps;
mod touched;
mod watched;

use std::path::PathBuf;
use std::sync::Arc;

use super::sources_of;
use super::walk::{Observer, WalkOptions};
use crate::aof;
use crate::bytes::{PathName as _, quoted};
use crate::engine::Engine;
use crate::error::{Error, FormatError, Result};
use crate::ops::before;
use crate::ops::behind::Behind;
use crate::ops::clock::now_ms;
use crate::ops::ndjson;
use crate::ops::once::refuse_libraries;
use crate::ops::snapshot::{is_announced_as_base, is_empty, is_log};
use crate::rdb::Target;
use crate::source::{Form, OpenOptions, Source, Whole, open_part};

pub(super) use crew::Pace;
pub use failed::{Failed, Failures};
pub(super) use log::About;
use log::{End, Progress};
use touched::Touched;
use watched::Eyes;
pub(super) use watched::{Done, Scene, Watcher};

/// How a source is run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The server that is played; `None` for the one that wrote the snapshot, or the newest Redis
    /// where there is none.
    pub target: Option<Target>,
    /// Now, unix time in milliseconds: what relative expiries count from.
    pub now_ms: i64,
    /// Threads; the result is the same with any number.
    pub threads: usize,
    /// Where to stop before the end.
    pub until: Until,
    /// Whether commands that are not known are stepped over.
    pub skip_unknown: bool,
    /// How many databases there may be.
    pub databases: usize,
    /// Whether a value of a snapshot that a server would refuse is a failure, where it sanitizes
    /// what it loads: for those who write the keys, of which untouched ones are copied.
    pub sound: bool,
    /// How parts are opened.
    pub open: OpenOptions,
}

impl Default for RunOptions {
    fn default() -> Self {
        RunOptions {
            target: None,
            now_ms: now_ms(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            until: Until::default(),
            skip_unknown: false,
            databases: 1024,
            sound: false,
            open: OpenOptions::default(),
        }
    }
}

impl RunOptions {
    /// A run at this time, unix time in milliseconds; without one, at that of the clock.
    pub fn at(now_ms: Option<i64>) -> Self {
        let default = RunOptions::default();
        RunOptions { now_ms: now_ms.unwrap_or(default.now_ms), ..default }
    }

    /// A run for those who walk over the keys that are there in the end.
    pub(super) fn of_walk(walk: &WalkOptions, open: &OpenOptions) -> Self {
        RunOptions {
            threads: walk.threads,
            target: walk.target,
            skip_unknown: walk.skip_unknown,
            open: open.clone(),
            ..RunOptions::at(walk.now_ms)
        }
    }
}

/// Where a run stops: before the first command that is beyond any of these. A transaction that
/// would be cut is left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Until {
    /// Unix time in seconds: before the first annotation that gives a later one.
    pub time_secs: Option<u64>,
    /// An offset in the last part.
    pub offset: Option<u64>,
    /// A number of commands, MULTI and EXEC among them.
    pub command: Option<u64>,
}

/// What a run came to.
#[derive(Debug)]
pub struct Run {
    /// The keys, and the engine that can go on with them.
    pub engine: Engine,
    /// Commands in the log, MULTI and EXEC among them, that were run.
    pub commands: u64,
    /// Transactions that were run.
    pub transactions: u64,
    /// Commands that failed, and commands that were stepped over.
    pub failures: Failures,
    /// The server that wrote the snapshot that it began with.
    pub writer: Option<Target>,
    /// Whether a server was played that is not known to have written it.
    pub for_another: bool,
    /// Keys that came out of a snapshot.
    pub base_keys: u64,
    /// All that was read.
    pub sources: Vec<PathBuf>,
    /// The parts, in their order.
    pub parts: Vec<RunPart>,
    /// Whether it stopped where it was told to, before the end.
    pub stopped: bool,
    /// Whether annotations of the log gave times.
    pub saw_time: bool,
}

/// What a run found in one part.
#[derive(Debug, Clone, Default)]
pub struct RunPart {
    /// The file.
    pub name: String,
    /// Bytes in it, uncompressed.
    pub size_bytes: u64,
    /// Where its tail begins that was dropped: a command that is cut, or a transaction without
    /// its EXEC.
    pub dropped_from: Option<u64>,
}

/// Runs a source.
///
/// ```
/// use rdbkit::ops::run::{RunOptions, run};
/// use rdbkit::ops::walk::Silent;
/// use rdbkit::source::{OpenOptions, open};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let log = open(&"fixtures/annotations.aof".into(), &OpenOptions::default())?;
/// let done = run(log, &RunOptions::default(), &Silent)?;
/// assert_eq!((done.commands, done.failures.failed), (3, 0));
/// assert_eq!(done.engine.keyspace.records(0).count(), 2);
/// # Ok(())
/// # }
/// ```
pub fn run(source: Source, options: &RunOptions, observer: &dyn Observer) -> Result<Run> {
    run_with(source, options, observer, Way::default())
}

/// Runs a source of which only those keys are loaded that commands name, where that is worth it
/// and can be done: the others are [left](crate::engine::Base::left) in the base.
pub(super) fn run_aside(
    source: Source,
    options: &RunOptions,
    observer: &dyn Observer,
) -> Result<Run> {
    run_with(source, options, observer, Way { aside: true, ..Way::default() })
}

/// How a source is run.
#[derive(Default)]
struct Way<'w> {
    /// Whether keys that no command names may be left where they lie.
    aside: bool,
    /// The keys that commands name, where the others are to be left.
    touched: Option<Touched>,
    watcher: Option<&'w mut dyn Watcher>,
    pace: Pace,
}

/// Runs a source while somebody watches.
pub(super) fn run_watched(
    source: Source,
    options: &RunOptions,
    observer: &dyn Observer,
    watcher: &mut dyn Watcher,
    pace: Pace,
) -> Result<Run> {
    run_with(source, options, observer, Way { watcher: Some(watcher), pace, ..Way::default() })
}

fn run_with(
    source: Source,
    options: &RunOptions,
    observer: &dyn Observer,
    mut way: Way<'_>,
) -> Result<Run> {
    let sources = sources_of(&source);
    let source = ndjson::resolve(source, &options.open)?;
    let way = &mut way;
    let engine = Engine::new(options.target.unwrap_or_default(), options.now_ms);
    let mut run = Run {
        engine,
        commands: 0,
        transactions: 0,
        failures: Failures::default(),
        writer: None,
        for_another: false,
        base_keys: 0,
        sources,
        parts: Vec::new(),
        stopped: false,
        saw_time: false,
    };
    let name = source.name.clone();
    run.engine.env.loading = true;
    // Of one who says nothing of himself it is supposed where something is made for that target.
    run.engine.env.foreign = options.sound && options.target.is_some();
    run.engine.keyspace.set_databases(options.databases);
    match source.form {
        Form::AofDir | Form::Manifest => {
            run_directory(&mut run, &source, options, observer, way)?;
        }
        Form::Dump => {
            return Err(Error::Usage(format!(
                "{} is a DUMP payload: a value without a key, which cannot be run",
                source.name
            )));
        }
        Form::Empty => return Err(is_empty(&source.name)),
        form => {
            let alone = way.aside && form == Form::Rdb;
            way.touched = if alone { Touched::of_logs([]) } else { None };
            run_part(&mut run, source, true, options, observer, way)?;
        }
    }
    if options.until.time_secs.is_some() && !run.saw_time {
        return Err(before::no_times(&name));
    }
    run.engine.select(0);
    run.engine.env.loading = false;
    run.for_another = options
        .target
        .is_some_and(|target| run.writer.is_none_or(|writer| differs(writer, target)));
    Ok(run)
}

/// Whether what one server writes may be strange to the other.
fn differs(writer: Target, target: Target) -> bool {
    (writer.product, writer.header) != (target.product, target.header)
}

/// The parts of a log, in the order in which a server loads them.
fn run_directory(
    run: &mut Run,
    source: &Source,
    options: &RunOptions,
    observer: &dyn Observer,
    way: &mut Way<'_>,
) -> Result<()> {
    let log = survey(source)?;
    way.touched = if way.aside { touched(&log.parts, options) } else { None };
    for (index, part) in log.parts.iter().enumerate() {
        let last = index + 1 == log.parts.len();
        let observer = Behind::parts(observer, log.parts.get(..index));
        let source = open_part(&part.path, &options.open)?;
        run_part(run, source, last, options, &observer, way)?;
        if run.stopped {
            break;
        }
    }
    Ok(())
}

/// The keys that the logs behind a snapshot name; `None` where the logs are too long for that to
/// be worth it, where not all bytes are at hand, or where commands work on more than they name.
fn touched(parts: &[aof::Part], options: &RunOptions) -> Option<Touched> {
    /// A snapshot is longer than its logs by this factor, at least.
    const FACTOR: u64 = 4;
    let [base, logs @ ..] = parts else { return None };
    let size_bytes: u64 = logs.iter().filter_map(|part| part.size_bytes).sum();
    if base.size_bytes? < size_bytes.saturating_mul(FACTOR) {
        return None;
    }
    let mut files = Vec::new();
    for part in logs.iter().filter(|part| part.size_bytes != Some(0)) {
        let source = open_part(&part.path, &options.open).ok()?;
        let feed = source.feed.filter(|_| source.form == Form::Aof)?;
        files.push(feed.into_whole().ok()?);
    }
    Touched::of_logs(files.iter().map(Whole::as_ref))
}

/// The parts of a log that a server loads, all of which are there.
pub(super) fn survey(source: &Source) -> Result<aof::Directory> {
    let Some(path) = &source.path else {
        return Err(Error::Usage("a manifest has no parts without its directory".to_owned()));
    };
    let log = match source.form {
        Form::Manifest => aof::survey_manifest(path)?,
        _ => aof::survey(path)?,
    };
    match log.parts.iter().find(|part| part.size_bytes.is_none()) {
        Some(part) => Err(Error::Source(format!(
            "{} is listed in the manifest and not there: what it held is lost, and no server \
             would start",
            part.path.shown()
        ))),
        None => Ok(log),
    }
}

/// One file: a snapshot, a log, or a log behind a snapshot.
fn run_part(
    run: &mut Run,
    source: Source,
    last: bool,
    options: &RunOptions,
    observer: &dyn Observer,
    way: &mut Way<'_>,
) -> Result<()> {
    let Source { name, form, feed, .. } = source;
    let Some(feed) = feed else {
        return Err(Error::Usage(format!("{name} is a directory where a file is expected")));
    };
    let mut part = RunPart { name: name.clone(), ..RunPart::default() };
    // Servers load each file as a client of its own.
    run.engine.select(0);
    // Values stay where they are, so all that was read has to stay.
    let done = feed
        .spool(&|bytes| observer.progress(bytes))
        .and_then(|file| whole_part(run, file, form, last, options, observer, &mut part, way));
    run.parts.push(part);
    done.map_err(|error| error.in_file(&name))
}

#[expect(clippy::too_many_arguments, reason = "called in one place")]
fn whole_part(
    run: &mut Run,
    file: Whole,
    form: Form,
    last: bool,
    options: &RunOptions,
    observer: &dyn Observer,
    part: &mut RunPart,
    way: &mut Way<'_>,
) -> Result<()> {
    let watcher = &mut way.watcher;
    if let Some(watcher) = watcher {
        watcher.part(&part.name);
    }
    let file = Arc::new(file);
    let bytes: &[u8] = (*file).as_ref();
    part.size_bytes = bytes.len() as u64;
    let (mut at, mut sum) = (0, None);
    if form == Form::Rdb {
        let head = bytes.get(..before::HEAD_BYTES).unwrap_or(bytes);
        before::refuse(&part.name, head, options.until.time_secs)?;
        let aside = way
            .touched
            .take()
            .and_then(|touched| aside::whole(&mut run.engine, &file, &touched, options, observer));
        let loaded = match aside {
            Some(loaded) => loaded,
            None => base::whole(&mut run.engine, &file, options, observer)?,
        };
        if let Some((db, key)) = loaded.repeated.filter(|_| options.sound) {
            return Err(Error::Source(format!(
                "{}: key {} in db {db} stands there twice: no server loads that, and nothing was \
                 written. `rdbkit repair` keeps one of each",
                part.name,
                quoted(&key)
            )));
        }
        if options.sound {
            refuse_libraries(&part.name, loaded.libraries)?;
        }
        run.base_keys += loaded.keys;
        let writer = *run.writer.get_or_insert(loaded.writer);
        run.engine.env.foreign = options.target.is_some_and(|target| differs(writer, target));
        at = loaded.end;
        sum = Some(loaded.sum);
        if let Some(watcher) = watcher {
            let Engine { keyspace, env, .. } = &run.engine;
            watcher.loaded(Scene { keyspace, target: &env.target, db: 0 })?;
        }
    }
    let behind = bytes.get(at..).unwrap_or_default();
    if form != Form::Rdb || behind.is_empty() || is_log(behind, is_announced_as_base(bytes)) {
        let progress = start(run, options, last);
        let eyes = watcher.as_mut().map(|watcher| Eyes::new(*watcher));
        run.engine.keyspace.run_log(Arc::clone(&file) as _);
        let (end, failures) =
            crew::run(&mut run.engine, bytes, at, &progress, options, way.pace, eyes, observer)
                .map_err(|halt| halt.error(&part.name))?;
        finish(run, end, failures, last, part)?;
    }
    sum.map_or(Ok(()), base::Sum::judge)
}

/// Where a part begins to count.
fn start(run: &Run, options: &RunOptions, last: bool) -> Progress {
    let until = options.until;
    Progress {
        commands_left: until.command.map(|most| most.saturating_sub(run.commands)),
        time_secs: until.time_secs,
        offset: until.offset.filter(|_| last),
    }
}

/// Takes in what the log of a part came to.
fn finish(
    run: &mut Run,
    end: End,
    mut failures: Failures,
    last: bool,
    part: &mut RunPart,
) -> Result<()> {
    let size_bytes = part.size_bytes;
    failures.name_file(&part.name);
    run.failures.add(failures);
    run.commands += end.commands;
    run.transactions += end.transactions;
    run.stopped = end.stopped;
    run.saw_time |= end.saw_time;
    if end.stopped || (end.good_up_to == size_bytes && end.fault.is_none()) {
        return Ok(());
    }
    part.dropped_from = Some(end.good_up_to);
    match end.fault {
        // A tail that is cut off is dropped, in the last part alone.
        Some(error) if !(last && error.fault.is_truncated()) => Err(error.into()),
        None if !last => Err(Error::Format(Box::new(FormatError {
            file: None,
            offset: end.good_up_to,
            doing: crate::error::Doing::Command,
            key: None,
            fault: crate::error::Fault::Truncated { need: 0, have: size_bytes - end.good_up_to },
        }))),
        _ => Ok(()),
    }
}
