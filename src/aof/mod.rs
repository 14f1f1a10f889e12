//! The log format: commands, annotations, manifests, directories.
