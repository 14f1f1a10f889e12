//! `convert`: a source in another form, version or dialect.
//!
//! Exit status: 0 all of it was written, 1 it was written with losses that --lossy allows or without
//! the end of a log that is cut, or the source is broken and it was not written, 2 it was not written.

use std::ffi::OsString;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use rdbkit::Error;
use rdbkit::ops::convert::{ConvertOptions, OutputForm, Target, convert};
use rdbkit::report::convert::{write_json, write_text};

use super::args::{CommonArgs, RunArgs, SourceArgs};
use super::exit::Exit;
use super::filters::FilterArgs;
use super::output::{ForceArgs, FormArgs, LISTED, MadeArgs, after_losses};
use super::progress::Bar;

/// Write a source in another form, version or dialect
///
/// Every key is written as the target would write it: values that it takes as they are, are copied
/// byte for byte, all others are read and encoded anew, in the types and with the limits that this
/// server has by default. What the target cannot hold (fields that expire, functions, a stream's
/// newer parts, a module) ends the conversion with a list of the keys, before anything is
/// published; --lossy writes the rest and says what was lost. Filters choose keys; function
/// libraries go along.
///
/// The output appears as a whole or not at all.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rdbkit convert dump.rdb old.rdb --target redis:6.2
  rdbkit convert dump.rdb valkey.rdb --target valkey:9.0 --lossy
  rdbkit convert dump.rdb appendonly.aof --to aof
  rdbkit convert dump.rdb appendonlydir --to aof-dir --target redis:8.0
  rdbkit convert appendonlydir dump.rdb
  rdbkit convert dump.rdb users.rdb --prefix user: --not-ttl expired

Exit status: 0 all of it was written, 1 it was written with losses or without the cut end of a log,
or commands failed in a run for another server, or a source is broken and nothing was written, 2
it was not written")]
pub(crate) struct ConvertArgs {
    /// An RDB file, AOF or appendonlydir (a log is run first); `-` is standard input
    source: OsString,

    /// The file or directory to write; `-` is standard output
    out: OsString,

    #[command(flatten)]
    form: FormArgs,

    /// The version of the format instead: 6 to 15, or 80 for Valkey
    #[arg(long, value_name = "N", conflicts_with = "target", value_parser = rdb_version)]
    rdb_version: Option<Target>,

    /// Begin a log of commands with a timestamp annotation (servers since Redis 7.0)
    #[arg(long)]
    timestamps: bool,

    /// Unpack all texts
    #[arg(long, conflicts_with = "compress")]
    no_compress: bool,

    /// Pack all texts anew where that makes them shorter [default: what is copied stays as it is]
    #[arg(long)]
    compress: bool,

    /// Give a snapshot of the source's version a checksum though the source has none (rdbchecksum no)
    #[arg(long)]
    checksum: bool,

    /// Leave out what a primary does not keep: keys and hash fields that have expired (see --now)
    #[arg(long)]
    drop_expired: bool,

    #[command(flatten)]
    made: MadeArgs,
    #[command(flatten)]
    force: ForceArgs,
    #[command(flatten)]
    filters: FilterArgs,
    #[command(flatten)]
    from: SourceArgs,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    common: CommonArgs,
}

pub(crate) fn run(args: &ConvertArgs) -> Result<Exit, Error> {
    let compress = args.compress.then_some(true).or_else(|| args.no_compress.then_some(false));
    let now_secs = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let options = ConvertOptions {
        form: args.form()?,
        target: args.made.target().or(args.rdb_version),
        compress,
        lossy: args.made.lossy,
        drop_expired_at_ms: args.drop_expired.then(|| args.run.now_ms()),
        timestamp_secs: args.timestamps.then(now_secs),
        filter: args.filters.filter(args.run.now_ms())?,
        checksum: args.checksum,
        list: LISTED,
        force: args.force.force,
        walk: args.common.walk(args.run.now_ms(), &args.run),
        open: args.from.options()?,
    };
    let source = args.from.open(&args.source)?;
    let bar = Bar::of(&source, args.common.shows_progress());
    let report = convert(source, Path::new(&args.out), &options, &bar)?;
    drop(bar);
    super::say_lacking(&options.filter, &args.common);
    // There the output is what is on standard output.
    if args.out != "-" {
        args.made.report.tell(&report, &args.common, write_text, write_json)?;
    }
    let end = super::say_ran(&report.source, report.ran.as_ref());
    Ok(after_losses(&report.losses).max(end))
}

impl ConvertArgs {
    /// The form of the output; an option that it makes no use of is refused.
    pub(super) fn form(&self) -> Result<OutputForm, Error> {
        let form = self.form.form()?;
        let commands = matches!(form, OutputForm::Aof | OutputForm::AofDirCommands);
        let given = [
            (self.compress, "--compress"),
            (self.no_compress, "--no-compress"),
            (self.checksum, "--checksum"),
        ];
        match given.iter().find(|(given, _)| *given && commands) {
            Some((_, name)) => Err(Error::Usage(format!(
                "{name} is about snapshots: commands have neither packed texts nor a checksum"
            ))),
            None => Ok(form),
        }
    }
}

fn rdb_version(text: &str) -> Result<Target, String> {
    let rdb = text.parse::<u32>().map_err(|_| "a version is a number".to_owned())?;
    Target::of_rdb_version(rdb).map_err(|error| error.to_string())
}
