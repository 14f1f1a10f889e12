//! Sorted sets: members must differ, scores be numbers, and blobs be in order.
//!
//! No server looks at the order in a blob, although ranges and ranks rely on it.

use std::cmp::Ordering;

use super::hash::distinct_strings;
use super::packed::{Judged, distinct_tuples, open};
use super::seen::Seen;
use super::{Checker, Halt, Report, Stance, blob};
use crate::error::Fault;
use crate::rdb::ValueType;
use crate::rdb::object::cursor::{Blob, Cursor};
use crate::rdb::object::score::{Score, double_score, elem_score, text_score};
use crate::rdb::object::{Broken, cursor};
use crate::rdb::packed::{Flaw, Listpack, Packed, Ziplist};
use crate::value::Elem;

pub(super) fn check(
    ty: ValueType,
    mut body: Cursor<'_>,
    checker: &mut Checker,
    report: &mut Report<'_>,
) -> Result<(), Halt> {
    let fatal = || Stance::Fatal;
    match ty {
        ValueType::SortedSetZiplist => match blob(&mut body, &mut checker.scratch.blob, report)? {
            Some(blob) => packed::<Ziplist<'_>>(blob, &mut checker.seen, report),
            None => Ok(()),
        },
        ValueType::SortedSetListpack => match blob(&mut body, &mut checker.scratch.blob, report)? {
            Some(blob) => packed::<Listpack<'_>>(blob, &mut checker.seen, report),
            None => Ok(()),
        },
        ValueType::SortedSet2 => distinct_strings(
            body,
            checker,
            report,
            fatal,
            |_, _| Ok(()),
            |body, report| score(body.at(), double_score(body), report),
        ),
        _ => distinct_strings(
            body,
            checker,
            report,
            fatal,
            |_, _| Ok(()),
            |body, report| score(body.at(), text_score(body), report),
        ),
    }
}

/// A score that is none is reported, and the check goes on behind it.
#[inline]
fn score(at: u64, score: Result<Score, Broken>, report: &mut Report<'_>) -> Result<(), Halt> {
    match score {
        Ok(Score { whole: true, .. }) => Ok(()),
        Ok(_) => report.add(at, Fault::ScoreText, Stance::Unnoticed),
        Err(Broken { at, fault: fault @ (Fault::ScoreNan | Fault::ScoreText) }) => {
            report.add(at, fault, Stance::Fatal)
        }
        Err(broken) => Err(broken.into()),
    }
}

#[inline]
fn packed<'s, P: Packed<'s> + Judged>(
    blob: cursor::Blob<'s>,
    seen: &mut Seen,
    report: &mut Report<'_>,
) -> Result<(), Halt> {
    let Some(pack) = open::<P>(blob, report)? else { return Ok(()) };
    let mut last: Option<(f64, Elem<'s>)> = None;
    let mut in_order = true;
    let count = distinct_tuples::<P, 2>(pack, blob, seen, report, |report, tuple| {
        let [member, score] = tuple.elems;
        let score = match elem_score(score) {
            Ok(score) => {
                if !score.whole {
                    unnoticed(report, blob, tuple.offset, Fault::ScoreText)?;
                }
                score.value
            }
            Err(fault @ Fault::ScoreNan) => {
                let flaw = Flaw { at: tuple.offset, fault };
                return report.flaw(blob, flaw, Stance::FatalValkey9_1);
            }
            Err(fault) => return unnoticed(report, blob, tuple.offset, fault),
        };
        if in_order
            && let Some((last_score, last_member)) = last
            && (score < last_score
                || score == last_score && compare(member, last_member) == Ordering::Less)
        {
            in_order = false;
            unnoticed(report, blob, tuple.offset, Fault::ScoreOrder { index: tuple.number })?;
        }
        last = Some((score, member));
        Ok(())
    })?;
    match count {
        Some(0) => report.add(0, Fault::EmptyValue, Stance::Dropped),
        _ => Ok(()),
    }
}

#[cold]
fn unnoticed(report: &mut Report<'_>, blob: Blob<'_>, at: u64, fault: Fault) -> Result<(), Halt> {
    report.flaw(blob, Flaw { at, fault }, Stance::Unnoticed)
}

/// The order of members with one score: by their bytes.
fn compare(a: Elem<'_>, b: Elem<'_>) -> Ordering {
    let (mut a_text, mut b_text) = (itoa::Buffer::new(), itoa::Buffer::new());
    a.bytes(&mut a_text).cmp(b.bytes(&mut b_text))
}
