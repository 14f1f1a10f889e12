//! One output file: the old one or the new one, never anything between.
//!
//! ```text
//! create   judges what is there; begins a file beside it that nobody sees
//! write    into that
//! commit   fsync; a backup of the old one by a second link, if it was the source; then one
//!          rename, or a link where nothing was; fsync of the directory
//! drop     without commit: nothing has happened
//! ```
//!
//! `-` is standard output; a device or a pipe is written as it is. A link is followed: what it
//! leads to is replaced. The file has mode and owner of the one that it replaces; access lists and
//! other attributes are not kept.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::pending::{self, Pending};
use super::stamp::Stamp;
use super::{Publish, cannot_begin, folder, make_backup, name_of, named, sync_directory};
use crate::bytes::PathName as _;
use crate::error::{Error, Result};

/// An output under way.
#[derive(Debug)]
pub struct AtomicFile {
    sink: Sink,
    /// As it was given.
    path: PathBuf,
}

#[derive(Debug)]
enum Sink {
    /// Standard output, or what is no regular file.
    Stream {
        stream: Stream,
        written: u64,
    },
    File(Box<Beside>),
}

#[derive(Debug)]
enum Stream {
    Stdout(io::Stdout),
    Other(File),
}

#[derive(Debug)]
struct Beside {
    pending: Pending,
    /// Where it goes, links followed.
    to: PathBuf,
    /// What was there at the start, and whether a backup of it has to stay.
    old: Option<(Stamp, bool)>,
}

/// What was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The output, as it was named; `-` is standard output.
    pub path: PathBuf,
    /// Its size.
    pub size_bytes: u64,
    /// The name under which the file that was replaced can still be found, if it was the source.
    pub backup: Option<PathBuf>,
    /// False where the file that was replaced belonged to somebody else, and this process may not
    /// give files away.
    pub kept_owner: bool,
}

impl AtomicFile {
    /// Begins an output. Nothing of what is there changes before [`commit`](Self::commit).
    ///
    /// Fails with [`Error::Usage`] where something is there that may not be replaced, and with
    /// [`Error::Io`] where no file can be made beside it.
    pub fn create(path: &Path, publish: &Publish) -> Result<Self> {
        let given = path.to_owned();
        if path == Path::new("-") {
            let stream = Stream::Stdout(io::stdout());
            return Ok(AtomicFile { sink: Sink::Stream { stream, written: 0 }, path: given });
        }
        let wrong = |cause| cannot_begin(path, cause);
        let metadata = match fs::metadata(path) {
            Ok(metadata) => Some(metadata),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => None,
            Err(cause) => return Err(wrong(cause)),
        };
        let (to, old) = match metadata {
            Some(metadata) if metadata.is_dir() => {
                let name = path.shown();
                return Err(Error::Usage(format!("{name} is a directory, the output is a file")));
            }
            Some(metadata) if !metadata.is_file() => {
                let file = File::options().write(true).open(path).map_err(wrong)?;
                let stream = Stream::Other(file);
                return Ok(AtomicFile { sink: Sink::Stream { stream, written: 0 }, path: given });
            }
            Some(metadata) => {
                let keeps_backup = publish.judge(path, &metadata)?;
                let to = fs::canonicalize(path).map_err(wrong)?;
                (to, Some((Stamp::of(&metadata), keeps_backup)))
            }
            None if path.is_symlink() => {
                let name = path.shown();
                return Err(Error::Usage(format!("{name} is a link that leads to nothing")));
            }
            None => (given.clone(), None),
        };
        let pending = Pending::create(folder(&to), name_of(&to)?, old.is_some()).map_err(wrong)?;
        let sink = Sink::File(Box::new(Beside { pending, to, old }));
        Ok(AtomicFile { sink, path: given })
    }

