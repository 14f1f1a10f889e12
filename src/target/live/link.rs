//! A pipeline to one server: a writer and a reader in threads of their own, with a window in bytes
//! between them.
//!
//! ```text
//! send ─► waiting ─► writer ══ large writes ══► server
//!                      │ in flight, up to the window
//! events ◄─ reader ◄═══════════ replies ═══════╛
//! ```
//!
//! Replies come in the order of commands, so the oldest parcel in flight is the one that is
//! answered. When the connection is lost, everything in flight or waiting comes back in its order:
//! whether the server has seen it is not known.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;

use super::{Parcel, elsewhere};
use crate::live::{Address, Connection, ErrorReply, Failure, Frames, Stream, Wait};
use crate::resp::encode;

/// How often it is looked whether a server that owes something is silent.
const TICK: Duration = Duration::from_millis(250);

/// Bytes that are written in one go.
const PIECE: usize = 256 << 10;

/// An item that the server did not take.
#[derive(Debug, Clone)]
pub struct Refused {
    /// Its number in the parcel.
    pub item: usize,
    /// Which of its commands.
    pub command: u32,
    /// The server's words.
    pub reply: ErrorReply,
}

/// What a link has to tell.
#[derive(Debug)]
pub enum Event {
    /// The server has answered all commands of a parcel.
    Answered {
        /// Whose event it is.
        lane: usize,
        /// Which of the lane's links.
        generation: u64,
        /// The parcel.
        parcel: Arc<Parcel>,
        /// Items with an error among their replies: the first error of each, in their order.
        refused: Vec<Refused>,
    },
    /// The connection is lost.
    Broken {
        /// Whose event it is.
        lane: usize,
        /// Which of the lane's links.
        generation: u64,
        /// What was not answered, in its order.
        left: Vec<Arc<Parcel>>,
        /// Why.
        failure: Failure,
    },
}

/// A pipeline.
#[derive(Debug)]
pub struct Link {
    shared: Arc<Shared>,
    /// Which of its lane's links it is.
    pub generation: u64,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    stream: Stream,
    window_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Arc<Parcel>>,
    waiting_bytes: usize,
    /// With the number of replies that come before the parcel's own.
    flight: VecDeque<(Arc<Parcel>, u32)>,
    flight_bytes: usize,
    /// Since when the server has owed something, where it did not before, or when it took bytes last.
    owes: Option<Instant>,
    /// The connection is lost, or nobody needs it any more.
    ended: bool,
    cause: Option<io::Error>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    /// Takes over a connection on which `database` is selected.
    pub fn new(
        connection: Connection,
        database: u32,
        window_bytes: usize,
        (lane, generation): (usize, u64),
        events: Sender<Event>,
    ) -> Self {
        let address = connection.address().clone();
        let (stream, _) = connection.into_stream();
        let (write, read) = (stream.clone(), stream.clone());
        let (patience, writes) = stream.timeouts();
        // Where that cannot be set, the reader meets what is wrong.
        let _ = stream.set_timeouts(Some(patience.map_or(TICK, |it| it.min(TICK))), writes);
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            stream,
            window_bytes,
        });
        let writer = Writer { shared: Arc::clone(&shared), stream: write, database };
        let reader = Reader {
            shared: Arc::clone(&shared),
            stream: read,
            frames: Frames::default(),
            lane,
            generation,
            address,
            events,
            patience,
            heard: Instant::now(),
            wait: None,
        };
        thread::spawn(move || writer.run());
        thread::spawn(move || reader.run());
        Link { shared, generation }
    }

    /// Hands over a parcel, once there is room for it; `patience` is how long that is waited for.
    /// It comes back where there is no room, or the link is broken.
    pub fn send(&self, parcel: Arc<Parcel>, patience: Duration) -> Result<(), Arc<Parcel>> {
        let mut state = self.shared.lock();
        // One window on the wire, and one more behind it.
        while !state.ended && state.waiting_bytes > self.shared.window_bytes {
            let waited = self.shared.changed.wait_timeout(state, patience);
            let (next, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state = next;
            if timeout.timed_out() && state.waiting_bytes > self.shared.window_bytes {
                return Err(parcel);
            }
        }
        if state.ended {
            return Err(parcel);
        }
        state.waiting_bytes += parcel.bytes.len();
        state.waiting.push_back(parcel);
        drop(state);
        self.shared.changed.notify_all();
        Ok(())
    }

    /// Ends the connection; what was not answered comes back as that of a link that breaks.
    pub fn cut(&self) {
        self.shared.stream.shutdown();
    }

    /// Whether all that it was given is answered.
    pub fn is_idle(&self) -> bool {
        let state = self.shared.lock();
        state.ended || state.waiting.is_empty() && state.flight.is_empty()
    }

    /// Whether the connection is lost.
    pub fn is_broken(&self) -> bool {
        self.shared.lock().ended
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_all();
        self.shared.stream.shutdown();
    }
}

