//! Where bytes and memory are: keys by prefix and by other things they have, and the biggest.
//!
//! This is more than counting headers: memory of large values and the longest elements are not in
//! headers, so values are walked. It is done where it is asked for only; [`LookTally`] stands
//! around the plain tally, which stays as quick as it is.

mod distinct;
mod groups;
mod prefixes;

use std::cmp::Reverse;

use super::tally::{InspectTally, Shared, WITHIN, top_key};
use super::top::{Floor, Top};
use super::{InspectOptions, checked, summary};
use crate::bytes::input::Input as _;
use crate::error::{Error, Result};
use crate::memory::{Estimator, longest_bytes};
use crate::ops::encoding::{self, ENCODINGS};
use crate::ops::filter::Filter;
use crate::ops::filtered::filtered;
use crate::ops::memory::MemoryOptions;
use crate::ops::snapshot::{self, View};
use crate::ops::walk::{Checksum, Observer, Tally, WalkOptions, Walked};
use crate::rdb::{Entry, Record, Scratch, Snapshot, Target, ValueType};
use crate::report::filtered::FilteredFrom;
use crate::report::inspect::{
    BigKey, Expiring, InspectReport, LookReport, TopKey, TypeVolume, Volume,
};
use crate::source::{Feed, Form, Source};
use groups::GroupTally;
use prefixes::{Guess, Parts, Tree};

pub use groups::By;

/// How deep prefixes are told apart where nothing is said.
const DEPTH: usize = 6;
/// Keys that are looked at to find out what separates their parts.
const GUESSED: usize = 20_000;
/// Spans of [`WITHIN`] that are summed up: an hour, a day, a week.
const SOON: usize = 3;

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub struct LookOptions {
    /// What keys are told apart by.
    pub by: Option<By>,
    /// Whether they are told apart by prefix as well, whatever else by.
    pub prefixes: bool,
    /// What ends a part of a key; found out from the first keys where `None`.
    pub separator: Option<Vec<u8>>,
    /// How many parts a prefix has; prefixes of all depths up to 6 where `None`.
    pub depth: Option<usize>,
    /// Whether the keys with the longest elements are looked for, for which values are walked.
    pub longest: bool,
    /// Whose memory is estimated.
    pub memory: MemoryOptions,
}

/// What all batches share.
struct Asked<'a> {
    shared: Shared,
    estimator: Estimator,
    parts: Option<Parts>,
    by: Option<By>,
    longest: bool,
    options: &'a InspectOptions,
    memory_floor: Floor,
    elements_floor: Floor,
    longest_floor: Floor,
}

/// Looks into all keys of a source; a log is run first.
pub(super) fn look(
    mut source: Source,
    report: &mut InspectReport,
    options: &InspectOptions,
    asked: &LookOptions,
    observer: &dyn Observer,
) -> Result<()> {
    let name = source.name.clone();
    let form = source.form;
    let estimator = asked.memory.estimator(&mut source);
    let mut asked_all = Asked {
        shared: Shared::new(options),
        estimator,
        parts: None,
        by: asked.by.filter(|by| *by != By::Prefix),
        longest: asked.longest,
        options,
        memory_floor: Floor::default(),
        elements_floor: Floor::default(),
        longest_floor: Floor::default(),
    };
    let by_prefix = asked.prefixes || asked.by == Some(By::Prefix);
    let parts = |guess: &dyn Fn(&mut Guess)| {
        let separator = asked.separator.clone().unwrap_or_else(|| {
            let mut seen = Guess::default();
            guess(&mut seen);
            seen.separator()
        });
        let depth = asked.depth.unwrap_or(DEPTH);
        by_prefix.then_some(Parts { separator, depth })
    };
    let mut ran = None;
    let (tally, walked, all) = match snapshot::view(source, &options.open)? {
        View::Snapshot(source) => {
            report.kind = match (form, source.form) {
                (Form::AofDir | Form::Manifest, _) => "aof-dir",
                (Form::Ndjson, _) => "ndjson",
                (_, Form::Dump) => "dump",
                _ => "rdb",
            };
            report.compression = source.compression.map(|compression| compression.to_string());
            let Some(mut feed) = source.feed else {
                return Err(Error::Usage(format!("{name} has no bytes to look at")));
            };
            asked_all.parts = parts(&|guess| guess_from(feed.buffer(), &options.filter, guess));
            let fresh = || LookTally::new(&asked_all);
            let mut tally = fresh();
            let (walked, all) = if source.form == Form::Dump {
                super::payload(&mut feed, &options.filter, &fresh, &mut tally)
                    .map_err(|error| error.in_file(&name))?
            } else {
                walk(&mut feed, &source.name, report, options, observer, &fresh, &mut tally)?
            };
            (tally, walked, all)
        }
        View::Log(source) => {
            report.kind = match form {
                Form::AofDir | Form::Manifest => "aof-dir",
                Form::Rdb => "aof-preamble",
                _ => "aof",
            };
            let run = snapshot::run_log(source, &options.open, &walk_options(options), observer)?;
            asked_all.parts = parts(&|guess| {
                for db in 0..run.engine.keyspace.used_databases() {
                    let passes = |key: &[u8]| {
                        options.filter.matches_db(db as u64) && options.filter.matches_key(key)
                    };
                    let keys = run.engine.keyspace.records(db).map(|record| record.key.as_slice());
                    keys.filter(|key| passes(key)).take(GUESSED).for_each(|key| guess.look(key));
                }
            });
            let fresh = || LookTally::new(&asked_all);
            let mut tally = fresh();
            let all = if options.filter.is_empty() {
                snapshot::tally_run(&run, options.threads, &fresh, &mut tally)?;
                None
            } else {
                let ((), all) = filtered(&options.filter, &fresh, &mut tally, |fresh, tally| {
                    snapshot::tally_run(&run, options.threads, fresh, tally)
                })?;
                Some(all)
            };
            let done = snapshot::ran(&run);
            if let Some((file, offset)) = &done.dropped_from {
                report.broken.push(format!(
                    "{file}: what stands from offset {offset} on is not complete and was not run"
                ));
            }
            ran = Some(done);
            // Whom it is played as: the server that wrote the base, where there is one.
            (tally, run_as_walked(run.engine.env.target), all)
        }
    };
    let is_run = ran.is_some();
    let (base, mut look) = tally.finish(asked, &asked_all);
    look.ran = ran;
    let mut snapshot = summary(base, &walked, all);
    if is_run {
        snapshot.checksum.status = "run";
        snapshot.size_bytes = look.total.size_bytes;
    }
    report.snapshot = Some(snapshot);
    report.look = Some(look);
    Ok(())
}