    /// Writes all of `bytes`.
    pub fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.write_whole(bytes).map_err(|cause| self.failed(cause))
    }

    fn write_whole(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.sink {
            Sink::Stream { stream, written } => {
                match stream {
                    Stream::Stdout(stdout) => stdout.write_all(bytes)?,
                    Stream::Other(file) => file.write_all(bytes)?,
                }
                *written += bytes.len() as u64;
                Ok(())
            }
            Sink::File(beside) => beside.pending.write(bytes),
        }
    }

    /// How many bytes were written so far.
    pub fn size_bytes(&self) -> u64 {
        match &self.sink {
            Sink::Stream { written, .. } => *written,
            Sink::File(beside) => beside.pending.bytes(),
        }
    }

    /// Writes out what is buffered, and says under which path this process can read the file
    /// before it is published. There is none for standard output, devices and pipes.
    pub fn readable(&mut self) -> Result<Option<PathBuf>> {
        match &mut self.sink {
            Sink::Stream { .. } => Ok(None),
            Sink::File(beside) => {
                beside.pending.readable().map(Some).map_err(|cause| self.failed(cause))
            }
        }
    }

    /// The error for a failure of [`Write`] on this file.
    pub fn failed(&self, cause: io::Error) -> Error {
        match self.sink {
            Sink::Stream { stream: Stream::Stdout(_), .. } => {
                Error::io("cannot write to standard output", cause)
            }
            _ => Error::io(format!("cannot write {}", self.path.shown()), cause),
        }
    }

    /// Publishes the file. Where this fails, what was there is still there.
    pub fn commit(mut self) -> Result<Published> {
        self.flush().map_err(|cause| self.failed(cause))?;
        let size_bytes = self.size_bytes();
        let AtomicFile { sink, path } = self;
        let (backup, kept_owner) = match sink {
            Sink::Stream { .. } => (None, true),
            Sink::File(beside) => beside.publish(&path)?,
        };
        Ok(Published { path, size_bytes, backup, kept_owner })
    }
}

impl Beside {
    fn publish(mut self, path: &Path) -> Result<(Option<PathBuf>, bool)> {
        let wrong = |cause| Error::io(format!("cannot write {}", path.shown()), cause);
        let Some((stamp, keeps_backup)) = self.old else {
            self.pending.sync().map_err(wrong)?;
            self.pending.publish_new(&self.to).map_err(|cause| match cause.kind() {
                io::ErrorKind::AlreadyExists => Error::Usage(format!(
                    "{} has appeared meanwhile and was left alone",
                    path.shown()
                )),
                _ => wrong(cause),
            })?;
            sync_directory(folder(&self.to))?;
            return Ok((None, true));
        };
        let old = fs::metadata(&self.to).map_err(wrong)?;
        if keeps_backup && Stamp::of(&old) != stamp {
            return Err(Error::Usage(format!(
                "{} has changed while it was read, and was left as it is: is a server writing it?",
                path.shown()
            )));
        }
        let kept_owner = self.pending.take_after(&old).map_err(wrong)?;
        self.pending.sync().map_err(wrong)?;
        let backup = if keeps_backup {
            let backup = make_backup(&self.to, |backup| keep(&self.to, backup))?;
            sync_directory(folder(&self.to))?;
            Some(backup)
        } else {
            None
        };
        if let Err(cause) = self.pending.publish_over(&self.to) {
            // What was there is still there, under its own name.
            if let Some(backup) = backup {
                let _ = fs::remove_file(backup);
            }
            return Err(wrong(cause));
        }
        sync_directory(folder(&self.to))?;
        Ok((backup, kept_owner))
    }
}

/// A second name for a file; where the file system has no links, a copy.
pub(super) fn keep(file: &Path, backup: &Path) -> io::Result<()> {
    match fs::hard_link(file, backup) {
        Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => {
            pending::copy_new(file, backup)
        }
        done => done,
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.write_whole(bytes).map(|()| bytes.len());
        written.map_err(|cause| match self.sink {
            Sink::Stream { stream: Stream::Stdout(_), .. } => cause,
            _ => named(&self.path, cause),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.sink {
            Sink::Stream { stream: Stream::Stdout(stdout), .. } => stdout.flush(),
            Sink::Stream { stream: Stream::Other(file), .. } => file.flush(),
            // Nobody can see it before it is published.
            Sink::File(_) => Ok(()),
        }
    }
}
