//! The log format: commands, annotations, manifests, directories.
//!
//! ```text
//! directory, manifest   which files are the parts of a log, and in which order they are loaded
//! membership            whether a file is a part of a log in several files
//! history               lines of a manifest that cannot mean what they say
//! log, annotation       one item out of the bytes at hand
//! walk                  all items of one log, through any window; notes incidents
//! scan                  the same for a log that is all there, on several threads
//! check                 incidents put into words
//! stats                 what a log is made of
//! names                 names of commands that no server has
//! ```
//!
//! All of it is about frames, transactions and names. What commands mean is not looked at here. The
//! snapshot that a log may begin with is read elsewhere: here a log begins at the offset that the
//! caller gives.

pub mod annotation;
pub mod check;
pub mod directory;
pub(crate) mod history;
pub mod incident;
pub mod log;
pub mod manifest;
pub mod membership;
pub mod names;
pub mod scan;
pub mod stats;
mod transaction;
pub mod walk;
pub mod write;

pub use annotation::Annotation;
pub use check::{LogCheck, Place, WholeLog, check_input, check_slice, judge, whole};
pub use directory::{Directory, Layout, Part, survey, survey_manifest};
pub use incident::{Incident, IncidentKind, Incidents};
pub use log::LogItem;
pub use manifest::{Manifest, PartType};
pub use membership::{Membership, membership};
pub use names::{UnknownName, UnknownNames};
pub use scan::{ScanOptions, scan};
pub use stats::LogStats;
pub(crate) use transaction::is_database;
pub use transaction::{LogCounts, Transaction};
pub use walk::{LogOutcome, LogTally, Walk};

#[cfg(test)]
mod tests;
