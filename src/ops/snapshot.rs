//! The one snapshot of a source, for verbs that read keys: a snapshot itself, a log's preamble
//! with nothing behind it, the base of a directory whose increments are empty, a DUMP payload.
//!
//! A log's keys exist only after its commands were run, which nothing here does.

use std::fmt;
use std::io;

use super::walk::{Checksum, Observer, Tally, WalkOptions, walk as walk_input};
use crate::aof;
use crate::bytes::input::Input;
use crate::error::{Error, FormatError, Result};
use crate::rdb::Dump;
use crate::source::{Form, OpenOptions, Source, open_part};

/// What is to be said of a file after its keys were read.
#[derive(Debug, Clone, Default)]
pub struct Ended {
    /// Where the snapshot breaks off; the keys before that were read.
    pub fault: Option<Box<FormatError>>,
    /// The checksum, stored and computed, where they differ.
    pub checksum_mismatch: Option<(u64, u64)>,
    /// Whether the tally stopped before the end, having seen enough.
    pub stopped: bool,
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

/// Walks the snapshot of a source. Fails where the source has keys only after running a log.
pub(super) fn walk<T: Tally>(
    source: Source,
    open: &OpenOptions,
    fresh: &(dyn Fn() -> T + Sync),
    root: &mut T,
    options: &WalkOptions,
    observer: &dyn Observer,
) -> Result<Ended> {
    let name = source.name.clone();
    let source = base(source, open)?;
    let Some(mut feed) = source.feed else { return Err(is_a_log(&name)) };
    if source.form == Form::Dump {
        while feed.more()? {}
        return payload(feed.buffer(), fresh, root).map_err(|error| error.in_file(&name));
    }
    let whole = feed.is_seekable();
    let ended = walk_one(&mut feed, whole, fresh, root, options, observer)
        .map_err(|error| error.in_file(&source.name))?;
    if ended.fault.is_none() && !ended.stopped && (!feed.buffer().is_empty() || feed.more()?) {
        // Bytes that are no log do not belong there, and servers do not look at them.
        if matches!(feed.buffer(), [b'*' | b'#', ..]) {
            return Err(Error::Usage(format!(
                "{name} is a log behind an RDB preamble: its keys exist only after running it, and \
                 this version reads snapshots only (what was shown is the preamble)"
            )));
        }
    }
    Ok(ended)
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
            fault: walked.fault,
            stopped: false,
        }),
        Err(error) if is_stop(&error) => Ok(Ended { stopped: true, ..Ended::default() }),
        Err(error) => Err(error),
    }
}

/// The part of a source that is a snapshot.
pub(super) fn base(source: Source, open: &OpenOptions) -> Result<Source> {
    match source.form {
        Form::Rdb | Form::Dump => Ok(source),
        Form::AofDir | Form::Manifest => base_of_directory(&source, open),
        Form::Aof => Err(is_a_log(&source.name)),
        Form::Empty => Err(Error::Usage(format!(
            "{} is empty: a full disk or a failed transfer leaves this",
            source.name
        ))),
    }
}

/// The base of a directory whose increments are empty.
fn base_of_directory(source: &Source, open: &OpenOptions) -> Result<Source> {
    let Some(path) = &source.path else { return Err(is_a_log(&source.name)) };
    let directory = aof::survey(path)?;
    let [base, increments @ ..] = directory.parts.as_slice() else {
        return Err(Error::Usage(format!("{} has no parts, and so no keys", source.name)));
    };
    if increments.iter().any(|part| part.size_bytes != Some(0)) {
        return Err(is_a_log(&source.name));
    }
    let base = open_part(&base.path, open)?;
    if base.form == Form::Rdb { Ok(base) } else { Err(is_a_log(&source.name)) }
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

fn is_a_log(name: &str) -> Error {
    Error::Usage(format!(
        "{name} is a log: its keys exist only after running it, and this version reads snapshots \
         only"
    ))
}
