//! AROP: one answer about the cells between two indexes.
//!
//! Numbers are C's `long double`: texts of digits are read as such, a text that a server keeps as
//! a double is that double. What is no number is left out.

use std::cmp::Ordering;

use super::read::walk;
use super::{index, wrong_count};
use crate::bytes::number::Extended;
use crate::engine::call::is;
use crate::engine::value::kept_as_double;
use crate::engine::{Answer, Array, Call, Failure};
use crate::resp::Reply;

/// What is asked for.
#[derive(Clone, Copy)]
enum Operation<'c> {
    /// A number out of all numbers.
    Numbers(fn(Extended, Extended) -> Extended),
    /// An integer out of all that have one.
    Bits(fn(i64, i64) -> i64),
    /// How many cells hold this text.
    Match(&'c [u8]),
    /// How many cells there are.
    Used,
}

const OPERATIONS: [(&str, Operation<'static>); 7] = [
    ("SUM", Operation::Numbers(Extended::plus)),
    ("MIN", Operation::Numbers(|one, other| best(one, other, Ordering::Less))),
    ("MAX", Operation::Numbers(|one, other| best(one, other, Ordering::Greater))),
    ("AND", Operation::Bits(|one, other| one & other)),
    ("OR", Operation::Bits(|one, other| one | other)),
    ("XOR", Operation::Bits(|one, other| one ^ other)),
    ("USED", Operation::Used),
];

/// The other one if it is better, the first otherwise.
fn best(one: Extended, other: Extended, better: Ordering) -> Extended {
    if other.compare(one) == better { other } else { one }
}

pub(super) fn aggregate(call: &mut Call<'_>) -> Answer {
    let (start, end) = (index(call.arg(2))?, index(call.arg(3))?);
    let operation = operation(call)?;
    let key = call.arg(1);
    let array = call.keys.get::<Array>(key)?;
    let cells = array.iter().flat_map(|array| walk(array, start, end)).map(|(_, text)| text);
    Ok(match operation {
        Operation::Used => Reply::count(cells.count()),
        Operation::Match(wanted) => Reply::count(cells.filter(|text| *text == wanted).count()),
        Operation::Numbers(join) => {
            let result = cells.filter_map(value).reduce(join);
            result.map_or(Reply::Nil, |result| Reply::bulk(result.text_17g().as_bytes()))
        }
        Operation::Bits(join) => {
            let bits = cells.filter_map(|text| value(text)?.to_int());
            bits.reduce(join).map_or(Reply::Nil, Reply::Int)
        }
    })
}

fn operation<'c>(call: &Call<'c>) -> Answer<Operation<'c>> {
    let word = call.arg(4);
    if is(word, "MATCH") {
        return match call.rest(5) {
            [text] => Ok(Operation::Match(text)),
            _ => Err(Failure::text("ERR MATCH requires a value argument")),
        };
    }
    let known = OPERATIONS.iter().find(|(name, _)| is(word, name));
    let (_, operation) = known.ok_or(Failure::text("ERR unknown operation"))?;
    if call.argc() == 5 { Ok(*operation) } else { Err(wrong_count(call)) }
}

/// The number that a cell is.
fn value(text: &[u8]) -> Option<Extended> {
    kept_as_double(text).map(Extended::of_double).or_else(|| Extended::parse(text))
}
