//! Templates: field names that many hashes share (Redis 8.10).

/// The field names of a template, in the order of the values of its hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The id that hashes refer to, unique in a file.
    pub id: u64,
    /// The names, ascending by length, then bytes.
    pub names: Vec<Box<[u8]>>,
}
