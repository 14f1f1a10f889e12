//! Before the first command of a log: a mark that the snapshot in front of it is being loaded.
//!
//! ```text
//! SET progress "session 0 base owner"     the snapshot may be loaded, again and again
//! SET progress "session 0 0 0 owner"      no more: commands follow
//! ```
//!
//! A replayer that stood still may find that another one has come further, or has ended. Then the
//! mark is not its own any more, and keys of the snapshot would undo what commands have done.

use redis::Value;

use super::stretch::Position;
use crate::live::{Connection, Failure};
use crate::ops::load::settle::{self, Servers};
use crate::target::live::{Claim, Halt, Progress, Reopened};

fn base(claim: &Claim) -> Progress {
    let more = format!("base {}", claim.owner());
    Progress { session: claim.session().to_owned(), mark: 0, more }
}

/// Says that the snapshot is being loaded.
pub(super) fn mark(claim: &Claim, connection: &mut Connection) -> Result<(), Failure> {
    claim.note(connection, &base(claim))
}

/// Says that commands follow; a halt where somebody else has said something meanwhile.
pub(super) fn start(claim: &Claim, connection: &mut Connection) -> Result<Option<Halt>, Failure> {
    let (key, start) = (claim.progress_key(), Position::default().progress(claim));
    loop {
        connection.request(&["WATCH", &key])?;
        // It was said before, and the answer was lost.
        if claim.progress(connection)?.as_ref() == Some(&start) {
            return Ok(None);
        }
        if let Err(halt) = is_marked(claim, connection)? {
            return Ok(Some(halt));
        }
        connection.request(&["MULTI"])?;
        for words in claim.words(&start) {
            connection.request(&words)?;
        }
        if connection.request(&["EXEC"])? != Value::Nil {
            return Ok(None);
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
        Some(_) => Ok(Err(Halt::Taken(format!(
            "another replay has begun to write to {} meanwhile",
            connection.address()
        )))),
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

/// The target says nothing of this replay.
pub(super) fn forgotten(connection: &Connection) -> Halt {
    Halt::Taken(format!(
        "{} does not remember this replay any more: another one of the same log has come to its \
         end meanwhile, or it was emptied, or restarted without its data; what has taken effect \
         there is not known: to begin anew, empty it (--flush-first --restart)",
        connection.address()
    ))
}
