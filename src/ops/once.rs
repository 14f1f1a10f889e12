//! Refuses a snapshot in which a key or a function library stands twice, or a value is broken: no
//! server loads one, and what would be made of it would be refused, too, or would quietly mix two
//! values.
//!
//! Keys are noted and values looked at on the way of a walk that is done anyway, as `check` does.

use std::collections::BTreeSet;

use super::sound;
use crate::bytes::quoted;
use crate::error::{Error, Result};
use crate::ops::check::keys::{Keys, Seen};
use crate::ops::walk::Tally;
use crate::rdb::object::{Checker, Unpacked};
use crate::rdb::{Entry, Header, LibraryHead, Record, Target};
use crate::source::{Feed, Mapping, temporary_failed};

/// The keys of a snapshot that is being walked.
pub(super) struct Noted {
    found: Found,
    asked: Asked,
    /// The bytes, where they stay at hand; else the keys themselves are kept.
    mapping: Option<Mapping>,
}

/// What was found so far.
struct Found {
    keys: Keys,
    libraries: Vec<Library>,
}

/// Where a function library is, and its name; or what is there instead of one.
pub(super) type Library = (u64, Result<Vec<u8>, &'static str>);

/// What every batch is asked for.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    /// Whether the keys themselves have to be kept.
    logged: bool,
    /// Who is to load what is made of it.
    taker: Target,
}

impl Noted {
    /// None yet of those that are in `feed`.
    pub(super) fn of(feed: Option<&Feed>, taker: Target) -> Self {
        Noted::of_mapping(feed.and_then(Feed::mapping), taker)
    }

    /// None yet of those that are in a mapping, or in bytes that will not be at hand.
    pub(super) fn of_mapping(mapping: Option<Mapping>, taker: Target) -> Self {
        let logged = mapping.is_none();
        let found = Found { keys: Keys::new(logged), libraries: Vec::new() };
        Noted { found, asked: Asked { logged, taker }, mapping }
    }

    /// A tally that notes what comes, and hands it on to `inner`.
    pub(super) fn root<'r, T>(&'r mut self, inner: &'r mut T) -> Once<'r, T> {
        let Noted { found, asked, .. } = self;
        Once { inner: Inner::Root(inner, found), batch: Batch::default(), asked: *asked }
    }

    /// What a batch has to look at.
    pub(super) fn asked(&self) -> Asked {
        self.asked
    }

    /// Fails if a key or a library was there twice, or a library is none.
    pub(super) fn finish(self, name: &str, header: Header, threads: usize) -> Result<()> {
        let bytes = self.mapping.as_ref().map(Mapping::bytes).unwrap_or_default();
        refuse_libraries(name, self.found.libraries)?;
        let (mut first, mut count) = (None, 0);
        self.found
            .keys
            .repeats(threads, header, bytes, |repeat| {
                count += 1;
                first.get_or_insert(repeat);
            })
            .map_err(temporary_failed)?;
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

/// The library at an offset, by its text.
pub(super) fn library(offset: u64, code: &[u8]) -> Library {
    (offset, LibraryHead::parse(code).map(|head| head.name))
}

/// Fails if a library was there twice, or is none.
pub(super) fn refuse_libraries(name: &str, libraries: Vec<Library>) -> Result<()> {
    let mut names = BTreeSet::new();
    for (offset, library) in libraries {
        let found = match library {
            Ok(library) if names.contains(&library) => format!("{} again", quoted(&library)),
            Ok(library) => {
                names.insert(library);
                continue;
            }
            Err(found) => found.to_owned(),
        };
        return Err(Error::Source(format!(
            "{name}: offset {offset}: expected a function library with a name of its own, found \
             {found}: no server loads that, and nothing was written. `rdbkit repair` keeps the rest"
        )));
    }
    Ok(())
}

/// See [`Noted`].
pub(super) struct Once<'r, T> {
    inner: Inner<'r, T>,
    batch: Batch,
    asked: Asked,
}

/// What was noted of a batch.
#[derive(Default)]
struct Batch {
    /// The keys, with their database; the bytes only where they are kept.
    keys: Vec<(Seen, u64, Vec<u8>)>,
    libraries: Vec<Library>,
}

enum Inner<'r, T> {
    Batch(T),
    Root(&'r mut T, &'r mut Found),
}

/// Room of a thread.
#[derive(Default)]
pub(super) struct Room<R> {
    checker: Checker,
    unpacked: Unpacked,
    inner: R,
}

impl<T: Tally> Once<'_, T> {
    /// A tally of a batch.
    pub(super) fn batch(inner: T, asked: Asked) -> Self {
        Once { inner: Inner::Batch(inner), batch: Batch::default(), asked }
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
                let kept = if self.asked.logged { key.into_owned() } else { Vec::new() };
                self.batch.keys.push((seen, entry.db, kept));
                Ok(())
            }
            Inner::Root(_, found) => found.note(&seen, entry.db, &key),
        }
    }
}

impl Found {
    fn note(&mut self, seen: &Seen, db: u64, key: &[u8]) -> Result<()> {
        self.keys.select(seen.offset(), db);
        let noted = self.keys.note(seen, key);
        noted.map_err(temporary_failed)
    }
}

impl<T: Tally> Tally for Once<'_, T> {
    type Room = Room<T::Room>;

    fn entry(&mut self, entry: &Entry<'_>, room: &mut Self::Room) -> Result<()> {
        self.see(entry)?;
        // It will be looked at here, and then by whoever takes it apart.
        let unpacked = if self.inner().decodes() { room.unpacked.of(entry) } else { None };
        let entry = unpacked.as_ref().unwrap_or(entry);
        sound::value(&mut room.checker, entry, &self.asked.taker)?;
        self.inner().entry(entry, &mut room.inner)
    }

    /// There is nothing inside that could be broken.
    #[inline(always)]
    fn plain_string(&mut self, entry: &Entry<'_>, room: &mut Self::Room) -> Result<()> {
        self.see(entry)?;
        self.inner().plain_string(entry, &mut room.inner)
    }

    fn plain(&mut self, entry: &Entry<'_>, room: &mut Self::Room) -> Result<()> {
        self.inner().plain(entry, &mut room.inner)
    }

    fn record(&mut self, record: &Record<'_>, offset: u64, room: &mut Self::Room) -> Result<()> {
        match record {
            Record::Aux { name, value } => {
                sound::text(name, "AUX", offset)?;
                sound::text(value, "AUX", offset)?;
            }
            Record::Function(code) => {
                let code = sound::text(code, "FUNCTION2", offset)?;
                let library = library(offset, &code);
                match &mut self.inner {
                    Inner::Batch(_) => self.batch.libraries.push(library),
                    Inner::Root(_, found) => found.libraries.push(library),
                }
            }
            _ => {}
        }
        self.inner().record(record, offset, &mut room.inner)
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        let Once { inner: Inner::Batch(inner), batch, .. } = later else { return Ok(()) };
        if let Inner::Root(_, found) = &mut self.inner {
            found.libraries.extend(batch.libraries);
            batch.keys.iter().try_for_each(|(seen, db, key)| found.note(seen, *db, key))?;
        } else {
            self.batch.libraries.extend(batch.libraries);
            self.batch.keys.extend(batch.keys);
        }
        self.inner().merge(inner)
    }
}
