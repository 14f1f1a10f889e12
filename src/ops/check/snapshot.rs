//! The check of a snapshot: frames, checksum, and what is inside every record.

use std::sync::{Arc, Mutex};

use super::beside::{Both, Judged};
use super::keys::{Keys, Repeat, Seen};
use super::policy::Judge;
use super::words;
use super::{CheckOptions, FileReport, Unlisted};
use crate::error::{Doing, Error, Fault, FormatError, Result};
use crate::finding::{Finding, Severity};
use crate::ops::walk::{Checksum, Observer, Tally, WalkOptions, Walked, walk};
use crate::rdb::object::{Checker, Problem};
use crate::rdb::{
    Damage, Entry, Family, Header, LibraryHead, ModuleId, Record, Text, is_slot_info,
    reads_as_slot_info,
};
use crate::source::{Feed, temporary_failed};

/// Databases that a server has unless it is told otherwise.
const DEFAULT_DATABASES: u64 = 16;
/// The newest version that both Redis and Valkey read.
const LAST_SHARED: u32 = 11;
/// Keys of a batch that there is room for from the start: as many as there are where keys and
/// values are as short as they mostly are when they are many. Room that is not used costs nothing.
const KEYS: usize = 32 << 10;
/// Slots of a cluster.
const SLOTS: u64 = 16384;

/// Checks the snapshot that begins at the feed's position into `report`. Afterwards the feed
/// stands behind it; the answer is whether its end was reached. Where rules are to be asked of its
/// keys beside, `judged` has seen them then.
pub(super) fn check<'a>(
    feed: &mut Feed,
    options: &CheckOptions,
    observer: &dyn Observer,
    report: &mut FileReport,
    judge: Option<&'a Judge<'a>>,
    judged: &mut Option<Judged<'a>>,
) -> Result<bool> {
    let walk_options =
        WalkOptions { tally: !options.quick, threads: options.threads, ..WalkOptions::default() };
    let start = crate::bytes::Input::position(feed);
    let whole = feed.whole().is_some();
    let mut root = CheckTally::new(options.max_findings);
    root.keys = Some(Keys::new(!whole));
    let spare = Arc::clone(&root.spare);
    let fresh = || CheckTally {
        logs_keys: !whole,
        seen: spare.take(),
        ..CheckTally::new(options.max_findings)
    };

    let walked = match judge {
        None => walk(feed, whole, &fresh, &mut root, &walk_options, observer),
        Some(judge) => {
            let fresh = || Both { check: fresh(), judged: Judged::new(judge) };
            let mut both = Both { check: root, judged: Judged::new(judge) };
            let walked = walk(feed, whole, &fresh, &mut both, &walk_options, observer);
            root = both.check;
            *judged = walked.as_ref().ok().map(|walked| both.judged.of(walked.header));
            walked
        }
    };
    let walked = match walked {
        Ok(walked) => walked,
        Err(Error::Format(error)) => {
            // No header, no snapshot.
            let fault = error.fault;
            report.broken_at = Some(error.offset);
            root.findings.add(words::of_broken_frame(Finding::of(Severity::Error, &error), &fault));
            root.findings.hand_over(report);
            return Ok(false);
        }
        Err(error) => return Err(error),
    };

    let mut findings = Findings::new(options.max_findings);
    newer_version(walked.header, start, &mut findings);
    findings.append(root.findings);
    if let Some((offset, db)) = root.high_database {
        findings.add(high_database(offset, db));
    }
    // Valkey does not read newer files of Redis at all.
    if walked.header.family == Family::Valkey || walked.header.version <= LAST_SHARED {
        findings.append(root.slot_infos);
    }
    if let Some(keys) = root.keys {
        let bytes = feed.whole().unwrap_or_default();
        keys.repeats(options.threads, walked.header, bytes, |repeat| {
            findings.add(duplicate(repeat))
        })
        .map_err(temporary_failed)?;
    }
    end_of(&walked, start, options, &mut findings);
    findings.sort();
    findings.hand_over(report);

    report.keys = Some(walked.keys);
    report.broken_at = walked.fault.as_ref().map(|fault| fault.offset);
    report.checksum = Some(checksum_words(walked.checksum));
    report.depth = if options.quick { "frames and checksum" } else { "every value" };
    Ok(walked.fault.is_none())
}

