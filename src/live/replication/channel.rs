//! A connection for the snapshot alone, and the commands over the main one at the same time.
//!
//! The server's child process writes into the connection itself, where otherwise each byte goes
//! through the thread that serves clients; and what is written meanwhile waits here, not there.
//!
//! ```text
//! main connection                           the other one, logged in as well
//! REPLCONF capa rdb-channel-repl · PSYNC ─►                                             Redis 8
//! ◄─ +RDBCHANNELSYNC <client>
//!                                           REPLCONF … main-ch-client-id <client> · PSYNC ? -1 ─►
//! ◄─ commands                               ◄─ +FULLRESYNC <id> <offset> · $EOF:<mark> …
//!
//! REPLCONF capa dual-channel · PSYNC ─►                                                 Valkey 8
//! ◄─ +DUALCHANNELSYNC
//!                                           REPLCONF … rdb-channel 1 · SYNC ─►
//!                                           ◄─ $ENDOFF:<offset> <id> <db> <client>
//! REPLCONF set-rdb-client-id <client> ─►
//! PSYNC <id> <offset + 1> ─►
//! ◄─ +CONTINUE <id> · commands              ◄─ $EOF:<mark> …
//! ```
//!
//! Servers that have it switched off do not answer to the capability. An empty line on the main
//! connection says that somebody is there; the first acknowledgement says that the snapshot is.
//!
//! Commands of which nobody wants to know are read as well: a server that can't get rid of them
//! ends both connections, and one whose main connection is gone breaks off the snapshot or keeps
//! the commands for whoever might come for them.

use std::io::{self, Chain, Cursor, ErrorKind, Read, Seek as _, Take, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tempfile::SpooledTempFile;

use super::payload::{self, Payload};
use super::wire::{Duplex, Wire};
use super::{Answered, Point, VERSION, asked};
use crate::error::{Error, Result};
use crate::live::Wait;

/// What a replica says that can have two connections. Servers pass over what they do not know.
pub(super) const CAPABILITIES: [&[u8]; 4] =
    [b"capa", b"rdb-channel-repl", b"capa", b"dual-channel"];

/// A sign of life is given so often while a snapshot comes.
const SIGN_EVERY: Duration = Duration::from_secs(1);
/// Commands beyond this go to a temporary file.
const IN_MEMORY_BYTES: usize = 16 << 20;

/// How a server wants to be asked over the second connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// As Redis does: the main connection has this number.
    Redis(String),
    /// As Valkey does.
    Valkey,
}

impl Offer {
    /// What the answer to PSYNC offers.
    pub(super) fn of(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        match (words.next(), words.next()) {
            (Some("RDBCHANNELSYNC"), Some(client)) => Some(Offer::Redis(client.to_owned())),
            (Some("DUALCHANNELSYNC"), _) => Some(Offer::Valkey),
            _ => None,
        }
    }
}

/// Asks for the snapshot over a connection that `again` makes; what comes over the main one is kept
/// where `keep` says so.
pub(super) fn open(
    mut main: Wire,
    offer: &Offer,
    again: &mut dyn FnMut() -> Result<Wire>,
    keep: bool,
) -> Result<Answered> {
    let mut wire = again()?;
    // A wish, as over the main one.
    wire.ask(&[b"REPLCONF", b"version", VERSION])?;
    let mut words: Vec<&[u8]> =
        vec![b"REPLCONF", b"capa", b"eof", b"rdb-only", b"1", b"rdb-channel", b"1"];
    if let Offer::Redis(client) = offer {
        words.extend([b"main-ch-client-id", client.as_bytes()]);
    }
    asked(&mut wire, "REPLCONF", &words)?;
    let (point, db) = match offer {
        Offer::Redis(_) => {
            let line = asked(&mut wire, "PSYNC", &[b"PSYNC", b"?", b"-1"])?;
            let point = full(&line).ok_or_else(|| wire.odd("PSYNC", &line))?;
            // The stream begins with the database that it is of.
            (point, 0)
        }
        Offer::Valkey => {
            wire.send(&[b"SYNC"])?;
            let line = wire.line()?;
            let end = End::of(&line).ok_or_else(|| match line.strip_prefix('-') {
                Some(words) => super::refused(&wire, "SYNC", words),
                None => wire.odd("SYNC", &line),
            })?;
            let client = end.client.as_bytes();
            // Commands for whoever wants none of them would stay where they are.
            let client = [b"REPLCONF", &b"rdb-only"[..], b"0", b"set-rdb-client-id", client];
            asked(&mut main, "REPLCONF", &client)?;
            let next = (end.point.offset + 1).to_string();
            let psync = [b"PSYNC", end.point.id.as_bytes(), next.as_bytes()];
            let line = asked(&mut main, "PSYNC", &psync)?;
            if line.split(' ').next() != Some("CONTINUE") {
                return Err(main.odd("PSYNC", &line));
            }
            (end.point, end.db)
        }
    };
    // From now on commands come, and the snapshot may be a while.
    let main = Gathering::begin(main, keep)?;
    let framing = payload::framing(&mut wire)?;
    Ok(Answered::Snapshot { point, db, payload: Payload::beside(main, wire, framing) })
}

