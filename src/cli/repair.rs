//! `repair`: the soundest file that the bytes allow, and a list of what was lost.
//!
//! Exit status: 0 written and nothing is lost, 1 written with losses or doubts, or there was nothing to
//! save, 2 not written.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use rdbkit::Error;
use rdbkit::ops::repair::{RepairOptions, repair};
use rdbkit::report::repair::{write_json, write_text};

use super::args::{CommonArgs, SourceArgs};
use super::exit::Exit;
use super::output::{OutputArgs, ReportArgs};
use super::progress::Bar;

/// Write what is sound of a damaged file, and list what was lost
///
/// Of an RDB file every record that is sound is kept, looked into as deep as a server with
/// sanitize-dump-payload yes does; behind a broken frame the next record that can be believed in
/// is searched for. Of several values of one key the last one stays.
///
/// A log is cut where it is damaged, behind the last whole command outside a transaction. With
/// --skip-damaged the damage is stepped over, and commands behind it stay; a transaction that is
/// damaged goes whole. What loaders read in spite of its form is written properly.
///
/// A directory gets a manifest that lists its parts, and each part is repaired.
///
/// The source is never written to.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rdbkit repair dump.rdb --dry-run
  rdbkit repair dump.rdb -o repaired.rdb
  rdbkit repair appendonlydir -o repaired
  rdbkit repair appendonly.aof -o repaired.aof --skip-damaged --format json

Exit status: 0 written and nothing is lost, 1 written, but something is lost or doubtful,
or there is nothing to save, 2 not written; with --dry-run the same, as if it had been written")]
pub(crate) struct RepairArgs {
    /// An RDB file, AOF, manifest or appendonlydir, plain or compressed; `-` is standard input
    source: OsString,

    /// Step over damage in a log, instead of cutting it there
    #[arg(long)]
    skip_damaged: bool,

    /// Leave out all values that are not sound: those that any server refuses, not only all current
    /// ones, and those of which servers give wrong answers
    #[arg(long)]
    strict: bool,

    /// Write nothing, and report what would be written
    #[arg(long)]
    dry_run: bool,

    /// How many losses to list for each file; the rest is counted
    #[arg(long, value_name = "N", default_value_t = 100)]
    max_notes: u32,

    #[command(flatten)]
    report: ReportArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    from: SourceArgs,
    #[command(flatten)]
    common: CommonArgs,
}

pub(crate) fn run(args: &RepairArgs) -> Result<Exit, Error> {
    let to = match (args.output.path(), args.dry_run) {
        (Some(path), _) => path,
        (None, true) => PathBuf::new(),
        (None, false) => {
            let why = "say where to write with -o OUT, or look first with --dry-run";
            return Err(Error::Usage(why.to_owned()));
        }
    };
    let options = RepairOptions {
        skip_damaged: args.skip_damaged,
        strict: args.strict,
        dry_run: args.dry_run,
        most_notes: usize::try_from(args.max_notes).unwrap_or(usize::MAX),
        publish: args.output.publish(),
        open: args.from.options()?,
    };
    let source = args.from.open(&args.source)?;
    let bar = Bar::of(&source, args.common.shows_progress());
    let report = repair(source, &to, &options, &bar)?;
    drop(bar);
    if args.report.is_wanted(&args.common) {
        args.report.tell_beside(&args.output, &report, &args.common, write_text, write_json)?;
    }
    Ok(if report.is_lossless() { Exit::Clean } else { Exit::Findings })
}
