//! What every format leans on: checksums, compression, input, number text, patterns, slots.

pub mod burst;
pub mod crc64;
pub mod distinct;
pub mod glob;
pub mod hash;
pub mod input;
pub mod lzf;
pub mod number;
pub mod prefetch;
pub mod slot;
pub mod take;

mod quoted;
pub(crate) mod room;
pub(crate) mod rooms;
mod sha1;
mod words;

pub use input::{Input, SliceInput};
pub use quoted::{PathName, Quoted, ShownName, is_invisible, quoted, unquoted};
pub(crate) use quoted::{name_bytes, path_of};
pub use sha1::sha1_hex;
pub(crate) use words::split_words;
