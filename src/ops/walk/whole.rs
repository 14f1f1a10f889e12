//! The walk over bytes that are all at hand.

use std::collections::BTreeMap;
use std::ops::Range;

use crossbeam_channel as channel;

use super::checksum::{Blocks, Checksum, Position};
use super::{HUGE, Observer, Tally, WalkOptions, Walked};
use crate::bytes::crc64;
use crate::error::{Doing, FormatError, Result, unwrap_bad};
use crate::rdb::{Framer, HEADER_BYTES, Header, Record, Step};

/// A batch ends with the record that reaches this many bytes.
const BATCH_BYTES: usize = 512 << 10;
/// Batches that have not been merged yet, for each thread, at the most.
const AHEAD: usize = 6;
/// Their bytes: a batch of one large record counts as what it is.
const AHEAD_BYTES: usize = 8 << 20;
/// Batches that wait for each of the other threads before the walker reads one itself.
const WAITING: usize = 2;
/// A record of this size is not read by the walker, as long as there are other threads: it would
/// keep it from finding work for them.
const LARGE: u64 = 4 << 20;

/// The part of the bytes that a worker reads, and the framer's state before it.
struct Job {
    number: usize,
    framer: Framer,
    range: Range<usize>,
    /// Whether it is one large record, whose end has been found.
    large: bool,
}

impl Job {
    fn is_huge(&self) -> bool {
        self.large && self.range.len() as u64 >= HUGE
    }
}

/// A batch that has been read.
struct Done<T> {
    /// Where it ends.
    end: usize,
    tally: T,
    result: Result<()>,
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

    let answer = |job: Job, room: &mut T::Room| {
        let (end, mut tally) = (job.range.end, fresh());
        let result = read(job, bytes, start, &mut tally, room);
        Done { end, tally, result }
    };

