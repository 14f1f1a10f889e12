//! What one shard has to do: where its commands begin in the log, four bytes for most of them.
//!
//! ```text
//! below SELECT      a command, so many bytes behind the one before
//! SELECT  db        a database is selected
//! PART    n         of the command that comes next only the key so many bytes behind its start
//! FAR     low high  a command at this place
//! ```

const SELECT: u32 = u32::MAX - 2;
const PART: u32 = u32::MAX - 1;
const FAR: u32 = u32::MAX;

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A database is selected.
    Select(usize),
    /// The command at this offset.
    Command(usize),
    /// Of the command at this offset the key so many bytes behind it, with what belongs to it.
    Part(usize, usize),
}

impl Step {
    /// Where bytes will be looked at.
    #[inline]
    pub(super) fn offset(self) -> usize {
        match self {
            Step::Select(_) => 0,
            Step::Command(at) => at,
            Step::Part(at, key) => at + key,
        }
    }
}

/// The steps of a shard, in their order.
#[derive(Debug, Clone, Default)]
pub(super) struct Steps {
    words: Vec<u32>,
    /// Where the last command begins.
    last: usize,
    db: usize,
}

impl Steps {
    /// None yet, with room for so many.
    pub(super) fn with_capacity(steps: usize) -> Self {
        Steps { words: Vec::with_capacity(steps), ..Steps::default() }
    }

    /// How many they are, or a few more.
    pub(super) fn count(&self) -> usize {
        self.words.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Forgets all; the room stays.
    pub(super) fn clear(&mut self) {
        self.words.clear();
        (self.last, self.db) = (0, 0);
    }

    /// Adds a command that runs in a database.
    #[inline]
    pub(super) fn push(&mut self, db: usize, offset: usize) {
        self.select(db);
        let distance = offset.wrapping_sub(self.last);
        self.last = offset;
        match u32::try_from(distance) {
            Ok(near) if near < SELECT => self.words.push(near),
            _ => self.far(offset),
        }
    }

    /// Adds a part of a command; whether that can be said.
    pub(super) fn push_part(&mut self, db: usize, offset: usize, key: usize) -> bool {
        let Ok(key) = u32::try_from(key) else { return false };
        self.select(db);
        self.words.extend_from_slice(&[PART, key]);
        self.push(db, offset);
        true
    }

    #[inline]
    fn select(&mut self, db: usize) {
        if db != self.db {
            self.db = db;
            self.words.extend_from_slice(&[SELECT, db as u32]);
        }
    }

    #[cold]
    fn far(&mut self, offset: usize) {
        let offset = offset as u64;
        self.words.extend_from_slice(&[FAR, offset as u32, (offset >> 32) as u32]);
    }

    /// The steps.
    pub(super) fn iter(&self) -> impl Iterator<Item = Step> + '_ {
        let mut words = self.words.iter().copied();
        let (mut last, mut part) = (0_usize, None);
        std::iter::from_fn(move || {
            loop {
                last = match words.next()? {
                    SELECT => return Some(Step::Select(words.next()? as usize)),
                    PART => {
                        part = Some(words.next()? as usize);
                        continue;
                    }
                    FAR => {
                        let (low, high) = (words.next()?, words.next()?);
                        (u64::from(low) | u64::from(high) << 32) as usize
                    }
                    near => last + near as usize,
                };
                return Some(match part.take() {
                    Some(key) => Step::Part(last, key),
                    None => Step::Command(last),
                });
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Step, Steps};

    #[test]
    fn steps_come_out_as_they_went_in() {
        let mut steps = Steps::default();
        steps.push(0, 7);
        steps.push(0, 7 + 0xffff_fffc);
        steps.push(3, 7 + 0xffff_fffc + 0xffff_fffd);
        assert!(steps.push_part(3, 20 << 32, 14));
        assert!(steps.push_part(3, 20 << 32, 40));
        assert!(!steps.push_part(3, 20 << 32, 1 << 32));
        steps.push(0, (20 << 32) + 100);
        let want = [
            Step::Command(7),
            Step::Command(7 + 0xffff_fffc),
            Step::Select(3),
            Step::Command(7 + 0xffff_fffc + 0xffff_fffd),
            Step::Part(20 << 32, 14),
            Step::Part(20 << 32, 40),
            Step::Select(0),
            Step::Command((20 << 32) + 100),
        ];
        assert_eq!(steps.iter().collect::<Vec<_>>(), want);
        steps.clear();
        assert!(steps.is_empty());
        steps.push(0, 5);
        assert_eq!(steps.iter().collect::<Vec<_>>(), [Step::Command(5)]);
    }
}
