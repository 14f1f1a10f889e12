//! `get`: values of keys.
//!
//! Exit status: 0 all of them, 1 a key is not there or the source is broken, 2 could not look.

use std::ffi::OsString;

use clap::Args;
use rdbkit::Error;
use rdbkit::bytes::{quoted, unquoted};
use rdbkit::ops::get::{GetOptions, get};
use rdbkit::report::get::ValueFormat;

use super::args::{CommonArgs, Format, Opened, RunArgs, SourceArgs, bytes, number};
use super::exit::Exit;
use super::pager::PagerArgs;

/// Show the values of keys
///
/// Keys are named exactly, byte for byte; a key that several databases have is shown from each of
/// them. Streams come with their groups, consumers and pending entries, hash fields with their
/// own expiry, module values as the parts that the module wrote.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rdbkit get dump.rdb user:1000
  rdbkit get dump.rdb session:a session:b --db 2 --format json
  rdbkit get dump.rdb avatar:7 --raw > avatar.png
  rdbkit get dump.rdb --escaped '\"\\xff\\x00id\"'

Exit status: 0 all keys were there, 1 one was not or the source is broken, 2 could not look")]
pub(crate) struct GetArgs {
    /// RDB file, AOF or appendonlydir (a log is run first); `-` is standard input
    source: OsString,

    /// The keys
    #[arg(required = true)]
    keys: Vec<OsString>,

    /// Only keys of this database
    #[arg(long, value_name = "N", value_parser = number, allow_negative_numbers = true)]
    db: Option<u64>,

    /// Keys are written as the other verbs show them: \xff and \n stand for one byte each
    #[arg(long)]
    escaped: bool,

    /// Write the bytes of a string and nothing else
    #[arg(long, conflicts_with = "format")]
    raw: bool,

    /// How values are written
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,

    #[command(flatten)]
    from: SourceArgs,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    pager: PagerArgs,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

pub(crate) fn run(args: &GetArgs) -> Result<Exit, Error> {
    let keys = args.keys.iter().map(|key| {
        let key = bytes(key);
        if !args.escaped {
            return Ok(key);
        }
        unquoted(&key).ok_or_else(|| {
            Error::Usage(format!(
                "{} has an escape that means nothing: \\xNN, \\u{{NNNN}}, \\n, \\r, \\t, \\\", \\\\ do",
                quoted(&key)
            ))
        })
    });
    let options = GetOptions {
        keys: keys.collect::<Result<_, _>>()?,
        db: args.db,
        format: match (args.raw, args.format) {
            (true, _) => ValueFormat::Raw,
            (_, Format::Json) => ValueFormat::JsonLines,
            (_, Format::Human) => {
                ValueFormat::Human { style: args.common.style(), now_ms: args.run.now_ms() }
            }
        },
        walk: args.common.walk(args.run.now_ms(), &args.run),
        open: args.from.options()?,
    };
    let Opened { name, source, bar } = args.from.open_with_bar(&args.source, &args.common)?;
    let mut out = args.pager.stdout(!args.raw && args.format == Format::Human);
    let got = get(source, &options, &mut out, &bar)?;
    drop(bar);
    out.finish()?;
    let exit = super::say_ended(&name, got.ended)?;
    for key in &got.missing {
        let place = args.db.map_or_else(String::new, |db| format!(" in database {db}"));
        let advice = match key.iter().any(|byte| b"*?[".contains(byte)) {
            true => "a key is named exactly here; `rdbkit keys --key` takes patterns",
            false => "`rdbkit keys` lists what it has",
        };
        super::complain(&format!("{name} has no key {}{place}: {advice}", quoted(key)));
    }
    Ok(if got.missing.is_empty() { exit } else { exit.max(Exit::Findings) })
}
