//! rdbkit reads the files in which Redis and Valkey keep their data.
//!
//! Floors, each of which knows only those below it:
//! [`ops`] (one function per verb) → [`report`], [`source`] → [`digest`] → [`rdb`], [`aof`] →
//! [`value`], [`resp`] → [`bytes`], [`error`](mod@error), [`finding`].

pub mod aof;
pub mod bytes;
pub mod digest;
pub mod error;
mod fault;
pub mod finding;
pub mod ops;
pub mod rdb;
pub mod report;
pub mod resp;
pub mod source;
pub mod value;

pub use error::{Error, Result};
