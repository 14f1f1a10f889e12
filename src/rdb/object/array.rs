//! Arrays: sparse, each cell with its index (Redis 8.8 and newer).
//!
//! ```text
//! count, flag, (where the next insert goes after, with flag 1), count x ( index, tag, cell )
//! tag 0 string   1 i64 LE   2 f64 LE   3 string of up to 7 bytes
//! ```
//!
//! A server clears the two lowest bits of a double, whoever wrote them.

use super::cursor::Cursor;
use super::{Broken, DynOut, Scratch, Stop};
use crate::error::Fault;
use crate::value::{Cell, Item};

/// The insert position comes before the cells, as in the file.
pub(super) fn visit(
    mut body: Cursor<'_>,
    scratch: &mut Scratch,
    out: &mut DynOut<'_, '_>,
) -> Result<(), Stop> {
    let count = body.length()?;
    let at = body.at();
    match body.length()? {
        0 => {}
        1 => out.give(Item::ArrayInsertIndex(body.length()?))?,
        flag => return Err(Broken { at, fault: Fault::ArrayFlag { flag } }.into()),
    }
    for _ in 0..count {
        let index = body.length()?;
        let at = body.at();
        let cell = match body.length()? {
            0 | 3 => Cell::Bytes(body.bytes(&mut scratch.first)?),
            1 => Cell::Int(body.i64()?),
            2 => Cell::Double(f64::from_bits(body.f64()?.to_bits() & !3)),
            tag => return Err(Broken { at, fault: Fault::ArrayTag { tag } }.into()),
        };
        out.give(Item::Cell { index, cell })?;
    }
    Ok(())
}
