//! Ends the connections to a master in whose place there is another one by now.
//!
//! A master that was deposed may not know of it: it hangs, or is cut off from those who deposed it,
//! and goes on acknowledging what its successor will never have. Who is connected to it would find
//! out by its silence, after the longest time that a reply may take, or not at all.
//!
//! ```text
//! thread ── each second ──► Sentinels, or nodes of the Cluster: who is the master?
//!   └─ another one ─► streams are cut, new ones refused ─► for their owners a connection is lost
//! ```
//!
//! What to do about a lost connection is known to whoever has it: look up who it is now, wait, go on.
//! The danger is to cut what should stay. So only the newest word counts, by the number of the
//! election that it is from; who does not answer has said nothing, and what was said holds for some
//! seconds only.

mod cluster;
mod sentinels;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use self::cluster::ClusterWords;
use self::sentinels::SentinelWords;
use super::stream::Cutter;
use super::{Address, Connection, Connector, Endpoint, Failure, Place, Stream, Timeouts};

/// How often it is asked.
const EVERY: Duration = Duration::from_secs(1);
/// Who is silent for so long has nothing to say this time.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a word is held against somebody who connects.
const HOLDS: Duration = Duration::from_secs(5);
/// So many connections stay open from one time to the next.
const KEPT: usize = 16;

/// Looks out for masters that are masters no more, as long as somebody has it.
pub(super) struct Lookout {
    shared: Arc<Shared>,
    thread: Option<Thread>,
}

impl fmt::Debug for Lookout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookout").finish_non_exhaustive()
    }
}

/// Who is a master, as the newest word has it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    /// These and no others; of one master there may be several names.
    Masters(Vec<Address>),
    /// These were, and are no more.
    Deposed(Vec<Address>),
}

impl Word {
    /// What it says against a server.
    fn against(&self, address: &Address) -> Option<String> {
        match self {
            Word::Masters(masters) if masters.contains(address) => None,
            Word::Masters(masters) => {
                let master = masters.first()?;
                Some(format!("{master} is the master by now, as the Sentinels say"))
            }
            Word::Deposed(deposed) => deposed
                .contains(address)
                .then(|| format!("another node serves the slots of {address} by now")),
        }
    }
}

/// Asks who is a master; each word that is new, or still holds, is told.
trait Ask: Send {
    fn ask(&mut self, tell: &mut dyn FnMut(Word));
}

struct Shared {
    /// Whether data is read from replicas, too: then whoever was deposed may be read as one.
    replicas: bool,
    state: Mutex<State>,
    is_over: AtomicBool,
}

#[derive(Default)]
struct State {
    open: Vec<(Address, Cutter)>,
    word: Option<(Word, Instant)>,
}

impl Lookout {
    /// For the servers of an endpoint, if somebody decides who is their master.
    pub(super) fn over(
        endpoint: &Endpoint,
        connector: &Connector,
        replicas: bool,
    ) -> Option<Arc<Self>> {
        let connector = connector.with_timeouts(Timeouts { connect: PATIENCE, reply: PATIENCE });
        let asked: Box<dyn Ask> = match &endpoint.place {
            Place::Server(_) => return None,
            Place::Sentinel { seeds, service, access } => {
                let sentinels = Lines::new(connector.with_access(access.clone()));
                Box::new(SentinelWords::new(sentinels, seeds, service))
            }
            Place::Cluster { seeds } => Box::new(ClusterWords::new(Lines::new(connector), seeds)),
        };
        let is_over = AtomicBool::new(false);
        let shared = Arc::new(Shared { replicas, state: Mutex::default(), is_over });
        let looks = Arc::clone(&shared);
        let thread = thread::Builder::new().spawn(move || looks.look(asked)).ok();
        // Without a thread everything is as it would be without a lookout.
        let thread = thread.map(|thread| thread.thread().clone());
        Some(Arc::new(Lookout { shared, thread }))
    }

    /// Refuses a server that should not be connected to.
    pub(super) fn allows(&self, address: &Address) -> Result<(), Failure> {
        let Some(why) = self.shared.against(address) else { return Ok(()) };
        // What is known may be a second old.
        if let Some(thread) = &self.thread {
            thread.unpark();
        }
        let words = format!("{address} is not connected to: {why}");
        Err(Failure::Unfound { address: address.clone(), words, is_passing: true })
    }

