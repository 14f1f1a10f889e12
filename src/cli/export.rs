//! `export`: keys and values in forms that other tools read.
//!
//! Exit status: 0 all of it was written, 1 it was written with losses that --lossy allows or without
//! the end of a log that is cut, or the source is broken and it was not written, 2 it was not written.

use std::ffi::OsString;

use clap::{Args, ValueEnum};
use rdbkit::Error;
use rdbkit::ops::export::{ExportForm, ExportOptions, export};
use rdbkit::report::export::{write_json, write_text};

use super::args::{CommonArgs, MemoryArgs, Opened, RunArgs, SourceArgs};
use super::exit::Exit;
use super::filters::FilterArgs;
use super::output::{LISTED, MadeArgs, OutputArgs, after_losses};

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
#[command(mut_arg("output", |arg| arg.default_value("-").help("The file to write; `-` is standard output")))]
#[command(mut_arg("lossy", |arg| arg.help("Write the commands that the target can be told, and leave out the rest")))]
#[command(after_help = "\
Examples:
  rdbkit export dump.rdb | jq -c 'select(.type == \"hash\")'
  rdbkit export dump.rdb -o dump.ndjson
  rdbkit export dump.rdb --to csv --explode --prefix cart: -o carts.csv
  rdbkit export dump.rdb --to csv --columns rdbtools > memory.csv
  rdbkit export dump.rdb --to parquet --type zset -o scores.parquet
  rdbkit export dump.rdb --to parquet --split-types -o tables
  rdbkit export dump.rdb --to resp --target redis:6.2 | redis-cli --pipe

Exit status: 0 all of it was written, 1 it was written with losses or without the cut end of a log,
or a source is broken and nothing was written, 2 it was not written")]
pub(crate) struct ExportArgs {
    /// RDB file, AOF or appendonlydir (a log is run first), or NDJSON; `-` is standard input
    source: OsString,

    /// What is written
    #[arg(long, value_enum, default_value_t = To::Ndjson)]
    to: To,

    /// A row of CSV for each element
    #[arg(long)]
    explode: bool,

    /// The columns of CSV that another tool has: rdbtools is the memory report of redis-rdb-tools
    #[arg(long, value_name = "TOOL", value_parser = ["rdbtools"], conflicts_with = "explode")]
    columns: Option<String>,

    /// With --to parquet: make a directory with a file for each type, its columns those of the type
    #[arg(long, conflicts_with = "force")]
    split_types: bool,

    /// Nothing but keys: no header, functions and other records
    #[arg(long)]
    keys_only: bool,

    #[command(flatten)]
    made: MadeArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    memory: MemoryArgs,
    #[command(flatten)]
    filters: FilterArgs,
    #[command(flatten)]
    from: SourceArgs,
    #[command(flatten)]
    run: RunArgs,
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

impl ExportArgs {
    /// What is written, where all that is asked for goes with it.
    pub(super) fn form(&self) -> Result<ExportForm, Error> {
        let form = match (self.to, self.explode) {
            (To::Ndjson, false) => ExportForm::Ndjson,
            (To::Json, false) => ExportForm::Json,
            (To::Csv, false) if self.columns.is_some() => ExportForm::CsvMemory,
            (To::Csv, false) => ExportForm::Csv,
            (To::Parquet, _) if self.split_types => ExportForm::ParquetTypes,
            (To::Parquet, _) => ExportForm::Parquet,
            (To::Csv, true) => ExportForm::CsvElements,
            (To::Resp, false) => ExportForm::Resp,
            (_, true) => return Err(Error::Usage("--explode goes with --to csv".to_owned())),
        };
        if self.to != To::Resp && (self.made.target().is_some() || self.made.lossy) {
            return Err(Error::Usage("--target and --lossy go with --to resp".to_owned()));
        }
        if self.split_types && (self.to != To::Parquet || self.output.is_stdout()) {
            return Err(Error::Usage(
                "--split-types goes with --to parquet and a directory to make, -o DIR".to_owned(),
            ));
        }
        if self.columns.is_some() && self.to != To::Csv {
            return Err(Error::Usage("--columns goes with --to csv".to_owned()));
        }
        if self.memory.is_given() && form != ExportForm::CsvMemory {
            return Err(Error::Usage(
                "--server and --allocator go with --to csv --columns rdbtools".to_owned(),
            ));
        }
        Ok(form)
    }
}

pub(crate) fn run(args: &ExportArgs) -> Result<Exit, Error> {
    let form = args.form()?;
    let now_ms = args.run.now_ms();
    let options = ExportOptions {
        form,
        filter: args.filters.filter(now_ms)?,
        keys_only: args.keys_only,
        memory: args.memory.options(),
        target: args.made.target(),
        lossy: args.made.lossy,
        list: LISTED,
        force: args.output.force(),
        walk: args.common.walk(now_ms, &args.run),
        open: args.from.options()?,
    };
    let Opened { source, bar, .. } = args.from.open_with_bar(&args.source, &args.common)?;
    let report = export(source, &args.output.required(), &options, &bar)?;
    drop(bar);
    super::say_lacking(&options.filter, &args.common);
    // There the output is what is on standard output.
    if !args.output.is_stdout() {
        args.made.report.tell(&report, &args.common, write_text, write_json)?;
    }
    let end = super::say_ran(&report.source, report.ran.as_ref());
    Ok(after_losses(&report.losses).max(end))
}