struct Writer {
    shared: Arc<Shared>,
    stream: Stream,
    database: u32,
}

impl Writer {
    fn run(mut self) {
        while let Some((parcel, select)) = self.next() {
            let sent = match select {
                Some(select) => self.stream.write_all(&select),
                None => Ok(()),
            };
            if let Err(cause) = sent.and_then(|()| self.send(&parcel.bytes)) {
                self.shared.lock().cause.get_or_insert(cause);
                // The reader is told by the end of its stream.
                self.shared.stream.shutdown();
                return;
            }
        }
    }

    /// Writes bytes: a server that takes them is not silent, however long it has them come.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(PIECE) {
            self.stream.write_all(piece)?;
            if bytes.len() > PIECE {
                self.shared.lock().owes = Some(Instant::now());
            }
        }
        Ok(())
    }

    /// The next parcel, once it fits the window, and what selects its database.
    fn next(&mut self) -> Option<(Arc<Parcel>, Option<Vec<u8>>)> {
        let mut state = self.shared.lock();
        loop {
            if state.ended {
                return None;
            }
            let next = state.waiting.front().map(|parcel| parcel.bytes.len());
            let fits = |len| state.flight_bytes + len <= self.shared.window_bytes;
            match next {
                // One that is larger than the window goes alone.
                Some(len) if state.flight.is_empty() || fits(len) => break,
                _ => state = self.shared.wait(state),
            }
        }
        let parcel = state.waiting.pop_front()?;
        let select = (parcel.database != self.database).then(|| {
            let mut select = Vec::new();
            encode::command(&mut select, ["SELECT", &parcel.database.to_string()]);
            select
        });
        self.database = parcel.database;
        state.waiting_bytes -= parcel.bytes.len();
        state.flight_bytes += parcel.bytes.len();
        if state.flight.is_empty() {
            state.owes = Some(Instant::now());
        }
        state.flight.push_back((Arc::clone(&parcel), u32::from(select.is_some())));
        drop(state);
        self.shared.changed.notify_all();
        Some((parcel, select))
    }
}

struct Reader {
    shared: Arc<Shared>,
    stream: Stream,
    frames: Frames,
    lane: usize,
    generation: u64,
    address: Address,
    events: Sender<Event>,
    /// How long the server may owe something.
    patience: Option<Duration>,
    /// When something came last.
    heard: Instant,
    wait: Option<Wait>,
}

impl Reader {
    fn run(mut self) {
        let cause = loop {
            match self.parcel() {
                Ok(true) => {}
                Ok(false) => return,
                Err(cause) => break cause,
            }
        };
        let mut state = self.shared.lock();
        // What the writer met first says more than the end of the stream that follows from it.
        let cause = state.cause.take().unwrap_or(cause);
        let was_dropped = std::mem::replace(&mut state.ended, true);
        let flight = std::mem::take(&mut state.flight);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        self.shared.changed.notify_all();
        self.shared.stream.shutdown();
        if was_dropped {
            return;
        }
        let left = flight.into_iter().map(|(parcel, _)| parcel).chain(waiting).collect();
        let address = self.address;
        let failure = match cause.kind() {
            io::ErrorKind::InvalidData => Failure::Garbled { address, words: cause.to_string() },
            io::ErrorKind::Unsupported => Failure::Unfit { address, words: cause.to_string() },
            _ => Failure::Lost { address, cause },
        };
        let (lane, generation) = (self.lane, self.generation);
        // Nobody listens any more when the whole load has ended.
        let _ = self.events.send(Event::Broken { lane, generation, left, failure });
    }

