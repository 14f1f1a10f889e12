//! The keys of a source, as they are come by: those of a snapshot are read where they stand, those
//! of a log are there when it has been run.

use super::LoadOptions;
use super::batch::Batch;
use super::ledger::Root;
use super::pack::Plan;
use crate::error::{Error, Result};
use crate::ops::run::{self, Run, RunOptions, Until};
use crate::ops::snapshot::{self, Ended, View};
use crate::ops::walk::{Observer, Tally, WalkOptions};
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
    } else if options.runs_as.is_some() && !options.runs_if_log {
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
