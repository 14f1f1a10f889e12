//! The walk: every record of a snapshot, once, on all cores, in bounded memory.
//!
//! One thread steps over frames and hands out batches (a range of bytes and the framer's state
//! before it); workers read their batch again and tally it; the tallies are merged in file order
//! on the calling thread. The checksum is computed beside. So any tally gives the same result
//! with any number of threads, and through a pipe, where all is done on one.

mod checksum;
mod streamed;
mod whole;

use crate::bytes::input::Input;
use crate::engine::{Base, Stretch};
use crate::error::{FormatError, Result};
use crate::rdb::{Entry, Header, Record, Target};

pub use checksum::Checksum;

/// Something that is counted, listed or written from the records of a snapshot.
pub trait Tally: Send + Sized {
    /// Room that is reused from batch to batch, one for each thread.
    type Room: Default;

    /// Takes in a key; within a batch, keys and other records come in file order.
    fn entry(&mut self, entry: &Entry<'_>, room: &mut Self::Room) -> Result<()>;

    /// Takes in what [`plain_string`](crate::rdb::Framer::plain_string) found: a tally that has little to do with it may
    /// do that here, and nothing is built of the entry but what it uses.
    #[inline(always)]
    fn plain_string(&mut self, entry: &Entry<'_>, room: &mut Self::Room) -> Result<()> {
        self.entry(entry, room)
    }

    /// Takes in a key that comes as an entry right behind, here with nothing of it packed: only keys
    /// of an engine come so, where that is asked for.
    fn plain(&mut self, entry: &Entry<'_>, room: &mut Self::Room) -> Result<()> {
        let _ = (entry, room);
        Ok(())
    }

    /// Takes in all keys of a stretch of a base as they lie there; whether it does. If not, they
    /// come one by one. Only keys of an engine come so.
    fn stretch(&mut self, base: &Base, db: u64, stretch: &Stretch) -> bool {
        let _ = (base, db, stretch);
        false
    }

    /// Takes in a huge key, if it can: it comes to the root, after all before it has been merged, so
    /// what is made of it goes where it belongs at once and needs no room. Whether it was taken in; if
    /// not, it comes as all others do.
    fn huge(&mut self, entry: &Entry<'_>, room: &mut Self::Room) -> Result<bool> {
        let _ = (entry, room);
        Ok(false)
    }

    /// Takes in another record, which begins at `offset`.
    fn record(&mut self, record: &Record<'_>, offset: u64, room: &mut Self::Room) -> Result<()> {
        let _ = (record, offset, room);
        Ok(())
    }

    /// Whether values are taken apart rather than copied or stepped over: then what is compressed
    /// in them may come unpacked, where somebody has looked at it before.
    fn decodes(&self) -> bool {
        false
    }

    /// Takes in what was tallied from the records right behind these: in file order, on the
    /// calling thread.
    fn merge(&mut self, later: Self) -> Result<()>;
}

/// A key of this size or more is huge.
const HUGE: u64 = 16 << 20;

/// How a walk is done.
#[derive(Debug, Clone, Copy)]
pub struct WalkOptions {
    /// Threads that tally; 1 does everything on the calling thread.
    pub threads: usize,
    /// Whether the checksum is computed.
    pub checksum: bool,
    /// Whether records are tallied at all; if not, their frames are still walked.
    pub tally: bool,
    /// Where a log has to be run first: the time from which relative times count, unix time in
    /// milliseconds; without one, that of the clock.
    pub now_ms: Option<i64>,
    /// Where a log has to be run first: whether commands that are not known are stepped over.
    pub skip_unknown: bool,
    /// Where a log has to be run first: the server that is played; without one, the one that wrote
    /// its snapshot, or the newest Redis.
    pub target: Option<Target>,
}

impl Default for WalkOptions {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        WalkOptions {
            threads,
            checksum: true,
            tally: true,
            now_ms: None,
            skip_unknown: false,
            target: None,
        }
    }
}

/// Hears how far a long job is.
pub trait Observer: Send + Sync {
    /// So many bytes of the source are done.
    fn progress(&self, bytes_done: u64) {
        let _ = bytes_done;
    }

    /// It stands still and waits for something that passes, which these words say. They come again
    /// about once a second, or more often, and may change, until it [goes on](Self::goes_on).
    fn waiting(&self, why: &str) {
        let _ = why;
    }

    /// What was waited for has passed; also told where nothing was.
    fn goes_on(&self) {}
}

/// An observer that hears nothing.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Observer for Silent {}

/// What a walk found, besides what was tallied.
#[derive(Debug, Clone)]
pub struct Walked {
    /// Magic and version.
    pub header: Header,
    /// What became of the checksum.
    pub checksum: Checksum,
    /// The offset behind the snapshot, or of the record that could not be read.
    pub end: u64,
    /// Keys that were stepped over.
    pub keys: u64,
    /// Other records, the end marker left out.
    pub others: u64,
    /// Why the walk ended before the end marker.
    pub fault: Option<Box<FormatError>>,
}

impl Walked {
    /// For callers that want the whole snapshot or nothing.
    pub fn complete(self) -> Result<Walked> {
        match self.fault {
            Some(error) => Err(error.into()),
            None => Ok(self),
        }
    }
}

/// Walks the snapshot that begins at the input's position; afterwards the input stands behind it.
/// `whole` are all bytes from there on, where they are at hand.
///
/// ```
/// use rdbkit::ops::walk::{Silent, Tally, WalkOptions, walk};
/// use rdbkit::rdb::Entry;
/// use rdbkit::source::{OpenOptions, open};
///
/// /// How many keys expire.
/// struct Expiring(u64);
///
/// impl Tally for Expiring {
///     type Room = ();
///
///     fn entry(&mut self, entry: &Entry<'_>, (): &mut ()) -> rdbkit::Result<()> {
///         self.0 += u64::from(entry.expires_at_ms.is_some());
///         Ok(())
///     }
///
///     fn merge(&mut self, later: Self) -> rdbkit::Result<()> {
///         self.0 += later.0;
///         Ok(())
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let source = open(&"fixtures/redis-7.0.15-lru.rdb".into(), &OpenOptions::default())?;
/// let mut feed = source.feed.ok_or("a directory is no snapshot")?;
/// let mut root = Expiring(0);
/// let whole = feed.whole().is_some();
/// let options = WalkOptions::default();
/// walk(&mut feed, whole, &|| Expiring(0), &mut root, &options, &Silent)?.complete()?;
/// assert_eq!(root.0, 1);
/// # Ok(())
/// # }
/// ```
pub fn walk<T: Tally>(
    input: &mut dyn Input,
    whole: bool,
    fresh: &(dyn Fn() -> T + Sync),
    root: &mut T,
    options: &WalkOptions,
    observer: &dyn Observer,
) -> Result<Walked> {
    if !whole {
        return streamed::walk(input, fresh, root, options, observer);
    }
    let (bytes, start) = (input.buffer(), input.position());
    let walked = whole::walk(bytes, start, fresh, root, options, observer)?;
    let done = usize::try_from(walked.end - start).unwrap_or(bytes.len());
    input.consume(done);
    Ok(walked)
}

#[cfg(test)]
mod tests;
