//! The processes behind a target: which of them took what was sent, and how many keys each has thrown
//! out meanwhile.
//!
//! A server that is full, and may, makes room by removing keys, those of the replay among them, and
//! acknowledges all the same. It counts them (`evicted_keys`).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

/// How many keys each process had thrown out when it was seen first.
#[derive(Debug, Clone, Default)]
pub(super) struct Evicted(Arc<Mutex<BTreeMap<String, u64>>>);

impl Evicted {
    /// Looks at a server before anything goes out to it.
    pub(super) fn sees(&self, server: &ServerInfo) {
        lock(&self.0).entry(server.run_id.clone()).or_insert_with(|| evicted(server));
    }

    /// How many they have thrown out since then, of those that can be asked.
    pub(super) fn count(&self, route: &mut dyn Route) -> u64 {
        let mut count = 0;
        let _ = each_master(route, |route, lane, _| {
            let server = ServerInfo::of(&mut route.open(lane)?)?;
            let before = lock(&self.0).get(&server.run_id).copied();
            // Of one that has taken over meanwhile it is not known what it did on its own.
            count += before.map_or(0, |before| evicted(&server).saturating_sub(before));
            Ok::<_, Failure>(())
        });
        count
    }
}

fn evicted(server: &ServerInfo) -> u64 {
    server.fields.get("evicted_keys").and_then(|number| number.parse().ok()).unwrap_or(0)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
