//! The directory of a multi-part log as an output, published as a server does it.
//!
//! ```text
//! no directory, or an empty one     the finished files go into .NAME.rdbkit-XXXXXX.tmp beside it,
//!                                   which is made at the very end and renamed as a whole
//! a directory with files            new parts, synced; then the manifest by one rename; then the
//!                                   old files go
//! ```
//!
//! The manifest is what says which parts count, so the moment of its rename is the moment of
//! change. In a directory that is a source, the old files stay as NAME.bak-STAMP beside it: links,
//! which take no room. The danger is a server at work in there: files that changed since the start
//! end the whole.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::atomic_file::keep;
use super::pending::{self, Pending};
use super::stamp::Stamp;
use super::{Publish, cannot_begin, folder, make_backup, name_of, named, sync_directory};
use crate::bytes::PathName as _;
use crate::error::{Error, Result};

/// A directory under way.
#[derive(Debug)]
pub struct DirectoryTarget {
    /// As it was given.
    path: PathBuf,
    /// Links followed.
    to: PathBuf,
    place: Place,
    parts: Vec<(OsString, Pending)>,
}

#[derive(Debug)]
enum Place {
    /// None is there, or an empty one, of which this is known.
    Fresh(Option<fs::Metadata>),
    /// The files that are there, and whether a backup of them has to stay.
    Existing { files: BTreeMap<OsString, Stamp>, keeps_backup: bool },
}

/// A file of the directory under way.
#[derive(Debug)]
pub struct Part {
    name: OsString,
    /// For sentences.
    path: PathBuf,
    pending: Pending,
}

/// What was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedDirectory {
    /// The directory, as it was named.
    pub path: PathBuf,
    /// The new parts, without the manifest.
    pub parts: Vec<PublishedPart>,
    /// The directory that keeps the old files, if they were the source.
    pub backup: Option<PathBuf>,
    /// Old files that could not be deleted; nothing refers to them any more.
    pub left: Vec<PathBuf>,
}

/// A part that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedPart {
    /// Its name in the directory.
    pub name: OsString,
    /// Its size.
    pub size_bytes: u64,
}

impl DirectoryTarget {
    /// Begins a directory. Nothing of what is there changes before [`publish`](Self::publish).
    ///
    /// Fails as [`AtomicFile::create`](super::AtomicFile::create) does. An empty directory counts
    /// as none.
    pub fn create(path: &Path, publish: &Publish) -> Result<Self> {
        if path == Path::new("-") {
            return Err(Error::Usage(
                "a directory is written, which standard output cannot be: name one, ./- if it is \
                 to be called so"
                    .to_owned(),
            ));
        }
        let wrong = |cause| cannot_begin(path, cause);
        let metadata = match fs::metadata(path) {
            Ok(metadata) => Some(metadata),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => None,
            Err(cause) => return Err(wrong(cause)),
        };
        if metadata.as_ref().is_some_and(|metadata| !metadata.is_dir()) {
            let name = path.shown();
            return Err(Error::Usage(format!("{name} is a file, the output is a directory")));
        }
        if metadata.is_none() && path.is_symlink() {
            let name = path.shown();
            return Err(Error::Usage(format!("{name} is a link that leads to nothing")));
        }
        let to = match metadata {
            Some(_) => fs::canonicalize(path).map_err(wrong)?,
            // `a/..` of what is not there leads nowhere.
            None => fs::canonicalize(folder(path)).map_err(wrong)?.join(name_of(path)?),
        };
        let files = if metadata.is_some() { list(&to).map_err(wrong)? } else { BTreeMap::new() };
        let place = match metadata {
            Some(metadata) if fs::read_dir(&to).map_err(wrong)?.next().is_some() => {
                Place::Existing { files, keeps_backup: publish.judge(path, &metadata)? }
            }
            metadata => Place::Fresh(metadata),
        };
        Ok(DirectoryTarget { path: path.to_owned(), to, place, parts: Vec::new() })
    }

    /// Begins a directory that is not there yet, or is empty.
    pub fn create_new(path: &Path, publish: &Publish) -> Result<Self> {
        let target = DirectoryTarget::create(path, &Publish { force: true, ..publish.clone() })?;
        match target.place {
            Place::Fresh(_) => Ok(target),
            Place::Existing { .. } => Err(Error::Usage(format!(
                "{} is there and not empty: a new directory is made, so name one that is not there",
                path.shown()
            ))),
        }
    }

