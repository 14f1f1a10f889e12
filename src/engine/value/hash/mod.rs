//! Hashes, in the forms that servers hold them in.
//!
//! ```text
//! pairs     listpack of field, value               listpack (ziplist up to 6.2)
//! triples   listpack of field, value, expiry       listpackex: the soonest expiry first, those
//!                                                  without one (0) last
//! table     fields by hash, expiries beside them   hashtable
//! ```
//!
//! A hash grows out of its listpack when it has too many fields or one that is too long, and never
//! goes back. Redis turns pairs into triples when the first field gets an expiry; Valkey turns them
//! into a table. A field that has expired is there until [`Hash::drop_expired`] is told the time.

mod fields;
mod load;
mod seen;
mod table;

pub use fields::Fields;
pub(crate) use seen::is_hidden;

use crate::rdb::packed::ListpackBuf;
use crate::rdb::{Limits, Product, Target};
use crate::value::Elem;
use table::Table;

/// Elements per field in each of the packed forms.
const PAIR: usize = 2;
const TRIPLE: usize = 3;

/// A hash.
#[derive(Debug, Clone)]
pub struct Hash {
    form: Form,
    /// Whether it shares its fields with others of its kind (Redis 8.10): its fields are in order
    /// of length, then bytes, and it is packed by its values alone.
    template: bool,
}

#[derive(Debug, Clone)]
enum Form {
    Pairs(ListpackBuf),
    Triples(ListpackBuf),
    Table(Box<Table>),
}

impl Default for Hash {
    fn default() -> Self {
        Hash { form: Form::Pairs(ListpackBuf::new()), template: false }
    }
}

