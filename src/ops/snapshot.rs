//! The keys of a source, for verbs that read keys: those of a snapshot, of a log's preamble or base
//! with nothing behind it, of a DUMP payload; and those that are there when a log has been run.

use std::fmt;
use std::io;

use super::filter::Filter;
use super::filtered::filtered;
use super::ndjson;
use super::run::{self, Run, RunOptions, entries};
use super::walk::{Checksum, Observer, Silent, Tally, WalkOptions, walk as walk_input};
use crate::aof;
use crate::bytes::input::{Input, SliceInput};
use crate::error::{Error, FormatError, Result};
use crate::rdb::{Dump, Entry, Framer, Header, Record, Text, opcode};
pub use crate::report::convert::Ran;
use crate::report::filtered::FilteredFrom;
use crate::source::{Feed, Form, OpenOptions, Source, open_part};

/// Fields about the file stand no further in it than this.
const FIELDS_BYTES: usize = 64 << 10;

/// What is to be said of a file after its keys were read.
#[derive(Debug, Clone, Default)]
pub struct Ended {
    /// Where the snapshot breaks off; the keys before that were read.
    pub fault: Option<Box<FormatError>>,
    /// The checksum, stored and computed, where they differ.
    pub checksum_mismatch: Option<(u64, u64)>,
    /// Whether zero is stored for the checksum: its writer had checksums switched off.
    pub is_unsigned: bool,
    /// Whether the tally stopped before the end, having seen enough.
    pub stopped: bool,
    /// What there is to say of the log that was run.
    pub ran: Option<Ran>,
}

/// What there is to say of a run.
pub(super) fn ran(run: &Run) -> Ran {
    let dropped = |part: &run::RunPart| Some((part.name.clone(), part.dropped_from?));
    Ran {
        commands: run.commands,
        failed: run.failures.failed,
        failures: run.failures.told(),
        played: run.for_another.then(|| run.engine.env.target.to_string()),
        skipped: run.failures.skipped_commands(),
        dropped_from: run.parts.iter().find_map(dropped),
    }
}

/// How a tally says that it has seen enough: an error that [`walk`] takes for an end.
#[derive(Debug)]
pub(super) struct Stopped;

impl Stopped {
    pub(super) fn error() -> Error {
        Error::io("stopped", io::Error::other(Stopped))
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("enough was read")
    }
}

impl std::error::Error for Stopped {}

fn is_stop(error: &Error) -> bool {
    matches!(error, Error::Io { cause, .. } if cause.get_ref().is_some_and(|e| e.is::<Stopped>()))
}

/// Walks the keys of a source: those of its snapshot, or those that are there after its log was run.
pub(super) fn walk<T: Tally>(
    source: Source,
    open: &OpenOptions,
    fresh: &(dyn Fn() -> T + Sync),
    root: &mut T,
    options: &WalkOptions,
    observer: &dyn Observer,
) -> Result<Ended> {
    match view(source, open)? {
        View::Snapshot(source) => walk_snapshot(source, fresh, root, options, observer),
        View::Log(source) => run_and_walk(source, open, fresh, root, options, observer),
    }
}

/// The same for the keys that pass a filter; says how many there are in all, if there is a filter.
pub(super) fn walk_filtered<T: Tally>(
    source: Source,
    open: &OpenOptions,
    filter: &Filter,
    fresh: &(dyn Fn() -> T + Sync),
    root: &mut T,
    options: &WalkOptions,
    observer: &dyn Observer,
) -> Result<(Ended, Option<FilteredFrom>)> {
    if filter.is_empty() {
        return Ok((walk(source, open, fresh, root, options, observer)?, None));
    }
    let (ended, all) = filtered(filter, fresh, root, |fresh, root| {
        walk(source, open, fresh, root, options, observer)
    })?;
    Ok((ended, Some(all)))
}

/// Walks the keys of what [`view`] takes for a snapshot.
pub(super) fn walk_snapshot<T: Tally>(
    source: Source,
    fresh: &(dyn Fn() -> T + Sync),
    root: &mut T,
    options: &WalkOptions,
    observer: &dyn Observer,
) -> Result<Ended> {
    let name = source.name.clone();
    let Some(mut feed) = source.feed else { return Err(has_no_bytes(&name)) };
    if source.form == Form::Dump {
        while feed.more()? {}
        return payload(feed.buffer(), fresh, root).map_err(|error| error.in_file(&name));
    }
    let whole = feed.is_seekable();
    let ended = walk_one(&mut feed, whole, fresh, root, options, observer)
        .map_err(|error| error.in_file(&source.name))?;
    if ended.fault.is_none() && !ended.stopped && (!feed.buffer().is_empty() || feed.more()?) {
        // Bytes that are no log do not belong there, and servers do not look at them. A log that
        // its writer did not announce is seen here for the first time.
        if is_log(feed.buffer(), false) {
            return Err(unannounced(&name));
        }
    }
    Ok(ended)
}

