//! Finds what stands twice among many things, in bounded memory.
//!
//! Of each thing only 34 bits of its hash and its position (40 bits) are kept: 8 bytes, in one of
//! 1024 partitions that the first hash bits choose. What exceeds the memory limit goes to an
//! unlinked temporary file. At the end each partition is looked through on its own; things whose
//! hash bits agree are candidates, and the caller, who can look at the things themselves, decides.
//!
//! ```text
//! item        24 hash bits | 40 bits of position; the partition is 10 hash bits more
//! partition   full chunks in memory, then those in the file, then the open one
//! ```

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const PARTITION_BITS: u32 = 10;
const PARTITIONS: usize = 1 << PARTITION_BITS;
const POSITION_BITS: u32 = 40;
const POSITION_MASK: u64 = (1 << POSITION_BITS) - 1;
/// Items in a chunk: 4 KiB.
const CHUNK: usize = 512;
/// Full chunks kept in memory: 10 MiB, well over a million things. Open ones add up to 4 MiB.
const CHUNKS_IN_MEMORY: usize = 2560;

/// See the module.
#[derive(Debug)]
pub struct Distinct {
    /// The chunk of each partition that is being filled.
    open: Vec<Vec<u64>>,
    /// What each partition has put away.
    away: Vec<Away>,
    chunks_in_memory: usize,
    limit: usize,
    spill: Option<Spill>,
}

#[derive(Debug, Default, Clone)]
struct Away {
    /// Full chunks in memory.
    full: Vec<Vec<u64>>,
    /// Numbers of the full chunks in the spill file.
    spilled: Vec<u32>,
}

#[derive(Debug)]
struct Spill {
    file: File,
    chunks: u32,
}

impl Default for Distinct {
    fn default() -> Self {
        Self::new()
    }
}

impl Distinct {
    /// Nothing noted yet.
    pub fn new() -> Self {
        Self::with_limit(CHUNKS_IN_MEMORY)
    }

    fn with_limit(limit: usize) -> Self {
        let (open, away) = (vec![Vec::new(); PARTITIONS], vec![Away::default(); PARTITIONS]);
        Distinct { open, away, chunks_in_memory: 0, limit, spill: None }
    }

    /// Notes that a thing with this hash (of which the first 34 bits count) lies at `position`
    /// (below 2^40).
    #[inline]
    pub fn insert(&mut self, hash: u64, position: u64) -> io::Result<()> {
        let index = (hash >> (64 - PARTITION_BITS)) as usize;
        let item =
            hash << PARTITION_BITS >> POSITION_BITS << POSITION_BITS | position & POSITION_MASK;
        let Some(open) = self.open.get_mut(index) else { return Ok(()) };
        if open.len() == CHUNK {
            return self.put_away(index, item);
        }
        open.push(item);
        Ok(())
    }

    /// Puts a full chunk away, into memory or beyond the limit into the spill file, and begins
    /// another one with `item`.
    #[cold]
    fn put_away(&mut self, index: usize, item: u64) -> io::Result<()> {
        let (Some(open), Some(away)) = (self.open.get_mut(index), self.away.get_mut(index)) else {
            return Ok(());
        };
        if self.chunks_in_memory < self.limit {
            away.full.push(std::mem::replace(open, Vec::with_capacity(CHUNK)));
            self.chunks_in_memory += 1;
        } else {
            let spill = match &mut self.spill {
                Some(spill) => spill,
                none => none.insert(Spill { file: tempfile::tempfile()?, chunks: 0 }),
            };
            away.spilled.push(spill.write(open)?);
            open.clear();
        }
        open.push(item);
        Ok(())
    }

