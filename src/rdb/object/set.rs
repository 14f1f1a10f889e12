//! Sets.
//!
//! ```text
//!  2  count, members
//! 11  intset
//! 20  listpack                7.2 and newer
//! ```

use std::ops::ControlFlow;

use super::cursor::Cursor;
use super::{Out, Scratch, Stop, tuples};
use crate::rdb::ValueType;
use crate::rdb::packed::{Flaw, Intset, Listpack};
use crate::value::{Elem, Item};

pub(super) fn visit(
    ty: ValueType,
    mut body: Cursor<'_>,
    scratch: &mut Scratch,
    out: &mut Out<'_, impl FnMut(Item<'_>) -> ControlFlow<()>>,
) -> Result<(), Stop> {
    match ty {
        ValueType::SetIntset => {
            let blob = body.blob(&mut scratch.blob)?;
            let set =
                Intset::new(blob.bytes).map_err(|fault| blob.broken(Flaw { at: 0, fault }))?;
            set.iter().try_for_each(|n| out.give(Item::Member(Elem::Int(n))))
        }
        ValueType::SetListpack => {
            let blob = body.blob(&mut scratch.blob)?;
            tuples::<Listpack<'_>, 1>(blob, |[elem, ..], _| out.give(Item::Member(elem)))
        }
        _ => {
            for _ in 0..body.length()? {
                out.give(Item::Member(body.elem(&mut scratch.first)?))?;
            }
            Ok(())
        }
    }
}
