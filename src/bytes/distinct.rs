//! Finds what stands twice among many things, in bounded memory.
//!
//! Of each thing only 34 bits of its hash and its position (40 bits) are kept: 8 bytes, in one of
//! 1024 partitions that the first hash bits choose. What exceeds the memory limit goes to an
//! unlinked temporary file. At the end each partition is looked through on its own; things whose
//! hash bits agree are candidates, and the caller, who can look at the things themselves, decides.

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
    partitions: Vec<Partition>,
    chunks_in_memory: usize,
    limit: usize,
    spill: Option<Spill>,
}

#[derive(Debug, Default, Clone)]
struct Partition {
    /// The chunk that is being filled.
    open: Vec<u64>,
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
        let partitions = vec![Partition::default(); PARTITIONS];
        Distinct { partitions, chunks_in_memory: 0, limit, spill: None }
    }

    /// Notes that a thing with this hash lies at `position` (below 2^40).
    #[inline]
    pub fn insert(&mut self, hash: u64, position: u64) -> io::Result<()> {
        let index = (hash >> (64 - PARTITION_BITS)) as usize;
        let item =
            hash << PARTITION_BITS >> POSITION_BITS << POSITION_BITS | position & POSITION_MASK;
        if let Some(partition) = self.partitions.get_mut(index) {
            if partition.open.len() < CHUNK {
                partition.open.push(item);
                return Ok(());
            }
            self.put_away(index)?;
            if let Some(partition) = self.partitions.get_mut(index) {
                partition.open.push(item);
            }
        }
        Ok(())
    }

    /// Puts a full chunk away: into memory, beyond the limit into the spill file.
    #[cold]
    fn put_away(&mut self, index: usize) -> io::Result<()> {
        let Some(partition) = self.partitions.get_mut(index) else { return Ok(()) };
        if self.chunks_in_memory < self.limit {
            partition.full.push(std::mem::replace(&mut partition.open, Vec::with_capacity(CHUNK)));
            self.chunks_in_memory += 1;
            return Ok(());
        }
        let spill = match &mut self.spill {
            Some(spill) => spill,
            none => none.insert(Spill { file: tempfile::tempfile()?, chunks: 0 }),
        };
        partition.spilled.push(spill.write(&partition.open)?);
        partition.open.clear();
        Ok(())
    }

    /// Looks for repetitions: `same(first, again)` says whether two candidates really are equal,
    /// `report(first, again)` hears of each thing that stands there again. Forgets everything.
    pub fn repeats(
        &mut self,
        mut same: impl FnMut(u64, u64) -> bool,
        mut report: impl FnMut(u64, u64),
    ) -> io::Result<()> {
        let mut table = Table::default();
        let mut room = vec![0u64; CHUNK];
        for partition in &mut self.partitions {
            let away = (partition.spilled.len() + partition.full.len()) * CHUNK;
            if away + partition.open.len() < 2 {
                partition.open.clear();
                continue;
            }
            table.reset(away + partition.open.len());
            let mut add = |items: &[u64]| {
                for &item in items {
                    if let Some(first) = table.insert(item, &mut same) {
                        report(first, item & POSITION_MASK);
                    }
                }
            };
            // In the order in which they came.
            for chunk in partition.full.drain(..) {
                add(&chunk);
            }
            for number in partition.spilled.drain(..) {
                if let Some(spill) = &self.spill {
                    spill.read(number, &mut room)?;
                    add(&room);
                }
            }
            add(&partition.open);
            partition.open.clear();
        }
        self.chunks_in_memory = 0;
        self.spill = None;
        Ok(())
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

    fn read(&self, number: u32, items: &mut [u64]) -> io::Result<()> {
        let mut bytes = [0u8; CHUNK * 8];
        self.file.read_exact_at(&mut bytes, u64::from(number) * (CHUNK as u64 * 8))?;
        for (item, slot) in items.iter_mut().zip(bytes.chunks_exact(8)) {
            *item = slot.try_into().map_or(0, u64::from_le_bytes);
        }
        Ok(())
    }
}

/// An open table of items; an empty slot is `u64::MAX`, which no item is: its position would be
/// the last of 2^40.
#[derive(Default)]
struct Table {
    slots: Vec<u64>,
    mask: usize,
}

const EMPTY: u64 = u64::MAX;

impl Table {
    fn reset(&mut self, items: usize) {
        let slots = (items * 2).next_power_of_two();
        self.slots.clear();
        self.slots.resize(slots, EMPTY);
        self.mask = slots - 1;
    }

    /// The position of the equal item that was there before, if there was one.
    #[inline]
    fn insert(&mut self, item: u64, same: &mut impl FnMut(u64, u64) -> bool) -> Option<u64> {
        let tag = item >> POSITION_BITS;
        let mut at = tag.wrapping_mul(0x9e37_79b9_7f4a_7c15) as usize >> 24 & self.mask;
        // The table is never more than half full, so there is an empty slot.
        loop {
            let slot = self.slots.get_mut(at)?;
            if *slot == EMPTY {
                *slot = item;
                return None;
            }
            let first = *slot & POSITION_MASK;
            if *slot >> POSITION_BITS == tag && same(first, item & POSITION_MASK) {
                return Some(first);
            }
            at = (at + 1) & self.mask;
        }
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
    fn equal_hash_bits_are_only_candidates() {
        let mut found = Distinct::new();
        for n in 0..100 {
            found.insert(42, n).unwrap();
        }
        found.repeats(|_, _| false, |first, again| panic!("{first} {again}")).unwrap();
    }
}
