//! What a load has come to, and the place where batches become parcels on their way.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::convert::Infallible;
use std::path::Path;
use std::time::{Duration, Instant};

use xxhash_rust::xxh3::xxh3_64;

use super::batch::Counts;
use super::confirm::Limits;
use super::masters::each_master;
use super::release::removed;
use super::servers::Servers;
use super::state::StateFile;
use crate::error::{Error, Result};
use crate::ops::snapshot::Stopped;
use crate::rdb::write::Loss;
use crate::report::load::{LaneRow, LoadReport, LostKind, RefusedKey};
use crate::target::live::{Claim, Courier, Halt, Parcel, Progress, Refusal, Route, Sent};

/// How often the state is written.
const NOTED: Duration = Duration::from_secs(1);
/// How many refusals are kept in full.
const SHOWN: usize = 100;
/// When so many marks are remembered with what stands before them, some are forgotten.
const MARKS: usize = 4096;
/// What is sent again of a target that came back with less is this part more, at most, than it lacks.
const SHARE: u64 = 128;

/// What a load has come to, over all its turns.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) counts: Counts,
    pub(super) losses: BTreeMap<Loss, u64>,
    pub(super) sent: Sent,
    pub(super) refusals: Vec<Refusal>,
    /// Keys that are not on the target as they are in the source: hashes of database and name.
    pub(super) apart: HashSet<u64>,
    pub(super) before_keys: u64,
    /// Keys that have arrived in this run, each of them once.
    arrived: u64,
    /// How many of them had when this turn began.
    begun: u64,
    /// How many of them stand before the mark.
    settled: u64,
    /// What had come before marks that the target may remember: of the older ones only some. A target
    /// may come back as old as it likes, so none is ever of no use.
    noted: Vec<Noted>,
    lanes: Vec<String>,
    state: StateFile,
    claim: Option<Claim>,
    servers: Servers,
    mark: u64,
    database: Option<u64>,
}

/// What stands before a mark.
#[derive(Debug, Clone, Copy)]
struct Noted {
    mark: u64,
    arrived: u64,
    counts: Counts,
}

/// What a batch has come to.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) counts: Counts,
    pub(super) losses: BTreeMap<Loss, u64>,
    pub(super) refusals: Vec<Refusal>,
    /// Keys that are not sent as they are.
    pub(super) apart: Vec<u64>,
    pub(super) parcels: Vec<Parcel>,
}

/// What there is to say where all keys are to go into one database.
pub(super) fn several_databases(one: u64, other: u64) -> Error {
    Error::Usage(format!(
        "the URL names a database, but the source has keys in several ({one} and {other}): choose \
         one with --db, or name none and use --map-db"
    ))
}

