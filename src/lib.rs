//! rdbkit reads the files in which Redis and Valkey keep their data: RDB snapshots, append-only
//! files and the directories of multi-part logs.
//!
//! # Where to start
//!
//! [`ops`] has one function per verb of the command line, from an opened source to a report:
//! [`ops::check`], [`ops::inspect`], [`ops::keys`], [`ops::get`], [`ops::digest`],
//! [`ops::convert`]. A report is a struct with public fields; [`report`] writes it as text, JSON or
//! CSV.
//!
//! ```
//! use rdbkit::ops::check::{CheckOptions, check_source};
//! use rdbkit::ops::walk::Silent;
//! use rdbkit::source::{Locator, OpenOptions, open};
//!
//! # fn main() -> rdbkit::Result<()> {
//! let source = open(&Locator::from("fixtures/broken/duplicate-key.rdb"), &OpenOptions::default())?;
//! let report = check_source(source, &CheckOptions::default(), &Silent)?;
//! for file in &report.files {
//!     for finding in &file.findings {
//!         println!("{} at {:?}: {}", finding.code, finding.offset, finding.found);
//!     }
//! }
//! assert!(!report.is_sound());
//! # Ok(())
//! # }
//! ```
//!
//! [`rdb`] and [`aof`] are the formats themselves: functions over `&[u8]` that do no I/O. An
//! [`rdb::Snapshot`] hands out an [`rdb::Entry`] per key, a view that borrows the bytes and answers
//! as deep as it is asked: [`body`](rdb::Entry::body) is the serialized value as it lies there,
//! [`shape`](rdb::Entry::shape) its kind and number of elements from headers alone,
//! [`visit`](rdb::Entry::visit) every element, one at a time.
//!
//! ```
//! use std::ops::ControlFlow;
//!
//! use rdbkit::bytes::quoted;
//! use rdbkit::rdb::{Scratch, Snapshot};
//! use rdbkit::value::Item;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let bytes = std::fs::read("fixtures/valkey-9.1.2-hash-field-ttl.rdb")?;
//! let mut scratch = Scratch::default();
//! let mut fields = 0;
//! for entry in Snapshot::new(&bytes)?.entries() {
//!     let entry = entry?;
//!     let shape = entry.shape()?;
//!     println!("{} {} ({})", quoted(&entry.key_bytes()?), shape.kind.name(), shape.encoding);
//!     entry.visit(&mut scratch, |item| {
//!         if let Item::Field { expires_at_ms: Some(at), .. } = item {
//!             println!("  a field that expires at {at}");
//!             fields += 1;
//!         }
//!         ControlFlow::Continue(())
//!     })?;
//! }
//! assert_eq!(fields, 4);
//! # Ok(())
//! # }
//! ```
//!
//! # What is where
//!
//! Floors, each of which knows only those below it:
//!
//! | | |
//! | --- | --- |
//! | [`ops`] | a function per verb; [`ops::walk`] reads a snapshot once, on all cores |
//! | [`report`] | what the verbs found, as structs, and the forms these are written in |
//! | [`source`] | where bytes come from: a mapped file, a pipe, a decompressor; what they are |
//! | [`engine`] | a keyspace that runs the commands of a log |
//! | [`target`] | where bytes go: files and directories that appear as a whole or not at all |
//! | `live` | live servers: URLs, connections, who answers, what can go wrong |
//! | [`memory`] | what keys would take in a server's memory |
//! | [`digest`] | DEBUG DIGEST of the servers, and a digest of all that a snapshot holds |
//! | [`rdb`], [`aof`] | the formats |
//! | [`value`], [`resp`] | what a value consists of; commands as they go over the wire |
//! | [`bytes`], [`error`](mod@error), [`finding`] | CRC-64, LZF, globs, slots; what can be wrong, and where |
//!
//! # What holds everywhere
//!
//! Whatever a file contains ends in `Ok` or [`Error`]: no panic, no endless loop, and no allocation
//! by a length that the file only claims. Keys and values are bytes, offsets count from the start of
//! the uncompressed data, times are unix time in the unit that the name says. Nothing here prints.
//!
//! # Features
//!
//! `cli` (the program and the screens), `live` (servers over the network), `simd-crc` (CRC-64 by carry-less multiplication) and
//! `mimalloc` (the program's allocator) are on by default. The library needs none of them.

pub mod aof;
pub mod bytes;
pub mod digest;
pub mod engine;
pub mod error;
mod fault;
pub mod finding;
#[cfg(feature = "live")]
pub mod live;
pub mod memory;
pub mod ops;
pub mod rdb;
pub mod report;
pub mod resp;
pub mod source;
pub mod target;
pub mod value;

pub use error::{Error, Result};

/// The example in the README runs as well.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