/// Findings up to a limit; beyond it they are counted. Errors displace nothing.
#[derive(Debug, Default)]
pub(super) struct Findings {
    list: Vec<Finding>,
    unlisted: Unlisted,
    limit: usize,
}

impl Findings {
    pub(super) fn new(limit: usize) -> Self {
        Findings { limit, ..Findings::default() }
    }

    pub(super) fn add(&mut self, finding: Finding) {
        if self.list.len() < self.limit {
            self.list.push(finding);
        } else if finding.severity == Severity::Error {
            self.unlisted.errors += 1;
        } else {
            self.unlisted.others += 1;
        }
    }

    /// The list, and what is not in it.
    pub(super) fn into_parts(self) -> (Vec<Finding>, Unlisted) {
        (self.list, self.unlisted)
    }

    pub(super) fn append(&mut self, later: Findings) {
        for finding in later.list {
            self.add(finding);
        }
        self.unlisted.errors += later.unlisted.errors;
        self.unlisted.others += later.unlisted.others;
    }

    fn sort(&mut self) {
        self.list.sort_by_key(|finding| finding.offset);
    }

    pub(super) fn hand_over(self, report: &mut FileReport) {
        report.findings.extend(self.list);
        report.unlisted.errors += self.unlisted.errors;
        report.unlisted.others += self.unlisted.others;
    }
}

/// What is found in a run of records.
struct CheckTally {
    findings: Findings,
    seen: Vec<Seen>,
    /// Databases that were selected: before which key, at which offset, which.
    selected: Vec<(usize, u64, u64)>,
    /// Where a database above the default comes first, and the highest.
    high_database: Option<(u64, u64)>,
    /// Keys, where the file cannot be read again: one behind the other, with their ends.
    key_bytes: Vec<u8>,
    key_ends: Vec<usize>,
    logs_keys: bool,
    /// Of the root only: all keys so far.
    keys: Option<Keys>,
    /// Function libraries: where they are, and their names.
    libraries: Vec<(u64, Vec<u8>)>,
    /// Texts about slots that Valkey cannot read: findings only where Valkey reads the file.
    slot_infos: Findings,
    /// Of the root only, which gives back what it has merged.
    spare: Arc<Spare>,
}

/// Room of a thread.
#[derive(Default)]
struct Room {
    checker: Checker,
    key: Vec<u8>,
}

/// Lists whose keys have been merged, for the next batches to fill: they are large, and go from
/// thread to thread, which allocators like so little that they hold many times what is in use.
#[derive(Default)]
struct Spare(Mutex<Vec<Vec<Seen>>>);

impl Spare {
    fn take(&self) -> Vec<Seen> {
        let spare = self.0.lock().ok().and_then(|mut lists| lists.pop());
        spare.unwrap_or_else(|| Vec::with_capacity(KEYS))
    }

    fn give(&self, mut list: Vec<Seen>) {
        list.clear();
        if let Ok(mut lists) = self.0.lock() {
            lists.push(list);
        }
    }
}

impl CheckTally {
    fn new(limit: usize) -> Self {
        CheckTally {
            findings: Findings::new(limit),
            seen: Vec::new(),
            selected: Vec::new(),
            high_database: None,
            key_bytes: Vec::new(),
            key_ends: Vec::new(),
            logs_keys: false,
            keys: None,
            libraries: Vec::new(),
            slot_infos: Findings::new(limit),
            spare: Arc::default(),
        }
    }

