//! Hashes: fields must differ, expiries be in range, and those of a listpack in order.

use super::Stance::{self, DeepOnly, Dropped, Fatal};
use super::packed::{Judged, distinct_tuples, open};
use super::seen::{Seen, hash_elem, same};
use super::{Checker, Halt, Problem, Report, blob, template};
use crate::error::Fault;
use crate::rdb::object::Scratch;
use crate::rdb::object::cursor::{Blob, Cursor};
use crate::rdb::object::hash::{MAX_EXPIRY_MS, expiry, valkey_expiry};
use crate::rdb::packed::{Flaw, Listpack, Packed, Ziplist, Zipmap};
use crate::rdb::{Entry, ValueType};
use crate::value::Elem;

/// Up to here servers make a listpack of a hash, by default, and do not see a repetition.
const LISTPACK_FIELDS: u64 = 512;
/// And of no longer a field or value.
const LISTPACK_BYTES: u64 = 64;

pub(super) fn check(
    entry: &Entry<'_>,
    mut body: Cursor<'_>,
    checker: &mut Checker,
    report: &mut Report<'_>,
) -> Result<(), Halt> {
    let ty = entry.value_type;
    match ty {
        ValueType::Hash => {
            let start = body.clone();
            let stance = || duplicate_field(start.clone(), false);
            distinct_strings(
                body,
                checker,
                report,
                stance,
                |_, _| Ok(()),
                |body, report| report.next_text(body),
            )
        }
        ValueType::HashMetadata | ValueType::HashMetadataPreGa => {
            let least = match ty {
                ValueType::HashMetadata => Some(body.i64()?),
                _ => None,
            };
            let ttl = |body: &mut Cursor<'_>, report: &mut Report<'_>| {
                let at = body.at();
                match expiry(least, body.length()?) {
                    Ok(_) => Ok(()),
                    Err(fault) => report.add(at, fault, Fatal),
                }
            };
            let start = body.clone();
            let stance = || duplicate_field(start.clone(), true);
            distinct_strings(body, checker, report, stance, ttl, |body, report| {
                report.next_text(body)
            })
        }
        ValueType::HashValkey => {
            let value = |body: &mut Cursor<'_>, report: &mut Report<'_>| {
                report.next_text(body)?;
                let at = body.at();
                match valkey_expiry(body.i64()?) {
                    Ok(_) => Ok(()),
                    Err(fault) => report.add(at, fault, Fatal),
                }
            };
            distinct_strings(body, checker, report, || Fatal, |_, _| Ok(()), value)
        }
        ValueType::HashZiplist => match blob(&mut body, &mut checker.scratch.blob, report)? {
            Some(blob) => packed::<Ziplist<'_>>(blob, &mut checker.seen, report),
            None => Ok(()),
        },
        ValueType::HashListpack => match blob(&mut body, &mut checker.scratch.blob, report)? {
            Some(blob) => packed::<Listpack<'_>>(blob, &mut checker.seen, report),
            None => Ok(()),
        },
        ValueType::HashListpackEx | ValueType::HashListpackExPreGa => {
            if ty == ValueType::HashListpackEx {
                body.i64()?;
            }
            match blob(&mut body, &mut checker.scratch.blob, report)? {
                Some(blob) => expiring(blob, &mut checker.seen, report),
                None => Ok(()),
            }
        }
        ValueType::HashZipmap => match blob(&mut body, &mut checker.scratch.blob, report)? {
            Some(blob) => zipmap(blob, &mut checker.seen, report),
            None => Ok(()),
        },
        _ => template::check(entry, body, checker, report),
    }
}

/// What servers make of a field that stands there twice: they do not see it in a hash that they
/// make a listpack of.
#[cold]
fn duplicate_field(mut body: Cursor<'_>, has_ttl: bool) -> Stance {
    let fields = body.length().unwrap_or(u64::MAX);
    let mut text = |with_ttl: bool| {
        (!with_ttl || body.length().is_ok())
            && body.text().is_ok_and(|text| text.len() <= LISTPACK_BYTES)
    };
    let fits = fields <= LISTPACK_FIELDS && (0..fields).all(|_| text(has_ttl) && text(false));
    if fits { DeepOnly } else { Fatal }
}

