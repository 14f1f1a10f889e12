//! PLACEHOLDER Hash

use crate::error::FormatError;
use crate::rdb::{Entry, Limits, Scratch};

/// A Hash.
#[derive(Debug, Clone, Default)]
pub struct Hash {}

impl Hash {
    /// The value of an entry.
    pub fn load(
        entry: &Entry<'_>,
        limits: &Limits,
        scratch: &mut Scratch,
    ) -> Result<Self, Box<FormatError>> {
        let _ = (entry, limits, scratch);
        Ok(Hash {})
    }
}
