//! What a source hands to a reader: a mapping, bytes in memory, or a window, under one face.
//!
//! A reader that can use the whole at once asks [`Feed::whole`] and takes its parallel way; one
//! that can't, or a feed that has no whole, goes through [`Input`].

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::mapped::Mapping;
use super::spill::{temporary_failed, temporary_file};
use super::window::Window;
use crate::bytes::input::Input;
use crate::error::Result;

/// Bytes, wherever they come from.
pub struct Feed {
    kind: Kind,
    progress: Progress,
}

enum Kind {
    Mapped { map: Mapping, at: usize },
    Memory { bytes: Vec<u8>, at: usize },
    Window(Box<Window>),
}

impl Feed {
    /// A feed of a mapped file.
    pub fn of_mapping(map: Mapping) -> Self {
        let progress = Progress::of(Some(map.bytes().len() as u64));
        Feed { kind: Kind::Mapped { map, at: 0 }, progress }
    }

    /// A feed of bytes that are in memory already; it has a whole, as a mapping has.
    pub fn of_bytes(bytes: Vec<u8>) -> Self {
        let progress = Progress::of(Some(bytes.len() as u64));
        Feed { kind: Kind::Memory { bytes, at: 0 }, progress }
    }

    /// A feed of a window; `progress` is that of the reader below it.
    pub fn of_window(window: Window, progress: Progress) -> Self {
        Feed { kind: Kind::Window(Box::new(window)), progress }
    }

    /// All the bytes from the first one on, wherever the position is; `None` for a window.
    #[inline]
    pub fn whole(&self) -> Option<&[u8]> {
        match &self.kind {
            Kind::Mapped { map, .. } => Some(map.bytes()),
            Kind::Memory { bytes, .. } => Some(bytes),
            Kind::Window(_) => None,
        }
    }

    /// The mapping, where the bytes lie in one: it outlives the feed.
    pub fn mapping(&self) -> Option<Mapping> {
        match &self.kind {
            Kind::Mapped { map, .. } => Some(map.clone()),
            _ => None,
        }
    }

    /// Whether any byte can be looked at at any time, that is, whether there is a whole.
    pub fn is_seekable(&self) -> bool {
        self.whole().is_some()
    }

    /// How much has been read. Going through [`Input`] counts by itself; whoever works on
    /// [`whole`](Self::whole) says so by [`Progress::reach`].
    pub fn progress(&self) -> &Progress {
        &self.progress
    }
}

/// The bytes of a feed that are all at hand, to be kept and shared.
#[derive(Debug)]
pub enum Whole {
    /// A mapped file.
    Mapped(Mapping),
    /// Bytes in memory.
    Memory(Vec<u8>),
}

impl AsRef<[u8]> for Whole {
    fn as_ref(&self) -> &[u8] {
        match self {
            Whole::Mapped(map) => map.bytes(),
            Whole::Memory(bytes) => bytes,
        }
    }
}

impl Feed {
    /// The bytes of this feed, where they are all at hand; a window is given back.
    pub fn into_whole(self) -> std::result::Result<Whole, Feed> {
        match self.kind {
            Kind::Mapped { map, .. } => Ok(Whole::Mapped(map)),
            Kind::Memory { bytes, .. } => Ok(Whole::Memory(bytes)),
            kind => Err(Feed { kind, progress: self.progress }),
        }
    }

    /// All bytes of this feed, of which none has been read: in memory, or, where they are many, in
    /// a temporary file that has no name.
    pub fn spool(self, reached: &dyn Fn(u64)) -> Result<Whole> {
        const MOST_IN_MEMORY: usize = 64 << 20;
        let wrong = temporary_failed;
        let mut feed = match self.into_whole() {
            Ok(whole) => return Ok(whole),
            Err(feed) => feed,
        };
        let (mut bytes, mut file) = (Vec::new(), None);
        loop {
            let buffer = feed.buffer();
            let len = buffer.len();
            match &mut file {
                None => bytes.extend_from_slice(buffer),
                Some(file) => File::write_all(file, buffer).map_err(wrong)?,
            }
            feed.consume(len);
            reached(feed.position());
            if file.is_none() && bytes.len() > MOST_IN_MEMORY {
                let mut spool = temporary_file().map_err(wrong)?;
                spool.write_all(&bytes).map_err(wrong)?;
                bytes = Vec::new();
                file = Some(spool);
            }
            if !feed.more()? {
                break;
            }
        }
        let Some(file) = file else { return Ok(Whole::Memory(bytes)) };
        let len = usize::try_from(feed.position()).unwrap_or(usize::MAX);
        Mapping::of(&file, len).map(Whole::Mapped).map_err(wrong)
    }
}

impl Input for Feed {
    #[inline]
    fn buffer(&self) -> &[u8] {
        let (bytes, at) = match &self.kind {
            Kind::Mapped { map, at } => (map.bytes(), *at),
            Kind::Memory { bytes, at } => (bytes.as_slice(), *at),
            Kind::Window(window) => return window.buffer(),
        };
        bytes.get(at..).unwrap_or_default()
    }

    #[inline]
    fn consume(&mut self, n: usize) {
        let (len, at) = match &mut self.kind {
            Kind::Mapped { map, at } => (map.bytes().len(), at),
            Kind::Memory { bytes, at } => (bytes.len(), at),
            Kind::Window(window) => return window.consume(n),
        };
        *at += n.min(len - *at);
        self.progress.reach(*at as u64);
    }

    fn more(&mut self) -> Result<bool> {
        match &mut self.kind {
            Kind::Mapped { .. } | Kind::Memory { .. } => Ok(false),
            Kind::Window(window) => window.more(),
        }
    }

    #[inline]
    fn position(&self) -> u64 {
        match &self.kind {
            Kind::Mapped { at, .. } | Kind::Memory { at, .. } => *at as u64,
            Kind::Window(window) => window.position(),
        }
    }
}

/// How many bytes of a source have been read, as they lie on disk: for a compressed source,
/// compressed ones. Clones look at the same count, from any thread.
#[derive(Debug, Clone)]
pub struct Progress {
    done: Arc<AtomicU64>,
    total: Option<u64>,
}

impl Progress {
    /// Nothing read yet of `total` bytes, where that is known.
    pub fn of(total: Option<u64>) -> Self {
        Progress { done: Arc::new(AtomicU64::new(0)), total }
    }

    /// Bytes read so far.
    pub fn done_bytes(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Bytes there are; `None` for a pipe.
    pub fn total_bytes(&self) -> Option<u64> {
        self.total
    }

    /// Says that the first `bytes` have been read.
    #[inline]
    pub fn reach(&self, bytes: u64) {
        self.done.store(bytes, Ordering::Relaxed);
    }

    /// Says that `bytes` more have been read; several threads may.
    #[inline]
    pub fn advance(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// A reader that counts.
pub(super) struct Counted<R> {
    reader: R,
    progress: Progress,
}

impl<R> Counted<R> {
    pub(super) fn new(reader: R, progress: &Progress) -> Self {
        Counted { reader, progress: progress.clone() }
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(room)?;
        self.progress.advance(n as u64);
        Ok(n)
    }
}

/// A mapping of a regular file that is not empty and fits the address space.
pub(super) fn mapping(file: &File, size_bytes: u64) -> Option<Mapping> {
    // Files of /proc say 0 and have content; a file system that can't map is read instead.
    let len = usize::try_from(size_bytes).ok().filter(|&len| len > 0)?;
    Mapping::of(file, len).ok()
}