/// A count and strings that must differ, each with something before and after it. What `stance`
/// says of repetitions is only asked where there are some.
#[inline]
pub(super) fn distinct_strings<'a>(
    mut body: Cursor<'a>,
    checker: &mut Checker,
    report: &mut Report<'_>,
    stance: impl Fn() -> Stance,
    mut before: impl FnMut(&mut Cursor<'a>, &mut Report<'_>) -> Result<(), Halt>,
    mut after: impl FnMut(&mut Cursor<'a>, &mut Report<'_>) -> Result<(), Halt>,
) -> Result<(), Halt> {
    let Checker { scratch: Scratch { first: room, second, .. }, third, seen, .. } = checker;
    let count = body.length()?;
    if count == 0 {
        return report.add(0, Fault::EmptyValue, Dropped);
    }
    let start = body.clone();
    seen.begin_sure(count);
    for number in 0..count {
        before(&mut body, report)?;
        let at = body.at();
        match body.text()?.elem(room) {
            Err(fault) => report.add(at, fault, Fatal)?,
            Ok(elem) => {
                let is_same = |at| start.jump(at).elem(second).is_ok_and(|first| same(first, elem));
                if let Some(first) = seen.insert(hash_elem(elem), at, number, is_same)? {
                    report.show(at, Fault::Duplicate { first }, stance(), elem)?;
                }
            }
        }
        after(&mut body, report)?;
    }
    let pair = |a, b| match (start.jump(a).elem(second), start.jump(b).elem(third)) {
        (Ok(a), Ok(b)) => same(a, b),
        _ => false,
    };
    let mut number = |at| {
        let mut nothing = |_: Problem<'_>| {};
        let quiet = &mut Report { sink: &mut nothing, left: u32::MAX };
        let mut body = start.clone();
        (0..count)
            .find(|_| {
                let _ = before(&mut body, quiet);
                let found = body.at() >= at || body.text().is_err();
                let _ = after(&mut body, quiet);
                found
            })
            .unwrap_or(count)
    };
    let fault = |first| Fault::Duplicate { first: number(first) };
    let name = |at| start.jump(at).elem(room).map(|e| e.to_vec()).unwrap_or_default();
    seen.finish(pair, fault, name, |at| at, Fatal, report)
}

#[inline]
fn packed<'s, P: Packed<'s> + Judged>(
    blob: Blob<'s>,
    seen: &mut Seen,
    report: &mut Report<'_>,
) -> Result<(), Halt> {
    let Some(pack) = open::<P>(blob, report)? else { return Ok(()) };
    let count = distinct_tuples::<P, 2>(pack, blob, seen, report, |_, _| Ok(()))?;
    if count == Some(0) { report.add(0, Fault::EmptyValue, Dropped) } else { Ok(()) }
}

/// Triples of field, value, expiry: the soonest first, those without expiry last.
fn expiring(blob: Blob<'_>, seen: &mut Seen, report: &mut Report<'_>) -> Result<(), Halt> {
    let Some(pack) = open::<Listpack<'_>>(blob, report)? else { return Ok(()) };
    let mut last = 0;
    let count = distinct_tuples::<_, 3>(pack, blob, seen, report, |report, tuple| {
        let [_, _, expires] = tuple.elems;
        let fault = match expires {
            Elem::Int(0) => {
                last = u64::MAX;
                return Ok(());
            }
            Elem::Bytes(_) => {
                let at = blob.at(tuple.offset);
                return report.show(at, Fault::FieldExpiryText, DeepOnly, expires);
            }
            Elem::Int(value) => match u64::try_from(value) {
                Ok(at) if at > MAX_EXPIRY_MS => Fault::FieldExpiry { value },
                Ok(at) if at >= last => {
                    last = at;
                    return Ok(());
                }
                Ok(_) => Fault::FieldExpiryOrder { index: tuple.number },
                Err(_) => Fault::FieldExpiry { value },
            },
        };
        report.flaw(blob, Flaw { at: tuple.offset, fault }, DeepOnly)
    })?;
    if count == Some(0) { report.add(0, Fault::EmptyValue, Dropped) } else { Ok(()) }
}

/// Pairs with room to spare. Servers look at all of it, always.
fn zipmap(blob: Blob<'_>, seen: &mut Seen, report: &mut Report<'_>) -> Result<(), Halt> {
    let map = match Zipmap::new(blob.bytes) {
        Ok(map) => map,
        Err(fault) => return report.flaw(blob, Flaw { at: 0, fault }, Fatal),
    };
    let field_at = |at| map.field_at(at).unwrap_or_default();
    seen.begin(map.header_count().unwrap_or(blob.bytes.len() as u64 / 4));
    let mut pairs = map.iter();
    let mut count = 0;
    loop {
        let at = pairs.offset();
        let field = match pairs.next() {
            None => break,
            Some(Ok((field, _))) => Elem::Bytes(field),
            Some(Err(flaw)) => return report.flaw(blob, flaw, Fatal),
        };
        let is_same = |at| same(Elem::Bytes(field_at(at)), field);
        if let Some(first) = seen.insert(hash_elem(field), at, count, is_same)? {
            report.show(blob.at(at), Fault::Duplicate { first }, Fatal, field)?;
        }
        count += 1;
    }
    let number = |at| {
        let mut pairs = map.iter();
        (0..count).find(|_| pairs.offset() >= at || pairs.next().is_none()).unwrap_or(count)
    };
    let pair = |a, b| field_at(a) == field_at(b);
    let fault = |first| Fault::Duplicate { first: number(first) };
    seen.finish(pair, fault, |at| field_at(at).to_vec(), |at| blob.at(at), Fatal, report)?;
    if let Some(flaw) = map.flaw(count) {
        report.flaw(blob, flaw, Fatal)?;
    }
    if count == 0 { report.add(0, Fault::EmptyValue, Fatal) } else { Ok(()) }
}