    /// Keeps a key that has been seen.
    #[inline(always)]
    fn note(&mut self, seen: Seen, key: &[u8]) {
        self.seen.push(seen);
        if self.logs_keys {
            self.key_bytes.extend_from_slice(key);
            self.key_ends.push(self.key_bytes.len());
        }
    }

    #[cold]
    fn broken_key(&mut self, entry: &Entry<'_>, fault: Fault) {
        let error = entry.key_error(fault);
        let finding = Finding::of(Severity::Error, &error);
        self.findings.add(words::of_broken_frame(finding, &fault));
    }

    /// A text that must decompress; its bytes, if it does.
    fn text(&mut self, offset: u64, name: &'static str, text: &Text<'_>) -> Option<Vec<u8>> {
        match text.to_cow() {
            Ok(bytes) => Some(bytes.into_owned()),
            Err(fault) => {
                let error = FormatError {
                    file: None,
                    offset,
                    doing: Doing::Record(name),
                    key: None,
                    fault,
                };
                self.findings
                    .add(words::of_broken_frame(Finding::of(Severity::Error, &error), &fault));
                None
            }
        }
    }
}

impl Tally for CheckTally {
    type Room = Room;

    fn entry(&mut self, entry: &Entry<'_>, room: &mut Room) -> Result<()> {
        let key = match entry.key.blob(&mut room.key) {
            Ok(key) => key,
            Err(fault) => {
                self.broken_key(entry, fault);
                return Ok(());
            }
        };
        self.note(Seen::of(entry, key), key);
        let findings = &mut self.findings;
        room.checker.check(entry, &mut |problem: Problem<'_>| {
            let (severity, server, advice) = words::of_problem(&problem);
            let mut finding =
                words::finding_of(severity, entry, &problem).explained(server, advice);
            finding.db = Some(entry.db);
            findings.add(finding);
        })
    }

    /// There is nothing inside a string that is not compressed.
    #[inline(always)]
    fn plain_string(&mut self, entry: &Entry<'_>, room: &mut Room) -> Result<()> {
        match entry.key {
            Text::Raw(key) => self.note(Seen::of(entry, key), key),
            _ => self.entry(entry, room)?,
        }
        Ok(())
    }

    fn record(&mut self, record: &Record<'_>, offset: u64, _: &mut Room) -> Result<()> {
        match record {
            Record::Aux { name, value } => {
                let name = self.text(offset, "AUX", name);
                let value = self.text(offset, "AUX", value);
                if let (Some(name), Some(value)) = (name, value)
                    && is_slot_info(&name)
                    && !reads_as_slot_info(&value)
                {
                    self.slot_infos.add(bad_slot_info(offset, &value));
                }
            }
            Record::Function(code) => {
                if let Some(code) = self.text(offset, "FUNCTION2", code) {
                    match LibraryHead::parse(&code) {
                        Ok(head) => {
                            if !head.engine.eq_ignore_ascii_case(b"lua") {
                                self.findings.add(foreign_engine(offset, &head.engine));
                            }
                            self.libraries.push((offset, head.name));
                        }
                        Err(found) => self.findings.add(nameless_library(offset, found)),
                    }
                }
            }
            Record::FunctionPreGa { .. } => self.findings.add(pre_release_function(offset)),
            Record::SlotInfo { slot, .. } if *slot >= SLOTS => {
                self.findings.add(slot_out_of_range(offset, *slot));
            }
            Record::SelectDb(db) => {
                self.selected.push((self.seen.len(), offset, *db));
                if *db >= DEFAULT_DATABASES {
                    let first = self.high_database.map_or(offset, |(first, _)| first);
                    let highest = self.high_database.map_or(*db, |(_, highest)| highest.max(*db));
                    self.high_database = Some((first, highest));
                }
            }
            Record::ModuleAux { id, .. } => self.findings.add(module_needed(offset, *id)),
            _ => {}
        }
        Ok(())
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        self.findings.append(later.findings);
        for (offset, name) in later.libraries {
            if self.libraries.iter().any(|(_, earlier)| *earlier == name) {
                self.findings.add(repeated_library(offset, &name));
            } else {
                self.libraries.push((offset, name));
            }
        }
        if let Some((offset, db)) = later.high_database {
            let (first, highest) = self.high_database.unwrap_or((offset, db));
            self.high_database = Some((first, highest.max(db)));
        }
        self.slot_infos.append(later.slot_infos);
        let Some(keys) = &mut self.keys else { return Ok(()) };
        let written = temporary_failed;
        if later.selected.is_empty() && !later.logs_keys {
            let noted = keys.note_all(&later.seen).map_err(written);
            self.spare.give(later.seen);
            return noted;
        }
        let mut ends = later.key_ends.iter();
        let mut from = 0;
        let mut selected = later.selected.iter().peekable();
        for (index, seen) in later.seen.iter().enumerate() {
            while let Some((_, offset, db)) = selected.next_if(|(before, ..)| *before <= index) {
                keys.select(*offset, *db);
            }
            let to = ends.next().copied().unwrap_or(from);
            let key = later.key_bytes.get(from..to).unwrap_or_default();
            from = to;
            keys.note(seen, key).map_err(written)?;
        }
        self.spare.give(later.seen);
        Ok(())
    }
}

