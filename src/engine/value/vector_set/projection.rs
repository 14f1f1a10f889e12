//! Vectors made shorter before they are stored (REDUCE): the matrix that does it.
//!
//! ```text
//! row i, column j    (−1)^(ones of i & j) / √columns
//! ```
//!
//! So has every server that makes one (Redis 8.0.2 to 8.10.2), and it is not kept: it may be large
//! where the set is small. A snapshot brings its matrix along, and that is the one that counts then.

/// A matrix with a row for each component of what comes out.
#[derive(Debug, Clone, PartialEq)]
pub struct Projection {
    columns: usize,
    rows: usize,
    /// None where they are those of the rule.
    cells: Option<Box<[f32]>>,
}

/// The cells of a matrix by the rule, row by row.
fn by_rule(columns: usize, rows: usize) -> impl Iterator<Item = f32> {
    let scale = (1.0 / (columns as f64).sqrt()) as f32;
    let sign = |row: usize, column: usize| (row & column).count_ones().is_multiple_of(2);
    let cell = move |row, column| if sign(row, column) { scale } else { -scale };
    (0..rows).flat_map(move |row| (0..columns).map(move |column| cell(row, column)))
}

impl Projection {
    /// Larger matrices are not made: they are as large as the largest text of a snapshot.
    pub const MOST_BYTES: usize = 512 << 20;

    /// The matrix that servers make; `None` where it would be too large.
    pub(super) fn new(columns: usize, rows: usize) -> Option<Self> {
        let bytes = columns.checked_mul(rows)?.checked_mul(4)?;
        let right = columns > 0 && bytes <= Self::MOST_BYTES;
        right.then_some(Projection { columns, rows, cells: None })
    }

    /// The matrix out of a snapshot: f32 LE, row by row.
    pub(super) fn of(columns: usize, rows: usize, bytes: &[u8]) -> Option<Self> {
        let (cells, rest) = bytes.as_chunks::<4>();
        if columns == 0 || !rest.is_empty() || Some(cells.len()) != columns.checked_mul(rows) {
            return None;
        }
        let same = |(four, cell): (&[u8; 4], f32)| *four == cell.to_le_bytes();
        let is_usual = cells.iter().zip(by_rule(columns, rows)).all(same);
        let cells = || cells.iter().map(|four| f32::from_le_bytes(*four)).collect();
        Some(Projection { columns, rows, cells: (!is_usual).then(cells) })
    }

    /// How many components go in.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The matrix as snapshots store it.
    pub fn to_bytes(&self) -> Vec<u8> {
        match &self.cells {
            Some(cells) => cells.iter().flat_map(|cell| cell.to_le_bytes()).collect(),
            None => by_rule(self.columns, self.rows).flat_map(f32::to_le_bytes).collect(),
        }
    }

    /// What becomes of a vector.
    pub(super) fn apply(&self, components: &[f32]) -> Vec<f32> {
        match &self.cells {
            Some(cells) => self.products(cells.iter().copied(), components),
            None => self.products(by_rule(self.columns, self.rows), components),
        }
    }

    fn products(&self, mut cells: impl Iterator<Item = f32>, components: &[f32]) -> Vec<f32> {
        let mut row = || {
            let mut sum = 0.0_f32;
            for (x, cell) in components.iter().zip(cells.by_ref().take(self.columns)) {
                sum += cell * x;
            }
            sum
        };
        (0..self.rows).map(|_| row()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Projection;

    #[test]
    fn a_matrix_comes_back_from_its_bytes() {
        let made = Projection::new(5, 3).unwrap();
        let bytes = made.to_bytes();
        assert_eq!(Projection::of(5, 3, &bytes).unwrap(), made);
        assert_eq!(Projection::of(5, 2, &bytes), None);
        assert_eq!(Projection::of(0, 2, b""), None);
        // VEMB of Redis 8.10.2, but for what Q8 loses of it.
        let vector = [1.0, 2.0, 3.0, 4.0, 5.0];
        let out = made.apply(&vector);
        assert!((out[0] - 6.708_204).abs() < 1e-5 && (out[1] - 1.341_640_8).abs() < 1e-5);
        assert_eq!(out.len(), 3);
        let mut other = bytes.clone();
        other[0..4].copy_from_slice(&0.0_f32.to_le_bytes());
        let other = Projection::of(5, 3, &other).unwrap();
        assert_ne!(other, made);
        let less = other.apply(&vector);
        assert_eq!((less[0] < out[0], &less[1..]), (true, &out[1..]));
        assert_eq!(&other.to_bytes()[4..], &bytes[4..]);
    }

    #[test]
    fn no_matrix_is_larger_than_a_snapshot_can_say() {
        assert_eq!(Projection::new(1 << 16, 1 << 16), None);
        assert_eq!(Projection::new(usize::MAX, 2), None);
    }
}
