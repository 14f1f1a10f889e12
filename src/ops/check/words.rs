//! What servers make of a finding, and what to do about it: the sentences of the check.

use crate::error::Fault;
use crate::finding::{Finding, Severity};
use crate::rdb::Entry;
use crate::rdb::object::{Problem, Stance};
use crate::report::text;

/// Sentences that come up more than once.
const STOPS: &str = "every server stops loading here and exits";
const SALVAGE: &str = "restore another copy, or repair the file to keep what is sound";

/// How bad a problem inside a value is, what servers do, what to do about it.
pub(super) fn of_problem(problem: &Problem<'_>) -> (Severity, &'static str, &'static str) {
    let rewrite = "rewrite the key with a current server, or repair the file";
    match problem.fault {
        Fault::ListNodeEmpty => {
            let server =
                "servers load the list without the empty node and without a word; nothing is lost";
            return (
                Severity::Warning,
                server,
                "nothing to do: the next save writes the list anew",
            );
        }
        Fault::ArrayOrder { .. } => {
            let server =
                "servers take the cells in any order; of two with one index the last one stays";
            return (Severity::Warning, server, "nothing to do unless an index was there before");
        }
        _ => {}
    }
    let server = match problem.stance {
        Stance::Fatal => return (Severity::Error, STOPS, SALVAGE),
        Stance::FatalSince7 => {
            "Redis 7.0 and newer and Valkey stop loading here; older servers may load it and crash later"
        }
        Stance::FatalNewest => "Redis 8.10 and Valkey 9.1 stop loading here; older servers load it",
        Stance::FatalSince8_10 => "Redis 8.10 stops loading here; older servers and Valkey load it",
        Stance::FatalValkey9_1 => "Valkey 9.1 stops loading here; Redis and older servers load it",
        Stance::DeepOnly => {
            "a load passes over it, and the server may crash later; Valkey 9.1, and any server under sanitize-dump-payload yes, refuses it"
        }
        Stance::Dropped => {
            let server = "a load drops it without a word; RESTORE refuses it";
            // A header that lies about what follows hides data.
            let advice = match problem.fault {
                Fault::ListpackCount { .. } => rewrite,
                _ => "no data is in it: delete the key at its source",
            };
            return (Severity::Error, server, advice);
        }
        Stance::Unnoticed => "no server notices; commands on this key may give wrong answers",
    };
    (Severity::Error, server, rewrite)
}

/// Explains why frames could be read no further.
pub(super) fn of_broken_frame(finding: Finding, fault: &Fault) -> Finding {
    let (server, advice) = match fault {
        Fault::Truncated { .. } => (
            "every server refuses the file: short read",
            "the copy is not complete: copy the file again, or repair it to keep what is there",
        ),
        Fault::CompressedTruncated { .. } | Fault::CompressedCorrupt { .. } => (
            "nothing can be loaded from it until it is unpacked, and that fails here",
            "the copy is broken or not complete: copy it again, or repair it to keep what can be unpacked",
        ),
        Fault::UnknownType { .. } => (
            "a server stops loading here; a newer one may know the type",
            "check with a newer version of this tool, or look at the bytes: lengths before may be wrong",
        ),
        Fault::UnverifiedType { .. } => (
            "only builds of the version that introduced it can say",
            "load it with the server that wrote it and convert there",
        ),
        Fault::ForeignOpcode { .. } => {
            ("Redis and Valkey stop loading here", "read the file with the server that wrote it")
        }
        Fault::ModulePreGa => (
            "Redis 4.0 release candidates with that module load it, no other server does",
            "load it there and save it with a later version",
        ),
        Fault::Magic => (
            "every server refuses the file",
            "it looks like an RDB whose first bytes are damaged: repair the file; if it is none, \
             --from forces another form",
        ),
        Fault::Version { .. } => {
            ("every server refuses the file", "is this the right file? --from forces another form")
        }
        _ => (STOPS, SALVAGE),
    };
    finding.explained(server, advice)
}

/// How much of what a problem is about is shown, in characters.
const SHOWN: usize = 48;

/// The finding of a problem, with the bytes that it is about.
pub(super) fn finding_of(severity: Severity, entry: &Entry<'_>, problem: &Problem<'_>) -> Finding {
    let mut finding = Finding::of(severity, &entry.error(problem.at, problem.fault));
    if let Some(shown) = problem.shown {
        finding.found += &format!(": {}", text::key(shown, SHOWN));
    }
    finding
}

/// What RESTORE makes of a problem.
pub(super) fn of_restore(problem: &Problem<'_>) -> &'static str {
    match problem.stance {
        Stance::Fatal | Stance::Dropped => "RESTORE answers «Bad data format»",
        Stance::FatalSince7 => {
            "RESTORE of Redis 7.0 and newer and Valkey answers «Bad data format»"
        }
        Stance::FatalNewest => {
            "RESTORE of Redis 8.10 and Valkey 9.1 answers «Bad data format», older servers take it"
        }
        Stance::FatalValkey9_1 => {
            "RESTORE of Valkey 9.1 answers «Bad data format», Redis and older servers take it"
        }
        Stance::FatalSince8_10 => {
            "RESTORE of Redis 8.10 answers «Bad data format», older servers and Valkey take it"
        }
        Stance::DeepOnly => {
            "RESTORE takes it unless sanitize-dump-payload is on (Valkey 9.1 never does); the server may crash later"
        }
        _ if of_problem(problem).0 == Severity::Warning => "RESTORE takes it",
        Stance::Unnoticed => "RESTORE takes it; commands on this key may give wrong answers",
    }
}
