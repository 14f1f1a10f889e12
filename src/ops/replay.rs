//! `replay`: runs a source in the embedded engine, and says what the keyspace is then.

use std::path::Path;
use std::time::Instant;

use super::convert::output::Place;
use super::convert::{ConvertOptions, Keys, make};
use super::digest::Keyed;
use super::run::{self, Failed, Run, RunOptions, RunPart, entries};
use super::walk::{Observer, Silent, WalkOptions};
use crate::bytes::PathName as _;
use crate::digest::{Accumulator, Options, Profile};
use crate::error::Result;
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
    let mut sum = Keyed(Accumulator::new(&asked));
    let share = sum.0.share();
    let fresh = || Keyed(share.share());
    let view = entries::View::whole(&run.engine, options.run.threads);
    entries::tally(&run.engine, &view, &fresh, &mut sum, &Silent)
        .map_err(|error| error.in_file(&name))?;
    let failures = std::mem::take(&mut run.failures);
    let databases = databases(&run, options.run.now_ms);
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
        failures: failures.first.into_iter().map(failure).collect(),
        skipped: failures
            .skipped
            .into_iter()
            .map(|(command, count)| Skipped { command, count })
            .collect(),
        stopped: run.stopped,
        keys: databases.iter().map(|db| db.keys).sum(),
        databases,
        functions: run.engine.env.functions.len() as u64,
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
/// use rdbkit::ops::replay::save;
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
/// save("the log", done, &out, false, 2, &Silent)?;
/// let saved = open(&out.as_os_str().into(), &OpenOptions::default())?;
/// assert_eq!(digest(saved, &DigestOptions::default(), &Silent)?.keys, 1);
/// # Ok(())
/// # }
/// ```
pub fn save(
    name: &str,
    run: Run,
    out: &Path,
    force: bool,
    threads: usize,
    observer: &dyn Observer,
) -> Result<Saved> {
    let publish = Publish { force, sources: run.sources.clone(), ..Publish::default() };
    let options = ConvertOptions {
        force,
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

fn failure(failed: Failed) -> ReplayFailure {
    let Failed { file, offset, name, key, error } = failed;
    ReplayFailure { file, offset, command: name, key, error }
}

fn databases(run: &Run, now_ms: i64) -> Vec<ReplayedDb> {
    let space = &run.engine.keyspace;
    let of = |db: usize| {
        let mut found = ReplayedDb { db: db as u64, keys: 0, expiring: 0, expired: 0 };
        for record in space.records(db) {
            found.keys += 1;
            if let Some(at) = record.expires_at_ms() {
                found.expiring += 1;
                found.expired += u64::from(at < now_ms);
            }
        }
        found
    };
    (0..space.used_databases()).map(of).filter(|db| db.keys > 0).collect()
}
