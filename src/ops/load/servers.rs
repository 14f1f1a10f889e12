//! The processes behind a target: which of them took what was sent, and how many keys each has thrown
//! out meanwhile.
//!
//! A server that is full, and may, makes room by removing keys, those of the replay among them, and
//! acknowledges all the same. It counts them (`evicted_keys`).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::masters::each_master;
use crate::live::{Connection, Failure, ServerInfo};
use crate::target::live::Route;

/// Which process serves each master's part, by its tag. Its clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Servers {
    by_tag: Arc<Mutex<HashMap<String, String>>>,
    /// What they throw out.
    pub(super) evicted: Evicted,
}

impl Servers {
    /// Those of a replay that counts what they throw out already.
    pub(super) fn counting(evicted: &Evicted) -> Self {
        Servers { by_tag: Arc::default(), evicted: evicted.clone() }
    }

    /// Those of a replay of which an earlier run has seen this.
    pub(super) fn after(earlier: ThrownBy) -> Self {
        Servers { by_tag: Arc::default(), evicted: Evicted::after(earlier) }
    }

    /// This one serves a part from now on.
    pub(super) fn serves(&self, tag: &str, server: ServerInfo) {
        lock(&self.by_tag).insert(tag.to_owned(), server.run_id);
    }

    /// Whether this one took what was sent, or none is known.
    pub(super) fn may_be(&self, server: &ServerInfo) -> bool {
        lock(&self.by_tag).is_empty() || self.knows(server)
    }

    /// Whether one of them answers.
    pub(super) fn is_same(&self, connection: &mut Connection) -> bool {
        ServerInfo::of(connection).is_ok_and(|server| self.knows(&server))
    }

    fn knows(&self, server: &ServerInfo) -> bool {
        lock(&self.by_tag).values().any(|known| *known == server.run_id)
    }
}

/// What a process has thrown out, as far as it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Thrown {
    /// What it counted when it was looked at last.
    counter: u64,
    /// Keys since it was looked at first.
    keys: u64,
}

impl Thrown {
    fn look(&mut self, counter: u64) {
        // One that has fallen was set to zero (CONFIG RESETSTAT), and has counted from there.
        let more = counter.checked_sub(self.counter).unwrap_or(counter);
        *self = Thrown { counter, keys: self.keys.saturating_add(more) };
    }
}

/// What each process has thrown out since it was looked at first, by its run id.
pub(super) type ThrownBy = BTreeMap<String, Thrown>;

/// What the processes throw out, over all runs of a replay whose state is kept. Its clones are the
/// same.
#[derive(Debug, Clone, Default)]
pub(super) struct Evicted(Arc<Mutex<ThrownBy>>);

impl Evicted {
    /// Goes on with what an earlier run has seen.
    fn after(earlier: ThrownBy) -> Self {
        Evicted(Arc::new(Mutex::new(earlier)))
    }

    /// What is to be known when the replay goes on.
    pub(super) fn seen(&self) -> ThrownBy {
        lock(&self.0).clone()
    }

    /// All is sent once more, also what was thrown out.
    pub(super) fn begins_anew(&self) {
        lock(&self.0).values_mut().for_each(|thrown| thrown.keys = 0);
    }

    /// Looks at a server before anything goes out to it.
    pub(super) fn sees(&self, server: &ServerInfo) {
        let counter = counter(server);
        lock(&self.0)
            .entry(server.run_id.clone())
            .or_insert(Thrown { counter, keys: 0 })
            .look(counter);
    }

    /// How many they have thrown out since then, as far as they can be asked.
    pub(super) fn count(&self, route: &mut dyn Route) -> u64 {
        let _ = each_master(route, |route, lane, _| {
            let server = ServerInfo::of(&mut route.open(lane)?)?;
            // Of one that has taken over meanwhile it is not known what it did on its own.
            if let Some(thrown) = lock(&self.0).get_mut(&server.run_id) {
                thrown.look(counter(&server));
            }
            Ok::<_, Failure>(())
        });
        lock(&self.0).values().fold(0, |sum, thrown| sum.saturating_add(thrown.keys))
    }
}

fn counter(server: &ServerInfo) -> u64 {
    server.fields.get("evicted_keys").and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_was_reset_hides_nothing() {
        let mut thrown = Thrown { counter: 100, keys: 0 };
        for (counter, keys) in [(100, 0), (150, 50), (20, 70), (20, 70), (0, 70), (5, 75)] {
            thrown.look(counter);
            assert_eq!(thrown, Thrown { counter, keys });
        }
        thrown.keys = u64::MAX;
        thrown.look(9);
        assert_eq!(thrown.keys, u64::MAX);
    }
}
