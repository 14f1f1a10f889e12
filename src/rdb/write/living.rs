//! Hashes without the fields that have expired.

use std::ops::ControlFlow;

use super::Sink;
use crate::error::FormatError;
use crate::rdb::{Entry, Scratch, ValueType};
use crate::value::Item;

/// What is left of a value when the fields that have expired are left out.
#[derive(Debug)]
pub enum Living<'a> {
    /// All of it: nothing has expired.
    All,
    /// Some fields; the rest of the entry is as it was.
    Some(Entry<'a>),
    /// Nothing.
    None,
}

/// Room that values share.
#[derive(Debug)]
pub struct LivingRoom {
    scratch: Scratch,
    fields: Sink,
}

impl Default for LivingRoom {
    fn default() -> Self {
        LivingRoom { scratch: Scratch::default(), fields: Sink::new(false) }
    }
}

impl LivingRoom {
    /// What is left of a value without the fields of a hash that expired before `from_ms`, unix
    /// time. Whatever layout it had, it comes back field by field: as it stands in files of Valkey,
    /// which is the same for all times, or plain where no field that is left expires.
    pub fn of<'a>(
        &'a mut self,
        entry: &Entry<'a>,
        from_ms: i64,
    ) -> Result<Living<'a>, Box<FormatError>> {
        if !entry.value_type.has_field_expiry() {
            return Ok(Living::All);
        }
        let is_gone =
            |at: Option<u64>| at.is_some_and(|at| u64::try_from(from_ms).is_ok_and(|now| at < now));
        let (mut gone, mut left, mut expiring) = (0_u64, 0, 0_u64);
        let LivingRoom { scratch, fields } = self;
        entry.visit(scratch, |item| {
            if let Item::Field { expires_at_ms, .. } = item {
                let counter = if is_gone(expires_at_ms) { &mut gone } else { &mut left };
                *counter += 1;
                expiring += u64::from(expires_at_ms.is_some() && !is_gone(expires_at_ms));
            }
            ControlFlow::Continue(())
        })?;
        if gone == 0 {
            return Ok(Living::All);
        }
        if left == 0 {
            return Ok(Living::None);
        }
        fields.clear();
        fields.length(left);
        entry.visit(scratch, |item| {
            if let Item::Field { field, value, expires_at_ms } = item
                && !is_gone(expires_at_ms)
            {
                fields.elem(field);
                fields.elem(value);
                if expiring > 0 {
                    let at = expires_at_ms.map(|at| i64::try_from(at).unwrap_or(i64::MAX));
                    fields.i64_le(at.unwrap_or(-1));
                }
            }
            ControlFlow::Continue(())
        })?;
        let ty = if expiring > 0 { ValueType::HashValkey } else { ValueType::Hash };
        let mut some = Entry::of_body(&[], ty, fields.as_bytes(), entry.body_offset);
        some.db = entry.db;
        some.key = entry.key;
        some.expires_at_ms = entry.expires_at_ms;
        some.eviction = entry.eviction;
        some.meta = entry.meta;
        some.offset = entry.offset;
        some.end = entry.end;
        Ok(Living::Some(some))
    }
}
