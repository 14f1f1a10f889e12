//! A log that somebody writes: what is new in it, command by command, whatever becomes of its files.
//!
//! ```text
//! a.1.incr.aof ─────────────┤ the manifest names a.2.incr.aof:
//!                             read to the end, then ─► a.2.incr.aof ─────┤ …
//! appendonly.aof ───────────┤ another file has that name: a rewrite, whose end is the place to be
//! ```
//!
//! A file that is replaced stays open until all of it has been read. Bytes that are no command are
//! stepped over and counted; half a command waits for its other half. A log that is gone is waited
//! for.

#[cfg(test)]
mod tests;

use std::fs::{File, Metadata};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::rewritten::Fork;
use crate::aof::log::{Quirks, find_command, item};
use crate::aof::{self, Layout, LogItem};
use crate::bytes::PathName as _;
use crate::error::{Error, Result, unwrap_bad};
use crate::ops::snapshot;
use crate::resp::Command;
use crate::source::{self, Form, Locator, OpenOptions};

/// How much is read at a time.
const CHUNK: usize = 1 << 20;

/// What the files of a log are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sizes {
    /// All that a server would load, in bytes.
    pub(super) total_bytes: u64,
    /// What the log was when it was rewritten last, where that is known.
    pub(super) base_bytes: Option<u64>,
}