/// What there is to say of a log behind a snapshot that is no base by its own words.
pub(super) fn unannounced(name: &str) -> Error {
    Error::Source(format!(
        "{name} is a log behind an RDB preamble that does not say so: what was read is the \
         preamble alone; --from aof takes it for a log"
    ))
}

/// Runs a log, and walks the keys that are there in the end.
fn run_and_walk<T: Tally>(
    source: Source,
    open: &OpenOptions,
    fresh: &(dyn Fn() -> T + Sync),
    root: &mut T,
    options: &WalkOptions,
    observer: &dyn Observer,
) -> Result<Ended> {
    let run = run_log(source, open, options, observer)?;
    walk_run(run, options.threads, fresh, root)
}

/// Walks the keys that are there after a run.
pub(super) fn walk_run<T: Tally>(
    run: Run,
    threads: usize,
    fresh: &(dyn Fn() -> T + Sync),
    root: &mut T,
) -> Result<Ended> {
    let mut ended = Ended { ran: Some(ran(&run)), ..Ended::default() };
    match tally_run(&run, threads, fresh, root) {
        Ok(()) => {}
        Err(error) if is_stop(&error) => ended.stopped = true,
        Err(error) => return Err(error),
    }
    // Giving back all that memory piece by piece takes time that nobody needs to wait for.
    std::thread::spawn(move || drop(run));
    Ok(ended)
}

/// Runs a log.
pub(super) fn run_log(
    source: Source,
    open: &OpenOptions,
    options: &WalkOptions,
    observer: &dyn Observer,
) -> Result<Run> {
    run::run(source, &RunOptions::of_walk(options, open), observer)
}

/// Walks the keys that are there after a run.
pub(super) fn tally_run<T: Tally>(
    run: &Run,
    threads: usize,
    fresh: &(dyn Fn() -> T + Sync),
    root: &mut T,
) -> Result<()> {
    let view = entries::View::whole(&run.engine, threads);
    entries::tally(&run.engine, &view, fresh, root, &Silent)
}

/// Whether a snapshot is the preamble of a log that goes on behind it. Of such a file nothing must
/// be told, so this is asked before anything is; but only where one of the first fields says that
/// the snapshot is the base of a log, as every server writes it: all others need not be read twice.
pub(super) fn has_log_behind(feed: &mut Feed) -> bool {
    says_that_it_is_a_base(feed) && goes_on(feed, true)
}

/// Whether commands stand behind a snapshot, whatever it says of itself.
pub(super) fn goes_on_as_log(feed: &mut Feed) -> bool {
    goes_on(feed, false)
}

/// Whether what stands behind a snapshot is a log. Behind the base of a log all is: if no command
/// begins there, it is a log that is damaged (Redis 6.2 and 7.0 end with "Bad file format"). Behind
/// another snapshot servers do not look.
pub(super) fn is_log(behind: &[u8], is_base: bool) -> bool {
    match behind {
        [] => false,
        [b'*' | b'#', ..] => true,
        _ => is_base,
    }
}

fn goes_on(feed: &mut Feed, is_base: bool) -> bool {
    // The window keeps what is large in a temporary file. A failure is met again where keys are
    // read, behind those that could be.
    while matches!(feed.more(), Ok(true)) {}
    let bytes = feed.buffer();
    if ends_as_snapshot(bytes) {
        return false;
    }
    let mut ahead = SliceInput::new(bytes);
    let options =
        WalkOptions { threads: 1, checksum: false, tally: false, ..WalkOptions::default() };
    let walked = walk_input(&mut ahead, true, &|| Nothing, &mut Nothing, &options, &Silent);
    walked.is_ok_and(|walked| walked.fault.is_none()) && is_log(ahead.buffer(), is_base)
}

/// Whether one of the first fields says that the snapshot is a log's base. Nothing is consumed.
pub(super) fn says_that_it_is_a_base(feed: &mut Feed) -> bool {
    is_announced_as_base(head(feed))
}

/// The bytes in which fields about the file stand. Nothing is consumed; a failure is met again
/// where the source is read.
pub(super) fn head(feed: &mut Feed) -> &[u8] {
    while feed.buffer().len() < FIELDS_BYTES && matches!(feed.more(), Ok(true)) {}
    let buffer = feed.buffer();
    buffer.get(..FIELDS_BYTES).unwrap_or(buffer)
}

/// The fields about the file in front of the first key.
pub(super) fn fields(head: &[u8]) -> impl Iterator<Item = (Text<'_>, Text<'_>)> {
    let mut walk = Header::parse(head).ok().map(|(rest, header)| (rest, Framer::new(header)));
    std::iter::from_fn(move || {
        let (rest, framer) = walk.as_mut()?;
        match framer.next(rest, 0) {
            Ok((Record::Aux { name, value }, after)) => {
                *rest = after;
                Some((name, value))
            }
            _ => None,
        }
    })
}

