//! Keeps the links of a load together: what goes where, what has arrived, what has to go again.
//!
//! Chunks are sent in the order of the source, and arrive in any: the mark that is safe is that of
//! the last chunk before which nothing is missing. What a server refuses is sorted by the class of
//! its words: some is waited out and sent again, some is sent elsewhere, some is the caller's.
//!
//! The danger is a server that comes back without what it had taken. Links that break are opened
//! through [`Route::open`], and the caller's [`Reopened`] is asked about the server behind each:
//! the same one as before gets what it has not answered, another one may make the load go back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::{Event, Link, Parcel, Refused, Route};
use crate::bytes::slot::slot;
use crate::live::{Class, Connection, ErrorReply, Failure};

/// How often a wait looks whether it is to stop.
const TICK: Duration = Duration::from_millis(100);
/// How long the first of several waits is, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// Following a slot that is sent back and forth ends some time.
const HOPS: u32 = 1000;

/// How fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// Keys in a second.
    Keys(u64),
    /// Bytes in a second.
    Bytes(u64),
}

/// How things are sent.
#[derive(Debug, Clone)]
pub struct CourierOptions {
    /// Bytes on their way to one server.
    pub window_bytes: usize,
    /// How long something that passes is waited for.
    pub patience: Duration,
    /// How many keys may be refused before the load stops; `None` for any number.
    pub max_errors: Option<u64>,
    /// How fast at most.
    pub rate: Option<Rate>,
    /// A key that is there is left alone, and counted, rather than an error.
    pub skip_existing: bool,
    /// Set from outside to stop.
    pub stop: Arc<AtomicBool>,
}

impl Default for CourierOptions {
    fn default() -> Self {
        CourierOptions {
            window_bytes: 16 << 20,
            patience: Duration::from_secs(60),
            max_errors: None,
            rate: None,
            skip_existing: false,
            stop: Arc::default(),
        }
    }
}

/// Why a load does not go on.
#[derive(Debug)]
pub enum Halt {
    /// It was told to stop.
    Interrupted,
    /// Something failed that does not pass, or did not pass in time.
    Failed(Failure),
    /// The target came back without some of what it had: all behind this mark has to go again.
    Rewind(u64),
    /// The target is no longer ours to write to; a sentence.
    Taken(String),
    /// More keys were refused than are allowed.
    TooManyErrors,
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Halt::Failed(failure)
    }
}

/// Is asked about the server behind a lane before anything goes out to it.
pub type Reopened<'r> =
    Box<dyn FnMut(usize, &dyn Route, &mut Connection) -> Result<(), Halt> + Send + 'r>;

/// A key that was not taken.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Its database.
    pub database: u32,
    /// The key, the first if the command had several.
    pub key: Vec<u8>,
    /// The command's name.
    pub command: String,
    /// The server's words.
    pub reply: ErrorReply,
}

/// What was sent, and what has become of it.
#[derive(Debug, Clone, Default)]
pub struct Sent {
    /// Keys that have arrived.
    pub keys: u64,
    /// Keys that were there already and were left alone.
    pub existing: u64,
    /// Keys that were refused.
    pub refused: u64,
    /// Bytes of commands that have been answered.
    pub bytes: u64,
    /// Commands that have been answered.
    pub commands: u64,
    /// Items that were sent again, for whatever reason.
    pub again: u64,
    /// How often a link had to be opened anew.
    pub reopened: u64,
    /// How long the target was waited for.
    pub waited: Duration,
    /// Keys that have arrived, by lane.
    pub lanes: Vec<u64>,
}

