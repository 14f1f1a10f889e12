//! Slices: how a server lays out the cells of an array in its memory (Redis 8.8 and newer).
//!
//! ```text
//! sparse     up to ten cells, each with its place in the slice; room for 4, 8 or 10 of them
//! dense      a window of places, with a cell or without; a power of two of them
//! directory  flat: a place for each slice up to the last one, a power of two of them;
//!            from 2049 slices on by blocks: a place for each block that has a slice
//! ```
//!
//! The danger: it depends on what was done to the array, not on the cells alone. A window never
//! shrinks, and a directory by blocks stays one. The limits are those that a server has where
//! nobody sets others.

/// Indexes that a slice covers.
pub(crate) const SLICE: u64 = 4096;
/// Slices that a block covers, and the most that a flat directory has a place for.
pub(crate) const BLOCK: u64 = 2048;

/// Places in a slice.
const PLACES: u16 = SLICE as u16;
/// A slice with more cells is dense.
const MOST_SPARSE: u16 = 10;
/// A dense slice with so few cells becomes sparse again, with room for so many.
const FEW: u16 = 5;
/// Room that a sparse slice begins with.
const FIRST_ROOM: u16 = 4;
/// The smallest window, and the largest that is kept however few cells there are.
const SMALLEST_WINDOW: u16 = 8;
const KEPT_WINDOW: u16 = 16;
/// Blocks that a directory has places for from the start.
const FIRST_BLOCKS: u64 = 4;

/// The slice that an index lies in.
pub(crate) fn slice_of(index: u64) -> u64 {
    index / SLICE
}

/// The place of an index in its slice.
pub(crate) fn place_of(index: u64) -> u16 {
    (index % SLICE) as u16
}

/// How the cells of a slice lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One by one, with room for so many.
    Sparse { room: u16 },
    /// In a window of places.
    Dense { start: u16, size: u16 },
}

/// A slice, without what its cells hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slice {
    pub(crate) cells: u16,
    pub(crate) form: Form,
}

impl Default for Slice {
    fn default() -> Self {
        Slice { cells: 0, form: Form::Sparse { room: FIRST_ROOM } }
    }
}

impl Slice {
    /// A cell comes to a place that had none. The first and the last place of the others are asked
    /// for where they matter.
    pub(crate) fn add(&mut self, place: u16, others: impl FnOnce() -> (u16, u16)) {
        match &mut self.form {
            Form::Sparse { room } if self.cells < MOST_SPARSE => {
                if self.cells == *room {
                    *room = (*room * 2).min(MOST_SPARSE);
                }
            }
            Form::Sparse { .. } => {
                self.spread(others());
                self.widen(place);
            }
            Form::Dense { .. } => self.widen(place),
        }
        self.cells += 1;
    }

    /// So many new cells come at once: a slice that is about to have too many is dense before the
    /// first of them.
    pub(crate) fn expect(&mut self, new: u16, others: impl FnOnce() -> (u16, u16)) {
        let sparse = matches!(self.form, Form::Sparse { .. });
        if sparse && self.cells > 0 && self.cells + new > MOST_SPARSE {
            self.spread(others());
        }
    }

    /// A cell is gone.
    pub(crate) fn take(&mut self) {
        self.cells = self.cells.saturating_sub(1);
        self.settle();
    }

    /// Lets go of a window that has become too large for its cells.
    pub(crate) fn settle(&mut self) {
        if let Form::Dense { size, .. } = self.form
            && size > KEPT_WINDOW
            && self.cells <= FEW
        {
            self.form = Form::Sparse { room: FEW };
        }
    }

    /// Becomes dense, around the cells that there are.
    fn spread(&mut self, (first, last): (u16, u16)) {
        let size = (last - first + 1).next_power_of_two().max(SMALLEST_WINDOW);
        self.form = Form::Dense { start: first.min(PLACES - size), size };
    }

    /// Makes the window of a dense slice so large that a place is in it. It grows to one side, and
    /// to the other only where the slice ends.
    fn widen(&mut self, place: u16) {
        let Form::Dense { start, size } = &mut self.form else { return };
        let end = *start + *size;
        if place < *start {
            *size = (end - place).next_power_of_two();
            *start = end.saturating_sub(*size);
        } else if place >= end {
            *size = (place - *start + 1).next_power_of_two();
            *start = (*start).min(PLACES - *size);
        }
    }
}

/// Where the slices of an array are found.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Directory {
    /// By their numbers, with places for so many.
    Flat { size: u64 },
    /// By blocks: how many there are, and places for how many.
    Blocks { count: u64, size: u64 },
}

impl Default for Directory {
    fn default() -> Self {
        Directory::Flat { size: 1 }
    }
}

