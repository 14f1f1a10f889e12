//! What did not run: commands that fail, and commands that nobody knows.

use std::collections::BTreeMap;

use crate::report::replay::ReplayFailure;

/// How many failures are kept with their words; all are counted.
const KEPT: usize = 1000;

/// A command that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The file.
    pub file: String,
    /// Where the command begins.
    pub offset: u64,
    /// Its name, as it was written.
    pub name: Vec<u8>,
    /// Its first key, if it has one.
    pub key: Option<Vec<u8>>,
    /// What the server would have answered.
    pub error: String,
}

impl From<Failed> for ReplayFailure {
    fn from(failed: Failed) -> Self {
        let Failed { file, offset, name, key, error } = failed;
        ReplayFailure { file, offset, command: name, key, error }
    }
}

/// All that did not run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failures {
    /// Commands that failed.
    pub failed: u64,
    /// The first of them.
    pub first: Vec<Failed>,
    /// Commands that are not known and were stepped over, by name in upper case.
    pub skipped: BTreeMap<Vec<u8>, u64>,
}

impl Failures {
    /// Notes a command that failed.
    #[cold]
    pub(super) fn note(&mut self, failed: Failed) {
        self.failed += 1;
        if self.first.len() < KEPT {
            self.first.push(failed);
        }
    }

    /// Notes a command that was stepped over.
    #[cold]
    pub(super) fn skip(&mut self, name: &[u8]) {
        *self.skipped.entry(name.to_ascii_uppercase()).or_default() += 1;
    }

    /// How many commands were stepped over.
    pub fn skipped_commands(&self) -> u64 {
        self.skipped.values().sum()
    }

    /// The first commands that failed, for reports that are about other things.
    pub(in crate::ops) fn told(&self) -> Vec<ReplayFailure> {
        const TOLD: usize = 3;
        self.first.iter().take(TOLD).cloned().map(ReplayFailure::from).collect()
    }

    pub(super) fn name_file(&mut self, name: &str) {
        for failed in &mut self.first {
            name.clone_into(&mut failed.file);
        }
    }

    /// Takes in what happened beside: in the same part.
    pub(super) fn beside(&mut self, other: Failures) {
        if other.failed == 0 && other.skipped.is_empty() {
            return;
        }
        self.add(other);
        self.first.sort_by_key(|failed| failed.offset);
        self.first.truncate(KEPT);
    }

    /// Takes in what happened later.
    pub(super) fn add(&mut self, later: Failures) {
        self.failed += later.failed;
        self.first.extend(later.first);
        self.first.truncate(2 * KEPT);
        for (name, count) in later.skipped {
            *self.skipped.entry(name).or_default() += count;
        }
    }
}
