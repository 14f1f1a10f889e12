//! Records in the order of their keys, however many there are.
//!
//! ```text
//! push ─► room in memory ─ full? ─► sorted run ─┐
//!                                   sorted run ─┤ one temporary file without a name
//! finish ──── what is left, sorted ─────────────┴─► merged, one record at a time
//! ```
//!
//! Records with equal keys come in the order in which they were pushed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};

use crate::error::{Error, Result};
use crate::source::{temporary_failed, temporary_file};

/// Before each record: the length of its key and that of the rest.
const HEAD: usize = 16;
/// How much of a run is read at a time, at most.
const MOST_BUFFER: usize = 256 << 10;
/// And at least, however many runs there are.
const LEAST_BUFFER: usize = 16 << 10;

/// Takes records in any order.
pub(super) struct Sorter {
    budget: usize,
    room: Room,
    file: Option<File>,
    /// Where each run ends in the file.
    ends: Vec<u64>,
}

/// Records in memory.
#[derive(Default)]
struct Room {
    bytes: Vec<u8>,
    /// Where each record begins.
    starts: Vec<usize>,
}

/// A record that was taken out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// What it is sorted by.
    pub(super) key: Vec<u8>,
    /// What belongs to it.
    pub(super) rest: Vec<u8>,
}

impl Sorter {
    /// A sorter that keeps about so many bytes in memory.
    pub(super) fn new(budget: usize) -> Self {
        Sorter { budget, room: Room::default(), file: None, ends: Vec::new() }
    }

    /// Takes in a record.
    pub(super) fn push(&mut self, key: &[u8], rest: &[u8]) -> Result<()> {
        let room = &mut self.room;
        room.starts.push(room.bytes.len());
        for len in [key.len(), rest.len()] {
            room.bytes.extend_from_slice(&(len as u64).to_le_bytes());
        }
        room.bytes.extend_from_slice(key);
        room.bytes.extend_from_slice(rest);
        let taken = room.bytes.len() + room.starts.len() * size_of::<usize>();
        if taken > self.budget { self.spill().map_err(wrong) } else { Ok(()) }
    }

    fn spill(&mut self) -> io::Result<()> {
        self.room.sort();
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(temporary_file()?),
        };
        let mut end = self.ends.last().copied().unwrap_or_default();
        let mut out = BufWriter::with_capacity(MOST_BUFFER, &mut *file);
        for &start in &self.room.starts {
            let record = self.room.record(start);
            out.write_all(record)?;
            end += record.len() as u64;
        }
        out.flush()?;
        drop(out);
        self.ends.push(end);
        self.room.bytes.clear();
        self.room.starts.clear();
        Ok(())
    }

    /// All records that were taken in, in order.
    pub(super) fn finish(mut self) -> Result<Sorted> {
        self.room.sort();
        let buffer = (self.budget / (self.ends.len() + 1)).clamp(LEAST_BUFFER, MOST_BUFFER);
        let mut at = 0;
        let mut runs = Vec::new();
        for end in self.ends {
            runs.push(Run { at, end, buffer: Vec::new(), used: 0, most: buffer });
            at = end;
        }
        let mut sorted =
            Sorted { room: self.room, next: 0, file: self.file, runs, heap: BinaryHeap::new() };
        // What is in memory came last.
        for run in 0..=sorted.runs.len() {
            sorted.refill(run).map_err(wrong)?;
        }
        Ok(sorted)
    }
}

impl Room {
    fn sort(&mut self) {
        let mut starts = std::mem::take(&mut self.starts);
        starts.sort_by(|&a, &b| self.key(a).cmp(self.key(b)));
        self.starts = starts;
    }

    fn key(&self, start: usize) -> &[u8] {
        let (key, _) = lengths(self.bytes.get(start..).unwrap_or_default());
        self.bytes.get(start + HEAD..start + HEAD + key).unwrap_or_default()
    }

    fn record(&self, start: usize) -> &[u8] {
        let (key, rest) = lengths(self.bytes.get(start..).unwrap_or_default());
        self.bytes.get(start..start + HEAD + key + rest).unwrap_or_default()
    }
}

/// The two lengths that a record begins with. They are our own.
fn lengths(record: &[u8]) -> (usize, usize) {
    let number = |at: usize| {
        let bytes = record.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u64::from_le_bytes) as usize
    };
    (number(0), number(8))
}