fn newer_version(header: Header, offset: u64, findings: &mut Findings) {
    let (version, known) = (header.version, header.newest());
    if version > known {
        let fault = Fault::NewerVersion { version, known };
        let error = FormatError { file: None, offset, doing: Doing::Header, key: None, fault };
        findings.add(Finding::of(Severity::Error, &error).explained(
            "servers refuse versions newer than their own",
            "use a version of this tool that knows it; what is said of the rest may be wrong",
        ));
    }
}

fn end_of(walked: &Walked, start: u64, options: &CheckOptions, findings: &mut Findings) {
    if let Some(error) = &walked.fault {
        findings.add(words::of_broken_frame(Finding::of(Severity::Error, error), &error.fault));
    }
    if let Checksum::Mismatch { stored, computed } = walked.checksum {
        let severity = if options.ignore_checksum { Severity::Warning } else { Severity::Error };
        let error = FormatError {
            file: None,
            offset: walked.end - 8,
            doing: Doing::Checksum,
            key: None,
            fault: Fault::Checksum { stored, computed },
        };
        findings.add(Finding::of(severity, &error).explained(
            "every server refuses the file at the very end of the load",
            "bytes have changed since it was written: prefer another copy; --ignore-checksum judges the rest",
        ));
        findings.list.extend(damage(walked, start, computed, stored));
    }
}

/// The few bytes that are damaged, if that explains the checksum.
fn damage(walked: &Walked, start: u64, computed: u64, stored: u64) -> Option<Finding> {
    let len = usize::try_from(walked.end.checked_sub(start + 8)?).ok()?;
    let damage = Damage::explain(len, computed, stored)?;
    let offset = Some(start + damage.offset as u64);
    let expected = ("bytes that have this checksum", damage.to_string());
    let found = finding(Severity::Info, "damaged-bytes", offset, "the snapshot", expected);
    Some(found.explained(
        "nothing else is damaged: with this put right the checksum fits",
        "`rdbkit repair` puts it right, and loses nothing",
    ))
}

fn checksum_words(checksum: Checksum) -> String {
    match checksum {
        Checksum::Matches(crc) => format!("{crc:016x} matches"),
        Checksum::Disabled => "none: the writer had rdbchecksum no".to_owned(),
        Checksum::Absent => "none: versions before 5 have no checksum".to_owned(),
        Checksum::Mismatch { stored, computed } => {
            format!("{stored:016x} stored, {computed:016x} computed")
        }
        Checksum::Unknown => "not compared: the end was not reached".to_owned(),
    }
}

