//! The proof that an output holds what was to be written: it is read back before it is published.
//!
//! ```text
//! snapshot   a digest of all of the keys that were written
//!            what was copied from a base: byte by byte
//! commands   the servers' digest of the keys that they lead to
//! ```
//!
//! What was to be written is what the target can hold, without what a filter leaves out, and without
//! what has expired if that is to go: the digest of the source leaves out the rest, that of the output
//! is of all that is there.

use std::fs::File;
use std::ops::Range;
use std::thread;

use super::ConvertOptions;
use super::encode::Copied;
use super::fingerprint::Fingerprint;
use super::output::Place;
use crate::digest::{Options, full, quick};
use crate::engine::Base;
use crate::error::{Error, Result};
use crate::ops::digest::{self, DigestOptions};
use crate::ops::filter::Filter;
use crate::ops::run::{self, Run, RunOptions};
use crate::ops::snapshot;
use crate::ops::walk::{Silent, Tally, WalkOptions};
use crate::rdb::{Entry, Record};
use crate::source::{OpenOptions, Source, open_part};

/// What is asked of a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ops) enum Prove {
    /// That the output holds what was to be written.
    Sameness,
    /// Its digest besides: one of all keys takes longer than to find copies the same.
    SamenessAndDigest,
}

/// How an output was found to hold what was to be written.
#[derive(Debug, Clone, Default)]
pub(in crate::ops) struct Proof {
    /// Keys that lie in it byte by byte as in the base.
    pub(in crate::ops) copied: u64,
    /// The digest of all keys, where it was computed.
    pub(in crate::ops) digest: Option<String>,
}

/// Reads back what was written, and holds it against what was to be written: against our digest of
/// it, if it is given, which leaves out what was copied, otherwise against the servers' digest of
/// what the engine holds.
pub(super) fn same(
    place: &mut Place,
    run: &Run,
    ours: Option<&Fingerprint>,
    copies: &[Copied],
    prove: Prove,
    options: &ConvertOptions,
) -> Result<Proof> {
    let Some(path) = place.readable()? else {
        return Err(Error::Usage(
            "what goes to a pipe or device cannot be read back: write a file".to_owned(),
        ));
    };
    let source = open_part(&path, &OpenOptions::default())?;
    // What reaches the disk meanwhile is not waited for later; whether all has is asked then.
    thread::spawn(move || File::open(path).and_then(|file| file.sync_data()));
    if let Some(ours) = ours {
        let base = run.engine.keyspace.base();
        return by_our_digest(source, ours, base, copies, prove, &options.walk);
    }
    let walk = options.walk;
    let threads = walk.threads;
    let held_by = options.target.unwrap_or(run.engine.env.target);
    let drop_expired_at_ms = options.drop_expired_at_ms;
    let held = Options { held_by: Some(held_by), drop_expired_at_ms, ..Options::default() };
    let want = digest::of_engine(&run.engine, &held, &options.filter, threads)?;
    let read = if options.form.is_snapshot() {
        let asked = DigestOptions { walk, ..DigestOptions::default() };
        let read = digest::digest(source, &asked, &Silent)?;
        if let Some(fault) = read.ended.fault {
            return Err(fault.into());
        }
        read.digest
    } else {
        // Commands are run by the server that they were run by before.
        let target = Some(run.engine.env.target);
        let asked = RunOptions { target, threads, ..RunOptions::at(walk.now_ms) };
        let again = run::run(source, &asked, &Silent)?;
        digest::of_engine(&again.engine, &Options::default(), &Filter::default(), threads)?
    };
    if read != want {
        return Err(not_the_same(&read, &want));
    }
    Ok(Proof { copied: 0, digest: Some(want) })
}

fn not_the_same(read: &str, want: &str) -> Error {
    other(&format!("digest {read} instead of {want}"))
}

fn other(what: &str) -> Error {
    Error::Usage(format!(
        "the output does not hold what the source does ({what}): it was not published. This is a \
         fault of rdbkit, not of the source; please report it"
    ))
}

