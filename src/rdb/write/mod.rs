//! The writer: values in the types and encodings that a target server would choose, and the
//! records around them.
//!
//! One function per kind appends a value's body to a [`Sink`] and says which type it has become;
//! [`entry`] does the same for a key of another snapshot, copying what the target takes as it
//! is. [`SnapshotWriter`] puts keys into a file. What a target cannot hold is a [`Loss`].

mod array;
mod collect;
mod dump;
mod entry;
mod hash;
mod list;
mod living;
mod loss;
mod module;
mod repacked;
mod set;
mod sink;
mod snapshot;
mod sorted_set;
mod stays;
mod stream;
mod string;
mod template;
mod vector_set;

pub use array::array;
pub use dump::{dump, payload};
pub use entry::{Body, EntryRoom, can_hold, entry, entry_anew};
pub use hash::{hash, hash_that_expired};
pub use list::{ListNode, list, list_nodes};
pub use living::{Living, LivingRoom};
pub use loss::Loss;
pub(crate) use module::is_vector_set;
pub use module::module;
pub use set::{set, set_of_integers};
pub use sink::Sink;
pub use snapshot::{EntryHead, SnapshotWriter};
pub use sorted_set::sorted_set;
pub use stays::stays;
pub use stream::{
    ConsumerParts, GroupParts, PendingEntry, ProducerParts, StreamNodes, StreamParts,
    entries_read_by_old_groups, stream,
};
pub use string::{string, string_elem};
pub use template::template_hash;
pub(crate) use vector_set::oldest_node;
pub use vector_set::{VectorSetHead, VectorSetLinks, VectorSetNode, VectorSetWriter};

#[cfg(test)]
mod tests;
