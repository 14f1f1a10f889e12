//! `compact`: the shortest log with the same keyspace.
//!
//! Exit status: 0 written, 1 written with losses or without the end of the log, or the source is
//! broken and nothing was written, 2 not written.

use std::ffi::OsString;

use clap::{Args, ValueEnum};
use rdbkit::Error;
use rdbkit::ops::compact::{CompactOptions, OutputForm, compact};
use rdbkit::report::compact::{write_json, write_text};

use super::args::{CommonArgs, Opened, RunArgs, SourceArgs};
use super::exit::Exit;
use super::filters::FilterArgs;
use super::output::{MadeArgs, OutputArgs, after_losses, target_is};
use super::pages::use_small_pages;

/// Write the shortest log that leads to the same keys
///
/// The log is run in the embedded engine, and what is there in the end is written: a directory as
/// a directory with an RDB base, a file as a file with an RDB preamble, as a server's own rewrite
/// does. Before it is published, the output is read back and its digest compared; keys that no
/// command touched are compared byte by byte. With filters it is held against the keys that pass;
/// function libraries go along.
///
/// A log that a server is writing is read up to its last whole command.
#[derive(Debug, Args)]
#[command(mut_arg("output", |arg| arg.required_unless_present("in_place")))]
#[command(mut_arg("target", |arg| target_is(arg, "the server that wrote the base, or the newest Redis")))]
#[command(after_help = "\
Examples:
  rdbkit compact appendonlydir -o compacted
  rdbkit compact appendonlydir --in-place
  rdbkit compact appendonly.aof -o dump.rdb --to rdb
  rdbkit compact appendonlydir -o log.aof --to aof --target redis:6.2

Exit status: 0 written, 1 written with losses or without the end of the log, or commands failed in a
run for another server, or the source is broken and nothing was written, 2 not written")]
pub(crate) struct CompactArgs {
    /// AOF, its manifest or appendonlydir, plain or compressed; `-` is standard input
    source: OsString,

    /// Replace the source itself; what it was stays as a backup beside it. Where no base says which
    /// server wrote the log, --target has to
    #[arg(long, conflicts_with_all = ["output", "to"], help_heading = "Output options")]
    in_place: bool,

    /// What is written [default: a directory for a directory, a file with preamble for a file]
    #[arg(long, value_enum, help_heading = "Output options")]
    to: Option<To>,

    /// Leave out keys and hash fields that have expired (see --now)
    #[arg(long)]
    drop_expired: bool,

    /// Show our full digest of all keys, which takes longer than finding them the same
    #[arg(long)]
    digest: bool,

    #[command(flatten)]
    made: MadeArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    filters: FilterArgs,
    #[command(flatten)]
    from: SourceArgs,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum To {
    /// A snapshot
    Rdb,
    /// A log of commands in one file
    Aof,
    /// A log in one file that is an RDB preamble
    Preamble,
    /// The directory of a multi-part log, its base an RDB
    AofDir,
}

pub(crate) fn run(args: &CompactArgs) -> Result<Exit, Error> {
    use_small_pages();
    let Opened { source, bar, .. } = args.from.open_with_bar(&args.source, &args.common)?;
    let options = CompactOptions {
        form: args.to.map(|to| match to {
            To::Rdb => OutputForm::Rdb,
            To::Aof => OutputForm::Aof,
            To::Preamble => OutputForm::AofPreamble,
            To::AofDir => OutputForm::AofDir,
        }),
        target: args.made.target(),
        now_ms: args.run.now_ms(),
        skip_unknown: args.run.skips_unknown(),
        lossy: args.made.lossy,
        drop_expired_at_ms: args.drop_expired.then(|| args.run.now_ms()),
        filter: args.filters.filter(args.run.now_ms())?,
        digest: args.digest,
        in_place: args.in_place,
        force: args.output.force(),
        threads: args.common.threads(),
        open: args.from.options()?,
    };
    let out = match (args.output.path(), &source.path) {
        (Some(out), _) => out,
        (None, Some(path)) => match source.directory() {
            Some(directory) => directory.to_owned(),
            None => path.clone(),
        },
        (None, None) => {
            return Err(Error::Usage("standard input cannot be replaced: give -o".to_owned()));
        }
    };
    let report = compact(source, &out, &options, &bar)?;
    drop(bar);
    super::say_lacking(&options.filter, &args.common);
    let lacks = report.failed > 0 && report.played.is_some();
    let end = match report.dropped_from.is_some() || lacks {
        true => Exit::Findings,
        false => Exit::Clean,
    };
    let end = after_losses(&report.losses).max(end);
    let speaks = args.made.report.is_wanted(&args.common) || end != Exit::Clean;
    if speaks || !args.output.is_stdout() {
        args.made.report.tell_beside(
            &args.output,
            &report,
            &args.common,
            write_text,
            write_json,
        )?;
    }
    Ok(end)
}
