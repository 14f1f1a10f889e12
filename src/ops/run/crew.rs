//! The threads of a run: one reads the log and sorts its commands by shard, then all run them,
//! shard by shard.
//!
//! ```text
//! log ─ router ─ steps of each shard ─ section ─► a thread takes the next shard and runs its steps
//!         └ a command over several shards: all that came before is run first, then it alone
//! ```
//!
//! What a shard holds stays in the caches while its commands of a whole section run, and it does
//! not matter which thread runs them. While a section is run the next one is sorted.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use crossbeam_channel::{Sender, bounded};

use super::RunOptions;
use super::failed::Failures;
use super::hand::{Halt, Hand};
use super::log::{End, Progress, read};
use super::router::Router;
use super::steps::Steps;
use super::watched::Eyes;
use crate::Result;
use crate::engine::{Engine, Env, SHARDS, Shard};
use crate::ops::walk::Observer;

/// How much is done at a time.
#[derive(Debug, Clone, Copy)]
pub(in crate::ops) struct Pace {
    /// Commands that are sorted before they are run.
    pub(in crate::ops) section: usize,
    /// Fewer commands than this are run where they were sorted.
    pub(in crate::ops) worth_sharing: usize,
    /// A log of fewer bytes is run before threads have started.
    pub(in crate::ops) worth_threads: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Pace { section: 3 << 19, worth_sharing: 8 << 10, worth_threads: 1 << 20 }
    }
}

/// Runs the log that begins at `from`, before the eyes of whoever watches.
#[expect(clippy::too_many_arguments, reason = "called in one place")]
pub(super) fn run<'o>(
    engine: &mut Engine,
    bytes: &[u8],
    from: usize,
    progress: &Progress,
    options: &RunOptions,
    pace: Pace,
    eyes: Option<Eyes<'o>>,
    observer: &'o dyn Observer,
) -> Result<(End, Failures), Halt> {
    let mut threads = options.threads.clamp(1, SHARDS);
    if bytes.len() - from < pace.worth_threads {
        threads = 1;
    }
    let shell = engine.keyspace.shell();
    let keyspace = std::mem::replace(&mut engine.keyspace, shell);
    let hand = |keyspace, env| Hand::new(bytes, keyspace, env, 0, options.skip_unknown);
    let mut first = hand(keyspace, engine.env.clone());
    first.db = engine.db();
    let (mut router, end) = thread::scope(|scope| {
        let (send, receive) = bounded::<Arc<Section>>(threads);
        for _ in 1..threads {
            let receive = receive.clone();
            let mut hand = hand(engine.keyspace.shell(), engine.env.clone());
            scope.spawn(move || {
                for section in receive {
                    hand.env.clone_from(&section.env);
                    section.work(&mut hand);
                }
            });
        }
        let crew = Crew { send: Some(send), workers: threads - 1, section: None };
        let mut router = Router::new(first, crew, pace, eyes, observer);
        let end = read(bytes, from, progress, &mut router).and_then(|end| {
            router.settle()?;
            router.eyes.iter_mut().for_each(Eyes::tell_passed);
            Ok(end)
        });
        router.dismiss();
        (router, end)
    });
    engine.select(router.hand.db);
    engine.keyspace = std::mem::take(&mut router.hand.keyspace);
    engine.env = router.hand.env;
    match (router.halt, end) {
        (Some(halt), _) | (None, Err(halt)) => Err(halt),
        (None, Ok(end)) => Ok((end, router.failures)),
    }
}

/// Steps of every shard, the shards, and who has them.
pub(super) struct Section {
    lanes: Vec<Mutex<Lane>>,
    next: AtomicUsize,
    left: Mutex<usize>,
    finished: Condvar,
    env: Env,
}

/// A shard and what is to be done to it; then what has come of it.
#[derive(Default)]
struct Lane {
    shard: Shard,
    steps: Steps,
    failures: Failures,
    halt: Option<Halt>,
}

fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    // A thread that panics ends the run, and nobody looks at what it left.
    it.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Says that a shard is finished, whatever happened.
struct Finished<'s>(&'s Section);

impl Drop for Finished<'_> {
    fn drop(&mut self) {
        let mut left = lock(&self.0.left);
        *left -= 1;
        if *left == 0 {
            self.0.finished.notify_all();
        }
    }
}

impl Section {
    /// Runs shards until none is left that nobody has taken.
    fn work(&self, hand: &mut Hand<'_>) {
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(lane) = self.lanes.get(index) else { return };
            let finished = Finished(self);
            let mut lane = lock(lane);
            hand.keyspace.put_shards(index, vec![std::mem::take(&mut lane.shard)]);
            // What was done is room for the section that is sorted meanwhile.
            lane.halt = hand.steps(0, &std::mem::take(&mut lane.steps)).err();
            lane.failures = std::mem::take(&mut hand.failures);
            lane.shard = hand.keyspace.take_shards().pop().unwrap_or_default();
            drop(lane);
            drop(finished);
        }
    }
}

/// Those who help, and what they work on.
pub(super) struct Crew {
    send: Option<Sender<Arc<Section>>>,
    workers: usize,
    section: Option<Arc<Section>>,
}

impl Crew {
    /// Whether anybody helps.
    pub(super) fn is_empty(&self) -> bool {
        self.workers == 0
    }

    /// Gives the shards of this hand, with what is to be done to them, to all. There must be no
    /// other section under way.
    pub(super) fn start(&mut self, hand: &mut Hand<'_>, steps: Vec<Steps>) {
        let shards = hand.keyspace.take_shards();
        let lane = |(shard, steps)| Mutex::new(Lane { shard, steps, ..Lane::default() });
        let section = Arc::new(Section {
            next: AtomicUsize::new(0),
            left: Mutex::new(shards.len()),
            finished: Condvar::new(),
            env: hand.env.clone(),
            lanes: shards.into_iter().zip(steps).map(lane).collect(),
        });
        for send in self.send.iter().cycle().take(self.workers) {
            // Were nobody there, it would be run by whoever waits for it.
            _ = send.send(Arc::clone(&section));
        }
        self.section = Some(section);
    }

    /// Sends the others home.
    pub(super) fn close(&mut self) {
        self.send = None;
    }

