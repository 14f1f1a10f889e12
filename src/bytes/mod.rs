//! What every format leans on: checksums, compression, number text, patterns, slots.

pub mod crc64;
pub mod distinct;
pub mod hash;
pub mod input;
pub mod lzf;
pub mod take;

mod quoted;

pub use quoted::{Quoted, quoted};
