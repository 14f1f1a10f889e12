//! A file that is being written and has no name yet, or a temporary one.
//!
//! ```text
//! Linux       an unnamed file in the directory of the output (O_TMPFILE): whatever ends the
//!             process, nothing is left behind; it gets its name by a link from /proc/self/fd
//! elsewhere   .NAME.rdbkit-XXXXXX.tmp beside the output, removed when it is dropped
//! ```
//!
//! The danger is a limit on file sizes (`ulimit -f`): the system does not answer a write behind it
//! but ends the process. So the limit is asked for first, and such a write is an error here.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::behind::Behind;
use tempfile::{Builder, NamedTempFile, TempPath};

/// Small writes are gathered to so many bytes.
const BUFFER_BYTES: usize = 256 << 10;

/// Whenever so much has been written, it is sent to the disk.
const STEP_BYTES: u64 = 32 << 20;

/// Names are cut to this, so that what is added to them does not make them too long.
const NAME_BYTES: usize = 120;

/// A file without a place.
#[derive(Debug)]
pub(super) struct Pending {
    out: BufWriter<Limited>,
    place: Place,
    folder: PathBuf,
    name: OsString,
}

#[derive(Debug)]
enum Place {
    /// It vanishes with the process.
    #[cfg(target_os = "linux")]
    Unnamed,
    /// It is removed when this is dropped.
    Named(TempPath),
}

impl Pending {
    /// A new file in `folder`, to become `name`. A private one can be read by its owner alone.
    pub(super) fn create(folder: &Path, name: &OsStr, private: bool) -> io::Result<Self> {
        let mode = if private { 0o600 } else { 0o666 };
        let (file, place) = match unnamed(folder, mode) {
            Some(found) => found,
            None => {
                let made = named(&prefix(name), mode).tempfile_in(folder).map_err(plain)?;
                let (file, path) = made.into_parts();
                (file, Place::Named(path))
            }
        };
        let limited = Limited { file, written: 0, limit: size_limit(), behind: None, asked: 0 };
        let out = BufWriter::with_capacity(BUFFER_BYTES, limited);
        Ok(Pending { out, place, folder: folder.to_owned(), name: name.to_owned() })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)
    }

    /// How many bytes were written.
    pub(super) fn bytes(&self) -> u64 {
        self.out.get_ref().written + self.out.buffer().len() as u64
    }

    /// Writes out what is buffered; the path under which the file can be read meanwhile.
    pub(super) fn readable(&mut self) -> io::Result<PathBuf> {
        self.out.flush()?;
        Ok(match &self.place {
            #[cfg(target_os = "linux")]
            Place::Unnamed => handle_path(&self.out.get_ref().file),
            Place::Named(path) => path.to_path_buf(),
        })
    }

    /// Writes out everything and waits until it is on disk.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.out.flush()?;
        let limited = self.out.get_mut();
        limited.behind.take().map_or(Ok(()), Behind::end)?;
        limited.file.sync_all()
    }

    /// Gives the file the mode of `old`, and its owner as far as that is allowed; whether it was.
    pub(super) fn take_after(&mut self, old: &fs::Metadata) -> io::Result<bool> {
        let file = &self.out.get_ref().file;
        let owned = take_owner(file, old);
        file.set_permissions(old.permissions())?;
        Ok(owned)
    }

    /// Gives the file its name, where nothing may be.
    pub(super) fn publish_new(self, to: &Path) -> io::Result<()> {
        match self.place {
            #[cfg(target_os = "linux")]
            Place::Unnamed => link(&self.out.get_ref().file, to),
            Place::Named(path) => path.persist_noclobber(to).map_err(|error| error.error),
        }
    }

    /// Gives the file its name; what was there is gone at the same moment.
    pub(super) fn publish_over(self, to: &Path) -> io::Result<()> {
        match self.place {
            #[cfg(target_os = "linux")]
            Place::Unnamed => {
                let file = &self.out.get_ref().file;
                let prefix = prefix(&self.name);
                let linked: NamedTempFile<()> =
                    named(&prefix, 0o600).make_in(&self.folder, |path| link(file, path))?;
                linked.into_temp_path().persist(to).map_err(|error| error.error)
            }
            Place::Named(path) => path.persist(to).map_err(|error| error.error),
        }
    }
}

