//! Who else has a file open to write to it.
//!
//! A server holds the log that it appends to open all the time. Were that log replaced while the
//! server has nothing to write, nobody would notice, and what it writes later would go into the old
//! file, which is a backup then.

use std::fs;
use std::path::Path;

use super::stamp::identity;

/// A process that has a file open for writing, or one in a directory: its name and number. `None`
/// where there is none, or where this cannot be seen: of other users' processes, and elsewhere
/// than on Linux.
pub(super) fn writer_of(path: &Path) -> Option<String> {
    let mut files: Vec<_> = fs::metadata(path).iter().filter_map(identity).collect();
    if let Ok(entries) = fs::read_dir(path) {
        files.extend(entries.flatten().filter_map(|entry| identity(&entry.metadata().ok()?)));
    }
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let number = process.file_name().to_string_lossy().parse::<u32>().ok();
        let Some(number) = number.filter(|&number| number != std::process::id()) else { continue };
        let Ok(handles) = fs::read_dir(process.path().join("fd")) else { continue };
        for handle in handles.flatten() {
            let open = fs::metadata(handle.path()).ok();
            if open.as_ref().and_then(identity).is_some_and(|file| files.contains(&file))
                && writes(&process.path().join("fdinfo").join(handle.file_name()))
            {
                let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
                return Some(format!("{} (process {number})", name.trim_end()));
            }
        }
    }
    None
}

/// Whether a handle can be written to, by what the system tells of it.
fn writes(about: &Path) -> bool {
    let text = fs::read_to_string(about).unwrap_or_default();
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    // O_WRONLY or O_RDWR.
    flags.is_some_and(|flags| flags & 3 != 0)
}
