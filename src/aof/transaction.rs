//! Transactions, timestamps and counts: what a walk has to remember from item to item.
//!
//! ```text
//! outside --MULTI--> inside --EXEC--> outside
//! unknown --MULTI--> inside,  unknown --EXEC--> outside
//! ```
//!
//! `unknown` is where a walk begins that did not come from the start of the log. Such a [`Track`]
//! remembers what it saw before it knew, so that the track that leads up to it can take it in:
//! that is what lets pieces of a log be walked side by side.

use super::annotation::{Annotation, Meaning};
use super::incident::IncidentKind;
use crate::bytes::number::integer;
use crate::resp::Command;

/// What a log holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogCounts {
    /// Commands, MULTI and EXEC among them.
    pub commands: u64,
    /// Annotation lines.
    pub annotations: u64,
    /// Transactions that were closed.
    pub transactions: u64,
    /// Commands inside them, without MULTI and EXEC.
    pub in_transactions: u64,
    /// The one with the most commands.
    pub largest_transaction: Option<Transaction>,
    /// The first time that an annotation gives, in unix seconds.
    pub first_secs: Option<u64>,
    /// The last one.
    pub last_secs: Option<u64>,
}

/// A transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transaction {
    /// Where its MULTI begins.
    pub offset: u64,
    /// The commands between MULTI and EXEC.
    pub commands: u64,
}

impl LogCounts {
    /// Adds what comes later.
    pub fn add(&mut self, later: &LogCounts) {
        self.commands += later.commands;
        self.annotations += later.annotations;
        self.transactions += later.transactions;
        self.in_transactions += later.in_transactions;
        if let Some(transaction) = later.largest_transaction {
            self.note_largest(transaction);
        }
        self.first_secs = self.first_secs.or(later.first_secs);
        self.last_secs = later.last_secs.or(self.last_secs);
    }

    fn note_largest(&mut self, transaction: Transaction) {
        if self.largest_transaction.is_none_or(|l| l.commands < transaction.commands) {
            self.largest_transaction = Some(transaction);
        }
    }
}

/// Whether a transaction is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Multi {
    Unknown,
    Outside,
    Inside(Transaction),
}

/// The first MULTI or EXEC that a track saw, when it did not know where it stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    Multi,
    /// With the commands seen before it.
    Exec(u64),
}

/// The memory of a walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Track {
    pub(super) counts: LogCounts,
    pub(super) multi: Multi,
    first: Option<First>,
}

/// What a command means for transactions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Plain,
    Multi,
    Exec,
    Discard,
    Select,
}

impl Track {
    pub(super) fn from_start() -> Self {
        Track { counts: LogCounts::default(), multi: Multi::Outside, first: None }
    }

    pub(super) fn from_somewhere() -> Self {
        Track { counts: LogCounts::default(), multi: Multi::Unknown, first: None }
    }

    /// Takes in a command; one that is out of the ordinary is not taken in.
    #[inline(always)]
    pub(super) fn command(&mut self, offset: u64, command: &Command) -> Result<(), IncidentKind> {
        let name = command.name();
        // MULTI, EXEC, DISCARD and SELECT by length and first letter: nearly all others stop here.
        let role = match (name.len(), name.first()) {
            (4, Some(b'e' | b'E'))
            | (5, Some(b'm' | b'M'))
            | (6, Some(b's' | b'S'))
            | (7, Some(b'd' | b'D')) => role(name),
            _ => Role::Plain,
        };
        if role != Role::Plain {
            self.judge(role, command)?;
        }
        self.apply(offset, role);
        Ok(())
    }

    /// Takes in a command as a server does that [`Track::command`] did not.
    pub(super) fn force(&mut self, offset: u64, command: &Command) {
        let role = match (role(command.name()), self.multi) {
            (Role::Multi, Multi::Inside(_)) | (Role::Exec, Multi::Outside) => Role::Plain,
            (role, _) => role,
        };
        self.apply(offset, role);
    }

