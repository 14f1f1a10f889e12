//! Asks whoever has a key what is there under it: through slots that move, and failovers.
//!
//! ```text
//! keys ─by lane─► DUMP, PTTL of each ─► an answer
//!   ▲                                   MOVED, ASK: who has it now
//!   └──────── once more ────────────────TRYAGAIN, LOADING …, a lost connection: later
//! ```

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use redis::Value;

use crate::bytes::slot::slot;
use crate::error::{Error, Result};
use crate::live::{Class, Connection, Failure, reply_of};
use crate::ops::clock::now_ms;
use crate::ops::walk::Observer;
use crate::resp::encode;
use crate::target::live::{CourierOptions, Route};

/// How long the first of several waits is, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// What a server has under a key.
pub(super) struct Shown {
    pub(super) dump: Value,
    pub(super) ttl: Value,
    /// When it answered.
    pub(super) at_ms: i64,
}

/// A key that is not answered: its number, and who is to be asked behind ASKING.
struct Left {
    index: usize,
    asking: Option<usize>,
}

/// What becomes of an answer.
enum Next {
    Take,
    Later,
    Now(Option<usize>),
}

/// Connections over which the target is asked.
pub(super) struct Inquiry<'a> {
    route: &'a mut dyn Route,
    courier: &'a CourierOptions,
    /// A Cluster has database 0 alone.
    has_slots: bool,
    connections: BTreeMap<usize, Connection>,
    /// Hears what is waited for.
    observer: &'a dyn Observer,
}

impl<'a> Inquiry<'a> {
    pub(super) fn new(
        route: &'a mut dyn Route,
        courier: &'a CourierOptions,
        has_slots: bool,
        observer: &'a dyn Observer,
    ) -> Self {
        Inquiry { route, courier, has_slots, connections: BTreeMap::new(), observer }
    }

    /// Asks about keys, each in its database. What a server does not say, however long it is waited
    /// for, is its last answer, an error.
    pub(super) fn ask(&mut self, keys: &[(u32, &[u8])]) -> Result<Vec<Shown>> {
        let mut shown: Vec<Option<Shown>> = keys.iter().map(|_| None).collect();
        let mut left: Vec<Left> =
            (0..keys.len()).map(|index| Left { index, asking: None }).collect();
        let (mut since, mut pause) = (Instant::now(), PAUSES.0);
        while !left.is_empty() {
            let before = left.len();
            let (mut again, mut failed) = (Vec::new(), None);
            for ((lane, asking), indices) in self.by_lane(keys, left) {
                match self.ask_lane(lane, asking, keys, &indices) {
                    Ok(answers) => {
                        for (index, answer) in indices.into_iter().zip(answers) {
                            match self.next(lane, &answer)? {
                                Next::Take => {}
                                Next::Later => again.push(Left { index, asking: None }),
                                Next::Now(asking) => again.push(Left { index, asking }),
                            }
                            if let Some(slot) = shown.get_mut(index) {
                                *slot = Some(answer);
                            }
                        }
                    }
                    Err(failure) if failure.is_passing() => {
                        self.connections.remove(&lane);
                        self.route.broke(lane, &failure);
                        failed = Some(failure);
                        again.extend(indices.into_iter().map(|index| Left { index, asking: None }));
                    }
                    Err(failure) => return Err(failure.into()),
                }
            }
            left = again;
            if left.len() < before {
                (since, pause) = (Instant::now(), PAUSES.0);
            }
            if left.is_empty() {
                self.observer.goes_on();
                break;
            }
            if let Some(failure) = &failed {
                self.observer.waiting(&failure.to_string());
            }
            if since.elapsed() >= self.courier.patience {
                match failed {
                    Some(failure) => return Err(failure.into()),
                    None => break,
                }
            }
            self.wait(pause)?;
            pause = (pause * 2).min(PAUSES.1);
        }
        Ok(shown.into_iter().flatten().collect())
    }

