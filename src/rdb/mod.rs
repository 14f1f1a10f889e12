//! The snapshot format: definitions, reader, check.
