//! What a check found: one broken or doubtful thing, where it is, and what a server makes of it.

use crate::error::{Fault, FormatError};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Loads, but somebody should look.
    Warning,
    /// Not sound: a server refuses it, loses data over it, or a sanitizing load rejects it.
    Error,
}

impl Severity {
    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// One finding of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The stable name of the rule ([`Fault::code`], or a name of the check's own).
    pub code: &'static str,
    /// The file, as the source names it; of a directory, the part. Empty until the source is known.
    pub file: String,
    /// Where, in the uncompressed bytes of that file.
    pub offset: Option<u64>,
    /// The database, where a key is concerned.
    pub db: Option<u64>,
    /// The key, where one is concerned.
    pub key: Option<Vec<u8>>,
    /// What was being read: the encoding of the value, the record, the command.
    pub doing: String,
    /// What the rule asks for.
    pub expected: String,
    /// What is there.
    pub found: String,
    /// What a server does with it.
    pub server: &'static str,
    /// What to do about it.
    pub advice: &'static str,
}

impl Finding {
    /// A finding out of a broken rule; the words about servers are added by the check that knows.
    pub fn of(severity: Severity, error: &FormatError) -> Self {
        Finding {
            severity,
            code: error.fault.code(),
            file: error.file.clone().unwrap_or_default(),
            offset: Some(error.offset),
            db: None,
            key: error.key.clone(),
            doing: error.doing.to_string(),
            expected: error.fault.expected(),
            found: error.fault.found(),
            server: "",
            advice: "",
        }
    }

    /// Adds what a server does with it, and what to do about it.
    #[must_use]
    pub fn explained(mut self, server: &'static str, advice: &'static str) -> Self {
        self.server = server;
        self.advice = advice;
        self
    }

    /// Whether it is about this rule.
    pub fn is(&self, fault: &Fault) -> bool {
        self.code == fault.code()
    }
}