/// The key of a record, the run that it is from, and the rest of it.
type Waiting = Reverse<(Vec<u8>, usize, Vec<u8>)>;

/// Hands records out in order.
pub(super) struct Sorted {
    room: Room,
    next: usize,
    file: Option<File>,
    runs: Vec<Run>,
    heap: BinaryHeap<Waiting>,
}

/// A part of the file, and where in it the reading is.
struct Run {
    at: u64,
    end: u64,
    buffer: Vec<u8>,
    used: usize,
    most: usize,
}

impl Sorted {
    /// The next record.
    pub(super) fn next(&mut self) -> Result<Option<Taken>> {
        let Some(Reverse((key, run, rest))) = self.heap.pop() else { return Ok(None) };
        self.refill(run).map_err(wrong)?;
        Ok(Some(Taken { key, rest }))
    }

    /// The next record, if it has this key.
    pub(super) fn next_if(&mut self, key: &[u8]) -> Result<Option<Taken>> {
        match self.heap.peek() {
            Some(Reverse((next, ..))) if next == key => self.next(),
            _ => Ok(None),
        }
    }

    /// Puts the next record of a run on the heap; the run behind the last is what is in memory.
    fn refill(&mut self, index: usize) -> io::Result<()> {
        let taken = match (self.runs.get_mut(index), &mut self.file) {
            (Some(run), Some(file)) => run.next(file)?,
            _ => {
                let start = self.room.starts.get(self.next).copied();
                self.next += 1;
                start.map(|start| split(self.room.record(start)))
            }
        };
        if let Some(Taken { key, rest }) = taken {
            self.heap.push(Reverse((key, index, rest)));
        }
        Ok(())
    }
}

impl Run {
    fn next(&mut self, file: &mut File) -> io::Result<Option<Taken>> {
        if !self.have(HEAD, file)? {
            return Ok(None);
        }
        let (key, rest) = lengths(self.left());
        let whole = HEAD + key + rest;
        self.have(whole, file)?;
        let taken = split(self.left().get(..whole).unwrap_or_default());
        self.used += whole;
        Ok(Some(taken))
    }

    fn left(&self) -> &[u8] {
        self.buffer.get(self.used..).unwrap_or_default()
    }

    /// Whether so many bytes are left, which are then in the buffer.
    fn have(&mut self, want: usize, file: &mut File) -> io::Result<bool> {
        if self.left().len() >= want {
            return Ok(true);
        }
        self.buffer.drain(..self.used);
        self.used = 0;
        let more = (want.max(self.most) - self.buffer.len()) as u64;
        let more = more.min(self.end - self.at);
        file.seek(SeekFrom::Start(self.at))?;
        file.take(more).read_to_end(&mut self.buffer)?;
        self.at += more;
        Ok(self.buffer.len() >= want)
    }
}

fn split(record: &[u8]) -> Taken {
    let (key, _) = lengths(record);
    let content = record.get(HEAD..).unwrap_or_default();
    let (key, rest) = content.split_at_checked(key).unwrap_or_default();
    Taken { key: key.to_vec(), rest: rest.to_vec() }
}

fn wrong(cause: io::Error) -> Error {
    temporary_failed(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(budget: usize, records: &[(Vec<u8>, Vec<u8>)]) {
        let mut sorter = Sorter::new(budget);
        for (key, rest) in records {
            sorter.push(key, rest).unwrap();
        }
        let mut sorted = sorter.finish().unwrap();
        let mut got = Vec::new();
        while let Some(Taken { key, rest }) = sorted.next().unwrap() {
            got.push((key, rest));
        }
        let mut want = records.to_vec();
        want.sort_by(|(a, _), (b, _)| a.cmp(b));
        assert_eq!(got, want);
    }

    #[test]
    fn the_order_does_not_depend_on_the_room() {
        // Keys that repeat, keys of all lengths, one that is longer than every buffer.
        let mut state = 1_u64;
        let mut records: Vec<_> = (0_u32..3000)
            .map(|n| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let key = (state >> 54).to_string().repeat((state >> 40) as usize % 5);
                (key.into_bytes(), n.to_le_bytes().to_vec())
            })
            .collect();
        records.push((vec![b'5'; 300 << 10], Vec::new()));
        for budget in [0, 100, 10_000, 1 << 20, usize::MAX] {
            check(budget, &records);
        }
        check(100, &[]);
    }
}
