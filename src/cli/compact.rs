//! `compact`: the shortest log with the same keyspace.
//!
//! Exit status: 0 written, 1 written with losses or without the end of the log, 2 not written.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use rdbkit::Error;
use rdbkit::ops::compact::{CompactOptions, OutputForm, compact};
use rdbkit::rdb::Target;
use rdbkit::report::compact::{write_json, write_text};

use super::args::{CommonArgs, Format, NowArgs, Opened, SourceArgs, Unknown, target};
use super::exit::Exit;

/// Write the shortest log that leads to the same keys
///
/// The log is run in the embedded engine, and what is there in the end is written: a directory as
/// a directory with an RDB base, a file as a file with an RDB preamble, as a server's own rewrite
/// does. Before it is published, the output is read back and its digest compared.
///
/// A log that a server is writing is read up to its last whole command.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rdbkit compact appendonlydir -o compacted
  rdbkit compact appendonlydir --in-place
  rdbkit compact appendonly.aof -o dump.rdb --to rdb
  rdbkit compact appendonlydir -o log.aof --to aof --target redis:6.2

Exit status: 0 written, 1 written with losses or without the end of the log, 2 not written")]
pub(crate) struct CompactArgs {
    /// AOF, its manifest or appendonlydir, plain or compressed; `-` is standard input
    source: OsString,

    /// The file or directory to write
    #[arg(
        long,
        short,
        value_name = "OUT",
        required_unless_present = "in_place",
        help_heading = "Output options"
    )]
    output: Option<OsString>,

    /// Replace the source itself; what it was stays as a backup beside it
    #[arg(long, conflicts_with_all = ["output", "to"], help_heading = "Output options")]
    in_place: bool,

    /// Replace an output that exists
    #[arg(long, help_heading = "Output options")]
    force: bool,

    /// What is written [default: a directory for a directory, a file with preamble for a file]
    #[arg(long, value_enum, help_heading = "Output options")]
    to: Option<To>,

    /// Whom it is written for: redis:7.0, valkey:9.1 … [default: the server that wrote the base,
    /// or the newest Redis]
    #[arg(long, value_name = "NAME:VERSION", value_parser = target)]
    target: Option<Target>,

    /// What to do with a command that is not known or cannot be run here
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Unknown::Stop)]
    on_unknown: Unknown,

    /// Write what can be written where the target cannot hold all, and list what was lost
    #[arg(long)]
    lossy: bool,

    /// Leave out keys that have expired (see --now)
    #[arg(long)]
    drop_expired: bool,

    /// How the report is written
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,

    #[command(flatten)]
    from: SourceArgs,
    #[command(flatten)]
    now: NowArgs,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum To {
    /// A snapshot
    Rdb,
    /// A log of commands in one file
    Aof,
    /// A log in one file that is an RDB preamble
    Preamble,
    /// The directory of a multi-part log, its base an RDB
    AofDir,
}

pub(crate) fn run(args: &CompactArgs) -> Result<Exit, Error> {
    let Opened { source, bar, .. } = args.from.open_with_bar(&args.source, &args.common)?;
    let options = CompactOptions {
        form: args.to.map(|to| match to {
            To::Rdb => OutputForm::Rdb,
            To::Aof => OutputForm::Aof,
            To::Preamble => OutputForm::AofPreamble,
            To::AofDir => OutputForm::AofDir,
        }),
        target: args.target,
        now_ms: args.now.now_ms(),
        skip_unknown: args.on_unknown == Unknown::Skip,
        lossy: args.lossy,
        drop_expired_at_ms: args.drop_expired.then(|| args.now.now_ms()),
        in_place: args.in_place,
        force: args.force,
        threads: args.common.threads(),
        open: args.from.options()?,
    };
    let out = match (&args.output, &source.path) {
        (Some(out), _) => PathBuf::from(out),
        (None, Some(path)) => match source.directory() {
            Some(directory) => directory.to_owned(),
            None => path.clone(),
        },
        (None, None) => {
            return Err(Error::Usage("standard input cannot be replaced: give -o".to_owned()));
        }
    };
    let report = compact(source, &out, &options, &bar)?;
    drop(bar);
    let mut stdout = super::stdout();
    let mut stderr = std::io::stderr();
    let to: &mut dyn std::io::Write =
        if out.as_os_str() == "-" { &mut stderr } else { &mut stdout };
    match args.format {
        Format::Human => write_text(to, &report, args.common.style())?,
        Format::Json => write_json(to, &report)?,
    }
    to.flush().map_err(super::cannot_write)?;
    let lost = report.losses.iter().any(|lost| lost.grave);
    Ok(if lost || report.dropped_from.is_some() { Exit::Findings } else { Exit::Clean })
}
