//! The walk over bytes that are all at hand.

use std::collections::BTreeMap;
use std::ops::Range;

use crossbeam_channel as channel;

use super::checksum::{Blocks, Checksum, Position};
use super::{Observer, Tally, WalkOptions, Walked};
use crate::bytes::crc64;
use crate::error::{Doing, FormatError, Result, unwrap_bad};
use crate::rdb::{Framer, HEADER_BYTES, Header, Record, Step};

/// A batch ends with the record that reaches this many bytes.
const BATCH_BYTES: usize = 512 << 10;
/// Batches that wait or are worked on, for each thread.
const AHEAD: usize = 4;

/// The part of the bytes that a worker reads, and the framer's state before it.
struct Job {
    number: usize,
    framer: Framer,
    range: Range<usize>,
}

pub(super) fn walk<T: Tally>(
    bytes: &[u8],
    start: u64,
    fresh: &(dyn Fn() -> T + Sync),
    root: &mut T,
    options: &WalkOptions,
    observer: &dyn Observer,
) -> Result<Walked> {
    let header = parse_header(bytes, start)?;
    let mut walker = Walker::new(bytes, start, header);
    let walked = |walker: &Walker<'_>, crc: Option<u64>| {
        // What the fast way accuses, the plain way must confirm.
        let computed = match (walker.stored, crc) {
            (Some(stored), Some(crc)) if stored != 0 && stored != crc => {
                Some(crc64::plain(0, bytes.get(..walker.covered).unwrap_or_default()))
            }
            _ => crc,
        };
        Walked {
            header,
            checksum: if walker.fault.is_some() {
                Checksum::Unknown
            } else {
                Checksum::of(walker.stored, computed)
            },
            end: start + walker.at as u64,
            keys: walker.keys,
            others: walker.others,
            fault: walker.fault.clone(),
        }
    };

    let blocks = options.checksum.then(|| Blocks::new(bytes));
    if options.threads <= 1 {
        let mut room = T::Room::default();
        loop {
            if let Some(blocks) = &blocks {
                blocks.advance(walker.at + BATCH_BYTES);
            }
            let Some(job) = walker.batch() else { break };
            if options.tally {
                let mut tally = fresh();
                let result = read(&job, bytes, start, &mut tally, &mut room);
                // What stands before a failure is still told.
                root.merge(tally)?;
                result?;
            }
            observer.progress(start + walker.at as u64);
        }
        let crc = blocks.and_then(|blocks| blocks.up_to(walker.covered));
        return Ok(walked(&walker, crc));
    }

    let position = Position::default();
    std::thread::scope(|scope| {
        // However this ends, the checksum's thread must not wait for a walker that is gone.
        let _finish = FinishOnDrop(&position);
        let ahead = blocks.as_ref().map(|blocks| scope.spawn(|| blocks.follow(&position)));
        let (jobs_tx, jobs_rx) = channel::bounded::<Job>(options.threads * AHEAD);
        let (tallies_tx, tallies_rx) = channel::unbounded();
        if options.tally {
            for _ in 0..options.threads {
                let (jobs, tallies) = (jobs_rx.clone(), tallies_tx.clone());
                scope.spawn(move || {
                    let mut room = T::Room::default();
                    for job in jobs {
                        let mut tally = fresh();
                        let result = read(&job, bytes, start, &mut tally, &mut room);
                        if tallies.send((job.number, (tally, result))).is_err() {
                            return;
                        }
                    }
                });
            }
        }
        drop((jobs_rx, tallies_tx));

        let mut merger = Merger { root, next: 0, waiting: BTreeMap::new() };
        let mut sent = 0;
        loop {
            // Where the other thread has not come yet, this one does its work.
            if let Some(blocks) = &blocks {
                blocks.advance(walker.at + BATCH_BYTES);
            }
            let Some(job) = walker.batch() else { break };
            if options.tally {
                // No more than what the channels hold may be unmerged: memory stays bounded.
                while sent - merger.next >= options.threads * AHEAD {
                    let Ok((number, tally)) = tallies_rx.recv() else { break };
                    merger.take(number, tally)?;
                }
                for (number, tally) in tallies_rx.try_iter() {
                    merger.take(number, tally)?;
                }
                if jobs_tx.send(job).is_err() {
                    break;
                }
                sent += 1;
            }
            position.reach(walker.at);
            observer.progress(start + walker.at as u64);
        }
        position.finish(walker.covered);
        drop(jobs_tx);
        for (number, tally) in &tallies_rx {
            merger.take(number, tally)?;
        }
        let crc = blocks.as_ref().zip(ahead).and_then(|(blocks, ahead)| {
            blocks.advance(walker.covered);
            ahead.join().ok()?;
            blocks.up_to(walker.covered)
        });
        Ok(walked(&walker, crc))
    })
}

