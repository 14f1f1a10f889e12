//! The snapshot format: definitions, reader, check.
//!
//! ```text
//! magic and version (9)   { record }*   0xFF   checksum u64 LE (version 5 and newer)
//! ```
//!
//! [`Framer`] cuts bytes into [`Record`]s without decoding them; an [`Entry`] is one key, and
//! answers at the depth it is asked: [`Entry::body`] the raw bytes, [`Entry::shape`] what kind it
//! is and how large, [`Entry::visit`] every element. [`write`](mod@write) is the other direction.

mod claim;
mod damage;
mod dump;
mod entry;
mod frame;
mod framer;
mod function;
mod header;
mod length;
mod limits;
mod module_id;
mod record;
mod slot_info;
mod target;
mod template;
mod text;
mod value_type;

pub mod object;
pub mod opcode;
pub mod packed;
pub mod write;

pub use claim::Claim;
pub use damage::Damage;
pub use dump::Dump;
pub use entry::{Entry, Eviction};
pub use framer::{Framer, NAMED_BYTES, Step};
pub(crate) use function::LibraryHead;
pub use header::{Family, HEADER_BYTES, Header, NEWEST_REDIS, NEWEST_VALKEY};
pub use length::{Length, length, length_or_special};
pub use limits::Limits;
pub use module_id::ModuleId;
pub use object::{Scratch, Shape};
pub use record::{Record, Records, Snapshot};
pub(crate) use slot_info::{is_slot_info, reads_as_slot_info};
pub use target::{Product, Target};
pub use template::Template;
pub use text::{LZF_STRING, Text};
pub use value_type::ValueType;