/// A listpack that is a whole hash.
#[derive(Debug, Clone, Copy)]
pub enum PackedHash<'a> {
    /// Of field, value.
    Pairs(&'a ListpackBuf),
    /// Of field, value, expiry (unix time in milliseconds, 0 for none), the soonest first.
    Triples(&'a ListpackBuf),
}

impl Hash {
    /// An empty hash that keeps its fields as those with a template do.
    pub fn of_template() -> Self {
        Hash { template: true, ..Hash::default() }
    }

    /// How many fields there are, expired ones included.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.form {
            Form::Pairs(pack) => pack.len() / PAIR,
            Form::Triples(pack) => pack.len() / TRIPLE,
            Form::Table(table) => table.len(),
        }
    }

    /// Whether there is no field.
    #[inline]
    pub fn is_empty(&self) -> bool {
        match &self.form {
            Form::Pairs(pack) | Form::Triples(pack) => pack.is_empty(),
            Form::Table(table) => table.len() == 0,
        }
    }

    /// What OBJECT ENCODING says.
    pub fn encoding(&self, target: &Target) -> &'static str {
        match &self.form {
            Form::Table(_) if self.template => "template-array",
            Form::Pairs(_) if self.template => "template-listpack",
            Form::Table(_) => "hashtable",
            Form::Triples(_) => "listpackex",
            Form::Pairs(_) if target.has_listpacks() => "listpack",
            Form::Pairs(_) => "ziplist",
        }
    }

    /// The listpack, where this is one.
    pub fn packed(&self) -> Option<PackedHash<'_>> {
        match &self.form {
            Form::Pairs(pack) => Some(PackedHash::Pairs(pack)),
            Form::Triples(pack) => Some(PackedHash::Triples(pack)),
            Form::Table(_) => None,
        }
    }

    /// Whether it shares its fields with others of its kind (Redis 8.10).
    pub fn has_template(&self) -> bool {
        self.template
    }

    /// The soonest expiry of a field, unix time in milliseconds.
    pub fn soonest_expiry_ms(&self) -> Option<i64> {
        match &self.form {
            Form::Pairs(_) => None,
            Form::Triples(pack) => expiry_at(pack, ListpackBuf::FIRST),
            Form::Table(table) => table.soonest(),
        }
    }

    /// The fields, in the order that a server would list them in where they are packed.
    #[inline]
    pub fn iter(&self) -> Fields<'_> {
        match &self.form {
            Form::Pairs(pack) => Fields::packed(pack, false),
            Form::Triples(pack) => Fields::packed(pack, true),
            Form::Table(table) => Fields::table(table, 0),
        }
    }

    /// The fields from the `index`-th on.
    pub fn iter_from(&self, index: usize) -> Fields<'_> {
        match &self.form {
            Form::Table(table) => Fields::table(table, index),
            _ => {
                let mut fields = self.iter();
                (0..index).for_each(|_| _ = fields.next());
                fields
            }
        }
    }

    /// The value of a field.
    #[inline]
    pub fn get(&self, field: &[u8]) -> Option<Elem<'_>> {
        match &self.form {
            Form::Pairs(pack) => value_at(pack, pack.find(field, ListpackBuf::FIRST, PAIR)?),
            Form::Triples(pack) => value_at(pack, pack.find(field, ListpackBuf::FIRST, TRIPLE)?),
            Form::Table(table) => table.get(field).map(Elem::Bytes),
        }
    }

    /// The expiry of a field, unix time in milliseconds: `None` where there is no such field,
    /// `Some(None)` where it has none.
    pub fn expiry(&self, field: &[u8]) -> Option<Option<i64>> {
        match &self.form {
            Form::Pairs(pack) => pack.find(field, ListpackBuf::FIRST, PAIR).map(|_| None),
            Form::Triples(pack) => {
                pack.find(field, ListpackBuf::FIRST, TRIPLE).map(|at| expiry_at(pack, at))
            }
            Form::Table(table) => table.get(field).map(|_| table.expiry(field)),
        }
    }

    /// Sets a field, which then has no expiry; whether it is new.
    #[inline]
    pub fn set(&mut self, field: &[u8], value: &[u8], limits: &Limits) -> bool {
        self.put(field, value, limits, false)
    }

    /// Sets a field and leaves its expiry; whether it is new.
    #[inline]
    pub fn set_keeping_expiry(&mut self, field: &[u8], value: &[u8], limits: &Limits) -> bool {
        self.put(field, value, limits, true)
    }

    #[inline]
    fn put(&mut self, field: &[u8], value: &[u8], limits: &Limits, keep: bool) -> bool {
        let long_field = field.len() > limits.hash_value && !self.template;
        let long = long_field || value.len() > limits.hash_value;
        match &mut self.form {
            Form::Pairs(pack) if !long => {
                if let Some(at) = pack.find(field, ListpackBuf::FIRST, PAIR) {
                    let at = pack.after(at);
                    pack.replace(at, Elem::Bytes(value));
                    return false;
                }
                if self.template {
                    let at = ordered_place(pack, field);
                    pack.insert(at, value);
                    pack.insert(at, field);
                } else {
                    pack.push(field);
                    pack.push(value);
                }
                if pack.len() > PAIR * limits.hash_entries {
                    self.unpack();
                }
                true
            }
            Form::Triples(pack) if !long => {
                if let Some(at) = pack.find(field, ListpackBuf::FIRST, TRIPLE) {
                    if keep || expiry_at(pack, at).is_none() {
                        let at = pack.after(at);
                        pack.replace(at, Elem::Bytes(value));
                    } else {
                        pack.remove(at, TRIPLE);
                        push_triple(pack, pack.end(), field, value, 0);
                    }
                    return false;
                }
                push_triple(pack, pack.end(), field, value, 0);
                if pack.len() > TRIPLE * limits.hash_entries {
                    self.unpack();
                }
                true
            }
            Form::Pairs(_) | Form::Triples(_) => {
                self.unpack();
                self.put(field, value, limits, keep)
            }
            Form::Table(table) => table.set(field, value, keep, self.template),
        }
    }

    /// Adds a field that is known not to be there, behind the others.
    fn push(&mut self, field: Elem<'_>, value: Elem<'_>, limits: &Limits) {
        let long = |elem: &Elem<'_>| elem.len() > limits.hash_value as u64;
        match &mut self.form {
            Form::Pairs(pack)
                if (self.template || !long(&field))
                    && !long(&value)
                    && pack.len() + PAIR <= PAIR * limits.hash_entries =>
            {
                pack.push_elem(field);
                pack.push_elem(value);
            }
            _ => {
                let (mut one, mut other) = (itoa::Buffer::new(), itoa::Buffer::new());
                let (field, value) = (field.bytes(&mut one), value.bytes(&mut other));
                self.put(field, value, limits, true);
            }
        }
    }

    /// Makes it ready for expiries, as Redis does before it looks at any field.
    pub fn expect_expiry(&mut self, limits: &Limits) {
        if self.template {
            self.leave_template(limits);
        }
        if let Form::Pairs(pack) = &self.form {
            let mut triples = ListpackBuf::with_capacity(pack.size_bytes() + 2 * pack.len());
            for (field, value, _) in self.iter() {
                triples.push_elem(field);
                triples.push_elem(value);
                triples.push_int(0);
            }
            *self = Hash { form: Form::Triples(triples), template: false };
        }
    }

    /// Becomes a hash with fields of its own, which count for what a listpack may hold; of values
    /// that are packed already the length does not.
    fn leave_template(&mut self, limits: &Limits) {
        let was_packed = matches!(self.form, Form::Pairs(_));
        let long = |elem: &Elem<'_>| elem.len() > limits.hash_value as u64;
        let fits = self.len() <= limits.hash_entries
            && self.iter().all(|(field, value, _)| !long(&field) && (was_packed || !long(&value)));
        if fits && !was_packed {
            let mut pack = ListpackBuf::new();
            for (field, value, _) in self.iter() {
                pack.push_elem(field);
                pack.push_elem(value);
            }
            self.form = Form::Pairs(pack);
        } else if !fits {
            self.unpack();
        }
        self.template = false;
    }

    /// Sets or clears the expiry of a field; whether there is such a field.
    pub fn set_expiry(&mut self, field: &[u8], at_ms: Option<i64>, target: &Target) -> bool {
        if at_ms.is_some() && (self.template || matches!(self.form, Form::Pairs(_))) {
            if self.get(field).is_none() {
                return false;
            }
            match target.product {
                Product::Valkey => self.unpack(),
                _ => self.expect_expiry(&target.limits),
            }
        }
        match &mut self.form {
            Form::Pairs(pack) => pack.find(field, ListpackBuf::FIRST, PAIR).is_some(),
            Form::Triples(pack) => {
                let Some(at) = pack.find(field, ListpackBuf::FIRST, TRIPLE) else { return false };
                if at_ms.is_none() && expiry_at(pack, at).is_none() {
                    return true;
                }
                let value = value_at(pack, at).map(|value| value.to_vec()).unwrap_or_default();
                pack.remove(at, TRIPLE);
                let place = at_ms.map_or(pack.end(), |at_ms| place_of_expiry(pack, at_ms));
                push_triple(pack, place, field, &value, at_ms.unwrap_or(0));
                true
            }
            Form::Table(table) => table.set_expiry(field, at_ms),
        }
    }

    /// Removes a field; whether it was there.
    #[inline]
    pub fn remove(&mut self, field: &[u8]) -> bool {
        let (pack, size) = match &mut self.form {
            Form::Pairs(pack) => (pack, PAIR),
            Form::Triples(pack) => (pack, TRIPLE),
            Form::Table(table) => return table.remove(field, self.template),
        };
        match pack.find(field, ListpackBuf::FIRST, size) {
            Some(at) => {
                pack.remove(at, size);
                true
            }
            None => false,
        }
    }

    /// Removes the fields that have expired before a time; how many.
    #[inline]
    pub fn drop_expired(&mut self, now_ms: i64) -> usize {
        match &mut self.form {
            Form::Pairs(_) => 0,
            Form::Triples(pack) => {
                let mut count = 0;
                while expiry_at(pack, ListpackBuf::FIRST).is_some_and(|at_ms| at_ms < now_ms) {
                    pack.remove(ListpackBuf::FIRST, TRIPLE);
                    count += 1;
                }
                count
            }
            Form::Table(table) => table.drop_expired(now_ms),
        }
    }

    /// Turns a listpack into a table.
    #[cold]
    pub fn unpack(&mut self) {
        if !matches!(self.form, Form::Table(_)) {
            let mut table = Table::with_capacity(self.len());
            for (field, value, expires_at_ms) in self.iter() {
                table.add(field, value, expires_at_ms);
            }
            self.form = Form::Table(Box::new(table));
        }
    }
}