pub(super) fn parse_header(bytes: &[u8], start: u64) -> Result<Header> {
    match Header::parse(bytes) {
        Ok((_, header)) => Ok(header),
        Err(error) => {
            let bad = unwrap_bad(error);
            Err(Box::new(FormatError {
                file: None,
                offset: start + (bytes.len() - bad.at.len()) as u64,
                doing: Doing::Header,
                key: None,
                fault: bad.fault,
            })
            .into())
        }
    }
}

struct FinishOnDrop<'p>(&'p Position);

impl Drop for FinishOnDrop<'_> {
    fn drop(&mut self) {
        self.0.finish(0);
    }
}

/// Steps over frames and cuts them into batches.
struct Walker<'a> {
    bytes: &'a [u8],
    start: u64,
    framer: Framer,
    rest: &'a [u8],
    /// How far the frames have been walked.
    at: usize,
    /// How far the checksum covers them: up to and including the end marker.
    covered: usize,
    batches: usize,
    keys: u64,
    others: u64,
    stored: Option<u64>,
    fault: Option<Box<FormatError>>,
    done: bool,
}

impl<'a> Walker<'a> {
    fn new(bytes: &'a [u8], start: u64, header: Header) -> Self {
        let rest = bytes.get(HEADER_BYTES..).unwrap_or_default();
        Walker {
            bytes,
            start,
            framer: Framer::new(header),
            rest,
            at: HEADER_BYTES,
            covered: HEADER_BYTES,
            batches: 0,
            keys: 0,
            others: 0,
            stored: None,
            fault: None,
            done: false,
        }
    }

    /// The next batch; a fault or the end marker makes it the last.
    fn batch(&mut self) -> Option<Job> {
        if self.done {
            return None;
        }
        let (from, framer) = (self.at, self.framer.clone());
        let mut rest = self.rest;
        while !self.done && rest.len() + BATCH_BYTES > self.rest.len() {
            // The absolute offset is wanted for messages only; the framer counts from here.
            match self.framer.skip(rest, self.start + (self.bytes.len() - rest.len()) as u64) {
                Ok(Step::Entry(after)) => {
                    self.keys += 1;
                    rest = after;
                }
                Ok(Step::Other(after)) => {
                    self.others += 1;
                    rest = after;
                }
                Ok(Step::End { checksum, rest: after }) => {
                    self.done = true;
                    self.stored = checksum;
                    rest = after;
                }
                Err(mut error) => {
                    self.done = true;
                    if let Some(claim) = self.framer.claim() {
                        claim.blame(self.start + self.bytes.len() as u64, &mut error);
                    }
                    self.fault = Some(error);
                }
            }
        }
        self.rest = rest;
        self.at = self.bytes.len() - rest.len();
        let trailer = if self.done && self.stored.is_some() { 8 } else { 0 };
        self.covered = self.at - trailer;
        let number = self.batches;
        self.batches += 1;
        Some(Job { number, framer, range: from..self.at })
    }
}

/// Reads the records of a batch into a tally.
fn read<T: Tally>(
    job: &Job,
    bytes: &[u8],
    start: u64,
    tally: &mut T,
    room: &mut T::Room,
) -> Result<()> {
    let mut framer = job.framer.clone();
    let mut rest = bytes.get(job.range.clone()).unwrap_or_default();
    let mut at = start + job.range.start as u64;
    while !rest.is_empty() {
        // The commonest record goes by the shortest way.
        if let Some((entry, after)) = framer.plain_string(rest, at) {
            tally.plain_string(&entry, room)?;
            at += (rest.len() - after.len()) as u64;
            rest = after;
            continue;
        }
        let (record, after) = framer.next(rest, at)?;
        match &record {
            Record::Entry(entry) => tally.entry(entry, room)?,
            record => tally.record(record, at, room)?,
        }
        at += (rest.len() - after.len()) as u64;
        rest = after;
        if matches!(record, Record::End { .. }) {
            break;
        }
    }
    Ok(())
}

/// Merges tallies in the order of their batches, in whatever order they come. A failure counts
/// when its turn comes, so the first in the file is the one that is told, after all before it.
struct Merger<'r, T> {
    root: &'r mut T,
    next: usize,
    waiting: BTreeMap<usize, (T, Result<()>)>,
}

impl<T: Tally> Merger<'_, T> {
    fn take(&mut self, number: usize, tally: (T, Result<()>)) -> Result<()> {
        self.waiting.insert(number, tally);
        while let Some((tally, result)) = self.waiting.remove(&self.next) {
            self.root.merge(tally)?;
            result?;
            self.next += 1;
        }
        Ok(())
    }
}
