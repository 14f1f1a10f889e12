//! The check of a log: its frames, its transactions, its end.
//!
//! It says what a server and its check tool would say of the form of a log, and what they do not
//! say. It does not run commands: one that fails, which a server ignores, passes here.
//!
//! Bad enough for an error is what a server refuses or crashes on, what redis-check-aof calls
//! invalid, and what loses data now or after the next start. What both let through although no
//! server writes it is a warning.

use super::incident::{Incident, IncidentKind};
use super::log::Quirk;
use super::names::{UnknownName, UnknownNames};
use super::scan::{ScanOptions, scan};
use super::transaction::LogCounts;
use super::walk::{LogOutcome, Walk};
use crate::Result;
use crate::bytes::Input;
use crate::error::{Doing, Fault};
use crate::finding::{Finding, Severity};

/// Where a log stands among the parts that a server loads: a server repairs the last one only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The last part, or a log of one file.
    Last,
    /// A part that others follow.
    Earlier,
}

/// What the check of one log, or of the log behind a preamble, found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogCheck {
    /// Sizes, counts, and up to where the log is good.
    pub outcome: LogOutcome,
    /// The findings in the order of the log; their file is not set yet.
    pub findings: Vec<Finding>,
    /// How many more there are of kinds that came up too often to list.
    pub unlisted: u64,
}

impl LogCheck {
    /// Whether nothing found is an error.
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity < Severity::Error)
    }
}

/// Checks the log that begins at `begins_at` in the file's bytes; `progress` hears how far it is.
pub fn check_slice(
    bytes: &[u8],
    begins_at: u64,
    place: Place,
    options: &ScanOptions,
    progress: &dyn Fn(u64),
) -> Result<LogCheck> {
    let names = UnknownNames::keeping(options.kept_per_kind);
    let (outcome, names) = scan(bytes, begins_at, options, names, progress)?;
    Ok(with_names(judge(outcome, place), &names))
}

/// Checks the log that begins at the input's position, keeping so many findings of each kind;
/// `progress` hears how far it is.
pub fn check_input(
    input: &mut impl Input,
    place: Place,
    kept_per_kind: u64,
    progress: &dyn Fn(u64),
) -> Result<LogCheck> {
    let names = UnknownNames::keeping(kept_per_kind);
    let mut walk = Walk::new(input.position(), kept_per_kind, names);
    walk.run(input, progress)?;
    let (outcome, names) = walk.finish();
    Ok(with_names(judge(outcome, place), &names))
}

fn with_names(mut check: LogCheck, names: &UnknownNames) -> LogCheck {
    for finding in names.list().iter().map(UnknownName::finding) {
        let behind = check.findings.iter().position(|other| other.offset > finding.offset);
        check.findings.insert(behind.unwrap_or(check.findings.len()), finding);
    }
    check.unlisted += names.unlisted();
    if let Some(good) = names.good_up_to() {
        check.outcome.good_up_to = check.outcome.good_up_to.min(good);
    }
    check
}

/// Puts what a walk found into words.
pub fn judge(outcome: LogOutcome, place: Place) -> LogCheck {
    let incidents = &outcome.incidents;
    let findings: Vec<Finding> =
        incidents.list().iter().map(|i| put_into_words(i, place, &outcome)).collect();
    let unlisted = incidents.total() - findings.len() as u64;
    LogCheck { findings, unlisted, outcome }
}

/// The parts of a log together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WholeLog {
    /// Their bytes.
    pub size_bytes: u64,
    /// What they hold.
    pub counts: LogCounts,
    /// The bytes that are good, counted over all parts in their order.
    pub good_bytes: u64,
    /// The part in which the good ends: its index, and up to where that part is good.
    pub good_up_to: Option<(usize, u64)>,
}

