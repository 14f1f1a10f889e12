//! Module values: an id, then numbers and strings, each behind an opcode that says what it is.
//!
//! ```text
//! id, { opcode, payload }*, 0
//! 1 signed  2 unsigned  3 f32 LE  4 f64 LE  5 string
//! ```
//!
//! The opcodes are what lets anybody step over a value whose module he does not have.

use super::cursor::Cursor;
use super::{Broken, DynOut, Scratch, Stop};
use crate::error::Fault;
use crate::rdb::ValueType;
use crate::value::{Item, ModuleItem};

pub(super) fn visit(
    ty: ValueType,
    mut body: Cursor<'_>,
    scratch: &mut Scratch,
    out: &mut DynOut<'_, '_>,
) -> Result<(), Stop> {
    if ty == ValueType::ModulePreGa {
        return Err(Broken { at: 0, fault: Fault::ModulePreGa }.into());
    }
    out.give(Item::Module(ModuleItem::Id(body.length()?)))?;
    loop {
        let at = body.at();
        let item = match body.length()? {
            0 => return Ok(()),
            1 => ModuleItem::Signed(body.length()? as i64),
            2 => ModuleItem::Unsigned(body.length()?),
            3 => ModuleItem::Float(body.f32()?),
            4 => ModuleItem::Double(body.f64()?),
            5 => ModuleItem::Text(body.bytes(&mut scratch.first)?),
            opcode => return Err(Broken { at, fault: Fault::ModuleOpcode { opcode } }.into()),
        };
        out.give(Item::Module(item))?;
    }
}
