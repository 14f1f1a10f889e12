//! One replayer's right to a target, and what the target remembers of its progress.
//!
//! ```text
//! rdbkit:replay:lock      owner                      expires, and is renewed (by a Keeper)
//! rdbkit:replay:progress  session mark               written behind what it covers
//! ```
//!
//! The lock keeps two replayers apart. A replayer that was killed leaves it behind, and where there is
//! no sign of life from its owner ([`signs`](super::signs)) it is taken over; a server that does not
//! tell who is connected is waited for until the lock expires. One that stands still for longer than
//! its lock lasts keeps others away by its connections; where those are gone as well, it asks for
//! the lock before it goes on.
//!
//! The progress is written into the target itself, behind the keys that it speaks of. A target that
//! comes back without some of its data (restarted from an older file, or failed over to a replica
//! that was behind) comes back with an older mark, and from there everything is sent again.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use redis::Value;

use super::keeper::Keeper;
use super::signs::{LASTS, OWNERS, Sign, Signs, names};
use crate::live::{Class, Connection, Failure};

/// What all keys of a replayer begin with.
pub const KEYS: &str = "rdbkit:replay:";
/// The key that holds the owner.
pub const LOCK: &str = "rdbkit:replay:lock";
/// The key that holds the progress.
pub const PROGRESS: &str = "rdbkit:replay:progress";

/// How long the connections of one that has ended may take to go away.
const LINGER: Duration = Duration::from_secs(2);
/// How long is waited before it is looked again whether an owner lives.
const PAUSE: Duration = Duration::from_millis(100);

/// What a target remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Which load it belongs to.
    pub session: String,
    /// Up to where everything has arrived.
    pub mark: u64,
    /// Whatever else the load keeps there.
    pub more: String,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.session, self.mark, self.more)
    }
}

impl Progress {
    /// Reads what was written.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut words = text.splitn(3, ' ');
        let session = words.next()?.to_owned();
        let mark = words.next()?.parse().ok()?;
        Some(Progress { session, mark, more: words.next().unwrap_or_default().to_owned() })
    }
}

/// What became of an attempt to hold a target.
#[derive(Debug)]
pub enum Held {
    /// It is ours.
    Yes,
    /// Somebody else works on it; a sentence.
    No(String),
}

/// A replayer's right to one target. Of a Cluster there is one for each master.
#[derive(Debug, Clone)]
pub struct Claim {
    owner: String,
    session: String,
    tag: String,
    keeper: Option<Arc<Keeper>>,
    signs: Arc<Signs>,
    stop: Arc<AtomicBool>,
}

impl Claim {
    /// For a load with this session; `tag` makes the keys fall to the right master.
    pub fn new(session: &str, tag: &str) -> Self {
        use std::hash::{BuildHasher as _, Hasher as _};
        // Two processes of one machine differ in their number, two machines in the rest.
        let mut chance = std::collections::hash_map::RandomState::new().build_hasher();
        chance.write_u128(
            std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(0, |since| since.as_nanos()),
        );
        let owner = format!("{OWNERS}{}-{:016x}", std::process::id(), chance.finish());
        let (session, tag) = (session.to_owned(), tag.to_owned());
        let (signs, stop) = Default::default();
        Claim { owner, session, tag, keeper: None, signs, stop }
    }

    /// The same, whose locks are renewed as long as they are held.
    #[must_use]
    pub fn kept_by(self, keeper: Arc<Keeper>) -> Self {
        Claim { keeper: Some(keeper), ..self }
    }

    /// The same, which waits for no other replayer once `stop` is set.
    #[must_use]
    pub fn heeding(self, stop: &Arc<AtomicBool>) -> Self {
        Claim { stop: Arc::clone(stop), ..self }
    }

    /// The same for another master.
    #[must_use]
    pub fn tagged(&self, tag: &str) -> Self {
        Claim { tag: tag.to_owned(), ..self.clone() }
    }

