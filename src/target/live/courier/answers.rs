//! What has become of what was sent: arrived, refused and sorted by the server's words, or lost with
//! a link that broke.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Again, Chunk, Courier, HOPS, Halt, Refusal};
use crate::live::{Address, Class, ErrorReply, Failure};
use crate::target::live::{Event, Parcel, Refused};

impl Courier<'_> {
    /// Takes in what the links have to tell; waits for the first of it.
    pub(super) fn hear(&mut self, wait: Duration) -> Result<(), Halt> {
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
                    // The writer may hold it for a moment longer, and then it is not kept.
                    if let Some(parcel) = Arc::into_inner(parcel) {
                        self.options.spares.give(parcel);
                    }
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
        self.arrived(parcel.chunk, arrived);
        self.sent.bytes += parcel.bytes.len() as u64;
        self.sent.commands += u64::from(parcel.replies());
        if self.sent.lanes.len() <= lane {
            self.sent.lanes.resize(lane + 1, 0);
        }
        if let Some(keys) = self.sent.lanes.get_mut(lane) {
            *keys += arrived;
        }
        if refused.len() < parcel.items.len()
            && self.waiting.take().is_some()
            && let Some(waits) = self.waits
        {
            waits(None);
        }
        if !refused.is_empty() {
            self.refused((lane, generation), parcel, refused)?;
        }
        self.close(parcel.chunk);
        Ok(())
    }

    /// Keys of a chunk have arrived.
    fn arrived(&mut self, chunk: u64, keys: u64) {
        self.sent.keys += keys;
        if let Some(chunk) = self.chunk(chunk) {
            chunk.keys += keys;
        }
    }

    fn refused(
        &mut self,
        (lane, generation): (usize, u64),
        parcel: &Arc<Parcel>,
        refused: Vec<Refused>,
    ) -> Result<(), Halt> {
        let (mut later, mut elsewhere) = (Vec::new(), Vec::new());
        for Refused { item, command, reply } in refused {
            let name = || String::from_utf8_lossy(parcel.command(item, command)).into_owned();
            let keys = parcel.items.get(item).map_or(0, |item| u64::from(item.keys));
            match reply.class() {
                Class::Wait => {
                    let failure =
                        Failure::Refused { address: self.address(lane), command: name(), reply };
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
                Class::Exists if parcel.attempts > 0 => self.arrived(parcel.chunk, keys),
                Class::Denied | Class::Exists | Class::Refused => {
                    self.sent.refused += keys.max(1);
                    self.refusals.push(Refusal {
                        database: parcel.database,
                        key: parcel.key(item).to_vec(),
                        command: name(),
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

    fn address(&self, lane: usize) -> Address {
        let name = self.route.name(lane);
        Address::parse(&name, 0).unwrap_or_else(|_| Address::Unix(name.into()))
    }

    /// Notes that a parcel has to go again; its chunk stays open.
    pub(super) fn again_later(&mut self, mut parcel: Parcel, lane: Option<usize>) {
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

    pub(super) fn opened(&mut self, chunk: u64) {
        if let Some(chunk) = self.chunk(chunk) {
            chunk.open += 1;
        }
    }

    /// One part of a chunk less that is missing.
    pub(super) fn close(&mut self, chunk: u64) {
        if let Some(chunk) = self.chunk(chunk) {
            chunk.open = chunk.open.saturating_sub(1);
        }
        while let Some(done) = self.chunks.pop_front_if(|chunk| chunk.open == 0) {
            self.unsettled_keys += done.keys;
            if done.is_whole {
                self.mark = done.mark;
                self.settled_keys += std::mem::take(&mut self.unsettled_keys);
            }
            self.first_chunk += 1;
        }
    }

    fn chunk(&mut self, chunk: u64) -> Option<&mut Chunk> {
        let index = chunk.checked_sub(self.first_chunk)?;
        self.chunks.get_mut(usize::try_from(index).ok()?)
    }
}
