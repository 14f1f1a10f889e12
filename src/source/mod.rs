//! Where bytes come from: files, directories, pipes, compressed streams.
