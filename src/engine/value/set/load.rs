//! Sets out of a snapshot.

use std::ops::ControlFlow;

use super::{Form, Ints, Set, width};
use crate::engine::value::packed_body;
use crate::error::FormatError;
use crate::rdb::packed::Intset;
use crate::rdb::{Entry, Limits, Scratch, Text, ValueType};
use crate::value::Item;

impl Set {
    /// The value of an entry, in the form that a server would give it.
    pub fn load(
        entry: &Entry<'_>,
        limits: &Limits,
        scratch: &mut Scratch,
    ) -> Result<Self, Box<FormatError>> {
        let adopted = match entry.value_type {
            ValueType::SetIntset => intset(entry.body()),
            ValueType::SetListpack => packed_body(entry.body()).map(Form::Packed),
            _ => None,
        };
        if let Some(form) = adopted {
            let mut set = Set { form };
            set.expect(set.len(), limits);
            return Ok(set);
        }
        // Anything else is added one by one; what could not be packed is a table from the start.
        let most = limits.intset_entries as u64;
        let large = entry.shape()?.elements > most;
        let mut set = match entry.value_type {
            ValueType::SetListpack => Set::packed_one(),
            _ if large => Set::table(0),
            _ => Set::default(),
        };
        entry.visit(scratch, |item| {
            if let Item::Member(member) = item {
                set.add_elem(member, limits);
            }
            ControlFlow::Continue(())
        })?;
        Ok(set)
    }
}

/// The integers of a sound intset, and the width that it has been given.
fn intset(body: &[u8]) -> Option<Form> {
    let (_, text) = Text::parse(body).ok()?;
    let blob = text.to_cow().ok()?;
    let set = Intset::new(&blob).ok()?;
    if set.flaw().is_some() {
        return None;
    }
    let members: Vec<i64> = set.iter().collect();
    let needed = members.iter().map(|n| width(*n)).max().unwrap_or(2);
    let given = blob.first().copied().unwrap_or(2);
    Some(Form::Ints(Ints { members, width: given.max(needed) }))
}
