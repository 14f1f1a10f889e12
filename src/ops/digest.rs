//! `digest`: the servers' DEBUG DIGEST of a source, key by key, or our own digest of all it holds.

use super::filter::Filter;
use super::filtered::filtered;
use super::run::entries::{self, View};
use super::snapshot::{self, Ended};
use super::walk::{Observer, Silent, Tally, WalkOptions};
use crate::digest::{Accumulator, Options, Profile, full, value_digest_at};
use crate::engine::Engine;
use crate::error::Result;
use crate::rdb::{Entry, Record, Scratch};
use crate::report::filtered::FilteredFrom;
use crate::source::{OpenOptions, Source};

/// What is computed, and how.
#[derive(Debug, Clone, Default)]
pub struct DigestOptions {
    /// The server whose digest it is.
    pub profile: Profile,
    /// Our own digest instead, which covers all that a snapshot holds.
    pub full: bool,
    /// Leaves out what a primary that loads the file at this unix time (milliseconds) does not
    /// keep: expired keys, expired fields, and hashes that have no others.
    pub drop_expired_at_ms: Option<i64>,
    /// Which keys it is of. With a filter, the full digest is of keys alone: function libraries and
    /// what modules keep beside the keys are left out.
    pub filter: Filter,
    /// How the walk is done.
    pub walk: WalkOptions,
    /// How the base of a log directory is opened.
    pub open: OpenOptions,
}

/// The digest of a source.
#[derive(Debug, Clone)]
pub struct DigestReport {
    /// The source as it was named.
    pub name: String,
    /// Hexadecimal digits: forty, or 64 of the full one.
    pub digest: String,
    /// Keys in it.
    pub keys: u64,
    /// Keys left out because they had expired.
    pub expired: u64,
    /// Keys left out because they hold nothing: a server drops them while it loads.
    pub empty: u64,
    /// Keys of modules whose contents the servers' digest cannot be known of.
    pub uncovered: u64,
    /// All the keys of the source, where a filter chose among them.
    pub filtered_from: Option<FilteredFrom>,
    /// What there is to say about the file itself.
    pub ended: Ended,
}

/// Computes the digest of a source.
///
/// ```
/// use rdbkit::ops::digest::{DigestOptions, digest};
/// use rdbkit::ops::walk::Silent;
/// use rdbkit::source::{OpenOptions, open};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let digest_of = |file: &str| {
///     let source = open(&file.into(), &OpenOptions::default())?;
///     digest(source, &DigestOptions::default(), &Silent)
/// };
/// // The snapshot of a day, and the log that led there.
/// let snapshot = digest_of("fixtures/redis-8.10.2-day-after.rdb")?;
/// let log = digest_of("fixtures/redis-8.10.2-day-aofdir")?;
/// assert_eq!(snapshot.digest, log.digest);
/// # Ok(())
/// # }
/// ```
pub fn digest(
    source: Source,
    options: &DigestOptions,
    observer: &dyn Observer,
) -> Result<DigestReport> {
    let name = source.name.clone();
    if options.full {
        let keys_only = !options.filter.is_empty();
        let mut root = Full { sum: full::Accumulator::new(options.drop_expired_at_ms), keys_only };
        let share = root.sum.share();
        let fresh = || Full { sum: share.share(), keys_only };
        let (ended, filtered_from) = walk(source, options, &fresh, &mut root, observer)?;
        let sum = root.sum.finish();
        return Ok(DigestReport {
            name,
            digest: sum.to_string(),
            keys: sum.keys,
            expired: sum.expired,
            empty: sum.empty,
            uncovered: 0,
            filtered_from,
            ended,
        });
    }
    let asked = Options {
        profile: options.profile,
        drop_expired_at_ms: options.drop_expired_at_ms,
        ..Options::default()
    };
    let mut root = Keyed(Accumulator::new(&asked));
    let share = root.0.share();
    let fresh = || Keyed(share.share());
    let (ended, filtered_from) = walk(source, options, &fresh, &mut root, observer)?;
    let sum = root.0.finish();
    Ok(DigestReport {
        name,
        digest: sum.to_string(),
        keys: sum.keys,
        expired: sum.expired,
        empty: sum.empty,
        uncovered: sum.uncovered,
        filtered_from,
        ended,
    })
}

/// Walks the keys that are asked for.
fn walk<T: Tally>(
    source: Source,
    options: &DigestOptions,
    fresh: &(dyn Fn() -> T + Sync),
    root: &mut T,
    observer: &dyn Observer,
) -> Result<(Ended, Option<FilteredFrom>)> {
    let DigestOptions { filter, walk, open, .. } = options;
    snapshot::walk_filtered(source, open, filter, fresh, root, walk, observer)
}

