//! `keys`: a row for each key that passes a filter.
//!
//! Without a sort order, rows are made on all cores and written as they come, in the order of the
//! file, in bounded memory. With one and a limit, no more than a few times the limit is kept; with
//! one and no limit, every row is.

use std::cmp::Ordering;
use std::io::Write;

use super::encoding;
use super::filter::Filter;
use super::memory::MemoryOptions;
use super::snapshot::{self, Ended, Stopped};
use super::walk::{Observer, Tally, WalkOptions};
use crate::error::Result;
use crate::memory::Estimator;
use crate::rdb::{Entry, Eviction, Scratch};
use crate::report::json::failed;
use crate::report::keys::{KeyRow, RowFormat, RowLook, push_head, push_row};
use crate::source::{OpenOptions, Source};

/// What is listed, and how.
#[derive(Debug, Clone, Default)]
pub struct KeysOptions {
    /// Which keys.
    pub filter: Filter,
    /// In which order; that of the file where `None`.
    pub sort: Option<Sort>,
    /// How many at most.
    pub limit: Option<u64>,
    /// How rows are written.
    pub format: RowFormat,
    /// How the table looks, and which columns it and CSV have.
    pub look: RowLook,
    /// What times to live are counted from, unix time in milliseconds.
    pub now_ms: i64,
    /// Whose memory is estimated, where rows say it or are sorted by it.
    pub memory: Option<MemoryOptions>,
    /// How the walk is done.
    pub walk: WalkOptions,
    /// How the base of a log directory is opened.
    pub open: OpenOptions,
}

/// A sort order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    /// What is compared.
    pub by: SortBy,
    /// Greatest first. What has no such thing (a time to live, an idle time) is last either way.
    pub descending: bool,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortBy {
    /// Size in the file.
    Bytes,
    /// Memory, where it is estimated.
    Memory,
    /// Elements.
    Elements,
    /// The key's bytes.
    Key,
    /// When it expires.
    Ttl,
    /// The database.
    Db,
    /// The type's name.
    Type,
    /// Idle time.
    Idle,
    /// Access frequency.
    Frequency,
}

/// Writes a row for each key; says what there is to say about the file itself.
///
/// ```
/// use rdbkit::ops::keys::{KeysOptions, Sort, SortBy, keys};
/// use rdbkit::ops::walk::Silent;
/// use rdbkit::source::{OpenOptions, open};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let source = open(&"fixtures/redis-7.0.15-lru.rdb".into(), &OpenOptions::default())?;
/// let sort = Some(Sort { by: SortBy::Key, descending: false });
/// let options = KeysOptions { sort, limit: Some(2), ..KeysOptions::default() };
/// let mut out = Vec::new();
/// keys(source, &options, &mut out, &Silent)?;
/// assert_eq!(String::from_utf8(out)?.lines().count(), 3);
/// # Ok(())
/// # }
/// ```
pub fn keys(
    mut source: Source,
    options: &KeysOptions,
    out: &mut (dyn Write + Send),
    observer: &dyn Observer,
) -> Result<Ended> {
    let memory = options.memory.map(|asked| asked.estimator(&mut source));
    let memory = memory.as_ref();
    let mut head = Vec::new();
    push_head(&mut head, options.format, &options.look);
    if let Some(sort) = options.sort {
        let fresh = || Sorted { options, memory, sort, rows: Vec::new() };
        let mut root = fresh();
        let ended =
            snapshot::walk(source, &options.open, &fresh, &mut root, &options.walk, observer)?;
        root.prune(0);
        out.write_all(&head).map_err(failed)?;
        let mut line = Vec::new();
        for row in &root.rows {
            line.clear();
            push_row(&mut line, options.format, &row.row(), &options.look, options.now_ms);
            out.write_all(&line).map_err(failed)?;
        }
        return Ok(ended);
    }
    if options.limit == Some(0) {
        out.write_all(&head).map_err(failed)?;
        return Ok(Ended::default());
    }
    let fresh =
        || Rows { options, memory, text: Vec::new(), ends: Vec::new(), out: None, left: None };
    // The head goes out with the first rows: a source that cannot be read has none.
    let mut root = Rows { text: head, out: Some(out), left: options.limit, ..fresh() };
    let ended = snapshot::walk(source, &options.open, &fresh, &mut root, &options.walk, observer)?;
    root.write_head()?;
    Ok(ended)
}

/// Rows in the order of the file.
struct Rows<'o, 'w> {
    options: &'o KeysOptions,
    memory: Option<&'o Estimator>,
    text: Vec<u8>,
    /// Where each row ends, as long as there is a limit.
    ends: Vec<usize>,
    out: Option<&'w mut (dyn Write + Send)>,
    left: Option<u64>,
}

impl Rows<'_, '_> {
    /// Writes what stands before the first row, once.
    fn write_head(&mut self) -> Result<()> {
        let head = std::mem::take(&mut self.text);
        self.out.as_mut().map_or(Ok(()), |out| out.write_all(&head).map_err(failed))
    }
}

impl Tally for Rows<'_, '_> {
    type Room = Scratch;