/// Puts the parts together, in the order in which a server loads them.
pub fn whole<'a>(parts: impl IntoIterator<Item = &'a LogOutcome>) -> WholeLog {
    let mut whole = WholeLog::default();
    let mut good = true;
    for (index, part) in parts.into_iter().enumerate() {
        whole.size_bytes += part.ends_at;
        whole.counts.add(&part.counts);
        if good {
            whole.good_bytes += part.good_up_to;
            whole.good_up_to = Some((index, part.good_up_to));
            good = part.good_up_to == part.ends_at;
        }
    }
    whole
}

/// The finding about an increment that begins with a snapshot.
pub fn preamble_in_increment() -> Finding {
    let words = Words {
        severity: Severity::Warning,
        code: "preamble-in-increment",
        expected: "commands from the start of an increment".to_owned(),
        found: "a snapshot in front of them".to_owned(),
        server: "loads the snapshot over what the parts before it made; redis-check-aof calls the file invalid",
        advice: "no server writes this; if it was meant to be the base, list it as type b",
    };
    words.finding(Doing::Header, Some(0))
}

pub(super) struct Words {
    pub(super) severity: Severity,
    pub(super) code: &'static str,
    pub(super) expected: String,
    pub(super) found: String,
    pub(super) server: &'static str,
    pub(super) advice: &'static str,
}

impl Words {
    pub(super) fn finding(self, doing: Doing, offset: Option<u64>) -> Finding {
        Finding {
            severity: self.severity,
            code: self.code,
            file: String::new(),
            offset,
            db: None,
            key: None,
            doing: doing.to_string(),
            expected: self.expected,
            found: self.found,
            server: self.server,
            advice: self.advice,
        }
    }
}

fn put_into_words(incident: &Incident, place: Place, outcome: &LogOutcome) -> Finding {
    let words = match incident.kind {
        IncidentKind::Quirk(quirk) => quirk_words(quirk),
        IncidentKind::Broken { fault, resumed_at, zeroes } => {
            broken_words(incident, fault, resumed_at, zeroes, place, outcome)
        }
        IncidentKind::Cut { fault, resumed_at } => {
            cut_words(incident, fault, resumed_at, place, outcome)
        }
        IncidentKind::OpenTransaction { cut } => open_words(incident, cut, place),
        kind => other_words(incident, kind, place),
    };
    let doing = match incident.kind {
        IncidentKind::BadTimestamp
        | IncidentKind::TimeRunsBack { .. }
        | IncidentKind::UnendedAnnotation
        | IncidentKind::Broken { fault: Fault::AnnotationLength { .. }, .. } => Doing::Annotation,
        _ => Doing::Command,
    };
    words.finding(doing, Some(incident.offset))
}

fn quirk_words(quirk: Quirk) -> Words {
    let (severity, code, expected, found, server) = match quirk {
        Quirk::LooseNumber => (
            Severity::Warning,
            "loose-header",
            "a header of plain digits",
            "blanks, a sign or zeros before them",
            "loads it",
        ),
        Quirk::BareLineFeed => (
            Severity::Error,
            "header-line-feed",
            "CRLF behind the digits of a header",
            "a line feed alone",
            "loads it; redis-check-aof calls the file invalid",
        ),
        Quirk::Stray => (
            Severity::Error,
            "header-stray-bytes",
            "CRLF behind the digits of a header, and a number that fits",
            "other bytes, or a number that only an overflow makes fit",
            "loads it, ignoring what is too much; redis-check-aof calls the file invalid",
        ),
        Quirk::Terminator => (
            Severity::Error,
            "argument-end",
            "CRLF behind an argument",
            "two other bytes",
            "loads it, stepping over the two bytes unread; redis-check-aof calls the file invalid",
        ),
    };
    Words {
        severity,
        code,
        expected: expected.to_owned(),
        found: found.to_owned(),
        server,
        advice: "no server writes this: the bytes were changed, so look at the values near it",
    }
}

const REFUSES_FORMAT: &str = "refuses to start (bad file format)";
const REFUSES_FORMAT_LAST: &str = "refuses to start (bad file format); Redis 8.4 and newer can be told to cut the file here instead (aof-load-corrupt-tail-max-size), which also drops whatever is sound behind it";

