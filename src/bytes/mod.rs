//! What every format leans on: checksums, compression, number text, patterns, slots.

pub mod crc64;
pub mod input;
pub mod lzf;
pub mod take;

mod quoted;

pub use input::{Input, SliceInput};
pub use quoted::{Quoted, quoted};
