//! What a snapshot holds, for the text beside it: keys by database, functions, the digest.

use std::collections::BTreeMap;

use crate::digest::{Accumulator, Options, Profile};
use crate::error::Result;
use crate::ops::snapshot;
use crate::ops::walk::{Silent, Tally, WalkOptions};
use crate::rdb::{Entry, LibraryHead, Record, Scratch};
use crate::report::backup::Library;
use crate::source::{OpenOptions, Source};

/// What a snapshot holds.
#[derive(Debug, Clone, Default)]
pub(super) struct Holds {
    /// Keys by database.
    pub(super) databases: BTreeMap<u64, u64>,
    /// Function libraries in the order of the file.
    pub(super) libraries: Vec<Library>,
    /// The digest, where it was asked for, and how many keys of modules it cannot cover.
    pub(super) digest: Option<(String, u64)>,
}

impl Holds {
    /// Keys of all databases.
    pub(super) fn keys(&self) -> u64 {
        self.databases.values().sum()
    }
}

/// Reads a snapshot to its end.
pub(super) fn count(source: Source, profile: Option<Profile>) -> Result<Holds> {
    let options = profile.map(|profile| Options { profile, ..Options::default() });
    let mut root = Counts { sum: options.as_ref().map(Accumulator::new), ..Counts::default() };
    let share = root.sum.as_ref().map(Accumulator::share);
    let fresh = || Counts { sum: share.as_ref().map(Accumulator::share), ..Counts::default() };
    let walk = WalkOptions { threads: 1, checksum: false, ..WalkOptions::default() };
    // Where it breaks off is what the check says.
    snapshot::walk(source, &OpenOptions::default(), &fresh, &mut root, &walk, &Silent)?;
    let digest = root.sum.map(|sum| sum.finish());
    Ok(Holds {
        databases: root.databases,
        libraries: root.libraries,
        digest: digest.map(|sum| (sum.to_string(), sum.uncovered)),
    })
}

#[derive(Default)]
struct Counts {
    databases: BTreeMap<u64, u64>,
    libraries: Vec<Library>,
    sum: Option<Accumulator>,
}

impl Tally for Counts {
    type Room = Scratch;

    fn entry(&mut self, entry: &Entry<'_>, room: &mut Scratch) -> Result<()> {
        *self.databases.entry(entry.db).or_default() += 1;
        match &mut self.sum {
            Some(sum) => sum.add(entry, room),
            None => Ok(()),
        }
    }

    fn record(&mut self, record: &Record<'_>, _: u64, _: &mut Scratch) -> Result<()> {
        // A text that cannot be unpacked is a finding of the check.
        let Record::Function(code) = record else { return Ok(()) };
        let Ok(code) = code.to_cow() else { return Ok(()) };
        let head = LibraryHead::parse(&code).unwrap_or_default();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        self.libraries.push(Library {
            name: text(head.name),
            engine: text(head.engine),
            code: code.into_owned(),
        });
        Ok(())
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        for (db, keys) in later.databases {
            *self.databases.entry(db).or_default() += keys;
        }
        self.libraries.extend(later.libraries);
        if let (Some(sum), Some(more)) = (&mut self.sum, later.sum) {
            sum.merge(more);
        }
        Ok(())
    }
}
