//! The servers of a target, and what each slot on them has reached.
//!
//! ```text
//! rdbkit:replay:log{tag}      session position      of each slot that was written to
//! rdbkit:replay:log           session position      everything before it has taken effect
//! rdbkit:replay:log           session position end  and all servers have it, as a replay has found
//! ```
//!
//! The checkpoint of a slot is written by the transaction that it speaks of, so it is there exactly
//! if the transaction took effect: on the server that took it, on the node that the slot is moved
//! to, on the replica that takes over if that much had reached it. What has become of a transaction
//! whose answer was lost is read from there. A checkpoint that is older than it was before says
//! that the server lost something: then the source is read again from its beginning, and each slot
//! goes on where it is.
//!
//! No other replayer works on the servers as long as connections of this one are there. One that
//! stood still until they were closed may have been replaced meanwhile: before anything goes out
//! over a new connection, the checkpoints are looked at, and where nothing of this replay is left,
//! neither a checkpoint nor a lock, another one has ended it.

mod checkpoints;
mod everywhere;
mod servers;
mod verdict;
mod windows;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use self::servers::Job;
use crate::bytes::slot::{SLOTS, slot};
use crate::live::{Address, Class, Connection, Connector, ErrorReply, Failure};
use crate::ops::load::confirm::{Limits, confirmed};
use crate::ops::load::masters::each_master;
use crate::ops::load::servers::Evicted;
use crate::ops::load::settle::{ends, let_go};
use crate::ops::walk::Observer;
use crate::report::load::RefusedKey;
use crate::resp::encode;
use crate::target::live::{Claim, Halt, Held, Keeper, Route};

/// What the key of a checkpoint begins with.
pub(super) const LOG: &str = "rdbkit:replay:log";
/// How long the first of several waits is, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// How long the connections of a replayer that was killed may take to go away.
const LINGER: Duration = Duration::from_secs(10);
/// How often the lock is renewed.
const RENEWED: Duration = Duration::from_secs(8);

/// What was done.
#[derive(Default)]
pub(super) struct Done {
    /// Commands that have taken effect, those that failed among them.
    pub(super) commands: u64,
    pub(super) batches: u64,
    pub(super) bytes: u64,
    pub(super) again: u64,
    pub(super) reopened: u64,
    pub(super) waited: Duration,
    /// Each with where it begins in the source, if it is a command of the log.
    pub(super) refused: Vec<(Option<u64>, RefusedKey)>,
    pub(super) refused_count: u64,
}

/// The servers.
pub(super) struct Fleet<'r> {
    route: Box<dyn Route + 'r>,
    connector: Connector,
    session: String,
    claim: Claim,
    /// The tags of the locks that are held.
    tags: Vec<String>,
    lanes: Vec<Option<Connection>>,
    /// The ids of the connections, as the servers number them.
    ids: Vec<i64>,
    /// What each slot has reached.
    reached: Vec<u64>,
    /// What all of them have reached at least.
    base: u64,
    patience: Duration,
    max_errors: Option<u64>,
    stop: Arc<AtomicBool>,
    /// Hears what is waited for.
    observer: &'r dyn Observer,
    waiting: Option<Instant>,
    /// When the locks were renewed.
    renewed: Instant,
    /// Whether a connection is new since the checkpoints were looked at.
    opened: bool,
    evicted: Evicted,
    pub(super) done: Done,
}

impl<'r> Fleet<'r> {
    /// Locks the servers behind a route.
    pub(super) fn claim(
        mut route: Box<dyn Route + 'r>,
        connector: &Connector,
        session: String,
        (patience, max_errors): (Duration, Option<u64>),
        stop: Arc<AtomicBool>,
        observer: &'r dyn Observer,
    ) -> Result<Self, Halt> {
        let claim = Claim::new(&session, "").kept_by(Keeper::new(connector)).heeding(&stop);
        let until = Instant::now() + patience;
        let tags = loop {
            match hold(&mut *route, &claim, observer) {
                Ok(tags) => break tags,
                Err(Halt::Failed(failure))
                    if failure.is_passing()
                        && Instant::now() < until
                        && !stop.load(Ordering::Relaxed) =>
                {
                    (0..route.lanes()).for_each(|lane| route.broke(lane, &failure));
                    observer.waiting(&failure.to_string());
                    thread::sleep(PAUSES.0);
                }
                Err(halt) => {
                    ends(&mut *route, connector);
                    let_go(&mut *route, &claim);
                    return Err(match halt {
                        Halt::Failed(_) if stop.load(Ordering::Relaxed) => Halt::Interrupted,
                        halt => halt,
                    });
                }
            }
        };
        observer.goes_on();
        Ok(Fleet {
            route,
            connector: connector.clone(),
            session,
            claim,
            tags,
            lanes: Vec::new(),
            ids: Vec::new(),
            reached: vec![0; usize::from(SLOTS)],
            base: 0,
            patience,
            max_errors,
            stop,
            observer,
            waiting: None,
            renewed: Instant::now(),
            opened: true,
            evicted: Evicted::default(),
            done: Done::default(),
        })
    }

    /// What each slot has reached, read from the servers. Whatever the answer is, everything goes
    /// on from there.
    pub(super) fn read(&mut self, begins_anew: bool) -> Result<Vec<u64>, Halt> {
        if begins_anew {
            self.remove()?;
        }
        let found = self.found()?;
        self.hold_lost(&found);
        self.base = found.base();
        // A server that forgot that it was emptied: it is emptied again.
        if !found.is_end && found.slots().any(|at| at > 0 && at < self.base) {
            self.keep_nothing()?;
            self.base = 0;
        }
        self.reached = found.slots().map(|at| at.max(self.base)).collect();
        Ok(self.reached.clone())
    }

