//! One command on its way: its arguments, the keys it works on, and the world around.

use super::keys::Keys;
use super::{Answer, Env, Failure};
use crate::bytes::number::{integer, parse_double};

/// A command that is being run.
#[derive(Debug)]
pub struct Call<'c> {
    /// The name, then the arguments.
    pub args: &'c [&'c [u8]],
    /// The keys of the selected database.
    pub keys: Keys<'c>,
    /// Everything else.
    pub env: &'c mut Env,
}

impl<'c> Call<'c> {
    /// The argument at a place; the name is at 0. Empty where there is none, which the arity
    /// has ruled out.
    #[inline]
    pub fn arg(&self, index: usize) -> &'c [u8] {
        self.args.get(index).copied().unwrap_or_default()
    }

    /// The arguments from a place on.
    #[inline]
    pub fn rest(&self, from: usize) -> &'c [&'c [u8]] {
        self.args.get(from..).unwrap_or_default()
    }

    /// How many arguments there are, the name included.
    #[inline]
    pub fn argc(&self) -> usize {
        self.args.len()
    }

    /// An argument as an integer.
    #[inline]
    pub fn int(&self, index: usize) -> Answer<i64> {
        int(self.arg(index))
    }

    /// An argument as a double.
    pub fn float(&self, index: usize) -> Answer<f64> {
        float(self.arg(index))
    }

    /// Whether an argument is a word, in any case.
    pub fn is(&self, index: usize, word: &str) -> bool {
        is(self.arg(index), word)
    }
}

/// An argument as an integer.
#[inline]
pub(in crate::engine) fn int(arg: &[u8]) -> Answer<i64> {
    integer(arg).ok_or(Failure::NOT_AN_INTEGER)
}

/// An argument as a double that is a number.
pub(in crate::engine) fn float(arg: &[u8]) -> Answer<f64> {
    parse_double(arg).filter(|n| !n.is_nan()).ok_or(Failure::NOT_A_FLOAT)
}

/// Whether an argument is a word, in any case.
#[inline]
pub(in crate::engine) fn is(arg: &[u8], word: &str) -> bool {
    arg.eq_ignore_ascii_case(word.as_bytes())
}
