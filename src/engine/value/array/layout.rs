//! The layout of an array: what a server that had done the same to it would say of its memory.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::engine::Bytes;
use crate::value::slices::{BLOCK, Directory, Form, SLICE, Slice, place_of, slice_of};

/// The slices of an array.
#[derive(Debug, Clone, Default)]
pub(super) struct Layout {
    slices: BTreeMap<u64, Slice>,
    directory: Directory,
}

/// What ARINFO tells of the layout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shape {
    /// Slices that have cells.
    pub slices: u64,
    /// Places in the directory, for slices or for blocks.
    pub directory: u64,
    /// Blocks of slices, where the directory has some.
    pub blocks: u64,
    /// Slices with a window.
    pub dense: u64,
    /// Places in the windows, and how many of them have a cell.
    pub places: u64,
    /// Cells in the windows.
    pub filled: u64,
    /// What the slices without a window have room for.
    pub room: u64,
}

type Cells = BTreeMap<u64, Bytes>;

impl Layout {
    /// A cell has come.
    pub(super) fn add(&mut self, index: u64, cells: &Cells) {
        let number = slice_of(index);
        if !self.slices.contains_key(&number) {
            let (first, alone) = (self.slices.is_empty(), self.is_alone(number));
            self.directory.add(number, first, alone);
        }
        let slice = self.slices.entry(number).or_default();
        slice.add(place_of(index), || ends(cells, number, Some(index)));
    }

    /// So many cells are about to be filled, from an index on, by one command.
    pub(super) fn expect(&mut self, first: u64, count: usize, cells: &Cells) {
        let Some(last) = (count as u64).checked_sub(1).map(|more| first.saturating_add(more))
        else {
            return;
        };
        for (&number, slice) in self.slices.range_mut(slice_of(first)..=slice_of(last)) {
            if let Form::Sparse { .. } = slice.form {
                let (start, end) =
                    (first.max(number * SLICE), last.min(number * SLICE + (SLICE - 1)));
                let there = cells.range(start..=end).count() as u64;
                let new = (end - start + 1).saturating_sub(there);
                slice.expect(new as u16, || ends(cells, number, None));
            }
        }
    }

    /// A cell is gone.
    pub(super) fn take(&mut self, index: u64) {
        let number = slice_of(index);
        let Some(slice) = self.slices.get_mut(&number) else { return };
        slice.take();
        if slice.cells == 0 {
            self.slices.remove(&number);
            if let Some((&last, _)) = self.slices.last_key_value() {
                let alone = self.is_alone(number);
                self.directory.take(alone, last);
            }
        }
    }

    /// Cells were taken from one index to another: a server then looks at every slice there,
    /// whether it had such cells or not.
    pub(super) fn settle(&mut self, range: RangeInclusive<u64>) {
        let slices = slice_of(*range.start())..=slice_of(*range.end());
        self.slices.range_mut(slices).for_each(|(_, slice)| slice.settle());
    }

    /// Whether no slice lies in the block of this one.
    fn is_alone(&self, slice: u64) -> bool {
        let first = slice - slice % BLOCK;
        self.slices.range(first..first + BLOCK).next().is_none()
    }

    pub(super) fn shape(&self) -> Shape {
        let mut shape = Shape {
            slices: self.slices.len() as u64,
            directory: self.directory.size(),
            blocks: self.directory.blocks(),
            ..Shape::default()
        };
        for slice in self.slices.values() {
            match slice.form {
                Form::Sparse { room } => shape.room += u64::from(room),
                Form::Dense { size, .. } => {
                    shape.dense += 1;
                    shape.places += u64::from(size);
                    shape.filled += u64::from(slice.cells);
                }
            }
        }
        shape
    }
}

/// The places of the first and the last cell of a slice, but for one.
fn ends(cells: &Cells, slice: u64, but: Option<u64>) -> (u16, u16) {
    let range = slice * SLICE..=slice * SLICE + (SLICE - 1);
    let mut places =
        cells.range(range).map(|(&index, _)| index).filter(|&index| Some(index) != but);
    let first = places.next().unwrap_or_default();
    let last = places.next_back().unwrap_or(first);
    (place_of(first), place_of(last))
}
