//! Where the threads of a run meet: a command over several keys needs all shards in one hand.
//!
//! Each thread brings its shards and waits; the last one to come runs the command on the whole
//! and gives everybody their shards back. One that has failed calls the others off.

use std::sync::{Condvar, Mutex, MutexGuard};

use crate::engine::{Env, Keyspace};

/// The meeting place.
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
    threads: usize,
}

struct State {
    brought: Vec<Option<Keyspace>>,
    arrived: usize,
    round: u64,
    /// What there is only one of.
    env: Env,
    called_off: bool,
}

/// Says that a thread has failed and that there is no point in going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CalledOff;

impl Gate {
    pub(super) fn new(threads: usize, env: Env) -> Self {
        let mut brought = Vec::new();
        brought.resize_with(threads, || None);
        let state = State { brought, arrived: 0, round: 0, env, called_off: false };
        Gate { state: Mutex::new(state), changed: Condvar::new(), threads }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A thread that panics calls off, and nobody looks at what it left.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Brings the shards of thread `index`; whoever comes last runs `work` on all of them.
    pub(super) fn meet<T>(
        &self,
        index: usize,
        mine: &mut Keyspace,
        work: impl FnOnce(&mut Keyspace, &mut Env) -> T,
    ) -> Result<Option<T>, CalledOff> {
        let mut state = self.lock();
        if state.called_off {
            return Err(CalledOff);
        }
        if let Some(place) = state.brought.get_mut(index) {
            *place = Some(std::mem::take(mine));
        }
        state.arrived += 1;
        let mut result = None;
        if state.arrived == self.threads {
            result = state.work(work, self.threads);
            self.changed.notify_all();
        } else {
            let round = state.round;
            state = self
                .changed
                .wait_while(state, |s| s.round == round && !s.called_off)
                .unwrap_or_else(|poisoned| poisoned.into_inner());
            if state.round == round {
                return Err(CalledOff);
            }
        }
        if let Some(part) = state.brought.get_mut(index).and_then(Option::take) {
            *mine = part;
        }
        Ok(result)
    }

    /// Sends everybody home.
    pub(super) fn call_off(&self) {
        self.lock().called_off = true;
        self.changed.notify_all();
    }

    /// What there is only one of, when all is done.
    pub(super) fn into_env(self) -> Env {
        self.state.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()).env
    }
}

impl State {
    /// Runs `work` on all shards, which are then ready to be fetched.
    fn work<T>(
        &mut self,
        work: impl FnOnce(&mut Keyspace, &mut Env) -> T,
        threads: usize,
    ) -> Option<T> {
        self.arrived = 0;
        self.round += 1;
        let mut parts = self.brought.iter_mut().filter_map(Option::take);
        let mut whole = parts.next()?;
        parts.for_each(|mut part| whole.join(&mut part));
        let result = work(&mut whole, &mut self.env);
        for (place, part) in self.brought.iter_mut().zip(whole.split(threads)) {
            *place = Some(part);
        }
        Some(result)
    }
}
