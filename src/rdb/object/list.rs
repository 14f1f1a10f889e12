//! Lists.
//!
//! ```text
//!  1  count, elements                                       up to 3.0, when large
//! 10  ziplist                                               up to 3.0
//! 14  count, ziplists                                       3.2 to 6.2
//! 18  count, ( container, blob )                            7.0 and newer
//!     container 1: the blob is one element; 2: a listpack
//! ```

use std::ops::ControlFlow;

use super::cursor::{Blob, Cursor};
use super::{Broken, Out, Scratch, Stop, tuples};
use crate::error::Fault;
use crate::rdb::ValueType;
use crate::rdb::packed::{Listpack, Packed, Ziplist};
use crate::value::Item;

/// One element that is too large for a listpack, or was when its node was made.
pub(super) const PLAIN: u64 = 1;
/// A listpack.
pub(super) const PACKED: u64 = 2;

pub(super) fn visit(
    ty: ValueType,
    mut body: Cursor<'_>,
    scratch: &mut Scratch,
    out: &mut Out<'_, impl FnMut(Item<'_>) -> ControlFlow<()>>,
) -> Result<(), Stop> {
    match ty {
        ValueType::ListZiplist => node::<Ziplist<'_>>(body.blob(&mut scratch.blob)?, out),
        ValueType::ListQuicklist => {
            for _ in 0..body.length()? {
                node::<Ziplist<'_>>(body.blob(&mut scratch.blob)?, out)?;
            }
            Ok(())
        }
        ValueType::ListQuicklist2 => {
            for _ in 0..body.length()? {
                let at = body.at();
                match body.length()? {
                    PLAIN => out.give(Item::Element(body.elem(&mut scratch.first)?))?,
                    PACKED => node::<Listpack<'_>>(body.blob(&mut scratch.blob)?, out)?,
                    container => {
                        return Err(Broken { at, fault: Fault::Container { container } }.into());
                    }
                }
            }
            Ok(())
        }
        _ => {
            for _ in 0..body.length()? {
                out.give(Item::Element(body.elem(&mut scratch.first)?))?;
            }
            Ok(())
        }
    }
}

#[inline]
fn node<'s, P: Packed<'s>>(
    blob: Blob<'s>,
    out: &mut Out<'_, impl FnMut(Item<'_>) -> ControlFlow<()>>,
) -> Result<(), Stop> {
    tuples::<P, 1>(blob, |[elem, ..], _| out.give(Item::Element(elem)))
}
