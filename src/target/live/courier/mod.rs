//! Keeps the links of a load together: what goes where, what has arrived, what has to go again.
//!
//! Chunks are sent in the order of the source, and arrive in any: the mark that is safe is that of
//! the last chunk before which nothing is missing. What a server refuses is sorted by the class of
//! its words: some is waited out and sent again, some is sent elsewhere, some is the caller's.
//!
//! The danger is a server that comes back without what it had taken. Links that break are opened
//! through [`Route::open`], and the caller's [`Reopened`] is asked about the server behind each:
//! the same one as before gets what it has not answered, another one may make the load go back.

mod answers;
mod pace;
mod terms;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};

pub use self::pace::Pace;
pub use self::terms::{CourierOptions, Halt, Rate, Refusal, Reopened, Sent, Waits};
use super::{Event, Link, Parcel, Route, elsewhere, has_database};
use crate::bytes::slot::slot;
use crate::live::Failure;

/// How often a wait looks whether it is to stop.
const TICK: Duration = Duration::from_millis(100);
/// How long what is on its way is waited for where something else ends the load.
const ARRIVES: Duration = Duration::from_secs(10);
/// How long the first of several waits is, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// Following a slot that is sent back and forth ends some time.
const HOPS: u32 = 1000;

struct Chunk {
    mark: u64,
    /// Whether everything of the source up to the mark is in it and those before it.
    is_whole: bool,
    /// Parcels that are not answered.
    open: usize,
    /// Keys of it that have arrived.
    keys: u64,
}

/// Something that waits to be sent again.
struct Again {
    parcel: Parcel,
    /// The lane, where it is not the one of the slot: behind ASKING.
    lane: Option<usize>,
}

/// The links of a load.
pub struct Courier<'r> {
    route: Box<dyn Route + 'r>,
    reopened: Reopened<'r>,
    options: CourierOptions,
    links: Vec<Option<Link>>,
    generations: u64,
    events: (Sender<Event>, Receiver<Event>),
    chunks: VecDeque<Chunk>,
    first_chunk: u64,
    mark: u64,
    settled_keys: u64,
    /// Keys that have arrived in the first pieces of a chunk.
    unsettled_keys: u64,
    again: VecDeque<Again>,
    /// The last thing that was waited for, and since when.
    waiting: Option<(Failure, Instant)>,
    next_lane: usize,
    sent: Sent,
    refusals: Vec<Refusal>,
    skipped: Vec<(u32, Vec<u8>)>,
    pace: Pace,
    waits: Option<Waits<'r>>,
    /// Databases that the target is known to have.
    databases: Vec<u32>,
}

impl std::fmt::Debug for Courier<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Courier").field("mark", &self.mark).finish_non_exhaustive()
    }
}

impl<'r> Courier<'r> {
    /// One that has sent nothing; everything up to `mark` has arrived already.
    pub fn new(
        route: Box<dyn Route + 'r>,
        reopened: Reopened<'r>,
        mark: u64,
        options: CourierOptions,
    ) -> Self {
        let pace = Pace::new(options.rate);
        Courier {
            route,
            reopened,
            options,
            links: Vec::new(),
            generations: 0,
            events: unbounded(),
            chunks: VecDeque::new(),
            first_chunk: 0,
            mark,
            settled_keys: 0,
            unsettled_keys: 0,
            again: VecDeque::new(),
            waiting: None,
            next_lane: 0,
            sent: Sent::default(),
            refusals: Vec::new(),
            skipped: Vec::new(),
            pace,
            waits: None,
            databases: vec![0],
        }
    }

    /// The same, which tells why it stands still.
    #[must_use]
    pub fn heard_by(self, waits: Waits<'r>) -> Self {
        Courier { waits: Some(waits), ..self }
    }

    /// Up to where everything has arrived.
    pub fn mark(&self) -> u64 {
        self.mark
    }

    /// Keys that have arrived and stand before that.
    pub fn settled_keys(&self) -> u64 {
        self.settled_keys
    }

    /// What was sent so far.
    pub fn sent(&self) -> &Sent {
        &self.sent
    }

    /// The keys that were refused since this was asked last.
    pub fn take_refusals(&mut self) -> Vec<Refusal> {
        std::mem::take(&mut self.refusals)
    }

    /// The keys that were there already, since this was asked last.
    pub fn take_skipped(&mut self) -> Vec<(u32, Vec<u8>)> {
        std::mem::take(&mut self.skipped)
    }

    /// Who serves what.
    pub fn route(&mut self) -> &mut dyn Route {
        &mut *self.route
    }

