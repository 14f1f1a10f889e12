//! What a file is, apart from its name, and whether it has changed.

use std::fs::Metadata;
use std::time::SystemTime;

/// Device and inode; `None` where the system does not tell.
#[cfg(unix)]
pub(super) fn identity(metadata: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    Some((metadata.dev(), metadata.ino()))
}

/// Device and inode; `None` where the system does not tell.
#[cfg(not(unix))]
pub(super) fn identity(_: &Metadata) -> Option<(u64, u64)> {
    None
}

/// A file at one moment: another stamp of the same name says that it has been changed or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    identity: Option<(u64, u64)>,
    size_bytes: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Stamp {
            identity: identity(metadata),
            size_bytes: metadata.len(),
            modified: metadata.modified().ok(),
        }
    }
}
