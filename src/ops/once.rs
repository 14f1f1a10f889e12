//! Refuses a snapshot in which a key stands twice: no server loads one, and what would be made of it
//! would be refused, too, or would quietly mix two values.
//!
//! The keys are noted on the way of a walk that is done anyway, as `check` notes them.

use crate::bytes::quoted;
use crate::error::{Error, Result};
use crate::ops::check::keys::{Keys, Seen};
use crate::ops::walk::Tally;
use crate::rdb::{Entry, Header, Record};
use crate::source::{Feed, Mapping};

/// The keys of a snapshot that is being walked.
pub(super) struct Noted {
    keys: Keys,
    /// The bytes, where they stay at hand; else the keys themselves are kept.
    mapping: Option<Mapping>,
}

impl Noted {
    /// None yet of those that are in `feed`.
    pub(super) fn of(feed: Option<&Feed>) -> Self {
        Noted::of_mapping(feed.and_then(Feed::mapping))
    }

    /// None yet of those that are in a mapping, or in bytes that will not be at hand.
    pub(super) fn of_mapping(mapping: Option<Mapping>) -> Self {
        Noted { keys: Keys::new(mapping.is_none()), mapping }
    }

    /// A tally that notes what comes, and hands it on to `inner`.
    pub(super) fn root<'r, T>(&'r mut self, inner: &'r mut T) -> Once<'r, T> {
        let logged = self.is_logged();
        Once { inner: Inner::Root(inner, &mut self.keys), batch: Vec::new(), logged }
    }

    /// Whether the keys themselves have to be kept.
    pub(super) fn is_logged(&self) -> bool {
        self.mapping.is_none()
    }

    /// Fails if a key was there twice.
    pub(super) fn finish(self, name: &str, header: Header, threads: usize) -> Result<()> {
        let bytes = self.mapping.as_ref().map(Mapping::bytes).unwrap_or_default();
        let (mut first, mut count) = (None, 0);
        self.keys
            .repeats(threads, header, bytes, |repeat| {
                count += 1;
                first.get_or_insert(repeat);
            })
            .map_err(|cause| Error::io("cannot read a temporary file", cause))?;
        let Some(repeat) = first else { return Ok(()) };
        let others = match count {
            1 => String::new(),
            2 => ", as does another".to_owned(),
            _ => format!(", as do {} others", count - 1),
        };
        Err(Error::Source(format!(
            "{name}: key {} in db {} stands at offset {} and again at {}{others}: no server loads \
             that, and nothing was written. `rdbkit repair` keeps one of each",
            quoted(&repeat.key),
            repeat.db,
            repeat.first,
            repeat.again
        )))
    }
}

/// See [`Noted`].
pub(super) struct Once<'r, T> {
    inner: Inner<'r, T>,
    /// The keys of a batch, with their database; the bytes only where they are kept.
    batch: Vec<(Seen, u64, Vec<u8>)>,
    logged: bool,
}

enum Inner<'r, T> {
    Batch(T),
    Root(&'r mut T, &'r mut Keys),
}

impl<T: Tally> Once<'_, T> {
    /// A tally of a batch.
    pub(super) fn batch(inner: T, logged: bool) -> Self {
        Once { inner: Inner::Batch(inner), batch: Vec::new(), logged }
    }

    fn inner(&mut self) -> &mut T {
        match &mut self.inner {
            Inner::Batch(inner) => inner,
            Inner::Root(inner, _) => inner,
        }
    }

    fn see(&mut self, entry: &Entry<'_>) -> Result<()> {
        let key = entry.key_bytes()?;
        let seen = Seen::of(entry, &key);
        match &mut self.inner {
            Inner::Batch(_) => {
                let kept = if self.logged { key.into_owned() } else { Vec::new() };
                self.batch.push((seen, entry.db, kept));
                Ok(())
            }
            Inner::Root(_, keys) => note(keys, &seen, entry.db, &key),
        }
    }
}

fn note(keys: &mut Keys, seen: &Seen, db: u64, key: &[u8]) -> Result<()> {
    keys.select(seen.offset(), db);
    keys.note(seen, key).map_err(|cause| Error::io("cannot write a temporary file", cause))
}

impl<T: Tally> Tally for Once<'_, T> {
    type Room = T::Room;

    fn entry(&mut self, entry: &Entry<'_>, room: &mut Self::Room) -> Result<()> {
        self.see(entry)?;
        self.inner().entry(entry, room)
    }

    #[inline(always)]
    fn plain_string(&mut self, entry: &Entry<'_>, room: &mut Self::Room) -> Result<()> {
        self.see(entry)?;
        self.inner().plain_string(entry, room)
    }

    fn plain(&mut self, entry: &Entry<'_>, room: &mut Self::Room) -> Result<()> {
        self.inner().plain(entry, room)
    }

    fn record(&mut self, record: &Record<'_>, offset: u64, room: &mut Self::Room) -> Result<()> {
        self.inner().record(record, offset, room)
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        let Once { inner: Inner::Batch(inner), batch, .. } = later else { return Ok(()) };
        if let Inner::Root(_, keys) = &mut self.inner {
            batch.iter().try_for_each(|(seen, db, key)| note(keys, seen, *db, key))?;
        } else {
            self.batch.extend(batch);
        }
        self.inner().merge(inner)
    }
}
