//! A file as a slice: one of the few places where this crate is `unsafe`.
//!
//! ```text
//! file      ├──────────────────────────────┤
//! mapping   ├──────────────────────────────┤   shared, read only
//! resident     ├──┤        ├───┤               pages that somebody touched
//! ```
//!
//! The danger: a mapping shows the file as it is now, so a file that another process cuts short
//! underneath raises SIGBUS at the next touch behind its new end. A snapshot that a server
//! replaces is renamed over, never cut, so its mapping stays whole; a log in use only grows,
//! and is cut only by a repair or by a server that starts on it. Whoever cannot live with that
//! reads instead of mapping (`no_mmap`).
//!
//! Nothing is advised when a file is mapped. Warm, touching each page of 128 MB costs about 1 ms
//! of processor time; populating the mapping first, read-ahead hints and huge pages cost the same
//! or more.

use std::fs::File;
use std::io;
use std::sync::Arc;

use memmap2::{Mmap, MmapOptions};

/// A file, mapped shared and read only. Clones show the same mapping.
#[derive(Debug, Clone)]
pub struct Mapping {
    map: Arc<Mmap>,
}

impl Mapping {
    /// Maps the first `len` bytes of `file`, which must be there.
    #[expect(unsafe_code, reason = "mapping a file that others could cut short")]
    pub fn of(file: &File, len: usize) -> io::Result<Self> {
        // SAFETY: the mapping is read only and shared. Its bytes stay as they are while a slice
        // of them lives unless another process writes into the middle of the file, which no
        // server does to a file of its own; the header above says what a truncation does.
        let map = unsafe { MmapOptions::new().len(len).map(file)? };
        Ok(Mapping { map: Arc::new(map) })
    }

    /// The bytes of the file.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// Takes the pages out of this process's resident set. Their content stays in the page
    /// cache or on disk, and a later touch brings them back, so slices of [`bytes`](Self::bytes)
    /// stay valid and unchanged, also those that other threads are reading meanwhile.
    #[cfg(unix)]
    #[expect(unsafe_code, reason = "the advice is destructive on private, written mappings only")]
    pub fn drop_resident(&self) -> io::Result<()> {
        // SAFETY: MADV_DONTNEED resets the pages to what backs them. This mapping is shared and
        // never written through, so what backs them is what they show.
        unsafe { self.map.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) }
    }

    /// Nothing to do where pages cannot be given back.
    #[cfg(not(unix))]
    pub fn drop_resident(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn the_bytes_are_those_of_the_file() {
        check(b"abc");
        check(&[7; 10_000]);
    }

    #[test]
    fn dropping_pages_keeps_their_content() {
        let mut file = tempfile::tempfile().unwrap();
        let want: Vec<u8> = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
        file.write_all(&want).unwrap();
        let map = Mapping::of(&file, want.len()).unwrap();
        let slice = map.bytes();
        assert_eq!(slice, want);
        map.drop_resident().unwrap();
        assert_eq!(slice, want);
    }

    #[track_caller]
    fn check(content: &[u8]) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        assert_eq!(Mapping::of(&file, content.len()).unwrap().bytes(), content);
    }
}
