//! Arrays: slices of cells, and a directory of the slices.

use std::ops::ControlFlow;

use super::{Estimator, Item};
use crate::error::FormatError;
use crate::rdb::{Entry, Scratch};
use crate::value::Cell;
use crate::value::slices::{BLOCK, Directory, Form, Slice, place_of, slice_of};

/// What an array takes besides its slices and their directory.
const HEAD: u64 = 88;
/// A slice without its cells, and a cell with its place or in a window.
const SLICE: u64 = 32;
const SPARSE_CELL: u64 = 10;
const DENSE_CELL: u64 = 8;
/// A place in a directory of slices, and in one of blocks.
const POINTER: u64 = 8;
const BLOCK_PLACE: u64 = 24;
/// Texts of so many bytes, and numbers, stand in the cell.
const IN_CELL: usize = 7;

impl Estimator {
    /// The value of an array, as one lays it out that loads it: cell by cell.
    pub(super) fn array(
        &self,
        entry: &Entry<'_>,
        scratch: &mut Scratch,
    ) -> Result<u64, Box<FormatError>> {
        let mut bytes = HEAD;
        let mut directory = Directory::default();
        let mut current: Option<Current> = None;
        entry.visit(scratch, |item| {
            let Item::Cell { index, cell } = item else { return ControlFlow::Continue(()) };
            let (number, place) = (slice_of(index), place_of(index));
            let slice = match &mut current {
                Some(slice) if slice.number == number => slice,
                last => {
                    let block = last.as_ref().map(|slice| slice.number / BLOCK);
                    directory.add(number, last.is_none(), block != Some(number / BLOCK));
                    bytes = bytes.saturating_add(last.as_ref().map_or(0, |last| self.slice(last)));
                    let slice = Slice::default();
                    last.insert(Current { number, first: place, last: place, slice })
                }
            };
            // A damaged file may have places twice and in any order.
            if slice.slice.cells < u16::MAX {
                slice.slice.add(place, || (slice.first, slice.last));
            }
            slice.first = slice.first.min(place);
            slice.last = slice.last.max(place);
            if let Cell::Bytes(text) = cell
                && text.len() > IN_CELL
            {
                bytes = bytes.saturating_add(self.blocks.block(text.len() as u64 + 4));
            }
            ControlFlow::Continue(())
        })?;
        let places = match directory {
            Directory::Flat { size } => self.blocks.block(POINTER * size),
            Directory::Blocks { count, size } => {
                let block = self.blocks.block(POINTER * BLOCK);
                self.blocks.block(BLOCK_PLACE * size).saturating_add(block.saturating_mul(count))
            }
        };
        let last = current.map_or(0, |last| self.slice(&last));
        Ok(bytes.saturating_add(places).saturating_add(last))
    }

    fn slice(&self, current: &Current) -> u64 {
        self.blocks.block(match current.slice.form {
            Form::Sparse { room } => SLICE + SPARSE_CELL * u64::from(room),
            Form::Dense { size, .. } => SLICE + DENSE_CELL * u64::from(size),
        })
    }
}

/// The slice whose cells come.
struct Current {
    number: u64,
    first: u16,
    last: u16,
    slice: Slice,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{Allocator, Profile};
    use crate::rdb::Snapshot;

    /// What an array of these indexes takes under a key of one byte, its texts being short.
    #[track_caller]
    fn check(indexes: &[u16], want: u64) {
        let mut bytes = b"REDIS0014\x1c\x01a".to_vec();
        bytes.extend([u8::try_from(indexes.len()).unwrap(), 0]);
        for index in indexes {
            bytes.push(0x80);
            bytes.extend(u32::from(*index).to_be_bytes());
            bytes.extend(b"\x03\x01x");
        }
        bytes.extend(b"\xff\0\0\0\0\0\0\0\0");
        let profile = Profile::new("redis:8.10".parse().unwrap(), Allocator::Libc);
        let snapshot = Snapshot::new(&bytes).unwrap();
        let entry = snapshot.entries().next().unwrap().unwrap();
        let usage = Estimator::new(profile).usage(&entry, &mut Scratch::default());
        assert_eq!(usage.unwrap(), want);
    }

    #[test]
    fn cells_lie_in_slices() {
        check(&[0, 1, 2], 204);
        check(&[0, 1, 2, 3, 4], 252);
        check(&[0, 4096], 276);
        let apart: Vec<u16> = (0..11).map(|n| n * 300).collect();
        check(&apart, 32940);
    }

    #[test]
    fn a_damaged_file_may_have_indexes_in_any_order() {
        let down: Vec<u16> = (0..11).rev().map(|n| n * 300).collect();
        check(&down, 32940);
    }
}