/// A finding that no fault of the format describes.
pub(super) fn finding(
    severity: Severity,
    code: &'static str,
    offset: Option<u64>,
    doing: &str,
    (expected, found): (&str, String),
) -> Finding {
    Finding {
        severity,
        code,
        file: String::new(),
        offset,
        db: None,
        key: None,
        doing: doing.to_owned(),
        expected: expected.to_owned(),
        found,
        server: "",
        advice: "",
    }
}

fn duplicate(repeat: Repeat) -> Finding {
    let found = format!("the key of offset {} again", repeat.first);
    let mut finding = finding(
        Severity::Error,
        "duplicate-key",
        Some(repeat.again),
        "a key",
        ("every key once in a database", found),
    );
    finding.db = Some(repeat.db);
    finding.key = Some(repeat.key);
    finding.explained(
        "a server that loads the file panics here; its check tool does not notice",
        "files merged by a tool look like this: decide which value is right and drop the other",
    )
}

fn nameless_library(offset: u64, found: &str) -> Finding {
    finding(
        Severity::Error,
        "function-name",
        Some(offset),
        "the FUNCTION2 record",
        ("a first line like `#!lua name=mylib`", found.to_owned()),
    )
    .explained(
        "the server stops loading here",
        "add the line, or load the file without the library",
    )
}

fn foreign_engine(offset: u64, engine: &[u8]) -> Finding {
    finding(
        Severity::Warning,
        "function-engine",
        Some(offset),
        "the FUNCTION2 record",
        ("a library of the engine lua", format!("one of {}", crate::bytes::quoted(engine))),
    )
    .explained(
        "a server without a module that brings the engine stops loading here",
        "load the module first",
    )
}

fn bad_slot_info(offset: u64, text: &[u8]) -> Finding {
    finding(
        Severity::Error,
        "slot-info",
        Some(offset),
        "the AUX record",
        (
            "slot-info of at least three numbers like `5,1,0`",
            crate::bytes::quoted(text).to_string(),
        ),
    )
    .explained(
        "Valkey 8.0 and newer stop loading here; Redis passes over it",
        "rewrite the file without slot information",
    )
}

fn repeated_library(offset: u64, name: &[u8]) -> Finding {
    let found = format!("library {} again", crate::bytes::quoted(name));
    finding(
        Severity::Error,
        "function-duplicate",
        Some(offset),
        "the FUNCTION2 record",
        ("every library once", found),
    )
    .explained("the server stops loading here", "drop one of the two")
}

fn pre_release_function(offset: u64) -> Finding {
    finding(
        Severity::Warning,
        "function-pre-release",
        Some(offset),
        "the FUNCTION_PRE_GA record",
        ("a library as released servers write it", "one of Redis 7.0-rc1 or rc2".to_owned()),
    )
    .explained(
        "Redis 7.0 loads it, newer servers stop here",
        "load it with Redis 7.0 and save it again before upgrading",
    )
}

fn slot_out_of_range(offset: u64, slot: u64) -> Finding {
    finding(
        Severity::Error,
        "slot",
        Some(offset),
        "the SLOT_INFO record",
        ("a slot from 0 to 16383", slot.to_string()),
    )
    .explained(
        "a cluster node stops loading here; without cluster mode it is passed over",
        "rewrite the file without slot information",
    )
}

fn high_database(offset: u64, db: u64) -> Finding {
    finding(
        Severity::Warning,
        "database",
        Some(offset),
        "the SELECTDB record",
        ("a database below 16, the servers' default", db.to_string()),
    )
    .explained(
        "a server with fewer databases stops loading here; its check tool does not notice",
        "set `databases` high enough where the file is loaded",
    )
}

fn module_needed(offset: u64, id: u64) -> Finding {
    finding(
        Severity::Info,
        "module-needed",
        Some(offset),
        "the MODULE_AUX record",
        ("nothing that needs a module", format!("data of module type {}", ModuleId(id))),
    )
    .explained("a server without the module stops loading here", "load the module first")
}
