//! Before the first command of a log: a mark that the snapshot in front of it is being loaded.
//!
//! ```text
//! SET progress "session 0 base owner"     the snapshot may be loaded, again and again
//! SET progress "session 0 0 0 owner"      no more: commands follow
//! ```
//!
//! A replayer that stood still may find that another one has come further, or has ended. Then the
//! mark is not its own any more, and keys of the snapshot would undo what commands have done.
//!
//! Whoever takes over from a master without having heard of it would know nothing of this replay.
//! So each is said until all that may take over have it, and nothing goes out before.

use redis::Value;

use super::Log;
use super::stretch::Position;
use crate::error::Result;
use crate::live::{Connection, Failure, ServerInfo};
use crate::ops::load::batch::Batch;
use crate::ops::load::confirm::confirmed;
use crate::ops::load::ledger::{Ledger, Root};
use crate::ops::load::lent::Lent;
use crate::ops::load::pack::{Marks, Plan};
use crate::ops::load::servers::Servers;
use crate::ops::load::settle;
use crate::ops::load::tell;
use crate::ops::walk::{Observer, WalkOptions, Walked, walk};
use crate::source::{Form, Source, open_part};
use crate::target::live::{Claim, Courier, Halt, Held, Progress, Reopened, Route};

impl Log<'_> {
    /// Empties the target if that is asked for, and says that the snapshot is being loaded. `found`
    /// is what was said there before.
    pub(super) fn mark(
        &mut self,
        route: &mut dyn Route,
        found: Option<&Progress>,
    ) -> Result<(), Halt> {
        let (claim, flush_first) = (self.claim.clone(), self.options.flush_first);
        let base = base(&claim);
        self.say(route, &base, &mut |connection| {
            let now = claim.progress(connection)?;
            if now.as_ref() == Some(&base) {
                return Ok(());
            }
            if now.is_some() && now.as_ref() != found {
                return Err(taken(connection));
            }
            if flush_first {
                connection.request(&["FLUSHALL"])?;
            }
            Ok(mark(&claim, connection)?)
        })
    }

    /// Says that commands follow.
    pub(super) fn start(&mut self, route: &mut dyn Route) -> Result<(), Halt> {
        let claim = self.claim.clone();
        let start = Position::default().progress(&claim);
        self.say(route, &start, &mut |connection| begin(&claim, &start, connection))
    }

    /// Loads the snapshot in front of the log, if there is one.
    pub(super) fn base(
        &mut self,
        route: &mut dyn Route,
        info: &ServerInfo,
        observer: &dyn Observer,
    ) -> Result<Option<Halt>> {
        let Some(path) = self.paths.first().cloned() else { return Ok(None) };
        let mut tries = 0;
        loop {
            let Source { form, feed, name, .. } = open_part(&path, &self.options.open)?;
            let (Form::Rdb, Some(mut feed)) = (form, feed) else { return Ok(None) };
            let plan = Plan::new(self.options, info, Marks::None);
            let mut ledger = Ledger::default();
            let servers = Servers::counting(&self.evicted);
            let reopened = reopened(&self.claim, &servers);
            let waits = |why: Option<&str>| tell(observer, why);
            let courier_options = self.options.courier.clone();
            let mut courier =
                Courier::new(Box::new(Lent(route)), reopened, 0, courier_options).heard_by(&waits);
            let whole = feed.is_seekable();
            let walk_options =
                WalkOptions { now_ms: Some(self.options.now_ms), ..self.options.walk };
            let mut root = Root::sending(&mut ledger, &mut courier);
            let walked = {
                let mut batch = Batch::root(&plan, 0, &mut root);
                let fresh = || Batch::fresh(&plan, 0);
                walk(&mut feed, whole, &fresh, &mut batch, &walk_options, observer)
            };
            let halt = root.into_halt().or_else(|| match &walked {
                Ok(_) => courier.finish().err(),
                Err(_) => None,
            });
            ledger.close_turn(courier);
            // No command may go out to a master whose successor would lack what stands before it.
            let halt = halt.or_else(|| {
                let mut is_known = settle::reopened(&self.claim, &servers);
                let limits = self.limits();
                let late = confirmed(route, &self.claim, limits, &mut is_known);
                late.map(|late| self.waited_for(&late)).err()
            });
            match halt {
                // A server that came back without some of it gets all of it again.
                Some(Halt::Rewind(_)) if tries < 100 => {
                    observer.goes_on();
                    tries += 1;
                    continue;
                }
                Some(halt) => return Ok(Some(halt)),
                None => {}
            }
            walked.and_then(Walked::complete).map_err(|e| e.in_file(&name))?;
            ledger.fill(self.report);
            return Ok(None);
        }
    }

    /// Says something to the master, and to each that takes over without having heard of it, until
    /// all its replicas have it.
    fn say(
        &mut self,
        route: &mut dyn Route,
        what: &Progress,
        say: &mut dyn FnMut(&mut Connection) -> Result<(), Halt>,
    ) -> Result<(), Halt> {
        let claim = &self.claim;
        let limits = self.limits();
        let mut is_known = |_: usize, _: &dyn Route, connection: &mut Connection| {
            let found = claim.progress(connection)?;
            if found.as_ref() == Some(what) { Ok(()) } else { Err(Halt::Rewind(0)) }
        };
        let late = self.patiently(route, |route| {
            let mut connection = route.open(0)?;
            if let Held::No(words) = claim.still_held(&mut connection)? {
                return Err(Halt::Taken(words));
            }
            say(&mut connection)?;
            confirmed(route, claim, limits, &mut is_known)
        })?;
        self.waited_for(&late);
        Ok(())
    }
}