    /// Makes sure that everything is there and stays, and forgets how it came there; where it is to
    /// go on one day, all but how far it came. Returns what there is to say of replicas.
    pub(super) fn finish(&mut self, end: u64, goes_on: bool) -> Result<Vec<String>, Halt> {
        self.look(&mut Vec::new())?;
        let late = self.confirmed(self.patience)?;
        // Whoever serves a slot now is asked once more, and not over a connection of before.
        self.hang_up();
        self.look(&mut Vec::new())?;
        // Whoever comes after a crash here finds that nothing is left to be done.
        self.keep_end(end)?;
        self.base = end;
        if goes_on {
            self.forget()?;
            return Ok(late);
        }
        // A node that takes over may not have heard of it.
        let patience = if late.is_empty() { self.patience } else { Duration::ZERO };
        loop {
            self.remove()?;
            self.confirmed(patience)?;
            self.hang_up();
            if self.is_forgotten()? {
                return Ok(late);
            }
        }
    }

    /// Waits, so long at most, until the replicas have what was sent. Returns what there is to say of
    /// those that have not.
    fn confirmed(&mut self, patience: Duration) -> Result<Vec<String>, Halt> {
        let stop = Arc::clone(&self.stop);
        let limits =
            Limits { replicas: patience, ..Limits::new(self.patience, &stop, self.observer) };
        confirmed(&mut *self.route, &self.claim, limits, &mut |_, _, _| Ok(()))
    }

    /// Closes all connections, so that whoever serves a lane now is found anew.
    fn hang_up(&mut self) {
        self.lanes.iter_mut().for_each(|connection| *connection = None);
    }

    /// How many keys the servers have thrown out.
    pub(super) fn evicted(&mut self) -> u64 {
        self.evicted.count(&mut *self.route)
    }

    /// Lets go of the servers; the checkpoints stay.
    pub(super) fn release(&mut self, is_done: bool) {
        if !is_done {
            ends(&mut *self.route, &self.connector);
        }
        for tag in self.tags.clone() {
            // One that is out of reach keeps its lock until it expires.
            for _ in 0..3 {
                let lane = self.lane(slot(tag.as_bytes()));
                if self.open(lane).is_err() {
                    break;
                }
                let Some(Some(connection)) = self.lanes.get_mut(lane) else { break };
                let released = self.claim.tagged(&tag).release(connection, false);
                let Err(Failure::Refused { reply, .. }) = released else { break };
                if self.not_taken(slot(tag.as_bytes()), &reply).is_err() {
                    break;
                }
            }
        }
    }

    /// A server would not take something. Whether what it had before is in doubt.
    fn not_taken(&mut self, slot: u16, reply: &ErrorReply) -> Result<bool, Halt> {
        let lane = self.lane(slot);
        match reply.class() {
            Class::Moved(slot, to) => {
                self.route.moved(lane, slot, &to)?;
                // A lane whose master has changed: its connection is that of the old one.
                if self.lane(slot) == lane {
                    let failure = self.refusal(slot, reply.clone());
                    self.broke(lane, &failure);
                }
                Ok(true)
            }
            Class::Ask(..) => Ok(false),
            Class::Wait if matches!(reply.code(), "READONLY" | "MASTERDOWN") => {
                let failure = self.refusal(slot, reply.clone());
                self.broke(lane, &failure);
                Ok(true)
            }
            Class::Wait => Ok(false),
            Class::Denied | Class::Exists | Class::Refused => {
                Err(Halt::Failed(self.refusal(slot, reply.clone())))
            }
        }
    }

    fn refusal(&self, slot: u16, reply: ErrorReply) -> Failure {
        let name = self.route.name(self.lane(slot));
        let address = Address::parse(&name, 0).unwrap_or(Address::Tcp(name, 0));
        Failure::Refused { address, command: "a transaction".to_owned(), reply }
    }

    /// Waits a moment, if patience allows.
    fn wait(&mut self, failure: Failure, pause: &mut Duration) -> Result<(), Halt> {
        let now = Instant::now();
        let since = *self.waiting.get_or_insert(now);
        if now.duration_since(since) >= self.patience {
            return Err(Halt::Failed(failure));
        }
        self.check_stop()?;
        self.observer.waiting(&failure.to_string());
        thread::sleep(*pause);
        self.done.waited += *pause;
        *pause = (*pause * 2).min(PAUSES.1);
        Ok(())
    }

    /// What was waited for has passed.
    fn goes_on(&mut self) {
        if self.waiting.take().is_some() {
            self.observer.goes_on();
        }
    }

    fn check_stop(&self) -> Result<(), Halt> {
        if self.stop.load(Ordering::Relaxed) { Err(Halt::Interrupted) } else { Ok(()) }
    }

    /// Renews the locks now and then.
    fn renew(&mut self) -> Result<(), Halt> {
        if self.renewed.elapsed() < RENEWED {
            return Ok(());
        }
        self.renewed = Instant::now();
        self.prolong()
    }
}

/// Locks the master of each lane; the tags of the locks.
fn hold(
    route: &mut dyn Route,
    claim: &Claim,
    observer: &dyn Observer,
) -> Result<Vec<String>, Halt> {
    let waits = |why: &str| observer.waiting(why);
    let mut tags: Vec<String> = Vec::new();
    each_master(route, |route, lane, tag| {
        let mut connection = route.open(lane)?;
        if let Held::No(words) = claim.tagged(tag).hold(&mut connection, LINGER, &waits)? {
            return Err(Halt::Taken(words));
        }
        tags.push(tag.to_owned());
        Ok(())
    })?;
    Ok(tags)
}

fn one((slot, words): (u16, Vec<String>)) -> Job {
    let mut bytes = Vec::new();
    encode::command(&mut bytes, words);
    Job { slot, bytes, replies: 1 }
}
