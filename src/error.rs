//! What can go wrong, said so that it can be found in a hex dump.
//!
//! Who is to blame: the plumbing ([`Error::Io`]), the bytes ([`Error::Format`]), what they say
//! ([`Error::Source`]), a limit ([`Error::Limit`]) or the call ([`Error::Usage`]). A parser does not know absolute offsets:
//! it keeps the slice where things went wrong ([`Bad`]), and the reader that owns the buffer
//! turns that into an offset.

use std::{fmt, io};

use nom::error::{ErrorKind, ParseError};

pub use crate::fault::Fault;

/// The result of everything public that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure, with the file it happened in where one is known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Reading or writing failed. The bytes are not accused.
    #[error("{what}: {cause}")]
    Io {
        /// What was being done, to which file.
        what: String,
        /// The operating system's answer.
        #[source]
        cause: io::Error,
    },
    /// The bytes break the format.
    #[error(transparent)]
    Format(#[from] Box<FormatError>),
    /// The bytes ask for more than the caller allows.
    #[error("{what} asks for {asked}, the limit is {allowed}")]
    Limit {
        /// Which limit.
        what: String,
        /// What the bytes ask for.
        asked: u64,
        /// What the caller allows.
        allowed: u64,
    },
    /// What the source holds stands in the way, though no rule of a format is broken there: it is
    /// something else than was expected, not complete, or holds what cannot be run.
    #[error("{0}")]
    Source(String),
    /// The call does not fit what is there, or asks for what this build does not do.
    #[error("{0}")]
    Usage(String),
}

impl Error {
    /// An I/O failure while doing `what` (a phrase that names the file).
    pub fn io(what: impl Into<String>, cause: io::Error) -> Self {
        Error::Io { what: what.into(), cause }
    }

    /// Names the file in a format error that does not name one yet.
    #[must_use]
    pub fn in_file(self, name: &str) -> Self {
        match self {
            Error::Format(mut error) => {
                error.file.get_or_insert_with(|| name.to_owned());
                Error::Format(error)
            }
            other => other,
        }
    }
}

/// A broken rule, with everything needed to find it in a hex dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatError {
    /// The file, where the reader was told its name.
    pub file: Option<String>,
    /// Absolute, in the uncompressed stream.
    pub offset: u64,
    /// What was being read.
    pub doing: Doing,
    /// The key being read, when there was one.
    pub key: Option<Vec<u8>>,
    /// The rule that was broken.
    pub fault: Fault,
}

impl std::error::Error for FormatError {}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}: ")?;
        }
        write!(f, "offset {}: {} while reading {}", self.offset, self.fault, self.doing)?;
        if let Some(key) = &self.key {
            write!(f, " of key {}", crate::bytes::quoted(key))?;
        }
        Ok(())
    }
}

/// What a reader was doing when a rule broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doing {
    /// The nine bytes of magic and version.
    Header,
    /// An opcode or a type byte.
    Opcode,
    /// The payload of a named opcode.
    Record(&'static str),
    /// The key of an entry.
    Key,
    /// The value of an entry, by the name of its encoding on disk.
    Value(&'static str),
    /// The checksum behind the end marker.
    Checksum,
    /// The version and checksum behind a DUMP payload.
    DumpFooter,
    /// A command of a log.
    Command,
    /// An annotation line of a log.
    Annotation,
    /// A line of a manifest.
    Manifest,
    /// The frame of a compressed source.
    Compression,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doing::Header => f.write_str("the file header"),
            Doing::Opcode => f.write_str("an opcode"),
            Doing::Record(name) => write!(f, "the {name} record"),
            Doing::Key => f.write_str("a key"),
            Doing::Value(encoding) => write!(f, "the {encoding} value"),
            Doing::Checksum => f.write_str("the checksum"),
            Doing::DumpFooter => f.write_str("the DUMP footer"),
            Doing::Command => f.write_str("a command"),
            Doing::Annotation => f.write_str("an annotation"),
            Doing::Manifest => f.write_str("the manifest"),
            Doing::Compression => f.write_str("the compressed stream"),
        }
    }
}

/// What a parser returns: the input left and the value, or the fault and where it was seen.
pub type Parsed<'a, T> = nom::IResult<&'a [u8], T, Bad<'a>>;

/// A fault and the input left when it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bad<'a> {
    /// The input from where the fault was seen.
    pub at: &'a [u8],
    /// The rule that was broken.
    pub fault: Fault,
}

impl<'a> ParseError<&'a [u8]> for Bad<'a> {
    // Bare nom parsers here only take bytes, so all they can do is run out.
    fn from_error_kind(at: &'a [u8], _: ErrorKind) -> Self {
        Bad { at, fault: Fault::Truncated { need: 0, have: at.len() as u64 } }
    }

    fn append(_: &'a [u8], _: ErrorKind, inner: Self) -> Self {
        inner
    }
}

/// Fails at `at` with `fault`.
#[cold]
pub fn bad<T>(at: &[u8], fault: Fault) -> Parsed<'_, T> {
    Err(nom::Err::Error(Bad { at, fault }))
}

/// The fault inside a nom error; `Incomplete` cannot come from the complete parsers used here.
pub fn unwrap_bad(error: nom::Err<Bad<'_>>) -> Bad<'_> {
    match error {
        nom::Err::Error(bad) | nom::Err::Failure(bad) => bad,
        nom::Err::Incomplete(_) => Bad { at: &[], fault: Fault::Truncated { need: 0, have: 0 } },
    }
}
