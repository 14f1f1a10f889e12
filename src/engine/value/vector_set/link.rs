//! How elements are linked: a search for what is near on each level, and links to the best of it.
//!
//! A link is worth more where it leads into another direction than those that are there already,
//! and none is taken from an element that would be left with too few. Who finds no links that way
//! asks for them more firmly.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Space;
use super::graph::Graph;

/// So many are looked for before links are chosen, as servers do by default.
const LOOKED_FOR: usize = 200;

/// How firmly links are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Firmness {
    /// Only links into new directions, and to those that gain by it.
    Polite,
    /// Any that leave nobody with a quarter of M.
    Firm,
    /// Even beyond the room that an element has.
    Urgent,
}

/// An element, and how far away it is.
#[derive(Debug, Clone, Copy)]
struct Near {
    distance: f32,
    place: u32,
}

impl Ord for Near {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.distance.total_cmp(&other.distance).then(self.place.cmp(&other.place))
    }
}

impl PartialOrd for Near {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Near {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Near {}

impl Graph {
    /// Links an element that has no links yet.
    pub(super) fn link(&mut self, space: &Space<'_>, place: u32, top: usize) {
        let Some(entry) = self.entry else {
            self.entry = Some(place);
            return;
        };
        let highest = self.top_of(entry);
        let mut near = entry;
        for level in (top + 1..=highest).rev() {
            near = self.nearest(space, place, near, level);
        }
        for level in (0..=top.min(highest)).rev() {
            let found = self.search(space, place, near, LOOKED_FOR, level);
            near = found.first().map_or(near, |found| found.place);
            self.connect(space, place, level, &found, space.form.m, Firmness::Polite);
            if level == 0 && self.count(place, 0) < space.form.m / 2 {
                self.connect(space, place, 0, &found, space.form.m, Firmness::Firm);
            }
            if level == 0 && self.count(place, 0) < space.form.m / 4 {
                self.connect(space, place, 0, &found, space.form.m / 4, Firmness::Urgent);
            }
        }
        if top > highest {
            self.entry = Some(place);
        }
    }

    /// Gives an element that has lost links others in their place.
    pub(super) fn mend(&mut self, space: &Space<'_>, place: u32) {
        let (Some(mut near), enough) = (self.entry, space.form.m / 2) else { return };
        let top = self.top_of(place);
        for level in (0..=self.top_of(near)).rev() {
            if level > top || self.count(place, level) >= enough {
                near = self.nearest(space, place, near, level);
                continue;
            }
            let found = self.search(space, place, near, LOOKED_FOR, level);
            near = found.first().map_or(near, |found| found.place);
            self.connect(space, place, level, &found, enough, Firmness::Firm);
            if level == 0 && self.count(place, 0) < space.form.m / 4 {
                self.connect(space, place, 0, &found, space.form.m / 4, Firmness::Urgent);
            }
        }
    }

    fn nearest(&mut self, space: &Space<'_>, to: u32, from: u32, level: usize) -> u32 {
        self.search(space, to, from, 1, level).first().map_or(from, |found| found.place)
    }

    /// What is near to an element on a level, the nearest first; not the element itself.
    fn search(
        &mut self,
        space: &Space<'_>,
        to: u32,
        from: u32,
        most: usize,
        level: usize,
    ) -> Vec<Near> {
        let near = |place| Near { distance: space.distance(to, place), place };
        let Graph { nodes, seen, .. } = self;
        seen.begin(nodes.len());
        seen.first(from);
        let start = near(from);
        let mut open = BinaryHeap::from([Reverse(start)]);
        let mut found = BinaryHeap::from([start]);
        while let Some(Reverse(current)) = open.pop() {
            if found.len() >= most && found.peek().is_some_and(|worst| current > *worst) {
                break;
            }
            let links = nodes.get(current.place as usize).and_then(|levels| levels.get(level));
            for &place in links.iter().flat_map(|links| &links.to) {
                if !seen.first(place) {
                    continue;
                }
                let next = near(place);
                if found.len() < most {
                    found.push(next);
                    open.push(Reverse(next));
                } else if let Some(mut worst) = found.peek_mut()
                    && next < *worst
                {
                    *worst = next;
                    open.push(Reverse(next));
                }
            }
        }
        let mut found = found.into_sorted_vec();
        found.retain(|found| found.place != to);
        found
    }

    /// Links an element to the best of those that were found, until it has as many links as wanted.
    fn connect(
        &mut self,
        space: &Space<'_>,
        place: u32,
        level: usize,
        found: &[Near],
        wanted: usize,
        firmness: Firmness,
    ) {
        for &Near { distance, place: other } in found {
            let (Some(ours), Some(theirs)) = (self.links(place, level), self.links(other, level))
            else {
                continue;
            };
            if ours.is_full() || ours.to.len() >= wanted {
                return;
            }
            if ours.to.contains(&other) {
                continue;
            }
            let is_nearer = |&to: &u32| space.distance(other, to) < distance;
            if firmness == Firmness::Polite && ours.to.iter().any(is_nearer) {
                continue;
            }
            if theirs.is_full() {
                let Some(loser) = self.loser(space, other, level, distance, firmness) else {
                    continue;
                };
                match loser {
                    Some(loser) => {
                        self.part(space, other, loser, level);
                        self.part(space, loser, other, level);
                    }
                    None => {
                        if let Some(links) = self.links_mut(other, level) {
                            links.room += 1;
                        }
                    }
                }
            }
            self.join(place, other, level, distance);
            self.join(other, place, level, distance);
        }
    }

    /// Which link an element that has no room gives up for a new one of this length; none of them
    /// where it gets more room instead, and `None` where it wants no new one.
    fn loser(
        &self,
        space: &Space<'_>,
        place: u32,
        level: usize,
        distance: f32,
        firmness: Firmness,
    ) -> Option<Option<u32>> {
        let links = self.links(place, level)?;
        let (index, worst_distance) = links.worst;
        let worst = *links.to.get(index as usize)?;
        let spare = if firmness == Firmness::Polite { space.form.m / 2 } else { space.form.m / 4 };
        if firmness == Firmness::Polite && distance >= worst_distance {
            return None;
        }
        let can_spare = |to: u32| self.count(to, level) > spare;
        if can_spare(worst) {
            return Some(Some(worst));
        }
        if firmness != Firmness::Urgent {
            return None;
        }
        let others = links.to.iter().copied().filter(|&to| can_spare(to));
        let far = others.map(|to| Near { distance: space.distance(place, to), place: to }).max();
        // Servers take up to three times M on level 0, and twice on others.
        let limit = space.form.m * if level == 0 { 3 } else { 2 };
        match far {
            Some(far) => Some(Some(far.place)),
            None => ((links.room as usize) < limit).then_some(None),
        }
    }

    /// One half of a new link.
    fn join(&mut self, place: u32, other: u32, level: usize, distance: f32) {
        let Some(links) = self.links_mut(place, level) else { return };
        let index = links.to.len();
        links.to.push(other);
        if index == 0 || distance > links.worst.1 {
            links.worst = (index as u32, distance);
        }
    }

    /// Takes away one half of a link.
    fn part(&mut self, space: &Space<'_>, place: u32, other: u32, level: usize) {
        let Some(links) = self.links_mut(place, level) else { return };
        let Some(index) = links.to.iter().position(|&to| to == other) else { return };
        links.to.remove(index);
        match (index as u32).cmp(&links.worst.0) {
            std::cmp::Ordering::Less => links.worst.0 -= 1,
            std::cmp::Ordering::Equal => self.weigh(space, place, level),
            std::cmp::Ordering::Greater => {}
        }
    }
}