    /// Does once what may fail while servers change their roles, as patiently as is allowed.
    pub(super) fn patiently<T>(
        &mut self,
        mut ask: impl FnMut(&mut dyn Route) -> std::result::Result<T, Failure>,
    ) -> Result<T> {
        let (began, mut pause) = (Instant::now(), PAUSES.0);
        loop {
            match ask(self.route) {
                Ok(answer) => {
                    self.observer.goes_on();
                    return Ok(answer);
                }
                Err(failure) if failure.is_passing() && began.elapsed() < self.courier.patience => {
                    for lane in 0..self.route.lanes() {
                        self.route.broke(lane, &failure);
                    }
                    self.observer.waiting(&failure.to_string());
                }
                Err(failure) => return Err(failure.into()),
            }
            self.wait(pause)?;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Waits a moment, unless it is to stop.
    pub(super) fn wait(&self, pause: Duration) -> Result<()> {
        if self.courier.stop.load(Ordering::Relaxed) {
            return Err(Error::Usage(
                "stopped as asked, while the target was compared: all had been sent".to_owned(),
            ));
        }
        thread::sleep(pause);
        Ok(())
    }

    fn by_lane(
        &self,
        keys: &[(u32, &[u8])],
        left: Vec<Left>,
    ) -> BTreeMap<(usize, bool), Vec<usize>> {
        let mut lanes: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for Left { index, asking } in left {
            let owner = || keys.get(index).and_then(|(_, key)| self.route.lane(slot(key)));
            let lane = asking.or_else(owner).unwrap_or(0);
            lanes.entry((lane, asking.is_some())).or_default().push(index);
        }
        lanes
    }

    fn ask_lane(
        &mut self,
        lane: usize,
        asking: bool,
        keys: &[(u32, &[u8])],
        indices: &[usize],
    ) -> std::result::Result<Vec<Shown>, Failure> {
        let (mut bytes, mut counts, mut at) = (Vec::new(), Vec::new(), None);
        for (database, key) in indices.iter().filter_map(|&index| keys.get(index)) {
            if at != Some(*database) && !self.has_slots {
                encode::command(&mut bytes, ["SELECT", &database.to_string()]);
                counts.push(false);
                at = Some(*database);
            }
            for name in [b"DUMP".as_slice(), b"PTTL"] {
                if asking {
                    encode::command(&mut bytes, ["ASKING"]);
                    counts.push(false);
                }
                encode::command(&mut bytes, [name, key]);
                counts.push(true);
            }
        }
        let mut connection = match self.connections.remove(&lane) {
            Some(connection) => connection,
            None => self.route.open(lane)?,
        };
        let answers = connection.send(&bytes, counts.len())?;
        self.connections.insert(lane, connection);
        let at_ms = now_ms();
        let mut answers = answers.into_iter().zip(counts).filter(|(_, counts)| *counts);
        let mut shown = Vec::new();
        while let (Some((dump, _)), Some((ttl, _))) = (answers.next(), answers.next()) {
            shown.push(Shown { dump, ttl, at_ms });
        }
        Ok(shown)
    }

    /// Looks at an answer: between its two commands a slot may have moved.
    fn next(&mut self, lane: usize, answer: &Shown) -> Result<Next> {
        let errors = [&answer.dump, &answer.ttl].into_iter().filter_map(|value| match value {
            Value::ServerError(error) => Some(reply_of(error).class()),
            _ => None,
        });
        for class in errors {
            match class {
                Class::Moved(slot, to) => {
                    self.route.moved(lane, slot, &to)?;
                    // A lane with another master than before.
                    self.connections.remove(&lane);
                    return Ok(Next::Now(None));
                }
                Class::Ask(_, to) => return Ok(Next::Now(Some(self.route.asked(lane, &to)?))),
                Class::Wait => return Ok(Next::Later),
                Class::Denied | Class::Exists | Class::Refused => {}
            }
        }
        Ok(Next::Take)
    }
}
