//! A log that somebody writes: what is new in it, command by command, whatever becomes of its files.
//!
//! ```text
//! a.1.incr.aof ─────────────┤ the manifest names a.2.incr.aof:
//!                             read to the end, then ─► a.2.incr.aof ─────┤ …
//! appendonly.aof ───────────┤ another file has that name: a rewrite, whose end is the place to be
//! ```
//!
//! A file that is replaced stays open until all of it has been read. Bytes that are no command are
//! stepped over and counted; half a command waits for its other half.

use std::fs::{File, Metadata};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

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
}

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
        let moved = self.moved()?;
        self.read(each)?;
        match moved {
            Moved::No => {}
            Moved::To(parts) => {
                for part in parts {
                    each(New::Skipped(self.buffer.len() as u64));
                    self.enter(open(&part)?, part.clone(), 0);
                    each(New::Rotated(&part));
                    self.read(each)?;
                }
            }
            Moved::Replaced => {
                let mut file = open(&self.path)?;
                let end = file.seek(SeekFrom::End(0));
                let end = end.map_err(|cause| cannot_read(&self.path, cause))?;
                each(New::Skipped(self.buffer.len() as u64));
                self.enter(file, self.path.clone(), end);
                self.rewritten_bytes = Some(end);
                each(New::Rewritten);
            }
        }
        Ok(())
    }

    fn enter(&mut self, file: File, path: PathBuf, at: u64) {
        self.file = file;
        self.current = path;
        self.at = at;
        self.buffer.clear();
        self.lost = at > 0;
    }

    fn moved(&self) -> Result<Moved> {
        if !self.is_directory {
            let Ok(there) = std::fs::metadata(&self.path) else { return Ok(Moved::No) };
            let here = self.file.metadata().map_err(|cause| cannot_read(&self.current, cause))?;
            let same = is_same_file(&here, &there) && there.len() >= self.at;
            return Ok(if same { Moved::No } else { Moved::Replaced });
        }
        let log = match aof::survey(&self.path) {
            Ok(log) => log,
            // The manifest is replaced by renaming; a look between two renames is repeated later.
            Err(_) if self.path.exists() => return Ok(Moved::No),
            Err(error) => return Err(error),
        };
        let parts: Vec<PathBuf> = log.parts.into_iter().map(|part| part.path).collect();
        let last = parts.last();
        if last.is_none_or(|last| *last == self.current) {
            return Ok(Moved::No);
        }
        let behind = match parts.iter().position(|part| *part == self.current) {
            Some(at) => parts.get(at + 1..).unwrap_or_default().to_vec(),
            // The parts between were written and rewritten since the last look.
            None => last.into_iter().cloned().collect(),
        };
        Ok(Moved::To(behind))
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\nq\r\n$1\r\nv\r\n";

    /// What a poll hands out, in one line.
    fn polled(follower: &mut Follower) -> String {
        let mut told = Vec::new();
        let each = &mut |new: New<'_>| match new {
            New::Command(command) => told.push(String::from_utf8_lossy(command.name()).into()),
            New::Skipped(0) => {}
            New::Skipped(n) => told.push(format!("skipped {n}")),
            New::Rotated(to) => told.push(to.file_name().unwrap().to_string_lossy().into()),
            New::Rewritten => told.push("rewritten".to_owned()),
        };
        follower.poll(each).unwrap();
        told.join(" ")
    }

    fn append(path: &Path, bytes: &[u8]) {
        let file = File::options().append(true).create(true).open(path);
        file.unwrap().write_all(bytes).unwrap();
    }

    #[test]
    fn half_a_command_waits_for_its_other_half() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("appendonly.aof");
        append(&path, SET);
        let mut follower = Follower::open(&path).unwrap();
        assert_eq!(polled(&mut follower), "");
        append(&path, SET.get(..9).unwrap());
        assert_eq!(polled(&mut follower), "");
        append(&path, SET.get(9..).unwrap());
        append(&path, SET);
        assert_eq!(polled(&mut follower), "SET SET");
        append(&path, &[b"junk\r\n", SET].concat());
        assert_eq!(polled(&mut follower), "skipped 6 SET");
        assert_eq!(follower.offset(), std::fs::metadata(&path).unwrap().len());
    }

    #[test]
    fn a_start_in_the_middle_of_a_command_finds_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("appendonly.aof");
        append(&path, SET.get(..11).unwrap());
        let mut follower = Follower::open(&path).unwrap();
        append(&path, &[SET.get(11..).unwrap(), SET].concat());
        assert_eq!(polled(&mut follower), format!("skipped {} SET", SET.len() - 11));
    }

    #[test]
    fn a_rewrite_takes_the_name_of_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("appendonly.aof");
        append(&path, SET);
        let mut follower = Follower::open(&path).unwrap();
        append(&path, SET);
        let other = folder.path().join("temp-rewriteaof.aof");
        append(&other, &[SET, SET].concat());
        std::fs::rename(&other, &path).unwrap();
        assert_eq!(polled(&mut follower), "SET rewritten");
        append(&path, SET);
        assert_eq!(polled(&mut follower), "SET");
        let sizes = follower.sizes();
        let size = SET.len() as u64;
        assert_eq!(sizes, Sizes { total_bytes: 3 * size, base_bytes: Some(2 * size) });
    }

    #[test]
    fn a_log_of_parts_goes_on_in_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let manifest = |lines: &str| {
            std::fs::write(at("new"), lines).unwrap();
            std::fs::rename(at("new"), at("a.manifest")).unwrap();
        };
        append(&at("a.1.base.aof"), &[SET, SET].concat());
        append(&at("a.1.incr.aof"), SET);
        let first = "file a.1.base.aof seq 1 type b\nfile a.1.incr.aof seq 1 type i\n";
        manifest(first);
        let mut follower = Follower::open(folder.path()).unwrap();
        append(&at("a.1.incr.aof"), SET);
        assert_eq!(polled(&mut follower), "SET");
        append(&at("a.1.incr.aof"), SET);
        append(&at("a.2.incr.aof"), SET);
        manifest(&format!("{first}file a.2.incr.aof seq 2 type i\n"));
        assert_eq!(polled(&mut follower), "SET a.2.incr.aof SET");
        // The rewrite is done, and what it replaced is gone.
        append(&at("a.2.base.aof"), SET);
        manifest("file a.2.base.aof seq 2 type b\nfile a.2.incr.aof seq 2 type i\n");
        std::fs::remove_file(at("a.1.incr.aof")).unwrap();
        std::fs::remove_file(at("a.1.base.aof")).unwrap();
        append(&at("a.2.incr.aof"), SET);
        assert_eq!(polled(&mut follower), "SET");
        let size = SET.len() as u64;
        let want = Sizes { total_bytes: 3 * size, base_bytes: Some(size) };
        assert_eq!(follower.sizes(), want);
    }
}
