//! What happens on a walk through a log besides commands: the facts, without any words.
//!
//! The walk notes them, the check puts them into words. A damaged log can hold millions, so only
//! the first of each kind are kept, and all are counted.

use super::log::Quirk;
use crate::error::Fault;

/// Something out of the ordinary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incident {
    /// Where it is seen.
    pub offset: u64,
    /// Where the item begins that it happens in.
    pub item_at: u64,
    /// Where the transaction begins that is open then.
    pub multi_at: Option<u64>,
    /// What it is.
    pub kind: IncidentKind,
}

/// What can be out of the ordinary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IncidentKind {
    /// A form that loaders let through.
    Quirk(Quirk),
    /// Bytes that are no item. The walk goes on at `resumed_at`, where something looks like a
    /// command again; `None` says that nothing does.
    Broken {
        /// The rule that is broken.
        fault: Fault,
        /// Where commands begin again.
        resumed_at: Option<u64>,
        /// Whether everything from the item on is zero bytes.
        zeroes: bool,
    },
    /// The data ends inside an item. A damaged length does that too: then commands may be found
    /// inside what it takes for one argument, at `resumed_at`.
    Cut {
        /// What is missing.
        fault: Fault,
        /// Where commands begin again.
        resumed_at: Option<u64>,
    },
    /// The data ends inside a transaction; `cut` says that it ends inside a command as well.
    OpenTransaction {
        /// Whether the last command is cut.
        cut: bool,
    },
    /// MULTI inside a transaction.
    NestedMulti,
    /// EXEC outside of one.
    LoneExec,
    /// DISCARD inside one.
    DiscardInside,
    /// DISCARD outside of one.
    LoneDiscard,
    /// MULTI or EXEC with arguments.
    TransactionArguments,
    /// SELECT of what is no number of a database.
    SelectArgument,
    /// An annotation that is meant as a time and is none.
    BadTimestamp,
    /// A time before the one in front of it.
    TimeRunsBack {
        /// The time before.
        from_secs: u64,
        /// The time here.
        to_secs: u64,
    },
    /// A last annotation without a line end.
    UnendedAnnotation,
}

impl IncidentKind {
    /// Kinds are kept and counted apart by this number.
    pub fn class(&self) -> usize {
        match self {
            IncidentKind::Quirk(quirk) => *quirk as usize,
            IncidentKind::Broken { .. } => 4,
            IncidentKind::Cut { .. } => 5,
            IncidentKind::OpenTransaction { .. } => 6,
            IncidentKind::NestedMulti => 7,
            IncidentKind::LoneExec => 8,
            IncidentKind::DiscardInside => 9,
            IncidentKind::LoneDiscard => 10,
            IncidentKind::TransactionArguments => 11,
            IncidentKind::BadTimestamp => 12,
            IncidentKind::TimeRunsBack { .. } => 13,
            IncidentKind::UnendedAnnotation => 14,
            IncidentKind::SelectArgument => 15,
        }
    }

    /// Whether what a log holds up to here can still be called good: false for everything that a
    /// server or its check tool refuses.
    pub fn is_tolerated(&self) -> bool {
        matches!(
            self,
            IncidentKind::Quirk(Quirk::LooseNumber)
                | IncidentKind::LoneDiscard
                | IncidentKind::BadTimestamp
                | IncidentKind::TimeRunsBack { .. }
        )
    }
}

const CLASSES: usize = 16;

/// The incidents of a walk, in the order of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incidents {
    list: Vec<Incident>,
    counts: [u64; CLASSES],
    kept_per_kind: u64,
}

impl Incidents {
    /// Keeps so many of each kind.
    pub fn keeping(kept_per_kind: u64) -> Self {
        Incidents { list: Vec::new(), counts: [0; CLASSES], kept_per_kind }
    }

    pub(super) fn push(&mut self, incident: Incident) {
        let Some(count) = self.counts.get_mut(incident.kind.class()) else { return };
        *count += 1;
        if *count <= self.kept_per_kind {
            self.list.push(incident);
        }
    }

    /// Those that were kept.
    pub fn list(&self) -> &[Incident] {
        &self.list
    }

    /// How many more of the kind of `kind` there are than were kept.
    pub fn unlisted(&self, kind: &IncidentKind) -> u64 {
        let count = self.counts.get(kind.class()).copied().unwrap_or(0);
        count.saturating_sub(self.kept_per_kind)
    }

    /// How many there are, kept or not.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty() && self.total() == 0
    }
}
