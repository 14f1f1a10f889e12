//! What servers make of a finding, and what to do about it: the sentences of the check.

use crate::error::Fault;
use crate::finding::{Finding, Severity};
use crate::rdb::object::{Problem, Stance};

/// Sentences that come up more than once.
const STOPS: &str = "every server stops loading here and exits";
const SALVAGE: &str = "restore another copy, or repair the file to keep what is sound";

/// How bad a problem inside a value is, what servers do, what to do about it.
pub(super) fn of_problem(problem: &Problem) -> (Severity, &'static str, &'static str) {
    let rewrite = "rewrite the key with a current server, or repair the file";
    match problem.stance {
        Stance::Fatal => (Severity::Error, STOPS, SALVAGE),
        Stance::DeepOnly => (
            Severity::Error,
            "a load passes over it; with sanitize-dump-payload yes the server refuses it, without it may crash later",
            rewrite,
        ),
        Stance::Dropped => (
            Severity::Error,
            "a load drops the key without a word; RESTORE refuses it",
            "no data is in it: delete the key at its source",
        ),
        Stance::Unnoticed => (
            Severity::Error,
            "no server notices; commands on this key give wrong answers",
            rewrite,
        ),
        Stance::NewestOnly => (
            Severity::Error,
            "Redis 8.10 refuses it; older servers and Valkey load it",
            rewrite,
        ),
        Stance::Harmless => (Severity::Warning, "servers load it", "nothing needs to be done"),
    }
}

/// Explains why frames could be read no further.
pub(super) fn of_broken_frame(finding: Finding, fault: &Fault) -> Finding {
    let (server, advice) = match fault {
        Fault::Truncated { .. } => (
            "every server refuses the file: short read",
            "the copy is not complete: copy the file again, or repair it to keep what is there",
        ),
        Fault::UnknownType { .. } => (
            "a server stops loading here; a newer one may know the type",
            "check with a newer version of this tool, or look at the bytes: lengths before may be wrong",
        ),
        Fault::UnverifiedType { .. } => (
            "only builds of the version that introduced it can say",
            "load it with the server that wrote it and convert there",
        ),
        Fault::ForeignOpcode { .. } => (
            "Redis and Valkey stop loading here",
            "read the file with the server that wrote it",
        ),
        Fault::ModulePreGa => (
            "Redis 4.0 release candidates with that module load it, no other server does",
            "load it there and save it with a later version",
        ),
        Fault::Magic | Fault::Version { .. } => {
            ("every server refuses the file", "is this the right file? --from forces another form")
        }
        _ => (STOPS, SALVAGE),
    };
    finding.explained(server, advice)
}

/// What RESTORE makes of a problem.
pub(super) fn of_restore(problem: &Problem) -> &'static str {
    match problem.stance {
        Stance::Fatal | Stance::Dropped => "RESTORE answers «Bad data format»",
        Stance::DeepOnly => {
            "RESTORE takes it unless sanitize-dump-payload is on; the server may crash later"
        }
        Stance::NewestOnly => "RESTORE of Redis 8.10 refuses it, older servers and Valkey take it",
        Stance::Unnoticed => "RESTORE takes it; commands on this key give wrong answers",
        Stance::Harmless => "RESTORE takes it",
    }
}
