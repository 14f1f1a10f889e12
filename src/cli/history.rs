//! `history`: what a log did to a key.
//!
//! Exit status: 0 something, 1 nothing, or the log is cut or broken; 2 could not look.

use std::ffi::OsString;
use std::io::Write as _;

use clap::Args;
use rdbkit::Error;
use rdbkit::bytes::{quoted, unquoted};
use rdbkit::ops::history::{HistoryOptions, history};
use rdbkit::ops::run::RunOptions;
use rdbkit::report::history::{HistoryWriter, nothing_known, push_json, write_end};

use super::args::{CommonArgs, Format, Opened, RunArgs, SourceArgs, bytes, target};
use super::exit::Exit;
use super::filters::KeyFilterArgs;
use super::pager::PagerArgs;

/// Show what a log did to keys, command by command: who deleted it, and when
///
/// Each line is a command that touched the key: what became of it, when (where the log has
/// timestamps, aof-timestamp-enabled), where the command begins in which file, and in which
/// transaction. FLUSHALL, FLUSHDB and SWAPDB count for every key of their databases, commands over
/// several keys for each of them. A key that RENAME, MOVE or SWAPDB takes elsewhere is followed
/// there. What the log begins with, its base or preamble, comes first.
///
/// Commands that only read, or that changed nothing, are told as such.
///
/// The log is run for this. Times to live do not end while a log is loaded; what has
/// expired by now (see --now) is told in the end. Keys that a script touches without naming them
/// are not seen.
///
/// Filters are about databases and names: types and times to live change as the log goes on.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rdbkit history appendonlydir user:1000
  rdbkit history appendonlydir user:1000 --last
  rdbkit history appendonlydir 'session:*' --deleted
  rdbkit history appendonlydir --prefix session: --not-key '*:tmp' --db 0
  rdbkit history appendonly.aof cart:7 --values --format json

Exit status: 0 there are events, 1 there are none, or the log is cut short or broken; 2 could not look")]
pub(crate) struct HistoryArgs {
    /// AOF, its manifest or appendonlydir; `-` is standard input
    source: OsString,

    /// Keys, or patterns as KEYS understands them: user:*, h?llo, [a-c]*
    #[arg(value_name = "KEY|GLOB", required_unless_present_any = [
        "deleted", "key", "key_regex", "prefix", "slot",
    ])]
    keys: Vec<OsString>,

    /// Only the last command that changed each key
    #[arg(long, conflicts_with = "deleted")]
    last: bool,

    /// Only keys that are gone in the end, and what removed each of them
    #[arg(long)]
    deleted: bool,

    /// Show the value after each command
    #[arg(long)]
    values: bool,

    /// Keys are written as the other verbs show them: \xff and \n stand for one byte each
    #[arg(long)]
    escaped: bool,

    /// The server that is played [default: the one that wrote the base, or the newest Redis]
    #[arg(long, value_name = "NAME:VERSION", value_parser = target)]
    server: Option<rdbkit::rdb::Target>,

    /// The same as --on-unknown skip, as it was called once
    #[arg(long, hide = true)]
    skip_unknown: bool,

    /// How events are written
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,

    #[command(flatten)]
    filters: KeyFilterArgs,
    #[command(flatten)]
    from: SourceArgs,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    pager: PagerArgs,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

pub(crate) fn run(args: &HistoryArgs) -> Result<Exit, Error> {
    let now_ms = args.run.now_ms();
    let patterns = args.keys.iter().map(|key| {
        let key = bytes(key);
        match args.escaped {
            false => Ok(key),
            true => unquoted(&key).ok_or_else(|| {
                let key = quoted(&key);
                Error::Usage(format!("{key} has an escape that means nothing"))
            }),
        }
    });
    let options = HistoryOptions {
        patterns: patterns.collect::<Result<_, _>>()?,
        filter: args.filters.filter()?,
        last: args.last,
        deleted: args.deleted,
        values: args.values,
        run: RunOptions {
            target: args.server,
            skip_unknown: args.run.skips_unknown() || args.skip_unknown,
            open: args.from.options()?,
            ..RunOptions::at(Some(now_ms))
        },
    };
    let Opened { name, source, bar } = args.from.open_with_bar(&args.source, &args.common)?;
    let mut out = args.pager.stdout(args.format == Format::Human);
    let style = args.common.style();
    let mut writer = HistoryWriter::new(style, args.common.width(), now_ms);
    let mut line = Vec::new();
    let found = history(
        source,
        &options,
        &mut |event| match args.format {
            Format::Human => writer.event(&mut out, event),
            Format::Json => {
                line.clear();
                push_json(&mut line, event, args.values);
                out.write_all(&line).map_err(super::cannot_write)
            }
        },
        &bar,
    )?;
    drop(bar);
    if args.format == Format::Human && found.events > 0 {
        write_end(&mut out, style, found.events, found.keys, found.commands)?;
    }
    out.finish()?;
    let exit = super::say_ended(&name, found.ended)?;
    if found.events > 0 {
        return Ok(exit);
    }
    let sentence = nothing_known(
        &name,
        &options.patterns,
        !options.filter.is_empty(),
        found.commands,
        options.deleted,
    );
    super::complain(&sentence);
    Ok(exit.max(Exit::Findings))
}
