//! What every format leans on: checksums, compression, number text, patterns, slots.

pub mod crc64;
pub mod glob;
pub mod lzf;
pub mod number;
pub mod slot;
pub mod take;

mod quoted;

pub use quoted::{Quoted, quoted};
