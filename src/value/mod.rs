//! The logical values, apart from how a snapshot or a log stores them.
//!
//! A decoder hands a value out as a run of [`Item`]s, each borrowed for the length of one call:
//! nothing is collected, so a hash of five million fields costs no more than its largest field.

mod elem;
mod item;
pub(crate) mod slices;

pub use elem::Elem;
pub use item::{Cell, Group, Idempotence, Item, ModuleItem, Pairs, StreamId, StreamInfo};

/// The kind of a value, as TYPE names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A string.
    String,
    /// A list.
    List,
    /// A set.
    Set,
    /// A sorted set.
    SortedSet,
    /// A hash.
    Hash,
    /// A stream.
    Stream,
    /// A value that a module wrote.
    Module,
    /// A sparse array (Redis 8.8 and newer).
    Array,
}

impl Kind {
    /// Every kind, in the order of reports.
    pub const ALL: [Kind; 8] = [
        Kind::String,
        Kind::List,
        Kind::Set,
        Kind::SortedSet,
        Kind::Hash,
        Kind::Stream,
        Kind::Module,
        Kind::Array,
    ];

    /// The word that TYPE answers (for a module value the server answers the module's own name).
    pub fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::List => "list",
            Kind::Set => "set",
            Kind::SortedSet => "zset",
            Kind::Hash => "hash",
            Kind::Stream => "stream",
            Kind::Module => "module",
            Kind::Array => "array",
        }
    }
}
