//! A snapshot on its way: read once, written, checked and counted at the same time.
//!
//! ```text
//!             ┌─► writer    compressed, summed, into a file that nobody sees yet
//! server ─► reader ─► checker   what `check` does
//!             └─► counter   keys by database, functions, the digest
//! ```
//!
//! Each has a queue of its own, of a few blocks: what is slow holds the server back rather than
//! filling memory.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::BackupOptions;
use super::holds::{self, Holds};
use crate::digest::FileSum;
use crate::error::{Error, Result};
use crate::live::replication::Payload;
use crate::ops::check::{CheckOptions, SourceReport, check_source};
use crate::ops::walk::Observer;
use crate::rdb::{HEADER_BYTES, Header};
use crate::source::{OpenOptions, open_reader};
use crate::target::{Packer, Packing};

/// The size of a block.
const BLOCK: usize = 256 << 10;
/// How many may wait in a queue.
const WAITING: usize = 64;

/// What came, and what it is.
pub(super) struct Came {
    /// What was written.
    pub(super) written: Written,
    /// Its size, uncompressed.
    pub(super) size_bytes: u64,
    /// Its first bytes.
    pub(super) header: Option<Header>,
    /// Whether it is sound.
    pub(super) check: SourceReport,
    /// What it holds, if it is sound.
    pub(super) holds: Holds,
}

/// What was written of it.
#[derive(Debug, Clone)]
pub(super) struct Written {
    /// Bytes of the file.
    pub(super) size_bytes: u64,
    /// Their SHA-256.
    pub(super) sha256: String,
}

/// Takes in a whole snapshot. Fails where it does not come to its end, or cannot be written.
pub(super) fn take(
    payload: &mut dyn Read,
    name: &str,
    to: &mut (dyn Write + Send),
    packing: Option<Packing>,
    options: &BackupOptions,
    profile: crate::digest::Profile,
    observer: &dyn Observer,
) -> Result<Came> {
    let (to_writer, writing) = bounded(WAITING);
    let (to_checker, checking) = bounded(WAITING);
    let (to_counter, counting) = bounded(WAITING);
    let check_options = CheckOptions {
        quick: options.quick,
        threads: 1,
        max_findings: options.max_findings,
        ..CheckOptions::default()
    };
    let gone = |what: &str| Error::Usage(format!("the {what} of {name} ended early"));
    thread::scope(|scope| {
        let writer = scope.spawn(move || write(Blocks::new(writing), to, packing));
        let checker = scope.spawn(move || {
            let blocks = Box::new(Blocks::new(checking));
            let source = open_reader(name, blocks, &OpenOptions::default())?;
            check_source(source, &check_options, &crate::ops::walk::Silent)
        });
        let counter = scope.spawn(move || {
            let blocks = Box::new(Blocks::new(counting));
            let source = open_reader(name, blocks, &OpenOptions::default())?;
            holds::count(source, options.digest.then_some(profile))
        });
        let pumped = pump(payload, [to_writer, to_checker, to_counter], observer);
        let written = writer.join().map_err(|_| gone("writer"));
        let check = checker.join().map_err(|_| gone("check"));
        let holds = counter.join().map_err(|_| gone("count"));
        let (size_bytes, head) =
            pumped.map_err(|cause| Error::io(format!("cannot read {name}"), cause))?;
        let written = written?.map_err(|cause| Error::io("cannot write the backup", cause))?;
        let check = check??;
        // Of what is not sound nothing has to be known but why.
        let holds = if check.is_sound() { holds?? } else { Holds::default() };
        let header = Header::parse(&head).ok().map(|(_, header)| header);
        Ok(Came { written, size_bytes, header, check, holds })
    })
}

/// A snapshot, and whether it was the stream that failed where something did.
pub(super) struct Until {
    pub(super) payload: Payload,
    pub(super) is_broken: bool,
}

impl Until {
    /// One of which nothing was read.
    pub(super) fn new(payload: Payload) -> Self {
        Until { payload, is_broken: false }
    }
}

