//! What a key would take in a server's memory: an estimate of MEMORY USAGE key SAMPLES 0.
//!
//! An [`Estimator`] answers for one [`Profile`], a server and its allocator, what that server would
//! say once it has loaded the value: packed values stay packed, unpacked ones are packed where the
//! server packs them, and tables have the size that a load gives them. What a live server holds can
//! differ: strings and streams that are still being written have room to spare, tables that grow
//! are there twice for a while.
//!
//! Sizes come from headers where they say enough: of strings, packed values and the nodes of lists
//! and streams nothing is unpacked or looked at. Large hashes, sets and sorted sets are walked.
//!
//! What a server does not count is not counted here: the table of keys, expiry times (in most
//! versions), fragmentation, buffers. A module's value counts as what it takes in the file, since only
//! the module knows its own structures. The names of a template count for the hashes that share it,
//! for each its part, where it is known how many these are ([`Estimator::with_templates`]).

mod allocator;
mod array;
mod blocks;
mod filling;
mod list;
mod object;
mod profile;
mod radix;
mod rules;
mod stream;
mod sum;
mod table;

use std::collections::HashMap;
use std::ops::ControlFlow;

use self::blocks::Blocks;
use self::rules::Rules;
use crate::error::{Fault, FormatError, Parsed, unwrap_bad};
use crate::rdb::packed::{EMPTY_BYTES, entry_bytes};
use crate::rdb::{Entry, Scratch, Target, Text, ValueType, length};
use crate::value::{Cell, Elem, Item, Kind};

pub use allocator::Allocator;
pub use profile::Profile;

/// Answers what keys take in one server.
#[derive(Debug, Clone)]
pub struct Estimator {
    profile: Profile,
    blocks: Blocks,
    /// The hashes of each template, by its id.
    templates: HashMap<u64, u64>,
}

impl Estimator {
    /// An estimator for a server and its allocator.
    pub fn new(profile: Profile) -> Self {
        let blocks = Blocks { rules: Rules::of(&profile.server), allocator: profile.allocator };
        Estimator { profile, blocks, templates: HashMap::new() }
    }

    /// Knows how many hashes share each template, by its id in the file: the server counts for each
    /// of them its part of the names.
    #[must_use]
    pub fn with_templates(self, templates: HashMap<u64, u64>) -> Self {
        Estimator { templates, ..self }
    }

    /// Whose memory.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The bytes that the server would answer to MEMORY USAGE with SAMPLES 0.
    pub fn usage(&self, entry: &Entry<'_>, scratch: &mut Scratch) -> Result<u64, Box<FormatError>> {
        let key = Key { len: entry.key.len(), expires: entry.expires_at_ms.is_some() };
        let fault = |fault| entry.error(0, fault);
        match entry.value_type.kind() {
            Kind::String => self.string(key, entry.body()).map_err(fault),
            Kind::List => Ok(self.object(key).saturating_add(self.list(entry, scratch)?)),
            Kind::Set => Ok(self.object(key).saturating_add(self.set(entry, scratch)?)),
            Kind::SortedSet => {
                Ok(self.object(key).saturating_add(self.sorted_set(entry, scratch)?))
            }
            Kind::Hash => Ok(self.object(key).saturating_add(self.hash(entry, scratch)?)),
            Kind::Stream => Ok(self.object(key).saturating_add(self.stream(entry, scratch)?)),
            Kind::Array => Ok(self.object(key).saturating_add(self.array(entry, scratch)?)),
            Kind::Module => Ok(self.object(key).saturating_add(entry.body().len() as u64)),
        }
    }
}

/// The bytes of the longest part of a value, as a client would see it: a string itself, an
/// element, a member, a field or a value of a field, a field or a value of a stream's entry.
/// A module's value has none.
pub fn longest_bytes(entry: &Entry<'_>, scratch: &mut Scratch) -> Result<u64, Box<FormatError>> {
    longest(entry, scratch, |n| Elem::Int(n).len())
}

/// The same, where an integer that is stored as such is as long as `integer` says.
pub(crate) fn longest(
    entry: &Entry<'_>,
    scratch: &mut Scratch,
    integer: impl Fn(i64) -> u64,
) -> Result<u64, Box<FormatError>> {
    if entry.value_type == ValueType::String {
        let text = read(&mut entry.body(), Text::parse).map_err(|fault| entry.error(0, fault))?;
        return Ok(match text {
            Text::Int(n) => integer(n.into()),
            text => text.len(),
        });
    }
    let len = |elem: Elem<'_>| match elem {
        Elem::Int(n) => integer(n),
        elem => elem.len(),
    };
    let mut longest = 0;
    entry.visit(scratch, |item| {
        let len = match item {
            Item::Text(elem) | Item::Element(elem) | Item::Member(elem) => len(elem),
            Item::Scored { member, .. } => len(member),
            Item::Field { field, value, .. } => len(field).max(len(value)),
            Item::StreamEntry { fields, .. } => {
                fields.iter().map(|(field, value)| field.len().max(value.len())).max().unwrap_or(0)
            }
            Item::Cell { cell: Cell::Bytes(bytes), .. } => bytes.len() as u64,
            Item::Cell { cell, .. } => cell.with_text(|text| text.len() as u64),
            _ => 0,
        };
        longest = longest.max(len);
        ControlFlow::Continue(())
    })?;
    Ok(longest)
}

/// What the size of an object depends on besides its value.
#[derive(Debug, Clone, Copy)]
struct Key {
    len: u64,
    expires: bool,
}

/// Reads a part of a body, or gives the fault.
fn read<'a, T>(
    rest: &mut &'a [u8],
    parser: impl FnOnce(&'a [u8]) -> Parsed<'a, T>,
) -> Result<T, Fault> {
    let (behind, value) = parser(rest).map_err(|error| unwrap_bad(error).fault)?;
    *rest = behind;
    Ok(value)
}
