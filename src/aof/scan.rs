//! The scan of a log that is all there, on several threads.
//!
//! ```text
//! |-- piece 0 --|-- piece 1 --|-- piece 2 --|     cut at even distances
//!  ^start        ...^start     .^start            each goes to the next likely command
//!               |==>|         |>|                 the seam: walked from the end of the piece before
//! ```
//!
//! A piece begins where something looks like a command, which may be a mistake: a value can hold
//! the text of a log. So the pieces are put together in order, and a piece counts only if the walk
//! that leads up to it arrives exactly at its start; else it is walked again from the right place.
//! A piece also stops at whatever is out of the ordinary, for the exact walk to judge. By that the
//! outcome is the same for every number of threads, also on hostile bytes.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::log;
use super::transaction::Track;
use super::walk::{LogOutcome, LogTally, Walk};
use crate::Result;
use crate::bytes::SliceInput;
use crate::resp::Command;

/// How a log is scanned.
#[derive(Debug, Clone)]
pub struct ScanOptions {
    /// How many threads walk pieces. With 1, or where there is only one piece, the caller's does.
    pub threads: usize,
    /// How many incidents of each kind are kept.
    pub kept_per_kind: u64,
    /// How long pieces are at least, in bytes.
    pub piece_bytes: usize,
}

impl Default for ScanOptions {
    fn default() -> Self {
        ScanOptions { threads: 1, kept_per_kind: 100, piece_bytes: 4 << 20 }
    }
}

/// Scans the log that begins at `begins_at` in the file's bytes and goes on to their end.
/// The tally is the one that stands at the start of the log; `progress` hears on the calling
/// thread, piece by piece, which offset has been reached.
pub fn scan<T: LogTally>(
    bytes: &[u8],
    begins_at: u64,
    options: &ScanOptions,
    tally: T,
    progress: &dyn Fn(u64),
) -> Result<(LogOutcome, T)> {
    let mut walk = Walk::new(begins_at, options.kept_per_kind, tally);
    let pieces = Pieces::new(bytes, begins_at, options);
    if options.threads > 1 && pieces.count > 1 {
        let seed = walk.tally.fork();
        let desk = Desk::new(options.threads * 4);
        thread::scope(|scope| -> Result<()> {
            let _close = CloseOnDrop(&desk);
            for _ in 0..options.threads {
                let (desk, pieces, seed) = (&desk, &pieces, seed.fork());
                scope.spawn(move || {
                    let _close = CloseOnPanic(desk);
                    while let Some(index) = desk.next(pieces.count) {
                        desk.put(index, pieces.walk(index, &seed));
                    }
                });
            }
            for index in 0..pieces.count {
                let Some(piece) = desk.take(index) else { break };
                join(&mut walk, &pieces, index, piece)?;
                progress(walk.position);
            }
            Ok(())
        })?;
    }
    walk.run(&mut SliceInput::starting_at(bytes, walk.position), progress)?;
    Ok(walk.finish())
}

/// Joins a piece to the walk that leads up to it.
fn join<T: LogTally>(
    walk: &mut Walk<T>,
    pieces: &Pieces<'_>,
    index: usize,
    piece: Option<Piece<T>>,
) -> Result<()> {
    let stop = pieces.start(index + 1) as u64;
    if let Some(piece) = piece {
        let mut input = SliceInput::starting_at(pieces.bytes, walk.position);
        walk.run_until(&mut input, piece.starts_at.min(stop))?;
        if walk.position == piece.starts_at && walk.track.can_take(&piece.track) {
            walk.take(piece.ends_at, &piece.track, piece.tally);
        }
    }
    walk.run_until(&mut SliceInput::starting_at(pieces.bytes, walk.position), stop)
}

/// Even pieces of a log.
struct Pieces<'a> {
    bytes: &'a [u8],
    begins_at: usize,
    size: usize,
    count: usize,
}

/// What one thread found in a piece.
struct Piece<T> {
    starts_at: u64,
    ends_at: u64,
    track: Track,
    tally: T,
}

impl<'a> Pieces<'a> {
    fn new(bytes: &'a [u8], begins_at: u64, options: &ScanOptions) -> Self {
        let begins_at = usize::try_from(begins_at).unwrap_or(usize::MAX).min(bytes.len());
        let length = bytes.len() - begins_at;
        // Long logs get longer pieces, so that the seams stay few.
        let size = options.piece_bytes.max(length / 4096).max(1);
        Pieces { bytes, begins_at, size, count: length.div_ceil(size) }
    }