    /// The name of this replayer, which its connections carry.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Which load it is.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// The key of the lock.
    pub fn lock_key(&self) -> String {
        format!("{LOCK}{}", self.tag)
    }

    /// The key of the progress.
    pub fn progress_key(&self) -> String {
        format!("{PROGRESS}{}", self.tag)
    }

    /// Names a connection, so that others see that its owner lives.
    pub fn name(&self, connection: &mut Connection) -> Result<(), Failure> {
        harmless(connection.request(&["CLIENT", "SETNAME", &self.owner]))
    }

    /// Takes the lock, or takes it over from one that is gone. Goes on asking for `patience` where
    /// it cannot be known whether the owner lives; `waits` hears why, each time.
    pub fn hold(
        &self,
        connection: &mut Connection,
        patience: Duration,
        waits: &dyn Fn(&str),
    ) -> Result<Held, Failure> {
        let held = self.try_to_hold(connection, patience, waits)?;
        if let (Held::Yes, Some(keeper)) = (&held, &self.keeper) {
            keeper.keep(self.lock_key(), &self.owner, connection.address());
        }
        Ok(held)
    }

    fn try_to_hold(
        &self,
        connection: &mut Connection,
        patience: Duration,
        waits: &dyn Fn(&str),
    ) -> Result<Held, Failure> {
        self.name(connection)?;
        let key = self.lock_key();
        let until = Instant::now() + patience.max(LASTS + Duration::from_secs(2));
        loop {
            // Asked first: a server that is full says who is there, and takes no lock.
            let Some(owner) = text(connection.request(&["GET", &key])?) else {
                if connection.request(&self.words_to_hold())? == Value::Nil {
                    continue;
                }
                // One that stands still may have lost its lock, and goes on one day.
                return Ok(match self.other(connection)? {
                    Some(owner) => {
                        connection.request(&["DEL", &key])?;
                        Held::No(busy(connection, &owner))
                    }
                    None => Held::Yes,
                });
            };
            if owner == self.owner {
                self.renew(connection)?;
                return Ok(Held::Yes);
            }
            match self.signs.of(connection, &key, &owner)? {
                Sign::Lives => return Ok(Held::No(busy(connection, &owner))),
                Sign::Gone if self.take_over(connection, &owner)? => return Ok(Held::Yes),
                Sign::Gone => {}
                Sign::None if Instant::now() >= until => {
                    return Ok(Held::No(busy(connection, &owner)));
                }
                Sign::None => {
                    let address = connection.address().clone();
                    let words = format!(
                        "{address} is locked by another replay ({owner}), which may have ended"
                    );
                    if self.stop.load(Ordering::Relaxed) {
                        return Err(Failure::Unfound { address, words, is_passing: true });
                    }
                    waits(&words);
                    thread::sleep(PAUSE);
                }
            }
        }
    }

    /// Takes the lock from one that is gone, if it is still the same one and still gone.
    fn take_over(&self, connection: &mut Connection, owner: &str) -> Result<bool, Failure> {
        let key = self.lock_key();
        connection.request(&["WATCH", &key])?;
        if text(connection.request(&["GET", &key])?).is_some_and(|now| now != owner)
            || self.signs.of(connection, &key, owner)? != Sign::Gone
        {
            connection.request(&["UNWATCH"])?;
            return Ok(false);
        }
        connection.request(&["MULTI"])?;
        connection.request(&["SET", &key, &self.owner, "PX", &lasts()])?;
        Ok(connection.request(&["EXEC"])? != Value::Nil)
    }