    /// Whether there is a file of that name already, which no new part can have.
    pub fn is_taken(&self, name: &OsStr) -> bool {
        self.parts.iter().any(|(other, _)| other == name)
            || matches!(&self.place, Place::Existing { files, .. } if files.contains_key(name))
    }

    /// The files that were there at the start.
    pub fn existing(&self) -> impl Iterator<Item = &OsStr> {
        let files = match &self.place {
            Place::Fresh(_) => None,
            Place::Existing { files, .. } => Some(files.keys().map(OsString::as_os_str)),
        };
        files.into_iter().flatten()
    }

    /// Begins a file; [`add`](Self::add) takes it in when it is written.
    pub fn part(&self, name: impl AsRef<OsStr>) -> Result<Part> {
        let name = name.as_ref();
        if self.is_taken(name) {
            let name = self.path.join(name);
            return Err(Error::Usage(format!("{} exists already", name.shown())));
        }
        let path = self.path.join(name);
        let pending = Pending::create(self.work(), name, false)
            .map_err(|cause| Error::io(format!("cannot write {}", path.shown()), cause))?;
        Ok(Part { name: name.to_owned(), path, pending })
    }

    /// Takes in a file that is written, and waits until it is on disk.
    pub fn add(&mut self, mut part: Part) -> Result<u64> {
        part.pending.sync().map_err(|cause| part.failed(cause))?;
        let size_bytes = part.size_bytes();
        self.parts.push((part.name, part.pending));
        Ok(size_bytes)
    }

    /// Publishes the parts with this manifest; then the files named in `old` go.
    ///
    /// Where this fails before the manifest is in its place, the old state holds, perhaps with
    /// parts beside it that no manifest lists.
    pub fn publish(
        self,
        manifest: impl AsRef<OsStr>,
        text: &[u8],
        old: &[OsString],
    ) -> Result<PublishedDirectory> {
        let DirectoryTarget { path, to, place, mut parts } = self;
        let manifest = manifest.as_ref();
        let wrong = |name: &OsStr| {
            let name = path.join(name).shown().to_string();
            move |cause| Error::io(format!("cannot write {name}"), cause)
        };
        let fresh = match &place {
            Place::Fresh(old) => {
                Some(make_fresh(&to, old.as_ref()).map_err(wrong(OsStr::new("")))?)
            }
            Place::Existing { .. } => None,
        };
        let work = fresh.as_ref().map_or(to.as_path(), TempDir::path);
        // The server's own name for it: whoever finds it knows what it is.
        let mut temporary = OsString::from("temp-");
        temporary.push(manifest);
        let mut pending = Pending::create(work, &temporary, false).map_err(wrong(manifest))?;
        pending.write(text).map_err(wrong(manifest))?;

        let backup = match &place {
            Place::Existing { files, keeps_backup } => {
                if *keeps_backup && list(&to).map_err(wrong(OsStr::new("")))? != *files {
                    return Err(Error::Usage(format!(
                        "{} has changed while it was read, and was left as it is: is a server \
                         writing it?",
                        path.shown()
                    )));
                }
                // A server that may not write its new files does not start.
                let like = files.get_key_value(manifest).or_else(|| files.iter().next());
                if let Some(like) = like.and_then(|(name, _)| fs::metadata(to.join(name)).ok()) {
                    pending.take_after(&like).map_err(wrong(manifest))?;
                    for (name, part) in &mut parts {
                        part.take_after(&like).map_err(wrong(name))?;
                    }
                }
                keeps_backup.then(|| back_up(&to, files, manifest, old)).transpose()?
            }
            Place::Fresh(_) => None,
        };
        pending.sync().map_err(wrong(manifest))?;

        let mut published = Vec::new();
        let mut undo = Undo::default();
        for (name, part) in parts {
            let (at, size_bytes) = (work.join(&name), part.bytes());
            part.publish_new(&at).map_err(wrong(&name))?;
            undo.files.push(at);
            published.push(PublishedPart { name, size_bytes });
        }
        sync_directory(work)?;
        pending.publish_over(&work.join(manifest)).map_err(wrong(manifest))?;
        undo.files.clear();
        sync_directory(work)?;

        let mut left = Vec::new();
        match (fresh, place) {
            (Some(work), _) => {
                fs::rename(work.path(), &to).map_err(|cause| match cause.kind() {
                    io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => {
                        Error::Usage(format!(
                            "{} has appeared meanwhile and was left alone",
                            path.shown()
                        ))
                    }
                    _ => Error::io(format!("cannot write {}", path.shown()), cause),
                })?;
                let _ = work.keep();
                sync_directory(folder(&to))?;
            }
            (None, Place::Fresh(_)) => {}
            (None, Place::Existing { files, .. }) => {
                let is_new = |name: &OsStr| {
                    name == manifest || published.iter().any(|part| part.name == name)
                };
                for name in old.iter().filter(|name| files.contains_key(*name) && !is_new(name)) {
                    if fs::remove_file(to.join(name)).is_err() {
                        left.push(path.join(name));
                    }
                }
                sync_directory(&to)?;
            }
        }
        Ok(PublishedDirectory { path, parts: published, backup, left })
    }

