//! `split`: one source into several snapshots.
//!
//! Exit status: 0 every key is in the part that it belongs to, 1 some are in slots of no part, there
//! are losses that --lossy allows, a log is cut, or the source is broken and nothing was written,
//! 2 nothing was written.

use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use rdbkit::Error;
use rdbkit::bytes::PathName as _;
#[cfg(feature = "live")]
use rdbkit::ops::split::nodes_of_cluster;
use rdbkit::ops::split::{By, Node, SlotPart, SplitOptions, nodes, split};
use rdbkit::report::split::{write_json, write_text};

use super::args::{CommonArgs, Opened, RunArgs, SourceArgs, bytes};
use super::exit::Exit;
use super::filters::{FilterArgs, slots};
use super::output::{LISTED, MadeArgs, after_losses};

/// Write a source as several snapshots: by slot, node, database, type or prefix
///
/// Keys keep their order, and values are copied byte for byte where the target takes them as they
/// are. Functions, and what modules remember besides their keys, go to every part, as every node of
/// a cluster has them. The directory appears as a whole or not at all; split.json in it says what
/// is in which file.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rdbkit split dump.rdb -o parts --parts 3
  rdbkit split dump.rdb -o nodes --nodes /var/lib/redis/nodes.conf
  rdbkit split dump.rdb -o nodes --cluster redis+cluster://n1,n2
  rdbkit split dump.rdb -o parts --ranges 0-5460 --ranges 5461-10922,16000-16383
  rdbkit split dump.rdb -o tenants --by prefix --separator : --depth 1
  rdbkit split dump.rdb -o databases --by db

Exit status: 0 every key has its part, 1 some keys are in slots of no part, something is lost, a
log is cut, or the source is broken and nothing was written, 2 nothing was written")]
pub(crate) struct SplitArgs {
    /// RDB file, AOF or appendonlydir (a log is run first), or NDJSON; `-` is standard input
    source: OsString,

    /// The directory to make; it must not be there, or be empty
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,

    /// What parts the keys, where slots do not
    #[arg(long, value_enum, conflicts_with_all = ["parts", "ranges", "nodes"])]
    by: Option<What>,

    /// So many equal shares of the slots
    #[arg(long, value_name = "N", conflicts_with_all = ["ranges", "nodes"], value_parser = clap::value_parser!(u16).range(1..=255))]
    parts: Option<u16>,

    /// The slots of a part; once for each part
    #[arg(long, value_name = "A-B,…", conflicts_with = "nodes", allow_hyphen_values = true, value_parser = ranges)]
    ranges: Vec<Ranges>,

    /// A part for each node with slots in this nodes.conf, or answer of CLUSTER NODES
    #[arg(long, value_name = "FILE")]
    nodes: Option<PathBuf>,

    /// A part for each master of this Cluster, with the slots that it serves now: any of its nodes,
    /// redis+cluster://HOST:PORT,…
    #[cfg(feature = "live")]
    #[arg(long, value_name = "URL", conflicts_with_all = ["by", "parts", "ranges", "nodes"])]
    cluster: Option<String>,

    /// With --by prefix: what separates the parts of a key [default: :]
    #[arg(long, value_name = "TEXT")]
    separator: Option<OsString>,

    /// With --by prefix: how many parts of a key are its prefix [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    depth: Option<u16>,

    #[command(flatten)]
    made: MadeArgs,
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
enum What {
    /// A part for each database
    Db,
    /// A part for each type
    Type,
    /// A part for each prefix (see --separator and --depth)
    Prefix,
}

/// `0-100,200`.
#[derive(Debug, Clone)]
struct Ranges(Vec<RangeInclusive<u16>>);

fn ranges(text: &str) -> Result<Ranges, String> {
    text.split(',').map(|range| slots(range.trim())).collect::<Result<_, _>>().map(Ranges)
}

impl SplitArgs {
    fn by(&self) -> Result<By, Error> {
        let separator = self.separator.as_ref().map_or(b":".to_vec(), bytes);
        if separator.is_empty() {
            return Err(Error::Usage("a separator has at least one byte".to_owned()));
        }
        let tells_prefixes = self.separator.is_some() || self.depth.is_some();
        if tells_prefixes && self.by != Some(What::Prefix) {
            return Err(Error::Usage(
                "--depth and --separator say what a prefix is, and keys are not parted by it: give \
                 --by prefix"
                    .to_owned(),
            ));
        }
        let of_nodes = |found: Vec<Node>| By::Slots(found.into_iter().map(Node::part).collect());
        #[cfg(feature = "live")]
        if let Some(url) = &self.cluster {
            let endpoint = self.from.live.endpoint(url)?;
            return nodes_of_cluster(&endpoint, &self.from.live.options()?).map(of_nodes);
        }
        match (self.by, self.parts, &self.nodes) {
            (Some(What::Db), ..) => Ok(By::Database),
            (Some(What::Type), ..) => Ok(By::Type),
            (Some(What::Prefix), ..) => Ok(By::Prefix { separator, depth: self.depth.unwrap_or(1).into() }),
            (None, Some(parts), _) => Ok(By::Slots(SlotPart::equal(parts))),
            (None, None, Some(path)) => {
                let name = path.shown().to_string();
                let text = std::fs::read(path)
                    .map_err(|cause| Error::io(format!("cannot read {name}"), cause))?;
                nodes(&String::from_utf8_lossy(&text), &name).map(of_nodes)
            }
            (None, None, None) if !self.ranges.is_empty() => {
                let part = |Ranges(slots): &Ranges| SlotPart { name: None, slots: slots.clone() };
                Ok(By::Slots(self.ranges.iter().map(part).collect()))
            }
            (None, None, None) => Err(Error::Usage(
                "say what parts the keys: --parts N, --ranges, --nodes, --cluster, or --by db, type or \
                 prefix"
                    .to_owned(),
            )),
        }
    }
}

pub(crate) fn run(args: &SplitArgs) -> Result<Exit, Error> {
    let now_ms = args.run.now_ms();
    let options = SplitOptions {
        by: args.by()?,
        filter: args.filters.filter(now_ms)?,
        target: args.made.target(),
        lossy: args.made.lossy,
        list: LISTED,
        walk: args.common.walk(now_ms, &args.run),
        open: args.from.options()?,
    };
    let Opened { source, bar, .. } = args.from.open_with_bar(&args.source, &args.common)?;
    let report = split(source, Path::new(&args.output), &options, &bar)?;
    drop(bar);
    super::say_lacking(&options.filter, &args.common);
    args.made.report.tell(&report, &args.common, write_text, write_json)?;
    let is_whole = report.rest().is_none() && report.keys_beyond_db_0 == 0;
    let rest = if !is_whole { Exit::Findings } else { Exit::Clean };
    let end = super::say_ran(&report.source, report.ran.as_ref());
    Ok(after_losses(&report.losses).max(rest).max(end))
}