    /// Looks for repetitions: `same(first, again)` says whether two candidates really are equal,
    /// `report(first, again)` hears of each thing that stands there again. Forgets everything.
    /// The search for candidates is shared by `threads`.
    pub fn repeats(
        &mut self,
        threads: usize,
        mut same: impl FnMut(u64, u64) -> bool,
        mut report: impl FnMut(u64, u64),
    ) -> io::Result<()> {
        let spill = self.spill.take();
        let share = PARTITIONS.div_ceil(threads.max(1));
        let shares = self.open.chunks_mut(share).zip(self.away.chunks_mut(share));
        let found: Vec<io::Result<Vec<u64>>> = if share == PARTITIONS {
            shares.map(|(open, away)| candidates(open, away, spill.as_ref())).collect()
        } else {
            std::thread::scope(|scope| {
                let spill = spill.as_ref();
                let running: Vec<_> = shares
                    .map(|(open, away)| scope.spawn(move || candidates(open, away, spill)))
                    .collect();
                let lost = || Err(io::Error::other("a thread came to an end"));
                running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| lost())).collect()
            })
        };
        self.chunks_in_memory = 0;
        for found in found {
            decide(&found?, &mut same, &mut report);
        }
        Ok(())
    }
}

/// The same for things that are few enough to be kept: a single partition, in memory.
#[derive(Debug, Default)]
pub struct Few {
    items: Vec<u64>,
    picked: Vec<u64>,
    sieve: Sieve,
}

impl Few {
    /// See [`Distinct::insert`]; 24 bits of the hash count.
    #[inline(always)]
    pub fn insert(&mut self, hash: u64, position: u64) {
        self.items.push(hash >> POSITION_BITS << POSITION_BITS | position & POSITION_MASK);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.items.clear();
    }

    /// See [`Distinct::repeats`].
    pub fn repeats(
        &mut self,
        mut same: impl FnMut(u64, u64) -> bool,
        mut report: impl FnMut(u64, u64),
    ) {
        self.sieve.pick(&self.items, &mut self.picked);
        // The sort leaves equals in their order.
        self.picked.sort_by_key(|&item| tag(item));
        decide(&self.picked, &mut same, &mut report);
        self.clear();
    }
}

/// The items of some partitions whose hash bits are not theirs alone: those with the same bits
/// one behind the other, in the order in which they came. Leaves the partitions empty.
fn candidates(
    open: &mut [Vec<u64>],
    away: &mut [Away],
    spill: Option<&Spill>,
) -> io::Result<Vec<u64>> {
    let (mut items, mut picked, mut found) = (Vec::new(), Vec::new(), Vec::new());
    let mut sieve = Sieve::default();
    for (open, away) in open.iter_mut().zip(away) {
        items.clear();
        items.reserve((away.full.len() + away.spilled.len()) * CHUNK + open.len());
        // In the order in which they came.
        for chunk in away.full.drain(..) {
            items.extend_from_slice(&chunk);
        }
        for number in away.spilled.drain(..) {
            if let Some(spill) = spill {
                spill.read(number, &mut items)?;
            }
        }
        items.append(open);
        sieve.pick(&items, &mut picked);
        // Few are left, and the sort leaves equals in their order.
        picked.sort_by_key(|&item| tag(item));
        for alike in picked.chunk_by(|&a, &b| tag(a) == tag(b)) {
            if alike.len() > 1 {
                found.extend_from_slice(alike);
            }
        }
    }
    Ok(found)
}

/// Has the caller look at candidates.
fn decide(
    candidates: &[u64],
    same: &mut impl FnMut(u64, u64) -> bool,
    report: &mut impl FnMut(u64, u64),
) {
    let mut firsts = Vec::new();
    for alike in candidates.chunk_by(|&a, &b| tag(a) == tag(b)) {
        firsts.clear();
        for item in alike {
            let again = item & POSITION_MASK;
            match firsts.iter().find(|&&first| same(first, again)) {
                Some(&first) => report(first, again),
                None => firsts.push(again),
            }
        }
    }
}

/// The hash bits of an item, without those of its partition.
#[inline]
fn tag(item: u64) -> u64 {
    item >> POSITION_BITS
}

/// Picks the few items that may have equals out of many: small enough for the nearest cache
/// where a table of the items would not be.
#[derive(Debug, Default)]
struct Sieve {
    /// A bit for all tags that end in its number: whether there is one,
    once: Vec<u64>,
    /// and whether there is another one.
    again: Vec<u64>,
}

impl Sieve {
    /// So many bits for each item leave one in 64 items without need.
    const BITS_PER_ITEM: usize = 32;
    /// All bits of a tag.
    const MOST_BITS: usize = 1 << (64 - POSITION_BITS);