    /// Where new files are made: without a name they can stand in any directory of the file system.
    fn work(&self) -> &Path {
        match &self.place {
            Place::Fresh(_) => folder(&self.to),
            Place::Existing { .. } => &self.to,
        }
    }
}

impl Part {
    /// Its name in the directory.
    pub fn name(&self) -> &OsStr {
        &self.name
    }

    /// Writes all of `bytes`.
    pub fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.pending.write(bytes).map_err(|cause| self.failed(cause))
    }

    /// How many bytes were written so far.
    pub fn size_bytes(&self) -> u64 {
        self.pending.bytes()
    }

    /// Writes out what is buffered, and says under which path this process can read the file
    /// before it is published.
    pub fn readable(&mut self) -> Result<PathBuf> {
        self.pending.readable().map_err(|cause| self.failed(cause))
    }

    /// The error for a failure of [`Write`] on this file.
    pub fn failed(&self, cause: io::Error) -> Error {
        Error::io(format!("cannot write {}", self.path.shown()), cause)
    }
}

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.pending.write(bytes);
        written.map(|()| bytes.len()).map_err(|cause| named(&self.path, cause))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Removes the parts that are in place, unless their manifest is, too.
#[derive(Default)]
struct Undo {
    files: Vec<PathBuf>,
}

impl Drop for Undo {
    fn drop(&mut self) {
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
    }
}

/// What is to become the directory `to`, of which this is known if an empty one is there.
fn make_fresh(to: &Path, old: Option<&fs::Metadata>) -> io::Result<TempDir> {
    let name = to.file_name().unwrap_or(OsStr::new("directory"));
    let work = tempfile::Builder::new()
        .prefix(&pending::prefix(name))
        .suffix(".tmp")
        .tempdir_in(folder(to))
        .map_err(pending::plain)?;
    match old {
        Some(old) => pending::take_after(work.path(), old)?,
        None => open_to_umask(work.path())?,
    }
    Ok(work)
}

/// The regular files of a directory.
fn list(path: &Path) -> io::Result<BTreeMap<OsString, Stamp>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_file() {
            files.insert(entry.file_name(), Stamp::of(&metadata));
        }
    }
    Ok(files)
}

/// Keeps what is there in a directory beside it: what goes by a second name, what stays and may
/// be written on by a copy.
fn back_up(
    path: &Path,
    files: &BTreeMap<OsString, Stamp>,
    manifest: &OsStr,
    old: &[OsString],
) -> Result<PathBuf> {
    let backup = make_backup(path, |backup| fs::create_dir(backup))?;
    let filled = fill_backup(path, &backup, files, manifest, old);
    if let Err(cause) = filled {
        let _ = fs::remove_dir_all(&backup);
        return Err(Error::io(format!("cannot keep a backup of {}", path.shown()), cause));
    }
    sync_directory(&backup)?;
    sync_directory(folder(path))?;
    Ok(backup)
}

fn fill_backup(
    path: &Path,
    backup: &Path,
    files: &BTreeMap<OsString, Stamp>,
    manifest: &OsStr,
    old: &[OsString],
) -> io::Result<()> {
    for name in files.keys() {
        let (from, to) = (path.join(name), backup.join(name));
        // A manifest is replaced by a rename, never written into.
        let kept = if name == manifest || old.contains(name) {
            keep(&from, &to)
        } else {
            pending::copy_new(&from, &to)
        };
        kept?;
    }
    pending::take_after(backup, &fs::metadata(path)?)
}

/// The mode that a new directory has: temporary ones are made private.
fn open_to_umask(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // What the process may give is seen by a directory that is made the usual way.
        let probe = path.join("mode");
        fs::create_dir(&probe)?;
        let mode = fs::metadata(&probe)?.permissions().mode();
        fs::remove_dir(&probe)?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        Ok(())
    }
}
