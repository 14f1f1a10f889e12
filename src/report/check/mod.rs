//! What a check found: by source, by file, finding by finding.
//!
//! Offsets count from the start of the uncompressed bytes of the file that a finding names.

mod github;
mod json;
mod junit;
mod sarif;
#[cfg(feature = "cli")]
mod text;

pub use github::write_github;
pub use json::write_json;
pub use junit::write_junit;
pub use sarif::write_sarif;
#[cfg(feature = "cli")]
pub use text::write_text;

use std::collections::BTreeMap;

use super::filtered::FilteredFrom;
use crate::finding::{Finding, Severity};

/// What a check of several sources found.
#[derive(Debug, Clone, Default)]
pub struct CheckReport {
    /// One for each source, in the order of the call.
    pub sources: Vec<SourceReport>,
}

/// What a check of one source found.
#[derive(Debug, Clone, Default)]
pub struct SourceReport {
    /// The source as it was named.
    pub name: String,
    /// What it is, in words: `RDB snapshot`, `AOF`, `AOF directory`.
    pub kind: String,
    /// Its files: one, or the parts of a directory.
    pub files: Vec<FileReport>,
    /// What is wrong with a directory as a whole.
    pub findings: Vec<Finding>,
    /// Findings of these that are not listed.
    pub unlisted: Unlisted,
    /// What became of the policies, where some were asked.
    pub policy: Option<PolicyReport>,
    /// Why it could not be looked at.
    pub could_not_look: Option<String>,
}

/// What became of the policies that were asked of a source.
#[derive(Debug, Clone, Default)]
pub struct PolicyReport {
    /// The codes of the rules that were asked.
    pub rules: Vec<&'static str>,
    /// The keys that they were asked of.
    pub keys: u64,
    /// All the keys of the source, where a filter chose among them.
    pub filtered_from: Option<FilteredFrom>,
    /// What breaks them, up to the limit of the call for each rule; errors in front.
    pub findings: Vec<Finding>,
    /// Findings that are not listed.
    pub unlisted: Unlisted,
    /// The same by the code of the rule that they break.
    pub unlisted_of: BTreeMap<&'static str, Unlisted>,
}

impl PolicyReport {
    /// Whether nothing found is an error.
    pub fn is_kept(&self) -> bool {
        self.unlisted.errors == 0 && self.findings.iter().all(|f| f.severity < Severity::Error)
    }
}

/// What a check of one file found.
#[derive(Debug, Clone, Default)]
pub struct FileReport {
    /// The file as the source names it.
    pub name: String,
    /// What it is, in words.
    pub kind: String,
    /// How deep it was looked at.
    pub depth: &'static str,
    /// Its size, uncompressed.
    pub size_bytes: u64,
    /// What was found, in the order of the file, up to the limit of the call.
    pub findings: Vec<Finding>,
    /// Findings that are not listed.
    pub unlisted: Unlisted,
    /// Keys of its snapshot.
    pub keys: Option<u64>,
    /// Where its snapshot breaks off; nothing behind that could be looked at.
    pub broken_at: Option<u64>,
    /// What became of the checksum of its snapshot, in words.
    pub checksum: Option<String>,
    /// Commands of its log.
    pub commands: Option<u64>,
    /// Transactions of its log.
    pub transactions: Option<u64>,
    /// Up to which offset its log is good: whole commands outside a transaction.
    pub good_up_to: Option<u64>,
    /// The last time that annotations of its log give, in unix seconds.
    pub last_secs: Option<u64>,
}

/// Findings that are not listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unlisted {
    /// Of severity error.
    pub errors: u64,
    /// Of a lower severity.
    pub others: u64,
}

impl Unlisted {
    /// Takes in others.
    pub fn add(&mut self, others: Unlisted) {
        self.errors += others.errors;
        self.others += others.others;
    }
}

impl CheckReport {
    /// Whether nothing found is an error.
    pub fn is_sound(&self) -> bool {
        self.sources.iter().all(SourceReport::is_sound)
    }

    /// Whether every source keeps the policies that were asked.
    pub fn keeps_policy(&self) -> bool {
        self.sources.iter().all(SourceReport::keeps_policy)
    }

    /// Whether every source could be looked at.
    pub fn is_complete(&self) -> bool {
        self.sources.iter().all(|source| source.could_not_look.is_none())
    }
}

impl SourceReport {
    /// Whether nothing found is an error.
    pub fn is_sound(&self) -> bool {
        self.unlisted.errors == 0
            && self.findings.iter().all(|f| f.severity < Severity::Error)
            && self.files.iter().all(FileReport::is_sound)
    }
}

impl SourceReport {
    /// Whether it keeps the policies that were asked.
    pub fn keeps_policy(&self) -> bool {
        self.policy.as_ref().is_none_or(PolicyReport::is_kept)
    }

    /// All findings: about the source, its files, and the policies.
    pub fn all_findings(&self) -> impl Iterator<Item = &Finding> {
        let files = self.files.iter().flat_map(|file| &file.findings);
        let policy = self.policy.iter().flat_map(|policy| &policy.findings);
        self.findings.iter().chain(files).chain(policy)
    }
}

impl FileReport {
    /// Whether nothing found is an error.
    pub fn is_sound(&self) -> bool {
        self.unlisted.errors == 0 && self.findings.iter().all(|f| f.severity < Severity::Error)
    }
}

impl FileReport {
    /// How many findings of a severity there are, the unlisted ones included where they are known
    /// to be of it: those below an error are counted as warnings.
    pub fn count(&self, severity: Severity) -> u64 {
        let listed = self.findings.iter().filter(|f| f.severity == severity).count() as u64;
        listed
            + match severity {
                Severity::Error => self.unlisted.errors,
                Severity::Warning => self.unlisted.others,
                Severity::Info => 0,
            }
    }
}
