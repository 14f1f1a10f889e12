//! Why a command does not do what it says.

use std::borrow::Cow;

use crate::error::FormatError;
use crate::resp::Reply;

/// Why a command does not do what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The error that a server answers; a log goes on behind it.
    Error(Cow<'static, str>),
    /// A value of the base that the command touches is broken.
    Broken(Box<FormatError>),
    /// What this build or this version cannot run, in a sentence.
    Unsupported(String),
}

/// What a command comes to.
pub type Answer<T = Reply> = Result<T, Failure>;

impl Failure {
    /// A key of another kind.
    pub const WRONG_TYPE: Failure =
        Failure::text("WRONGTYPE Operation against a key holding the wrong kind of value");
    /// Words that do not go together.
    pub const SYNTAX: Failure = Failure::text("ERR syntax error");
    /// What is no integer.
    pub const NOT_AN_INTEGER: Failure =
        Failure::text("ERR value is not an integer or out of range");
    /// What is no double.
    pub const NOT_A_FLOAT: Failure = Failure::text("ERR value is not a valid float");
    /// A key that is not there.
    pub const NO_SUCH_KEY: Failure = Failure::text("ERR no such key");
    /// An index that is not there.
    pub const OUT_OF_RANGE: Failure = Failure::text("ERR index out of range");

    /// An error of these words.
    pub const fn text(words: &'static str) -> Failure {
        Failure::Error(Cow::Borrowed(words))
    }

    /// An error whose words are made for the occasion.
    #[cold]
    pub fn said(words: impl Into<String>) -> Failure {
        Failure::Error(Cow::Owned(words.into()))
    }
}

impl From<Box<FormatError>> for Failure {
    #[cold]
    fn from(error: Box<FormatError>) -> Self {
        Failure::Broken(error)
    }
}