    fn judge(&self, role: Role, command: &Command) -> Result<(), IncidentKind> {
        match (role, self.multi) {
            (Role::Multi, Multi::Inside(_)) => Err(IncidentKind::NestedMulti),
            (Role::Exec, Multi::Outside) => Err(IncidentKind::LoneExec),
            (Role::Discard, Multi::Outside) => Err(IncidentKind::LoneDiscard),
            (Role::Discard, _) => Err(IncidentKind::DiscardInside),
            (Role::Multi | Role::Exec, _) if command.argc() != 1 => {
                Err(IncidentKind::TransactionArguments)
            }
            (Role::Select, _) if !command.args().next().is_some_and(is_database) => {
                Err(IncidentKind::SelectArgument)
            }
            _ => Ok(()),
        }
    }

    #[inline(always)]
    fn apply(&mut self, offset: u64, role: Role) {
        match role {
            Role::Plain | Role::Discard | Role::Select => {
                if let Multi::Inside(open) = &mut self.multi {
                    open.commands += 1;
                }
            }
            Role::Multi => {
                if self.multi == Multi::Unknown {
                    self.first = Some(First::Multi);
                }
                self.multi = Multi::Inside(Transaction { offset, commands: 0 });
            }
            Role::Exec => {
                match self.multi {
                    Multi::Inside(open) => self.close(open),
                    Multi::Unknown => self.first = Some(First::Exec(self.counts.commands)),
                    Multi::Outside => {}
                }
                self.multi = Multi::Outside;
            }
        }
        self.counts.commands += 1;
    }

    fn close(&mut self, open: Transaction) {
        self.counts.transactions += 1;
        self.counts.in_transactions += open.commands;
        self.counts.note_largest(open);
    }

    /// Takes in an annotation; one that is out of the ordinary is counted all the same.
    pub(super) fn annotation(&mut self, annotation: &Annotation) -> Result<(), IncidentKind> {
        self.counts.annotations += 1;
        if !annotation.is_ended() {
            return Err(IncidentKind::UnendedAnnotation);
        }
        match annotation.meaning() {
            Meaning::Timestamp(secs) => {
                self.counts.first_secs.get_or_insert(secs);
                match self.counts.last_secs.replace(secs) {
                    Some(from) if from > secs => {
                        Err(IncidentKind::TimeRunsBack { from_secs: from, to_secs: secs })
                    }
                    _ => Ok(()),
                }
            }
            Meaning::BadTimestamp => Err(IncidentKind::BadTimestamp),
            Meaning::Comment => Ok(()),
        }
    }

    /// Whether the track that begins where this one ends goes on without anything out of the
    /// ordinary.
    pub(super) fn can_take(&self, later: &Track) -> bool {
        let time_goes_on = match (self.counts.last_secs, later.counts.first_secs) {
            (Some(last), Some(first)) => last <= first,
            _ => true,
        };
        let closed = match (self.multi, later.first) {
            (_, None) | (Multi::Unknown, _) => true,
            (Multi::Outside, Some(First::Multi)) | (Multi::Inside(_), Some(First::Exec(_))) => true,
            (Multi::Inside(_), Some(First::Multi)) | (Multi::Outside, Some(First::Exec(_))) => {
                false
            }
        };
        time_goes_on && closed
    }

    /// Takes in the track that begins where this one ends.
    pub(super) fn take(&mut self, later: &Track) {
        match (&mut self.multi, later.first) {
            (Multi::Inside(open), None) => open.commands += later.counts.commands,
            (Multi::Inside(open), Some(First::Exec(commands))) => {
                open.commands += commands;
                let open = *open;
                self.close(open);
                self.multi = later.multi;
            }
            (_, Some(_)) => self.multi = later.multi,
            (_, None) => {}
        }
        self.counts.add(&later.counts);
    }
}

fn role(name: &[u8]) -> Role {
    if name.eq_ignore_ascii_case(b"MULTI") {
        Role::Multi
    } else if name.eq_ignore_ascii_case(b"EXEC") {
        Role::Exec
    } else if name.eq_ignore_ascii_case(b"DISCARD") {
        Role::Discard
    } else if name.eq_ignore_ascii_case(b"SELECT") {
        Role::Select
    } else {
        Role::Plain
    }
}

/// Whether a text is the number of a database that some server may have, as SELECT reads it.
pub(crate) fn is_database(text: &[u8]) -> bool {
    integer(text).is_some_and(|db| (0..=i64::from(i32::MAX)).contains(&db))
}