struct Chunk {
    mark: u64,
    /// Parcels that are not answered.
    open: usize,
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
    again: VecDeque<Again>,
    /// The last thing that was waited for, and since when.
    waiting: Option<(Failure, Instant)>,
    next_lane: usize,
    sent: Sent,
    refusals: Vec<Refusal>,
    skipped: Vec<(u32, Vec<u8>)>,
    paced: Option<(Instant, u64)>,
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
            again: VecDeque::new(),
            waiting: None,
            next_lane: 0,
            sent: Sent::default(),
            refusals: Vec::new(),
            skipped: Vec::new(),
            paced: None,
        }
    }

    /// Up to where everything has arrived.
    pub fn mark(&self) -> u64 {
        self.mark
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
        self.pace(&parcels)?;
        self.settle()?;
        let chunk = self.first_chunk + self.chunks.len() as u64;
        self.chunks.push_back(Chunk { mark, open: 1 });
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
        let chunk = self.first_chunk + self.chunks.len() as u64;
        self.chunks.push_back(Chunk { mark, open: 1 });
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
                part.get_or_insert_with(|| parcel.like()).take(&parcel, index);
            }
        }
        for (lane, part) in parts.into_iter().enumerate() {
            if let Some(part) = part {
                self.post(lane, part)?;
            }
        }
        Ok(())
    }

    /// Hands a parcel to a lane's link, which is opened if it is not.
    fn post(&mut self, lane: usize, parcel: Parcel) -> Result<(), Halt> {
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
                    let link = Link::new(connection, 0, window, id, events)?;
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
        self.waiting = Some((failure, since));
        let until = now + *pause;
        while Instant::now() < until {
            self.check_stop()?;
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

    /// Takes in what the links have to tell; waits for the first of it.
    fn hear(&mut self, wait: Duration) -> Result<(), Halt> {
        self.check_stop()?;
        let mut event = if wait.is_zero() {
            self.events.1.try_recv().ok()
        } else {
            self.events.1.recv_timeout(wait).ok()
        };
        while let Some(next) = event {
            match next {
                Event::Answered { lane, generation, parcel, refused } => {
                    self.answered((lane, generation), &parcel, refused)?;
                }
                Event::Broken { lane, generation, left, failure } => {
                    self.broken(lane, generation, left, failure)?;
                }
            }
            event = self.events.1.try_recv().ok();
        }
        Ok(())
    }

    fn broken(
        &mut self,
        lane: usize,
        generation: u64,
        left: Vec<Arc<Parcel>>,
        failure: Failure,
    ) -> Result<(), Halt> {
        if let Some(slot) = self.links.get_mut(lane)
            && slot.as_ref().is_some_and(|link| link.generation == generation)
        {
            *slot = None;
        }
        if !failure.is_passing() {
            return Err(Halt::Failed(failure));
        }
        self.route.broke(lane, &failure);
        self.sent.reopened += 1;
        // One that breaks again and again without an answer in between is not tried for ever.
        let since = self.waiting.take().map_or_else(Instant::now, |(_, since)| since);
        self.waiting = Some((failure, since));
        for parcel in left {
            let chunk = parcel.chunk;
            self.again_later(Arc::unwrap_or_clone(parcel), None);
            self.close(chunk);
        }
        Ok(())
    }

    fn answered(
        &mut self,
        (lane, generation): (usize, u64),
        parcel: &Arc<Parcel>,
        refused: Vec<Refused>,
    ) -> Result<(), Halt> {
        let lost: u64 = refused
            .iter()
            .filter_map(|refused| parcel.items.get(refused.item))
            .map(|item| u64::from(item.keys))
            .sum();
        let arrived = parcel.keys() - lost;
        self.sent.keys += arrived;
        self.sent.bytes += parcel.bytes.len() as u64;
        self.sent.commands += u64::from(parcel.replies());
        if self.sent.lanes.len() <= lane {
            self.sent.lanes.resize(lane + 1, 0);
        }
        if let Some(keys) = self.sent.lanes.get_mut(lane) {
            *keys += arrived;
        }
        if refused.len() < parcel.items.len() {
            self.waiting = None;
        }
        if !refused.is_empty() {
            self.refused((lane, generation), parcel, refused)?;
        }
        self.close(parcel.chunk);
        Ok(())
    }

    fn refused(
        &mut self,
        (lane, generation): (usize, u64),
        parcel: &Arc<Parcel>,
        refused: Vec<Refused>,
    ) -> Result<(), Halt> {
        let (mut later, mut elsewhere) = (Vec::new(), Vec::new());
        for Refused { item, reply } in refused {
            let keys = parcel.items.get(item).map_or(0, |item| u64::from(item.keys));
            match reply.class() {
                Class::Wait => {
                    let failure = Failure::Refused {
                        address: self.address(lane),
                        command: String::from_utf8_lossy(parcel.command(item)).into_owned(),
                        reply,
                    };
                    // Whoever takes no writes any more has lost its role.
                    let code = failure.reply().map(ErrorReply::code);
                    if matches!(code, Some("READONLY" | "MASTERDOWN")) {
                        // What it has not answered comes back as that of a link that breaks.
                        if let Some(Some(link)) = self.links.get(lane) {
                            link.cut();
                        }
                        self.route.broke(lane, &failure);
                    }
                    let since = self.waiting.take().map_or_else(Instant::now, |(_, since)| since);
                    self.waiting = Some((failure, since));
                    later.push(item);
                }
                Class::Moved(slot, to) => {
                    self.route.moved(lane, slot, &to)?;
                    // A lane with another master than before: its link is one to the old master.
                    if self.route.lane(slot) == Some(lane)
                        && let Some(Some(link)) = self.links.get(lane)
                        && link.generation == generation
                    {
                        // It stays until it has given back what it was not answered.
                        link.cut();
                    }
                    elsewhere.push(item);
                }
                Class::Ask(_, to) => {
                    let there = self.route.asked(lane, &to)?;
                    let asking = parcel.pick([item]).asking();
                    self.again_later(asking, Some(there));
                }
                Class::Exists if self.options.skip_existing => {
                    self.sent.existing += keys;
                    self.skipped.push((parcel.database, parcel.key(item).to_vec()));
                }
                // What a link that broke had sent before is ours.
                Class::Exists if parcel.attempts > 0 => self.sent.keys += keys,
                Class::Denied | Class::Exists | Class::Refused => {
                    self.sent.refused += keys.max(1);
                    self.refusals.push(Refusal {
                        database: parcel.database,
                        key: parcel.key(item).to_vec(),
                        command: String::from_utf8_lossy(parcel.command(item)).into_owned(),
                        reply,
                    });
                    if self.options.max_errors.is_some_and(|most| self.sent.refused > most) {
                        return Err(Halt::TooManyErrors);
                    }
                }
            }
        }
        for items in [later, elsewhere] {
            if !items.is_empty() {
                self.again_later(parcel.pick(items), None);
            }
        }
        Ok(())
    }

    fn address(&self, lane: usize) -> crate::live::Address {
        let name = self.route.name(lane);
        crate::live::Address::parse(&name, 0)
            .unwrap_or_else(|_| crate::live::Address::Unix(name.into()))
    }

    /// Notes that a parcel has to go again; its chunk stays open.
    fn again_later(&mut self, mut parcel: Parcel, lane: Option<usize>) {
        self.opened(parcel.chunk);
        parcel.attempts += 1;
        self.sent.again += parcel.items.len() as u64;
        if parcel.attempts > HOPS {
            // Whoever sends it round in a circle is waited for, and not for ever.
            let failure = Failure::Unfit {
                address: self.address(lane.unwrap_or(0)),
                words: "is sent to by others, and sends back".into(),
            };
            self.waiting.get_or_insert((failure, Instant::now()));
        }
        self.again.push_back(Again { parcel, lane });
    }

    fn opened(&mut self, chunk: u64) {
        if let Some(chunk) = self.chunk(chunk) {
            chunk.open += 1;
        }
    }

    /// One part of a chunk less that is missing.
    fn close(&mut self, chunk: u64) {
        if let Some(chunk) = self.chunk(chunk) {
            chunk.open = chunk.open.saturating_sub(1);
        }
        while let Some(done) = self.chunks.pop_front_if(|chunk| chunk.open == 0) {
            self.mark = done.mark;
            self.first_chunk += 1;
        }
    }

    fn chunk(&mut self, chunk: u64) -> Option<&mut Chunk> {
        let index = chunk.checked_sub(self.first_chunk)?;
        self.chunks.get_mut(usize::try_from(index).ok()?)
    }

    fn check_stop(&self) -> Result<(), Halt> {
        if self.options.stop.load(Ordering::Relaxed) { Err(Halt::Interrupted) } else { Ok(()) }
    }

    /// Holds back what would be too fast.
    fn pace(&mut self, parcels: &[Parcel]) -> Result<(), Halt> {
        let Some(rate) = self.options.rate else { return Ok(()) };
        let (more, rate) = match rate {
            Rate::Keys(rate) => (parcels.iter().map(Parcel::keys).sum::<u64>(), rate),
            Rate::Bytes(rate) => (parcels.iter().map(|p| p.bytes.len() as u64).sum(), rate),
        };
        let (began, before) = *self.paced.get_or_insert_with(|| (Instant::now(), 0));
        self.paced = Some((began, before + more));
        #[expect(clippy::cast_precision_loss, reason = "a rate is no exact wish")]
        let due = began + Duration::from_secs_f64(before as f64 / rate.max(1) as f64);
        while Instant::now() < due {
            self.hear(TICK.min(due.saturating_duration_since(Instant::now())))?;
        }
        Ok(())
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
