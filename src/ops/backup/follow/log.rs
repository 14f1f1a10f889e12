//! The increment: commands behind one another, and how far they are whole.

use std::fs::{self, File};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::lock;
use super::state::{self, State};
use crate::aof;
use crate::bytes::PathName as _;
use crate::error::{Error, Result};
use crate::live::replication::Point;
use crate::report::backup::Replication;
use crate::resp::Command;

/// Commands are gathered to so many bytes.
const BUFFER_BYTES: usize = 256 << 10;

/// What is sent to replicas and is no write: servers keep it out of their logs, too.
const NOT_LOGGED: [&str; 2] = ["PUBLISH", "SPUBLISH"];

/// An increment that is written on.
pub(super) struct Log {
    directory: PathBuf,
    file: File,
    buffer: Vec<u8>,
    /// Bytes of it, those in the buffer included.
    size_bytes: u64,
    /// The last point outside a transaction, and the size up to there.
    good: State,
    /// What was last said to be on disk.
    told: State,
    in_transaction: bool,
    /// The second of the last annotation.
    stamped: u64,
}

impl Log {
    /// Goes on with the log of a directory, up to where it is known to be whole; `None` where there
    /// is none, or its increment is not the one that the state speaks of.
    pub(super) fn reopen(directory: &Path, server: &str) -> Result<Option<Self>> {
        let Some(state) = known(directory, server)? else { return Ok(None) };
        let survey = aof::survey(directory)?;
        let last = survey.parts.last().and_then(|part| part.path.file_name());
        if last.is_none_or(|last| last != state.file.as_str()) {
            return Ok(None);
        }
        let log = Log::open(directory, state)?;
        let size_bytes = log.file.metadata().map_err(|cause| log.wrong(cause))?.len();
        // Less than was synced is another file, or one that somebody has cut.
        if size_bytes < log.good.size_bytes {
            return Ok(None);
        }
        log.settled().map(Some)
    }

    /// The increment that a state speaks of.
    pub(super) fn open(directory: &Path, state: State) -> Result<Self> {
        let path = directory.join(&state.file);
        let file = File::options().read(true).write(true).open(&path);
        let file = file.and_then(|mut file| {
            // A new one begins with the database of its stream.
            file.seek(SeekFrom::Start(state.size_bytes))?;
            Ok(file)
        });
        let file =
            file.map_err(|cause| Error::io(format!("cannot open {}", path.shown()), cause))?;
        Ok(Log {
            directory: directory.to_owned(),
            file,
            buffer: Vec::with_capacity(BUFFER_BYTES),
            size_bytes: state.size_bytes,
            told: state.clone(),
            good: state,
            in_transaction: false,
            stamped: 0,
        })
    }

    fn settled(mut self) -> Result<Self> {
        self.settle()?;
        Ok(self)
    }

    /// Where the stream goes on.
    pub(super) fn point(&self) -> Point {
        Point { id: self.good.id.clone(), offset: self.good.offset }
    }

    /// The same, for a report.
    pub(super) fn replication(&self) -> Replication {
        Replication { id: self.good.id.clone(), offset: self.good.offset }
    }

    /// The size up to the last whole command.
    pub(super) fn size_bytes(&self) -> u64 {
        self.good.size_bytes
    }

    /// The stream goes on under this id.
    pub(super) fn renamed(&mut self, id: &str) {
        id.clone_into(&mut self.good.id);
    }

    /// Appends a command that came at this second; whether it is one for a log.
    pub(super) fn append(&mut self, command: &Command<'_>, secs: u64) -> Result<bool> {
        if NOT_LOGGED.iter().any(|name| command.is(name)) {
            return Ok(false);
        }
        // Between the commands of a transaction a cut at this time would tear it.
        if !self.in_transaction && secs > self.stamped {
            self.stamped = secs;
            self.put(format!("#TS:{secs}\r\n").as_bytes())?;
        }
        self.put(command.frame())?;
        if command.is("MULTI") {
            self.in_transaction = true;
        } else if command.is("EXEC") {
            self.in_transaction = false;
        }
        Ok(true)
    }

    /// Says that all of the stream up to here was handed over.
    pub(super) fn passed(&mut self, offset: u64) {
        if !self.in_transaction {
            (self.good.offset, self.good.size_bytes) = (offset, self.size_bytes);
        }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.flush()?;
        }
        self.size_bytes += bytes.len() as u64;
        if bytes.len() > BUFFER_BYTES {
            return self.file.write_all(bytes).map_err(|cause| self.wrong(cause));
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// Hands over to the system what is gathered.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.file.write_all(&self.buffer).map_err(|cause| self.wrong(cause))?;
        self.buffer.clear();
        Ok(())
    }

    /// Makes sure that all of it is on disk, and says so; up to which offset that is.
    pub(super) fn sync(&mut self) -> Result<u64> {
        if self.good != self.told {
            self.flush()?;
            if self.good.size_bytes != self.told.size_bytes {
                self.file.sync_data().map_err(|cause| self.wrong(cause))?;
            }
            self.good.write(&self.directory)?;
            self.told = self.good.clone();
        }
        Ok(self.told.offset)
    }

