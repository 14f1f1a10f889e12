//! The log format: commands, annotations, manifests, directories.

pub mod annotation;
pub mod check;
pub mod directory;
pub mod incident;
pub mod log;
pub mod manifest;
pub mod scan;
pub mod stats;
mod transaction;
pub mod walk;

pub use annotation::Annotation;
pub use check::{LogCheck, Place, WholeLog, check_input, check_slice, judge, whole};
pub use directory::{Directory, Layout, Part, survey};
pub use incident::{Incident, IncidentKind, Incidents};
pub use log::LogItem;
pub use manifest::{Manifest, PartType};
pub use scan::{ScanOptions, scan};
pub use stats::LogStats;
pub use transaction::{LogCounts, Transaction};
pub use walk::{LogOutcome, LogTally, Walk};

#[cfg(test)]
mod tests;