fn broken_words(
    incident: &Incident,
    fault: Fault,
    resumed_at: Option<u64>,
    zeroes: bool,
    place: Place,
    outcome: &LogOutcome,
) -> Words {
    let mut found = fault.found();
    match resumed_at {
        Some(at) => {
            let bytes = at - incident.item_at;
            found += &format!(
                "; commands begin again at offset {at}, {bytes} bytes behind offset {}",
                incident.item_at
            );
        }
        None if zeroes => {
            found += &format!(
                ", and nothing but zero bytes from offset {} to the end",
                incident.item_at
            );
        }
        None => {
            let bytes = outcome.ends_at.saturating_sub(incident.item_at);
            found += &format!(
                "; nothing in the {bytes} bytes from offset {} on looks like a command",
                incident.item_at
            );
        }
    }
    add_transaction(&mut found, incident);
    let server = match (fault, place) {
        (Fault::ArgumentLength { .. }, _) => "crashes while loading",
        (_, Place::Last) => REFUSES_FORMAT_LAST,
        (_, Place::Earlier) => REFUSES_FORMAT,
    };
    let advice = match resumed_at {
        None if zeroes => {
            "zero bytes at the end are what a file system leaves behind when the machine stops: on a copy, cut the file where it is good"
        }
        None => "on a copy, cut the file where it is good",
        Some(_) => {
            "do not cut here before you know what is behind it: commands go on after the damage"
        }
    };
    let (expected, code) = (fault.expected(), fault.code());
    Words { severity: Severity::Error, code, expected, found, server, advice }
}

fn cut_words(
    incident: &Incident,
    fault: Fault,
    resumed_at: Option<u64>,
    place: Place,
    outcome: &LogOutcome,
) -> Words {
    let bytes = outcome.ends_at.saturating_sub(incident.item_at);
    let mut found = format!(
        "the end of the file, {bytes} bytes behind the start of the command at offset {}",
        incident.item_at
    );
    if let Some(at) = resumed_at {
        let bytes = at - incident.item_at;
        found = format!(
            "a length that runs past the end of the file, in the command at offset {}, although {bytes} bytes behind that, at offset {at}, a command seems to begin",
            incident.item_at
        );
    }
    add_transaction(&mut found, incident);
    let (server, advice) = match (resumed_at, place) {
        (Some(_), Place::Last) => (
            "takes it for a file that was cut (or dies for lack of memory) and cuts off this command with all that is behind it, whole commands too, if aof-load-truncated is yes, the default",
            "do not start a server on this file: repair the length on a copy, or what is behind it is lost",
        ),
        (None, Place::Last) => (
            "cuts the file at the end of the last whole command and starts if aof-load-truncated is yes, the default; with no it refuses to start",
            "a server that stopped in the middle of a write leaves this; on a copy, cut the file where it is good",
        ),
        (_, Place::Earlier) => (
            "cuts this file on disk and then refuses to start, because it is not the last one; a second start succeeds, with data silently missing",
            "do not start a server on this directory before it is copied",
        ),
    };
    let expected = match fault {
        Fault::Truncated { need, .. } if need > 0 => format!("{need} bytes here"),
        _ => "the rest of the command".to_owned(),
    };
    Words { severity: Severity::Error, code: "truncated", expected, found, server, advice }
}

fn add_transaction(found: &mut String, incident: &Incident) {
    if let Some(multi) = incident.multi_at {
        *found += &format!(", inside the transaction that begins at offset {multi}");
    }
}

fn open_words(incident: &Incident, cut: bool, place: Place) -> Words {
    let found = format!(
        "the end of the file inside the transaction that begins at offset {}",
        incident.offset
    );
    let (server, advice) = match (place, cut) {
        (Place::Earlier, _) => (
            "a transaction may not span files: cuts this file on disk and then refuses to start, because it is not the last one",
            "do not start a server on this directory before it is copied",
        ),
        (Place::Last, false) => (
            "cuts the file at MULTI, dropping the transaction, if aof-load-truncated is yes, the default; with no it refuses to start",
            "a server that stopped between two writes leaves this; on a copy, cut the file at MULTI",
        ),
        (Place::Last, true) => (
            "cuts off only the last command and leaves MULTI open in the file: everything written from then on belongs to that transaction and is lost at the next start",
            "on a copy, cut the file at MULTI before any server writes to it",
        ),
    };
    let expected = "EXEC before the end".to_owned();
    Words { severity: Severity::Error, code: "open-transaction", expected, found, server, advice }
}

