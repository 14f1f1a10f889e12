//! What the verbs say: structs first, then the forms they are written in.
//!
//! One room per report holds its struct (which is its JSON, too) and its text for a terminal;
//! [`json`], [`text`] and [`csv`] hold what they share. Nothing here reads a source, and nothing
//! writes anywhere but into the writer that it is handed.

pub mod anonymize;
pub mod backup;
pub mod check;
pub mod compact;
pub mod convert;
pub mod csv;
pub mod diff;
pub mod digest;
pub mod export;
pub mod failures;
pub mod filtered;
pub mod get;
pub mod history;
pub mod inspect;
pub mod json;
pub mod keys;
pub mod load;
pub mod losses;
pub mod merge;
pub mod metrics;
pub mod repair;
pub mod replay;
pub mod rewrite;
mod short;
pub mod split;
#[cfg(feature = "cli")]
pub mod table;
pub mod text;
mod value_json;
pub mod watch;
mod wide;