fn walk_options(options: &InspectOptions) -> WalkOptions {
    let InspectOptions { threads, now_ms, skip_unknown, .. } = *options;
    WalkOptions { threads, now_ms: Some(now_ms), skip_unknown, ..WalkOptions::default() }
}

fn walk<'s>(
    feed: &mut Feed,
    name: &str,
    report: &mut InspectReport,
    options: &InspectOptions,
    observer: &dyn Observer,
    fresh: &(dyn Fn() -> LookTally<'s> + Sync),
    tally: &mut LookTally<'s>,
) -> Result<(Walked, Option<FilteredFrom>)> {
    let (walked, all, more) = checked(feed, name, report, options, observer, fresh, tally)?;
    if more {
        super::log::behind_snapshot(feed, report, options, observer)?;
    }
    Ok((walked, all))
}

/// What stands for the walk over a snapshot where a log was run.
fn run_as_walked(target: Target) -> Walked {
    let checksum = Checksum::Absent;
    Walked { header: target.header, checksum, end: 0, keys: 0, others: 0, fault: None }
}

/// Looks at the first keys of a snapshot that pass. What is broken is met again by the walk.
fn guess_from(bytes: &[u8], filter: &Filter, guess: &mut Guess) {
    let Ok(snapshot) = Snapshot::new(bytes) else { return };
    // Where hardly any pass, the file is not read to its end for them.
    let searched = if filter.is_empty() { GUESSED } else { GUESSED * 64 };
    let mut left = GUESSED;
    for entry in snapshot.entries().take(searched) {
        let Ok(entry) = entry else { return };
        if filter.matches(&entry).unwrap_or_default()
            && let Ok(key) = entry.key_bytes()
        {
            guess.look(&key);
            left -= 1;
        }
        if left == 0 {
            return;
        }
    }
}

/// What was found.
struct LookTally<'s> {
    asked: &'s Asked<'s>,
    base: InspectTally<'s>,
    total: Volume,
    without_expiry: Volume,
    expired: Volume,
    soon: [Volume; SOON],
    types: [Volume; ENCODINGS],
    tree: Tree,
    groups: Option<GroupTally>,
    by_memory: Top<BigKey>,
    by_elements: Top<BigKey>,
    by_longest: Top<BigKey>,
}

impl<'s> LookTally<'s> {
    fn new(asked: &'s Asked<'s>) -> Self {
        let top = asked.options.top;
        LookTally {
            asked,
            base: InspectTally::new(&asked.shared),
            total: Volume::default(),
            without_expiry: Volume::default(),
            expired: Volume::default(),
            soon: [Volume::default(); SOON],
            types: [Volume::default(); ENCODINGS],
            tree: Tree::default(),
            groups: asked.by.map(GroupTally::new),
            by_memory: Top::new(top, asked.memory_floor.get()),
            by_elements: Top::new(top, asked.elements_floor.get()),
            by_longest: Top::new(top, asked.longest_floor.get()),
        }
    }

    fn big(&self, entry: &Entry<'_>, volume: Volume, longest: Option<u64>) -> Result<BigKey> {
        let key: TopKey = top_key(entry, encoding::index(entry), volume.elements)?;
        Ok(BigKey { key, memory_bytes: volume.memory_bytes, longest_bytes: longest })
    }