    /// The items whose bit is also another item's, in their order.
    fn pick(&mut self, items: &[u64], picked: &mut Vec<u64>) {
        picked.clear();
        if items.len() < 2 {
            return;
        }
        let bits = items.len() * Self::BITS_PER_ITEM;
        let bits = bits.next_power_of_two().min(Self::MOST_BITS);
        for words in [&mut self.once, &mut self.again] {
            words.clear();
            words.resize(bits / 64, 0);
        }
        let place = |item: u64| {
            let at = tag(item) as usize & (bits - 1);
            (at / 64, 1u64 << (at % 64))
        };
        for &item in items {
            let (at, bit) = place(item);
            if let (Some(once), Some(again)) = (self.once.get_mut(at), self.again.get_mut(at)) {
                *again |= *once & bit;
                *once |= bit;
            }
        }
        picked.extend(items.iter().filter(|&&item| {
            let (at, bit) = place(item);
            self.again.get(at).is_some_and(|again| again & bit != 0)
        }));
    }
}

impl Spill {
    fn write(&mut self, items: &[u64]) -> io::Result<u32> {
        let number = self.chunks;
        let mut bytes = [0u8; CHUNK * 8];
        for (slot, item) in bytes.chunks_exact_mut(8).zip(items) {
            slot.copy_from_slice(&item.to_le_bytes());
        }
        self.file.write_all_at(&bytes, u64::from(number) * bytes.len() as u64)?;
        self.chunks += 1;
        Ok(number)
    }

    /// Appends the items of a chunk.
    fn read(&self, number: u32, items: &mut Vec<u64>) -> io::Result<()> {
        let mut bytes = [0u8; CHUNK * 8];
        self.file.read_exact_at(&mut bytes, u64::from(number) * (CHUNK as u64 * 8))?;
        let item = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
        items.extend(bytes.chunks_exact(8).map(item));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::hash::hash;

    /// Numbers modulo `distinct` are inserted; each beyond the first round must be reported.
    #[track_caller]
    fn check(count: u64, distinct: u64, limit: usize) {
        let mut found = Distinct::with_limit(limit);
        for n in 0..count {
            found.insert(hash(&(n % distinct).to_le_bytes()), n).unwrap();
        }
        let mut repeats = Vec::new();
        found
            .repeats(
                1 + limit % 3,
                |a, b| a % distinct == b % distinct,
                |first, again| repeats.push((first, again)),
            )
            .unwrap();
        repeats.sort_unstable_by_key(|&(_, again)| again);
        let want: Vec<_> = (distinct..count).map(|n| (n % distinct, n)).collect();
        assert_eq!(repeats, want);
    }

    #[test]
    fn repetitions_are_found_and_nothing_else() {
        check(10, 10, CHUNKS_IN_MEMORY);
        check(1000, 999, CHUNKS_IN_MEMORY);
        check(1000, 1, CHUNKS_IN_MEMORY);
        check(300_000, 299_000, CHUNKS_IN_MEMORY);
    }

    #[test]
    fn what_is_spilled_is_not_forgotten() {
        check(1_200_000, 1_100_000, 50);
    }

    #[test]
    fn a_few_are_found_all_the_same() {
        let mut few = Few::default();
        for (count, distinct) in [(0u64, 1u64), (10, 10), (1000, 1), (50_000, 49_000)] {
            for n in 0..count {
                few.insert(hash(&(n % distinct).to_le_bytes()), n);
            }
            let mut repeats = Vec::new();
            let same = |a: u64, b: u64| a % distinct == b % distinct;
            few.repeats(same, |first, again| repeats.push((first, again)));
            repeats.sort_unstable_by_key(|&(_, again)| again);
            let want: Vec<_> = (distinct..count).map(|n| (n % distinct, n)).collect();
            assert_eq!(repeats, want);
        }
    }

    #[test]
    fn equal_hash_bits_are_only_candidates() {
        let mut found = Distinct::new();
        for n in 0..100 {
            found.insert(42, n).unwrap();
        }
        found.repeats(1, |_, _| false, |first, again| panic!("{first} {again}")).unwrap();
    }
}
