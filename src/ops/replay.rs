//! `replay`: runs a source in the embedded engine, and says what the keyspace is then.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use super::convert::output::Place;
use super::convert::{ConvertOptions, Keys, make};
use super::digest::Keyed;
use super::filter::Filter;
use super::filtered::filtered;
use super::run::{self, Run, RunOptions, RunPart, entries};
use super::walk::{Observer, Silent, Tally, WalkOptions};
use crate::bytes::PathName as _;
use crate::digest::{Accumulator, Options, Profile};
use crate::error::Result;
use crate::rdb::{Entry, Scratch};
use crate::report::replay::{ReplayFailure, ReplayPart, ReplayReport, ReplayedDb, Saved, Skipped};
use crate::source::Source;
use crate::target::Publish;

/// How a source is replayed.
#[derive(Debug, Clone, Default)]
pub struct ReplayOptions {
    /// How it is run.
    pub run: RunOptions,
    /// Whose digest is computed; `None` for that of the server that is played.
    pub profile: Option<Profile>,
    /// Which of the keys that are there in the end it is about.
    pub filter: Filter,
}

/// How a keyspace is saved.
#[derive(Debug, Clone, Default)]
pub struct SaveOptions {
    /// Which keys are written. Function libraries are, whatever it says.
    pub filter: Filter,
    /// Replaces an output that exists.
    pub force: bool,
    /// How many threads.
    pub threads: usize,
}

/// Replays a source. The engine is given back beside the report.
///
/// ```
/// use rdbkit::ops::replay::{ReplayOptions, replay};
/// use rdbkit::ops::walk::Silent;
/// use rdbkit::source::{OpenOptions, open};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let log = open(&"fixtures/annotations.aof".into(), &OpenOptions::default())?;
/// let (report, run) = replay(log, &ReplayOptions::default(), &Silent)?;
/// assert_eq!((report.commands, report.keys), (3, 2));
/// assert_eq!(run.engine.keyspace.records(0).count(), 2);
/// # Ok(())
/// # }
/// ```
pub fn replay(
    source: Source,
    options: &ReplayOptions,
    observer: &dyn Observer,
) -> Result<(ReplayReport, Run)> {
    let name = source.name.clone();
    let began = Instant::now();
    let mut run = run::run(source, &options.run, observer)?;
    let took = began.elapsed();
    let target = run.engine.env.target;
    // Every server that can be played has a digest that is known.
    let profile = options.profile.unwrap_or_else(|| target.to_string().parse().unwrap_or_default());
    let asked = Options { profile, ..Options::default() };
    let mut there = There::new(Accumulator::new(&asked), options.run.now_ms);
    let share = there.sum.0.share();
    let fresh = || There::new(share.share(), options.run.now_ms);
    let view = entries::View::whole(&run.engine, options.run.threads);
    let mut filtered_from = None;
    let tallied = if options.filter.is_empty() {
        entries::tally(&run.engine, &view, &fresh, &mut there, &Silent)
    } else {
        filtered(&options.filter, &fresh, &mut there, |fresh, there| {
            entries::tally(&run.engine, &view, fresh, there, &Silent)
        })
        .map(|((), all)| filtered_from = Some(all))
    };
    tallied.map_err(|error| error.in_file(&name))?;
    let There { sum, databases, .. } = there;
    let failures = std::mem::take(&mut run.failures);
    let databases: Vec<ReplayedDb> = databases.into_values().collect();
    let report = ReplayReport {
        schema: "rdbkit.replay/1",
        source: name,
        server: target.to_string(),
        parts: run.parts.iter().map(part).collect(),
        base_keys: run.base_keys,
        has_snapshot: run.engine.keyspace.base().is_some(),
        commands: run.commands,
        transactions: run.transactions,
        failed: failures.failed,
        failures: failures.first.into_iter().map(ReplayFailure::from).collect(),
        skipped: failures
            .skipped
            .into_iter()
            .map(|(command, count)| Skipped { command, count })
            .collect(),
        stopped: run.stopped,
        keys: databases.iter().map(|db| db.keys).sum(),
        databases,
        functions: run.engine.env.functions.len() as u64,
        filtered_from,
        digest: sum.0.finish().to_string(),
        digest_server: profile.to_string(),
        took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        saved: None,
    };
    Ok((report, run))
}

/// Writes the keyspace of a run as a snapshot.
///
/// ```
/// use rdbkit::ops::digest::{DigestOptions, digest};
/// use rdbkit::ops::replay::{SaveOptions, save};
/// use rdbkit::ops::run::{RunOptions, Until, run};
/// use rdbkit::ops::walk::Silent;
/// use rdbkit::source::{OpenOptions, open};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// let log = open(&"fixtures/annotations.aof".into(), &OpenOptions::default())?;
/// // Only the first key was there at that time.
/// let until = Until { command: Some(2), ..Until::default() };
/// let done = run(log, &RunOptions { until, ..RunOptions::default() }, &Silent)?;
/// let out = folder.path().join("dump.rdb");
/// save("the log", done, &out, &SaveOptions { threads: 2, ..SaveOptions::default() }, &Silent)?;
/// let saved = open(&out.as_os_str().into(), &OpenOptions::default())?;
/// assert_eq!(digest(saved, &DigestOptions::default(), &Silent)?.keys, 1);
/// # Ok(())
/// # }
/// ```
pub fn save(
    name: &str,
    run: Run,
    out: &Path,
    options: &SaveOptions,
    observer: &dyn Observer,
) -> Result<Saved> {
    let SaveOptions { force, threads, .. } = *options;
    let publish = Publish { force, sources: run.sources.clone(), ..Publish::default() };
    let options = ConvertOptions {
        force,
        filter: options.filter.clone(),
        walk: WalkOptions { threads, ..WalkOptions::default() },
        ..ConvertOptions::default()
    };
    let keys = Keys::Ran(Box::new(run));
    let place = Place::create(out, options.form, &publish)?;
    let (written, _) = make(name, keys, place, &options, None, observer)?;
    Ok(Saved {
        path: written.output.shown().to_string(),
        size_bytes: written.bytes_written,
        backup: written.backup.map(|path| path.shown().to_string()),
    })
}

fn part(part: &RunPart) -> ReplayPart {
    let RunPart { name, size_bytes, dropped_from } = part;
    ReplayPart { file: name.clone(), size_bytes: *size_bytes, dropped_from: *dropped_from }
}

/// The keys that are there, and their digest.
struct There {
    sum: Keyed,
    databases: BTreeMap<u64, ReplayedDb>,
    now_ms: i64,
}

impl There {
    fn new(sum: Accumulator, now_ms: i64) -> Self {
        There { sum: Keyed(sum), databases: BTreeMap::new(), now_ms }
    }

    fn database(&mut self, db: u64) -> &mut ReplayedDb {
        let none = ReplayedDb { db, keys: 0, expiring: 0, expired: 0 };
        self.databases.entry(db).or_insert(none)
    }
}

impl Tally for There {
    type Room = Scratch;

    fn entry(&mut self, entry: &Entry<'_>, room: &mut Scratch) -> Result<()> {
        let now_ms = self.now_ms;
        let found = self.database(entry.db);
        found.keys += 1;
        if let Some(at) = entry.expires_at_ms {
            found.expiring += 1;
            found.expired += u64::from(at < now_ms);
        }
        self.sum.entry(entry, room)
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        for (db, later) in later.databases {
            let all = self.database(db);
            all.keys += later.keys;
            all.expiring += later.expiring;
            all.expired += later.expired;
        }
        self.sum.merge(later.sum)
    }
}