    /// Looks after a connection.
    pub(super) fn mind(&self, address: &Address, stream: &Stream) {
        let mut state = self.shared.lock();
        state.open.retain(|(_, cutter)| !cutter.is_over());
        state.open.push((address.clone(), stream.cutter()));
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = &self.thread {
            // It may be waiting for a server, and nobody waits for it.
            thread.unpark();
        }
    }
}

impl Shared {
    fn look(&self, mut asked: Box<dyn Ask>) {
        while !self.is_over.load(Ordering::Relaxed) {
            asked.ask(&mut |word| self.take(word));
            thread::park_timeout(EVERY);
        }
    }

    /// Takes in a word, and cuts the connections that it is against.
    fn take(&self, word: Word) {
        let mut state = self.lock();
        let before = state.word.take().map(|(word, _)| word);
        state.open.retain(|(_, cutter)| !cutter.is_over());
        for (address, cutter) in &state.open {
            let Some(why) = word.against(address) else { continue };
            // A replica is read for what it is; one that was the master when it was connected to is
            // a replica, if at all, that does not send what it sent before.
            let was_master = || before.as_ref().is_some_and(|it| it.against(address).is_none());
            if !self.replicas || was_master() {
                cutter.cut(&why);
            }
        }
        state.word = Some((word, Instant::now()));
    }

    fn against(&self, address: &Address) -> Option<String> {
        let state = self.lock();
        let (word, said) = state.word.as_ref()?;
        let holds = !self.replicas && said.elapsed() < HOLDS;
        holds.then(|| word.against(address)).flatten()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connections over which the same is asked again and again.
struct Lines {
    connector: Connector,
    open: BTreeMap<Address, Connection>,
}

impl Lines {
    fn new(connector: Connector) -> Self {
        Lines { connector, open: BTreeMap::new() }
    }

    /// Asks; where that fails, the next time over a new connection.
    fn ask<T>(
        &mut self,
        address: &Address,
        question: impl FnOnce(&mut Connection) -> Result<T, Failure>,
    ) -> Option<T> {
        let mut connection = match self.open.remove(address) {
            Some(connection) => connection,
            None => self.connector.open(address).ok()?,
        };
        let answer = question(&mut connection).ok()?;
        if self.open.len() < KEPT {
            self.open.insert(address.clone(), connection);
        }
        Some(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> Address {
        Address::Tcp("h".into(), port)
    }

    #[test]
    fn a_word_is_against_who_is_no_master() {
        let word = Word::Masters(vec![at(1), at(2)]);
        assert_eq!((word.against(&at(1)), word.against(&at(2))), (None, None));
        let words = "h:1 is the master by now, as the Sentinels say";
        assert_eq!(word.against(&at(3)).as_deref(), Some(words));
        let word = Word::Deposed(vec![at(1)]);
        assert_eq!(word.against(&at(3)), None);
        assert!(word.against(&at(1)).is_some());
    }

    #[test]
    fn nobody_looks_out_for_nothing() {
        // Nobody is there to be asked.
        let endpoint: Endpoint = "redis+sentinel://127.0.0.1:1/x".parse().unwrap();
        let (tls, timeouts) = Default::default();
        let connector = Connector::new(&endpoint, &tls, timeouts).unwrap();
        let lookout = Lookout::over(&endpoint, &connector, false).unwrap();
        let shared = Arc::clone(&lookout.shared);
        assert!(lookout.allows(&at(1)).is_ok());
        drop(lookout);
        let until = Instant::now() + Duration::from_secs(30);
        while Arc::strong_count(&shared) > 1 {
            assert!(Instant::now() < until, "the thread goes on");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn who_reads_from_replicas_may_connect_to_anybody() {
        for replicas in [false, true] {
            let is_over = AtomicBool::new(false);
            let shared = Shared { replicas, state: Mutex::default(), is_over };
            assert_eq!(shared.against(&at(1)), None);
            shared.take(Word::Masters(vec![at(2)]));
            assert_eq!(shared.against(&at(1)).is_some(), !replicas);
            assert_eq!(shared.against(&at(2)), None);
        }
    }
}