    let blocks = options.checksum.then(|| Blocks::new(bytes));
    if options.threads <= 1 {
        let mut room = T::Room::default();
        while !walker.done {
            if let Some(blocks) = &blocks {
                blocks.advance(walker.at + BATCH_BYTES);
            }
            if options.tally && walker.large_ahead.is_none() {
                let mut tally = fresh();
                let result = walker.tally(HUGE, &mut tally, &mut room);
                // What stands before a failure is still told.
                root.merge(tally)?;
                result?;
            } else {
                let job = walker.batch();
                if options.tally && !read_huge(&job, bytes, start, root, &mut room)? {
                    let Done { tally, result, .. } = answer(job, &mut room);
                    root.merge(tally)?;
                    result?;
                }
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
        // This thread reads, too.
        let workers = if options.tally { options.threads - 1 } else { 0 };
        let (jobs_tx, jobs_rx) = channel::unbounded::<Job>();
        let (tallies_tx, tallies_rx) = channel::unbounded();
        for _ in 0..workers {
            let (jobs, tallies) = (jobs_rx.clone(), tallies_tx.clone());
            scope.spawn(move || {
                let mut room = T::Room::default();
                for job in jobs {
                    if tallies.send((job.number, answer(job, &mut room))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(tallies_tx);

        let mut merger = Merger { root, next: 0, at: HEADER_BYTES, waiting: BTreeMap::new() };
        let mut room = T::Room::default();
        while !walker.done {
            // Where the other thread has not come yet, this one does its work.
            if let Some(blocks) = &blocks {
                blocks.advance(walker.at + BATCH_BYTES);
            }
            if options.tally {
                // No more than that may be unmerged: memory stays bounded.
                while merger.is_behind(&walker, options.threads)
                    && merger.one_more(&jobs_rx, &tallies_rx, |job| answer(job, &mut room))?
                {
                }
                for (number, done) in tallies_rx.try_iter() {
                    merger.take(number, done)?;
                }
            }
            if options.tally && walker.large_ahead.is_none() && jobs_tx.len() >= workers * WAITING {
                // The others have enough to do. To read what has not been walked takes no longer
                // than to walk it first and read it then.
                let number = walker.batches;
                let mut tally = fresh();
                let result = walker.tally(LARGE, &mut tally, &mut room);
                merger.take(number, Done { end: walker.at, tally, result })?;
            } else {
                let job = walker.batch();
                if options.tally && job.is_huge() {
                    while merger.next < job.number
                        && merger.one_more(&jobs_rx, &tallies_rx, |job| answer(job, &mut room))?
                    {
                    }
                    if read_huge(&job, bytes, start, merger.root, &mut room)? {
                        merger.pass(walker.at);
                        continue;
                    }
                }
                if options.tally && jobs_tx.send(job).is_err() {
                    break;
                }
            }
            position.reach(walker.at);
            observer.progress(start + walker.at as u64);
        }
        position.finish(walker.covered);
        drop(jobs_tx);
        while let Ok(job) = jobs_rx.try_recv() {
            merger.take(job.number, answer(job, &mut room))?;
        }
        for (number, done) in &tallies_rx {
            merger.take(number, done)?;
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
    /// How many bytes stand behind the large record that comes next, if it is known to be one.
    large_ahead: Option<usize>,
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
            large_ahead: None,
        }
    }

    /// Steps over the next batch, for another thread to read it; a fault or the end marker makes
    /// it the last.
    fn batch(&mut self) -> Job {
        let (from, framer) = (self.at, self.framer.clone());
        let mut rest = self.rest;
        while !self.done && self.large_ahead.is_none() && rest.len() + BATCH_BYTES > self.rest.len()
        {
            let is_alone = !self.framer.carries();
            // The absolute offset is wanted for messages only; the framer counts from here.
            match self.framer.skip(rest, self.start + (self.bytes.len() - rest.len()) as u64) {
                Ok(Step::Entry(after)) => {
                    // It becomes a batch of its own, so that nobody has to look for its end again.
                    if is_alone && (rest.len() - after.len()) as u64 >= LARGE {
                        self.large_ahead = Some(after.len());
                        break;
                    }
                    self.keys += 1;
                    rest = after;
                }
                Ok(Step::Other(after)) => {
                    self.others += 1;
                    rest = after;
                }
                Ok(Step::End { checksum, rest: after }) => {
                    self.end(checksum);
                    rest = after;
                }
                Err(error) => self.fail(error),
            }
        }
        let mut large = false;
        if rest.len() == self.rest.len()
            && let Some(behind) = self.large_ahead.take()
        {
            self.keys += 1;
            rest = rest.get(rest.len() - behind..).unwrap_or_default();
            large = true;
        }
        let number = self.reach(rest);
        Job { number, framer, range: from..self.at, large }
    }

    /// Reads the next batch into a tally, in the same walk. Stops in front of a record of `large`
    /// bytes, and when the tally fails.
    fn tally<T: Tally>(&mut self, large: u64, tally: &mut T, room: &mut T::Room) -> Result<()> {
        let mut rest = self.rest;
        let mut result = Ok(());
        while !self.done && rest.len() + BATCH_BYTES > self.rest.len() && result.is_ok() {
            let at = self.start + (self.bytes.len() - rest.len()) as u64;
            // The commonest record goes by the shortest way.
            if let Some((entry, after)) = self.framer.plain_string(rest, at) {
                result = tally.plain_string(&entry, room);
                self.keys += 1;
                rest = after;
                continue;
            }
            let is_alone = !self.framer.carries();
            let (record, after) = match self.framer.next(rest, at) {
                Ok(found) => found,
                Err(error) => {
                    self.fail(error);
                    break;
                }
            };
            match &record {
                Record::Entry(entry) => {
                    if is_alone && entry.size_bytes() >= large {
                        // The framer is as it was.
                        self.large_ahead = Some(after.len());
                        break;
                    }
                    result = tally.entry(entry, room);
                    self.keys += 1;
                }
                record => {
                    result = tally.record(record, at, room);
                    match record {
                        Record::End { checksum } => self.end(*checksum),
                        _ => self.others += 1,
                    }
                }
            }
            rest = after;
        }
        self.reach(rest);
        result
    }

    fn end(&mut self, checksum: Option<u64>) {
        self.done = true;
        self.stored = checksum;
    }

    #[cold]
    fn fail(&mut self, mut error: Box<FormatError>) {
        self.done = true;
        if let Some(claim) = self.framer.claim() {
            claim.blame(self.start + self.bytes.len() as u64, &mut error);
        }
        self.fault = Some(error);
    }

    /// Ends a batch in front of `rest`; its number.
    fn reach(&mut self, rest: &'a [u8]) -> usize {
        self.rest = rest;
        self.at = self.bytes.len() - rest.len();
        let trailer = if self.done && self.stored.is_some() { 8 } else { 0 };
        self.covered = self.at - trailer;
        self.batches += 1;
        self.batches - 1
    }
}

/// Reads the records of a batch into a tally.
fn read<T: Tally>(
    job: Job,
    bytes: &[u8],
    start: u64,
    tally: &mut T,
    room: &mut T::Room,
) -> Result<()> {
    let bytes = bytes.get(..job.range.end).unwrap_or_default();
    let rest = bytes.get(job.range.start..).unwrap_or_default();
    let header = job.framer.header();
    if job.large {
        let (mut framer, at) = (job.framer, start + job.range.start as u64);
        return match framer.only(rest, at)? {
            (Record::Entry(entry), _) => tally.entry(&entry, room),
            (record, _) => tally.record(&record, at, room),
        };
    }
    let mut walker = Walker { framer: job.framer, rest, ..Walker::new(bytes, start, header) };
    walker.tally(u64::MAX, tally, room)
}

/// Whether the root takes in a record because it is huge. All before it has been merged.
fn read_huge<T: Tally>(
    job: &Job,
    bytes: &[u8],
    start: u64,
    root: &mut T,
    room: &mut T::Room,
) -> Result<bool> {
    let record = bytes.get(job.range.clone()).filter(|_| job.is_huge());
    let at = start + job.range.start as u64;
    match record.map(|record| job.framer.clone().only(record, at)) {
        Some(Ok((Record::Entry(entry), _))) => root.huge(&entry, room),
        // A failure is met where it is read.
        _ => Ok(false),
    }
}

/// Merges tallies in the order of their batches, in whatever order they come. A failure counts
/// when its turn comes, so the first in the file is the one that is told, after all before it.
struct Merger<'r, T> {
    root: &'r mut T,
    next: usize,
    /// Where the next one begins.
    at: usize,
    waiting: BTreeMap<usize, Done<T>>,
}

impl<T: Tally> Merger<'_, T> {
    /// Whether more is unmerged than may be.
    fn is_behind(&self, walker: &Walker<'_>, threads: usize) -> bool {
        walker.batches - self.next >= threads * AHEAD
            || walker.at - self.at >= threads * AHEAD_BYTES
    }

    fn take(&mut self, number: usize, done: Done<T>) -> Result<()> {
        self.waiting.insert(number, done);
        while let Some(Done { end, tally, result }) = self.waiting.remove(&self.next) {
            self.root.merge(tally)?;
            result?;
            self.pass(end);
        }
        Ok(())
    }

    /// The next one is done, which ends there.
    fn pass(&mut self, end: usize) {
        self.next += 1;
        self.at = end;
    }

    /// Takes one more batch, read here if nobody has begun with it; whether there is one.
    fn one_more(
        &mut self,
        jobs: &channel::Receiver<Job>,
        tallies: &channel::Receiver<(usize, Done<T>)>,
        read: impl FnOnce(Job) -> Done<T>,
    ) -> Result<bool> {
        let (number, done) = match jobs.try_recv() {
            Ok(job) => (job.number, read(job)),
            Err(_) => match tallies.recv() {
                Ok(done) => done,
                Err(_) => return Ok(false),
            },
        };
        self.take(number, done)?;
        Ok(true)
    }
}
