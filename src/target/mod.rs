//! Where bytes go: files and directories that appear as a whole or not at all.
//!
//! ```text
//! write beside ─► fsync ─► (backup) ─► rename or link ─► fsync of the directory
//! ─────── old state, whatever happens ──────┤├── new state ──
//! ```
//!
//! [`AtomicFile`] is one file, [`DirectoryTarget`] the directory of a multi-part log. Nothing that
//! exists is written into. [`Publish`] says what may be replaced; the one danger is to replace what
//! is being read, which a second name, a link or `..` can hide: files are compared by what they
//! are, not by what they are called.

mod atomic_file;
mod behind;
mod compressed;
mod directory;
#[cfg(feature = "live")]
pub mod live;
mod pending;
mod stamp;
mod writer;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use atomic_file::{AtomicFile, Published};
pub use compressed::{Packer, Packing};
pub use directory::{DirectoryTarget, Part, PublishedDirectory, PublishedPart};

use crate::aof;
use crate::bytes::PathName as _;
use crate::error::{Error, Result};

/// What may be replaced.
#[derive(Debug, Clone, Default)]
pub struct Publish {
    /// An output that exists may be replaced.
    pub force: bool,
    /// The output may be one of the sources, of which a backup stays then.
    pub in_place: bool,
    /// What is read while the output is written: files and directories, also several names of the
    /// same. Standard input is `/dev/stdin`.
    pub sources: Vec<PathBuf>,
}

impl Publish {
    /// Fails where something is at `path` that may not be replaced.
    pub fn check(&self, path: &Path) -> Result<()> {
        match fs::metadata(path) {
            Ok(metadata) => self.judge(path, &metadata).map(drop),
            Err(_) => Ok(()),
        }
    }

    /// Whether a file or directory is one of the sources, or a directory in which one of them lies.
    fn is_source(&self, path: &Path, metadata: &fs::Metadata) -> bool {
        let same = |source: &PathBuf| {
            fs::metadata(source).is_ok_and(|source| {
                stamp::identity(&source).is_some_and(|it| Some(it) == stamp::identity(metadata))
            })
        };
        let folder = fs::canonicalize(path).ok().filter(|_| metadata.is_dir());
        let within = |source: &PathBuf| {
            let source = fs::canonicalize(source);
            folder.as_ref().is_some_and(|it| source.is_ok_and(|source| source.starts_with(it)))
        };
        self.sources.iter().any(|source| same(source) || within(source))
    }

    /// Whether what lies at `path` may be replaced, and whether a backup of it has to stay.
    fn judge(&self, path: &Path, metadata: &fs::Metadata) -> Result<bool> {
        let name = path.shown();
        if metadata.is_file()
            && let Some(part) = aof::membership(path)
        {
            return Err(Error::Usage(format!(
                "{name} is a part of the log of {}, and with something else in its place that would \
                 be another log, or none: name the manifest or its directory as the source (compact \
                 and rewrite have --in-place), or give the output another name",
                part.manifest.shown()
            )));
        }
        match (self.is_source(path, metadata), self.in_place, self.force) {
            (true, true, _) => match writer::writer_of(path) {
                None => Ok(true),
                Some(writer) => Err(Error::Usage(format!(
                    "{name} is open for writing by {writer}, which would go on with what is \
                     replaced here: shut it down first, or give the output another name"
                ))),
            },
            (true, false, _) => Err(Error::Usage(format!(
                "{name} {} what is read: give the output another name (compact and rewrite have \
                 --in-place, which keeps a backup)",
                if metadata.is_dir() { "holds" } else { "is" }
            ))),
            (false, _, true) => Ok(false),
            (false, _, false) => Err(Error::Usage(format!("{name} exists: --force replaces it"))),
        }
    }
}

/// The directory that a path lies in.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Why an output cannot be begun. Where the directory that it is to lie in is not there, that one is
/// named.
fn cannot_begin(path: &Path, cause: io::Error) -> Error {
    let folder = folder(path);
    if cause.kind() == io::ErrorKind::NotFound && !folder.exists() {
        let (path, folder) = (path.shown(), folder.shown());
        return Error::Usage(format!("cannot write {path}: there is no directory {folder}"));
    }
    Error::io(format!("cannot write {}", path.shown()), cause)
}

/// The last name of a path.
fn name_of(path: &Path) -> Result<&OsStr> {
    path.file_name()
        .ok_or_else(|| Error::Usage(format!("\"{}\" is no name for an output", path.shown())))
}

/// `NAME.bak-20261123T174501Z`, counted up where that is taken.
fn backup_name(path: &Path, attempt: u32) -> Result<PathBuf> {
    let stamp = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    let mut name = OsString::from(name_of(path)?);
    name.push(format!(".bak-{stamp}"));
    if attempt > 0 {
        name.push(format!("-{}", attempt + 1));
    }
    Ok(path.with_file_name(name))
}

/// Tries names until one is free.
fn make_backup(path: &Path, make: impl Fn(&Path) -> io::Result<()>) -> Result<PathBuf> {
    let mut attempt = 0;
    loop {
        let backup = backup_name(path, attempt)?;
        match make(&backup) {
            Ok(()) => return Ok(backup),
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists && attempt < 1000 => {
                attempt += 1;
            }
            Err(cause) => {
                return Err(Error::io(format!("cannot keep a backup of {}", path.shown()), cause));
            }
        }
    }
}

/// A failure to write, for those who write and know no names.
fn named(path: &Path, cause: io::Error) -> io::Error {
    io::Error::new(cause.kind(), format!("{}: {cause}", path.shown()))
}

/// Makes sure that what was renamed in a directory stays renamed.
fn sync_directory(path: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        let synced = fs::File::open(path).and_then(|folder| folder.sync_all());
        match synced {
            Ok(()) => Ok(()),
            // Some file systems have no such thing.
            Err(cause)
                if matches!(
                    cause.kind(),
                    io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
                ) =>
            {
                Ok(())
            }
            Err(cause) => {
                Err(Error::io(format!("cannot sync the directory {}", path.shown()), cause))
            }
        }
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
