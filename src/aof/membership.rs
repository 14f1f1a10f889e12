//! Whether a file is one part of a log in several files, which the manifest beside it says.
//!
//! The danger is to take such a part for a log: run alone, an increment makes other keys than
//! behind what comes before it, and put in its place, what was made of it makes another log.

use std::fs;
use std::path::{Path, PathBuf};

use super::directory::{bytes_of, is_manifest_name, os};
use super::manifest::{self, LINE_MAX_BYTES};

/// No manifest is larger: a server's has a handful of lines.
const MANIFEST_MAX_BYTES: u64 = 4096 * LINE_MAX_BYTES as u64;

/// The log that a file is a part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The manifest that lists the file, for a server to load.
    pub manifest: PathBuf,
    /// Whether none of the other parts holds anything.
    pub is_all: bool,
}

/// The log that a file is a part of: beside it, or beside what a link leads to, lies a manifest that
/// lists it as base or increment.
///
/// ```
/// use rdbkit::aof::membership;
///
/// let folder = std::path::Path::new("fixtures/redis-8.10.2-day-aofdir");
/// let part = membership(&folder.join("appendonly.aof.2.incr.aof")).unwrap();
/// assert_eq!(part.manifest, folder.join("appendonly.aof.manifest"));
/// assert!(!part.is_all && membership(&part.manifest).is_none());
/// ```
pub fn membership(path: &Path) -> Option<Membership> {
    beside(path).or_else(|| beside(&fs::canonicalize(path).ok()?))
}

fn beside(path: &Path) -> Option<Membership> {
    let name = bytes_of(path.file_name()?);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let files = fs::read_dir(folder.unwrap_or(Path::new("."))).ok()?;
    let names = files.flatten().map(|file| bytes_of(&file.file_name()));
    let mut manifests: Vec<Vec<u8>> = names.filter(|name| is_manifest_name(name)).collect();
    manifests.sort_unstable();
    manifests.iter().find_map(|manifest| {
        let manifest = path.with_file_name(os(manifest));
        let about = fs::metadata(&manifest).ok()?;
        if !about.is_file() || about.len() > MANIFEST_MAX_BYTES {
            return None;
        }
        // A line that a server refuses does not take away what the others say.
        let (lines, _) = manifest::read(&fs::read(&manifest).ok()?);
        if !lines.loaded().any(|entry| entry.name == name) {
            return None;
        }
        let mut others = lines.loaded().filter(|entry| entry.name != name);
        let holds = |part: &Path| fs::metadata(part).is_ok_and(|part| part.len() > 0);
        let is_all = !others.any(|entry| holds(&path.with_file_name(os(&entry.name))));
        Some(Membership { manifest, is_all })
    })
}
