//! One function per verb: what the command line calls, and what a program may call.

mod before;
mod behind;
mod clock;
mod encoding;
mod filtered;
mod items;
mod names;
mod ndjson;
mod once;
mod parts;
#[cfg(feature = "live")]
mod silences;
mod snapshot;
mod sorted;
mod sound;
mod sources;

pub mod anonymize;
#[cfg(feature = "live")]
pub mod backup;
pub mod check;
pub mod compact;
pub mod convert;
pub mod diff;
pub mod digest;
pub mod export;
pub mod filter;
pub mod get;
pub mod history;
pub mod inspect;
pub mod keys;
#[cfg(feature = "live")]
pub mod load;
pub mod memory;
pub mod merge;
pub mod repair;
pub mod replay;
pub mod rewrite;
pub mod run;
pub mod split;
pub mod walk;
pub mod watch;

pub use encoding::{encoding, encodings};
pub use snapshot::{Ended, Ran};
pub use sources::sources_of;
