//! DEBUG DIGEST, computed from values.
