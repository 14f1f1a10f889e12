//! Which keys are in more than one source: hashes and places, partition by partition.
//!
//! A record is the hash of database and key (128 bits, keyed by chance, so that nobody can make
//! two keys meet), the source and the offset of the key in it. What exceeds the memory limit goes to
//! an unlinked temporary file; in the end each partition is sorted on its own.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};

use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::error::{Error, Result};
use crate::source::{temporary_failed, temporary_file};

const PARTITIONS: usize = 256;
/// Records of all partitions that are kept in memory: 96 MiB.
const IN_MEMORY: usize = 4 << 20;
/// Sources are numbered in so many bits of a record, and offsets have the rest.
const SOURCE_BITS: u32 = 12;

/// The hash of a key.
pub(super) fn hash(db: u64, key: &[u8], room: &mut Vec<u8>) -> u128 {
    room.clear();
    room.extend_from_slice(&db.to_le_bytes());
    room.extend_from_slice(key);
    xxh3_128_with_seed(room, seed())
}

/// Another one in each run.
fn seed() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    use std::sync::LazyLock;
    static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one("keys"));
    *SEED
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Record {
    hash: u128,
    /// Source and offset.
    place: u64,
}

impl Record {
    const BYTES: usize = 24;

    fn source(self) -> usize {
        (self.place >> (64 - SOURCE_BITS)) as usize
    }

    fn offset(self) -> u64 {
        self.place << SOURCE_BITS >> SOURCE_BITS
    }

    fn to_bytes(self) -> [u8; Record::BYTES] {
        let mut bytes = [0; Record::BYTES];
        let (hash, place) = bytes.split_at_mut(16);
        hash.copy_from_slice(&self.hash.to_le_bytes());
        place.copy_from_slice(&self.place.to_le_bytes());
        bytes
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let (hash, place) = bytes.split_at_checked(16)?;
        let hash = u128::from_le_bytes(hash.try_into().ok()?);
        Some(Record { hash, place: u64::from_le_bytes(place.try_into().ok()?) })
    }
}

/// The keys of all sources.
#[derive(Debug)]
pub(super) struct Index {
    partitions: Vec<Partition>,
    in_memory: usize,
    limit: usize,
    spill: Option<File>,
    spilled: u64,
}

#[derive(Debug, Default)]
struct Partition {
    open: Vec<Record>,
    /// Where in the file more of it lies: offset and number of records.
    away: Vec<(u64, usize)>,
}

impl Default for Index {
    fn default() -> Self {
        Index::with_limit(IN_MEMORY)
    }
}

/// A key that is not the same in all its sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clash {
    /// A source that has it and is not the winner.
    pub(super) source: usize,
    /// Where it lies in that.
    pub(super) offset: u64,
}

/// What does not stay.
#[derive(Debug, Default)]
pub(super) struct Losers {
    /// By source: the offsets of keys that lose, ascending.
    pub(super) of: Vec<Vec<u64>>,
    /// By source: the offsets of keys that are in other sources too, ascending.
    pub(super) contested: Vec<Vec<u64>>,
    /// Keys that are in more than one source.
    pub(super) conflicts: u64,
}

impl Index {
    fn with_limit(limit: usize) -> Self {
        let partitions = (0..PARTITIONS).map(|_| Partition::default()).collect();
        Index { partitions, in_memory: 0, limit, spill: None, spilled: 0 }
    }

    /// Adds keys of a source.
    pub(super) fn add(&mut self, source: usize, keys: &[(u128, u64)]) -> Result<()> {
        let place = |offset: u64| (source as u64) << (64 - SOURCE_BITS) | offset;
        for &(hash, offset) in keys {
            if source >> SOURCE_BITS != 0 || offset >> (64 - SOURCE_BITS) != 0 {
                return Err(Error::Usage("so many or so large sources are not merged".to_owned()));
            }
            let partition = (hash >> 120) as usize;
            if let Some(partition) = self.partitions.get_mut(partition) {
                partition.open.push(Record { hash, place: place(offset) });
            }
        }
        self.in_memory += keys.len();
        if self.in_memory >= self.limit { self.put_away() } else { Ok(()) }
    }

    /// Moves all records to the file.
    fn put_away(&mut self) -> Result<()> {
        let failed = temporary_failed;
        let file = match &mut self.spill {
            Some(file) => file,
            none => none.insert(temporary_file().map_err(failed)?),
        };
        let mut bytes = Vec::new();
        for partition in &mut self.partitions {
            bytes.clear();
            bytes.extend(partition.open.iter().flat_map(|record| record.to_bytes()));
            file.write_all(&bytes).map_err(failed)?;
            partition.away.push((self.spilled, partition.open.len()));
            self.spilled += bytes.len() as u64;
            partition.open = Vec::new();
        }
        self.in_memory = 0;
        Ok(())
    }

    /// Hands over the records that are the same by some measure, where there is more than one.
    fn groups(mut self, same: fn(&Record) -> u128, mut each: impl FnMut(&[Record])) -> Result<()> {
        for partition in std::mem::take(&mut self.partitions) {
            let mut records = partition.open;
            for (offset, count) in partition.away {
                self.read(offset, count, &mut records)?;
            }
            records.sort_unstable();
            let groups = records.chunk_by(|a, b| same(a) == same(b));
            groups.filter(|group| group.len() > 1).for_each(&mut each);
        }
        Ok(())
    }