    fn biggest(
        &mut self,
        entry: &Entry<'_>,
        volume: Volume,
        unpacked: u64,
        room: &mut Scratch,
    ) -> Result<()> {
        let memory = volume.memory_bytes;
        let elements = volume.elements;
        let has_memory = self.by_memory.takes(memory);
        let has_elements =
            entry.value_type != ValueType::String && self.by_elements.takes(elements);
        // No element is longer than all that there is of the value.
        let most = (entry.body().len() as u64).saturating_add(unpacked);
        let may_be_longest = self.asked.longest && self.by_longest.takes(most);
        let longest = match self.asked.longest && (has_memory || has_elements || may_be_longest) {
            true => Some(longest_bytes(entry, room)?),
            false => None,
        };
        if has_memory {
            self.by_memory.push(memory, self.big(entry, volume, longest)?);
        }
        if has_elements {
            self.by_elements.push(elements, self.big(entry, volume, longest)?);
        }
        if let Some(bytes) = longest.filter(|&bytes| self.by_longest.takes(bytes)) {
            self.by_longest.push(bytes, self.big(entry, volume, longest)?);
        }
        Ok(())
    }

    fn expires(&mut self, entry: &Entry<'_>, volume: Volume) {
        let Some(at_ms) = entry.expires_at_ms else {
            return self.without_expiry.add(volume);
        };
        let left = at_ms.saturating_sub(self.asked.options.now_ms);
        let Some(left) = u64::try_from(left).ok().filter(|left| *left > 0) else {
            return self.expired.add(volume);
        };
        for (soon, (_, within)) in self.soon.iter_mut().zip(WITHIN) {
            if left <= within {
                soon.add(volume);
            }
        }
    }

    /// The plain tally, and what was looked for.
    fn finish(self, options: &LookOptions, asked: &Asked<'_>) -> (InspectTally<'s>, LookReport) {
        let profile = asked.estimator.profile();
        let mut types: Vec<TypeVolume> = Vec::new();
        for (index, &volume) in self.types.iter().enumerate().filter(|(_, v)| v.keys > 0) {
            let (kind, name) = (encoding::kind(index).name(), encoding::name(index));
            match types.iter_mut().find(|known| known.kind == kind && known.encoding == name) {
                Some(known) => known.volume.add(volume),
                None => types.push(TypeVolume { kind, encoding: name, volume }),
            }
        }
        types.sort_by_key(|known| Reverse(known.volume.memory_bytes));
        let within = WITHIN.iter().zip(self.soon);
        let tree = self.tree;
        let look = LookReport {
            server: profile.server.to_string(),
            allocator: profile.allocator.name(),
            measured: profile.is_measured(),
            ran: None,
            total: self.total,
            without_expiry: self.without_expiry,
            expired: self.expired,
            expiring: within.map(|((within, _), volume)| Expiring { within, volume }).collect(),
            types,
            groups: self.groups.map(GroupTally::finish),
            prefixes: asked.parts.clone().map(|parts| tree.finish(parts, options.depth.is_some())),
            biggest_by_memory: self.by_memory.into_entries().collect(),
            biggest_by_elements: self.by_elements.into_entries().collect(),
            biggest_by_longest: self.by_longest.into_entries().collect(),
        };
        (self.base, look)
    }
}

impl Tally for LookTally<'_> {
    type Room = Scratch;

    fn entry(&mut self, entry: &Entry<'_>, room: &mut Scratch) -> Result<()> {
        let unpacked = self.base.lzf.unpacked_bytes;
        self.base.entry(entry, &mut ())?;
        let unpacked = self.base.lzf.unpacked_bytes - unpacked;
        let memory = self.asked.estimator.usage(entry, room)?;
        let volume = Volume::of_key(entry.shape()?.elements, entry.size_bytes(), memory);
        self.total.add(volume);
        self.expires(entry, volume);
        if let Some(of_type) = self.types.get_mut(encoding::index(entry)) {
            of_type.add(volume);
        }
        if let Some(parts) = &self.asked.parts {
            self.tree.add(&entry.key_bytes()?, parts, volume);
        }
        if let Some(groups) = &mut self.groups {
            groups.add(entry, self.asked.options.now_ms, volume)?;
        }
        self.biggest(entry, volume, unpacked, room)
    }

    fn record(&mut self, record: &Record<'_>, offset: u64, _: &mut Scratch) -> Result<()> {
        self.base.record(record, offset, &mut ())
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        self.base.merge(later.base)?;
        self.total.add(later.total);
        self.without_expiry.add(later.without_expiry);
        self.expired.add(later.expired);
        let pairs = self.soon.iter_mut().zip(later.soon);
        pairs.chain(self.types.iter_mut().zip(later.types)).for_each(|(sum, more)| sum.add(more));
        self.tree.merge(later.tree);
        if let (Some(groups), Some(more)) = (&mut self.groups, later.groups) {
            groups.merge(more);
        }
        self.by_memory.merge(later.by_memory);
        self.by_elements.merge(later.by_elements);
        self.by_longest.merge(later.by_longest);
        self.asked.memory_floor.set(self.by_memory.floor());
        self.asked.elements_floor.set(self.by_elements.floor());
        self.asked.longest_floor.set(self.by_longest.floor());
        Ok(())
    }
}