/// The value behind the field at a place.
#[inline]
fn value_at(pack: &ListpackBuf, at: usize) -> Option<Elem<'_>> {
    pack.iter_from(at).nth(1).map(|(_, value)| value)
}

/// The expiry of the triple at a place.
#[inline]
fn expiry_at(pack: &ListpackBuf, at: usize) -> Option<i64> {
    match pack.iter_from(at).nth(2) {
        Some((_, Elem::Int(at_ms))) if at_ms != 0 => Some(at_ms),
        _ => None,
    }
}

/// Puts a triple in front of the one at a place.
fn push_triple(pack: &mut ListpackBuf, at: usize, field: &[u8], value: &[u8], at_ms: i64) {
    pack.insert(at, itoa::Buffer::new().format(at_ms).as_bytes());
    pack.insert(at, value);
    pack.insert(at, field);
}

/// Where a triple with this expiry goes: in front of those that expire no sooner.
fn place_of_expiry(pack: &ListpackBuf, at_ms: i64) -> usize {
    let mut walk = pack.iter();
    while let Some((at, _)) = walk.next() {
        walk.next();
        match walk.next() {
            Some((_, Elem::Int(other))) if other != 0 && other < at_ms => {}
            _ => return at,
        }
    }
    pack.end()
}

/// Where a field goes among those of a template.
fn ordered_place(pack: &ListpackBuf, field: &[u8]) -> usize {
    let before = |elem: Elem<'_>| {
        let bytes = elem.to_cow();
        (bytes.len(), &*bytes) < (field.len(), field)
    };
    let found = pack.iter().step_by(PAIR).find(|(_, elem)| !before(*elem));
    found.map_or(pack.end(), |(at, _)| at)
}
