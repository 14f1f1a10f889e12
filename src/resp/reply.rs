//! What a server answers, in the forms of RESP2: maps are flat arrays, doubles are text.

use std::borrow::Cow;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A status such as `OK`.
    Status(&'static str),
    /// An error: its code word and its text.
    Error(Cow<'static, str>),
    /// An integer.
    Int(i64),
    /// A bulk string.
    Bulk(Vec<u8>),
    /// The bulk string that is not there.
    Nil,
    /// The array that is not there.
    NilArray,
    /// An array.
    Array(Vec<Reply>),
}

impl Reply {
    /// The answer to most writes.
    pub const OK: Reply = Reply::Status("OK");

    /// A bulk string of these bytes.
    pub fn bulk(bytes: impl AsRef<[u8]>) -> Reply {
        Reply::Bulk(bytes.as_ref().to_vec())
    }

    /// 1 or 0.
    pub fn flag(flag: bool) -> Reply {
        Reply::Int(i64::from(flag))
    }

    /// A count.
    pub fn count(count: usize) -> Reply {
        Reply::Int(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// An array of bulk strings.
    pub fn bulks<T: AsRef<[u8]>>(items: impl IntoIterator<Item = T>) -> Reply {
        Reply::Array(items.into_iter().map(Reply::bulk).collect())
    }

    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        matches!(self, Reply::Error(_))
    }
}