    /// Cuts away what stands behind the last whole command outside a transaction.
    pub(super) fn settle(&mut self) -> Result<()> {
        self.flush()?;
        self.in_transaction = false;
        self.size_bytes = self.good.size_bytes;
        let cut = self.file.set_len(self.size_bytes);
        let cut = cut.and_then(|()| self.file.seek(SeekFrom::Start(self.size_bytes)));
        cut.map(drop).map_err(|cause| self.wrong(cause))
    }

    #[cold]
    fn wrong(&self, cause: io::Error) -> Error {
        let path = self.directory.join(&self.good.file);
        Error::io(format!("cannot write {}", path.shown()), cause)
    }
}

/// The state of a log that following this server began; `None` where nothing is begun. A directory of
/// somebody else is refused.
pub(super) fn known(directory: &Path, server: &str) -> Result<Option<State>> {
    let name = directory.shown();
    if directory.is_file() {
        return Err(Error::Usage(format!(
            "{name} is a file, and following writes a directory: name one"
        )));
    }
    let Some(state) = State::read(directory)? else {
        let mut entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(Error::io(format!("cannot read {name}"), cause)),
        };
        let is_ours = |entry: io::Result<fs::DirEntry>| {
            entry.is_ok_and(|entry| entry.file_name() == lock::NAME)
        };
        return match entries.all(is_ours) {
            true => Ok(None),
            false => Err(Error::Usage(format!(
                "{name} is not empty and not a log that following a server began: give a directory \
                 of its own"
            ))),
        };
    };
    if state.server != server {
        return Err(Error::Usage(format!(
            "{name} follows {}, not {server}: give a directory of its own, or the URL it was begun \
             with",
            state.server
        )));
    }
    Ok(Some(state))
}

/// The name that the state has beside the log.
pub(super) const STATE: &str = state::NAME;

#[cfg(test)]
mod tests {
    use super::*;

    fn log(directory: &Path) -> Log {
        let at = Replication { id: "a".repeat(40), offset: 100 };
        fs::write(directory.join("x.1.incr.aof"), "").unwrap();
        Log::open(directory, State::new("redis://h", &at, "x.1.incr.aof", 0)).unwrap()
    }

    fn put(log: &mut Log, words: &[&str], secs: u64) {
        let mut frame = Vec::new();
        crate::resp::encode::command(&mut frame, words.iter());
        let (command, _) = Command::strict(&frame).unwrap();
        log.append(&command, secs).unwrap();
        let offset = log.point().offset.max(100) + frame.len() as u64;
        log.passed(offset);
    }

    #[test]
    fn what_is_not_whole_is_cut_away() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path());
        put(&mut log, &["SET", "a", "1"], 7);
        put(&mut log, &["PUBLISH", "c", "m"], 8);
        put(&mut log, &["DEL", "a"], 7);
        let whole = log.good.clone();
        put(&mut log, &["MULTI"], 9);
        put(&mut log, &["DEL", "b"], 10);
        assert_eq!(log.good, whole);
        log.settle().unwrap();
        assert_eq!(log.sync().unwrap(), whole.offset);
        let text = fs::read_to_string(folder.path().join("x.1.incr.aof")).unwrap();
        let want =
            "#TS:7\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$3\r\nDEL\r\n$1\r\na\r\n";
        assert_eq!(text, want);
        assert_eq!(State::read(folder.path()).unwrap(), Some(whole));
    }

    #[test]
    fn what_an_increment_begins_with_stays() {
        let folder = tempfile::tempdir().unwrap();
        let mut start = Vec::new();
        crate::resp::encode::command(&mut start, ["SELECT", "3"].iter());
        fs::write(folder.path().join("x.1.incr.aof"), &start).unwrap();
        let at = Replication { id: "a".repeat(40), offset: 100 };
        let state = State::new("redis://h", &at, "x.1.incr.aof", start.len() as u64);
        let mut log = Log::open(folder.path(), state).unwrap();
        put(&mut log, &["DEL", "a"], 7);
        log.sync().unwrap();
        let text = fs::read_to_string(folder.path().join("x.1.incr.aof")).unwrap();
        let start = String::from_utf8(start).unwrap();
        assert_eq!(text, start + "#TS:7\r\n*2\r\n$3\r\nDEL\r\n$1\r\na\r\n");
    }

    #[test]
    fn a_transaction_is_whole_with_its_exec() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path());
        for words in [&["MULTI"][..], &["DEL", "b"], &["EXEC"]] {
            put(&mut log, words, 9);
        }
        assert_eq!(log.size_bytes(), log.size_bytes);
        assert!(log.size_bytes() > 40 && !log.in_transaction);
    }

    #[test]
    fn a_directory_of_somebody_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Log::reopen(folder.path(), "redis://h").unwrap().is_none());
        fs::write(folder.path().join("appendonly.aof.manifest"), "").unwrap();
        let said = Log::reopen(folder.path(), "redis://h").err().unwrap().to_string();
        assert!(said.contains("directory of its own"), "{said}");
        let at = Replication { id: "a".repeat(40), offset: 100 };
        State::new("redis://other", &at, "x", 0).write(folder.path()).unwrap();
        let said = Log::reopen(folder.path(), "redis://h").err().unwrap().to_string();
        assert!(said.contains("follows redis://other"), "{said}");
    }
}