/// The servers' digest of what an engine holds, as far as it passes a filter.
pub(super) fn of_engine(
    engine: &Engine,
    options: &Options,
    filter: &Filter,
    threads: usize,
) -> Result<String> {
    let view = View::whole(engine, threads);
    let mut root = Keyed(Accumulator::new(options));
    let share = root.0.share();
    let fresh = || Keyed(share.share());
    if filter.is_empty() {
        entries::tally(engine, &view, &fresh, &mut root, &Silent)?;
    } else {
        filtered(filter, &fresh, &mut root, |fresh, root| {
            entries::tally(engine, &view, fresh, root, &Silent)
        })?;
    }
    Ok(root.0.finish().to_string())
}

/// The digest of one key, as DEBUG DIGEST-VALUE answers it (or its full digest).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDigest {
    /// The database.
    pub db: u64,
    /// The key.
    pub key: Vec<u8>,
    /// Hexadecimal digits; all zeros for a key without elements, which a server would drop.
    pub digest: String,
}

/// Computes the digest of each key, in the order of the file.
///
/// ```
/// use rdbkit::ops::digest::{DigestOptions, digest_keys};
/// use rdbkit::ops::walk::Silent;
/// use rdbkit::source::{OpenOptions, open};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let source = open(&"fixtures/redis-7.0.15-lru.rdb".into(), &OpenOptions::default())?;
/// let mut keys = Vec::new();
/// let mut each = |key: rdbkit::ops::digest::KeyDigest| Ok(keys.push(key.key));
/// digest_keys(source, &DigestOptions::default(), &mut each, &Silent)?;
/// assert!(keys.len() == 11 && keys.contains(&b"k3".to_vec()));
/// # Ok(())
/// # }
/// ```
pub fn digest_keys(
    source: Source,
    options: &DigestOptions,
    each: &mut (dyn FnMut(KeyDigest) -> Result<()> + Send),
    observer: &dyn Observer,
) -> Result<Ended> {
    let mut root = PerKey { options, rows: Vec::new(), each: Some(each) };
    let fresh = || PerKey { options, rows: Vec::new(), each: None };
    walk(source, options, &fresh, &mut root, observer).map(|(ended, _)| ended)
}

/// The servers' digest of all keys.
pub(super) struct Keyed(pub(super) Accumulator);

impl Tally for Keyed {
    type Room = Scratch;

    fn entry(&mut self, entry: &Entry<'_>, room: &mut Scratch) -> Result<()> {
        self.0.add(entry, room)
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        self.0.merge(later.0);
        Ok(())
    }
}

struct Full {
    sum: full::Accumulator,
    /// Other records do not count.
    keys_only: bool,
}

impl Tally for Full {
    type Room = Scratch;

    fn entry(&mut self, entry: &Entry<'_>, room: &mut Scratch) -> Result<()> {
        self.sum.add(entry, room)
    }

    fn record(&mut self, record: &Record<'_>, offset: u64, room: &mut Scratch) -> Result<()> {
        if self.keys_only { Ok(()) } else { self.sum.add_record(record, offset, room) }
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        self.sum.merge(&later.sum);
        Ok(())
    }
}

/// Where the rows of the root go.
type Each<'a> = &'a mut (dyn FnMut(KeyDigest) -> Result<()> + Send);

struct PerKey<'a> {
    options: &'a DigestOptions,
    rows: Vec<KeyDigest>,
    each: Option<Each<'a>>,
}

impl Tally for PerKey<'_> {
    type Room = Scratch;

    fn entry(&mut self, entry: &Entry<'_>, room: &mut Scratch) -> Result<()> {
        let expired = |now| entry.expires_at_ms.is_some_and(|ms| ms < now);
        if self.options.drop_expired_at_ms.is_some_and(expired) {
            return Ok(());
        }
        let now_ms = self.options.drop_expired_at_ms;
        let (digest, exists) = if self.options.full {
            match full::value_digest_at(entry, now_ms, room)? {
                Some(sum) => (sum.to_string(), true),
                None => ("0".repeat(64), false),
            }
        } else {
            let value = value_digest_at(entry, &self.options.profile, now_ms, room)?;
            (value.sum.to_string(), value.exists)
        };
        if now_ms.is_some() && !exists {
            return Ok(());
        }
        self.rows.push(KeyDigest { db: entry.db, key: entry.key_bytes()?.into_owned(), digest });
        Ok(())
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        match &mut self.each {
            Some(each) => later.rows.into_iter().try_for_each(each),
            None => Ok(()),
        }
    }
}
