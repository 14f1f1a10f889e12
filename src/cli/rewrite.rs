//! `rewrite`: the log itself, transformed without being executed.
//!
//! Exit status: 0 written, 1 written but something should be looked at, or the source is broken
//! and nothing was written, 2 not written.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use rdbkit::Error;
use rdbkit::ops::rewrite::{
    CommandName, OnUnknown, Range, RewriteOptions, Rules, Shape, Split, rewrite,
};
use rdbkit::report::rewrite::{write_json, write_text};
use rdbkit::target::Publish;

use super::args::{CommonArgs, SourceArgs, bytes, renames, secs};
use super::exit::Exit;
use super::filters::{KeyFilterArgs, size};
use super::output::{OutputArgs, ReportArgs};
use super::progress::Bar;

/// Write a log again without some of its commands, keys or time, or in other files
///
/// Nothing is executed: commands are dropped, kept or changed as they stand. A transaction stays
/// whole or goes whole; SELECT is written wherever it is needed. DEL, UNLINK, MSET and the like
/// are cut down to the keys that a filter keeps; other commands over several keys are kept whole
/// if one of them is kept, counted, and make the exit status 1. FLUSHALL and other commands
/// without keys are no business of filters for keys. A snapshot in front of the log is filtered
/// and renamed in the same way; --drop and --only are about commands alone.
///
/// Only a sound log is rewritten: `rdbkit repair` mends one that is not.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rdbkit rewrite appendonlydir -o rescued --drop FLUSHALL
  rdbkit rewrite appendonlydir -o before --until-time 2026-11-23T14:00:00Z
  rdbkit rewrite appendonly.aof -o users.aof --prefix user: --rename 'user:*=member:*'
  rdbkit rewrite appendonlydir -o one.aof --join --strip-annotations
  rdbkit rewrite appendonly.aof -o days --split-at-time 2026-11-23T00:00:00Z
  zcat log.aof.gz | rdbkit rewrite - -o - --map-db 1=0 | redis-cli --pipe

Exit status: 0 written, 1 written but with commands that should be looked at, or the source is
broken and nothing was written, 2 not written")]
pub(crate) struct RewriteArgs {
    /// An AOF, its manifest or appendonlydir, plain or compressed; `-` is standard input
    source: OsString,

    /// Leave out this command: FLUSHALL, 'xgroup|destroy'
    #[arg(long, value_name = "COMMAND", value_delimiter = ',')]
    drop: Vec<OsString>,

    /// Leave out all commands but this
    #[arg(long, value_name = "COMMAND", value_delimiter = ',')]
    only: Vec<OsString>,

    /// Give keys another name: 'old:*=new:*', a star for what stays; the first that fits counts
    #[arg(long, value_name = "PATTERN=NAME")]
    rename: Vec<OsString>,

    /// Give a command another name, for servers with rename-command
    #[arg(long, value_name = "NAME=NAME")]
    rename_command: Vec<OsString>,

    /// Put what runs in one database into another; a FLUSHDB or SWAPDB that would then be about keys
    /// of both is refused
    #[arg(long, value_name = "N=N", value_delimiter = ',', value_parser = databases)]
    map_db: Vec<(u64, u64)>,

    /// What to do with a command whose keys are not known, where keys matter
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Unknown::Stop)]
    on_unknown: Unknown,

    /// Leave out annotations
    #[arg(long)]
    strip_annotations: bool,

    /// Leave out the RDB preamble, or the base of a directory if it is an RDB
    #[arg(long)]
    drop_preamble: bool,

    /// Begin at the first annotation of this time or later: 2026-11-23T14:00:00Z, or unix time
    #[arg(long, value_name = "TIME", value_parser = secs, help_heading = "Range")]
    from_time: Option<u64>,

    /// Begin with the first command at this offset or behind; in a directory of an RDB base and one
    /// increment, in the increment (the base stays, or goes with --drop-preamble)
    #[arg(long, value_name = "N", help_heading = "Range")]
    from_offset: Option<u64>,

    /// Begin with this command, counted from 1 over all parts
    #[arg(long, value_name = "N", help_heading = "Range")]
    from_command: Option<u64>,

    /// End at the first annotation of a later time
    #[arg(long, value_name = "TIME", value_parser = secs, help_heading = "Range")]
    until_time: Option<u64>,

    /// End with the last command that ends at this offset or before, counted in the same file
    #[arg(long, value_name = "N", help_heading = "Range")]
    until_offset: Option<u64>,

    /// End with this command
    #[arg(long, value_name = "N", help_heading = "Range")]
    until_command: Option<u64>,

    /// Write one file, whatever parts there are
    #[arg(long, conflicts_with_all = ["split", "split_at_time", "split_at_offset", "split_at_command"], help_heading = "Output options")]
    join: bool,

    /// Write a directory, with a new part whenever one has this many bytes: 64mb, 1gb
    #[arg(long, value_name = "BYTES", value_parser = part_size, help_heading = "Output options")]
    split: Option<u64>,

    /// Write a directory, with a new part from the first annotation of this time or later on; give
    /// several times, with commas or again, for several parts
    #[arg(long, value_name = "TIME", value_delimiter = ',', value_parser = secs, help_heading = "Output options")]
    split_at_time: Vec<u64>,

    /// Write a directory, with a new part from this offset on, or from each of several; it counts in
    /// the same file as --from-offset
    #[arg(long, value_name = "N", value_delimiter = ',', help_heading = "Output options")]
    split_at_offset: Vec<u64>,

    /// Write a directory, with a new part from this command on, or from each of several
    #[arg(long, value_name = "N", value_delimiter = ',', help_heading = "Output options")]
    split_at_command: Vec<u64>,

    /// Replace the source itself; what it was stays as a backup beside it
    #[arg(long, conflicts_with = "output", help_heading = "Output options")]
    in_place: bool,

    /// Write nothing, and report what would be written
    #[arg(long, help_heading = "Output options")]
    dry_run: bool,

    #[command(flatten)]
    report: ReportArgs,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    filter: KeyFilterArgs,
    #[command(flatten)]
    from: SourceArgs,
    #[command(flatten)]
    common: CommonArgs,
}

