//! Progress through the parts of a log: each is read from its own offset 0, and the whole goes on.

use super::walk::Observer;
use crate::aof::Part;

/// Tells an observer of the whole about one part of it.
pub(super) struct Behind<'o> {
    whole: &'o dyn Observer,
    before_bytes: u64,
}

impl<'o> Behind<'o> {
    /// For the part that stands behind these.
    pub(super) fn parts(whole: &'o dyn Observer, before: Option<&[Part]>) -> Self {
        let sizes = before.unwrap_or_default().iter().filter_map(|part| part.size_bytes);
        Behind { whole, before_bytes: sizes.sum() }
    }

    /// For what is read when so many bytes have been.
    pub(super) fn bytes(whole: &'o dyn Observer, before_bytes: u64) -> Self {
        Behind { whole, before_bytes }
    }
}

impl Observer for Behind<'_> {
    fn progress(&self, bytes_done: u64) {
        self.whole.progress(self.before_bytes.saturating_add(bytes_done));
    }

    fn waiting(&self, why: &str) {
        self.whole.waiting(why);
    }

    fn goes_on(&self) {
        self.whole.goes_on();
    }
}
