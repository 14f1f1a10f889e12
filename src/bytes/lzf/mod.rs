//! LZF, the compression inside snapshots.
//!
//! ```text
//! 000LLLLL                     L+1 literal bytes follow
//! LLLooooo [LLLLLLLL] oooooooo  copy from o+1 bytes back; L+2 bytes, the middle byte only for L = 7
//! ```
//!
//! A copy may overlap its own output. Any stream of such tokens unpacks; the one that servers
//! write is what [`Compressor`] makes, byte for byte.

mod compress;
mod decompress;

pub use compress::Compressor;
pub use decompress::{decompress, decompress_into, prefix, validate};
