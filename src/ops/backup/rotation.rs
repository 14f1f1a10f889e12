//! The names of backups in a directory, and which of them go.
//!
//! ```text
//! db1-6379-20261129T020000Z.rdb.zst            the backup
//! db1-6379-20261129T020000Z.rdb.zst.json       what it is
//! db1-6379-20261129T020000Z.rdb.zst.functions.json
//! ```
//!
//! The danger is to delete what is somebody else's. A file goes only when its name is one that is
//! given here to backups of this server, and the text beside it says that it was made here and names
//! it. All else is left alone, whatever it is called.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::bytes::PathName as _;
use crate::error::{Error, Result};
use crate::live::Address;
use crate::report::backup::{Backup, SCHEMA};

/// The time in a name, which sorts as time does.
pub(super) const STAMP: &str = "%Y%m%dT%H%M%SZ";
/// How many signs it has.
const STAMP_LEN: usize = 16;
/// Added to the name of a backup: what it is.
pub(super) const TEXT: &str = ".json";
/// Added to the name of a backup: its functions.
pub(super) const FUNCTIONS: &str = ".functions.json";

/// What the names of a server's backups begin with.
pub(super) fn stem(address: &Address) -> String {
    let text = match address {
        Address::Tcp(host, port) => format!("{host}-{port}"),
        Address::Unix(path) => path.display().to_string().trim_start_matches('/').to_owned(),
    };
    text.chars()
        .map(|c| if c.is_ascii_alphanumeric() || ".-".contains(c) { c } else { '_' })
        .collect()
}

/// The name of what stands beside a backup.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Removes all but the newest backups of a server; the names of those that went.
pub(super) fn rotate(folder: &Path, stem: &str, keep: usize) -> Result<Vec<String>> {
    let wrong = |cause: io::Error| {
        Error::io(format!("cannot remove older backups in {}", folder.shown()), cause)
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(wrong)? {
        let name = entry.map_err(wrong)?.file_name();
        let Some(text) = name.to_str() else { continue };
        if let Some(file) = text.strip_suffix(TEXT).filter(|file| is_named(file, stem)) {
            found.push(file.to_owned());
        }
    }
    found.retain(|file| is_ours(folder, file));
    // Their names sort by time.
    found.sort_unstable_by(|a, b| b.cmp(a));
    let old = found.split_off(keep.min(found.len()));
    for file in &old {
        let path = folder.join(file);
        // The text goes last: what is left of a removal that was cut short is found again.
        for path in [path.clone(), beside(&path, FUNCTIONS), beside(&path, TEXT)] {
            match fs::remove_file(&path) {
                Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(wrong(cause)),
                _ => {}
            }
        }
    }
    Ok(old)
}

/// Whether a name is one that backups of this server are given.
fn is_named(file: &str, stem: &str) -> bool {
    let rest = file.strip_prefix(stem).and_then(|rest| rest.strip_prefix('-'));
    let Some((stamp, suffix)) = rest.and_then(|rest| rest.split_at_checked(STAMP_LEN)) else {
        return false;
    };
    let is_stamp = stamp.bytes().enumerate().all(|(at, byte)| match at {
        8 => byte == b'T',
        15 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    });
    is_stamp && matches!(suffix, ".rdb" | ".rdb.zst" | ".rdb.gz")
}

/// Whether the text beside it says that it was made here.
fn is_ours(folder: &Path, file: &str) -> bool {
    let text = fs::read(folder.join(format!("{file}{TEXT}"))).unwrap_or_default();
    let said = serde_json::from_slice::<Backup>(&text);
    said.is_ok_and(|backup| backup.schema == SCHEMA && backup.file == file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_and_known_again() {
        let stem_of = |text: &str| stem(&Address::parse(text, 6379).unwrap());
        assert_eq!(stem_of("db1.example:7000"), "db1.example-7000");
        assert_eq!(stem_of("[::1]:7000"), "__1-7000");
        assert_eq!(stem(&Address::Unix("/run/redis/s.sock".into())), "run_redis_s.sock");
        assert!(is_named("h-1-20261129T020000Z.rdb.zst", "h-1"));
        for other in [
            "h-1-20261129T020000Z.rdb.bak",
            "h-1-20261129T020000.rdb",
            "h-1-2026-1129T020000.rdb",
            "h-11-20261129T020000Z.rdb",
            "h-1.rdb",
            "h-1-ä0261129T020000Z.rdb",
        ] {
            assert!(!is_named(other, "h-1"), "{other}");
        }
    }

    #[test]
    fn only_what_was_made_here_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let name = |hour: u32| format!("h-1-20261129T{hour:02}0000Z.rdb");
        for hour in 0..6 {
            let file = name(hour);
            fs::write(path(&file), "x").unwrap();
            let said =
                Backup { schema: SCHEMA.to_owned(), file: file.clone(), ..Backup::default() };
            match hour {
                // One without a text, one whose text is somebody else's.
                0 => {}
                1 => fs::write(path(&format!("{file}.json")), "{}").unwrap(),
                _ => fs::write(path(&format!("{file}.json")), serde_json::to_vec(&said).unwrap())
                    .unwrap(),
            }
        }
        fs::write(path("h-2-20261129T000000Z.rdb"), "x").unwrap();
        assert_eq!(rotate(folder.path(), "h-1", 2).unwrap(), [name(3), name(2)]);
        for hour in [0, 1, 4, 5] {
            assert!(path(&name(hour)).exists(), "{hour}");
        }
        assert!(path("h-2-20261129T000000Z.rdb").exists());
        assert!(!path(&format!("{}.json", name(3))).exists());
        assert!(rotate(folder.path(), "h-1", 9).unwrap().is_empty());
    }
}
