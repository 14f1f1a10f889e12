//! `export`: keys and values in forms that other tools read.
//!
//! Exit status: 0 all of it was written, 2 it was not.

use std::ffi::OsString;
use std::path::Path;

use clap::{Args, ValueEnum};
use rdbkit::Error;
use rdbkit::ops::export::{ExportForm, ExportOptions, export};
use rdbkit::ops::walk::WalkOptions;
use rdbkit::rdb::Target;
use rdbkit::report::export::{write_json, write_text};

use super::args::{CommonArgs, Format, MemoryArgs, NowArgs, Opened, SourceArgs, target};
use super::exit::Exit;
use super::filters::FilterArgs;

/// Keys that are listed for each kind of loss.
const LISTED: usize = 20;

/// Write keys and values as NDJSON, JSON, CSV, Parquet or commands
///
/// NDJSON is exact: an object per key with database, key, type, encoding, expiry, idle time or
/// frequency, metadata and the value with all that belongs to it; functions and what else is no key
/// are objects with a `record`. Every verb takes it as a source, so `convert` makes an RDB or AOF
/// of it again. JSON is one document with the same objects. CSV has a row per key, or with
/// --explode a row per element. Parquet has a row per element in typed columns; keys and values in
/// it are binary. RESP is the commands that make the keys, as a client sends them.
///
/// Bytes that are UTF-8 are a JSON string, all others {"base64": "…"}. An output named with -o
/// appears as a whole or not at all.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rdbkit export dump.rdb | jq -c 'select(.type == \"hash\")'
  rdbkit export dump.rdb -o dump.ndjson
  rdbkit export dump.rdb --to csv --explode --prefix cart: -o carts.csv
  rdbkit export dump.rdb --to csv --columns rdbtools > memory.csv
  rdbkit export dump.rdb --to parquet --type zset -o scores.parquet
  rdbkit export dump.rdb --to resp --target redis:6.2 | redis-cli --pipe

Exit status: 0 all of it was written, 2 it was not")]
pub(crate) struct ExportArgs {
    /// RDB file, AOF or appendonlydir (a log is run first), or NDJSON; `-` is standard input
    source: OsString,

    /// What is written
    #[arg(long, value_enum, default_value_t = To::Ndjson)]
    to: To,

    /// The file to write; `-` is standard output
    #[arg(long, short, value_name = "OUT", default_value = "-")]
    output: OsString,

    /// A row of CSV for each element
    #[arg(long)]
    explode: bool,

    /// The columns of CSV that another tool has: rdbtools is the memory report of redis-rdb-tools
    #[arg(long, value_name = "TOOL", value_parser = ["rdbtools"], conflicts_with = "explode")]
    columns: Option<String>,

    /// Nothing but keys: no header, functions and other records
    #[arg(long)]
    keys_only: bool,

    /// Whom commands are written for: redis:6.2, valkey:9.0, redict … [default: a server that
    /// writes the source's version]
    #[arg(long, value_name = "NAME:VERSION", value_parser = target)]
    target: Option<Target>,

    /// Write the commands that the target can be told, and leave out the rest
    #[arg(long)]
    lossy: bool,

    /// Replace an output that exists
    #[arg(long, short)]
    force: bool,

    /// How the report is written
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,

    #[command(flatten)]
    memory: MemoryArgs,
    #[command(flatten)]
    filters: FilterArgs,
    #[command(flatten)]
    from: SourceArgs,
    #[command(flatten)]
    now: NowArgs,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum To {
    /// An object per key and line
    Ndjson,
    /// One document
    Json,
    /// RFC 4180; backslashes and bytes that are no UTF-8 as \\ and \xNN
    Csv,
    /// Typed columns, a row per element (feature parquet)
    Parquet,
    /// Commands
    Resp,
}

pub(crate) fn run(args: &ExportArgs) -> Result<Exit, Error> {
    let form = match (args.to, args.explode) {
        (To::Ndjson, false) => ExportForm::Ndjson,
        (To::Json, false) => ExportForm::Json,
        (To::Csv, false) if args.columns.is_some() => ExportForm::CsvMemory,
        (To::Csv, false) => ExportForm::Csv,
        (To::Parquet, _) => ExportForm::Parquet,
        (To::Csv, true) => ExportForm::CsvElements,
        (To::Resp, false) => ExportForm::Resp,
        (_, true) => return Err(Error::Usage("--explode goes with --to csv".to_owned())),
    };
    if args.to != To::Resp && (args.target.is_some() || args.lossy) {
        return Err(Error::Usage("--target and --lossy go with --to resp".to_owned()));
    }
    if args.columns.is_some() && args.to != To::Csv {
        return Err(Error::Usage("--columns goes with --to csv".to_owned()));
    }
    if args.memory.is_given() && form != ExportForm::CsvMemory {
        return Err(Error::Usage(
            "--server and --allocator go with --to csv --columns rdbtools".to_owned(),
        ));
    }
    let now_ms = args.now.now_ms();
    let options = ExportOptions {
        form,
        filter: args.filters.filter(now_ms)?,
        keys_only: args.keys_only,
        memory: args.memory.options(),
        target: args.target,
        lossy: args.lossy,
        list: LISTED,
        force: args.force,
        walk: WalkOptions {
            threads: args.common.threads(),
            now_ms: Some(now_ms),
            ..WalkOptions::default()
        },
        open: args.from.options()?,
    };
    let Opened { source, bar, .. } = args.from.open_with_bar(&args.source, &args.common)?;
    let report = export(source, Path::new(&args.output), &options, &bar)?;
    drop(bar);
    // There the output is what is on standard output.
    if args.output != "-" {
        let mut out = super::stdout();
        match args.format {
            Format::Human => write_text(&mut out, &report, args.common.style())?,
            Format::Json => write_json(&mut out, &report)?,
        }
        std::io::Write::flush(&mut out).map_err(super::cannot_write)?;
    }
    Ok(Exit::Clean)
}