impl Read for Until {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let read = self.payload.read(room);
        self.is_broken = read.is_err();
        read
    }
}

/// What goes through a queue.
enum Piece {
    Bytes(Arc<Vec<u8>>),
    /// The snapshot is over.
    End,
    /// It did not come to its end.
    Cut,
}

/// Reads to the end; the size and the first bytes.
fn pump(
    payload: &mut dyn Read,
    queues: [Sender<Piece>; 3],
    observer: &dyn Observer,
) -> io::Result<(u64, Vec<u8>)> {
    let [writer, ..] = &queues;
    let (mut size_bytes, mut head) = (0, Vec::new());
    let told = loop {
        // Whole blocks, however little comes at a time: to hand one on wakes three threads.
        let mut block = Vec::with_capacity(BLOCK);
        match Read::take(&mut *payload, BLOCK as u64).read_to_end(&mut block) {
            Ok(0) => break Ok(()),
            Ok(n) => {
                size_bytes += n as u64;
                let wanting = HEADER_BYTES.saturating_sub(head.len()).min(n);
                head.extend_from_slice(block.get(..wanting).unwrap_or_default());
                let block = Arc::new(block);
                if writer.send(Piece::Bytes(Arc::clone(&block))).is_err() {
                    // Why is the writer's to say.
                    return Ok((size_bytes, head));
                }
                for queue in queues.iter().skip(1) {
                    // One who has seen enough listens no more.
                    let _ = queue.send(Piece::Bytes(Arc::clone(&block)));
                }
                observer.progress(size_bytes);
            }
            Err(cause) => break Err(cause),
        }
    };
    for queue in &queues {
        let _ = queue.send(if told.is_ok() { Piece::End } else { Piece::Cut });
    }
    told.map(|()| (size_bytes, head))
}

/// The far end of a queue.
struct Blocks {
    queue: Receiver<Piece>,
    block: Arc<Vec<u8>>,
    taken: usize,
    over: bool,
}

impl Blocks {
    fn new(queue: Receiver<Piece>) -> Self {
        Blocks { queue, block: Arc::default(), taken: 0, over: false }
    }

    /// The next block; `None` at the end.
    fn next(&mut self) -> io::Result<Option<Arc<Vec<u8>>>> {
        match self.queue.recv() {
            Ok(Piece::Bytes(block)) => Ok(Some(block)),
            Ok(Piece::End) => Ok(None),
            // A queue that ends without a word belongs to a reader that gave up.
            Ok(Piece::Cut) | Err(_) => {
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the snapshot was cut off"))
            }
        }
    }
}

impl Read for Blocks {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.block.len() && !self.over {
            match self.next()? {
                Some(block) => (self.block, self.taken) = (block, 0),
                None => self.over = true,
            }
        }
        let rest = self.block.get(self.taken..).unwrap_or_default();
        let n = rest.len().min(room.len());
        if let (Some(to), Some(from)) = (room.get_mut(..n), rest.get(..n)) {
            to.copy_from_slice(from);
        }
        self.taken += n;
        Ok(n)
    }
}

fn write(
    mut blocks: Blocks,
    to: &mut (dyn Write + Send),
    packing: Option<Packing>,
) -> io::Result<Written> {
    let summed = Summed { to, sum: FileSum::default(), size_bytes: 0 };
    let mut packer = Packer::new(summed, packing)?;
    while let Some(block) = blocks.next()? {
        packer.write_all(&block)?;
    }
    let Summed { sum, size_bytes, .. } = packer.finish()?;
    Ok(Written { size_bytes, sha256: sum.finish() })
}

/// A writer that sums what goes through it.
struct Summed<'w> {
    to: &'w mut (dyn Write + Send),
    sum: FileSum,
    size_bytes: u64,
}

impl Write for Summed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.to.write(bytes)?;
        self.sum.update(bytes.get(..n).unwrap_or_default());
        self.size_bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
