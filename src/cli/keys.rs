//! `keys`: a row per key.
//!
//! Exit status: 0 all rows, 1 the source is broken, 2 could not look.

use std::ffi::OsString;

use clap::{Args, ValueEnum};
use rdbkit::Error;
use rdbkit::ops::keys::{KeysOptions, Sort, SortBy, keys};
use rdbkit::ops::memory::MemoryOptions;
use rdbkit::report::keys::{Column, RowFormat, RowLook};

use super::args::{CommonArgs, MemoryArgs, Opened, RunArgs, SourceArgs, number};
use super::defaults::Defaulted;
use super::exit::Exit;
use super::filters::FilterArgs;
use super::pager::PagerArgs;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KeysFormat {
    /// A table
    Human,
    /// One JSON object per line
    Json,
    /// RFC 4180; backslashes and bytes that are no UTF-8 as \\ and \xNN
    Csv,
}

/// List keys, one row each, filtered and sorted
///
/// A row says database, type, encoding, elements, bytes in the file, expiry, idle time or access
/// frequency, and the key. Without --sort, rows come in the order of the file as they are read,
/// in little memory whatever the file's size. With --sort and --limit only the rows that may
/// still be shown are kept; with --sort alone, all of them.
///
/// What a row says is in the headers of a value. The value itself is not unpacked or looked into: a
/// key with a broken value has its row, and `check` and `get` say that it is broken.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rdbkit keys dump.rdb --sort -bytes --limit 20
  rdbkit keys dump.rdb --key 'session:*' --ttl none --columns key,bytes
  rdbkit keys dump.rdb --sort -memory --limit 20 --server redis:7.0
  rdbkit keys dump.rdb --type hash --not-encoding listpack --format csv > hashes.csv
  rdbkit keys dump.rdb --format json | jq -r .key

Exit status: 0 all rows were written, 1 the source is broken and some are missing, 2 could not look")]
pub(crate) struct KeysArgs {
    /// RDB file, AOF or appendonlydir (a log is run first); `-` is standard input
    source: OsString,

    /// Order of the rows: bytes, memory, elements, key, ttl, db, type, idle, freq; with a minus in
    /// front, greatest first
    #[arg(long, value_name = "[-]COLUMN", value_parser = sort, allow_hyphen_values = true)]
    sort: Option<Sort>,

    /// Say of each key what a server would answer to MEMORY USAGE (an estimate, see --server)
    #[arg(long)]
    memory: bool,

    /// Stop after so many rows
    #[arg(long, value_name = "N", value_parser = number, allow_negative_numbers = true)]
    limit: Option<u64>,

    /// Columns of the table or of CSV, in this order: db, type, encoding, elements, bytes, memory, ttl,
    /// idle, key [default: all of them, memory where it is asked for]
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',', value_parser = column)]
    columns: Vec<Column>,

    /// How rows are written
    #[arg(long, value_enum, default_value_t = KeysFormat::Human)]
    format: KeysFormat,

    #[command(flatten)]
    filters: FilterArgs,
    #[command(flatten)]
    server: MemoryArgs,
    #[command(flatten)]
    from: SourceArgs,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    pager: PagerArgs,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

impl KeysArgs {
    /// Whose memory is estimated, if rows say it or are sorted by it.
    fn memory_options(&self) -> Option<MemoryOptions> {
        (self.asks_for_memory() || self.server.is_given()).then(|| self.server.options())
    }

    fn asks_for_memory(&self) -> bool {
        let sorted = self.sort.is_some_and(|sort| sort.by == SortBy::Memory);
        self.memory || sorted || self.columns.contains(&Column::Memory)
    }

    /// Columns are chosen for the table and for CSV.
    fn chooses_in_vain(&self) -> bool {
        self.format == KeysFormat::Json && !self.columns.is_empty()
    }

    /// Whether the options go together, and defaults change nothing that is not asked for.
    pub(super) fn fits(&self, defaulted: &Defaulted) -> bool {
        let estimates = self.asks_for_memory() || !self.server.is_defaulted(defaulted);
        estimates && !self.chooses_in_vain()
    }
}

pub(crate) fn run(args: &KeysArgs) -> Result<Exit, Error> {
    if args.chooses_in_vain() {
        return Err(Error::Usage(
            "--columns is for the table and for CSV; an object of JSON has all fields, of which jq \
             takes some"
                .to_owned(),
        ));
    }
    let now_ms = args.run.now_ms();
    let memory = args.memory_options();
    let mut columns = args.columns.clone();
    if memory.is_some() && columns.is_empty() {
        columns = match args.format {
            KeysFormat::Csv => [&Column::CSV[..], &[Column::Memory]].concat(),
            _ => Column::ALL.to_vec(),
        };
    }
    let options = KeysOptions {
        filter: args.filters.filter(now_ms)?,
        sort: args.sort,
        limit: args.limit,
        format: match args.format {
            KeysFormat::Human => RowFormat::Table,
            KeysFormat::Json => RowFormat::JsonLines,
            KeysFormat::Csv => RowFormat::Csv,
        },
        look: RowLook { columns, style: args.common.style() },
        now_ms,
        memory,
        walk: args.common.walk(args.run.now_ms(), &args.run),
        open: args.from.options()?,
    };
    let Opened { name, source, bar } = args.from.open_with_bar(&args.source, &args.common)?;
    let mut out = args.pager.stdout(args.format == KeysFormat::Human);
    let ended = keys(source, &options, &mut out, &bar)?;
    drop(bar);
    super::say_lacking(&options.filter, &args.common);
    out.finish()?;
    super::say_ended(&name, ended)
}

fn column(text: &str) -> Result<Column, String> {
    let names = Column::ALL.map(Column::name);
    let found = Column::ALL.into_iter().find(|column| column.name() == text);
    found.ok_or_else(|| format!("there is no such column: {}", names.join(", ")))
}

fn sort(text: &str) -> Result<Sort, String> {
    let (name, descending) = match text.strip_prefix('-') {
        Some(name) => (name, true),
        None => (text, false),
    };
    let by = match name {
        "bytes" => SortBy::Bytes,
        "memory" => SortBy::Memory,
        "elements" => SortBy::Elements,
        "key" => SortBy::Key,
        "ttl" => SortBy::Ttl,
        "db" => SortBy::Db,
        "type" => SortBy::Type,
        "idle" => SortBy::Idle,
        "freq" => SortBy::Frequency,
        _ => {
            return Err(
                "give bytes, memory, elements, key, ttl, db, type, idle or freq, with a minus in \
                        front for greatest first"
                    .into(),
            );
        }
    };
    Ok(Sort { by, descending })
}
