//! Hashes with a template, each with the names in front, as DUMP has them: Redis 8.10 reads these in
//! a file, too, and lets hashes of the same names share them again.
//!
//! ```text
//! 29  names, listpack of 0 and the values      31  names, values
//! names: 00 listpack, or 01 count, strings where they are too many or too long for that
//! ```
//!
//! The names come by length, then bytes; a server refuses any other order.

use super::Sink;
use crate::rdb::{Target, ValueType};
use crate::value::Elem;

/// Writes the fields of such a hash, packed or one by one.
pub fn template_hash<'a>(
    sink: &mut Sink,
    target: &Target,
    packed: bool,
    fields: impl Iterator<Item = (Elem<'a>, Elem<'a>)>,
) -> ValueType {
    let mut fields: Vec<_> = fields.map(|(name, value)| (name.to_cow(), value)).collect();
    fields.sort_by(|(one, _), (other, _)| (one.len(), one).cmp(&(other.len(), other)));
    let limits = &target.limits;
    let short = fields.iter().all(|(name, _)| name.len() <= limits.hash_value);
    if short && fields.len() <= limits.hash_entries {
        sink.length(0);
        sink.listpack.clear();
        fields.iter().for_each(|(name, _)| sink.listpack.push(name));
        sink.flush_listpack();
    } else {
        sink.length(1);
        sink.length(fields.len() as u64);
        fields.iter().for_each(|(name, _)| sink.text(name));
    }
    if !packed {
        fields.iter().for_each(|(_, value)| sink.elem(*value));
        return ValueType::HashTemplateArrayDump;
    }
    sink.listpack.clear();
    // Where a file has the id of the template.
    sink.listpack.push_int(0);
    fields.iter().for_each(|(_, value)| sink.listpack.push_elem(*value));
    sink.flush_listpack();
    ValueType::HashTemplateListpackDump
}
