//! `anonymize`: a snapshot of the same shape with nothing of its content.
//!
//! Exit status: 0 it was written, 1 it was written without the end of a log that is cut, or the
//! source is broken and nothing was written, 2 it was not.

use std::ffi::OsString;

use clap::{Args, ValueEnum};
use rdbkit::Error;
use rdbkit::ops::anonymize::{AnonymizeOptions, Scores, anonymize};
use rdbkit::report::anonymize::{write_json, write_text};

use super::args::{CommonArgs, Opened, RunArgs, SourceArgs, signed_ms};
use super::exit::Exit;
use super::filters::FilterArgs;
use super::output::{OutputArgs, ReportArgs, TargetArgs};

/// Write a snapshot of the same shape with other content, for a bug report
///
/// Every key, field, member, element and name becomes another text of the same length: letters
/// become letters, digits digits, integers integers of as many digits; punctuation stays. What is
/// equal stays equal, and what differs differs. Types, encodings, order, ids of streams, scores and
/// expiries stay. Functions, values of modules and what modules keep besides may hold secrets and
/// are left out.
///
/// A short text has few others of its shape: of ten digits each is one of ten. Look at the output
/// before you give it away.
#[derive(Debug, Args)]
#[command(mut_arg("output", |arg| arg.required(true).help("The file to write; `-` is standard output")), after_help = "\
Examples:
  rdbkit anonymize dump.rdb -o shape.rdb
  rdbkit anonymize dump.rdb -o shape.rdb --keep-prefix-depth 1 --scores rank
  rdbkit anonymize dump.rdb -o small.rdb --key 'cart:*' --seed 'only I know this'

Exit status: 0 it was written, 1 it was written without the cut end of a log, or the source is
broken and nothing was written, 2 it was not written")]
pub(crate) struct AnonymizeArgs {
    /// RDB file, AOF or appendonlydir (a log is run first), or NDJSON; `-` is standard input
    source: OsString,

    /// What decides which text becomes which: the same again with the same seed, so keep it to
    /// yourself [default: chance]
    #[arg(long, value_name = "TEXT")]
    seed: Option<OsString>,

    /// So many parts of a key, from its start, stay as they are
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_prefix_depth: u16,

    /// What separates the parts of a key
    #[arg(long, value_name = "TEXT", default_value = ":")]
    separator: OsString,

    /// What becomes of scores
    #[arg(long, value_enum, default_value_t = ScoresArg::Keep)]
    scores: ScoresArg,

    /// What is added to every expiry: 3d, -12h
    #[arg(long, value_name = "TIME", default_value = "0s", allow_hyphen_values = true, value_parser = signed_ms)]
    shift_expiry: i64,

    /// Keep function libraries as they are
    #[arg(long)]
    keep_functions: bool,

    /// Keep values of modules, metadata of keys, and what modules remember besides, as they are
    #[arg(long)]
    keep_modules: bool,

    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    report: ReportArgs,
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
enum ScoresArg {
    /// They stay
    Keep,
    /// Each becomes its place among the scores of its sorted set
    Rank,
    /// Each becomes another one: order and equality within a sorted set stay, distances do not
    Perturb,
}

pub(crate) fn run(args: &AnonymizeArgs) -> Result<Exit, Error> {
    if args.separator.is_empty() {
        return Err(Error::Usage("a separator has at least one byte".to_owned()));
    }
    let now_ms = args.run.now_ms();
    let options = AnonymizeOptions {
        seed: args.seed.as_ref().map(|seed| seed.as_encoded_bytes().to_vec()),
        keep_prefix_depth: args.keep_prefix_depth.into(),
        separator: args.separator.as_encoded_bytes().to_vec(),
        scores: match args.scores {
            ScoresArg::Keep => Scores::Keep,
            ScoresArg::Rank => Scores::Rank,
            ScoresArg::Perturb => Scores::Perturb,
        },
        shift_expiry_ms: args.shift_expiry,
        keep_functions: args.keep_functions,
        keep_modules: args.keep_modules,
        filter: args.filters.filter(now_ms)?,
        target: args.target.target,
        force: args.output.force(),
        walk: args.common.walk(now_ms, &args.run),
        open: args.from.options()?,
    };
    let Opened { source, bar, .. } = args.from.open_with_bar(&args.source, &args.common)?;
    let report = anonymize(source, &args.output.required(), &options, &bar)?;
    drop(bar);
    super::say_lacking(&options.filter, &args.common);
    if !args.output.is_stdout() {
        args.report.tell(&report, &args.common, write_text, write_json)?;
    }
    Ok(super::say_ran(&report.source, report.ran.as_ref()))
}
