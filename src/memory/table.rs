//! Sets, hashes and sorted sets.

use std::ops::ControlFlow;

use super::blocks::{buckets, rounded};
use super::filling::Filling;
use super::sum::Sum;
use super::{Estimator, Item, read};
use crate::error::FormatError;
use crate::rdb::{Entry, Product, Scratch, Text, ValueType};

/// What the array of a hash with a template takes besides the values, and for each of these.
const TEMPLATE_ARRAY: u64 = 14;
const TEMPLATE_VALUE: u64 = 8;
/// What a template takes besides its names, and for each of these.
const TEMPLATE: u64 = 80;
const TEMPLATE_NAME: u64 = 8;
type Result<T> = std::result::Result<T, Box<FormatError>>;

impl Estimator {
    /// The value of a set.
    pub(super) fn set(&self, entry: &Entry<'_>, scratch: &mut Scratch) -> Result<u64> {
        let limits = &self.profile.server.limits;
        match entry.value_type {
            ValueType::SetIntset => return self.as_it_lies(entry, 0),
            ValueType::SetListpack if limits.set_entries > 0 => return self.as_it_lies(entry, 0),
            _ => {}
        }
        let sum = self.sum(entry, scratch)?;
        let fits = |entries: usize| sum.count <= entries as u64;
        Ok(if sum.all_integers && fits(limits.intset_entries) {
            self.blocks.packed(sum.intset_bytes())
        } else if fits(limits.set_entries) && sum.longest <= limits.set_value as u64 {
            self.blocks.packed(sum.packed)
        } else {
            self.blocks.table(sum.count, false, Filling::AtOnce) + rounded(sum.apart)
        })
    }

    /// The value of a sorted set.
    pub(super) fn sorted_set(&self, entry: &Entry<'_>, scratch: &mut Scratch) -> Result<u64> {
        let server = &self.profile.server;
        match entry.value_type {
            ValueType::SortedSetListpack => {
                return self.as_it_lies(entry, 0);
            }
            ValueType::SortedSetZiplist if !server.has_listpacks() => {
                return self.as_it_lies(entry, 0);
            }
            _ => {}
        }
        let sum = self.sum(entry, scratch)?;
        let limits = &server.limits;
        let is_packed = entry.value_type == ValueType::SortedSetZiplist
            || (sum.count <= limits.zset_entries as u64 && sum.longest <= limits.zset_value as u64);
        Ok(if is_packed {
            self.blocks.packed(sum.packed)
        } else {
            let table = self.blocks.table(sum.count, false, Filling::AtOnce);
            table + self.blocks.skiplist() + rounded(sum.apart)
        })
    }

    /// The value of a hash.
    pub(super) fn hash(&self, entry: &Entry<'_>, scratch: &mut Scratch) -> Result<u64> {
        use ValueType::*;
        let server = &self.profile.server;
        let (expiry, templates) = (server.has_field_expiry(), server.has_templates());
        match entry.value_type {
            HashListpack => return self.as_it_lies(entry, 0),
            HashZiplist if !server.has_listpacks() => return self.as_it_lies(entry, 0),
            HashListpackEx if expiry => {
                return Ok(self.as_it_lies(entry, 8)? + self.blocks.rules.expiring_pack);
            }
            HashListpackExPreGa if expiry => {
                return Ok(self.as_it_lies(entry, 0)? + self.blocks.rules.expiring_pack);
            }
            HashTemplateListpack if templates && entry.template().is_some() => {
                return Ok(self.as_it_lies(entry, 0)?.saturating_add(self.template(entry)));
            }
            HashTemplateArray if templates && entry.template().is_some() => {
                let values = self.template_array(entry, scratch)?;
                return Ok(values.saturating_add(self.template(entry)));
            }
            _ => {}
        }
        let sum = self.sum(entry, scratch)?;
        let limits = &server.limits;
        let was_packed = matches!(entry.value_type, HashZipmap | HashZiplist);
        let fits =
            sum.count <= limits.hash_entries as u64 && sum.longest <= limits.hash_value as u64;
        let expires = sum.expiring > 0 && expiry;
        let is_valkey = server.product == Product::Valkey;
        Ok(if expires && is_valkey {
            let table = self.blocks.table(sum.count, true, Filling::AtOnce);
            table + rounded(sum.apart) + self.expiring(sum.expiring)
        } else if was_packed || fits {
            // Without expiry there is no third element to each field.
            let times = 2 * (sum.count - sum.expiring) + 10 * sum.expiring;
            if expires {
                self.blocks.packed(sum.packed) + self.blocks.rules.expiring_pack
            } else {
                self.blocks.packed(sum.packed - times)
            }
        } else {
            // A load makes room for a hash that it knows to be large, but for one whose fields
            // expire, and for one that only turns out to have a long value not before that comes.
            let before_long = sum.before_long.filter(|_| sum.count <= limits.hash_entries as u64);
            let room = self.blocks.rules.room;
            let filling = match (entry.value_type, before_long) {
                (HashMetadata, Some(before)) => Filling::UnpackedExpiring(before, room),
                (HashMetadata, None) => Filling::OneByOne,
                (_, Some(before)) => Filling::Unpacked(before, room),
                (_, None) => Filling::AtOnce,
            };
            self.blocks.table(sum.count, true, filling) + rounded(sum.apart)
        })
    }

    /// What Valkey keeps of fields that expire: a list up to 127, a table from there on.
    fn expiring(&self, fields: u64) -> u64 {
        match fields {
            0 | 1 => 0,
            2..128 => self.blocks.block(8 + 8 * fields),
            _ => 160 + buckets(fields),
        }
    }

    /// A hash' part of its template: the server divides it by the hashes that share it.
    fn template(&self, entry: &Entry<'_>) -> u64 {
        let Some(template) = entry.template() else { return 0 };
        let Some(hashes) = self.templates.get(&template.id) else { return 0 };
        let names = template.names.iter();
        let names = names.map(|name| TEMPLATE_NAME + self.blocks.text(name.len() as u64));
        (TEMPLATE + names.sum::<u64>()).checked_div(*hashes).unwrap_or(0)
    }

    /// Values of a hash with a template.
    fn template_array(&self, entry: &Entry<'_>, scratch: &mut Scratch) -> Result<u64> {
        let mut bytes = TEMPLATE_ARRAY;
        entry.visit(scratch, |item| {
            if let Item::Field { value, .. } = item {
                bytes = bytes.saturating_add(TEMPLATE_VALUE + self.blocks.text(value.len()));
            }
            ControlFlow::Continue(())
        })?;
        Ok(bytes)
    }

    /// A packed value that stays as it is, behind `skip` bytes.
    fn as_it_lies(&self, entry: &Entry<'_>, skip: usize) -> Result<u64> {
        let mut rest = entry.body().get(skip..).unwrap_or_default();
        let text = read(&mut rest, Text::parse).map_err(|fault| entry.error(0, fault))?;
        Ok(self.blocks.packed(text.len()))
    }

    fn sum(&self, entry: &Entry<'_>, scratch: &mut Scratch) -> Result<Sum> {
        let mut sum = Sum::default();
        entry.visit(scratch, |item| {
            sum.add(item, self);
            ControlFlow::Continue(())
        })?;
        Ok(sum)
    }
}
