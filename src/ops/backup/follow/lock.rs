//! One at a time: a lock on the directory, which is gone with the process that holds it.
//!
//! The danger is a second one that cuts the increment back to where it knows it whole, while the first
//! one writes on. So the lock comes before anything there is opened. The file stays: who removes one
//! that others wait for lets in two of them.

use std::fs::{self, File, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use crate::bytes::PathName as _;
use crate::error::{Error, Result};

/// The name of the file in the directory. Servers do not look at it.
pub(super) const NAME: &str = "rdbkit-follow.lock";

/// Held as long as it lives.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a directory, which is made if there is none. Where the file system knows no
    /// locks there is none to have, and `warn` hears of it.
    pub(super) fn take(directory: &Path, warn: &dyn Fn(&str)) -> Result<Self> {
        let name = directory.shown();
        let wrong = |cause| Error::io(format!("cannot write {name}"), cause);
        if let Err(cause) = fs::create_dir_all(directory) {
            return Err(wrong(cause));
        }
        let path = directory.join(NAME);
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = file.map_err(wrong)?;
        match file.try_lock() {
            Ok(()) => {
                // The number is for people; it is the lock that counts.
                let id = std::process::id();
                let _ = file.set_len(0).and_then(|()| writeln!(file, "{id}"));
            }
            Err(TryLockError::WouldBlock) => {
                let mut id = String::new();
                let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_string(&mut id));
                let who = match id.trim() {
                    id if read.is_ok() && !id.is_empty() => format!("process {id}"),
                    _ => "another process".to_owned(),
                };
                return Err(Error::Usage(format!(
                    "{who} is writing a backup --follow into {name}: two of them would destroy the \
                     log; stop that one first, or name another directory"
                )));
            }
            Err(TryLockError::Error(cause)) => warn(&format!(
                "{name} cannot be locked ({cause}): take care that nothing else follows into it"
            )),
        }
        Ok(Lock { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_had_once_and_again_when_it_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("log");
        let take = || Lock::take(&directory, &|_| {});
        let first = take().unwrap();
        let said = take().unwrap_err().to_string();
        assert!(said.contains(&format!("process {} ", std::process::id())), "{said}");
        drop(first);
        take().unwrap();
    }
}
