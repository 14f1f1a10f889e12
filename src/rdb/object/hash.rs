//! Hashes, but for those with a template.
//!
//! ```text
//!  4  count, ( field, value )
//!  9  zipmap                                          up to 2.4
//! 13  ziplist of field, value                         2.6 to 6.2
//! 16  listpack of field, value                        7.0 and newer
//! 22  count, ( expiry, field, value )                 Redis 7.4 release candidates
//! 22  count, ( field, value, expiry i64 LE )          Valkey 9; -1: none
//! 23  listpack of field, value, expiry                Redis 7.4 release candidates
//! 24  least i64 LE, count, ( expiry - least + 1, field, value )
//! 25  least i64 LE, listpack of field, value, expiry
//! ```
//!
//! An expiry of 0 is none, except in Valkey's layout, where it is a time long past.

use std::ops::ControlFlow;

use super::cursor::{Blob, Cursor};
use super::{Broken, Out, Scratch, Stop, template, tuples};
use crate::error::Fault;
use crate::rdb::packed::{Flaw, Listpack, Packed, Ziplist, Zipmap};
use crate::rdb::{Entry, ValueType};
use crate::value::{Elem, Item};

/// The latest time at which a field can expire: 48 bits of milliseconds.
pub(in crate::rdb) const MAX_EXPIRY_MS: u64 = (1 << 48) - 1;

pub(super) fn visit(
    entry: &Entry<'_>,
    mut body: Cursor<'_>,
    scratch: &mut Scratch,
    out: &mut Out<'_, impl FnMut(Item<'_>) -> ControlFlow<()>>,
) -> Result<(), Stop> {
    let Scratch { blob, first, second } = scratch;
    match entry.value_type {
        ValueType::HashZiplist => packed::<Ziplist<'_>>(body.blob(blob)?, out),
        ValueType::HashListpack => packed::<Listpack<'_>>(body.blob(blob)?, out),
        ValueType::HashListpackExPreGa => expiring(body.blob(blob)?, out),
        ValueType::HashListpackEx => {
            body.i64()?;
            expiring(body.blob(blob)?, out)
        }
        ValueType::HashZipmap => {
            let blob = body.blob(blob)?;
            let map =
                Zipmap::new(blob.bytes).map_err(|fault| blob.broken(Flaw { at: 0, fault }))?;
            for pair in map {
                let (field, value) = pair.map_err(|flaw| blob.broken(flaw))?;
                out.give(plain(Elem::Bytes(field), Elem::Bytes(value)))?;
            }
            Ok(())
        }
        ValueType::HashMetadata | ValueType::HashMetadataPreGa => {
            let least = match entry.value_type {
                ValueType::HashMetadata => Some(body.i64()?),
                _ => None,
            };
            for _ in 0..body.length()? {
                let at = body.at();
                let ttl = body.length()?;
                let expires_at_ms = expiry(least, ttl).map_err(|fault| Broken { at, fault })?;
                let field = body.elem(first)?;
                let value = body.elem(second)?;
                out.give(Item::Field { field, value, expires_at_ms })?;
            }
            Ok(())
        }
        ValueType::HashValkey => {
            for _ in 0..body.length()? {
                let field = body.elem(first)?;
                let value = body.elem(second)?;
                let at = body.at();
                let expires_at_ms =
                    valkey_expiry(body.i64()?).map_err(|fault| Broken { at, fault })?;
                out.give(Item::Field { field, value, expires_at_ms })?;
            }
            Ok(())
        }
        ValueType::Hash => {
            for _ in 0..body.length()? {
                let field = body.elem(first)?;
                let value = body.elem(second)?;
                out.give(plain(field, value))?;
            }
            Ok(())
        }
        _ => template::visit(entry, body, scratch, out),
    }
}

#[inline(always)]
fn plain<'s>(field: Elem<'s>, value: Elem<'s>) -> Item<'s> {
    Item::Field { field, value, expires_at_ms: None }
}

#[inline]
fn packed<'s, P: Packed<'s>>(
    blob: Blob<'s>,
    out: &mut Out<'_, impl FnMut(Item<'_>) -> ControlFlow<()>>,
) -> Result<(), Stop> {
    tuples::<P, 2>(blob, |[field, value, _], _| out.give(plain(field, value)))
}

fn expiring(
    blob: Blob<'_>,
    out: &mut Out<'_, impl FnMut(Item<'_>) -> ControlFlow<()>>,
) -> Result<(), Stop> {
    tuples::<Listpack<'_>, 3>(blob, |[field, value, expires], at| {
        let expires_at_ms = elem_expiry(expires).map_err(|fault| Broken { at, fault })?;
        out.give(Item::Field { field, value, expires_at_ms })
    })
}

/// The expiry in front of a field: 0 for none; otherwise, where there is a `least`, one more than
/// the distance to it.
#[inline]
pub(super) fn expiry(least: Option<i64>, ttl: u64) -> Result<Option<u64>, Fault> {
    if ttl == 0 {
        return Ok(None);
    }
    // Servers add without looking, and what comes to 0 is none.
    match least.map_or(ttl, |least| (ttl - 1).wrapping_add_signed(least)) {
        0 => Ok(None),
        at if at <= MAX_EXPIRY_MS => Ok(Some(at)),
        at => Err(Fault::FieldExpiry { value: at as i64 }),
    }
}

/// The expiry behind a field of Valkey.
#[inline]
pub(super) fn valkey_expiry(value: i64) -> Result<Option<u64>, Fault> {
    match value {
        -1 => Ok(None),
        value => u64::try_from(value).map(Some).map_err(|_| Fault::FieldExpiry { value }),
    }
}

/// The third of a triple. One beyond the range loads, and is handed out as it is.
#[inline]
pub(super) fn elem_expiry(elem: Elem<'_>) -> Result<Option<u64>, Fault> {
    match elem {
        Elem::Int(0) => Ok(None),
        Elem::Int(value) => {
            u64::try_from(value).map(Some).map_err(|_| Fault::FieldExpiry { value })
        }
        Elem::Bytes(_) => Err(Fault::FieldExpiryText),
    }
}
