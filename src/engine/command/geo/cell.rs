//! Cells of the earth: a place as the interleaved bits of its latitude and longitude.
//!
//! ```text
//! … lon lat lon lat     26 bits of each in a score; `step` bits of each in a cell
//! ```
//!
//! Latitudes count within ±85.05112878 degrees, longitudes within ±180. At the upper ends there
//! is one cell more than the bits can say; the carry is kept, as the servers keep it.

/// The latitudes that have a cell, in degrees.
pub(super) const LATITUDES: (f64, f64) = (-85.051_128_78, 85.051_128_78);
/// The longitudes that have a cell, in degrees.
pub(super) const LONGITUDES: (f64, f64) = (-180.0, 180.0);

/// Bits of each coordinate in a score.
pub(super) const STEPS: u32 = 26;

const ODD: u64 = 0xaaaa_aaaa_aaaa_aaaa;
const EVEN: u64 = 0x5555_5555_5555_5555;

/// A place, in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) longitude: f64,
    pub(super) latitude: f64,
}

/// A cell with so many bits of each coordinate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) bits: u64,
    pub(super) step: u32,
}

/// The edges of a cell, in degrees.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edges {
    pub(super) longitude: (f64, f64),
    pub(super) latitude: (f64, f64),
}

impl Cell {
    /// The cell of a place, among those within these latitudes.
    pub(super) fn within(point: Point, step: u32, latitudes: (f64, f64)) -> Self {
        let part = |at: f64, (min, max): (f64, f64)| {
            ((at - min) / (max - min) * (1_u64 << step) as f64) as u32
        };
        let lat = spread(part(point.latitude, latitudes));
        let lon = spread(part(point.longitude, LONGITUDES));
        Cell { bits: lat | lon << 1, step }
    }

    /// The cell of a place.
    pub(super) fn of(point: Point, step: u32) -> Self {
        Cell::within(point, step, LATITUDES)
    }

    /// The cell that a score is.
    pub(super) fn of_score(score: f64) -> Self {
        // A score below zero was never a cell; its bits are those of the negative integer.
        let bits = if score < 0.0 { score as i64 as u64 } else { score as u64 };
        Cell { bits, step: STEPS }
    }

    pub(super) fn edges(self) -> Edges {
        let size = (1_u64 << self.step) as f64;
        let edges = |cell: u32, (min, max): (f64, f64)| {
            let edge = |n: u32| min + (f64::from(n) / size) * (max - min);
            (edge(cell), edge(cell.wrapping_add(1)))
        };
        Edges {
            latitude: edges(gather(self.bits), LATITUDES),
            longitude: edges(gather(self.bits >> 1), LONGITUDES),
        }
    }

    /// The place in the middle.
    pub(super) fn point(self) -> Point {
        let edges = self.edges();
        let middle =
            |(low, high): (f64, f64), (min, max): (f64, f64)| ((low + high) / 2.0).clamp(min, max);
        Point {
            longitude: middle(edges.longitude, LONGITUDES),
            latitude: middle(edges.latitude, LATITUDES),
        }
    }

    /// The lowest score in the cell, and the lowest behind it.
    pub(super) fn scores(self) -> (f64, f64) {
        let low = STEPS * 2 - self.step * 2;
        ((self.bits << low) as f64, (self.bits.wrapping_add(1) << low) as f64)
    }

    /// The neighbour so many cells (−1, 0 or 1) to the east and to the north; beyond the edge of
    /// the map it is on the other side.
    pub(super) fn neighbour(self, east: i8, north: i8) -> Self {
        let used = |mask: u64| mask >> (64 - self.step * 2);
        let (x, y) = (self.bits & ODD, self.bits & EVEN);
        let moved = |part: u64, by: i8, own: u64, others: u64| match by {
            0 => part,
            1.. => part.wrapping_add(used(others) + 1) & used(own),
            _ => (part | used(others)).wrapping_sub(used(others) + 1) & used(own),
        };
        Cell { bits: moved(x, east, ODD, EVEN) | moved(y, north, EVEN, ODD), ..self }
    }
}

/// Puts a zero in front of every bit.
fn spread(part: u32) -> u64 {
    let steps = [(16, PAIRS), (8, BYTES), (4, HALVES), (2, TWOS), (1, EVEN)];
    steps.iter().fold(part.into(), |bits, (shift, mask)| (bits | bits << shift) & mask)
}

/// Takes every second bit.
fn gather(bits: u64) -> u32 {
    let steps = [(1, TWOS), (2, HALVES), (4, BYTES), (8, PAIRS), (16, u32::MAX.into())];
    steps.iter().fold(bits & EVEN, |bits, (shift, mask)| (bits | bits >> shift) & mask) as u32
}

const TWOS: u64 = 0x3333_3333_3333_3333;
const HALVES: u64 = 0x0f0f_0f0f_0f0f_0f0f;
const BYTES: u64 = 0x00ff_00ff_00ff_00ff;
const PAIRS: u64 = 0x0000_ffff_0000_ffff;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(longitude: f64, latitude: f64, score: f64) {
        let cell = Cell::of(Point { longitude, latitude }, STEPS);
        assert_eq!(cell.scores().0, score);
    }

    #[test]
    fn scores_that_servers_give() {
        check(13.361_389, 38.115_556, 3_479_099_956_230_698.0);
        check(15.087_269, 37.502_669, 3_479_447_370_796_909.0);
        check(180.0, 85.051_128_78, 13_510_798_882_111_488.0);
        check(-180.0, -85.051_128_78, 0.0);
    }

    #[test]
    fn bits_are_spread_and_gathered() {
        for part in [0, 1, 2, 3, 0x8000_0000, 0xffff_ffff, 0x1234_5678] {
            assert_eq!(gather(spread(part)), part);
            assert_eq!(spread(part) & ODD, 0);
        }
    }

    #[test]
    fn there_and_back() {
        let cell = Cell::of(Point { longitude: 13.0, latitude: 38.0 }, 7);
        for (east, north) in [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1)] {
            let other = cell.neighbour(east, north);
            assert_ne!(other, cell);
            assert_eq!(other.neighbour(-east, -north), cell);
        }
        let east = Cell::of(Point { longitude: 179.9, latitude: 0.1 }, 3).neighbour(1, 0);
        assert_eq!(east, Cell::of(Point { longitude: -179.9, latitude: 0.1 }, 3));
    }
}
