//! Hashes out of a snapshot.

use std::ops::ControlFlow;

use super::{Form, Hash, PAIR, TRIPLE, place_of_expiry, push_triple};
use crate::engine::value::packed_body;
use crate::error::FormatError;
use crate::rdb::packed::ListpackBuf;
use crate::rdb::{Entry, Limits, Scratch, ValueType};
use crate::value::{Elem, Item};

impl Hash {
    /// The value of an entry, in the form that a server would give it.
    pub fn load(
        entry: &Entry<'_>,
        limits: &Limits,
        scratch: &mut Scratch,
    ) -> Result<Self, Box<FormatError>> {
        if let Some(form) = adopt(entry, limits) {
            return Ok(Hash { form, template: false });
        }
        let mut hash = match entry.value_type {
            // Valkey writes this for tables only, and reads no listpack out of it.
            ValueType::HashValkey => Hash { form: Form::Table(Box::default()), template: false },
            ValueType::HashListpackEx
            | ValueType::HashListpackExPreGa
            | ValueType::HashMetadata
            | ValueType::HashMetadataPreGa => {
                Hash { form: Form::Triples(ListpackBuf::new()), template: false }
            }
            ValueType::HashTemplateListpack
            | ValueType::HashTemplateListpackDump
            | ValueType::HashTemplateArray
            | ValueType::HashTemplateArrayDump => Hash::of_template(),
            _ => Hash::default(),
        };
        // A listpack is taken as it is, whatever is in it, unless it has too many fields.
        let whole = matches!(
            entry.value_type,
            ValueType::HashTemplateListpack | ValueType::HashTemplateListpackDump
        );
        entry.visit(scratch, |item| {
            if let Item::Field { field, value, expires_at_ms } = item {
                // What is beyond the range of an i64 is beyond the range of times, too.
                let at_ms = expires_at_ms.map(|at_ms| i64::try_from(at_ms).unwrap_or(i64::MAX));
                match &mut hash.form {
                    Form::Pairs(pack) if whole => {
                        pack.push_elem(field);
                        pack.push_elem(value);
                    }
                    _ => hash.load_field(field, value, at_ms, limits),
                }
            }
            ControlFlow::Continue(())
        })?;
        if whole && hash.len() > limits.hash_entries {
            hash.unpack();
        }
        Ok(hash)
    }

    fn load_field(
        &mut self,
        field: Elem<'_>,
        value: Elem<'_>,
        at_ms: Option<i64>,
        limits: &Limits,
    ) {
        let long = |elem: &Elem<'_>| elem.len() > limits.hash_value as u64;
        match &mut self.form {
            Form::Table(table) => table.add(field, value, at_ms),
            Form::Triples(pack)
                if !long(&field)
                    && !long(&value)
                    && pack.len() + TRIPLE <= TRIPLE * limits.hash_entries =>
            {
                let place = at_ms.map_or(pack.end(), |at_ms| place_of_expiry(pack, at_ms));
                let (mut one, mut other) = (itoa::Buffer::new(), itoa::Buffer::new());
                let (field, value) = (field.bytes(&mut one), value.bytes(&mut other));
                push_triple(pack, place, field, value, at_ms.unwrap_or(0));
            }
            Form::Triples(_) => {
                self.unpack();
                self.load_field(field, value, at_ms, limits);
            }
            Form::Pairs(_) => self.push(field, value, limits),
        }
    }
}

/// The form of an entry that is a sound listpack within the limits. Servers look at the number of
/// its fields only.
fn adopt(entry: &Entry<'_>, limits: &Limits) -> Option<Form> {
    let (body, size) = match entry.value_type {
        ValueType::HashListpack => (entry.body(), PAIR),
        ValueType::HashListpackEx => (entry.body().get(8..)?, TRIPLE),
        _ => return None,
    };
    let pack = packed_body(body)?;
    let len = pack.len();
    if !len.is_multiple_of(size) {
        return None;
    }
    let many = len > size * limits.hash_entries;
    if size == PAIR {
        let form = Form::Pairs(pack);
        return Some(if many { unpacked(form) } else { form });
    }
    let mut last = 1;
    for (_, third) in pack.iter().skip(2).step_by(TRIPLE) {
        let Elem::Int(at_ms) = third else { return None };
        let at_ms = if at_ms == 0 { i64::MAX } else { at_ms };
        if at_ms < last {
            return None;
        }
        last = at_ms;
    }
    let form = Form::Triples(pack);
    Some(if many { unpacked(form) } else { form })
}

fn unpacked(form: Form) -> Form {
    let mut hash = Hash { form, template: false };
    hash.unpack();
    hash.form
}
