//! Refuses what no server would load, before it is made into something that looks sound.
//!
//! Values are copied as they lie, so one that is broken inside would go from file to file with a
//! checksum that fits. Each is looked at once, on the way of a walk that is done anyway.

use std::borrow::Cow;

use crate::error::{Doing, Fault, FormatError, Result};
use crate::rdb::object::{Checker, Problem, Stance};
use crate::rdb::{Entry, Product, Target, Text};

/// Whether a problem inside a value is one that a sanitizing load refuses, or that takes the
/// value away, whatever the version.
pub(super) fn is_fatal(problem: &Problem<'_>) -> bool {
    match problem.stance {
        Stance::Fatal | Stance::FatalSince7 | Stance::DeepOnly => true,
        Stance::Dropped => !is_harmless(problem),
        _ => false,
    }
}

/// Servers load it, and nothing is lost by it.
pub(super) fn is_harmless(problem: &Problem<'_>) -> bool {
    matches!(problem.fault, Fault::ListNodeEmpty | Fault::ArrayOrder { .. })
}

/// Whether this server refuses the value, or loses it, when it sanitizes what it loads.
fn is_refused(problem: &Problem<'_>, taker: &Target) -> bool {
    let redis_8_10 = taker.since((8, 10));
    let valkey_9_1 = taker.product == Product::Valkey && taker.version >= (9, 1);
    match problem.stance {
        Stance::FatalNewest => redis_8_10 || valkey_9_1,
        Stance::FatalSince8_10 => redis_8_10,
        Stance::FatalValkey9_1 => valkey_9_1,
        _ => is_fatal(problem),
    }
}

/// Fails where `taker` would not load the value. A [plain string](crate::rdb::Framer::plain_string)
/// need not be asked about.
#[inline]
pub(super) fn value(checker: &mut Checker, entry: &Entry<'_>, taker: &Target) -> Result<()> {
    match refused(checker, entry, taker)? {
        Some((at, fault)) => Err(entry.error(at, fault).into()),
        None => Ok(()),
    }
}

/// Why `taker` would not load the value, and at which of its bytes.
#[inline]
pub(super) fn refused(
    checker: &mut Checker,
    entry: &Entry<'_>,
    taker: &Target,
) -> Result<Option<(u64, Fault)>> {
    let mut look = |entry: &Entry<'_>| -> Result<Option<(u64, Fault)>> {
        let mut refused = None;
        checker.check(entry, &mut |problem| {
            if refused.is_none() && is_refused(&problem, taker) {
                refused = Some((problem.at, problem.fault));
            }
        })?;
        Ok(refused)
    };
    match look(entry)? {
        // Its place is one of the file.
        Some(_) => look(&entry.lying()),
        None => Ok(None),
    }
}

/// The bytes of a text of the record that begins at `offset`.
pub(super) fn text<'a>(text: &Text<'a>, name: &'static str, offset: u64) -> Result<Cow<'a, [u8]>> {
    text.to_cow().map_err(|fault| {
        let doing = Doing::Record(name);
        Box::new(FormatError { file: None, offset, doing, key: None, fault }).into()
    })
}