    fn entry(&mut self, entry: &Entry<'_>, room: &mut Scratch) -> Result<()> {
        if !self.options.filter.matches(entry)? {
            return Ok(());
        }
        let key = entry.key_bytes()?;
        let memory_bytes = memory_bytes(self.memory, entry, room)?;
        let row = KeyRow { memory_bytes, ..row(entry, &key)? };
        let options = self.options;
        push_row(&mut self.text, options.format, &row, &options.look, options.now_ms);
        if self.options.limit.is_some() {
            self.ends.push(self.text.len());
        }
        Ok(())
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        let mut text = later.text.as_slice();
        let mut enough = false;
        if let Some(left) = &mut self.left {
            let rows = later.ends.len() as u64;
            enough = rows >= *left;
            if let Some(last) = left.checked_sub(1).filter(|_| enough)
                && let Some(&end) = usize::try_from(last).ok().and_then(|n| later.ends.get(n))
            {
                text = text.get(..end).unwrap_or_default();
            }
            *left = left.saturating_sub(rows);
        }
        self.write_head()?;
        if let Some(out) = &mut self.out {
            out.write_all(text).map_err(failed)?;
        }
        if enough { Err(Stopped::error()) } else { Ok(()) }
    }
}

/// A row that outlives its batch.
struct OwnedRow {
    db: u64,
    key: Box<[u8]>,
    encoding: u8,
    elements: u64,
    size_bytes: u64,
    memory_bytes: Option<u64>,
    expires_at_ms: Option<i64>,
    eviction: Option<Eviction>,
}

impl OwnedRow {
    fn row(&self) -> KeyRow<'_> {
        let encoding = usize::from(self.encoding);
        KeyRow {
            db: self.db,
            key: &self.key,
            kind: encoding::kind(encoding).name(),
            encoding: encoding::name(encoding),
            elements: self.elements,
            size_bytes: self.size_bytes,
            memory_bytes: self.memory_bytes,
            expires_at_ms: self.expires_at_ms,
            eviction: self.eviction,
        }
    }
}

/// Rows to be sorted; of a limited number those that are still in the running.
struct Sorted<'o> {
    options: &'o KeysOptions,
    memory: Option<&'o Estimator>,
    sort: Sort,
    rows: Vec<OwnedRow>,
}

impl Sorted<'_> {
    /// Sorts, and drops what is beyond the limit, if there are `slack` more rows than it.
    fn prune(&mut self, slack: usize) {
        let limit =
            self.options.limit.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
        if slack > 0 && self.rows.len() <= limit.saturating_add(slack) {
            return;
        }
        let sort = self.sort;
        // Stable, so that of equal rows the one that came first stays first.
        self.rows.sort_by(|a, b| sort.compare(a, b));
        self.rows.truncate(limit);
    }

    fn slack(&self) -> usize {
        self.options.limit.map_or(1024, |n| usize::try_from(n).unwrap_or(usize::MAX)).max(1024)
    }
}

impl Tally for Sorted<'_> {
    type Room = Scratch;

    fn entry(&mut self, entry: &Entry<'_>, room: &mut Scratch) -> Result<()> {
        if !self.options.filter.matches(entry)? {
            return Ok(());
        }
        self.rows.push(OwnedRow {
            db: entry.db,
            key: entry.key_bytes()?.into(),
            #[expect(clippy::cast_possible_truncation, reason = "there are fewer than 256")]
            encoding: encoding::index(entry) as u8,
            elements: entry.shape()?.elements,
            size_bytes: entry.size_bytes(),
            memory_bytes: memory_bytes(self.memory, entry, room)?,
            expires_at_ms: entry.expires_at_ms,
            eviction: entry.eviction,
        });
        Ok(())
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        self.rows.extend(later.rows);
        self.prune(self.slack());
        Ok(())
    }
}

impl Sort {
    fn compare(self, a: &OwnedRow, b: &OwnedRow) -> Ordering {
        let plain = match self.by {
            SortBy::Bytes => a.size_bytes.cmp(&b.size_bytes),
            SortBy::Memory => return self.missing_last(a.memory_bytes, b.memory_bytes),
            SortBy::Elements => a.elements.cmp(&b.elements),
            SortBy::Key => a.key.cmp(&b.key),
            SortBy::Db => a.db.cmp(&b.db),
            SortBy::Type => a.row().kind.cmp(b.row().kind),
            SortBy::Ttl => return self.missing_last(a.expires_at_ms, b.expires_at_ms),
            SortBy::Idle => return self.missing_last(idle(a), idle(b)),
            SortBy::Frequency => return self.missing_last(frequency(a), frequency(b)),
        };
        if self.descending { plain.reverse() } else { plain }
    }

    fn missing_last<T: Ord>(self, a: Option<T>, b: Option<T>) -> Ordering {
        match (a, b) {
            (Some(a), Some(b)) if self.descending => b.cmp(&a),
            (Some(a), Some(b)) => a.cmp(&b),
            (a, b) => a.is_none().cmp(&b.is_none()),
        }
    }
}

fn idle(row: &OwnedRow) -> Option<u64> {
    match row.eviction {
        Some(Eviction::IdleSecs(secs)) => Some(secs),
        _ => None,
    }
}

fn frequency(row: &OwnedRow) -> Option<u8> {
    match row.eviction {
        Some(Eviction::Frequency(frequency)) => Some(frequency),
        _ => None,
    }
}

/// The row of a key.
pub(super) fn row<'k>(entry: &Entry<'_>, key: &'k [u8]) -> Result<KeyRow<'k>> {
    Ok(KeyRow {
        db: entry.db,
        key,
        kind: entry.value_type.kind().name(),
        encoding: encoding::encoding(entry),
        elements: entry.shape()?.elements,
        size_bytes: entry.size_bytes(),
        memory_bytes: None,
        expires_at_ms: entry.expires_at_ms,
        eviction: entry.eviction,
    })
}

/// The memory of a key, where it is asked for.
fn memory_bytes(
    memory: Option<&Estimator>,
    entry: &Entry<'_>,
    room: &mut Scratch,
) -> Result<Option<u64>> {
    Ok(match memory {
        Some(estimator) => Some(estimator.usage(entry, room)?),
        None => None,
    })
}