/// A key in a set of them.
pub(super) fn hash_of(database: u32, key: &[u8]) -> u64 {
    xxh3_64(key) ^ u64::from(database).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Ledger {
    /// Keeps this state and this claim up to date.
    pub(super) fn keep(&mut self, state: StateFile, claim: Claim, servers: &Servers) {
        self.state = state;
        self.servers = servers.clone();
        self.claim = Some(claim);
    }

    /// Writes the state.
    pub(super) fn save(&mut self) {
        if let Some(claim) = &self.claim {
            let behind = (self.mark, self.before_keys + self.settled);
            // A state that cannot be written costs a repetition, and nothing else.
            let _ = self.state.save(claim.session(), behind, self.servers.evicted.seen());
        }
    }

    /// Where the next load goes on, if it can.
    pub(super) fn resumes_at(&self) -> Option<(&Path, u64)> {
        self.state.path().filter(|_| self.mark > 0).map(|path| (path, self.mark))
    }

    /// Whether no key has arrived.
    pub(super) fn has_sent_nothing(&self) -> bool {
        self.sent.keys == 0
    }

    /// Keys that have arrived, each of them once; without those of earlier runs.
    pub(super) fn arrived(&self) -> u64 {
        self.arrived
    }

    /// Goes back to a mark, or to one before it of which is known what stands before it: what stands
    /// behind that is sent again, and counted again.
    pub(super) fn rewind(&mut self, mark: u64) -> u64 {
        let keep = self.noted.iter().take_while(|noted| noted.mark <= mark).count();
        self.noted.truncate(keep);
        match self.noted.last() {
            Some(noted) => {
                (self.arrived, self.counts) = (noted.arrived, noted.counts);
                noted.mark
            }
            None => {
                (self.arrived, self.counts) = (0, Counts::default());
                self.before_keys = 0;
                mark
            }
        }
    }

    /// Notes what stands before the mark.
    fn note(&mut self, counts: Counts) {
        if self.noted.last().is_none_or(|last| last.mark < self.mark) {
            if self.noted.len() >= MARKS {
                self.forget_some();
            }
            self.noted.push(Noted { mark: self.mark, arrived: self.settled, counts });
        }
    }

    /// Forgets marks that are close to others, for how long ago they were.
    fn forget_some(&mut self) {
        let now = self.mark;
        let marks: Vec<u64> = self.noted.iter().map(|noted| noted.mark).collect();
        let (mut later, mut kept) = (marks.into_iter().skip(1), None);
        self.noted.retain(|noted| {
            // The first and the last one stay.
            let is_close = match (later.next(), kept) {
                (Some(next), Some(kept)) => {
                    next.saturating_sub(kept) <= now.saturating_sub(next) / SHARE
                }
                _ => false,
            };
            if !is_close {
                kept = Some(noted.mark);
            }
            !is_close
        });
    }

    /// Lets go of the target; the load is to go on one day.
    pub(super) fn pause(&mut self, route: &mut dyn Route) {
        if let Some(claim) = &self.claim {
            let _ = each_master(route, |route, lane, tag| {
                // A target that is out of reach keeps its lock until it expires.
                if let Ok(mut connection) = route.open(lane) {
                    let claim = claim.tagged(tag);
                    // Only the process that took it is known to have it.
                    if self.servers.is_same(&mut connection) {
                        let session = claim.session().to_owned();
                        let progress = Progress { session, mark: self.mark, more: String::new() };
                        let _ = claim.note(&mut connection, &progress);
                    }
                    let _ = claim.release(&mut connection, false);
                }
                Ok::<_, Infallible>(())
            });
        }
        // Of a load of which nothing has arrived, nothing is to be kept: the next one may be another.
        if self.mark == 0 {
            self.state.remove();
        } else {
            self.save();
        }
    }

    /// Lets go of the target for good. Returns a sentence on what may be left there.
    pub(super) fn end(&mut self, route: &mut dyn Route, limits: Limits<'_>) -> Option<String> {
        let left = self.claim.as_ref().and_then(|claim| removed(route, claim, limits));
        self.state.remove();
        left
    }

    /// Fills in the report.
    pub(super) fn fill(&self, report: &mut LoadReport) {
        let Ledger { counts, sent, .. } = self;
        report.keys = if report.dry_run { counts.keys } else { self.arrived };
        report.keys_again = sent.keys.saturating_sub(self.arrived);
        report.arrived_before = self.before_keys;
        report.filtered = counts.filtered;
        report.expired = counts.expired;
        report.existing = sent.existing;
        report.refused = sent.refused;
        report.functions = counts.functions;
        report.bytes = if report.dry_run { counts.bytes } else { sent.bytes };
        report.commands = sent.commands;
        report.sent_again = sent.again;
        report.reopened = sent.reopened;
        report.waited_ms = u64::try_from(sent.waited.as_millis()).unwrap_or(u64::MAX);
        report.by_restore = counts.by_restore;
        report.by_commands = counts.by_commands;
        report.lost = self
            .losses
            .iter()
            .map(|(loss, keys)| LostKind {
                code: loss.code(),
                what: loss.to_string(),
                grave: loss.is_grave(),
                keys: *keys,
            })
            .collect();
        // They came as the servers answered, which is another order each time.
        let mut refusals: Vec<&Refusal> = self.refusals.iter().collect();
        refusals.sort_by_key(|refusal| (refusal.database, &refusal.key));
        report.errors = refusals
            .into_iter()
            .take(SHOWN)
            .map(|refusal| RefusedKey {
                db: refusal.database,
                key: refusal.key.clone(),
                command: refusal.command.clone(),
                error: refusal.reply.words.clone(),
                place: None,
            })
            .collect();
        let lanes = self.lanes.iter().zip(&sent.lanes);
        report.nodes =
            lanes.map(|(node, keys)| LaneRow { node: node.clone(), keys: *keys }).collect();
    }

    /// Ends a turn: what the courier has seen goes into the books.
    pub(super) fn close_turn<'r>(&mut self, mut courier: Courier<'r>) -> Box<dyn Route + 'r> {
        self.absorb(&mut courier);
        self.arrived = self.begun + courier.sent().keys;
        self.add(courier.sent());
        let route = courier.into_route();
        self.lanes = (0..route.lanes()).map(|lane| route.name(lane)).collect();
        route
    }

    fn absorb(&mut self, courier: &mut Courier<'_>) {
        self.mark = courier.mark();
        self.settled = self.begun + courier.settled_keys();
        for refusal in courier.take_refusals() {
            self.apart.insert(hash_of(refusal.database, &refusal.key));
            self.refusals.push(refusal);
        }
        for (database, key) in courier.take_skipped() {
            self.apart.insert(hash_of(database, &key));
        }
    }

    fn add(&mut self, sent: &Sent) {
        let into = &mut self.sent;
        into.keys += sent.keys;
        into.existing += sent.existing;
        into.refused += sent.refused;
        into.bytes += sent.bytes;
        into.commands += sent.commands;
        into.again += sent.again;
        into.reopened += sent.reopened;
        into.waited += sent.waited;
        if into.lanes.len() < sent.lanes.len() {
            into.lanes.resize(sent.lanes.len(), 0);
        }
        for (into, keys) in into.lanes.iter_mut().zip(&sent.lanes) {
            *into += keys;
        }
    }
}

