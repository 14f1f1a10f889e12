//! The first look at a source: its keys as hashes with their places, and what it has beside them.

use super::MergeOptions;
use super::extras::{Extra, Extras};
use super::index::{Index, hash};
use super::input::Input;
use crate::error::Result;
use crate::ops::filter::Filter;
use crate::ops::walk::{Observer, Tally};
use crate::rdb::{Entry, Record};

/// Looks at the keys of a source, and at what it has beside them; when it says that it was written.
pub(super) fn look(
    number: usize,
    input: &Input,
    options: &MergeOptions,
    index: &mut Index,
    extras: &mut Extras,
    observer: &dyn Observer,
) -> Result<Option<u64>> {
    let fresh = || Look {
        filter: &options.filter,
        seen: Vec::new(),
        extras: Vec::new(),
        ctime: None,
        root: None,
    };
    let mut root = Look { root: Some((number, index)), ..fresh() };
    input.tally(None, options, &fresh, &mut root, observer)?;
    let Look { extras: found, ctime, .. } = root;
    for extra in found {
        extras.add(number, extra);
    }
    Ok(ctime)
}

/// Keys as hashes with their places.
struct Look<'o, 'i> {
    filter: &'o Filter,
    seen: Vec<(u128, u64)>,
    extras: Vec<Extra>,
    ctime: Option<u64>,
    root: Option<(usize, &'i mut Index)>,
}

impl Tally for Look<'_, '_> {
    type Room = Vec<u8>;

    fn entry(&mut self, entry: &Entry<'_>, room: &mut Vec<u8>) -> Result<()> {
        if self.filter.matches(entry)? {
            self.seen.push((hash(entry.db, &entry.key_bytes()?, room), entry.offset));
        }
        Ok(())
    }

    fn record(&mut self, record: &Record<'_>, _: u64, _: &mut Vec<u8>) -> Result<()> {
        if let Record::Aux { name, value } = record {
            let is_ctime = name.to_cow().is_ok_and(|name| name.eq_ignore_ascii_case(b"ctime"));
            let secs = value.to_cow().ok().and_then(|value| {
                std::str::from_utf8(&value).ok().and_then(|text| text.parse().ok())
            });
            if is_ctime && secs.is_some() {
                self.ctime = secs;
            }
        }
        self.extras.extend(Extra::of(record));
        Ok(())
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        self.extras.extend(later.extras);
        self.ctime = later.ctime.or(self.ctime);
        match &mut self.root {
            Some((number, index)) => index.add(*number, &later.seen),
            None => Ok(()),
        }
    }
}