fn base(claim: &Claim) -> Progress {
    let more = format!("base {}", claim.owner());
    Progress { session: claim.session().to_owned(), mark: 0, more }
}

/// Says that the snapshot is being loaded.
fn mark(claim: &Claim, connection: &mut Connection) -> Result<(), Failure> {
    claim.note(connection, &base(claim))
}

/// Says that commands follow, unless somebody else has said something meanwhile.
fn begin(claim: &Claim, start: &Progress, connection: &mut Connection) -> Result<(), Halt> {
    let key = claim.progress_key();
    loop {
        connection.request(&["WATCH", &key])?;
        // It was said before, and the answer was lost.
        if claim.progress(connection)?.as_ref() == Some(start) {
            return Ok(());
        }
        is_marked(claim, connection)??;
        connection.request(&["MULTI"])?;
        for words in claim.words(start) {
            connection.request(&words)?;
        }
        if connection.request(&["EXEC"])? != Value::Nil {
            return Ok(());
        }
    }
}

/// Looks at the server behind each link before keys of the snapshot go out to it.
pub(super) fn reopened(claim: &Claim, servers: &Servers) -> Reopened<'static> {
    let claim = claim.clone();
    let mut look = settle::reopened(&claim, servers);
    Box::new(move |lane, route, connection| {
        let seen = look(lane, route, connection);
        if !matches!(seen, Ok(()) | Err(Halt::Rewind(_))) {
            return seen;
        }
        // An empty server has nothing that could be undone.
        if claim.progress(connection)?.is_none() && is_empty(&claim, connection)? {
            mark(&claim, connection)?;
        }
        is_marked(&claim, connection)?.and(seen)
    })
}

/// Whether the mark is still there.
fn is_marked(claim: &Claim, connection: &mut Connection) -> Result<Result<(), Halt>, Failure> {
    match claim.progress(connection)? {
        Some(progress) if progress == base(claim) => Ok(Ok(())),
        Some(_) => Ok(Err(taken(connection))),
        None => Ok(Err(forgotten(connection))),
    }
}

/// Whether the server has no keys but the lock.
fn is_empty(claim: &Claim, connection: &mut Connection) -> Result<bool, Failure> {
    let is_locked = connection.request(&["GET", &claim.lock_key()])? != Value::Nil;
    let text = match connection.request(&["INFO", "keyspace"])? {
        Value::BulkString(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => text,
        _ => return Ok(false),
    };
    let is_lock = |line: &str| is_locked && line.starts_with("db0:keys=1,");
    Ok(!text.lines().any(|line| line.starts_with("db") && !is_lock(line)))
}

/// Whether that mark is this replayer's own. No command has taken effect then where it stands: each
/// is written together with the progress behind it.
pub(super) fn is_base(progress: &Progress, claim: &Claim) -> bool {
    *progress == base(claim)
}

/// Whether the mark is that of another replayer.
pub(super) fn is_base_of_another(progress: &Progress, claim: &Claim) -> bool {
    progress.more.starts_with("base ") && !is_base(progress, claim)
}

pub(super) fn taken(connection: &Connection) -> Halt {
    Halt::Taken(format!("another replay has begun to write to {} meanwhile", connection.address()))
}

/// The target says nothing of this replay.
pub(super) fn forgotten(connection: &Connection) -> Halt {
    Halt::Taken(format!(
        "{} does not remember this replay any more: another one of the same log has come to its \
         end meanwhile, or it was emptied, or restarted without its data; what has taken effect \
         there is not known: to begin anew, empty it (--flush-first --restart)",
        connection.address()
    ))
}