    /// Another replayer that is connected, and does not just go away.
    fn other(&self, connection: &mut Connection) -> Result<Option<String>, Failure> {
        let until = Instant::now() + LINGER;
        loop {
            let names = names(connection)?.unwrap_or_default();
            let mut others = names.into_iter().filter(|name| *name != self.owner);
            let Some(other) = others.next() else { return Ok(None) };
            if Instant::now() >= until {
                return Ok(Some(other));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether the lock is ours; a lock that expired while we were away is taken again.
    pub fn still_held(&self, connection: &mut Connection) -> Result<Held, Failure> {
        let key = self.lock_key();
        match text(connection.request(&["GET", &key])?) {
            Some(owner) if owner == self.owner => {
                if let Some(keeper) = &self.keeper {
                    keeper.keep(key, &self.owner, connection.address());
                }
                Ok(Held::Yes)
            }
            _ => self.hold(connection, Duration::ZERO, &|_| ()),
        }
    }

    /// Makes the lock last as long again.
    pub fn renew(&self, connection: &mut Connection) -> Result<(), Failure> {
        connection.request(&["SET", &self.lock_key(), &self.owner, "PX", &lasts()]).map(drop)
    }

    /// The command that takes the lock where nobody holds it.
    pub fn words_to_hold(&self) -> Vec<String> {
        let words = ["SET", &self.lock_key(), &self.owner, "NX", "PX", &lasts()];
        words.map(str::to_owned).to_vec()
    }

    /// The command that makes the lock last as long again, where there is one.
    pub fn words_to_prolong(&self) -> Vec<String> {
        let words = ["SET", &self.lock_key(), &self.owner, "XX", "PX", &lasts()];
        words.map(str::to_owned).to_vec()
    }

    /// The commands that renew the lock and write the progress, to go out behind what it covers.
    pub fn words(&self, progress: &Progress) -> [Vec<String>; 2] {
        let set = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        [
            set(&["SET", &self.lock_key(), &self.owner, "PX", &lasts()]),
            set(&["SET", &self.progress_key(), &progress.to_string()]),
        ]
    }

    /// What the target remembers.
    pub fn progress(&self, connection: &mut Connection) -> Result<Option<Progress>, Failure> {
        let value = connection.request(&["GET", &self.progress_key()])?;
        Ok(match value {
            Value::BulkString(bytes) => Progress::parse(&bytes),
            _ => None,
        })
    }

    /// Writes the progress at once.
    pub fn note(&self, connection: &mut Connection, progress: &Progress) -> Result<(), Failure> {
        for words in self.words(progress) {
            connection.request(&words)?;
        }
        Ok(())
    }

    /// Lets go: the lock if it is ours, and the progress if the load is `done`.
    pub fn release(&self, connection: &mut Connection, done: bool) -> Result<(), Failure> {
        let key = self.lock_key();
        if let Some(keeper) = &self.keeper {
            keeper.let_go(&key);
        }
        if text(connection.request(&["GET", &key])?).is_some_and(|owner| owner == self.owner) {
            connection.request(&["DEL", &key])?;
        }
        if done {
            connection.request(&["DEL", &self.progress_key()])?;
        }
        Ok(())
    }
}

pub(super) fn lasts() -> String {
    LASTS.as_millis().to_string()
}

/// A server that does not know a command, or forbids it, goes without.
fn harmless(answer: Result<Value, Failure>) -> Result<(), Failure> {
    match answer {
        Err(failure) if failure.reply().is_none_or(|reply| reply.class() == Class::Wait) => {
            Err(failure)
        }
        _ => Ok(()),
    }
}

pub(super) fn text(value: Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}

fn busy(connection: &Connection, owner: &str) -> String {
    format!(
        "another replay ({owner}) works on {}: wait until it has ended, or stop it",
        connection.address()
    )
}

#[cfg(test)]
mod tests {
    use super::Progress;

    #[test]
    fn progress_reads_as_it_was_written() {
        for more in ["", "x", "a b"] {
            let progress = Progress { session: "s-1".into(), mark: 77, more: more.into() };
            assert_eq!(Progress::parse(progress.to_string().as_bytes()), Some(progress));
        }
        assert_eq!(Progress::parse(b"s"), None);
        assert_eq!(Progress::parse(b"s x"), None);
    }
}