/// What to do with a command whose keys are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Unknown {
    /// Stop
    Stop,
    /// Keep it
    Keep,
    /// Leave it out
    Drop,
}

pub(crate) fn run(args: &RewriteArgs) -> Result<Exit, Error> {
    let to = match (args.output.path(), args.in_place, args.dry_run) {
        (Some(path), ..) => path,
        (None, true, _) if args.source != "-" => PathBuf::from(&args.source),
        (None, _, true) => PathBuf::new(),
        (None, true, false) => {
            return Err(Error::Usage("standard input cannot be replaced".to_owned()));
        }
        (None, false, false) => {
            let why = "say where to write with -o OUT, or look first with --dry-run";
            return Err(Error::Usage(why.to_owned()));
        }
    };
    let options = args.options()?;
    let source = args.from.open(&args.source)?;
    let to = match source.directory().filter(|_| args.in_place) {
        // Of a manifest, the directory that it describes.
        Some(directory) if to.is_file() => directory.to_owned(),
        _ => to,
    };
    let bar = Bar::of(&source, args.common.shows_progress());
    let report = rewrite(source, Path::new(&to), &options, &bar)?;
    drop(bar);
    if args.report.is_wanted(&args.common) {
        args.report.tell_beside(&args.output, &report, &args.common, write_text, write_json)?;
    }
    let look_at = report.straddling > 0 || !report.not_found.is_empty();
    Ok(if look_at { Exit::Findings } else { Exit::Clean })
}

impl RewriteArgs {
    fn options(&self) -> Result<RewriteOptions, Error> {
        let names = |names: &[OsString]| -> Vec<CommandName> {
            names.iter().map(|name| CommandName::new(&bytes(name))).collect()
        };
        let rename = renames(&self.rename)?;
        let mut rename_commands = Vec::new();
        for rule in &self.rename_command {
            let text = bytes(rule);
            match text.iter().position(|&byte| byte == b'=').and_then(|at| {
                let (old, new) = text.split_at_checked(at)?;
                Some((old.to_vec(), new.get(1..)?.to_vec()))
            }) {
                Some((old, new)) if !old.is_empty() && !new.is_empty() => {
                    rename_commands.push((old, new));
                }
                _ => {
                    let rule = rule.display();
                    return Err(Error::Usage(format!(
                        "--rename-command {rule}: give two names: HIDDEN=CONFIG"
                    )));
                }
            }
        }
        let split = Split {
            bytes: self.split,
            offsets: self.split_at_offset.clone(),
            commands: self.split_at_command.clone(),
            times: self.split_at_time.clone(),
        };
        Ok(RewriteOptions {
            rules: Rules {
                drop: names(&self.drop),
                only: names(&self.only),
                filter: self.filter.filter()?,
                rename,
                rename_commands,
                map_db: new_numbers(&self.map_db)?,
                other_dbs: None,
                on_unknown: match self.on_unknown {
                    Unknown::Stop => OnUnknown::Stop,
                    Unknown::Keep => OnUnknown::Keep,
                    Unknown::Drop => OnUnknown::Drop,
                },
            },
            range: Range {
                from_time: self.from_time,
                from_offset: self.from_offset,
                from_command: self.from_command,
                until_time: self.until_time,
                until_offset: self.until_offset,
                until_command: self.until_command,
            },
            strip_annotations: self.strip_annotations,
            drop_snapshot: self.drop_preamble,
            shape: match (self.join, split == Split::default()) {
                (true, _) => Shape::Join,
                (false, true) => Shape::Same,
                (false, false) => Shape::Split(split),
            },
            dry_run: self.dry_run,
            publish: Publish { in_place: self.in_place, ..self.output.publish() },
            open: self.from.options()?,
        })
    }
}

/// The size of a part, which has to hold something.
fn part_size(text: &str) -> Result<u64, String> {
    match size(text)? {
        0 => Err("a part of no bytes holds nothing: give a size such as 64mb".to_owned()),
        bytes => Ok(bytes),
    }
}

/// New numbers for databases, each of which goes to one place.
pub(super) fn new_numbers(pairs: &[(u64, u64)]) -> Result<BTreeMap<u64, u64>, Error> {
    let mut numbers = BTreeMap::new();
    for &(from, to) in pairs {
        if let Some(before) = numbers.insert(from, to).filter(|&before| before != to) {
            return Err(Error::Usage(format!(
                "--map-db sends database {from} to {before} and to {to}: name one of them"
            )));
        }
    }
    Ok(numbers)
}

pub(super) fn databases(text: &str) -> Result<(u64, u64), String> {
    let pair = text
        .split_once('=')
        .and_then(|(from, to)| Some((from.parse::<u64>().ok()?, to.parse::<u64>().ok()?)));
    pair.ok_or_else(|| "give two numbers: 1=0".to_owned())
}
