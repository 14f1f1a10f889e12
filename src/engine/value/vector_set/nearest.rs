//! The elements nearest to a vector, all of them looked at: what VSIM answers with TRUTH.
//!
//! Of elements that are as near as each other, which one comes first depends on how a server keeps
//! the best of them, so they are kept in the same way here.

use super::{Element, Vector, VectorSet};

/// The best of what was seen.
struct Best<'a> {
    most: usize,
    /// The farthest first.
    kept: Vec<Nearest<'a>>,
}

/// An element, and how far away it is.
#[derive(Debug, Clone, Copy)]
pub struct Nearest<'a> {
    /// From 0 in the same direction to 2 in the opposite one.
    pub distance: f32,
    /// The element.
    pub element: &'a Element,
}

impl<'a> Best<'a> {
    fn see(&mut self, distance: f32, element: &'a Element) {
        let new = Nearest { distance, element };
        if self.kept.len() < self.most {
            let nearer = self.kept.iter().rev().take_while(|kept| kept.distance < distance).count();
            self.kept.insert(self.kept.len() - nearer, new);
            return;
        }
        if self.kept.first().is_none_or(|farthest| distance >= farthest.distance) {
            return;
        }
        let rest = self.kept.get(1..).unwrap_or_default();
        let farther = rest.iter().take_while(|kept| kept.distance > distance).count();
        self.kept.remove(0);
        self.kept.insert(farther, new);
    }
}

impl VectorSet {
    /// The elements nearest to a vector, the nearest first, of those that are wanted.
    pub fn nearest<'a>(
        &'a self,
        to: &Vector,
        most: usize,
        mut wanted: impl FnMut(&Element) -> bool,
    ) -> Vec<Nearest<'a>> {
        let mut best = Best { most: most.min(self.len()), kept: Vec::new() };
        for element in self.iter().filter(|element| wanted(element)) {
            best.see(self.form.distance(to, &element.vector), element);
        }
        best.kept.reverse();
        best.kept
    }
}
