//! What a check found.