/// Something that is new in a log.
pub(super) enum New<'a> {
    /// A command, and the bytes that it takes.
    Command(&'a Command<'a>),
    /// So many bytes that are no command.
    Skipped(u64),
    /// The log goes on in this file.
    Rotated(&'a Path),
    /// The log was rewritten under the same name.
    Rewritten,
    /// There is no such file any more.
    Gone(&'a Path),
    /// It is there again.
    Back(&'a Path),
    /// It was cut from one length to another.
    Cut(&'a Path, u64, u64),
}

/// Looks in a row that find nothing before a log is said to be gone: one may fall between the two
/// steps of a rewrite.
const GONE_LOOKS: u32 = 2;

/// Follows a log.
pub(super) struct Follower {
    path: PathBuf,
    is_directory: bool,
    file: File,
    current: PathBuf,
    /// How far the file has been read.
    at: u64,
    buffer: Vec<u8>,
    /// Whether the reading may stand in the middle of a command.
    lost: bool,
    rewritten_bytes: Option<u64>,
    fork: Fork,
    /// Looks in a row that did not find the file.
    missed: u32,
}

impl Follower {
    /// Stands at the end of a log.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let log = aof::survey(path)?;
        let is_directory = log.layout != Layout::SingleFile;
        if !is_directory {
            expect_log(path)?;
        }
        let Some(part) = log.parts.last() else {
            let path = path.shown();
            return Err(Error::Usage(format!("{path} has no parts to follow: is this the log?")));
        };
        let mut file = open(&part.path)?;
        let at = file.seek(SeekFrom::End(0)).map_err(|cause| cannot_read(&part.path, cause))?;
        Ok(Follower {
            path: path.to_owned(),
            is_directory,
            file,
            current: part.path.clone(),
            at,
            buffer: Vec::new(),
            // A server writes whole commands, as a rule.
            lost: at > 0,
            rewritten_bytes: None,
            fork: Fork::default(),
            missed: 0,
        })
    }

    /// The file that is read.
    pub(super) fn current(&self) -> &Path {
        &self.current
    }

    /// How far it has been read.
    pub(super) fn offset(&self) -> u64 {
        self.at - self.buffer.len() as u64
    }

    /// Hands out all that is new.
    pub(super) fn poll(&mut self, each: &mut dyn FnMut(New<'_>)) -> Result<()> {
        // Whether the file was replaced is asked before it is read to its end, so nothing is missed.
        let moved = self.moved();
        self.read(each)?;
        if let Moved::Gone = moved {
            self.missed += 1;
            if self.missed == GONE_LOOKS {
                each(New::Gone(&self.current));
            }
            return Ok(());
        }
        let was_gone = std::mem::take(&mut self.missed) >= GONE_LOOKS;
        if was_gone {
            each(New::Back(&self.current));
        }
        match moved {
            Moved::No | Moved::Gone => {}
            Moved::Cut(to) => {
                each(New::Cut(&self.current, self.at, to));
                let mut file = open(&self.current)?;
                let stood = file.seek(SeekFrom::Start(to));
                stood.map_err(|cause| cannot_read(&self.current, cause))?;
                self.enter(file, self.current.clone(), to);
                self.fork = Fork::default();
            }
            Moved::To(parts) => {
                for part in parts {
                    each(New::Skipped(self.buffer.len() as u64));
                    self.enter(open(&part)?, part.clone(), 0);
                    each(New::Rotated(&part));
                    self.read(each)?;
                }
            }
            Moved::Replaced => {
                let mut file = open(&self.current)?;
                let end = file.seek(SeekFrom::End(0));
                let end = end.map_err(|cause| cannot_read(&self.current, cause))?;
                each(New::Skipped(self.buffer.len() as u64));
                let goes_on = self.fork.goes_on(&self.file, self.at, &file);
                let from = goes_on.unwrap_or(end);
                file.seek(SeekFrom::Start(from))
                    .map_err(|cause| cannot_read(&self.current, cause))?;
                self.enter(file, self.current.clone(), from);
                // What was found stands at the beginning of a command.
                self.lost = goes_on.is_none() && from > 0;
                self.fork = std::mem::take(&mut self.fork).of_rewritten();
                self.rewritten_bytes = Some(from);
                if !was_gone {
                    each(New::Rewritten);
                }
                self.read(each)?;
            }
        }
        Ok(())
    }

    /// Whether the log is gone, as far as several looks can tell.
    pub(super) fn is_gone(&self) -> bool {
        self.missed >= GONE_LOOKS
    }

    fn enter(&mut self, file: File, path: PathBuf, at: u64) {
        self.file = file;
        self.current = path;
        self.at = at;
        self.buffer.clear();
        self.lost = at > 0;
    }

    fn moved(&self) -> Moved {
        if self.is_directory
            && let Some(moved) = self.moved_on()
        {
            return moved;
        }
        let Ok(there) = std::fs::metadata(&self.current) else { return Moved::Gone };
        match self.file.metadata() {
            Ok(here) if is_same_file(&here, &there) => match there.len() {
                len if len < self.at => Moved::Cut(len),
                _ => Moved::No,
            },
            _ => Moved::Replaced,
        }
    }

    /// Where a log of parts has gone; `None` where it has not.
    fn moved_on(&self) -> Option<Moved> {
        // The manifest is replaced by renaming; what is broken may be whole at the next look.
        let log = match aof::survey(&self.path) {
            Ok(log) => log,
            Err(_) if self.path.exists() => return None,
            Err(_) => return Some(Moved::Gone),
        };
        let parts: Vec<PathBuf> = log.parts.into_iter().map(|part| part.path).collect();
        let Some(last) = parts.last() else { return Some(Moved::Gone) };
        if *last == self.current {
            return None;
        }
        let behind = match parts.iter().position(|part| *part == self.current) {
            Some(at) => parts.get(at + 1..).unwrap_or_default().to_vec(),
            // The parts between were written and rewritten since the last look.
            None => vec![last.clone()],
        };
        // A part is made before the manifest names it.
        if behind.iter().all(|part| part.exists()) {
            Some(Moved::To(behind))
        } else {
            Some(Moved::Gone)
        }
    }

    /// Reads the current file to its end.
    fn read(&mut self, each: &mut dyn FnMut(New<'_>)) -> Result<()> {
        loop {
            let from = self.buffer.len();
            let mut part = (&self.file).take(CHUNK as u64);
            let got = part.read_to_end(&mut self.buffer);
            let got = got.map_err(|cause| cannot_read(&self.current, cause))?;
            self.at += got as u64;
            if got > 0 {
                self.parse(each);
            }
            if self.buffer.len() == from + got && got > 0 && got == CHUNK {
                continue;
            }
            if got < CHUNK {
                return Ok(());
            }
        }
    }

    /// Hands out the whole commands in the buffer.
    fn parse(&mut self, each: &mut dyn FnMut(New<'_>)) {
        let mut used = 0;
        loop {
            let rest = self.buffer.get(used..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            if self.lost && !matches!(rest.first(), Some(b'*' | b'#')) {
                // Into the middle of a command.
                match find_command(rest, 0) {
                    Some(at) => {
                        each(New::Skipped(at as u64));
                        used += at;
                    }
                    None => {
                        let kept = rest.len().min(aof::log::START_BYTES);
                        each(New::Skipped((rest.len() - kept) as u64));
                        used += rest.len() - kept;
                        break;
                    }
                }
                continue;
            }
            match item(rest, false, &mut Quirks::default()) {
                Ok((behind, found)) => {
                    self.lost = false;
                    if let LogItem::Command(command) = found {
                        if command.is("SELECT") {
                            let at = self.at - rest.len() as u64;
                            self.fork.select(at, command.first().unwrap_or_default());
                        }
                        each(New::Command(&command));
                    }
                    used += rest.len() - behind.len();
                }
                Err(error) => {
                    if unwrap_bad(error).fault.is_truncated() {
                        break;
                    }
                    let at = find_command(rest, 1).unwrap_or(rest.len());
                    each(New::Skipped(at as u64));
                    used += at;
                }
            }
        }
        self.buffer.drain(..used);
    }

    /// What the files of the log are now.
    pub(super) fn sizes(&self) -> Sizes {
        if !self.is_directory {
            let total_bytes = self.file.metadata().map_or(self.at, |file| file.len());
            return Sizes { total_bytes, base_bytes: self.rewritten_bytes };
        }
        let Ok(log) = aof::survey(&self.path) else { return Sizes::default() };
        let bytes = |part: &aof::Part| part.size_bytes.unwrap_or_default();
        let base = log.parts.iter().find(|part| part.part_type == aof::PartType::Base);
        Sizes {
            total_bytes: log.parts.iter().map(bytes).sum(),
            base_bytes: Some(base.map(bytes).unwrap_or_default()),
        }
    }
}

/// Refuses a file to which no server appends commands.
fn expect_log(path: &Path) -> Result<()> {
    let mut source = source::open(&Locator::Path(path.to_owned()), &OpenOptions::default())?;
    let name = &source.name;
    let log = "name the appendonlydir of a server, or its AOF";
    if let Some(compression) = source.compression {
        return Err(Error::Source(format!(
            "{name} is compressed with {compression}, and no server writes to it; {log}"
        )));
    }
    // The preamble of a log says that it is one, or commands stand behind it.
    let is_base = source.feed.as_mut().is_some_and(|feed| {
        snapshot::says_that_it_is_a_base(feed) || snapshot::goes_on_as_log(feed)
    });
    match source.form {
        Form::Rdb if !is_base => Err(Error::Source(format!(
            "{name} is an RDB snapshot, which a server writes as a whole; {log}"
        ))),
        Form::Ndjson => Err(Error::Source(format!("{name} is NDJSON and no log; {log}"))),
        _ => Ok(()),
    }
}

/// Where a log has gone.
enum Moved {
    No,
    /// On to these files.
    To(Vec<PathBuf>),
    /// Another file has its name.
    Replaced,
    /// It is shorter than what was read of it.
    Cut(u64),
    /// It is not there.
    Gone,
}

#[cfg(unix)]
fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Where files have no number, one that became shorter is another.
#[cfg(not(unix))]
fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    other.len() >= one.len()
}

fn open(path: &Path) -> Result<File> {
    File::open(path).map_err(|cause| Error::io(format!("cannot open {}", path.shown()), cause))
}

fn cannot_read(path: &Path, cause: std::io::Error) -> Error {
    Error::io(format!("cannot read {}", path.shown()), cause)
}
