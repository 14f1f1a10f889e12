//! Why a load ended early, and how it goes on, as sentences.

use std::sync::atomic::{AtomicBool, Ordering};

use super::ledger::Ledger;
use super::pack::Marks;
use super::settle;
use crate::bytes::PathName as _;
use crate::target::live::Halt;

/// Whatever fails once it was told to stop has failed because of that.
pub(super) fn asked(halt: Halt, stop: &AtomicBool) -> Halt {
    match halt {
        Halt::Failed(_) if stop.load(Ordering::Relaxed) => Halt::Interrupted,
        halt => halt,
    }
}

/// Why a load stopped, and how it goes on.
pub(super) fn stopped(halt: &Halt, ledger: &Ledger, target: &str, marks: Marks) -> String {
    let why = why(halt, target);
    match ledger.resumes_at() {
        Some((state, mark)) => format!(
            "{why}; everything before {} has arrived: the same command goes on there, or a \
             second's worth before ({})",
            marks.named(mark),
            state.shown()
        ),
        None => format!("{why}; the same command begins anew, which does no harm"),
    }
}

/// Why a log that is sent as it stands stopped, and how it goes on.
pub(super) fn log_stopped(halt: &Halt, target: &str) -> String {
    let why = match halt {
        Halt::TooManyErrors => "more commands were refused than --max-errors allows".to_owned(),
        halt => why(halt, target),
    };
    match halt {
        // Whoever has it now, or has forgotten it, says nothing of this replay.
        Halt::Taken(_) => why,
        _ => format!(
            "{why}; the target remembers what has taken effect, and the same command goes on \
             right behind it"
        ),
    }
}

/// Why a load stopped.
pub(super) fn why(halt: &Halt, target: &str) -> String {
    match halt {
        Halt::Interrupted => "stopped as asked".to_owned(),
        Halt::Failed(failure) => settle::with_rights(failure),
        Halt::Taken(words) => words.clone(),
        Halt::TooManyErrors => "more keys were refused than --max-errors allows".to_owned(),
        Halt::Rewind(_) => format!("{target} has only some of what it had taken"),
    }
}
