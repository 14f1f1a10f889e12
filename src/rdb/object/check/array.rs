//! Arrays: indexes in range and in order, short strings short.

use super::{Halt, Report, Stance};
use crate::error::Fault;
use crate::rdb::object::Broken;
use crate::rdb::object::cursor::Cursor;

/// One past the highest index, and one past the highest insert position.
const NO_INDEX: u64 = u64::MAX;
/// Bytes of a string that a server keeps in place of a pointer.
const SHORT: u64 = 7;

pub(super) fn check(mut body: Cursor<'_>, report: &mut Report<'_>) -> Result<(), Halt> {
    let count = body.length()?;
    // Unlike an empty collection this ends the load.
    if count == 0 {
        report.add(0, Fault::EmptyValue, Stance::Fatal)?;
    }
    let at = body.at();
    match body.length()? {
        0 => {}
        1 => {
            let at = body.at();
            if body.length()? == NO_INDEX {
                report.add(at, Fault::ArrayIndex, Stance::Fatal)?;
            }
        }
        flag => return Err(Broken { at, fault: Fault::ArrayFlag { flag } }.into()),
    }
    let mut last = None;
    let mut in_order = true;
    for _ in 0..count {
        let at = body.at();
        let index = body.length()?;
        if index == NO_INDEX {
            report.add(at, Fault::ArrayIndex, Stance::Fatal)?;
        }
        if in_order && last.is_some_and(|last| index <= last) {
            in_order = false;
            report.add(at, Fault::ArrayOrder { index }, Stance::Unnoticed)?;
        }
        last = Some(index);
        let at = body.at();
        match body.length()? {
            0 => report.next_text(&mut body)?,
            1 | 2 => drop(body.take(8)?),
            3 => {
                let at = body.at();
                let text = body.text()?;
                report.text(text, at)?;
                if text.len() > SHORT {
                    report.add(at, Fault::ArrayShort { bytes: text.len() }, Stance::Fatal)?;
                }
            }
            tag => return Err(Broken { at, fault: Fault::ArrayTag { tag } }.into()),
        }
    }
    Ok(())
}
