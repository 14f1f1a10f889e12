//! Servers that say nothing: who is waited for, and how long that makes sense.
//!
//! ```text
//! whoever waits for a server ──each moment──► Silence ◄── whoever tells it
//!                            ◄── it is to end: a moment more, and no longer
//! ```
//!
//! A server that hangs keeps its connections, and who waits for it would wait as long as it may be
//! silent. So all that wait say so here, where others can see it. Once the whole is to stop, or only
//! lets go of what it holds, each server gets a moment for its answer; one that has let that pass is
//! not asked again.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Address;
use super::stream::is_pause;

/// How long a server may be silent before that is worth a word.
pub(super) const TOLD: Duration = Duration::from_secs(2);
/// What is left for an answer once it is to stop.
const STOPS: Duration = Duration::from_millis(700);
/// What is left for one where something else has ended it.
const LETS_GO: Duration = Duration::from_secs(2);

/// What is known of the servers that say nothing. Its clones are the same.
#[derive(Debug, Clone)]
pub struct Silence(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    stop: Arc<AtomicBool>,
    lets_go: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Who is waited for, and since when.
    waits: BTreeMap<u64, (Address, Instant)>,
    next: u64,
    /// Those who were waited for in vain, and have not answered since.
    mute: Vec<Address>,
    /// Whether the last wait that ended did so in vain.
    in_vain: bool,
}

impl Silence {
    /// One that ends once `stop` is set.
    pub fn new(stop: &Arc<AtomicBool>) -> Self {
        let (lets_go, state) = Default::default();
        Silence(Arc::new(Shared { stop: Arc::clone(stop), lets_go, state }))
    }

    /// The server that has been waited for longest, if that is worth a word.
    pub fn longest(&self) -> Option<Address> {
        let state = self.lock();
        let (address, since) = state.waits.values().min_by_key(|(_, since)| *since)?;
        (since.elapsed() >= TOLD).then(|| address.clone())
    }

    /// Whether the last one who was waited for has not answered.
    pub fn was_in_vain(&self) -> bool {
        self.lock().in_vain
    }

    /// Whether nobody is waited for any more but for a moment.
    pub fn ends(&self) -> bool {
        self.left().is_some()
    }

    /// From now on nobody is waited for longer than a moment: what is asked is only to let go.
    pub fn let_go(&self) {
        self.0.lets_go.store(true, Ordering::Relaxed);
    }

    /// Whether a server need not be asked any more.
    pub(super) fn is_over(&self, address: &Address) -> bool {
        self.ends() && self.lock().mute.contains(address)
    }

    /// A server has answered.
    pub(super) fn answered(&self, address: &Address) {
        let mut state = self.lock();
        state.in_vain = false;
        state.mute.retain(|mute| mute != address);
    }

    /// What is left for an answer; `None` for as long as a server may be silent.
    fn left(&self) -> Option<Duration> {
        if self.0.stop.load(Ordering::Relaxed) {
            return Some(STOPS);
        }
        self.0.lets_go.load(Ordering::Relaxed).then_some(LETS_GO)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits for a server, until it is dropped.
#[derive(Debug)]
pub struct Wait {
    silence: Silence,
    address: Address,
    since: Instant,
    number: Option<u64>,
    /// Since when it has been known that it is to end.
    ends: Option<Instant>,
}

impl Wait {
    /// One who has waited since then.
    pub fn new(silence: &Silence, address: &Address, since: Instant) -> Self {
        let (silence, address) = (silence.clone(), address.clone());
        Wait { silence, address, since, number: None, ends: None }
    }

    /// Whose wait has lasted a moment longer. Fails where it has to end.
    pub fn goes_on(&mut self) -> io::Result<()> {
        if self.number.is_none() {
            let mut state = self.silence.lock();
            let number = state.next;
            state.next += 1;
            state.waits.insert(number, (self.address.clone(), self.since));
            self.number = Some(number);
        }
        let Some(left) = self.silence.left() else { return Ok(()) };
        if self.ends.get_or_insert_with(Instant::now).elapsed() < left {
            return Ok(());
        }
        self.is_in_vain();
        Err(io::Error::new(io::ErrorKind::TimedOut, "no answer before it had to end"))
    }

    /// How long it has lasted.
    pub(super) fn lasted(&self) -> Duration {
        self.since.elapsed()
    }

    /// What was waited for has failed.
    pub(super) fn failed(&self, error: &io::Error) {
        if is_pause(error) {
            self.is_in_vain();
        }
    }

    /// It has lasted as long as it may.
    pub fn is_in_vain(&self) {
        let mut state = self.silence.lock();
        state.in_vain = true;
        if !state.mute.contains(&self.address) {
            state.mute.push(self.address.clone());
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.silence.lock().waits.remove(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> Address {
        Address::Tcp("h".into(), port)
    }

    #[test]
    fn who_has_been_silent_for_long_is_worth_a_word() {
        let silence = Silence::new(&Arc::default());
        let before = |time: Duration| Instant::now().checked_sub(time).unwrap();
        let mut short = Wait::new(&silence, &at(1), before(Duration::ZERO));
        let mut long = Wait::new(&silence, &at(2), before(2 * TOLD));
        let mut longest = Wait::new(&silence, &at(3), before(3 * TOLD));
        for wait in [&mut short, &mut long, &mut longest] {
            wait.goes_on().unwrap();
        }
        assert_eq!(silence.longest(), Some(at(3)));
        drop(longest);
        assert_eq!(silence.longest(), Some(at(2)));
        long.is_in_vain();
        drop(long);
        assert_eq!((silence.longest(), silence.was_in_vain()), (None, true));
        silence.answered(&at(1));
        assert!(!silence.was_in_vain());
    }

    #[test]
    fn who_let_the_last_moment_pass_is_not_asked_again() {
        let silence = Silence::new(&Arc::new(AtomicBool::new(true)));
        let mut wait = Wait::new(&silence, &at(1), Instant::now());
        wait.goes_on().unwrap();
        assert!(!silence.is_over(&at(1)));
        wait.ends = Instant::now().checked_sub(STOPS);
        assert_eq!(wait.goes_on().unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!((silence.is_over(&at(1)), silence.is_over(&at(2))), (true, false));
        silence.answered(&at(1));
        assert!(!silence.is_over(&at(1)));
    }
}
