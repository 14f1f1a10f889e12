//! What of a hash is seen by those to whom expired fields are hidden: a Redis that loads its log
//! keeps them, and takes them for absent.
//!
//! All of it takes the time before which expired fields are hidden, if any are.

use super::{Fields, Form, Hash};
use crate::value::Elem;

impl Hash {
    /// The value of a field that is seen.
    #[inline]
    pub fn seen(&self, field: &[u8], hidden_before_ms: Option<i64>) -> Option<Elem<'_>> {
        self.get(field).filter(|_| !self.hides(field, hidden_before_ms))
    }

    /// The expiry of a field that is seen, as [`Hash::expiry`] has it.
    pub fn seen_expiry(&self, field: &[u8], hidden_before_ms: Option<i64>) -> Option<Option<i64>> {
        self.expiry(field).filter(|at_ms| !is_hidden(*at_ms, hidden_before_ms))
    }

    /// The fields that are seen.
    pub fn seen_fields(
        &self,
        hidden_before_ms: Option<i64>,
    ) -> impl Iterator<Item = <Fields<'_> as Iterator>::Item> {
        self.iter().filter(move |(_, _, at_ms)| !is_hidden(*at_ms, hidden_before_ms))
    }

    /// Whether a field that is there is hidden.
    #[inline]
    pub fn hides(&self, field: &[u8], hidden_before_ms: Option<i64>) -> bool {
        // Hardly any hash has expiries, and then nothing is looked for twice.
        !matches!(self.form, Form::Pairs(_))
            && hidden_before_ms.is_some()
            && is_hidden(self.expiry(field).flatten(), hidden_before_ms)
    }
}

/// Whether a field with this expiry is hidden.
#[inline]
pub(crate) fn is_hidden(at_ms: Option<i64>, hidden_before_ms: Option<i64>) -> bool {
    matches!((at_ms, hidden_before_ms), (Some(at_ms), Some(now_ms)) if at_ms < now_ms)
}
