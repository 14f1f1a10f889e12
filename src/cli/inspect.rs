//! `inspect`: what is this, and what is in it?
//!
//! Exit status: 0 read to its end, 1 broken on the way, 2 could not look.

use std::ffi::OsString;
use std::io::Write as _;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use rdbkit::Error;
use rdbkit::ops::inspect::{By, InspectOptions, LookOptions, inspect};
use rdbkit::ops::sources_of;
use rdbkit::report::inspect::{CouldNotLook, InspectReport};
use rdbkit::report::{inspect, json};
use rdbkit::source::Locator;
use rdbkit::target::{AtomicFile, Publish};

use super::args::{CommonArgs, Format, MemoryArgs, Opened, RunArgs, SourceArgs, bytes};
use super::defaults::Defaulted;
use super::exit::Exit;
use super::filters::FilterArgs;

/// Say what a source is and what is in it, on one screen
///
/// Of a snapshot: version, writer, date and checksum; keys by database; types and encodings with
/// their counts, elements and bytes; when keys expire; the biggest keys; functions and modules.
/// Of a log: its parts, its commands by name, transactions, time range and rate.
///
/// Sizes are bytes in the file, with key and expiry, compressed as they lie there. They are not
/// what the server takes in memory. Values are counted by their headers, not unpacked or looked
/// into: `check` does that.
///
/// With --memory, --by, --html or --folded, keys are looked into: what each would take in a
/// server's memory (an estimate of MEMORY USAGE, see --server), where memory and bytes are by
/// prefix or by other things that keys have, the biggest keys by memory, elements and longest
/// element, the keys that expire soon or never. A log is run first then.
///
/// With filters all of this is of the keys that pass them, and the first lines say how many of all
/// these are. Of a log the keys are looked into that are there after it has run.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rdbkit inspect dump.rdb
  rdbkit inspect appendonlydir --top 30
  rdbkit inspect dump.rdb --by prefix
  rdbkit inspect dump.rdb --by prefix --separator / --depth 2 --server redis:7.0
  rdbkit inspect dump.rdb --html report.html
  rdbkit inspect dump.rdb --prefix user: --ttl none --by prefix
  zstd -dc backup.rdb.zst | rdbkit inspect -
  rdbkit inspect dump.rdb --format json | jq '.snapshot.types[] | {type, keys}'

Exit status: 0 read to its end, 1 broken on the way, 2 could not look")]
pub(crate) struct InspectArgs {
    /// RDB or AOF file, manifest or appendonlydir, plain or compressed; `-` is standard input
    source: OsString,

    /// How many of the biggest keys to list [default: 10; 100 in a page]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    top: Option<u32>,

    /// Say where keys, bytes and memory are: by what keys are told apart
    #[arg(long, value_enum, value_name = "WHAT")]
    by: Option<ByArg>,

    /// What ends a part of a key [default: what stands in most keys, of : / . | - _ #]
    #[arg(long, value_name = "TEXT", value_parser = separator)]
    separator: Option<OsString>,

    /// How many parts a prefix has [default: an outline of all depths up to 6]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=32))]
    depth: Option<u8>,

    /// Say what keys would take in a server's memory (an estimate, see --server)
    #[arg(long)]
    memory: bool,

    /// Write a page for a browser, complete in one file; `-` is standard output
    #[cfg(feature = "html")]
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Write prefixes and their memory as folded stacks, for flame-graph tools; `-` is standard
    /// output
    #[arg(long, value_name = "FILE")]
    folded: Option<PathBuf>,

    /// Replace files that exist
    #[arg(long, short)]
    force: bool,

    /// How the report is written
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,

    #[command(flatten)]
    filters: FilterArgs,
    #[command(flatten)]
    server: MemoryArgs,
    #[command(flatten)]
    from: SourceArgs,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

/// What keys are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ByArg {
    /// Their first parts
    Prefix,
    /// Their types
    Type,
    /// Their databases
    Db,
    /// Their cluster slots
    Slot,
    /// How long they still live
    Expiry,
    /// How long they were not used, or how often they were
    Idle,
    /// What they take in the file
    Size,
}

impl InspectArgs {
    /// The page, where there is one to write.
    fn page(&self) -> Option<&PathBuf> {
        #[cfg(feature = "html")]
        return self.html.as_ref();
        #[cfg(not(feature = "html"))]
        return None;
    }

    /// Whether files are asked for, all of which show prefixes.
    fn has_files(&self) -> bool {
        self.page().is_some() || self.folded.is_some()
    }

    /// Whether it is said what a prefix is.
    fn tells_prefixes(&self) -> bool {
        self.separator.is_some() || self.depth.is_some()
    }

    /// What keys are told apart by: who says what a prefix is wants to see them.
    fn by(&self) -> Option<ByArg> {
        self.by.or_else(|| (self.tells_prefixes() && !self.has_files()).then_some(ByArg::Prefix))
    }

