//! Where to go on in a log in one file that its server has rewritten.
//!
//! ```text
//! old file  … commands │ SELECT  what came while it was rewritten ┤ end
//! new file  the keys   │ SELECT  the same                         ┤ what came since
//!                                                                 └ here
//! ```
//!
//! While a server rewrites its log it goes on with the old one, and puts the same bytes behind the
//! new one, a SELECT in front of them though no other database was selected: so they can be found
//! again, whatever stands around them.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

/// More is not looked through.
const MOST_BYTES: u64 = 256 << 20;
/// So much may have come since, at most.
const SINCE_BYTES: u64 = 64 << 20;

/// Keeps in mind where the bytes begin that a rewrite would have in common with the log.
#[derive(Debug, Default)]
pub(super) struct Fork {
    /// The database that is selected, where that is known.
    db: Option<Vec<u8>>,
    /// Where the last SELECT stands that selected nothing else.
    at: Option<u64>,
    /// Whether the next such SELECT is the one that a server writes when a rewrite is done.
    done: bool,
}

impl Fork {
    /// A file that a rewrite has just begun.
    pub(super) fn of_rewritten(self) -> Self {
        Fork { db: self.db, at: None, done: true }
    }

    /// A SELECT stands at this offset.
    pub(super) fn select(&mut self, at: u64, db: &[u8]) {
        if self.db.as_deref().is_none_or(|before| before == db) {
            if !std::mem::take(&mut self.done) {
                self.at = Some(at);
            }
        } else {
            self.db = None;
        }
        self.db = Some(db.to_vec());
    }

    /// Where the new file goes on behind what stands in the old one up to `end`. `None` where that
    /// is not to be found.
    pub(super) fn goes_on(&self, mut old: &File, end: u64, mut new: &File) -> Option<u64> {
        let from = self.at?;
        let length = end.checked_sub(from).filter(|&length| 0 < length && length <= MOST_BYTES)?;
        let mut common = Vec::new();
        old.seek(SeekFrom::Start(from)).ok()?;
        old.take(length).read_to_end(&mut common).ok()?;
        let size = new.seek(SeekFrom::End(0)).ok()?;
        let start = size.saturating_sub(length + SINCE_BYTES);
        new.seek(SeekFrom::Start(start)).ok()?;
        let mut tail = Vec::new();
        new.take(size - start).read_to_end(&mut tail).ok()?;
        // Few places begin as a SELECT does, so this is no long search. What came since begins with
        // one, too, and may be more of the same; and at the very beginning stand the keys.
        let mut places = tail.windows(common.len());
        let is_first = start == 0 && places.next() == Some(&*common);
        let found = match places.position(|at| at == common) {
            Some(at) if start == 0 => at + 1,
            Some(at) => at,
            None if is_first => 0,
            None => return None,
        };
        Some(start + (found + common.len()) as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[track_caller]
    fn check(selects: &[(u64, &str)], old: &str, new: &str, want: Option<u64>) {
        let file = |text: &str| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file
        };
        let mut fork = Fork::default();
        selects.iter().for_each(|(at, db)| fork.select(*at, db.as_bytes()));
        assert_eq!(fork.goes_on(&file(old), old.len() as u64, &file(new)), want);
    }

    #[test]
    fn it_goes_on_behind_what_both_have() {
        check(&[(0, "0"), (3, "0")], "S0aS0bb", "xyzS0bbccc", Some(7));
        // The same again and again.
        check(&[(0, "0"), (4, "0")], "S0aaS0a", "S0aS0aaaa", Some(6));
        check(&[(0, "0"), (4, "0")], "S0aaS0a", "xS0aS0aaaa", Some(4));
        // Whoever began to look in the middle does not know what was selected.
        check(&[(1, "0")], "aS0b", "xS0bc", Some(4));
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        check(&[], "aaa", "xaaa", None);
        check(&[(0, "0"), (3, "0")], "S0aS0b", "xyzS0", None);
        check(&[(0, "0"), (3, "1")], "S0aS1b", "xyz", None);
    }
}