/// The point of a snapshot in `FULLRESYNC <id> <offset>`.
fn full(line: &str) -> Option<Point> {
    let mut words = line.strip_prefix("FULLRESYNC ")?.split(' ');
    let id = words.next()?.to_owned();
    Some(Point { id, offset: words.next()?.parse().ok()? })
}

/// `$ENDOFF:<offset> <id> <db> <client>`: of which point a snapshot will be, in which database the
/// stream is there, and how the connection is called.
#[derive(Debug, PartialEq, Eq)]
struct End {
    point: Point,
    db: u32,
    client: String,
}

impl End {
    fn of(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix("$ENDOFF:")?.split(' ');
        let offset = words.next()?.parse().ok()?;
        let point = Point { id: words.next()?.to_owned(), offset };
        // Below zero where the stream says it with its next command.
        let db = u32::try_from(words.next()?.parse::<i64>().ok()?).unwrap_or(0);
        Some(End { point, db, client: words.next()?.to_owned() })
    }
}

/// The main connection while the snapshot comes over another: a thread reads it.
pub(super) struct Gathering {
    flags: Arc<Flags>,
    thread: Option<JoinHandle<Gathered>>,
}

#[derive(Default)]
struct Flags {
    is_over: AtomicBool,
    is_broken: AtomicBool,
}

/// What has come over it.
struct Gathered {
    wire: Wire,
    kept: SpooledTempFile,
    size_bytes: u64,
    /// Why it broke off.
    cause: Option<io::Error>,
}

impl Gathering {
    fn begin(wire: Wire, keep: bool) -> Result<Self> {
        let flags = Arc::<Flags>::default();
        let seen = Arc::clone(&flags);
        let thread = thread::Builder::new().spawn(move || {
            let kept = SpooledTempFile::new(IN_MEMORY_BYTES);
            let mut gathered = Gathered { wire, kept, size_bytes: 0, cause: None };
            if let Err(cause) = gathered.gather(&seen.is_over, keep) {
                gathered.cause = Some(cause);
                // Whoever wants nothing of it does not miss it.
                seen.is_broken.store(keep, Ordering::Relaxed);
            }
            gathered
        });
        let thread = thread.map_err(|cause| Error::io("cannot start a thread", cause))?;
        Ok(Gathering { flags, thread: Some(thread) })
    }

    /// Fails once the connection broke off.
    pub(super) fn holds(&self) -> io::Result<()> {
        if !self.flags.is_broken.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(io::Error::new(
            ErrorKind::ConnectionAborted,
            "the server ended the connection for the commands",
        ))
    }

    /// The connection, with what has come before what will come.
    pub(super) fn into_wire(mut self) -> Result<Wire> {
        self.flags.is_over.store(true, Ordering::Relaxed);
        let gathered = self.thread.take().and_then(|thread| thread.join().ok());
        let ended = || Error::Usage("the thread that gathers commands ended early".to_owned());
        let Gathered { wire, mut kept, size_bytes, cause } = gathered.ok_or_else(ended)?;
        let failed =
            |cause| Error::io(format!("cannot read the commands of {}", wire.name()), cause);
        match cause {
            Some(cause) => return Err(failed(cause)),
            None => kept.rewind().map_err(failed)?,
        }
        Ok(wire.behind(|rest, stream| {
            let kept = Some(kept.take(size_bytes).chain(Cursor::new(rest)));
            Box::new(Ahead { kept, stream })
        }))
    }
}

impl Drop for Gathering {
    fn drop(&mut self) {
        self.flags.is_over.store(true, Ordering::Relaxed);
    }
}

impl Gathered {
    fn gather(&mut self, is_over: &AtomicBool, keep: bool) -> io::Result<()> {
        let (mut signed, mut is_full) = (Instant::now(), false);
        while !is_over.load(Ordering::Relaxed) {
            if signed.elapsed() >= SIGN_EVERY {
                self.wire.sign()?;
                signed = Instant::now();
            }
            if is_full {
                thread::sleep(Duration::from_millis(20));
                continue;
            }
            match keep {
                true => is_full = !self.keep(),
                false => self.wire.take(usize::MAX),
            }
            if !is_full {
                // That there is nothing to say is no fault here: the snapshot comes or does not.
                self.wire.forgive();
                self.wire.poll()?;
            }
        }
        Ok(())
    }

    /// Keeps what is at hand; false where there is no room for it, so that the server has to.
    fn keep(&mut self) -> bool {
        let at_hand = self.wire.at_hand();
        let size = at_hand.len();
        if self.kept.write_all(at_hand).is_err() {
            // What of it was written is not read: the size stays.
            return false;
        }
        self.size_bytes += size as u64;
        self.wire.take(size);
        true
    }
}

/// A connection with what came over it earlier.
struct Ahead {
    kept: Option<Chain<Take<SpooledTempFile>, Cursor<Vec<u8>>>>,
    stream: Box<dyn Duplex>,
}

impl Read for Ahead {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if let Some(kept) = &mut self.kept {
            match kept.read(room)? {
                0 if !room.is_empty() => self.kept = None,
                n => return Ok(n),
            }
        }
        self.stream.read(room)
    }
}

impl Write for Ahead {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Duplex for Ahead {
    fn set_pause(&mut self, pause: Duration) -> io::Result<()> {
        self.stream.set_pause(pause)
    }

    fn waits(&self, since: Instant) -> Option<Wait> {
        self.stream.waits(since)
    }
}
