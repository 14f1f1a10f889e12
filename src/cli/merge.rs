//! `merge`: several sources into one snapshot or log.
//!
//! Exit status: 0 all of it was written, 1 it was written with losses that --lossy allows or without
//! the end of a log that is cut, or the source is broken and it was not written, 2 it was not written.

use std::ffi::OsString;

use clap::{Args, ValueEnum};
use rdbkit::Error;
use rdbkit::bytes::PathName as _;
use rdbkit::ops::merge::{MergeOptions, OnConflict, bytes_to_read, merge};
use rdbkit::report::merge::{write_json, write_text};

use super::args::{CommonArgs, RunArgs, SourceArgs, one_stdin};
use super::exit::Exit;
use super::filters::FilterArgs;
use super::output::{FormArgs, LISTED, MadeArgs, OutputArgs, after_losses, target_is};
use super::progress::Bar;

/// Write several sources as one snapshot or log
///
/// Keys come in the order of the sources, and values are copied byte for byte where the target takes
/// them as they are. A key that is in several sources, in the same database, and is not the same in
/// all of them, ends the merge with a list of such keys, unless --on-conflict says which of them
/// stays; so does a function library that is not the same in all. Keys are the same if their values,
/// however they are encoded, their expiry and metadata are. Every source is read twice: first its
/// keys, then what stays; and once more between, where values have to be compared.
///
/// The output appears as a whole or not at all.
#[derive(Debug, Args)]
#[command(mut_arg("output", |arg| arg.required(true)))]
#[command(mut_arg("target", |arg| target_is(arg, "a server that writes the newest version among the sources")))]
#[command(after_help = "\
Examples:
  rdbkit merge node-1.rdb node-2.rdb node-3.rdb -o all.rdb
  rdbkit merge old.rdb appendonlydir -o now.rdb --on-conflict last
  rdbkit merge a.rdb b.rdb -o appendonlydir --to aof-dir
  rdbkit merge a.rdb b.rdb -o all.rdb --on-conflict newest --target valkey:9.0

Exit status: 0 all of it was written, 1 it was written with losses or without the cut end of a log,
or a source is broken and nothing was written, 2 it was not written")]
pub(crate) struct MergeArgs {
    /// RDB files, AOFs or appendonlydirs (logs are run first), or NDJSON; `-` is standard input
    #[arg(required = true)]
    sources: Vec<OsString>,

    #[command(flatten)]
    pub(super) form: FormArgs,

    /// Which of several keys of one name stays
    #[arg(long, value_enum, default_value_t = Conflict::Fail)]
    on_conflict: Conflict,

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
    pub(super) common: CommonArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Conflict {
    /// None: nothing is written, but where they are the same in all sources
    Fail,
    /// That of the source that is named first
    First,
    /// That of the source that is named last
    Last,
    /// That of the source that was written last, by its ctime, else by the time of its file
    Newest,
}

pub(crate) fn run(args: &MergeArgs) -> Result<Exit, Error> {
    let now_ms = args.run.now_ms();
    let options = MergeOptions {
        form: args.form.form()?,
        on_conflict: match args.on_conflict {
            Conflict::Fail => OnConflict::Fail,
            Conflict::First => OnConflict::First,
            Conflict::Last => OnConflict::Last,
            Conflict::Newest => OnConflict::Newest,
        },
        filter: args.filters.filter(now_ms)?,
        target: args.made.target(),
        lossy: args.made.lossy,
        list: LISTED,
        force: args.output.force(),
        walk: args.common.walk(now_ms, &args.run),
        open: args.from.options()?,
    };
    one_stdin(&args.sources)?;
    let sources = args.sources.iter().map(|source| args.from.open(source));
    let sources = sources.collect::<Result<Vec<_>, _>>()?;
    let name = args.output.required().shown().to_string();
    let bar = Bar::counting(&name, bytes_to_read(&sources), args.common.shows_progress());
    let report = merge(sources, &args.output.required(), &options, &bar)?;
    drop(bar);
    super::say_lacking(&options.filter, &args.common);
    if !args.output.is_stdout() {
        args.made.report.tell(&report, &args.common, write_text, write_json)?;
    }
    let ends = report.sources.iter().map(|one| super::say_ran(&one.source, one.ran.as_ref()));
    Ok(ends.fold(after_losses(&report.losses), Exit::max))
}