    /// What a prefix is matters only where they are shown.
    fn refuse_prefixes_unseen(&self) -> Result<(), Error> {
        let sees = self.has_files() || matches!(self.by(), None | Some(ByArg::Prefix));
        if self.tells_prefixes() && !sees {
            return Err(Error::Usage(
                "--depth and --separator say what a prefix is, and none are shown here: give --by \
                 prefix, --html or --folded"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// Whether the options go together, and defaults change nothing that is not asked for.
    pub(super) fn fits(&self, defaulted: &Defaulted) -> bool {
        let sees = self.has_files() || self.by == Some(ByArg::Prefix);
        let is_vain = defaulted.has("depth") || defaulted.has("separator");
        let looks = self.memory || self.by.is_some() || self.has_files() || self.tells_prefixes();
        (sees || !is_vain)
            && (looks || !self.server.is_defaulted(defaulted))
            && self.refuse_prefixes_unseen().is_ok()
            && self.refuse_both_on_stdout().is_ok()
    }

    /// What is looked for in the keys, if anything is.
    fn look(&self) -> Option<LookOptions> {
        let prefixes = self.has_files() || self.tells_prefixes();
        let any = prefixes || self.by.is_some() || self.memory || self.server.is_given();
        any.then(|| LookOptions {
            by: self.by().map(|by| match by {
                ByArg::Prefix => By::Prefix,
                ByArg::Type => By::Type,
                ByArg::Db => By::Db,
                ByArg::Slot => By::Slot,
                ByArg::Expiry => By::Expiry,
                ByArg::Idle => By::Idle,
                ByArg::Size => By::Size,
            }),
            prefixes,
            separator: self.separator.as_ref().map(bytes),
            depth: self.depth.map(usize::from),
            longest: true,
            memory: self.server.options(),
        })
    }

    /// Two results cannot share standard output.
    fn refuse_both_on_stdout(&self) -> Result<(), Error> {
        let is_stdout = |path: Option<&PathBuf>| path.is_some_and(|path| path.as_os_str() == "-");
        if is_stdout(self.page()) && is_stdout(self.folded.as_ref()) {
            return Err(Error::Usage(
                "--html - and --folded - would be mixed on standard output: give one of them a file"
                    .to_owned(),
            ));
        }
        if self.format == Format::Json {
            let files = [("--html", self.page()), ("--folded", self.folded.as_ref())];
            if let Some((option, _)) = files.iter().find(|(_, path)| is_stdout(*path)) {
                return Err(Error::Usage(format!(
                    "{option} - and --format json would be mixed on standard output: give {option} a \
                     file"
                )));
            }
        }
        Ok(())
    }

    /// Writes the files that are asked for; says whether one of them is standard output.
    fn write_files(&self, report: &InspectReport, sources: Vec<PathBuf>) -> Result<bool, Error> {
        let publish = Publish { force: self.force, in_place: false, sources };
        let mut is_stdout = false;
        #[cfg(feature = "html")]
        if let Some(path) = &self.html {
            let mut file = AtomicFile::create(path, &publish)?;
            inspect::write_html(&mut file, report)?;
            file.commit()?;
            is_stdout |= path.as_os_str() == "-";
        }
        if let (Some(path), Some(look)) = (&self.folded, &report.look) {
            let mut file = AtomicFile::create(path, &publish)?;
            inspect::write_folded(&mut file, look)?;
            file.commit()?;
            is_stdout |= path.as_os_str() == "-";
        }
        Ok(is_stdout)
    }
}

fn separator(text: &str) -> Result<OsString, String> {
    match text {
        "" => Err("give at least one character".to_owned()),
        text => Ok(text.into()),
    }
}

/// How many of the biggest keys a screen lists.
const TOP: usize = 10;
/// How many a page does.
const TOP_OF_A_PAGE: usize = 100;

pub(crate) fn run(args: &InspectArgs) -> Result<Exit, Error> {
    let done = look(args);
    // A program that reads JSON is told on the channel that it reads, as `check` does.
    if let (Err(error), Format::Json) = (&done, args.format)
        && !super::exit::is_closed_pipe(error)
    {
        let mut out = super::stdout();
        let name = Locator::from(args.source.as_os_str()).to_string();
        json::document(&mut out, &CouldNotLook::of(&name, &super::sentence(error)))?;
        out.flush().map_err(super::cannot_write)?;
    }
    done
}

fn look(args: &InspectArgs) -> Result<Exit, Error> {
    args.refuse_both_on_stdout()?;
    args.refuse_prefixes_unseen()?;
    let Opened { source, bar, .. } = args.from.open_with_bar(&args.source, &args.common)?;
    let options = InspectOptions {
        top: match args.top {
            Some(top) => usize::try_from(top).unwrap_or(usize::MAX),
            None if args.page().is_some() => TOP_OF_A_PAGE,
            None => TOP,
        },
        filter: args.filters.filter(args.run.now_ms())?,
        look: args.look(),
        now_ms: args.run.now_ms(),
        skip_unknown: args.run.skips_unknown(),
        threads: args.common.threads(),
        open: args.from.options()?,
    };
    let sources = sources_of(&source);
    let mut report = inspect(source, &options, &bar)?;
    drop(bar);
    super::say_lacking(&options.filter, &args.common);

    let exit = if report.broken.is_empty() { Exit::Clean } else { Exit::Findings };
    if args.write_files(&report, sources)? {
        return Ok(exit);
    }
    // There may be more of them for a page, which can be searched.
    let of_the_page = args.page().is_some() && args.format == Format::Human;
    if args.top.is_none() || of_the_page {
        report.keep_biggest(TOP);
    }
    let mut out = super::stdout();
    match args.format {
        Format::Human => inspect::write_text(&mut out, &report, args.common.style())?,
        Format::Json => json::document(&mut out, &report)?,
    }
    out.flush().map_err(super::cannot_write)?;
    Ok(exit)
}
