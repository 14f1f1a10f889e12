//! A tally of the keys that pass a filter, beside which all keys are counted.
//!
//! Where nothing is asked, no tally stands in such a wrapping: then it costs nothing.

use super::filter::Filter;
use super::walk::Tally;
use crate::error::Result;
use crate::rdb::{Entry, Record};
use crate::report::filtered::FilteredFrom;

/// A tally behind a filter.
pub(super) struct Filtered<'f, T> {
    filter: &'f Filter,
    tally: T,
    all: FilteredFrom,
    /// What was said of the key that comes next, where it came with nothing packed before.
    passes: Option<bool>,
}

/// Calls `walk` with tallies behind a filter; what passes comes into `root`. Says what it returns,
/// and how many keys there were in all.
pub(super) fn filtered<'f, T: Tally, R>(
    filter: &'f Filter,
    fresh: &(dyn Fn() -> T + Sync),
    root: &mut T,
    walk: impl FnOnce(&(dyn Fn() -> Filtered<'f, T> + Sync), &mut Filtered<'f, T>) -> Result<R>,
) -> Result<(R, FilteredFrom)> {
    let behind = |tally| Filtered { filter, tally, all: FilteredFrom::default(), passes: None };
    let mut inner = behind(std::mem::replace(root, fresh()));
    let done = walk(&|| behind(fresh()), &mut inner);
    *root = inner.tally;
    Ok((done?, inner.all))
}

impl<T: Tally> Tally for Filtered<'_, T> {
    type Room = T::Room;

    fn entry(&mut self, entry: &Entry<'_>, room: &mut T::Room) -> Result<()> {
        let passes = match self.passes.take() {
            Some(passes) => passes,
            None => {
                self.all.add(entry.size_bytes());
                self.filter.matches(entry)?
            }
        };
        if passes { self.tally.entry(entry, room) } else { Ok(()) }
    }

    fn plain_string(&mut self, entry: &Entry<'_>, room: &mut T::Room) -> Result<()> {
        self.all.add(entry.size_bytes());
        if self.filter.matches(entry)? { self.tally.plain_string(entry, room) } else { Ok(()) }
    }

    fn plain(&mut self, entry: &Entry<'_>, room: &mut T::Room) -> Result<()> {
        self.all.add(entry.size_bytes());
        let passes = self.filter.matches(entry)?;
        self.passes = Some(passes);
        if passes { self.tally.plain(entry, room) } else { Ok(()) }
    }

    fn huge(&mut self, entry: &Entry<'_>, room: &mut T::Room) -> Result<bool> {
        // What is not taken in here comes as all others do, and is counted there.
        let taken = !self.filter.matches(entry)? || self.tally.huge(entry, room)?;
        if taken {
            self.all.add(entry.size_bytes());
        }
        Ok(taken)
    }

    fn record(&mut self, record: &Record<'_>, offset: u64, room: &mut T::Room) -> Result<()> {
        self.tally.record(record, offset, room)
    }

    fn decodes(&self) -> bool {
        self.tally.decodes()
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        self.all.merge(later.all);
        self.tally.merge(later.tally)
    }
}
