//! `inspect`: what is this, and what is in it?
//!
//! Exit status: 0 read to its end, 1 broken on the way, 2 could not look.

use std::ffi::OsString;
use std::io::Write as _;

use clap::Args;
use rdbkit::Error;
use rdbkit::ops::inspect::{InspectOptions, inspect};
use rdbkit::report::inspect::CouldNotLook;
use rdbkit::report::{inspect, json};
use rdbkit::source::Locator;

use super::args::{CommonArgs, Format, NowArgs, Opened, SourceArgs};
use super::exit::Exit;

/// Say what a source is and what is in it, on one screen
///
/// Of a snapshot: version, writer, date and checksum; keys by database; types and encodings with
/// their counts, elements and bytes; when keys expire; the biggest keys; functions and modules.
/// Of a log: its parts, its commands by name, transactions, time range and rate.
///
/// Sizes are bytes in the file, with key and expiry, compressed as they lie there. They are not
/// what the server takes in memory. Values are counted by their headers, not unpacked or looked
/// into: `check` does that.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rdbkit inspect dump.rdb
  rdbkit inspect appendonlydir --top 30
  zstd -dc backup.rdb.zst | rdbkit inspect -
  rdbkit inspect dump.rdb --format json | jq '.snapshot.types[] | {type, keys}'

Exit status: 0 read to its end, 1 broken on the way, 2 could not look")]
pub(crate) struct InspectArgs {
    /// RDB or AOF file, manifest or appendonlydir, plain or compressed; `-` is standard input
    source: OsString,

    /// How many of the biggest keys to list
    #[arg(long, value_name = "N", default_value_t = 10, allow_negative_numbers = true)]
    top: u32,

    /// How the report is written
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,

    #[command(flatten)]
    from: SourceArgs,
    #[command(flatten)]
    now: NowArgs,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

pub(crate) fn run(args: &InspectArgs) -> Result<Exit, Error> {
    let done = look(args);
    // A program that reads JSON is told on the channel that it reads, as `check` does.
    if let (Err(error), Format::Json) = (&done, args.format)
        && !super::exit::is_closed_pipe(error)
    {
        let mut out = super::stdout();
        let name = Locator::from(args.source.as_os_str()).to_string();
        json::document(&mut out, &CouldNotLook::of(&name, &super::sentence(error)))?;
        out.flush().map_err(super::cannot_write)?;
    }
    done
}

fn look(args: &InspectArgs) -> Result<Exit, Error> {
    let Opened { source, bar, .. } = args.from.open_with_bar(&args.source, &args.common)?;
    let options = InspectOptions {
        top: usize::try_from(args.top).unwrap_or(usize::MAX),
        now_ms: args.now.now_ms(),
        threads: args.common.threads(),
        open: args.from.options()?,
    };
    let report = inspect(source, &options, &bar)?;
    drop(bar);

    let mut out = super::stdout();
    match args.format {
        Format::Human => inspect::write_text(&mut out, &report, args.common.style())?,
        Format::Json => json::document(&mut out, &report)?,
    }
    out.flush().map_err(super::cannot_write)?;
    Ok(if report.broken.is_empty() { Exit::Clean } else { Exit::Findings })
}
