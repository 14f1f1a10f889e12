//! The keys of a source, as they are come by: those of a snapshot are read where they stand, those
//! of a log are there when it has been run.

use super::LoadOptions;
use super::batch::Batch;
use super::ledger::{Root, several_databases};
use super::pack::Plan;
use crate::error::{Error, Result};
use crate::ops::run::{self, Run, RunOptions, Until};
use crate::ops::snapshot::{self, Ended, View};
use crate::ops::walk::{Observer, Tally, WalkOptions};
use crate::rdb::Entry;
use crate::source::{Form, Source};

/// The keys of a source, which was read no further than it takes to have them.
pub(super) enum Keys {
    /// They stand in a snapshot.
    Snapshot(Source),
    /// They were there when the log had been run.
    Ran(Box<Run>),
}

impl Keys {
    /// Runs a log, and nothing else. So what is wrong with a log is known before anything is done
    /// to the target. `form` is what was opened.
    pub(super) fn of(
        view: View,
        (name, form): (&str, Form),
        options: &LoadOptions,
        observer: &dyn Observer,
    ) -> Result<Self> {
        match view {
            View::Snapshot(source) => {
                if !matches!(form, Form::AofDir | Form::Manifest) {
                    only_for_logs(name, options)?;
                }
                Ok(Keys::Snapshot(source))
            }
            View::Log(source) => {
                let run = RunOptions {
                    target: options.runs_as,
                    until: options.until,
                    ..RunOptions::of_walk(&walk_options(options), &options.open)
                };
                run::run(source, &run, observer).map(|run| Keys::Ran(run.into()))
            }
        }
    }

    /// What there is to say where the log was not run to its end.
    pub(super) fn note(&self) -> Option<String> {
        match self {
            Keys::Ran(run) if run.stopped => Some(format!(
                "the log was run up to the point that was asked for: {} of it",
                crate::report::text::plural(run.commands, "command")
            )),
            _ => None,
        }
    }

    /// Walks them.
    pub(super) fn walk<T: Tally>(
        self,
        options: &LoadOptions,
        fresh: &(dyn Fn() -> T + Sync),
        root: &mut T,
        observer: &dyn Observer,
    ) -> Result<Ended> {
        let walk = walk_options(options);
        match self {
            Keys::Snapshot(source) => snapshot::walk_snapshot(source, fresh, root, &walk, observer),
            Keys::Ran(run) => snapshot::walk_run(*run, walk.threads, fresh, root),
        }
    }

    /// Sends them; `None` where the walk was ended from inside.
    pub(super) fn send<'p>(
        self,
        plan: &'p Plan<'p>,
        from: u64,
        root: &mut Root<'_, '_>,
        observer: &dyn Observer,
    ) -> Result<Option<Ended>> {
        let mut batch = Batch::root(plan, from, root);
        let ended = self.walk(plan.options, &|| Batch::fresh(plan, from), &mut batch, observer)?;
        Ok((!ended.stopped).then_some(ended))
    }
}

fn walk_options(options: &LoadOptions) -> WalkOptions {
    WalkOptions { now_ms: Some(options.now_ms), ..options.walk }
}

/// Of a snapshot nothing is run.
fn only_for_logs(name: &str, options: &LoadOptions) -> Result<()> {
    let what = if options.until != Until::default() {
        "a point to stop at"
    } else if options.runs_as.is_some() {
        "a server that runs it (--target)"
    } else {
        return Ok(());
    };
    Err(is_no_log(name, what))
}

/// What there is to say of a snapshot where something is asked for that only a log has.
pub(super) fn is_no_log(name: &str, what: &str) -> Error {
    Error::Usage(format!("{name} is a snapshot, of which nothing is run: {what} is for logs"))
}

/// Looks through the keys that are there after a run: whether all databases have a place.
pub(super) fn look_over(run: &Run, plan: &Plan<'_>) -> Result<()> {
    let fresh = || Databases { plan, first: None };
    match plan.has_slots || plan.options.database.is_some() {
        true => snapshot::tally_run(run, plan.options.walk.threads, &fresh, &mut fresh()),
        false => Ok(()),
    }
}

/// Looks through a snapshot before anything is done to the target: whether all databases have a
/// place there, and, if the target is to be `emptied` for it, whether the snapshot is whole.
/// A sentence on why it is not.
pub(super) fn look_ahead(
    source: Source,
    plan: &Plan<'_>,
    emptied: bool,
    observer: &dyn Observer,
) -> Result<Option<String>> {
    let may_lack = plan.has_slots || plan.options.database.is_some();
    if !may_lack && !emptied {
        return Ok(None);
    }
    let name = source.name.clone();
    let walk = WalkOptions { checksum: emptied, tally: may_lack, ..plan.options.walk };
    let fresh = || Databases { plan, first: None };
    let ended = snapshot::walk_snapshot(source, &fresh, &mut fresh(), &walk, observer)?;
    if !emptied {
        return Ok(None);
    }
    let broken = ended.fault.map(|fault| Error::from(fault).in_file(&name).to_string());
    Ok(broken.or_else(|| {
        ended.checksum_mismatch.map(|(stored, computed)| {
            format!(
                "{name}: the checksum is {stored:016x} but the bytes have {computed:016x}, so it \
                 is not known which of them are right"
            )
        })
    }))
}

/// The databases of the keys that are to be sent.
struct Databases<'p> {
    plan: &'p Plan<'p>,
    first: Option<u64>,
}

impl Databases<'_> {
    fn take(&mut self, db: u64) -> Result<()> {
        let first = *self.first.get_or_insert(db);
        if self.plan.options.database.is_some() && first != db {
            return Err(several_databases(first, db));
        }
        self.plan.database(db).map(drop)
    }
}

impl Tally for Databases<'_> {
    type Room = ();

    fn entry(&mut self, entry: &Entry<'_>, (): &mut ()) -> Result<()> {
        let filter = &self.plan.options.filter;
        if self.first == Some(entry.db) || (!filter.is_empty() && !filter.matches(entry)?) {
            return Ok(());
        }
        self.take(entry.db)
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        later.first.map_or(Ok(()), |db| self.take(db))
    }
}
