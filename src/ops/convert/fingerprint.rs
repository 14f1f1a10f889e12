//! What keys are held against to be found the same, before they are written and after.

use super::Prove;
use crate::digest::{full, quick};
use crate::error::Result;
use crate::rdb::{Entry, Record};

/// A digest on its way: the quick one, or the full one where that is to be shown besides.
#[derive(Debug)]
pub(in crate::ops) enum Fingerprint {
    Quick(quick::Accumulator),
    Full(full::Accumulator),
}

impl Fingerprint {
    pub(in crate::ops) fn new(prove: Prove, without: full::Without) -> Self {
        match prove {
            Prove::Sameness => Fingerprint::Quick(quick::Accumulator::without(without)),
            Prove::SamenessAndDigest => Fingerprint::Full(full::Accumulator::without(without)),
        }
    }

    #[inline]
    pub(in crate::ops) fn add(&mut self, entry: &Entry<'_>, room: &mut quick::Room) -> Result<()> {
        match self {
            Fingerprint::Quick(quick) => quick.add(entry, room),
            Fingerprint::Full(full) => full.add(entry, room.scratch()),
        }
    }

    pub(in crate::ops) fn add_record(
        &mut self,
        record: &Record<'_>,
        offset: u64,
        room: &mut quick::Room,
    ) -> Result<()> {
        match self {
            Fingerprint::Quick(quick) => quick.add_record(record, offset, room),
            Fingerprint::Full(full) => full.add_record(record, offset, room.scratch()),
        }
    }

    /// Adds what another one of the same kind has seen.
    pub(in crate::ops) fn merge(&mut self, other: &Self) {
        match (self, other) {
            (Fingerprint::Quick(all), Fingerprint::Quick(other)) => all.merge(other),
            (Fingerprint::Full(all), Fingerprint::Full(other)) => all.merge(other),
            // All of a proof are made for the same question.
            _ => {}
        }
    }

    /// The full digest, if this is one.
    pub(in crate::ops) fn full(&self) -> Option<&full::Accumulator> {
        match self {
            Fingerprint::Full(full) => Some(full),
            Fingerprint::Quick(_) => None,
        }
    }

    /// What shows whether two are the same.
    pub(in crate::ops) fn finish(&self) -> String {
        match self {
            Fingerprint::Quick(quick) => quick.finish().to_string(),
            Fingerprint::Full(full) => full.finish().to_string(),
        }
    }
}