    /// Who loses where ranks decide: of a key that several have, the highest stays.
    pub(super) fn losers(self, ranks: &[usize], contested: bool) -> Result<Losers> {
        let none = || vec![Vec::new(); ranks.len()];
        let mut losers = Losers { of: none(), contested: none(), conflicts: 0 };
        let rank = |record: &Record| ranks.get(record.source()).copied().unwrap_or_default();
        self.groups(
            |record| record.hash,
            |same| {
                // A source that has a key twice is broken, and is not repaired by the way.
                let Some(winner) = same.iter().max_by_key(|record| rank(record)) else { return };
                if same.iter().all(|record| record.source() == winner.source()) {
                    return;
                }
                losers.conflicts += 1;
                for record in same {
                    if contested && let Some(offsets) = losers.contested.get_mut(record.source()) {
                        offsets.push(record.offset());
                    }
                    if record.source() != winner.source()
                        && let Some(offsets) = losers.of.get_mut(record.source())
                    {
                        offsets.push(record.offset());
                    }
                }
            },
        )?;
        for offsets in losers.of.iter_mut().chain(&mut losers.contested) {
            offsets.sort_unstable();
        }
        Ok(losers)
    }

    /// A hash that tells keys apart by its first half, and values by its second.
    pub(super) fn with_value(key: u128, value: u128) -> u128 {
        key >> 64 << 64 | value >> 64
    }

    /// Of keys that came [with their values](Self::with_value), how many are not the same in all
    /// their sources; `list` of them are named.
    pub(super) fn differing(self, ranks: &[usize], list: usize) -> Result<(u64, Vec<Clash>)> {
        let (mut count, mut clashes) = (0, Vec::new());
        let rank = |record: &Record| ranks.get(record.source()).copied().unwrap_or_default();
        self.groups(
            |record| record.hash >> 64,
            |same| {
                let Some(winner) = same.iter().max_by_key(|record| rank(record)) else { return };
                let differs = |other: &&Record| {
                    other.source() != winner.source() && other.hash != winner.hash
                };
                let Some(other) = same.iter().find(differs) else { return };
                count += 1;
                if clashes.len() < list {
                    clashes.push(Clash { source: other.source(), offset: other.offset() });
                }
            },
        )?;
        Ok((count, clashes))
    }

    fn read(&mut self, offset: u64, count: usize, records: &mut Vec<Record>) -> Result<()> {
        let failed = temporary_failed;
        let Some(file) = &mut self.spill else { return Ok(()) };
        file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        let mut bytes = vec![0; count * Record::BYTES];
        file.read_exact(&mut bytes).map_err(failed)?;
        records.extend(bytes.chunks_exact(Record::BYTES).filter_map(Record::of_bytes));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(limit: usize, ranks: &[usize]) -> Losers {
        let mut index = Index::with_limit(limit);
        let mut room = Vec::new();
        for source in 0..ranks.len() {
            // Every source has the keys from its number on.
            let keys: Vec<_> = (source as u64..1000)
                .map(|n| (hash(0, &n.to_le_bytes(), &mut room), 10 + n))
                .collect();
            for some in keys.chunks(7) {
                index.add(source, some).unwrap();
            }
        }
        index.losers(ranks, true).unwrap()
    }

    #[test]
    fn the_highest_rank_wins() {
        for limit in [50, 100_000] {
            let first = lost(limit, &[2, 1, 0]);
            assert_eq!(first.conflicts, 999);
            let all: Vec<_> = first.contested.iter().map(Vec::len).collect();
            assert_eq!(all, [999, 999, 998]);
            let lens: Vec<_> = first.of.iter().map(Vec::len).collect();
            assert_eq!(lens, [0, 999, 998]);
            let last = lost(limit, &[0, 1, 2]);
            let lens: Vec<_> = last.of.iter().map(Vec::len).collect();
            // Key 1 is in the first two only.
            assert_eq!(lens, [999, 998, 0]);
            assert!(last.of[0].is_sorted() && last.of[0][0] == 11);
        }
    }

    #[test]
    fn values_that_differ_are_found() {
        for limit in [50, 100_000] {
            let mut index = Index::with_limit(limit);
            let mut room = Vec::new();
            for source in 0..3_u64 {
                let record = |n: u64| {
                    let key = hash(0, &n.to_le_bytes(), &mut room);
                    // Every tenth is another one in the last source.
                    let value = if source == 2 && n.is_multiple_of(10) { n + 1 } else { n };
                    let value = hash(0, &value.to_le_bytes(), &mut room);
                    (Index::with_value(key, value), 10 + n)
                };
                let keys: Vec<_> = (0..1000).map(record).collect();
                index.add(source as usize, &keys).unwrap();
            }
            let (count, clashes) = index.differing(&[2, 1, 0], 7).unwrap();
            assert_eq!((count, clashes.len()), (100, 7));
            let odd = |clash: &Clash| clash.source == 2 && clash.offset.is_multiple_of(10);
            assert!(clashes.iter().all(odd), "{clashes:?}");
        }
    }

    #[test]
    fn databases_are_apart() {
        let mut room = Vec::new();
        assert_ne!(hash(0, b"k", &mut room), hash(1, b"k", &mut room));
        assert_eq!(hash(1, b"k", &mut room), hash(1, b"k", &mut room));
    }
}
