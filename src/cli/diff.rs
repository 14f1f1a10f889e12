//! `diff`: what two sources do not have alike.
//!
//! Exit status: 0 they are the same, 1 they differ, 2 could not tell.

use std::ffi::OsString;

use clap::Args;
use rdbkit::Error;
use rdbkit::ops::diff::{DiffOptions, diff};
use rdbkit::report::diff::{Look, write_key, write_key_json};

use super::args::{CommonArgs, Format, Opened, RunArgs, SourceArgs, bytes};
use super::exit::Exit;
use super::filters::{FilterArgs, size};
use super::pager::PagerArgs;

/// Compare the keys of two sources
///
/// A line for each key that only one of them has (+ and -) or that differs (~), with the fields,
/// members, elements, entries and groups in which it does, whether it expires at another time,
/// or is only stored in another way; then totals by type and prefix. Function libraries are
/// compared too, unless a filter asks for keys.
///
/// Values count as they are, whatever their versions, encodings and order; idle times and access
/// frequencies do not count. Encodings are compared between snapshots only: a log has none. All
/// that is in a source counts, expired or not; --not-ttl expired leaves out what has expired.
///
/// Memory does not grow with snapshots: keys are sorted in temporary files where they are many
/// (see --memory), and values of pipes and compressed files are put into one until they have been
/// compared. Logs are run first, and kept.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rdbkit diff before.rdb after.rdb
  rdbkit diff dump.rdb appendonlydir --summary
  rdbkit diff old.rdb new.rdb --prefix user: --ignore-ttl --ignore-encoding
  rdbkit diff old.rdb new.rdb --format json | jq -r 'select(.change == \"removed\") | .key'

Exit status: 0 the same, 1 different, 2 could not tell")]
pub(crate) struct DiffArgs {
    /// The first source: RDB file, AOF or appendonlydir; `-` is standard input
    before: OsString,

    /// The second source
    after: OsString,

    /// Totals only
    #[arg(long)]
    summary: bool,

    /// It does not matter when keys and fields expire
    #[arg(long)]
    ignore_ttl: bool,

    /// It does not matter how values are stored
    #[arg(long)]
    ignore_encoding: bool,

    /// Show so many fields, members, elements of each changed key (JSON has all)
    #[arg(long, value_name = "N", default_value_t = 10)]
    parts: usize,

    /// What ends the prefix of a key in the totals
    #[arg(long, value_name = "TEXT", default_value = ":")]
    separator: OsString,

    /// Memory for keys on their way into order; what is more goes to temporary files
    #[arg(long, value_name = "BYTES", default_value = "64mb", value_parser = size)]
    memory: u64,

    /// How differences are written
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,

    #[command(flatten)]
    filters: FilterArgs,
    #[command(flatten)]
    from: SourceArgs,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    pager: PagerArgs,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

pub(crate) fn run(args: &DiffArgs) -> Result<Exit, Error> {
    if args.before == "-" && args.after == "-" {
        let why = "standard input can be one of the two sources only";
        return Err(Error::Usage(why.to_owned()));
    }
    let now_ms = args.run.now_ms();
    let options = DiffOptions {
        filter: args.filters.filter(now_ms)?,
        ignore_ttl: args.ignore_ttl,
        ignore_encoding: args.ignore_encoding,
        separator: bytes(&args.separator),
        memory: usize::try_from(args.memory).unwrap_or(usize::MAX),
        walk: args.common.walk(now_ms, &args.run),
        open: args.from.options()?,
    };
    let style = args.common.style();
    let look = Look { style, now_ms, parts: args.parts, width: args.common.width() };
    let before = args.from.open_with_bar(&args.before, &args.common)?;
    let after = args.from.open_with_bar(&args.after, &args.common)?;
    let names = [before.name.clone(), after.name.clone()];
    let mut out = args.pager.stdout(args.format == Format::Human);
    let report = {
        let Opened { source: first, bar: first_bar, .. } = before;
        let Opened { source: second, bar: second_bar, .. } = after;
        diff(
            [first, second],
            &options,
            &mut |found| match args.format {
                _ if args.summary => Ok(()),
                Format::Human => write_key(&mut out, found, &look),
                Format::Json => write_key_json(&mut out, found),
            },
            [&first_bar, &second_bar],
        )?
    };
    match args.format {
        Format::Human => report.summary.write_text(&mut out, style, !args.summary)?,
        Format::Json => report.summary.write_json(&mut out)?,
    }
    out.finish()?;
    super::say_lacking(&options.filter, &args.common);
    let mut exit = if report.summary.same { Exit::Clean } else { Exit::Findings };
    for (name, ended) in names.iter().zip(report.ended) {
        exit = exit.max(super::say_ended(name, ended)?);
    }
    Ok(exit)
}
