//! PLACEHOLDER List

use crate::error::FormatError;
use crate::rdb::{Entry, Limits, Scratch};

/// A List.
#[derive(Debug, Clone, Default)]
pub struct List {}

impl List {
    /// The value of an entry.
    pub fn load(
        entry: &Entry<'_>,
        limits: &Limits,
        scratch: &mut Scratch,
    ) -> Result<Self, Box<FormatError>> {
        let _ = (entry, limits, scratch);
        Ok(List {})
    }
}
