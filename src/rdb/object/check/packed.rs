//! Strict walks over blobs, and the search for repetitions in them.

use super::Stance::{self, Dropped};
use super::seen::{Seen, hash_elem, same};
use super::{Halt, Report};
use crate::error::Fault;
use crate::rdb::object::cursor::Blob;
use crate::rdb::packed::{Flaw, Listpack, Packed, Walk, Ziplist};
use crate::value::Elem;

/// What servers make of flaws in a kind of blob.
pub(super) trait Judged {
    /// Of a header that does not fit.
    const HEADER: Stance;
    /// Of everything inside.
    const INSIDE: Stance;
}

impl Judged for Listpack<'_> {
    const HEADER: Stance = Stance::Fatal;
    const INSIDE: Stance = Stance::DeepOnly;
}

// Read into a listpack on load, since 7.0.
impl Judged for Ziplist<'_> {
    const HEADER: Stance = Stance::Fatal;
    const INSIDE: Stance = Stance::FatalSince7;
}

/// A tuple of a blob: its elements, and where the first of them is.
pub(super) struct Tuple<'s> {
    /// Of those that the tuple does not have nothing is said.
    pub(super) elems: [Elem<'s>; 3],
    /// Bytes behind the start of the blob.
    pub(super) offset: u64,
    /// Tuples before it.
    pub(super) number: u64,
}

/// Opens a blob; what is wrong with its header is reported.
#[inline]
pub(super) fn open<'s, P: Packed<'s> + Judged>(
    blob: Blob<'s>,
    report: &mut Report<'_>,
) -> Result<Option<P>, Halt> {
    match P::open(blob.bytes) {
        Ok(pack) => Ok(Some(pack)),
        Err(fault) => report.flaw(blob, Flaw { at: 0, fault }, P::HEADER).map(|()| None),
    }
}

/// Walks a blob strictly in tuples of `N`, at most three; returns how many elements it has, if all were found.
#[inline]
pub(super) fn tuples<'s, P: Packed<'s> + Judged, const N: usize>(
    pack: P,
    blob: Blob<'s>,
    report: &mut Report<'_>,
    mut each: impl FnMut(&mut Report<'_>, Tuple<'s>) -> Result<(), Halt>,
) -> Result<Option<u64>, Halt> {
    // A load takes the header's word for it that nothing is there, and does not look.
    let looks_empty = pack.claimed().is_some_and(|claimed| claimed < N as u64);
    let inside = if looks_empty && P::INSIDE == Stance::DeepOnly { Dropped } else { P::INSIDE };
    let mut walk = pack.strict();
    let mut number = 0u64;
    // One by one: an array that a loop fills goes through memory in pieces, and is waited for.
    let (offset, place) = loop {
        let offset = walk.offset();
        let Some(first) = walk.advance() else { break (offset, 0) };
        let (mut second, mut third) = (Elem::Int(0), Elem::Int(0));
        if N > 1 {
            let Some(elem) = walk.advance() else { break (offset, 1) };
            second = elem;
        }
        if N > 2 {
            let Some(elem) = walk.advance() else { break (offset, 2) };
            third = elem;
        }
        each(report, Tuple { elems: [first, second, third], offset, number })?;
        number += 1;
    };
    let count = match walk.broken() {
        Some(flaw) => {
            report.flaw(blob, flaw, inside)?;
            None
        }
        None => {
            let count = number * N as u64 + place;
            if place != 0 {
                let fault = Fault::TupleCount { count, of: N as u64 };
                report.flaw(blob, Flaw { at: offset, fault }, inside)?;
            }
            Some(count)
        }
    };
    for flaw in walk.flaws() {
        report.flaw(blob, flaw, inside)?;
    }
    Ok(count)
}

/// Like [`tuples`], and the first elements of the tuples must differ.
#[inline]
pub(super) fn distinct_tuples<'s, P: Packed<'s> + Judged, const N: usize>(
    pack: P,
    blob: Blob<'s>,
    seen: &mut Seen,
    report: &mut Report<'_>,
    mut each: impl FnMut(&mut Report<'_>, &Tuple<'s>) -> Result<(), Halt>,
) -> Result<Option<u64>, Halt> {
    // A count that must be counted: no entry is smaller than two bytes.
    let elements = pack.claimed().unwrap_or(blob.bytes.len() as u64 / 2);
    seen.begin(elements / N as u64);
    let count = tuples::<P, N>(pack, blob, report, |report, tuple| {
        let [key, ..] = tuple.elems;
        let is_same = |at| pack.element_at(at).is_some_and(|first| same(first, key));
        if let Some(first) = seen.insert(hash_elem(key), tuple.offset, tuple.number, is_same)? {
            report.show(blob.at(tuple.offset), Fault::Duplicate { first }, P::INSIDE, key)?;
        }
        each(report, &tuple)
    })?;
    let pair = |a, b| match (pack.element_at(a), pack.element_at(b)) {
        (Some(a), Some(b)) => same(a, b),
        _ => false,
    };
    let number = |at| {
        let mut walk = pack.plain();
        let mut elements = 0;
        while walk.offset() < at && walk.next().is_some() {
            elements += 1;
        }
        elements / N as u64
    };
    let fault = |first| Fault::Duplicate { first: number(first) };
    let name = |at| pack.element_at(at).map(|e| e.to_vec()).unwrap_or_default();
    seen.finish(pair, fault, name, |at| blob.at(at), P::INSIDE, report)?;
    Ok(count)
}
