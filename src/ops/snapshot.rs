//! The one snapshot of a source, for verbs that read keys: a snapshot itself, a log's preamble
//! with nothing behind it, the base of a directory whose increments are empty, a DUMP payload.
//!
//! A log's keys exist only after its commands were run, which nothing here does.

use std::fmt;
use std::io;

use super::walk::{Checksum, Observer, Tally, WalkOptions, walk as walk_input};
use crate::bytes::input::{Input, SliceInput};
use crate::error::{Error, Fault, FormatError, Doing, Result};
use crate::rdb::{Header, Family};
use crate::source::{Form, OpenOptions, Source};

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
        let snapshot = dump_as_snapshot(feed.buffer()).map_err(|error| Error::from(error).in_file(&name))?;
        let mut input = SliceInput::new(&snapshot);
        return walk_one(&mut input, true, fresh, root, options, observer);
    }
    let whole = feed.is_seekable();
    let ended = walk_one(&mut feed, whole, fresh, root, options, observer)
        .map_err(|error| error.in_file(&source.name))?;
    if ended.fault.is_none() && !ended.stopped && (!feed.buffer().is_empty() || feed.more()?) {
        return Err(if matches!(feed.buffer(), [b'*' | b'#', ..]) {
            Error::Usage(format!(
                "{name} is a log behind an RDB preamble: its keys exist only after running it, and \
                 this version reads snapshots only (what was shown is the preamble)"
            ))
        } else {
            let bytes = feed.buffer().len() as u64;
            Error::from(Box::new(FormatError {
                file: Some(name),
                offset: feed.position(),
                doing: Doing::Opcode,
                key: None,
                fault: Fault::TrailingBytes { bytes },
            }))
        });
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
fn base(source: Source, open: &OpenOptions) -> Result<Source> {
    match source.form {
        Form::Rdb | Form::Dump => Ok(source),
        Form::AofDir | Form::Manifest => base_of_directory(source, open),
        Form::Aof | Form::Empty => Err(is_a_log(&source.name)),
    }
}

fn base_of_directory(source: Source, _open: &OpenOptions) -> Result<Source> {
    Err(is_a_log(&source.name))
}

fn is_a_log(name: &str) -> Error {
    Error::Usage(format!(
        "{name} is a log: its keys exist only after running it, and this version reads snapshots \
         only"
    ))
}

/// A DUMP payload as a snapshot of one key without a name.
///
/// ```text
/// type   value   version u16 LE   checksum u64 LE
/// ```
pub(super) fn dump_as_snapshot(payload: &[u8]) -> Result<Vec<u8>, Box<FormatError>> {
    let error = |fault| FormatError { file: None, offset: 0, doing: Doing::DumpFooter, key: None, fault };
    let short = || error(Fault::DumpFooter { have: payload.len() as u64 });
    let (value, footer) = payload.split_last_chunk::<10>().ok_or_else(short)?;
    let [low, high, ..] = *footer;
    let header = Header::of_dump(u16::from_le_bytes([low, high]));
    let (value_type, body) = value.split_first().ok_or_else(short)?;
    // The number that fits into the magic decides nothing but the family.
    let magic = match header.family {
        Family::Redis => format!("REDIS{:04}", header.version.max(1)),
        Family::Valkey => format!("VALKEY{:03}", header.version.min(999)),
    };
    let mut snapshot = magic.into_bytes();
    snapshot.extend_from_slice(&[*value_type, 0]);
    snapshot.extend_from_slice(body);
    snapshot.extend_from_slice(&[0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
    Ok(snapshot)
}
