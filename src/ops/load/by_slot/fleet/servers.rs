//! The connections: each job goes to whoever serves its slot, to all servers at once.

use std::thread;
use std::time::Instant;

use redis::Value;

use super::{Fleet, LINGER, PAUSES};
use crate::live::{Address, Connection, Failure, ServerInfo};
use crate::resp::encode;
use crate::target::live::Halt;

/// Something to be answered by whoever serves a slot.
pub(super) struct Job {
    pub(super) slot: u16,
    pub(super) bytes: Vec<u8>,
    pub(super) replies: usize,
}

/// What became of it.
pub(super) enum Outcome {
    Replies(Vec<Value>),
    /// Nothing was sent.
    Unsent(Failure),
    /// It is not known whether the server has seen it.
    Lost(Failure),
}

impl Fleet<'_> {
    pub(super) fn lane(&self, slot: u16) -> usize {
        self.route.lane(slot).unwrap_or(0)
    }

    /// Connects to whoever serves these slots, where that can be done.
    pub(super) fn open_for(&mut self, slots: &[u16]) -> Result<(), Halt> {
        let mut lanes: Vec<usize> = slots.iter().map(|&slot| self.lane(slot)).collect();
        lanes.sort_unstable();
        lanes.dedup();
        for lane in lanes {
            match self.open(lane) {
                // It is met again where something is sent.
                Err(Halt::Failed(failure)) if failure.is_passing() => self.broke(lane, &failure),
                other => other?,
            }
        }
        Ok(())
    }

    /// Sends each job to whoever serves its slot, all servers at once.
    pub(super) fn scatter(&mut self, jobs: &[Job]) -> Result<Vec<Outcome>, Halt> {
        let mut by_lane: Vec<Vec<usize>> = Vec::new();
        for (index, job) in jobs.iter().enumerate() {
            let lane = self.lane(job.slot);
            if by_lane.len() <= lane {
                by_lane.resize_with(lane + 1, Vec::new);
            }
            if let Some(indices) = by_lane.get_mut(lane) {
                indices.push(index);
            }
        }
        let mut outcomes: Vec<Option<Outcome>> = Vec::new();
        outcomes.resize_with(jobs.len(), || None);
        let mut under_way = Vec::new();
        for (lane, indices) in by_lane.into_iter().enumerate().filter(|(_, jobs)| !jobs.is_empty())
        {
            match self.open(lane) {
                Ok(()) => {
                    if let Some(connection) = self.lanes.get_mut(lane).and_then(Option::take) {
                        under_way.push((lane, indices, connection));
                    }
                }
                Err(Halt::Failed(failure)) if failure.is_passing() => {
                    self.broke(lane, &failure);
                    for index in indices {
                        if let Some(outcome) = outcomes.get_mut(index) {
                            *outcome = Some(Outcome::Unsent(again(&failure)));
                        }
                    }
                }
                Err(halt) => return Err(halt),
            }
        }
        let answered: Vec<_> = thread::scope(|scope| {
            let handles: Vec<_> = under_way
                .into_iter()
                .map(|(lane, indices, mut connection)| {
                    scope.spawn(move || {
                        let picked: Vec<&Job> =
                            indices.iter().filter_map(|&index| jobs.get(index)).collect();
                        let bytes = picked.iter().map(|job| job.bytes.as_slice());
                        let bytes: Vec<u8> = bytes.collect::<Vec<_>>().concat();
                        let count = picked.iter().map(|job| job.replies).sum();
                        let replies = connection.send(&bytes, count);
                        (lane, indices, connection, replies)
                    })
                })
                .collect();
            handles.into_iter().filter_map(|handle| handle.join().ok()).collect()
        });
        for (lane, indices, connection, replies) in answered {
            match replies {
                Ok(replies) => {
                    if let Some(slot) = self.lanes.get_mut(lane) {
                        *slot = Some(connection);
                    }
                    let mut replies = replies.into_iter();
                    for index in indices {
                        let count = jobs.get(index).map_or(0, |job| job.replies);
                        let own = replies.by_ref().take(count).collect();
                        if let Some(outcome) = outcomes.get_mut(index) {
                            *outcome = Some(Outcome::Replies(own));
                        }
                    }
                }
                Err(failure) if failure.is_passing() => {
                    drop(connection);
                    self.broke(lane, &failure);
                    self.done.reopened += 1;
                    for index in indices {
                        if let Some(outcome) = outcomes.get_mut(index) {
                            *outcome = Some(Outcome::Lost(again(&failure)));
                        }
                    }
                }
                Err(failure) => return Err(Halt::Failed(failure)),
            }
        }
        let gone = || {
            Outcome::Lost(Failure::Unfit {
                address: Address::Tcp(String::new(), 0),
                words: "gave no answer".to_owned(),
            })
        };
        Ok(outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(gone)).collect())
    }

    /// Sends one job to a server that is taking over its slot.
    pub(super) fn ask(&mut self, lane: usize, job: &Job) -> Result<Outcome, Halt> {
        match self.open(lane) {
            Ok(()) => {}
            Err(Halt::Failed(failure)) if failure.is_passing() => {
                self.broke(lane, &failure);
                return Ok(Outcome::Unsent(failure));
            }
            Err(halt) => return Err(halt),
        }
        let Some(Some(connection)) = self.lanes.get_mut(lane) else {
            return Err(Halt::Failed(Failure::Unfit {
                address: Address::Tcp(self.route.name(lane), 0),
                words: "cannot be asked".into(),
            }));
        };
        let mut bytes = Vec::new();
        // It holds until the end of the transaction.
        encode::command(&mut bytes, [b"ASKING"]);
        bytes.extend_from_slice(&job.bytes);
        match connection.send(&bytes, job.replies + 1) {
            Ok(mut replies) => {
                if !replies.is_empty() {
                    replies.remove(0);
                }
                Ok(Outcome::Replies(replies))
            }
            Err(failure) if failure.is_passing() => {
                self.broke(lane, &failure);
                Ok(Outcome::Lost(failure))
            }
            Err(failure) => Err(Halt::Failed(failure)),
        }
    }

    /// Connects to whoever serves a lane, and sees to it that nobody else is still at work there.
    pub(super) fn open(&mut self, lane: usize) -> Result<(), Halt> {
        if self.lanes.len() <= lane {
            self.lanes.resize_with(lane + 1, || None);
            self.ids.resize(lane + 1, 0);
        }
        if self.lanes.get(lane).is_some_and(Option::is_some) {
            return Ok(());
        }
        let mut connection = self.route.open(lane)?;
        self.claim.name(&mut connection)?;
        let id = match connection.request(&["CLIENT", "ID"])? {
            Value::Int(id) => id,
            _ => 0,
        };
        if let Some(slot) = self.ids.get_mut(lane) {
            *slot = id;
        }
        self.evicted.sees(&ServerInfo::of(&mut connection)?);
        self.alone(&mut connection)?;
        self.opened = true;
        if let Some(slot) = self.lanes.get_mut(lane) {
            *slot = Some(connection);
        }
        Ok(())
    }

    /// Waits until no other connection of a replayer is left on a server: what an old one has sent
    /// may still be in the server's hands.
    fn alone(&mut self, connection: &mut Connection) -> Result<(), Halt> {
        let until = Instant::now() + LINGER;
        loop {
            let list = match connection.request(&["CLIENT", "LIST"]) {
                Ok(Value::BulkString(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
                Ok(Value::VerbatimString { text, .. }) => text,
                Ok(_) => String::new(),
                Err(failure) => return Err(Halt::Failed(failure)),
            };
            let field = |line: &str, name: &str| {
                let value = line.split(' ').find_map(|word| word.strip_prefix(name));
                value.unwrap_or_default().to_owned()
            };
            let others: Vec<String> = list
                .lines()
                .filter(|line| {
                    let id: i64 = field(line, "id=").parse().unwrap_or(0);
                    field(line, "name=").starts_with("rdbkit-") && !self.ids.contains(&id)
                })
                .map(|line| field(line, "name="))
                .collect();
            let Some(other) = others.first() else { return Ok(()) };
            if Instant::now() >= until {
                return Err(Halt::Taken(format!(
                    "another replay ({other}) works on {}: wait until it has ended, or stop it",
                    connection.address()
                )));
            }
            self.check_stop()?;
            thread::sleep(PAUSES.0);
        }
    }

    pub(super) fn broke(&mut self, lane: usize, failure: &Failure) {
        if let Some(slot) = self.lanes.get_mut(lane) {
            *slot = None;
        }
        self.route.broke(lane, failure);
    }
}

/// The same failure once more.
fn again(failure: &Failure) -> Failure {
    Failure::Unfound {
        address: failure.address().clone(),
        words: failure.to_string(),
        is_passing: failure.is_passing(),
    }
}