fn other_words(incident: &Incident, kind: IncidentKind, place: Place) -> Words {
    let open_at = incident.multi_at.unwrap_or(incident.offset);
    let (severity, code, expected, found, server, advice): (_, _, &str, String, _, _) = match kind {
        IncidentKind::NestedMulti => (
            Severity::Error,
            "nested-multi",
            "EXEC before the next MULTI",
            format!("MULTI inside the transaction that begins at offset {open_at}"),
            "loads both as one transaction; redis-check-aof calls the file invalid and would cut it at the first MULTI",
            "the first transaction was once cut and its MULTI left behind; its commands, and those up to the second MULTI, run only at the next EXEC",
        ),
        IncidentKind::LoneExec => (
            Severity::Error,
            "exec-without-multi",
            "MULTI before EXEC",
            "EXEC outside a transaction".to_owned(),
            "logs an error and goes on; redis-check-aof calls the file invalid",
            "the MULTI of this transaction is lost, and maybe commands with it",
        ),
        IncidentKind::DiscardInside => (
            Severity::Error,
            "discard-in-transaction",
            "EXEC at the end of a transaction",
            format!("DISCARD in the transaction that begins at offset {open_at}"),
            "queues it like a command and crashes when EXEC runs it (Redis 7.0.15 and 8.10.2, Valkey 9.1.2)",
            "no server writes this; on a copy, take out the transaction",
        ),
        IncidentKind::LoneDiscard => (
            Severity::Warning,
            "discard-without-multi",
            "a command that changes data",
            "DISCARD outside a transaction".to_owned(),
            "logs an error and goes on",
            "no server writes this",
        ),
        IncidentKind::TransactionArguments => (
            Severity::Error,
            "transaction-arguments",
            "MULTI and EXEC without arguments",
            "one with arguments".to_owned(),
            "Redis ignores the arguments; Valkey 9.1.2 refuses to start",
            "no server writes this",
        ),
        IncidentKind::SelectArgument => (
            Severity::Error,
            "select-argument",
            "SELECT with the number of a database",
            "another argument, or none".to_owned(),
            "logs an error and goes on: what follows lands in the database that was selected before",
            "the number is damaged: look at the keys behind it for the database they belong to",
        ),
        IncidentKind::BadTimestamp => (
            Severity::Warning,
            "annotation-timestamp",
            "#TS:, the digits of a unix time, and CRLF",
            "something else behind #TS:".to_owned(),
            "ignores it; redis-check-aof --truncate-to-timestamp fails on it",
            "",
        ),
        IncidentKind::TimeRunsBack { from_secs, to_secs } => (
            Severity::Info,
            "annotation-order",
            "times that do not run back",
            format!("{to_secs} after {from_secs}"),
            "ignores it; a cut by time finds the first later time and cuts there",
            "the clock of the server was set back",
        ),
        // The other kinds have words of their own.
        _ => {
            let (severity, server) = match place {
                Place::Last => (
                    Severity::Error,
                    "loads it, but the next command that it writes is glued to the annotation: it is lost, and the start after that fails (bad file format); redis-check-aof calls the file valid",
                ),
                Place::Earlier => (Severity::Warning, "loads it"),
            };
            return Words {
                severity,
                code: "unended-annotation",
                expected: "a line end behind the last annotation".to_owned(),
                found: "the end of the file".to_owned(),
                server,
                advice: "on a copy, cut the file before the annotation",
            };
        }
    };
    Words { severity, code, expected: expected.to_owned(), found, server, advice }
}
