//! Arrays (Redis 8.8 and newer).

use super::{Loss, Sink};
use crate::bytes::number::integer;
use crate::rdb::{Target, ValueType};
use crate::value::Cell;

/// Longer strings are stored apart from their cell.
const SHORT: usize = 7;
/// Integers below this size are stored in their cell.
const SMALL: i64 = 1 << 61;

const STRING: u64 = 0;
const INT: u64 = 1;
const DOUBLE: u64 = 2;
const SHORT_STRING: u64 = 3;

/// Writes an array: where the next insert goes after, and the cells by ascending index.
pub fn array<'a>(
    sink: &mut Sink,
    target: &Target,
    insert: Option<u64>,
    cells: impl ExactSizeIterator<Item = (u64, Cell<'a>)>,
) -> Result<Option<ValueType>, Loss> {
    if !target.has_arrays() {
        sink.lose(Loss::Array)?;
        return Ok(None);
    }
    sink.length(cells.len() as u64);
    match insert {
        None => sink.length(0),
        Some(index) => {
            sink.length(1);
            sink.length(index);
        }
    }
    for (index, cell) in cells {
        sink.length(index);
        match cell {
            Cell::Bytes(text) => match integer(text) {
                Some(n) if (-SMALL..SMALL).contains(&n) => {
                    sink.length(INT);
                    sink.i64_le(n);
                }
                _ => {
                    sink.length(if text.len() <= SHORT { SHORT_STRING } else { STRING });
                    sink.text(text);
                }
            },
            Cell::Int(n) => {
                sink.length(INT);
                sink.i64_le(n);
            }
            Cell::Double(n) => {
                sink.length(DOUBLE);
                sink.double(n);
            }
        }
    }
    Ok(Some(ValueType::Array))
}