/// Where batches arrive.
pub(super) struct Root<'l, 'r> {
    ledger: &'l mut Ledger,
    way: Way<'l, 'r>,
    halt: Option<Halt>,
    mark: u64,
    noted: Instant,
    /// What was written last: the mark, and the keys before it.
    noted_mark: (u64, u64),
    /// What was packed up to marks that are not safe yet.
    packed: VecDeque<(u64, Counts)>,
}

enum Way<'l, 'r> {
    Sends(&'l mut Courier<'r>),
    Counts(&'l dyn Route),
}

impl<'l, 'r> Root<'l, 'r> {
    /// One that sends.
    pub(super) fn sending(ledger: &'l mut Ledger, courier: &'l mut Courier<'r>) -> Self {
        let mark = courier.mark();
        (ledger.mark, ledger.begun, ledger.settled) = (mark, ledger.arrived, ledger.arrived);
        ledger.note(ledger.counts);
        Root::new(ledger, Way::Sends(courier), mark)
    }

    /// One that only counts what would go where.
    pub(super) fn counting(ledger: &'l mut Ledger, route: &'l dyn Route) -> Self {
        ledger.lanes = (0..route.lanes()).map(|lane| route.name(lane)).collect();
        ledger.sent.lanes = vec![0; route.lanes()];
        Root::new(ledger, Way::Counts(route), 0)
    }

    fn new(ledger: &'l mut Ledger, way: Way<'l, 'r>, mark: u64) -> Self {
        let (noted, noted_mark) = (Instant::now(), (mark, ledger.settled));
        Root { ledger, way, halt: None, mark, noted, noted_mark, packed: VecDeque::new() }
    }

    /// Why sending has ended, if it has.
    pub(super) fn into_halt(self) -> Option<Halt> {
        self.halt
    }