impl Directory {
    /// Places, for slices or for blocks.
    pub(crate) fn size(&self) -> u64 {
        match *self {
            Directory::Flat { size } | Directory::Blocks { size, .. } => size,
        }
    }

    /// How many blocks there are.
    pub(crate) fn blocks(&self) -> u64 {
        match *self {
            Directory::Flat { .. } => 0,
            Directory::Blocks { count, .. } => count,
        }
    }

    /// A slice comes. `first` tells whether it is the first one of the array, `alone` whether no
    /// other one lies in its block.
    pub(crate) fn add(&mut self, slice: u64, first: bool, alone: bool) {
        let (count, size) = match self {
            Directory::Flat { size } if slice < BLOCK => {
                *size = (*size).max((slice + 1).next_power_of_two());
                return;
            }
            // All that a flat directory has lies in one block.
            Directory::Flat { .. } => (u64::from(!first), FIRST_BLOCKS),
            Directory::Blocks { count, size } => (*count, *size),
        };
        let count = count + u64::from(alone);
        *self = Directory::Blocks { count, size: size.max(count.next_power_of_two()) };
    }

    /// A slice is gone. `alone` tells whether it was the only one in its block, `last` is the last
    /// one that is left.
    pub(crate) fn take(&mut self, alone: bool, last: u64) {
        match self {
            Directory::Flat { size } => *size = (last + 1).next_power_of_two(),
            Directory::Blocks { count, .. } => *count -= u64::from(alone).min(*count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cells that come one by one, then go from the first on until so many are left.
    #[track_caller]
    fn check(places: &[u16], left: usize, want: Form) {
        let (mut slice, mut there) = (Slice::default(), Vec::new());
        for &place in places {
            let ends = || (*there.iter().min().unwrap(), *there.iter().max().unwrap());
            slice.add(place, ends);
            there.push(place);
        }
        (left..places.len()).for_each(|_| slice.take());
        assert_eq!((slice.form, usize::from(slice.cells)), (want, left));
    }

    #[test]
    fn few_cells_have_room_for_some_more() {
        for (cells, room) in [(1, 4), (4, 4), (5, 8), (8, 8), (9, 10), (10, 10)] {
            let places: Vec<u16> = (0..cells).map(|n| n * 300).collect();
            check(&places, cells.into(), Form::Sparse { room });
        }
        let places: Vec<u16> = (0..10).collect();
        check(&places, 1, Form::Sparse { room: 10 });
    }

    #[test]
    fn a_window_grows_to_where_the_cells_come() {
        let up: Vec<u16> = (100..120).collect();
        check(&up, 20, Form::Dense { start: 100, size: 32 });
        let down: Vec<u16> = (100..120).rev().collect();
        check(&down, 20, Form::Dense { start: 94, size: 32 });
        let at_the_end: Vec<u16> = (4075..4096).collect();
        check(&at_the_end, 21, Form::Dense { start: 4064, size: 32 });
        let at_the_start: Vec<u16> = (0..30).rev().collect();
        check(&at_the_start, 30, Form::Dense { start: 0, size: 64 });
    }

    #[test]
    fn few_cells_do_not_keep_a_large_window() {
        let (small, large): (Vec<u16>, Vec<u16>) = ((0..16).collect(), (0..17).collect());
        check(&small, 1, Form::Dense { start: 0, size: 16 });
        check(&large, 6, Form::Dense { start: 0, size: 32 });
        check(&large, 5, Form::Sparse { room: 5 });
        check(&large, 2, Form::Sparse { room: 5 });
    }

    #[test]
    fn what_comes_at_once_is_made_room_for_first() {
        let mut slice = Slice::default();
        slice.add(361, || (0, 0));
        slice.expect(9, || (361, 361));
        assert_eq!(slice.form, Form::Sparse { room: 4 });
        slice.expect(10, || (361, 361));
        assert_eq!(slice.form, Form::Dense { start: 361, size: 8 });
    }

    #[test]
    fn a_directory_by_blocks_stays_one() {
        let mut directory = Directory::default();
        directory.add(4, true, true);
        assert_eq!((directory.size(), directory.blocks()), (8, 0));
        directory.add(0, false, false);
        directory.take(false, 0);
        assert_eq!((directory.size(), directory.blocks()), (1, 0));
        directory.add(BLOCK, false, true);
        assert_eq!((directory.size(), directory.blocks()), (4, 2));
        (2..5).for_each(|n| directory.add(n * BLOCK, false, true));
        assert_eq!((directory.size(), directory.blocks()), (8, 5));
        directory.take(true, BLOCK);
        assert_eq!((directory.size(), directory.blocks()), (8, 4));
    }
}