/// What temporary names begin with: `.dump.rdb.rdbkit-a8Xk2P.tmp`.
pub(super) fn prefix(name: &OsStr) -> String {
    let name = name.to_string_lossy();
    let end = name.char_indices().map(|(at, _)| at).find(|&at| at >= NAME_BYTES);
    format!(".{}.rdbkit-", end.and_then(|end| name.get(..end)).unwrap_or(&name))
}

/// The cause alone: the name of a temporary file says nothing to anybody.
pub(super) fn plain(error: io::Error) -> io::Error {
    let inner = error.get_ref().and_then(|inner| inner.source());
    let inner = inner.and_then(|inner| inner.downcast_ref::<io::Error>()).unwrap_or(&error);
    inner.raw_os_error().map_or_else(|| inner.kind().into(), io::Error::from_raw_os_error)
}

fn named(prefix: &str, mode: u32) -> Builder<'_, 'static> {
    let mut builder = Builder::new();
    builder.prefix(prefix).suffix(".tmp");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    #[cfg(not(unix))]
    let _ = mode;
    builder
}

/// An unnamed file, where the system has such.
#[cfg(target_os = "linux")]
fn unnamed(folder: &Path, mode: u32) -> Option<(File, Place)> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = rustix::fs::open(folder, flags, Mode::from_raw_mode(mode)).ok().map(File::from)?;
    // Without /proc it could never be given a name.
    handle_path(&file).metadata().is_ok().then_some((file, Place::Unnamed))
}

#[cfg(not(target_os = "linux"))]
fn unnamed(_: &Path, _: u32) -> Option<(File, Place)> {
    None
}

#[cfg(target_os = "linux")]
fn handle_path(file: &File) -> PathBuf {
    use std::os::fd::AsRawFd as _;
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

#[cfg(target_os = "linux")]
fn link(file: &File, to: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD};
    Ok(rustix::fs::linkat(CWD, handle_path(file), CWD, to, AtFlags::SYMLINK_FOLLOW)?)
}

/// Gives a directory the mode of `old`, and its owner as far as that is allowed.
pub(super) fn take_after(path: &Path, old: &fs::Metadata) -> io::Result<()> {
    take_owner(&File::open(path)?, old);
    fs::set_permissions(path, old.permissions())
}

#[cfg(unix)]
fn take_owner(file: &File, old: &fs::Metadata) -> bool {
    use std::os::unix::fs::{MetadataExt as _, fchown};
    let (uid, gid) = (old.uid(), old.gid());
    if file.metadata().is_ok_and(|own| own.uid() == uid && own.gid() == gid) {
        return true;
    }
    // Where the owner can't be kept, the group may be.
    fchown(file, Some(uid), Some(gid)).is_ok() || {
        let _ = fchown(file, None, Some(gid));
        false
    }
}

#[cfg(not(unix))]
fn take_owner(_: &File, _: &fs::Metadata) -> bool {
    true
}

/// A file that is not written beyond the limit of this process.
#[derive(Debug)]
struct Limited {
    file: File,
    written: u64,
    limit: Option<u64>,
    /// Of a file that is not small: who sends it to the disk meanwhile.
    behind: Option<Behind>,
    /// How much was written when that was asked for last.
    asked: u64,
}

impl Limited {
    #[cold]
    fn send(&mut self) {
        self.asked = self.written;
        if self.behind.is_none() {
            // Without that thread all is left for the end.
            self.behind = Behind::begin(&self.file).ok();
        }
        self.behind.iter().for_each(Behind::go_on);
    }
}

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.limit.is_some_and(|limit| bytes.len() as u64 > limit.saturating_sub(self.written)) {
            return Err(too_large());
        }
        let n = self.file.write(bytes)?;
        self.written += n as u64;
        if self.written - self.asked >= STEP_BYTES {
            self.send();
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(unix)]
fn size_limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Fsize).current
}

#[cfg(not(unix))]
fn size_limit() -> Option<u64> {
    None
}

#[cfg(unix)]
fn too_large() -> io::Error {
    rustix::io::Errno::FBIG.into()
}

#[cfg(not(unix))]
fn too_large() -> io::Error {
    io::ErrorKind::FileTooLarge.into()
}

/// Copies a file to a new name, and waits until it is on disk.
pub(super) fn copy_new(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let folder = super::folder(to);
    let name = to.file_name().unwrap_or_default();
    let mut pending = Pending::create(folder, name, true)?;
    io::copy(&mut source, &mut pending.out)?;
    pending.take_after(&source.metadata()?)?;
    pending.sync()?;
    pending.publish_new(to)
}
