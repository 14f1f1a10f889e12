//! Keeps locks alive that are held, whatever else is waited for: a failover, room, a slow rate.
//!
//! A thread asks each server over a connection of its own whether the lock is still ours, and makes
//! it last as long again. That takes no memory of the server, so one that is full does it as well;
//! and it takes no lock that is gone, so there is no harm in a word that comes late.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::claim::{lasts, text};
use crate::live::{Address, Connection, Connector, Failure, Timeouts};

/// How often a lock is renewed.
const EVERY: Duration = Duration::from_secs(1);
/// A server that is silent for so long is asked the next time, lest others are kept waiting.
const PATIENCE: Duration = Duration::from_secs(5);

/// Renews the locks of a replayer.
pub struct Keeper {
    connector: Connector,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    /// By the key of the lock.
    posts: Mutex<BTreeMap<String, Post>>,
    is_over: AtomicBool,
}

/// A lock that is held.
#[derive(Clone, PartialEq, Eq)]
struct Post {
    owner: String,
    address: Address,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

impl Keeper {
    /// One that connects as this connector does, once there is something to keep.
    pub fn new(connector: &Connector) -> Arc<Self> {
        let connect = connector.timeouts().connect.min(PATIENCE);
        let connector = connector.aside().with_timeouts(Timeouts { connect, reply: PATIENCE });
        Arc::new(Keeper { connector, shared: Arc::default(), thread: Mutex::default() })
    }

    /// Keeps this lock, which is held on this server, until it is let go.
    pub(super) fn keep(&self, key: String, owner: &str, address: &Address) {
        let post = Post { owner: owner.to_owned(), address: address.clone() };
        lock(&self.shared.posts).insert(key, post);
        let mut thread = lock(&self.thread);
        if thread.is_none() {
            let (connector, shared) = (self.connector.clone(), Arc::clone(&self.shared));
            // Without a thread the lock is renewed with what is sent, and not between.
            *thread = thread::Builder::new().spawn(move || shared.renew(&connector)).ok();
        }
    }

    /// Keeps this lock no more.
    pub(super) fn let_go(&self, key: &str) {
        lock(&self.shared.posts).remove(key);
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = lock(&self.thread).take() {
            // It may be waiting for a server, and nobody waits for it.
            thread.thread().unpark();
        }
    }
}

impl Shared {
    fn renew(&self, connector: &Connector) {
        let mut open: BTreeMap<String, (Post, Connection)> = BTreeMap::new();
        loop {
            thread::park_timeout(EVERY);
            let posts = lock(&self.posts).clone();
            open.retain(|key, (post, _)| posts.get(key) == Some(post));
            for (key, post) in posts {
                if self.is_over.load(Ordering::Relaxed) {
                    return;
                }
                let connection = match open.remove(&key) {
                    Some((_, connection)) => Ok(connection),
                    // Without the owner's name: nothing that counts goes out over it.
                    None => connector.open(&post.address),
                };
                let Ok(mut connection) = connection else { continue };
                match prolong(&mut connection, &key, &post.owner) {
                    Ok(()) | Err(Failure::Refused { .. }) => {
                        open.insert(key, (post, connection));
                    }
                    // One that broke is opened again the next time.
                    Err(_) => {}
                }
            }
        }
    }
}

/// Makes a lock last as long again, if it is still this owner's.
fn prolong(connection: &mut Connection, key: &str, owner: &str) -> Result<(), Failure> {
    let is_ours = text(connection.request(&["GET", key])?).is_some_and(|now| now == owner);
    if is_ours {
        connection.request(&["PEXPIRE", key, &lasts()])?;
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