    /// Where a piece begins; of the one behind the last, the end.
    fn start(&self, index: usize) -> usize {
        index.saturating_mul(self.size).saturating_add(self.begins_at).min(self.bytes.len())
    }

    /// Walks a piece up to the first thing out of the ordinary; `None` if it has no command.
    fn walk<T: LogTally>(&self, index: usize, seed: &T) -> Option<Piece<T>> {
        let (start, stop) = (self.start(index), self.start(index + 1));
        // A start that lies just before the next piece must be seen whole.
        let window = stop.saturating_add(log::START_BYTES).min(self.bytes.len());
        let start = match index {
            0 => start,
            _ => log::find_command(self.bytes.get(..window)?, start).filter(|&at| at < stop)?,
        };
        let mut rest = self.bytes.get(start..)?;
        let stop = (self.bytes.len() - stop).max(1);
        let offset = |rest: &[u8]| (self.bytes.len() - rest.len()) as u64;
        let mut piece = Piece {
            starts_at: start as u64,
            ends_at: start as u64,
            track: Track::from_somewhere(),
            tally: seed.fork(),
        };
        while rest.len() >= stop {
            let at = offset(rest);
            if let Some((command, behind)) = Command::strict(rest) {
                if piece.track.command(at, &command).is_err() {
                    break;
                }
                piece.tally.command(at, &command);
                rest = behind;
            } else {
                let Some(behind) = piece.annotation(at, rest) else { break };
                rest = behind;
            }
        }
        piece.ends_at = offset(rest);
        Some(piece)
    }
}

impl<T: LogTally> Piece<T> {
    #[cold]
    fn annotation<'a>(&mut self, at: u64, input: &'a [u8]) -> Option<&'a [u8]> {
        let mut quirks = log::Quirks::default();
        let (rest, item) = log::item(input, false, &mut quirks).ok()?;
        let log::LogItem::Annotation(annotation) = item else { return None };
        let before = self.track.clone();
        if self.track.annotation(&annotation).is_err() {
            self.track = before;
            return None;
        }
        self.tally.annotation(at, &annotation);
        Some(rest)
    }
}

/// Where threads fetch the number of the next piece and leave what they found.
struct Desk<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    /// How many pieces may be under way or waiting.
    width: usize,
}

struct State<T> {
    next: usize,
    taken: usize,
    found: HashMap<usize, Option<Piece<T>>>,
    closed: bool,
}

impl<T> Desk<T> {
    fn new(width: usize) -> Self {
        let state = State { next: 0, taken: 0, found: HashMap::new(), closed: false };
        Desk { state: Mutex::new(state), changed: Condvar::new(), width }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State<T>>,
        wait: impl Fn(&State<T>) -> bool,
    ) -> MutexGuard<'a, State<T>> {
        self.changed
            .wait_while(state, |state| !state.closed && wait(state))
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The next piece to walk; waits while too many are ahead of the walk that joins them.
    fn next(&self, count: usize) -> Option<usize> {
        let mut state =
            self.wait(self.lock(), |s| s.next < count && s.next >= s.taken + self.width);
        if state.closed || state.next >= count {
            return None;
        }
        let index = state.next;
        state.next += 1;
        Some(index)
    }

    fn put(&self, index: usize, piece: Option<Piece<T>>) {
        self.lock().found.insert(index, piece);
        self.changed.notify_all();
    }

    /// What was found in a piece, once it was; `None` if the threads are gone.
    fn take(&self, index: usize) -> Option<Option<Piece<T>>> {
        let mut state = self.wait(self.lock(), |s| !s.found.contains_key(&index));
        let piece = state.found.remove(&index);
        state.taken = index + 1;
        drop(state);
        self.changed.notify_all();
        piece
    }

    fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }
}

/// Sends the threads home, however the joining ends.
struct CloseOnDrop<'a, T>(&'a Desk<T>);

impl<T> Drop for CloseOnDrop<'_, T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Keeps the joining from waiting for a thread that a tally made panic.
struct CloseOnPanic<'a, T>(&'a Desk<T>);

impl<T> Drop for CloseOnPanic<'_, T> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.close();
        }
    }
}
