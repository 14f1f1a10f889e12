//! `get`: the values of keys, named exactly.
//!
//! The snapshot is walked on one thread, so that a value of any size goes out as it is decoded.

use std::io::Write;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

use super::keys::row;
use super::snapshot::{self, Ended, Stopped};
use super::walk::{Observer, Tally, WalkOptions};
use crate::bytes::quoted;
use crate::error::{Error, Result};
use crate::rdb::{Entry, Scratch, Text};
use crate::report::get::{ValueFormat, ValueWriter};
use crate::report::json::failed;
use crate::source::{OpenOptions, Source};
use crate::value::Kind;

/// Which keys, and how they are written.
#[derive(Debug, Clone)]
pub struct GetOptions {
    /// The keys, byte for byte.
    pub keys: Vec<Vec<u8>>,
    /// The database; all of them where `None`.
    pub db: Option<u64>,
    /// How values are written.
    pub format: ValueFormat,
    /// How the walk is done; it is done on one thread.
    pub walk: WalkOptions,
    /// How the base of a log directory is opened.
    pub open: OpenOptions,
}

impl Default for GetOptions {
    fn default() -> Self {
        GetOptions {
            keys: Vec::new(),
            db: None,
            format: ValueFormat::JsonLines,
            walk: WalkOptions::default(),
            open: OpenOptions::default(),
        }
    }
}

/// What became of it.
#[derive(Debug, Clone, Default)]
pub struct Got {
    /// The keys that are not there.
    pub missing: Vec<Vec<u8>>,
    /// What there is to say of the file.
    pub ended: Ended,
}

/// Writes the values of keys, in the order in which the file has them.
///
/// ```
/// use rdbkit::ops::get::{GetOptions, get};
/// use rdbkit::ops::walk::Silent;
/// use rdbkit::source::{OpenOptions, open};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let source = open(&"fixtures/redis-7.0.15-lru.rdb".into(), &OpenOptions::default())?;
/// let keys = vec![b"k3".to_vec(), b"nobody".to_vec()];
/// let mut out = Vec::new();
/// let got = get(source, &GetOptions { keys, ..GetOptions::default() }, &mut out, &Silent)?;
/// assert!(String::from_utf8(out)?.contains(r#""key":"k3","type":"string""#));
/// assert_eq!(got.missing, [b"nobody"]);
/// # Ok(())
/// # }
/// ```
pub fn get(
    source: Source,
    options: &GetOptions,
    out: &mut (dyn Write + Send),
    observer: &dyn Observer,
) -> Result<Got> {
    let state = Mutex::new(State {
        out,
        writer: ValueWriter::new(options.format),
        found: vec![false; options.keys.len()],
    });
    let fresh = || Getter { options, state: &state };
    // More threads would decode ahead of what can be written.
    let walk = WalkOptions { threads: 1, ..options.walk };
    let ended = snapshot::walk(source, &options.open, &fresh, &mut fresh(), &walk, observer)?;
    let state = state.into_inner().unwrap_or_else(PoisonError::into_inner);
    let missing = options.keys.iter().zip(&state.found).filter(|(_, found)| !**found);
    Ok(Got { missing: missing.map(|(key, _)| key.clone()).collect(), ended })
}

struct State<'w> {
    out: &'w mut (dyn Write + Send),
    writer: ValueWriter,
    found: Vec<bool>,
}

struct Getter<'s, 'w> {
    options: &'s GetOptions,
    state: &'s Mutex<State<'w>>,
}

impl Getter<'_, '_> {
    /// Which of the keys this is.
    #[inline]
    fn find(&self, key: &Text<'_>) -> Option<usize> {
        let keys = &self.options.keys;
        match *key {
            Text::Raw(bytes) => keys.iter().position(|wanted| wanted == bytes),
            _ => {
                let len = key.len();
                if keys.iter().all(|wanted| wanted.len() as u64 != len) {
                    return None;
                }
                let bytes = key.to_cow().ok()?;
                keys.iter().position(|wanted| **wanted == *bytes)
            }
        }
    }

    fn write(&self, place: usize, entry: &Entry<'_>, room: &mut Scratch) -> Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { out, writer, found } = &mut *state;
        let key = entry.key_bytes()?;
        if matches!(self.options.format, ValueFormat::Raw)
            && entry.value_type.kind() != Kind::String
        {
            return Err(Error::Usage(format!(
                "{} is a {}, and only a string has raw bytes: leave out --raw, or take --format \
                 json",
                quoted(&key),
                entry.value_type.kind().name()
            )));
        }
        if matches!(self.options.format, ValueFormat::Raw)
            && found.get(place).is_some_and(|found| *found)
        {
            return Err(Error::Usage(format!(
                "{} is in more than one database, and only the first was written: say which with \
                 --db",
                quoted(&key)
            )));
        }
        writer.begin(&row(entry, &key)?, entry.value_type.kind());
        let mut written = Ok(());
        entry.visit(room, |item| {
            written = writer.item(&item, out);
            if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        written.and_then(|()| writer.end(out)).map_err(failed)?;
        if let Some(found) = found.get_mut(place) {
            *found = true;
        }
        // A key stands once in a database; all of them seen, the rest of the file is not needed.
        if self.options.db.is_some() && found.iter().all(|found| *found) {
            return Err(Stopped::error());
        }
        Ok(())
    }
}

impl Tally for Getter<'_, '_> {
    type Room = Scratch;

    fn entry(&mut self, entry: &Entry<'_>, room: &mut Scratch) -> Result<()> {
        if self.options.db.is_some_and(|db| db != entry.db) {
            return Ok(());
        }
        match self.find(&entry.key) {
            Some(place) => self.write(place, entry, room),
            None => Ok(()),
        }
    }

    fn merge(&mut self, _later: Self) -> Result<()> {
        Ok(())
    }
}
