//! Keys that stand twice in one database: a server panics while loading, its check tool is silent.
//!
//! Of each key only its hash and a position are kept ([`Distinct`]). With the whole file at hand
//! the position is the entry's offset, and the key is read again where two hashes meet; through a
//! pipe keys go into a temporary file of their own, and the position is their place in it.

use std::borrow::Cow;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};

use crate::bytes::distinct::Distinct;
use crate::bytes::hash::hash_in;
use crate::rdb::{Entry, Framer, Header};
use crate::source::default_directory;

/// Keys in a pipe's log are kept in memory up to here.
const LOG_IN_MEMORY: usize = 8 << 20;
/// And are written in steps of this.
const WRITTEN_BYTES: usize = 64 << 10;

/// A key that has been seen: enough to find it again.
#[derive(Debug, Clone, Copy)]
pub(in crate::ops) struct Seen {
    hash: u64,
    offset: u64,
}

impl Seen {
    /// Notes an entry whose key is `key`.
    #[inline(always)]
    pub(in crate::ops) fn of(entry: &Entry<'_>, key: &[u8]) -> Seen {
        Seen { hash: hash_in(entry.db, key), offset: entry.offset }
    }

    pub(in crate::ops) fn offset(&self) -> u64 {
        self.offset
    }
}

/// A key that stands there again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ops) struct Repeat {
    pub(in crate::ops) db: u64,
    pub(in crate::ops) key: Vec<u8>,
    pub(in crate::ops) first: u64,
    pub(in crate::ops) again: u64,
}

/// All keys of a snapshot, as far as they have been noted.
pub(in crate::ops) struct Keys {
    distinct: Distinct,
    /// From which offset on which database is selected.
    databases: Vec<(u64, u64)>,
    log: Option<KeyLog>,
}

impl Keys {
    /// `logged`: the file cannot be read again, so keys must be kept.
    pub(in crate::ops) fn new(logged: bool) -> Self {
        let log = logged.then(KeyLog::new);
        Keys { distinct: Distinct::new(), databases: vec![(0, 0)], log }
    }

    /// Says that the keys from this offset on are in `db`.
    pub(in crate::ops) fn select(&mut self, offset: u64, db: u64) {
        if self.databases.last().is_none_or(|&(_, last)| last != db) {
            self.databases.push((offset, db));
        }
    }

    /// Notes a key. `key` is looked at only where the file cannot be read again.
    #[inline]
    pub(in crate::ops) fn note(&mut self, seen: &Seen, key: &[u8]) -> io::Result<()> {
        let position = match &mut self.log {
            None => seen.offset,
            Some(log) => {
                log.append(seen.offset, self.databases.last().map_or(0, |&(_, db)| db), key)?
            }
        };
        self.distinct.insert(seen.hash, position)
    }

    /// Notes keys of a file that can be read again.
    pub(super) fn note_all(&mut self, seen: &[Seen]) -> io::Result<()> {
        seen.iter().try_for_each(|seen| self.distinct.insert(seen.hash, seen.offset))
    }

    /// Looks for repetitions among all that was noted. `bytes` is the whole file, if it is at hand.
    pub(in crate::ops) fn repeats(
        mut self,
        threads: usize,
        header: Header,
        bytes: &[u8],
        mut report: impl FnMut(Repeat),
    ) -> io::Result<()> {
        let (databases, log) = (self.databases, &mut self.log);
        let mut failure = None;
        let mut look = |position: u64| -> Option<(u64, u64, Vec<u8>)> {
            match log {
                Some(log) => log.read(position).map_err(|error| failure = Some(error)).ok(),
                None => {
                    let at = databases.partition_point(|&(from, _)| from <= position);
                    let (_, db) = databases.get(at.checked_sub(1)?)?;
                    let key = key_at(header, bytes, position)?;
                    Some((position, *db, key))
                }
            }
        };
        let mut pairs = Vec::new();
        self.distinct.repeats(
            threads,
            |first, again| match (look(first), look(again)) {
                (Some(first), Some(again)) => (first.1, first.2) == (again.1, again.2),
                _ => false,
            },
            |first, again| pairs.push((first, again)),
        )?;
        // Where not all are listed, those are that come first.
        pairs.sort_unstable_by_key(|&(_, again)| again);
        for (first, again) in pairs {
            if let (Some((first, ..)), Some((again, db, key))) = (look(first), look(again)) {
                report(Repeat { db, key, first, again });
            }
        }
        failure.map_or(Ok(()), Err)
    }
}

/// The key of the entry that begins at `at`.
fn key_at(header: Header, bytes: &[u8], at: u64) -> Option<Vec<u8>> {
    let from = bytes.get(usize::try_from(at).ok()?..)?;
    Framer::new(header).key_at(from)?.to_cow().ok().map(Cow::into_owned)
}

/// Keys on their way through a pipe: database, offset, length and bytes, one behind the other.
struct KeyLog {
    /// A key is a few bytes, and nobody reads before all are there.
    file: BufWriter<tempfile::SpooledTempFile>,
    end: u64,
}

impl KeyLog {
    fn new() -> Self {
        let file = tempfile::SpooledTempFile::new_in(LOG_IN_MEMORY, default_directory());
        KeyLog { file: BufWriter::with_capacity(WRITTEN_BYTES, file), end: 0 }
    }

    fn append(&mut self, offset: u64, db: u64, key: &[u8]) -> io::Result<u64> {
        let position = self.end;
        let mut head = [0; 24];
        let numbers = [db, offset, key.len() as u64];
        for (slot, number) in head.chunks_exact_mut(8).zip(numbers) {
            slot.copy_from_slice(&number.to_le_bytes());
        }
        self.file.write_all(&head)?;
        self.file.write_all(key)?;
        self.end += 24 + key.len() as u64;
        Ok(position)
    }

    /// Offset, database and key.
    fn read(&mut self, position: u64) -> io::Result<(u64, u64, Vec<u8>)> {
        self.file.seek(SeekFrom::Start(position))?;
        let file = self.file.get_mut();
        let mut number = || -> io::Result<u64> {
            let mut bytes = [0; 8];
            file.read_exact(&mut bytes)?;
            Ok(u64::from_le_bytes(bytes))
        };
        let (db, offset, len) = (number()?, number()?, number()?);
        let mut key = Vec::new();
        Read::by_ref(file).take(len).read_to_end(&mut key)?;
        Ok((offset, db, key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More than is kept in memory, and than is written at once.
    #[test]
    fn keys_of_a_pipe_are_found_again() {
        let mut keys = Keys::new(true);
        let mut note = |offset: u64, key: &[u8]| {
            keys.note(&Seen { hash: hash_in(0, key), offset }, key).unwrap();
        };
        let key = |n: u64| format!("{n:0100}").into_bytes();
        let count = LOG_IN_MEMORY as u64 / 100;
        (0..count).for_each(|n| note(n, &key(n)));
        note(count, &key(7));
        note(count + 1, &key(count - 1));
        let mut found = Vec::new();
        keys.repeats(1, Header::of_dump(11), b"", |repeat| found.push(repeat)).unwrap();
        let repeat = |n: u64, again| Repeat { db: 0, key: key(n), first: n, again };
        assert_eq!(found, [repeat(7, count), repeat(count - 1, count + 1)]);
    }
}
