//! Vectors made shorter before they are stored (REDUCE): the matrix that does it.
//!
//! ```text
//! row i, column j    (−1)^(ones of i & j) / √columns
//! ```
//!
//! So has every server that makes one (Redis 8.0.2 to 8.10.2); a snapshot brings the matrix along,
//! and that is the one that counts then.

/// A matrix with a row for each component of what comes out.
#[derive(Debug, Clone, PartialEq)]
pub struct Projection {
    columns: usize,
    cells: Box<[f32]>,
}

impl Projection {
    /// Larger matrices are not made: they are as large as the largest text of a snapshot.
    pub const MOST_BYTES: usize = 512 << 20;

    /// The matrix that servers make; `None` where it would be too large.
    pub(super) fn new(columns: usize, rows: usize) -> Option<Self> {
        let bytes = columns.checked_mul(rows)?.checked_mul(4)?;
        if columns == 0 || bytes > Self::MOST_BYTES {
            return None;
        }
        let scale = (1.0 / (columns as f64).sqrt()) as f32;
        let cell = |at: usize| {
            let (row, column) = (at / columns, at % columns);
            if (row & column).count_ones().is_multiple_of(2) { scale } else { -scale }
        };
        Some(Projection { columns, cells: (0..columns * rows).map(cell).collect() })
    }

    /// The matrix out of a snapshot: f32 LE, row by row.
    pub(super) fn of(columns: usize, rows: usize, bytes: &[u8]) -> Option<Self> {
        let (cells, rest) = bytes.as_chunks::<4>();
        let right = columns > 0 && rest.is_empty() && Some(cells.len()) == columns.checked_mul(rows);
        let cells = cells.iter().map(|four| f32::from_le_bytes(*four)).collect();
        right.then_some(Projection { columns, cells })
    }

    /// How many components go in.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The matrix as snapshots store it.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.cells.iter().flat_map(|cell| cell.to_le_bytes()).collect()
    }

    /// What becomes of a vector.
    pub(super) fn apply(&self, components: &[f32]) -> Vec<f32> {
        let row = |row: &[f32]| {
            let mut sum = 0.0_f32;
            for (cell, x) in row.iter().zip(components) {
                sum += cell * x;
            }
            sum
        };
        self.cells.chunks(self.columns).map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Projection;

    #[test]
    fn a_matrix_comes_back_from_its_bytes() {
        let made = Projection::new(5, 3).unwrap();
        let read = Projection::of(5, 3, &made.to_bytes()).unwrap();
        assert_eq!(made, read);
        assert_eq!(Projection::of(5, 2, &made.to_bytes()), None);
        assert_eq!(Projection::of(0, 2, b""), None);
        // VEMB of Redis 8.10.2, but for what Q8 loses of it.
        let out = made.apply(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        assert!((out[0] - 6.708_204).abs() < 1e-5 && (out[1] - 1.341_640_8).abs() < 1e-5);
        assert_eq!(out.len(), 3);
    }

    #[test]
    fn no_matrix_is_larger_than_a_snapshot_can_say() {
        assert_eq!(Projection::new(1 << 16, 1 << 16), None);
        assert_eq!(Projection::new(usize::MAX, 2), None);
    }
}
