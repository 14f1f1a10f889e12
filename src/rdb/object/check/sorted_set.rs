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
use crate::rdb::object::cursor::Cursor;
use crate::rdb::object::score::{Score, double_score, elem_score, text_score};
use crate::rdb::object::{Broken, cursor};
use crate::rdb::packed::{Listpack, Packed, Ziplist};
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
            |body, report| score(&body.clone(), double_score(body), report),
        ),
        _ => distinct_strings(
            body,
            checker,
            report,
            fatal,
            |_, _| Ok(()),
            |body, report| score(&body.clone(), text_score(body), report),
        ),
    }
}

/// A score that is none is reported, and the check goes on behind it.
#[inline]
fn score(
    start: &Cursor<'_>,
    score: Result<Score, Broken>,
    report: &mut Report<'_>,
) -> Result<(), Halt> {
    match score {
        Ok(Score { whole: true, .. }) => Ok(()),
        Ok(_) => wrong_text(start, Stance::Unnoticed, report),
        Err(Broken { fault: Fault::ScoreText, .. }) => wrong_text(start, Stance::Fatal, report),
        Err(Broken { at, fault: fault @ Fault::ScoreNan }) => report.add(at, fault, Stance::Fatal),
        Err(broken) => Err(broken.into()),
    }
}

/// The score that begins here is text, and not a number to its end.
#[cold]
fn wrong_text(start: &Cursor<'_>, stance: Stance, report: &mut Report<'_>) -> Result<(), Halt> {
    let mut body = start.clone();
    let len = body.byte()?;
    let text = Elem::Bytes(body.take(len.into())?);
    report.show(start.at(), Fault::ScoreText, stance, text)
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
        let [member, text, _] = tuple.elems;
        let at = blob.at(tuple.offset);
        let score = match elem_score(text) {
            Ok(score) => {
                if !score.whole {
                    report.show(at, Fault::ScoreText, Stance::Unnoticed, text)?;
                }
                score.value
            }
            Err(fault @ Fault::ScoreNan) => {
                return report.add(at, fault, Stance::FatalValkey9_1);
            }
            Err(fault) => return report.show(at, fault, Stance::Unnoticed, text),
        };
        if in_order
            && let Some((last_score, last_member)) = last
            && (score < last_score
                || score == last_score && compare(member, last_member) == Ordering::Less)
        {
            in_order = false;
            let fault = Fault::ScoreOrder { index: tuple.number };
            report.add(at, fault, Stance::Unnoticed)?;
        }
        last = Some((score, member));
        Ok(())
    })?;
    match count {
        Some(0) => report.add(0, Fault::EmptyValue, Stance::Dropped),
        _ => Ok(()),
    }
}

/// The order of members with one score: by their bytes.
fn compare(a: Elem<'_>, b: Elem<'_>) -> Ordering {
    let (mut a_text, mut b_text) = (itoa::Buffer::new(), itoa::Buffer::new());
    a.bytes(&mut a_text).cmp(b.bytes(&mut b_text))
}