/// Whether one of the first fields says that the snapshot is a log's base.
pub(super) fn is_announced_as_base(head: &[u8]) -> bool {
    let is = |text: Text<'_>, word: &[u8]| text.to_cow().is_ok_and(|text| *text == *word);
    let mut fields = fields(head);
    let base = fields.find(|(name, _)| is(*name, b"aof-base") || is(*name, b"aof-preamble"));
    base.is_some_and(|(_, value)| is(value, b"1"))
}

/// Whether the end marker stands where it does with nothing behind the checksum. A log ends with a
/// line end, which a checksum does once in 65536 files.
fn ends_as_snapshot(bytes: &[u8]) -> bool {
    let marker = bytes.len().checked_sub(9).and_then(|at| bytes.get(at));
    marker == Some(&opcode::EOF) && !bytes.ends_with(b"\r\n")
}

/// A tally of nothing.
struct Nothing;

impl Tally for Nothing {
    type Room = ();

    fn entry(&mut self, _: &Entry<'_>, (): &mut ()) -> Result<()> {
        Ok(())
    }

    fn merge(&mut self, Nothing: Self) -> Result<()> {
        Ok(())
    }
}

fn walk_one<T: Tally>(
    input: &mut dyn Input,
    whole: bool,
    fresh: &(dyn Fn() -> T + Sync),
    root: &mut T,
    options: &WalkOptions,
    observer: &dyn Observer,
) -> Result<Ended> {
    match walk_input(input, whole, fresh, root, options, observer) {
        Ok(walked) => Ok(Ended {
            checksum_mismatch: match walked.checksum {
                Checksum::Mismatch { stored, computed } => Some((stored, computed)),
                _ => None,
            },
            is_unsigned: walked.checksum == Checksum::Disabled,
            fault: walked.fault,
            ..Ended::default()
        }),
        Err(error) if is_stop(&error) => Ok(Ended { stopped: true, ..Ended::default() }),
        Err(error) => Err(error),
    }
}

/// How the keys of a source are come by.
pub(super) enum View {
    /// They stand in a snapshot.
    Snapshot(Source),
    /// They are there when a log has been run.
    Log(Source),
}

/// Looks at what a source is. It has been opened and not been read from, and is not read from here.
pub(super) fn view(source: Source, open: &OpenOptions) -> Result<View> {
    match source.form {
        Form::Dump => Ok(View::Snapshot(source)),
        Form::Ndjson => ndjson::to_snapshot(source, open).map(View::Snapshot),
        Form::Rdb => {
            let mut source = source;
            let is_log =
                open.from == Some(Form::Aof) || source.feed.as_mut().is_some_and(has_log_behind);
            Ok(if is_log { View::Log(source) } else { View::Snapshot(source) })
        }
        Form::AofDir | Form::Manifest => view_of_directory(source, open),
        Form::Aof => Ok(View::Log(source)),
        Form::Empty => Err(is_empty(&source.name)),
    }
}

/// What is said of a file without a byte.
pub(super) fn is_empty(name: &str) -> Error {
    Error::Source(format!(
        "{name} is empty: a full disk or a failed transfer leaves this; --from aof says that it is \
         an empty log"
    ))
}

/// The base of a directory whose increments are empty is all there is.
fn view_of_directory(source: Source, open: &OpenOptions) -> Result<View> {
    let Some(path) = &source.path else { return Err(has_no_bytes(&source.name)) };
    let directory = match source.form {
        Form::Manifest => aof::survey_manifest(path)?,
        _ => aof::survey(path)?,
    };
    let [base, increments @ ..] = directory.parts.as_slice() else {
        return Err(Error::Source(format!("{} has no parts, and so no keys", source.name)));
    };
    if increments.iter().all(|part| part.size_bytes == Some(0)) {
        let base = open_part(&base.path, open)?;
        if base.form == Form::Rdb {
            return view(base, open);
        }
    }
    Ok(View::Log(source))
}

fn has_no_bytes(name: &str) -> Error {
    Error::Usage(format!("{name} is a directory where a file is expected"))
}

/// Tallies a DUMP payload: one key without a name.
fn payload<T: Tally>(bytes: &[u8], fresh: &dyn Fn() -> T, root: &mut T) -> Result<Ended> {
    let dump = Dump::parse(bytes)?;
    let mismatch = (!dump.is_intact()).then_some((dump.checksum, dump.computed));
    let mut ended = Ended { checksum_mismatch: mismatch, ..Ended::default() };
    let mut tally = fresh();
    let done = tally.entry(&dump.entry, &mut T::Room::default());
    match done.and_then(|()| root.merge(tally)) {
        Ok(()) => {}
        Err(error) if is_stop(&error) => ended.stopped = true,
        Err(error) => return Err(error),
    }
    Ok(ended)
}
