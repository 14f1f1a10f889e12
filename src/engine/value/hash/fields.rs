//! The fields of a hash, one after the other, whatever form it has.

use super::table::Table;
use crate::rdb::packed::{Elems, ListpackBuf};
use crate::value::Elem;

/// The fields of a hash: name, value, and expiry as unix time in milliseconds.
#[derive(Debug, Clone)]
pub struct Fields<'a>(Walk<'a>);

#[derive(Debug, Clone)]
enum Walk<'a> {
    Packed(Elems<'a>, bool),
    Table(&'a Table, usize),
}

impl<'a> Fields<'a> {
    pub(super) fn packed(pack: &'a ListpackBuf, triples: bool) -> Self {
        Fields(Walk::Packed(pack.iter(), triples))
    }

    pub(super) fn table(table: &'a Table, index: usize) -> Self {
        Fields(Walk::Table(table, index))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (Elem<'a>, Elem<'a>, Option<i64>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Walk::Packed(walk, triples) => {
                let ((_, field), (_, value)) = (walk.next()?, walk.next()?);
                let at_ms = match triples.then(|| walk.next()).flatten() {
                    Some((_, Elem::Int(at_ms))) if at_ms != 0 => Some(at_ms),
                    _ => None,
                };
                Some((field, value, at_ms))
            }
            Walk::Table(table, index) => {
                let (field, value) = table.at(*index)?;
                *index += 1;
                Some((Elem::Bytes(field), Elem::Bytes(value), table.expiry(field)))
            }
        }
    }
}
