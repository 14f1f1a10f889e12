//! A treemap: rectangles in a rectangle, each as large as what it stands for, and as square as can
//! be (Bruls, Huizing, van Wijk: Squarified Treemaps, 2000).

/// A rectangle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) w: f64,
    pub(super) h: f64,
}

impl Rect {
    /// What is left within a border, and below a strip at the top.
    pub(super) fn inside(self, border: f64, strip: f64) -> Rect {
        Rect {
            x: self.x + border,
            y: self.y + border + strip,
            w: (self.w - 2.0 * border).max(0.0),
            h: (self.h - 2.0 * border - strip).max(0.0),
        }
    }
}

/// Lays out weights, greatest first, in a rectangle. There are as many rectangles as weights.
pub(super) fn squarify(weights: &[f64], within: Rect) -> Vec<Rect> {
    let total: f64 = weights.iter().sum();
    let mut out = Vec::with_capacity(weights.len());
    if total <= 0.0 {
        out.resize(weights.len(), Rect { w: 0.0, h: 0.0, ..within });
        return out;
    }
    let scale = within.w * within.h / total;
    let areas: Vec<f64> = weights.iter().map(|weight| weight * scale).collect();
    let (mut rest, mut free) = (areas.as_slice(), within);
    while !rest.is_empty() {
        let side = free.w.min(free.h);
        let mut taken = 1;
        while taken < rest.len() && worst(rest, taken + 1, side) <= worst(rest, taken, side) {
            taken += 1;
        }
        let (row, behind) = rest.split_at(taken);
        free = lay(row, free, &mut out);
        rest = behind;
    }
    out
}

/// How far from a square the worst rectangle of a row is.
fn worst(areas: &[f64], taken: usize, side: f64) -> f64 {
    let row = areas.get(..taken).unwrap_or(areas);
    let sum: f64 = row.iter().sum();
    let most = row.iter().copied().fold(0.0, f64::max);
    let least = row.iter().copied().fold(f64::MAX, f64::min);
    let (side2, sum2) = (side * side, sum * sum);
    (side2 * most / sum2).max(sum2 / (side2 * least))
}

/// Lays a row along the shorter side; gives back what is free then.
fn lay(row: &[f64], free: Rect, out: &mut Vec<Rect>) -> Rect {
    let sum: f64 = row.iter().sum();
    let side = free.w.min(free.h);
    let depth = if side > 0.0 { sum / side } else { 0.0 };
    let mut along = 0.0;
    for area in row {
        let length = if depth > 0.0 { area / depth } else { 0.0 };
        out.push(if free.w >= free.h {
            Rect { x: free.x, y: free.y + along, w: depth, h: length }
        } else {
            Rect { x: free.x + along, y: free.y, w: length, h: depth }
        });
        along += length;
    }
    if free.w >= free.h {
        Rect { x: free.x + depth, w: (free.w - depth).max(0.0), ..free }
    } else {
        Rect { y: free.y + depth, h: (free.h - depth).max(0.0), ..free }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHIN: Rect = Rect { x: 0.0, y: 0.0, w: 600.0, h: 400.0 };

    #[test]
    fn the_example_of_the_paper() {
        let rects = squarify(&[6.0, 6.0, 4.0, 3.0, 2.0, 2.0, 1.0], WITHIN);
        assert_eq!(rects[0], Rect { x: 0.0, y: 0.0, w: 300.0, h: 200.0 });
        assert_eq!(rects[1], Rect { x: 0.0, y: 200.0, w: 300.0, h: 200.0 });
        assert!((rects[2].h - 233.3).abs() < 0.1 || (rects[2].w - 171.4).abs() < 0.1);
    }

    #[test]
    fn areas_are_in_proportion_and_within() {
        let weights: Vec<f64> = (1..200).rev().map(|n| f64::from(n * n)).collect();
        let total: f64 = weights.iter().sum();
        let rects = squarify(&weights, WITHIN);
        assert_eq!(rects.len(), weights.len());
        for (rect, weight) in rects.iter().zip(&weights) {
            let want = weight / total * WITHIN.w * WITHIN.h;
            assert!((rect.w * rect.h - want).abs() < 0.01, "{rect:?} {want}");
            assert!(rect.x >= -0.01 && rect.x + rect.w <= WITHIN.w + 0.01, "{rect:?}");
            assert!(rect.y >= -0.01 && rect.y + rect.h <= WITHIN.h + 0.01, "{rect:?}");
        }
    }

    #[test]
    fn nothing_takes_no_room() {
        assert!(squarify(&[], WITHIN).is_empty());
        assert_eq!(squarify(&[0.0, 0.0], WITHIN)[1].w, 0.0);
    }
}