    /// Waits for the replies of the oldest parcel; `false` when nobody needs them any more.
    fn parcel(&mut self) -> io::Result<bool> {
        // A reply comes first, and only then is it certain who is answered.
        if !self.wait()? {
            return Ok(false);
        }
        let Some((parcel, before)) = self.shared.lock().flight.front().cloned() else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a reply that nobody asked for",
            ));
        };
        let mut refused: Vec<Refused> = Vec::new();
        let mut whole: Option<ErrorReply> = None;
        let (mut seen, owed) = (0, before + parcel.replies());
        while seen < owed {
            let Some(reply) = self.frames.ready()? else {
                if !self.wait()? {
                    return Ok(false);
                }
                continue;
            };
            match seen.checked_sub(before) {
                Some(own) => {
                    let item = parcel.item_of_reply(own);
                    let is_new = refused.last().is_none_or(|last| last.item != item);
                    let refusal = || refusal(&parcel, item, own, reply);
                    refused.extend(is_new.then(refusal).flatten());
                }
                None => whole = whole.or_else(|| error_in(reply).map(|(_, error)| error)),
            }
            seen += 1;
        }
        if let Some(reply) = whole {
            // What ran in another database is not what was asked for, and nothing more shall.
            let database = parcel.database;
            let words = format!("has no database {database} ({reply}){}", elsewhere(database));
            return Err(io::Error::new(io::ErrorKind::Unsupported, words));
        }
        let mut state = self.shared.lock();
        state.flight.pop_front();
        state.flight_bytes -= parcel.bytes.len();
        drop(state);
        self.shared.changed.notify_all();
        let (lane, generation) = (self.lane, self.generation);
        let answered = Event::Answered { lane, generation, parcel, refused };
        Ok(self.events.send(answered).is_ok())
    }

    /// Waits until there are more bytes; `false` when nobody needs them any more.
    fn wait(&mut self) -> io::Result<bool> {
        loop {
            match self.frames.ready_or_fill(&mut self.stream) {
                Ok(true) => {
                    (self.heard, self.wait) = (Instant::now(), None);
                    return Ok(true);
                }
                Ok(false) => {
                    if self.shared.lock().ended {
                        return Ok(false);
                    }
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the server closed the connection",
                    ));
                }
                // Silence is fine as long as the server owes nothing.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) =>
                {
                    let state = self.shared.lock();
                    if state.ended {
                        return Ok(false);
                    }
                    let owes = state.owes.filter(|_| !state.flight.is_empty());
                    drop(state);
                    match owes {
                        Some(owes) => self.bear(owes.max(self.heard))?,
                        None => self.wait = None,
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The server has been silent since then, and should not be.
    fn bear(&mut self, since: Instant) -> io::Result<()> {
        if self.wait.is_none() {
            self.wait = self.stream.wait(since);
        }
        if let Some(wait) = &mut self.wait {
            wait.goes_on()?;
        }
        if self.patience.is_none_or(|patience| since.elapsed() < patience) {
            return Ok(());
        }
        if let Some(wait) = &self.wait {
            wait.is_in_vain();
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "no reply in time"))
    }
}

/// What a reply says against an item.
fn refusal(parcel: &Parcel, item: usize, reply_at: u32, reply: &[u8]) -> Option<Refused> {
    if let Some((inside, reply)) = error_in(reply) {
        // The replies of a transaction come with EXEC; the first of them is that of what stands
        // behind MULTI.
        let own = reply_at - parcel.replies_before(item);
        return Some(Refused { item, command: inside.map_or(own, |inside| inside + 1), reply });
    }
    let of = parcel.items.get(item)?;
    let was_there = of.is_aside && of.replies == reply_at + 1 && reply.ends_with(b":1\r\n");
    was_there.then(|| Refused {
        item,
        command: 0,
        reply: ErrorReply { words: "BUSYKEY Target key name already exists.".to_owned() },
    })
}

/// The error in a reply: the reply itself, or one among those of a transaction, with its place.
fn error_in(reply: &[u8]) -> Option<(Option<u32>, ErrorReply)> {
    match reply {
        [b'-', ..] => Some((None, ErrorReply::new(reply))),
        [b'*', ..] => {
            let mut at = reply.iter().position(|byte| *byte == b'\n')? + 1;
            let mut number = 0;
            while let Some(rest) = reply.get(at..).filter(|rest| !rest.is_empty()) {
                let len = crate::live::frame_len(rest).ok()??;
                if let Some((_, error)) = rest.get(..len).and_then(error_in) {
                    return Some((Some(number), error));
                }
                at += len;
                number += 1;
            }
            None
        }
        _ => None,
    }
}
