//! Digests of a data set, computed from values: the servers' own and one of ours.
//!
//! [`Accumulator`] computes what DEBUG DIGEST answers, for the server that a [`Profile`] names;
//! [`value_digest`] what DEBUG DIGEST-VALUE answers. Both leave out expiry times, all of a stream
//! but its entries, and functions. [`full`] is our own digest, which covers all that a snapshot
//! holds. Any number of threads can share the work: each fills an accumulator, and the order in
//! which they are merged does not matter.

mod accumulator;
mod array;
mod file_sum;
pub mod full;
mod hex;
mod keyed;
mod profile;
pub mod quick;
mod sum;
#[cfg(test)]
mod tests;
mod value;
mod vector_set;

pub use accumulator::{Accumulator, Digest, Options};
pub use file_sum::FileSum;
pub use hex::Hex;
pub use keyed::{Keyed, Subject};
pub use profile::Profile;
pub use value::{ValueDigest, value_digest, value_digest_at};