    /// Helps with the section under way until it is done, and takes the shards back.
    pub(super) fn wait(
        &mut self,
        hand: &mut Hand<'_>,
        failures: &mut Failures,
        halt: &mut Option<Halt>,
    ) {
        let Some(section) = self.section.take() else { return };
        section.work(hand);
        let left = lock(&section.left);
        drop(
            section
                .finished
                .wait_while(left, |left| *left > 0)
                .unwrap_or_else(|poisoned| poisoned.into_inner()),
        );
        let mut shards = Vec::with_capacity(section.lanes.len());
        for lane in &section.lanes {
            let lane = std::mem::take(&mut *lock(lane));
            failures.beside(lane.failures);
            shards.push(lane.shard);
            let sooner = |found: &Halt| halt.as_ref().is_none_or(|h| found.offset() < h.offset());
            *halt = lane.halt.filter(sooner).or(halt.take());
        }
        hand.keyspace.put_shards(0, shards);
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::ops::walk::Silent;
    use crate::rdb::Target;

    /// Commands over few keys, so that they meet often, in all the ways that they are sorted by.
    fn log() -> Vec<u8> {
        let mut seed = 7_u64;
        let mut chance = |bound: u64| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) % bound
        };
        let mut log = Vec::new();
        for n in 0..6000_u64 {
            let (one, other) = (chance(40), chance(40));
            let long = "a-long-text-that-is-not-copied-".repeat(1 + chance(3) as usize);
            let words = match chance(16) {
                0 => format!("SELECT {}", chance(3)),
                1 => format!("MSET k{one} {n} k{other} {long} k{} x", chance(40)),
                2 => format!("MSET k{one} {n} k{other}"),
                3 => format!("DEL k{one} l{other} k{}", chance(40)),
                4 => format!("RENAME k{one} k{other}"),
                5 if chance(40) == 0 => "FLUSHDB".to_owned(),
                5 | 6 => format!("LPUSH l{one} {n} {long}"),
                7 => format!("LMOVE l{one} l{other} LEFT RIGHT"),
                8 => format!("LTRIM l{one} 0 5"),
                9 => format!("INCR k{one}"),
                10 => format!("APPEND k{one} {long}"),
                11 => format!("PEXPIREAT k{one} {}", 4_000_000_000_000 + n),
                12 => format!("SINTERSTORE s{one} s{other} s{}", chance(40)),
                13 => format!("SADD s{one} {} {}", chance(30), chance(30)),
                14 if chance(20) == 0 => format!("SWAPDB 1 {}", chance(3)),
                _ => format!("SET k{one} {long}{n}"),
            };
            let words: Vec<&str> = words.split(' ').collect();
            let mut text = format!("*{}\r\n", words.len());
            for word in words {
                write!(text, "${}\r\n{word}\r\n", word.len()).unwrap();
            }
            // As no server writes it, but all read it.
            let text = if n % 500 == 3 { text.replacen('*', "*0", 1) } else { text };
            log.extend_from_slice(text.as_bytes());
        }
        log
    }

    fn outcome(log: &Arc<Vec<u8>>, threads: usize, pace: Pace) -> (Vec<String>, End, Failures) {
        let mut engine = Engine::new(Target::default(), 1000);
        engine.env.loading = true;
        let log: Arc<dyn AsRef<[u8]> + Send + Sync> = Arc::<Vec<u8>>::clone(log);
        engine.keyspace.run_log(Arc::clone(&log));
        let options = RunOptions { threads, ..RunOptions::at(Some(1000)) };
        let (bytes, from) = ((*log).as_ref(), Progress::default());
        let (end, failures) =
            run(&mut engine, bytes, 0, &from, &options, pace, None, &Silent).unwrap();
        let records = (0..3).flat_map(|db| engine.keyspace.records(db));
        (records.map(|record| format!("{record:?}")).collect(), end, failures)
    }

    #[test]
    fn neither_threads_nor_sections_show() {
        let log = Arc::new(log());
        let alone = Pace { worth_threads: usize::MAX, ..Pace::default() };
        let (keys, end, failures) = outcome(&log, 1, alone);
        assert!(keys.len() > 30 && end.commands == 6000 && failures.failed > 100);
        for (threads, section, worth_sharing) in
            [(1, 7, 1), (2, 1, 1), (3, 50, 1), (3, 300, 40), (8, 2000, 100)]
        {
            let pace = Pace { section, worth_sharing, worth_threads: 0 };
            let (again, ended, failed) = outcome(&log, threads, pace);
            assert_eq!(again, keys, "{threads} threads, {pace:?}");
            assert_eq!(ended.commands, end.commands);
            assert_eq!(failed, failures);
        }
    }

    #[test]
    fn the_first_that_ends_a_run_is_told() {
        let mut log = log();
        log.extend_from_slice(b"*1\r\n$6\r\nNOSUCH\r\n");
        log.extend_from_slice(&log.clone());
        for (threads, section) in [(1, 100), (3, 20), (3, 10_000)] {
            let mut engine = Engine::default();
            let options = RunOptions { threads, ..RunOptions::at(Some(1000)) };
            let pace = Pace { section, worth_sharing: 1, worth_threads: 0 };
            let from = Progress::default();
            let ended = run(&mut engine, &log, 0, &from, &options, pace, None, &Silent);
            let words = ended.unwrap_err().error("a.aof").to_string();
            let at = log.len() / 2 - b"*1\r\n$6\r\nNOSUCH\r\n".len();
            assert!(
                words.starts_with(&format!("a.aof: offset {at}: no command is called")),
                "{words}"
            );
        }
    }
}
