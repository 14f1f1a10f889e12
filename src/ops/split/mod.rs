//! `split`: one source into several snapshots, by slot, database, type or prefix.
//!
//! ```text
//! source ─ walk, on all cores ─ each key to its part, copied where it can be ─► DIR/slots-0-5460.rdb
//!                                                                              DIR/…
//!                                                                              DIR/split.json
//! ```
//!
//! Keys keep their order, and values their bytes. Functions, and what modules remember besides
//! their keys, go to every part, as every node of a cluster has them. The directory appears as a
//! whole or not at all.

mod nodes;
mod part;

use std::path::Path;

use indexmap::IndexMap;

#[cfg(feature = "live")]
pub use self::nodes::nodes_of_cluster;
pub use self::nodes::{Node, nodes};
pub use self::part::{By, SlotPart};
use self::part::{MOST_PARTS, Parting};
use super::convert::counts::Counts;
use super::convert::encode::{Chunk, Encoder, Plan, Room};
use super::convert::output::Databases;
use super::convert::{Done, How, Keys, listed, refusal};
use super::filter::Filter;
use super::sources_of;
use super::walk::{Observer, Tally, WalkOptions};
use crate::bytes::PathName as _;
use crate::bytes::rooms::Rooms;
use crate::error::{Error, Result};
use crate::rdb::write::SnapshotWriter;
use crate::rdb::{Entry, Record, Target};
use crate::report::split::{PartReport, SplitReport, manifest};
use crate::source::{OpenOptions, Source};
use crate::target::{DirectoryTarget, Part, Publish};

/// The file beside the parts that says what they are.
const MANIFEST: &str = "split.json";

/// How a source is split.
#[derive(Debug, Clone, Default)]
pub struct SplitOptions {
    /// Which key goes where.
    pub by: By,
    /// Which keys at all.
    pub filter: Filter,
    /// Whom the parts are written for; without that, for a server that writes the source's version.
    pub target: Option<Target>,
    /// Writes what can be written where the target cannot hold all.
    pub lossy: bool,
    /// How many keys are listed for each kind of loss.
    pub list: usize,
    /// How the walk is done.
    pub walk: WalkOptions,
    /// How sources are opened.
    pub open: OpenOptions,
}

/// Splits a source into the snapshots of a new directory; a log is run first.
///
/// Fails with [`Error::Usage`] where the directory is there and not empty, where there would be
/// too many parts, or where the target cannot hold all of it; nothing is published then.
///
/// ```
/// use rdbkit::ops::split::{By, SlotPart, SplitOptions, split};
/// use rdbkit::ops::walk::Silent;
/// use rdbkit::source::{OpenOptions, open};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = tempfile::tempdir()?;
/// let source = open(&"fixtures/redis-7.0.15-lru.rdb".into(), &OpenOptions::default())?;
/// let options = SplitOptions { by: By::Slots(SlotPart::equal(3)), ..SplitOptions::default() };
/// let report = split(source, &folder.path().join("parts"), &options, &Silent)?;
/// let keys: Vec<u64> = report.parts.iter().map(|part| part.keys).collect();
/// assert_eq!(keys, [5, 2, 4]);
/// # Ok(())
/// # }
/// ```
pub fn split(
    source: Source,
    out: &Path,
    options: &SplitOptions,
    observer: &dyn Observer,
) -> Result<SplitReport> {
    let name = source.name.clone();
    let publish = Publish { sources: sources_of(&source), ..Publish::default() };
    let parting = Parting::new(&options.by)?;
    let mut directory = DirectoryTarget::create_new(out, &publish)?;
    let keys = Keys::of_source(source, options.target, &options.walk, &options.open, observer)?;
    let target = options.target.unwrap_or_else(|| keys.writer());
    let log = keys.ran();
    let plan = Plan {
        target,
        source: keys.header(),
        same: false,
        held: !keys.is_snapshot(),
        compress: None,
        snapshot: true,
        drop_expired_at_ms: None,
        list: options.list,
        filter: Filter::default(),
        functions: true,
        prove: None,
        copies: false,
        chooses: false,
        parts: true,
        rooms: Rooms::default(),
    };
    let how = How {
        walk: &options.walk,
        open: &options.open,
        compress: true,
        plain: false,
        taker: Some(target),
        observer,
    };
    let fresh = || Split::batch(&plan, &parting);
    let mut root = Split { root: Some(&mut directory), ..fresh() };
    // Parts that are known before their keys are there whether they get any or not.
    for label in parting.known() {
        root.part(&label)?;
    }
    let Done { run: ran, filtered_from, .. } =
        keys.tally_filtered(&name, &how, &options.filter, &fresh, &mut root)?;
    let Split { parts, mut counts, keys, beyond, .. } = root;
    let are_nodes =
        matches!(&options.by, By::Slots(parts) if parts.iter().any(|part| part.name.is_some()));
    let mut report = SplitReport {
        schema: "rdbkit.split/1",
        source: name.clone(),
        ran: log,
        output: out.to_owned(),
        by: parting.name(),
        target: target.to_string(),
        target_version: target.header.magic(),
        keys_read: filtered_from.map_or(keys, |all| all.keys),
        keys_written: 0,
        filtered: filtered_from.map(|all| all.keys.saturating_sub(keys)),
        keys_beyond_db_0: if are_nodes { beyond } else { 0 },
        functions: counts.functions,
        parts: Vec::new(),
        losses: Vec::new(),
    };
    let mut files = Vec::new();
    for (label, part) in parts {
        let Some(written) = part.written else { continue };
        let (file, size_bytes) = written.file.finish()?;
        report.parts.push(PartReport {
            file: file.name().shown().to_string(),
            part: parting.words(&label),
            is_rest: parting.is_rest(&label),
            keys: part.counts.written,
            size_bytes,
        });
        report.keys_written += part.counts.written;
        counts.add(part.counts, plan.list);
        files.push(file);
    }
    report.losses = listed(counts.losses);
    if !options.lossy
        && let Some(sentence) = refusal(&target, &report.losses)
    {
        return Err(Error::Usage(format!("{name}: {sentence}")));
    }
    for file in files {
        directory.add(file)?;
    }
    directory.publish(MANIFEST, &manifest(&report)?, &[])?;
    // Giving back all that memory piece by piece takes time that nobody needs to wait for.
    std::mem::forget(ran);
    Ok(report)
}