    /// Gives the route back, for what is to be asked afterwards.
    pub fn into_route(self) -> Box<dyn Route + 'r> {
        self.route
    }

    /// Sends a chunk: everything of the source up to `mark` that was not sent before.
    pub fn send(&mut self, parcels: Vec<Parcel>, mark: u64) -> Result<(), Halt> {
        if !self.pace.is_kept() {
            return self.send_piece(parcels, mark, true);
        }
        // What is to go slowly goes in small pieces.
        for parcel in parcels {
            for piece in self.pieces(parcel) {
                let due = self.pace.due(piece.keys(), piece.bytes.len());
                self.hear_until(due)?;
                self.send_piece(vec![piece], self.mark, false)?;
            }
        }
        self.send_piece(Vec::new(), mark, true)
    }

    /// Sends a piece of a chunk; its mark counts if it is the last one.
    fn send_piece(&mut self, parcels: Vec<Parcel>, mark: u64, is_whole: bool) -> Result<(), Halt> {
        self.settle()?;
        let chunk = self.begin(mark, is_whole);
        for mut parcel in parcels {
            if parcel.items.is_empty() {
                continue;
            }
            parcel.chunk = chunk;
            self.dispatch(parcel)?;
        }
        // Held open until here, lest a part that is answered quickly closes it.
        self.close(chunk);
        self.hear(Duration::ZERO)
    }

    /// Begins a chunk, and holds it open.
    fn begin(&mut self, mark: u64, is_whole: bool) -> u64 {
        let chunk = self.first_chunk + self.chunks.len() as u64;
        self.chunks.push_back(Chunk { mark, is_whole, open: 1, keys: 0 });
        chunk
    }

    /// A parcel in pieces, each of which goes out in one go.
    fn pieces(&self, parcel: Parcel) -> Vec<Parcel> {
        let is_small = !self.pace.is_enough(parcel.keys(), parcel.bytes.len());
        if is_small || parcel.is_for_all {
            return vec![parcel];
        }
        let (mut pieces, mut piece) = (Vec::new(), parcel.like());
        for index in 0..parcel.items.len() {
            piece.take(&parcel, index);
            if self.pace.is_enough(piece.keys(), piece.bytes.len()) {
                pieces.push(std::mem::replace(&mut piece, parcel.like()));
            }
        }
        pieces.push(piece);
        pieces
    }

    /// Waits until everything that was sent has arrived.
    pub fn finish(&mut self) -> Result<(), Halt> {
        while !self.chunks.is_empty() {
            self.settle()?;
            if !self.chunks.is_empty() {
                self.hear(TICK)?;
            }
        }
        Ok(())
    }

    /// Sends these words over every lane, behind everything that it was given so far.
    pub fn send_to_all(
        &mut self,
        mut words: impl FnMut(usize, &dyn Route) -> Vec<Vec<String>>,
    ) -> Result<(), Halt> {
        let mark = self.chunks.back().map_or(self.mark, |chunk| chunk.mark);
        let chunk = self.begin(mark, true);
        for lane in 0..self.route.lanes() {
            let mut parcel = Parcel { chunk, ..Parcel::default() };
            for command in words(lane, &*self.route) {
                crate::resp::encode::command(&mut parcel.bytes, &command);
                let of = command.get(1).map_or(0, |key| slot(key.as_bytes()));
                parcel.close(1, 0, of, 0..0);
            }
            if !parcel.items.is_empty() {
                self.post(lane, parcel)?;
            }
        }
        self.close(chunk);
        Ok(())
    }

    /// Sends a parcel to whom its keys belong.
    fn dispatch(&mut self, parcel: Parcel) -> Result<(), Halt> {
        if parcel.is_for_all {
            for lane in 0..self.route.lanes() {
                self.post(lane, parcel.clone())?;
            }
            return Ok(());
        }
        let Some(first) = parcel.items.first().map(|item| item.slot) else { return Ok(()) };
        if self.route.lane(first).is_none() {
            self.next_lane = (self.next_lane + 1) % self.route.lanes().max(1);
            return self.post(self.next_lane, parcel);
        }
        let mut parts: Vec<Option<Parcel>> = Vec::new();
        for (index, item) in parcel.items.iter().enumerate() {
            let lane = self.route.lane(item.slot).unwrap_or(0);
            if parts.len() <= lane {
                parts.resize_with(lane + 1, || None);
            }
            if let Some(part) = parts.get_mut(lane) {
                let spares = &self.options.spares;
                part.get_or_insert_with(|| parcel.like_in(spares.parcel())).take(&parcel, index);
            }
        }
        self.options.spares.give(parcel);
        for (lane, part) in parts.into_iter().enumerate() {
            if let Some(part) = part {
                self.post(lane, part)?;
            }
        }
        Ok(())
    }

    /// Hands a parcel to a lane's link, which is opened if it is not.
    fn post(&mut self, lane: usize, parcel: Parcel) -> Result<(), Halt> {
        self.look_for(lane, parcel.database)?;
        self.opened(parcel.chunk);
        let mut parcel = Arc::new(parcel);
        loop {
            self.check_stop()?;
            self.open(lane)?;
            let Some(Some(link)) = self.links.get(lane) else { continue };
            match link.send(parcel, TICK) {
                Ok(()) => return Ok(()),
                Err(back) if link.is_broken() => {
                    // What it had in front of this one comes back first.
                    let chunk = back.chunk;
                    self.again_later(Arc::unwrap_or_clone(back), None);
                    self.close(chunk);
                    return Ok(());
                }
                Err(back) => parcel = back,
            }
            self.hear(Duration::ZERO)?;
        }
    }

    /// Makes sure that the target has a database: what is sent is behind its SELECT on the same
    /// wire, and would run where that failed.
    fn look_for(&mut self, lane: usize, database: u32) -> Result<(), Halt> {
        let mut pause = PAUSES.0;
        while !self.databases.contains(&database) {
            self.check_stop()?;
            // Nothing is done there, and the lane goes where it went: who was the master last may say.
            self.route.trust_last(true);
            let asked = self
                .route
                .open(lane)
                .and_then(|mut to| has_database(&mut to, database, &elsewhere(database)));
            self.route.trust_last(false);
            match asked {
                Ok(()) => self.databases.push(database),
                Err(failure) if failure.is_passing() => {
                    self.route.broke(lane, &failure);
                    self.wait(failure, &mut pause)?;
                }
                Err(failure) => {
                    self.let_arrive();
                    return Err(Halt::Failed(failure));
                }
            }
        }
        Ok(())
    }

    /// Before the end: what stands before it and is on its way arrives, if it does not take long.
    fn let_arrive(&mut self) {
        let until = Instant::now() + ARRIVES;
        while Instant::now() < until && !self.links.iter().flatten().all(Link::is_idle) {
            if self.check_stop().is_err() || self.hear(TICK).is_err() {
                return;
            }
        }
    }

    /// Opens a lane's link, as patiently as is allowed.
    fn open(&mut self, lane: usize) -> Result<(), Halt> {
        if self.links.len() <= lane {
            self.links.resize_with(lane + 1, || None);
        }
        if self.links.get(lane).is_some_and(Option::is_some) {
            return Ok(());
        }
        let mut pause = PAUSES.0;
        loop {
            self.check_stop()?;
            let opened = self.route.open(lane).map_err(Halt::from).and_then(|mut connection| {
                (self.reopened)(lane, &*self.route, &mut connection)?;
                Ok(connection)
            });
            match opened {
                Ok(connection) => {
                    self.generations += 1;
                    let id = (lane, self.generations);
                    let events = self.events.0.clone();
                    let window = self.options.window_bytes;
                    let link = Link::new(connection, 0, window, id, events);
                    if let Some(slot) = self.links.get_mut(lane) {
                        *slot = Some(link);
                    }
                    return Ok(());
                }
                Err(Halt::Failed(failure)) if failure.is_passing() => {
                    self.route.broke(lane, &failure);
                    self.wait(failure, &mut pause)?;
                }
                Err(halt) => return Err(halt),
            }
        }
    }

    /// Waits a moment, if patience allows.
    fn wait(&mut self, failure: Failure, pause: &mut Duration) -> Result<(), Halt> {
        let now = Instant::now();
        let since = self.waiting.take().map_or(now, |(_, since)| since);
        if now.duration_since(since) >= self.options.patience {
            return Err(Halt::Failed(failure));
        }
        let words = failure.to_string();
        self.waiting = Some((failure, since));
        let until = now + *pause;
        while Instant::now() < until {
            self.check_stop()?;
            if let Some(waits) = self.waits {
                waits(Some(&words));
            }
            thread::sleep(TICK.min(until.saturating_duration_since(Instant::now())));
        }
        self.sent.waited += now.elapsed();
        *pause = (*pause * 2).min(PAUSES.1);
        Ok(())
    }

    /// Sends again what has to go again, until nothing is left of it.
    fn settle(&mut self) -> Result<(), Halt> {
        let mut pause = PAUSES.0;
        while !self.again.is_empty() {
            // A link that broke says so first.
            self.hear(Duration::from_millis(1))?;
            if let Some((failure, since)) = self.waiting.take() {
                self.waiting = Some((clone_of(&failure), since));
                self.wait(failure, &mut pause)?;
            }
            let batch = std::mem::take(&mut self.again);
            for Again { parcel, lane } in batch {
                let chunk = parcel.chunk;
                match lane {
                    Some(lane) => self.post(lane, parcel)?,
                    None => self.dispatch(parcel)?,
                }
                self.close(chunk);
            }
            // Only when these are answered it is known whether the time has passed.
            while self.waiting.is_some() && self.again.is_empty() && !self.chunks.is_empty() {
                self.hear(TICK)?;
                self.check_stop()?;
            }
        }
        Ok(())
    }

    fn check_stop(&self) -> Result<(), Halt> {
        if self.options.stop.load(Ordering::Relaxed) { Err(Halt::Interrupted) } else { Ok(()) }
    }

    /// Waits, and takes in what the links have to tell meanwhile.
    fn hear_until(&mut self, due: Instant) -> Result<(), Halt> {
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.hear(TICK.min(left))?;
        }
    }
}

/// The same failure once more, for the next one who waits.
fn clone_of(failure: &Failure) -> Failure {
    match failure {
        Failure::Refused { address, command, reply } => Failure::Refused {
            address: address.clone(),
            command: command.clone(),
            reply: reply.clone(),
        },
        other => Failure::Unfit {
            address: other.address().clone(),
            words: format!("is waited for: {other}"),
        },
    }
}
