//! Keys that are in several sources where none is to win: those that are the same everywhere are no
//! conflict, and the others are named.

use super::MergeOptions;
use super::index::{Clash, Index, hash};
use super::input::Input;
use crate::bytes::quoted;
use crate::digest::full::value_digest;
use crate::error::Result;
use crate::ops::walk::{Silent, Tally};
use crate::rdb::{Entry, Scratch};

/// Which of the keys that are in several sources are not the same in all of them, by expiry,
/// metadata and value, however it is encoded: how many, and the first of them. `contested` are, by
/// source, the places of the keys in question, ascending.
pub(super) fn differing(
    inputs: &[Input],
    contested: &[Vec<u64>],
    ranks: &[usize],
    options: &MergeOptions,
) -> Result<(u64, Vec<Clash>)> {
    let mut index = Index::default();
    for (number, (input, contested)) in inputs.iter().zip(contested).enumerate() {
        if contested.is_empty() {
            continue;
        }
        let fresh = || Values { contested, seen: Vec::new(), root: None };
        let mut root = Values { root: Some((number, &mut index)), ..fresh() };
        input.tally(None, options, &fresh, &mut root, &Silent)?;
    }
    index.differing(ranks, options.list)
}

/// Contested keys, as hashes that tell their values apart.
struct Values<'c, 'i> {
    contested: &'c [u64],
    seen: Vec<(u128, u64)>,
    root: Option<(usize, &'i mut Index)>,
}

impl Tally for Values<'_, '_> {
    type Room = (Scratch, Vec<u8>);

    fn entry(&mut self, entry: &Entry<'_>, (scratch, room): &mut Self::Room) -> Result<()> {
        if self.contested.binary_search(&entry.offset).is_err() {
            return Ok(());
        }
        // One without elements is like no other that has some.
        let value = value_digest(entry, scratch)?.map_or([0; 32], |digest| digest.0);
        let value = hash(0, &value, room);
        let key = hash(entry.db, &entry.key_bytes()?, room);
        self.seen.push((Index::with_value(key, value), entry.offset));
        Ok(())
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        match &mut self.root {
            Some((number, index)) => index.add(*number, &later.seen),
            None => Ok(()),
        }
    }
}

/// The sentence about keys that are not the same in several sources.
pub(super) fn sentence(
    clashes: &[Clash],
    count: u64,
    inputs: &[Input],
    options: &MergeOptions,
) -> Result<String> {
    let keys = if count == 1 { "1 key is".to_owned() } else { format!("{count} keys are") };
    let mut text = format!(
        "{keys} in more than one source and not the same there; --on-conflict first, last or newest \
         says which stays:"
    );
    for (number, input) in inputs.iter().enumerate() {
        let wanted: Vec<u64> = clashes
            .iter()
            .filter(|clash| clash.source == number)
            .map(|clash| clash.offset)
            .collect();
        if wanted.is_empty() {
            continue;
        }
        let fresh = || Named { wanted: &wanted, found: Vec::new() };
        let mut root = fresh();
        input.tally(None, options, &fresh, &mut root, &Silent)?;
        for (db, key) in root.found {
            text += &format!("\n  db {db} {}, also in {}", quoted(&key), input.name);
        }
    }
    let more = count.saturating_sub(clashes.len() as u64);
    if more > 0 {
        text += &format!("\n  and {more} more");
    }
    Ok(text)
}

/// The names of keys that lie at some offsets.
struct Named<'w> {
    wanted: &'w [u64],
    found: Vec<(u64, Vec<u8>)>,
}

impl Tally for Named<'_> {
    type Room = ();

    fn entry(&mut self, entry: &Entry<'_>, (): &mut ()) -> Result<()> {
        if self.wanted.contains(&entry.offset) {
            self.found.push((entry.db, entry.key_bytes()?.into_owned()));
        }
        Ok(())
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        self.found.extend(later.found);
        Ok(())
    }
}
