//! Bytes on their way into a file, under zstd or gzip where that is wanted.

use std::fmt;
use std::io::{self, Write};

use flate2::write::GzEncoder;

/// How an output is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Zstandard, with a checksum of the content.
    Zstd,
    /// gzip.
    Gzip,
}

impl Packing {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Packing::Zstd => "zstd",
            Packing::Gzip => "gzip",
        }
    }

    /// What is added to the name of a file.
    pub fn suffix(self) -> &'static str {
        match self {
            Packing::Zstd => ".zst",
            Packing::Gzip => ".gz",
        }
    }
}

/// A writer that compresses, or passes on.
pub enum Packer<'w, W: Write> {
    /// As it comes.
    Plain(W),
    /// As one frame.
    Zstd(zstd::stream::write::Encoder<'w, W>),
    /// As one member.
    Gzip(GzEncoder<W>),
}

impl<W: Write> Packer<'_, W> {
    /// A writer in front of `to`.
    pub fn new(to: W, packing: Option<Packing>) -> io::Result<Self> {
        Ok(match packing {
            None => Packer::Plain(to),
            Some(Packing::Gzip) => Packer::Gzip(GzEncoder::new(to, flate2::Compression::default())),
            Some(Packing::Zstd) => {
                let mut encoder = zstd::stream::write::Encoder::new(to, 0)?;
                encoder.include_checksum(true)?;
                Packer::Zstd(encoder)
            }
        })
    }

    /// Writes what is left; without it the output is cut.
    pub fn finish(self) -> io::Result<W> {
        match self {
            Packer::Plain(to) => Ok(to),
            Packer::Zstd(encoder) => encoder.finish(),
            Packer::Gzip(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Packer<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Packer::Plain(to) => to.write(bytes),
            Packer::Zstd(encoder) => encoder.write(bytes),
            Packer::Gzip(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Packer::Plain(to) => to.flush(),
            Packer::Zstd(encoder) => encoder.flush(),
            Packer::Gzip(encoder) => encoder.flush(),
        }
    }
}

impl<W: Write> fmt::Debug for Packer<'_, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Packer::Plain(_) => "Plain",
            Packer::Zstd(_) => "Zstd",
            Packer::Gzip(_) => "Gzip",
        })
    }
}
