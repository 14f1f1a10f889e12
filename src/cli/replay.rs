//! `replay`: runs a source in the embedded engine.
//!
//! Exit status: 0 run, 1 run but its tail was dropped, or the source is broken, 2 not run.

use std::ffi::OsString;
use std::path::Path;

use clap::Args;
use rdbkit::Error;
use rdbkit::digest::Profile;
use rdbkit::ops::replay::{ReplayOptions, SaveOptions, replay, save};
use rdbkit::ops::run::{RunOptions, Until};
use rdbkit::ops::sources_of;
use rdbkit::rdb::Target;
use rdbkit::report::metrics;
use rdbkit::report::replay::{write_json, write_text};
use rdbkit::source::Locator;
use rdbkit::target::{AtomicFile, Publish};

use super::args::{CommonArgs, Opened, RunArgs, SourceArgs, secs, target};
use super::exit::Exit;
use super::filters::FilterArgs;
use super::metrics::MetricsArgs;
use super::output::{ForceArgs, ReportArgs};
use super::pages::use_small_pages;

/// Run a source in the embedded engine, and say what the keyspace is then
///
/// A snapshot is loaded, a log is run command by command, as a server does it that starts with
/// them: nothing expires meanwhile, a command that fails is counted and the log goes on, a
/// transaction without its EXEC is dropped, and so is a command that is cut. No server is needed.
#[derive(Debug, Args)]
#[command(mut_arg("force", |arg| arg.requires("save").help("Replace the file if it exists")))]
#[command(after_help = "\
Examples:
  rdbkit replay appendonlydir
  rdbkit replay appendonlydir --until-time 2026-11-23T13:59:00Z --save before.rdb
  rdbkit replay appendonly.aof --target redis:6.2 --format json

Exit status: 0 run, 1 run but the end of the log was dropped, or the source is broken, 2
not run")]
pub(crate) struct ReplayArgs {
    /// RDB or AOF file, manifest or appendonlydir, plain or compressed; `-` is standard input
    source: OsString,

    /// The server that is played: redis:7.0, valkey:9.1 … [default: the one that wrote the
    /// snapshot, or the newest Redis]
    #[arg(long, value_name = "NAME:VERSION", value_parser = target)]
    target: Option<Target>,

    /// Stop before the first annotation of a later time: 2026-11-23T14:00:00Z, or unix time
    #[arg(long, value_name = "TIME", value_parser = secs, help_heading = "Range")]
    until_time: Option<u64>,

    /// Stop before the first command that ends behind this offset of the last file
    #[arg(long, value_name = "N", help_heading = "Range")]
    until_offset: Option<u64>,

    /// Stop behind this many commands, MULTI and EXEC among them
    #[arg(long, value_name = "N", help_heading = "Range")]
    until_command: Option<u64>,

    /// Write the keyspace to this RDB file
    #[arg(long, value_name = "FILE", help_heading = "Output options")]
    save: Option<OsString>,

    #[command(flatten)]
    force: ForceArgs,
    #[command(flatten)]
    report: ReportArgs,
    #[cfg(feature = "live")]
    #[command(flatten)]
    live: super::load::LoadArgs,
    #[command(flatten)]
    filters: FilterArgs,
    #[command(flatten)]
    metrics: MetricsArgs,
    #[command(flatten)]
    from: SourceArgs,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    common: CommonArgs,
    #[cfg(feature = "live")]
    #[arg(skip)]
    pub(super) defaulted: super::defaults::Defaulted,
}

impl ReplayArgs {
    /// Whether the options go together.
    pub(super) fn fits(&self) -> bool {
        #[cfg(feature = "live")]
        if let Some(url) = &self.live.to {
            let urls = [url.as_str(), self.source.to_str().unwrap_or_default()];
            let is_idle = self.from.live.idle(urls).is_some();
            return self.save.is_none() && self.live.fits(self.target) && !is_idle;
        }
        true
    }

    fn until(&self) -> Until {
        Until { time_secs: self.until_time, offset: self.until_offset, command: self.until_command }
    }
}

pub(crate) fn run(args: &ReplayArgs) -> Result<Exit, Error> {
    let done = play(args);
    // Who watches wants to hear of a failure, most of all.
    if matches!(&done, Err(error) if !super::exit::is_closed_pipe(error)) {
        let source = Locator::from(args.source.as_os_str()).to_string();
        #[cfg(feature = "live")]
        let to = args.live.to.as_ref().map(|url| super::load::target_name(url));
        #[cfg(not(feature = "live"))]
        let to: Option<String> = None;
        args.metrics.write_failure("replay", || match to {
            Some(target) => metrics::of_no_load(&source, &target),
            None => metrics::of_no_replay(&source),
        });
    }
    done
}

fn play(args: &ReplayArgs) -> Result<Exit, Error> {
    use_small_pages();
    #[cfg(feature = "live")]
    if let Some(url) = &args.live.to {
        let ReplayArgs { source, from, run, common, report, metrics, filters, .. } = args;
        if args.save.is_some() {
            return Err(Error::Usage(
                "--save writes a file and --to loads a server: run `rdbkit replay` once for each"
                    .into(),
            ));
        }
        let target = (args.target, args.defaulted.has("target"));
        let by_default = args.defaulted.has("as");
        let live = (&args.live, by_default, filters, url.as_str(), (args.until(), target));
        return super::load::run(live, (source, from), run, common, (report, metrics));
    }
    let Opened { source, bar, .. } = args.from.open_with_bar(&args.source, &args.common)?;
    let options = ReplayOptions {
        run: RunOptions {
            target: args.target,
            now_ms: args.run.now_ms(),
            threads: args.common.threads(),
            until: args.until(),
            skip_unknown: args.run.skips_unknown(),
            sound: args.save.is_some(),
            open: args.from.options()?,
            ..RunOptions::default()
        },
        profile: None::<Profile>,
        filter: args.filters.filter(args.run.now_ms())?,
    };
    args.metrics.judge(&source)?;
    if let Some(out) = &args.save {
        // What may not be written is said before anything is read.
        let sources = sources_of(&source);
        let publish = Publish { force: args.force.force, sources, ..Publish::default() };
        drop(AtomicFile::create(Path::new(out), &publish)?);
    }
    let (mut report, run) = replay(source, &options, &bar)?;
    super::say_lacking(&options.filter, &args.common);
    if let Some(out) = &args.save {
        let ReplayOptions { filter, .. } = options;
        let options =
            SaveOptions { filter, force: args.force.force, threads: args.common.threads() };
        report.saved = Some(save(&report.source, run, Path::new(out), &options, &bar)?);
    } else {
        // Giving back all that memory piece by piece takes time that nobody needs to wait for.
        std::mem::forget(run);
    }
    drop(bar);
    args.metrics.write("replay", || metrics::of_replay(&report))?;
    args.report.tell(&report, &args.common, write_text, write_json)?;
    let dropped = report.parts.iter().any(|part| part.dropped_from.is_some());
    Ok(if dropped && !report.stopped { Exit::Findings } else { Exit::Clean })
}