/// Keys on their way to their parts.
struct Split<'p, 'd> {
    plan: &'p Plan,
    parting: &'p Parting,
    parts: IndexMap<Vec<u8>, OnePart<'p>>,
    /// What goes to every part: of a batch, to those that there will be; in the root, so far.
    common: Encoder<'p, 'p>,
    every: Vec<u8>,
    counts: Counts,
    keys: u64,
    /// Of those that are written, how many are not in database 0.
    beyond: u64,
    root: Option<&'d mut DirectoryTarget>,
}

struct OnePart<'p> {
    /// Of a batch.
    encoder: Option<Encoder<'p, 'p>>,
    /// Of the root.
    written: Option<Written>,
    counts: Counts,
}

struct Written {
    file: SnapshotWriter<Part>,
    databases: Databases,
}

impl Written {
    fn put(&mut self, chunk: &Chunk) -> Result<()> {
        self.databases.put(&mut self.file, chunk)
    }
}

impl<'p> Split<'p, '_> {
    fn batch(plan: &'p Plan, parting: &'p Parting) -> Self {
        Split {
            plan,
            parting,
            parts: IndexMap::new(),
            common: Encoder::batch(plan),
            every: Vec::new(),
            counts: Counts::default(),
            keys: 0,
            beyond: 0,
            root: None,
        }
    }

    /// The part of that label; in the root, its file.
    fn part(&mut self, label: &[u8]) -> Result<&mut OnePart<'p>> {
        if let Some(index) = self.parts.get_index_of(label) {
            return self.parts.get_index_mut(index).map(|(_, part)| part).ok_or_else(too_many);
        }
        if self.parts.len() >= MOST_PARTS {
            return Err(too_many());
        }
        let mut part = OnePart { encoder: None, written: None, counts: Counts::default() };
        match &mut self.root {
            None => part.encoder = Some(Encoder::batch(self.plan)),
            Some(directory) => {
                let file = directory.part(self.parting.file_name(label))?;
                let mut file = SnapshotWriter::new(file, &self.plan.target, true);
                file.aux(b"rdbkit-ver", env!("CARGO_PKG_VERSION").as_bytes())?;
                file.aux(b"redis-bits", b"64")?;
                file.raw(&self.every)?;
                part.written = Some(Written { file, databases: Databases::default() });
            }
        }
        Ok(self.parts.entry(label.to_vec()).or_insert(part))
    }
}

impl Tally for Split<'_, '_> {
    type Room = Room;

    fn entry(&mut self, entry: &Entry<'_>, room: &mut Room) -> Result<()> {
        self.keys += 1;
        self.beyond += u64::from(entry.db > 0);
        let parting = self.parting;
        parting.with_label(entry, |label| match &mut self.part(label)?.encoder {
            Some(encoder) => encoder.entry(entry, room),
            None => Ok(()),
        })
    }

    fn record(&mut self, record: &Record<'_>, offset: u64, room: &mut Room) -> Result<()> {
        self.common.record(record, offset, room)
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        self.keys += later.keys;
        self.beyond += later.beyond;
        let (chunk, counts) = later.common.into_chunk();
        self.counts.add(counts, self.plan.list);
        if !chunk.bytes.is_empty() {
            self.every.extend_from_slice(&chunk.bytes);
            for part in self.parts.values_mut() {
                if let Some(written) = &mut part.written {
                    written.put(&chunk)?;
                }
            }
        }
        self.plan.rooms.give(chunk.bytes);
        let list = self.plan.list;
        for (label, part) in later.parts {
            let Some(encoder) = part.encoder else { continue };
            let (chunk, counts) = encoder.into_chunk();
            let part = self.part(&label)?;
            part.counts.add(counts, list);
            if let Some(written) = &mut part.written {
                written.put(&chunk)?;
            }
            self.plan.rooms.give(chunk.bytes);
        }
        Ok(())
    }
}

fn too_many() -> Error {
    Error::Usage(format!(
        "there would be more than {MOST_PARTS} parts: split by less, or filter the keys"
    ))
}
