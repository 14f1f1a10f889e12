//! When a server packs a value.

use super::ValueType;

/// When a server packs a collection, and how large it lets a node grow: its default limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Fields of a packed hash.
    pub hash_entries: usize,
    /// Bytes of a field or value in a packed hash.
    pub hash_value: usize,
    /// Members of a packed sorted set.
    pub zset_entries: usize,
    /// Bytes of a member in a packed sorted set.
    pub zset_value: usize,
    /// Members of a set of integers.
    pub intset_entries: usize,
    /// Members of a packed set; none where the target has no such form.
    pub set_entries: usize,
    /// Bytes of a member in a packed set.
    pub set_value: usize,
    /// `list-max-listpack-size`: bytes of a node as −1 (4 KiB) to −5 (64 KiB), or elements.
    pub list_node: i64,
    /// Whether an element that is larger than a node may be stands alone, without a listpack
    /// around it.
    pub list_plain: bool,
    /// Bytes of a stream's node.
    pub stream_node_bytes: usize,
    /// Entries of a stream's node.
    pub stream_node_entries: usize,
    /// Bytes of a sparse HyperLogLog.
    pub hll_sparse_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            hash_entries: 512,
            hash_value: 64,
            zset_entries: 128,
            zset_value: 64,
            intset_entries: 512,
            set_entries: 128,
            set_value: 64,
            list_node: -2,
            list_plain: true,
            stream_node_bytes: 4096,
            stream_node_entries: 100,
            hll_sparse_bytes: 3000,
        }
    }
}

impl Limits {
    /// Whether a list node may hold so many bytes in so many elements.
    pub fn list_node_fits(&self, bytes: usize, elements: usize) -> bool {
        match self.list_node {
            most @ 1.. => elements as u64 <= most as u64 && bytes <= 8192,
            // What is below −5 is −5, and 0 is one element.
            0 => elements <= 1 && bytes <= 8192,
            class => bytes <= 4096 << (class.unsigned_abs().min(5) - 1),
        }
    }

    /// Those by which a value of this type stays as it is: packed, however large it is, or not
    /// packed, however small.
    #[must_use]
    pub fn keeping(self, value_type: ValueType) -> Limits {
        use ValueType::*;
        let (packed, ints) = match value_type {
            // For a server without templates, which packs by its limits what it loads.
            HashTemplateListpack
            | HashTemplateListpackDump
            | HashTemplateArray
            | HashTemplateArrayDump => return self,
            SetIntset => (usize::MAX, usize::MAX),
            SetListpack | HashZipmap | HashZiplist | HashListpack | HashListpackEx
            | HashListpackExPreGa | SortedSetZiplist | SortedSetListpack => (usize::MAX, 0),
            _ => (0, 0),
        };
        Limits {
            hash_entries: packed,
            hash_value: packed,
            zset_entries: packed,
            zset_value: packed,
            intset_entries: ints,
            set_entries: packed,
            set_value: packed,
            ..self
        }
    }
}