/// Reads back a snapshot. `want` is the digest of what was written; what was copied has to be the
/// bytes of the base.
fn by_our_digest(
    source: Source,
    want: &Fingerprint,
    base: Option<&Base>,
    copies: &[Copied],
    prove: Prove,
    walk: &WalkOptions,
) -> Result<Proof> {
    let regions = regions(copies);
    let all = prove == Prove::SamenessAndDigest;
    let fresh = || ReadBack {
        regions: &regions,
        copied: 0,
        all: all.then(|| full::Accumulator::new(None)),
        // What was to be left out must not be there.
        written: Fingerprint::new(prove, full::Without::default()),
    };
    let mut read = fresh();
    if let Some(base) = base.filter(|_| !copies.is_empty()) {
        let bytes = source.feed.as_ref().and_then(|feed| feed.whole()).unwrap_or_default();
        let lies_there = |copy: &&Copied| {
            let from = base.lying(&copy.place);
            let at = usize::try_from(copy.at).unwrap_or(usize::MAX);
            bytes.get(at..).and_then(|rest| rest.get(..copy.place.len())) == Some(from)
        };
        if let Some(copy) = copies.iter().find(|copy| !lies_there(copy)) {
            let (from, at) = (copy.place.start, copy.at);
            return Err(other(&format!("at {at} not what is at {from} of the base")));
        }
    }
    let ended = snapshot::walk(source, &OpenOptions::default(), &fresh, &mut read, walk, &Silent)
        .map_err(|error| in_base(error, copies))?;
    if let Some(fault) = ended.fault {
        return Err(fault.into());
    }
    if ended.checksum_mismatch.is_some() {
        return Err(other("another checksum than was written"));
    }
    let (written, want) = (read.written.finish(), want.finish());
    let copied: u64 = copies.iter().map(|copy| copy.keys).sum();
    if written != want || read.copied != copied {
        return Err(not_the_same(&written, &want));
    }
    let digest = read.all.map(|mut all| {
        if let Some(written) = read.written.full() {
            all.merge(written);
        }
        all.finish().to_string()
    });
    Ok(Proof { copied, digest })
}

/// What is broken in a copy is so in the base.
fn in_base(error: Error, copies: &[Copied]) -> Error {
    let Error::Format(mut error) = error else { return error };
    let behind = copies.partition_point(|copy| copy.at <= error.offset);
    let copy = behind.checked_sub(1).and_then(|index| copies.get(index));
    if let Some(copy) = copy
        && error.offset - copy.at < copy.place.len() as u64
    {
        error.offset = copy.place.start as u64 + (error.offset - copy.at);
        error.file = None;
    }
    Error::Format(error)
}

/// A part of the output that was copied, and the database that its keys are in.
struct Region {
    place: Range<u64>,
    db: u64,
}

/// Copies that lie behind one another, taken together.
fn regions(copies: &[Copied]) -> Vec<Region> {
    let mut regions: Vec<Region> = Vec::new();
    for copy in copies {
        let end = copy.at + copy.place.len() as u64;
        match regions.last_mut() {
            Some(last) if last.place.end == copy.at && last.db == copy.db => last.place.end = end,
            _ => regions.push(Region { place: copy.at..end, db: copy.db }),
        }
    }
    regions
}

/// What is read back: what was copied, and what was written.
struct ReadBack<'r> {
    regions: &'r [Region],
    /// Keys that were copied.
    copied: u64,
    /// Their digest, where that is asked for.
    all: Option<full::Accumulator>,
    written: Fingerprint,
}

impl ReadBack<'_> {
    #[inline]
    fn is_copied(&self, entry: &Entry<'_>) -> bool {
        let behind = self.regions.partition_point(|region| region.place.start <= entry.offset);
        let region = behind.checked_sub(1).and_then(|index| self.regions.get(index));
        region.is_some_and(|it| entry.end <= it.place.end && entry.db == it.db)
    }
}

impl Tally for ReadBack<'_> {
    type Room = quick::Room;

    #[inline]
    fn entry(&mut self, entry: &Entry<'_>, room: &mut quick::Room) -> Result<()> {
        if !self.is_copied(entry) {
            return self.written.add(entry, room);
        }
        self.copied += 1;
        match &mut self.all {
            Some(all) => all.add(entry, room.scratch()),
            // Nothing inside is broken: the base was looked at when it was loaded.
            None => Ok(()),
        }
    }

    #[inline(always)]
    fn plain_string(&mut self, entry: &Entry<'_>, room: &mut quick::Room) -> Result<()> {
        if self.all.is_some() || !self.is_copied(entry) {
            return self.entry(entry, room);
        }
        // There is nothing in it that could be broken.
        self.copied += 1;
        Ok(())
    }

    fn record(&mut self, record: &Record<'_>, offset: u64, room: &mut quick::Room) -> Result<()> {
        self.written.add_record(record, offset, room)
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        self.copied += later.copied;
        if let (Some(all), Some(later)) = (&mut self.all, &later.all) {
            all.merge(later);
        }
        self.written.merge(&later.written);
        Ok(())
    }
}
