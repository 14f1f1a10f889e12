//! Sets: members must differ; those of an intset must ascend.

use super::hash::distinct_strings;
use super::packed::{distinct_tuples, open};
use super::{Checker, Halt, Report, Stance, blob};
use crate::error::Fault;
use crate::rdb::ValueType;
use crate::rdb::object::cursor::Cursor;
use crate::rdb::packed::{Flaw, Intset, Listpack};

pub(super) fn check(
    ty: ValueType,
    mut body: Cursor<'_>,
    checker: &mut Checker,
    report: &mut Report<'_>,
) -> Result<(), Halt> {
    match ty {
        ValueType::SetIntset => {
            let Some(blob) = blob(&mut body, &mut checker.scratch.blob, report)? else {
                return Ok(());
            };
            match Intset::new(blob.bytes) {
                Err(fault) => report.flaw(blob, Flaw { at: 0, fault }, Stance::Fatal),
                // A server takes this for damage, unlike any other empty collection.
                Ok(set) if set.count() == 0 => report.add(0, Fault::EmptyValue, Stance::Fatal),
                Ok(set) => match set.flaw() {
                    Some(flaw) => report.flaw(blob, flaw, Stance::DeepOnly),
                    None => Ok(()),
                },
            }
        }
        ValueType::SetListpack => {
            let Some(blob) = blob(&mut body, &mut checker.scratch.blob, report)? else {
                return Ok(());
            };
            let Some(pack) = open::<Listpack<'_>>(blob, report)? else { return Ok(()) };
            let count =
                distinct_tuples::<_, 1>(pack, blob, &mut checker.seen, report, |_, _| Ok(()));
            match count? {
                Some(0) => report.add(0, Fault::EmptyValue, Stance::Dropped),
                _ => Ok(()),
            }
        }
        _ => {
            distinct_strings(body, checker, report, || Stance::Fatal, |_, _| Ok(()), |_, _| Ok(()))
        }
    }
}
