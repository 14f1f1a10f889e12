//! A small sorted set: one listpack of member, score, member, score, the lowest score first.
//!
//! A score is an integer where it is a whole number within ±2^62 (the sign of −0 is lost there), a
//! text otherwise. Servers up to 6.2 wrote texts into ziplists: integers up to 2^52, and `-0`.

use std::cmp::Ordering;

use crate::bytes::number::{DoubleRules, ScoreText, parse_double_by};
use crate::rdb::packed::{Elems, ListpackBuf};
use crate::rdb::{Limits, Target};
use crate::value::Elem;

/// How a server packs sorted sets.
#[derive(Debug, Clone, Copy)]
pub struct Packing {
    /// The most members.
    pub entries: usize,
    /// The most bytes of a member.
    pub value: usize,
    text: ScoreText,
    /// Up to 6.2.
    old: bool,
}

impl Packing {
    /// How a server packs sorted sets that has these limits.
    pub fn new(target: &Target, limits: &Limits) -> Self {
        Packing {
            entries: limits.zset_entries,
            value: limits.zset_value,
            text: target.score_text(),
            old: !target.has_listpacks(),
        }
    }

    /// The form of a score.
    #[inline]
    pub(in crate::engine) fn score<T>(&self, score: f64, give: impl FnOnce(Elem<'_>) -> T) -> T {
        let most = if self.old { (1_u64 << 52) as f64 - 1.0 } else { (1_u64 << 62) as f64 };
        let zero = score == 0.0 && !(self.old && score.is_sign_negative());
        if zero || (score != 0.0 && score.abs() <= most && score.trunc() == score) {
            give(Elem::Int(score as i64))
        } else {
            give(Elem::Bytes(self.text.digest(score).as_bytes()))
        }
    }
}

/// A member and its score, and where they are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair<'a> {
    pub(super) at: usize,
    pub(super) member: Elem<'a>,
    pub(super) score: f64,
}

/// The pairs, in their order.
#[derive(Debug, Clone)]
pub(super) struct Pairs<'a>(Elems<'a>);

impl<'a> Iterator for Pairs<'a> {
    type Item = Pair<'a>;

    #[inline]
    fn next(&mut self) -> Option<Pair<'a>> {
        let (at, member) = self.0.next()?;
        let (_, score) = self.0.next()?;
        Some(Pair { at, member, score: number(score) })
    }
}

/// All pairs, from either end.
#[derive(Debug, Clone)]
pub(super) struct Both<'a> {
    pack: &'a ListpackBuf,
    front: usize,
    back: usize,
    left: usize,
}

/// All pairs of a listpack, from either end.
pub(super) fn both(pack: &ListpackBuf) -> Both<'_> {
    Both { pack, front: ListpackBuf::FIRST, back: pack.end(), left: pack.len() / 2 }
}

impl<'a> Iterator for Both<'a> {
    type Item = (Elem<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let mut elems = self.pack.iter_from(self.front);
        let (_, member) = elems.next()?;
        let (_, score) = elems.next()?;
        self.front = elems.place();
        Some((member, number(score)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl DoubleEndedIterator for Both<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let score = self.pack.before(self.back)?;
        self.back = self.pack.before(score)?;
        Some((self.pack.get(self.back)?, number(self.pack.get(score)?)))
    }
}

impl ExactSizeIterator for Both<'_> {}

/// The pairs of a listpack.
#[inline]
pub(super) fn pairs(pack: &ListpackBuf) -> Pairs<'_> {
    Pairs(pack.iter())
}

/// The score that an element is.
#[inline]
pub(super) fn number(elem: Elem<'_>) -> f64 {
    match elem {
        Elem::Int(n) => n as f64,
        // What is no number was let in by a loader that did not look: 0, as the server reads it.
        Elem::Bytes(text) => parse_double_by(text, DoubleRules::LOADER).unwrap_or(0.0),
    }
}

/// Where a member is, and its score.
#[inline]
pub(super) fn find(pack: &ListpackBuf, member: &[u8]) -> Option<(usize, f64)> {
    let at = pack.find(member, ListpackBuf::FIRST, 2)?;
    Some((at, score_at(pack, pack.after(at))?))
}

/// How many pairs come before a place.
pub(super) fn rank_of(pack: &ListpackBuf, at: usize) -> usize {
    pairs(pack).take_while(|pair| pair.at < at).count()
}

/// Puts in a pair: a new one, or one whose member is at `old`.
pub(super) fn put(
    pack: &mut ListpackBuf,
    old: Option<usize>,
    member: &[u8],
    score: f64,
    packing: &Packing,
) {
    let behind = |at: usize, other: f64| match other.partial_cmp(&score) {
        Some(Ordering::Greater) => true,
        Some(Ordering::Less) => false,
        _ => pack.get(at).is_some_and(|it| it.bytes(&mut itoa::Buffer::new()) > member),
    };
    let mut place = ListpackBuf::FIRST;
    while place < pack.end() {
        let at = pack.after(place);
        let Some(other) = score_at(pack, at) else { break };
        if Some(place) != old && behind(place, other) {
            break;
        }
        place = pack.after(at);
    }
    if let Some(at) = old {
        let score_at = pack.after(at);
        let end = pack.after(score_at);
        if place == end || place == at {
            return packing.score(score, |form| pack.replace(score_at, form));
        }
        pack.remove(at, 2);
        if place > at {
            place -= end - at;
        }
    }
    packing.score(score, |form| pack.insert_pair(place, Elem::Bytes(member), form));
}

/// The score at a place.
#[inline]
fn score_at(pack: &ListpackBuf, at: usize) -> Option<f64> {
    match pack.int(at) {
        Some(n) => Some(n as f64),
        None => pack.get(at).map(number),
    }
}

/// Puts a pair behind all others.
pub(super) fn push(pack: &mut ListpackBuf, member: Elem<'_>, score: f64, packing: &Packing) {
    pack.push_elem(member);
    packing.score(score, |form| pack.push_elem(form));
}
