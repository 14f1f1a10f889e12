//! Hashes.
//!
//! ```text
//!                                 no field expires          some do
//! up to 512 fields of 64 bytes    listpack; ziplist ≤ 6.2   25 (Redis), 22 (Valkey)
//! else                            one by one                24 (Redis), 22 (Valkey)
//! ```
//!
//! Type 25 has the fields by expiry, those that stay last, which a sanitizing server insists on.

use super::{Loss, Sink};
use crate::rdb::object::MAX_EXPIRY_MS;
use crate::rdb::{Family, Target, ValueType};
use crate::value::Elem;

/// Writes a hash: fields, values, and when each field expires, unix time in milliseconds.
pub fn hash<'a>(
    sink: &mut Sink,
    target: &Target,
    fields: impl ExactSizeIterator<Item = (Elem<'a>, Elem<'a>, Option<u64>)> + Clone,
) -> Result<ValueType, Loss> {
    if fields.clone().any(|(_, _, expires)| expires.is_some()) {
        if target.header.family == Family::Valkey {
            return Ok(valkey(sink, fields));
        }
        if target.has_field_expiry() {
            return redis(sink, target, fields);
        }
        sink.lose(Loss::FieldExpiry)?;
    }
    let count = fields.len();
    if is_packed(target, fields.clone()) {
        if target.has_listpacks() {
            sink.listpack.clear();
            for (field, value, _) in fields {
                sink.listpack.push_elem(field);
                sink.listpack.push_elem(value);
            }
            sink.flush_listpack();
            return Ok(ValueType::HashListpack);
        }
        sink.ziplist.clear();
        for (field, value, _) in fields {
            sink.ziplist.push_elem(field);
            sink.ziplist.push_elem(value);
        }
        sink.flush_ziplist();
        return Ok(ValueType::HashZiplist);
    }
    sink.length(count as u64);
    for (field, value, _) in fields {
        sink.elem(field);
        sink.elem(value);
    }
    Ok(ValueType::Hash)
}

/// Writes a hash in the form that a Redis keeps once one of its fields has been given an expiry, also
/// where none has one any more.
pub fn hash_that_expired<'a>(
    sink: &mut Sink,
    target: &Target,
    fields: impl ExactSizeIterator<Item = (Elem<'a>, Elem<'a>, Option<u64>)> + Clone,
) -> Result<ValueType, Loss> {
    if target.header.family == Family::Redis && target.has_field_expiry() {
        return redis(sink, target, fields);
    }
    hash(sink, target, fields)
}

fn is_packed<'a>(
    target: &Target,
    mut fields: impl ExactSizeIterator<Item = (Elem<'a>, Elem<'a>, Option<u64>)>,
) -> bool {
    let most = target.limits.hash_value as u64;
    fields.len() <= target.limits.hash_entries
        && fields.all(|(field, value, _)| field.len() <= most && value.len() <= most)
}

fn valkey<'a>(
    sink: &mut Sink,
    fields: impl ExactSizeIterator<Item = (Elem<'a>, Elem<'a>, Option<u64>)>,
) -> ValueType {
    sink.length(fields.len() as u64);
    for (field, value, expires) in fields {
        sink.elem(field);
        sink.elem(value);
        sink.i64_le(expires.map_or(-1, |at| i64::try_from(at).unwrap_or(i64::MAX)));
    }
    ValueType::HashValkey
}

fn redis<'a>(
    sink: &mut Sink,
    target: &Target,
    fields: impl ExactSizeIterator<Item = (Elem<'a>, Elem<'a>, Option<u64>)> + Clone,
) -> Result<ValueType, Loss> {
    if fields.clone().any(|(_, _, expires)| expires.is_some_and(|at| at > MAX_EXPIRY_MS)) {
        sink.lose(Loss::FarFieldExpiry)?;
    }
    // 0 says that a field stays, so one that expired then is said to have expired right after.
    let expiry =
        |expires: Option<u64>| expires.filter(|&at| at <= MAX_EXPIRY_MS).map(|at| at.max(1));
    let least = fields.clone().filter_map(|(_, _, expires)| expiry(expires)).min().unwrap_or(0);
    if is_packed(target, fields.clone()) {
        let mut sorted: Vec<_> = fields.collect();
        sorted.sort_by_key(|(_, _, expires)| expiry(*expires).unwrap_or(u64::MAX));
        sink.listpack.clear();
        for (field, value, expires) in sorted {
            sink.listpack.push_elem(field);
            sink.listpack.push_elem(value);
            sink.listpack.push_int(expiry(expires).unwrap_or(0) as i64);
        }
        sink.i64_le(least as i64);
        sink.flush_listpack();
        return Ok(ValueType::HashListpackEx);
    }
    sink.i64_le(least as i64);
    sink.length(fields.len() as u64);
    for (field, value, expires) in fields {
        sink.length(expiry(expires).map_or(0, |at| at - least + 1));
        sink.elem(field);
        sink.elem(value);
    }
    Ok(ValueType::HashMetadata)
}
