//! The graph that searches go through: each element has links to its like, on several levels.
//!
//! ```text
//! level 2        a ───────────── f          few elements, far links
//! level 1        a ──── c ────── f
//! level 0        a ─ b ─ c ─ d ─ e ─ f      all of them
//! ```
//!
//! Links are mutual, and an element has room for a number of them on a level; which ones there are
//! is left to chance in servers, and no digest covers them. Linking is what costs time, so it waits
//! until somebody looks: what a log adds and removes again is never linked.

use super::Space;

/// The room for links of an element on level 0 in multiples of M; half of it on others.
const ROOM_BELOW: usize = 2;
/// No element is on a higher level.
const TOP: u32 = 15;

/// The links of one element on one level.
#[derive(Debug, Clone, PartialEq)]
pub struct Links {
    /// Room for so many.
    pub room: u32,
    /// The places of those it is linked to.
    pub to: Vec<u32>,
    /// Which of the links is the longest one, and how long it is.
    pub(super) worst: (u32, f32),
}

impl Links {
    pub(super) fn new(room: usize, to: Vec<u32>, worst: (u32, f32)) -> Self {
        Links { room: u32::try_from(room).unwrap_or(u32::MAX), to, worst }
    }

    /// Which of the links is the longest one, and how long it is.
    pub fn worst(&self) -> (u32, f32) {
        self.worst
    }

    pub(super) fn is_full(&self) -> bool {
        self.to.len() >= self.room as usize
    }
}

/// The levels of one element, from 0 on: none until it is linked.
pub(super) type Levels = Vec<Links>;

/// The graph.
#[derive(Debug, Clone, Default)]
pub(super) struct Graph {
    /// By place.
    pub(super) nodes: Vec<Levels>,
    /// Places that are to be linked, or to be linked better.
    pub(super) waiting: Vec<u32>,
    /// Where searches begin: a place on the highest level.
    pub(super) entry: Option<u32>,
    pub(super) seen: Seen,
}

/// What a search has seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    rounds: Vec<u32>,
    round: u32,
}

impl Seen {
    /// Begins anew.
    pub(super) fn begin(&mut self, places: usize) {
        self.round = self.round.wrapping_add(1);
        if self.round == 0 || self.rounds.len() < places {
            self.rounds.clear();
            self.rounds.resize(places, 0);
            self.round = 1;
        }
    }

    /// Whether this is the first time.
    pub(super) fn first(&mut self, place: u32) -> bool {
        match self.rounds.get_mut(place as usize) {
            Some(round) if *round != self.round => {
                *round = self.round;
                true
            }
            _ => false,
        }
    }
}

impl Graph {
    /// An element has come, behind all others.
    pub(super) fn add(&mut self, place: u32) {
        self.nodes.push(Levels::new());
        self.waiting.push(place);
    }

    /// An element is gone; those that were linked to it are to be linked better.
    pub(super) fn remove(&mut self, place: u32) {
        let Some(levels) = self.nodes.get_mut(place as usize).map(std::mem::take) else { return };
        for (level, links) in levels.iter().enumerate() {
            for &other in &links.to {
                if let Some(theirs) = self.links_mut(other, level) {
                    theirs.to.retain(|&to| to != place);
                }
                self.waiting.push(other);
            }
        }
        if self.entry == Some(place) {
            self.entry = None;
        }
    }

    pub(super) fn links(&self, place: u32, level: usize) -> Option<&Links> {
        self.nodes.get(place as usize)?.get(level)
    }

    pub(super) fn links_mut(&mut self, place: u32, level: usize) -> Option<&mut Links> {
        self.nodes.get_mut(place as usize)?.get_mut(level)
    }

    pub(super) fn count(&self, place: u32, level: usize) -> usize {
        self.links(place, level).map_or(0, |links| links.to.len())
    }

    /// The highest level of an element that is linked.
    pub(super) fn top_of(&self, place: u32) -> usize {
        self.nodes.get(place as usize).map_or(0, |levels| levels.len().saturating_sub(1))
    }

    /// Links everything that waits.
    pub(super) fn settle(&mut self, space: &Space<'_>) {
        if self.waiting.is_empty() {
            return;
        }
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_unstable();
        waiting.dedup();
        waiting.retain(|&place| space.has(place));
        if self.entry.is_none() {
            self.enter();
        }
        let is_linked =
            |place: &u32| self.nodes.get(*place as usize).is_some_and(|levels| !levels.is_empty());
        let (old, new): (Vec<u32>, Vec<u32>) = waiting.into_iter().partition(is_linked);
        for &place in &old {
            (0..=self.top_of(place)).for_each(|level| self.weigh(space, place, level));
        }
        // First those that have links, for the others to find their way.
        old.into_iter().for_each(|place| self.mend(space, place));
        for place in new {
            let top = level_of(space.id(place));
            let room = |level| if level == 0 { space.form.m * ROOM_BELOW } else { space.form.m };
            let levels = (0..=top).map(|level| Links::new(room(level), Vec::new(), (0, 0.0)));
            if let Some(node) = self.nodes.get_mut(place as usize) {
                *node = levels.collect();
            }
            self.link(space, place, top);
        }
    }

    /// Chooses where searches begin.
    pub(super) fn enter(&mut self) {
        let levels = self.nodes.iter().map(Vec::len).enumerate().filter(|(_, len)| *len > 0);
        // The first one of the highest level.
        let entry = levels.rev().max_by_key(|(_, len)| *len);
        self.entry = entry.and_then(|(place, _)| u32::try_from(place).ok());
    }

    /// Finds the longest link anew.
    pub(super) fn weigh(&mut self, space: &Space<'_>, place: u32, level: usize) {
        let Some(links) = self.links_mut(place, level) else { return };
        let mut worst = (0, 0.0);
        for (index, &other) in (0..).zip(&links.to) {
            let distance = space.distance(place, other);
            if distance > worst.1 {
                worst = (index, distance);
            }
        }
        links.worst = worst;
    }
}

/// The level of an element: each one is reached by a quarter of those on the one below. It depends
/// on nothing but the id, so that the same log makes the same graph.
fn level_of(id: u64) -> usize {
    let mut bits = id.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    (bits.trailing_zeros() / 2).min(TOP) as usize
}

#[cfg(test)]
mod tests {
    use super::level_of;

    #[test]
    fn a_quarter_goes_up() {
        let above = |level| (0..64_000).filter(|&id| level_of(id) >= level).count();
        assert_eq!(above(0), 64_000);
        assert!(above(1).abs_diff(16_000) < 500);
        assert!(above(2).abs_diff(4_000) < 250);
    }
}
