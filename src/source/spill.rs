//! Where a record waits that is too big for the heap: an unlinked temporary file, mapped.
//!
//! ```text
//! file       ├── written ──────────┤┄┄ hole ┄┄┄┤     length doubles, never less than written
//! mapping    ├─────────────────────────────────┤     only the written part is ever shown
//! ```
//!
//! Bytes are appended by writing, not through the mapping: a full disk is then an error and not
//! a SIGBUS, and what was only written and not yet read is not resident.
//!
//! The danger is on the reading side: pages that the caller walks over count as resident until
//! somebody drops them, and the walk happens outside this file. So as long as a spill lives, a
//! thread of its own drops all its pages every millisecond; a walk brings back only those
//! around the place where it is, from the page cache.

use std::env;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::mapped::Mapping;
use crate::bytes::PathName as _;
use crate::error::Error;

/// How long touched pages stay. A walk at memory speed (15 GB/s) touches 15 MB in this time.
const TRIM_EVERY: Duration = Duration::from_millis(1);
/// How much is read before it is written.
const CHUNK: usize = 1 << 20;

/// Bytes in an unlinked, mapped temporary file that grows at its end.
pub(super) struct Spill {
    file: File,
    map: Arc<Mapping>,
    /// How many bytes are written: what is shown of the mapping.
    len: usize,
    chunk: Vec<u8>,
    /// Hands a new mapping to the trimming thread; dropping it ends the thread.
    trimmer: Sender<Arc<Mapping>>,
}

impl Spill {
    /// A new file in `directory` that holds `first`.
    pub(super) fn create(directory: &Path, first: &[u8]) -> io::Result<Self> {
        let mut file = tempfile::tempfile_in(directory)?;
        file.write_all(first)?;
        let map = Arc::new(map(&file, first.len().saturating_mul(2).max(1))?);
        let (trimmer, maps) = bounded(1);
        let watched = Arc::clone(&map);
        thread::Builder::new().name("spill-trim".into()).spawn(move || trim(watched, &maps))?;
        Ok(Spill { file, map, len: first.len(), chunk: vec![0; CHUNK], trimmer })
    }

    /// What is written.
    pub(super) fn bytes(&self) -> &[u8] {
        self.map.bytes().get(..self.len).unwrap_or_default()
    }

    /// Appends what one read of at most `most` bytes brings; 0 at the end of the data.
    pub(super) fn append_from(
        &mut self,
        reader: &mut dyn Read,
        most: usize,
    ) -> Result<usize, Trouble> {
        let Some(room) = self.chunk.get_mut(..most.min(CHUNK)) else { return Ok(0) };
        let got = reader.read(room).map_err(Trouble::Reading)?;
        let bytes = room.get(..got).unwrap_or_default();
        self.file.write_all(bytes).map_err(Trouble::Spilling)?;
        let len = self.len + bytes.len();
        if len > self.map.bytes().len() {
            self.map = Arc::new(map(&self.file, len.saturating_mul(2)).map_err(Trouble::Spilling)?);
            // The thread is there as long as this sender is; should it have died, pages stay
            // resident, which costs memory and breaks nothing.
            let _ = self.trimmer.send(Arc::clone(&self.map));
        }
        self.len = len;
        Ok(bytes.len())
    }
}

/// Which side of a spill failed.
pub(super) enum Trouble {
    /// The source.
    Reading(io::Error),
    /// The temporary file.
    Spilling(io::Error),
}

fn map(file: &File, len: usize) -> io::Result<Mapping> {
    file.set_len(len as u64)?;
    Mapping::of(file, len)
}

fn trim(mut map: Arc<Mapping>, maps: &Receiver<Arc<Mapping>>) {
    loop {
        match maps.recv_timeout(TRIM_EVERY) {
            Ok(newer) => map = newer,
            // Where pages cannot be dropped they stay: more memory, the same bytes.
            Err(RecvTimeoutError::Timeout) => drop(map.drop_resident()),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Where spills go unless told: `TMPDIR`, or else `/var/tmp`, because `/tmp` is often memory.
pub(crate) fn default_directory() -> PathBuf {
    let persistent = Path::new("/var/tmp");
    if env::var_os("TMPDIR").is_none() && persistent.is_dir() {
        persistent.to_owned()
    } else {
        env::temp_dir()
    }
}

/// The error of a temporary file where spills go: it says where that is.
pub fn temporary_failed(cause: io::Error) -> Error {
    let folder = default_directory();
    Error::io(
        format!("cannot use a temporary file in {} (TMPDIR sets another place)", folder.shown()),
        cause,
    )
}

/// A temporary file without a name, where spills go: it is gone when it is closed.
pub fn temporary_file() -> io::Result<File> {
    tempfile::tempfile_in(default_directory())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_stands_behind_what_was_there() {
        check(b"", &[1; 10]);
        check(b"first", b"");
        check(b"first", &[2; 100]);
        check(&[3; 5000], &(0..3_000_000u32).map(|n| n as u8).collect::<Vec<_>>());
    }

    #[track_caller]
    fn check(first: &[u8], then: &[u8]) {
        let mut spill = Spill::create(&default_directory(), first).unwrap();
        assert_eq!(spill.bytes(), first);
        let mut reader = then;
        while spill.append_from(&mut reader, usize::MAX).is_ok_and(|got| got > 0) {}
        assert_eq!(spill.bytes(), [first, then].concat());
        // Long enough for the thread to drop the pages at least once.
        thread::sleep(TRIM_EVERY * 4);
        assert_eq!(spill.bytes(), [first, then].concat());
    }
}
