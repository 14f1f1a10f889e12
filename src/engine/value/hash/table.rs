//! A hash as a table. Its order is that of the commands that ran: a field that goes leaves its
//! place to the last one.

use hashbrown::{DefaultHashBuilder, HashMap};
use indexmap::IndexMap;

use crate::engine::Bytes;
use crate::value::Elem;

#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    fields: IndexMap<Bytes, Bytes, DefaultHashBuilder>,
    /// Most hashes have none.
    times: Option<Box<Times>>,
}

#[derive(Debug, Clone, Default)]
struct Times {
    of: HashMap<Bytes, i64>,
    /// No expiry is sooner.
    bound: i64,
}

impl Table {
    pub(super) fn with_capacity(fields: usize) -> Self {
        let fields = IndexMap::with_capacity_and_hasher(fields, DefaultHashBuilder::default());
        Table { fields, times: None }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    #[inline]
    pub(super) fn get(&self, field: &[u8]) -> Option<&[u8]> {
        self.fields.get(field).map(Bytes::as_slice)
    }

    #[inline]
    pub(super) fn at(&self, index: usize) -> Option<(&[u8], &[u8])> {
        self.fields.get_index(index).map(|(field, value)| (field.as_slice(), value.as_slice()))
    }

    #[inline]
    pub(super) fn expiry(&self, field: &[u8]) -> Option<i64> {
        self.times.as_ref()?.of.get(field).copied()
    }

    pub(super) fn soonest(&self) -> Option<i64> {
        self.times.as_ref()?.of.values().copied().min()
    }

    /// Sets a field; whether it is new.
    #[inline]
    pub(super) fn set(&mut self, field: &[u8], value: &[u8], keep: bool, ordered: bool) -> bool {
        if let Some(slot) = self.fields.get_mut(field) {
            *slot = value.into();
            if !keep {
                self.clear_expiry(field);
            }
            return false;
        }
        if ordered {
            let place = self
                .fields
                .keys()
                .position(|other| (other.len(), &**other) > (field.len(), field))
                .unwrap_or(self.fields.len());
            self.fields.shift_insert(place, field.into(), value.into());
        } else {
            self.fields.insert(field.into(), value.into());
        }
        true
    }

    /// Adds a field; one of the same name is overwritten.
    pub(super) fn add(&mut self, field: Elem<'_>, value: Elem<'_>, at_ms: Option<i64>) {
        let (mut one, mut other) = (itoa::Buffer::new(), itoa::Buffer::new());
        let field = field.bytes(&mut one);
        self.fields.insert(field.into(), value.bytes(&mut other).into());
        if at_ms.is_some() {
            self.set_expiry(field, at_ms);
        }
    }

    #[inline]
    pub(super) fn remove(&mut self, field: &[u8], ordered: bool) -> bool {
        let gone = match ordered {
            true => self.fields.shift_remove(field).is_some(),
            false => self.fields.swap_remove(field).is_some(),
        };
        if gone {
            self.clear_expiry(field);
        }
        gone
    }

    /// Sets or clears the expiry of a field; whether there is such a field.
    pub(super) fn set_expiry(&mut self, field: &[u8], at_ms: Option<i64>) -> bool {
        if !self.fields.contains_key(field) {
            return false;
        }
        match at_ms {
            None => self.clear_expiry(field),
            Some(at_ms) => {
                let times = self
                    .times
                    .get_or_insert_with(|| Box::new(Times { bound: i64::MAX, ..Times::default() }));
                times.bound = times.bound.min(at_ms);
                times.of.insert(field.into(), at_ms);
            }
        }
        true
    }

    #[inline]
    fn clear_expiry(&mut self, field: &[u8]) {
        if let Some(times) = &mut self.times {
            times.of.remove(field);
            if times.of.is_empty() {
                self.times = None;
            }
        }
    }

    pub(super) fn drop_expired(&mut self, now_ms: i64) -> usize {
        let Some(times) = &mut self.times else { return 0 };
        if times.bound >= now_ms {
            return 0;
        }
        let mut gone: Vec<usize> = Vec::new();
        for (field, _) in times.of.iter().filter(|(_, at_ms)| **at_ms < now_ms) {
            gone.extend(self.fields.get_index_of(field));
        }
        // In the order of the fields, so that what is left does not depend on the table of times;
        // the last one first, so that no place changes before its turn.
        gone.sort_unstable_by(|one, other| other.cmp(one));
        for index in &gone {
            if let Some((field, _)) = self.fields.swap_remove_index(*index) {
                times.of.remove(&field);
            }
        }
        times.bound = times.of.values().copied().min().unwrap_or(i64::MAX);
        if times.of.is_empty() {
            self.times = None;
        }
        gone.len()
    }
}
