//! PLACEHOLDER Stream

use crate::error::FormatError;
use crate::rdb::{Entry, Limits, Scratch};

/// A Stream.
#[derive(Debug, Clone, Default)]
pub struct Stream {}

impl Stream {
    /// The value of an entry.
    pub fn load(
        entry: &Entry<'_>,
        limits: &Limits,
        scratch: &mut Scratch,
    ) -> Result<Self, Box<FormatError>> {
        let _ = (entry, limits, scratch);
        Ok(Stream {})
    }
}