    /// Takes in a batch: what was counted, and what is to be sent.
    pub(super) fn take(&mut self, batch: Taken, one_database: bool) -> Result<()> {
        let Taken { counts, losses, refusals, apart, parcels } = batch;
        self.ledger.counts.add(&counts);
        for (loss, keys) in losses {
            *self.ledger.losses.entry(loss).or_default() += keys;
        }
        self.ledger.apart.extend(apart);
        self.ledger.sent.refused += refusals.len() as u64;
        self.ledger.refusals.extend(refusals);
        if one_database && let Some((first, last)) = counts.databases {
            let known = *self.ledger.database.get_or_insert(first);
            if known != first || first != last {
                return Err(several_databases(known, if first == known { last } else { first }));
            }
        }
        self.mark = self.mark.max(counts.mark);
        if matches!(self.way, Way::Sends(_)) {
            self.packed.push_back((self.mark, self.ledger.counts));
        }
        match &mut self.way {
            Way::Counts(route) => {
                for item in parcels.iter().flat_map(|parcel| &parcel.items) {
                    let lane = route.lane(item.slot).unwrap_or(0);
                    if let Some(keys) = self.ledger.sent.lanes.get_mut(lane) {
                        *keys += u64::from(item.keys);
                    }
                }
                Ok(())
            }
            Way::Sends(courier) => {
                let done = courier.send(parcels, self.mark).and_then(|()| self.note());
                done.map_err(|halt| {
                    self.halt = Some(halt);
                    Stopped::error()
                })
            }
        }
    }

    /// Writes now and then how far it has come: into the target, behind what it covers, and into
    /// the state file.
    fn note(&mut self) -> Result<(), Halt> {
        let Way::Sends(courier) = &mut self.way else { return Ok(()) };
        if self.noted.elapsed() < NOTED {
            return Ok(());
        }
        self.noted = Instant::now();
        self.ledger.absorb(courier);
        let mark = courier.mark();
        let mut counts = None;
        while let Some((_, safe)) = self.packed.pop_front_if(|(packed, _)| *packed <= mark) {
            counts = Some(safe);
        }
        if let Some(counts) = counts {
            self.ledger.note(counts);
        }
        if let Some(claim) = &self.ledger.claim {
            let progress =
                Progress { session: claim.session().to_owned(), mark, more: String::new() };
            courier.send_to_all(|lane, route| {
                claim.tagged(&route.tag(lane)).words(&progress).to_vec()
            })?;
            // A state that cannot be written costs a repetition, and nothing else.
            let (mark, keys) = self.noted_mark;
            let keys = self.ledger.before_keys + keys;
            let evicted = self.ledger.servers.evicted.seen();
            let _ = self.ledger.state.save(claim.session(), (mark, keys), evicted);
        }
        self.noted_mark = (mark, self.ledger.settled);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_again_is_counted_once() {
        let mut ledger = Ledger::default();
        ledger.note(Counts::default());
        (ledger.mark, ledger.settled) = (100, 10);
        ledger.note(Counts { keys: 12, by_restore: 12, ..Counts::default() });
        // Five more had come behind the mark when the target came back without them.
        (ledger.sent.keys, ledger.arrived) = (15, 15);
        assert_eq!(ledger.rewind(100), 100);
        assert_eq!((ledger.arrived, ledger.counts.by_restore), (10, 12));
        (ledger.begun, ledger.arrived, ledger.sent.keys) = (10, 18, 23);
        let mut report = LoadReport::default();
        ledger.fill(&mut report);
        assert_eq!((report.keys, report.keys_again), (18, 5));
        ledger.before_keys = 7;
        assert_eq!(ledger.rewind(99), 0);
        assert_eq!((ledger.arrived, ledger.counts.keys), (0, 0));
        assert_eq!(ledger.before_keys, 7);
    }

    #[test]
    fn a_long_load_remembers_some_of_its_marks() {
        let mut ledger = Ledger::default();
        for n in 0..100_000 {
            (ledger.mark, ledger.settled) = (n * 10, n);
            ledger.note(Counts { keys: n, ..Counts::default() });
            assert!(ledger.noted.len() <= MARKS);
        }
        // The last one is there, and whichever it goes back to is what it was.
        assert_eq!(ledger.rewind(999_990), 999_990);
        for mark in [700_003, 123_456, 9] {
            let at = ledger.rewind(mark);
            let more = (999_990 - mark) / SHARE + 10;
            assert!(at <= mark && at + more >= mark, "{at} for {mark}");
            assert_eq!((ledger.arrived * 10, ledger.counts.keys * 10), (at, at));
        }
    }
}
