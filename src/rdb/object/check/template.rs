//! Template hashes: names in order, as many values as names.

use super::packed::{Judged, open, tuples};
use super::{Checker, Halt, Report, Stance, blob};
use crate::error::Fault;
use crate::rdb::object::Scratch;
use crate::rdb::object::cursor::{Blob, Cursor};
use crate::rdb::object::template::{Names, unknown};
use crate::rdb::packed::{Flaw, Listpack};
use crate::rdb::{Entry, ValueType};
use crate::value::Elem;

pub(super) fn check(
    entry: &Entry<'_>,
    mut body: Cursor<'_>,
    checker: &mut Checker,
    report: &mut Report<'_>,
) -> Result<(), Halt> {
    let Checker { scratch: Scratch { blob: room, first, second }, third, .. } = checker;
    let names = match entry.value_type {
        ValueType::HashTemplateListpack | ValueType::HashTemplateArray => match entry.template() {
            // The names themselves have been checked where they were defined.
            Some(template) => template.names.len() as u64,
            None => return Err(unknown(body, room).into()),
        },
        _ => names(&mut body, first, second, third, report)?,
    };
    match entry.value_type {
        ValueType::HashTemplateListpack | ValueType::HashTemplateListpackDump => {
            match blob(&mut body, room, report)? {
                Some(blob) => values(blob, names, report),
                None => Ok(()),
            }
        }
        _ => (0..names).try_for_each(|_| report.next_text(&mut body)),
    }
}

/// Names in front of the values: at least one, and each above the one before. Says how many.
fn names(
    body: &mut Cursor<'_>,
    room: &mut Vec<u8>,
    name_room: &mut Vec<u8>,
    last: &mut Vec<u8>,
    report: &mut Report<'_>,
) -> Result<u64, Halt> {
    let start = body.clone();
    let mut names = Names::in_front(body, room)?;
    if names.count == 0 {
        report.add(0, Fault::EmptyValue, Stance::Fatal)?;
    }
    let mut index = 0;
    last.clear();
    while let Some(name) = names.next(name_room)? {
        let mut text = itoa::Buffer::new();
        let name = name.bytes(&mut text);
        if index > 0 && (name.len(), name) <= (last.len(), last) {
            report.add(0, Fault::TemplateOrder { index }, Stance::Fatal)?;
        }
        last.clear();
        last.extend_from_slice(name);
        index += 1;
    }
    // The listpack form once more, for what only a strict walk sees.
    let mut form = start;
    if form.length()? == 0
        && let Some(blob) = blob(&mut form, name_room, report)?
        && let Some(pack) = open::<Listpack<'_>>(blob, report)?
    {
        let mut walk = pack.strict();
        for flaw in walk.by_ref().filter_map(Result::err) {
            report.flaw(blob, flaw, Listpack::INSIDE)?;
        }
        for flaw in walk.flaws() {
            // As many values follow as the header says.
            let counts = matches!(flaw.fault, Fault::ListpackCount { .. });
            let stance = if counts { Listpack::HEADER } else { Listpack::INSIDE };
            report.flaw(blob, flaw, stance)?;
        }
    }
    Ok(index)
}

/// The values in a listpack, behind an integer.
fn values(blob: Blob<'_>, names: u64, report: &mut Report<'_>) -> Result<(), Halt> {
    let Some(pack) = open::<Listpack<'_>>(blob, report)? else { return Ok(()) };
    if !matches!(pack.iter().next(), Some(Ok(Elem::Int(_)))) {
        let flaw = Flaw { at: 6, fault: Fault::TemplateIdText };
        return report.flaw(blob, flaw, Listpack::HEADER);
    }
    let elements = tuples::<_, 1>(pack, blob, report, |_, _| Ok(()))?;
    // A load goes by the header's count; that of the elements is looked at besides.
    let claimed = pack.header_count().or(elements);
    match claimed {
        Some(count) if count != names + 1 => {
            let fault = Fault::TemplateValues { names, values: count.saturating_sub(1) };
            report.flaw(blob, Flaw { at: 4, fault }, Listpack::HEADER)
        }
        _ => Ok(()),
    }
}
