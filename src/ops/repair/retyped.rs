//! The end of an entry whose type byte is damaged.
//!
//! ```text
//! ??  key  value  │ entry │ entry …
//!          ▲ as a string it ends here, as a list there: behind the right end records go on
//! ```
//!
//! What stands there is read as each type in turn. It has to be sound inside, and records have to
//! follow. Should several ends be left, or the key not look like the others, how many keys the
//! database announces decides.

use std::collections::BTreeSet;

use super::resync::{Likeness, NEAR_BYTES, is_sound, is_text, may_begin};
use crate::rdb::object::Checker;
use crate::rdb::{Framer, Record, Text};

/// Type bytes beyond this are none.
const LAST_TYPE: u8 = 32;

impl Likeness {
    /// Where the entry ends whose type byte is at `offset`, with so many keys `left` behind it.
    pub(super) fn retyped(
        &mut self,
        bytes: &[u8],
        offset: u64,
        left: Option<u64>,
        framer: &Framer,
        checker: &mut Checker,
    ) -> Option<usize> {
        let at = usize::try_from(offset).ok()?;
        let rest = bytes.get(at..)?;
        let (_, key) = Text::parse(rest.get(1..)?).ok()?;
        let key = key.to_cow().ok()?;
        // It may be another byte that is damaged: that of an expiry, and there is no key behind it.
        let is_likely = self.keys > 0 && (!self.is_text() || is_text(&key));
        let mut near = rest.get(..NEAR_BYTES).unwrap_or(rest).to_vec();
        let mut ends = BTreeSet::new();
        for code in 0..=LAST_TYPE {
            *near.first_mut()? = code;
            let mut framer = framer.clone();
            let Ok((Record::Entry(entry), behind)) = framer.next(&near, offset) else { continue };
            let to = at + (near.len() - behind.len());
            let next = bytes.get(to..).unwrap_or_default();
            if !ends.contains(&to)
                && may_begin(next)
                && is_sound(&entry, checker)
                && self.goes_on(next, NEAR_BYTES, 1, &framer, checker)
            {
                ends.insert(to);
            }
        }
        if let Some(left) = left
            && let Some(&to) = ends.iter().find(|&&to| self.is_followed_by(bytes, to, left, framer))
        {
            return Some(to);
        }
        // Where a number was announced that is not met, what follows has to convince by itself.
        let is_enough = left.is_none();
        ends.into_iter().filter(|_| is_likely).find(|&to| {
            let next = bytes.get(to..).unwrap_or_default();
            is_enough || self.is_believable(next, NEAR_BYTES, framer, checker)
        })
    }

    /// Whether there are so many keys from `at` to the end of their database.
    fn is_followed_by(&mut self, bytes: &[u8], at: usize, keys: u64, framer: &Framer) -> bool {
        self.keys_behind(bytes, at, framer) == Some(keys)
    }
}
