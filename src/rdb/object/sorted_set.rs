//! Sorted sets.
//!
//! ```text
//!  3  count, ( member, score as text )
//!  5  count, ( member, score as f64 LE )        4.0 and newer; the highest score first
//! 12  ziplist of member, score                  up to 6.2; the lowest score first
//! 17  listpack of member, score                 7.0 and newer; the lowest score first
//! ```

use std::ops::ControlFlow;

use super::cursor::{Blob, Cursor};
use super::score::{double_score, elem_score, text_score};
use super::{Broken, Out, Scratch, Stop, tuples};
use crate::rdb::ValueType;
use crate::rdb::packed::{Listpack, Packed, Ziplist};
use crate::value::Item;

pub(super) fn visit(
    ty: ValueType,
    mut body: Cursor<'_>,
    scratch: &mut Scratch,
    out: &mut Out<'_, impl FnMut(Item<'_>) -> ControlFlow<()>>,
) -> Result<(), Stop> {
    match ty {
        ValueType::SortedSetZiplist => packed::<Ziplist<'_>>(body.blob(&mut scratch.blob)?, out),
        ValueType::SortedSetListpack => packed::<Listpack<'_>>(body.blob(&mut scratch.blob)?, out),
        ValueType::SortedSet2 => {
            for _ in 0..body.length()? {
                let member = body.elem(&mut scratch.first)?;
                out.give(Item::Scored { member, score: double_score(&mut body)?.value })?;
            }
            Ok(())
        }
        _ => {
            for _ in 0..body.length()? {
                let member = body.elem(&mut scratch.first)?;
                out.give(Item::Scored { member, score: text_score(&mut body)?.value })?;
            }
            Ok(())
        }
    }
}

#[inline]
fn packed<'s, P: Packed<'s>>(
    blob: Blob<'s>,
    out: &mut Out<'_, impl FnMut(Item<'_>) -> ControlFlow<()>>,
) -> Result<(), Stop> {
    tuples::<P, 2>(blob, |[member, score, _], at| {
        let score = elem_score(score).map_err(|fault| Broken { at, fault })?;
        out.give(Item::Scored { member, score: score.value })
    })
}
