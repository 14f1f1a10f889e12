//! Which part of a sorted set: by rank, by score, by member.

use std::ops::Range;

use crate::bytes::number::{DoubleRules, parse_double_by};
use crate::engine::{Answer, Env, Failure, SortedSet};
use crate::rdb::{Product, Target};
use crate::value::Elem;

/// A run of scores.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scores {
    min: f64,
    max: f64,
    min_open: bool,
    max_open: bool,
}

impl Scores {
    pub(super) fn parse(min: &[u8], max: &[u8], env: &Env) -> Answer<Self> {
        const WRONG: Failure = Failure::text("ERR min or max is not a float");
        let (min, min_open) = score_bound(min, env).ok_or(WRONG)?;
        let (max, max_open) = score_bound(max, env).ok_or(WRONG)?;
        Ok(Scores { min, max, min_open, max_open })
    }

    fn below(&self, score: f64) -> bool {
        if self.min_open { score <= self.min } else { score < self.min }
    }

    fn within(&self, score: f64) -> bool {
        if self.max_open { score < self.max } else { score <= self.max }
    }
}

/// A bound, and whether it is open. Here, other than for scores that are set, what is too large is
/// infinite, and nothing at all is 0; some servers take spaces in front.
fn score_bound(text: &[u8], env: &Env) -> Option<(f64, bool)> {
    let (text, open) = match text {
        [b'(', text @ ..] => (text, true),
        text => (text, false),
    };
    if text.is_empty() {
        return Some((0.0, open));
    }
    let Target { product, version, .. } = env.target;
    let spaced = match product {
        _ if env.takes_all() => true,
        Product::Redis => !((8, 0)..(8, 8)).contains(&version),
        Product::Redict => true,
        Product::Valkey => version < (9, 0),
    };
    let text = if spaced { text.trim_ascii_start() } else { text };
    let rules = DoubleRules { saturate: true, ..env.double_rules() };
    let bound = parse_double_by(text, rules)?;
    (!bound.is_nan()).then_some((bound, open))
}

/// A run of members whose scores are the same.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lex<'a> {
    min: LexBound<'a>,
    max: LexBound<'a>,
}

#[derive(Debug, Clone, Copy)]
enum LexBound<'a> {
    Least,
    Most,
    At { member: &'a [u8], open: bool },
}

impl<'a> Lex<'a> {
    pub(super) fn parse(min: &'a [u8], max: &'a [u8]) -> Answer<Self> {
        const WRONG: Failure = Failure::text("ERR min or max not valid string range item");
        let bound = |text: &'a [u8]| match text {
            b"-" => Ok(LexBound::Least),
            b"+" => Ok(LexBound::Most),
            [b'(', member @ ..] => Ok(LexBound::At { member, open: true }),
            [b'[', member @ ..] => Ok(LexBound::At { member, open: false }),
            _ => Err(WRONG),
        };
        Ok(Lex { min: bound(min)?, max: bound(max)? })
    }

    fn below(&self, member: &[u8]) -> bool {
        match self.min {
            LexBound::Least => false,
            LexBound::Most => true,
            LexBound::At { member: min, open: true } => member <= min,
            LexBound::At { member: min, open: false } => member < min,
        }
    }

    fn within(&self, member: &[u8]) -> bool {
        match self.max {
            LexBound::Least => false,
            LexBound::Most => true,
            LexBound::At { member: max, open: true } => member < max,
            LexBound::At { member: max, open: false } => member <= max,
        }
    }
}

/// A part of a sorted set.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part<'a> {
    /// From rank to rank, inclusive; below zero counted from the end.
    Ranks(i64, i64),
    Scores(Scores),
    Lex(Lex<'a>),
}

impl Part<'_> {
    /// The ranks that this part of a set is; those of [`Part::Ranks`] count from the end where
    /// `reverse` says so.
    pub(super) fn ranks(&self, set: &SortedSet, reverse: bool) -> Range<usize> {
        match self {
            Part::Ranks(start, stop) => {
                let len = set.len();
                let ranks = clamp(*start, *stop, len);
                if reverse { len - ranks.end..len - ranks.start } else { ranks }
            }
            Part::Scores(scores) => {
                set.ranks(|_, score| scores.below(score), |_, score| scores.within(score))
            }
            Part::Lex(lex) => {
                let bytes = |member: Elem<'_>, of: &dyn Fn(&[u8]) -> bool| {
                    of(member.bytes(&mut itoa::Buffer::new()))
                };
                let below = |member: Elem<'_>| bytes(member, &|member| lex.below(member));
                let within = |member: Elem<'_>| bytes(member, &|member| lex.within(member));
                // Servers look at both ends first, which says nothing where scores differ, and
                // they go by it all the same (zslIsInLexRange, Redis 8.0).
                match set.ends() {
                    Some([first, last]) if within(first) && !below(last) => {}
                    _ => return 0..0,
                }
                match reverse {
                    true => set.ranks_from_end(|member, _| below(member), |m, _| within(m)),
                    false => set.ranks(|member, _| below(member), |m, _| within(m)),
                }
            }
        }
    }
}

/// Indexes as clients give them, as a range; empty ones are `0..0`.
fn clamp(start: i64, stop: i64, len: usize) -> Range<usize> {
    let from_end = |n: i64| if n < 0 { n.saturating_add(len as i64) } else { n };
    let (start, stop) = (from_end(start).max(0), from_end(stop));
    if start > stop || start >= len as i64 {
        return 0..0;
    }
    start as usize..(stop as usize).saturating_add(1).min(len)
}

/// The ranks that `LIMIT offset count` leaves of some.
pub(super) fn limited(
    ranks: Range<usize>,
    reverse: bool,
    (offset, count): (i64, i64),
) -> Range<usize> {
    let len = ranks.len();
    let offset = usize::try_from(offset).unwrap_or(len).min(len);
    let count = usize::try_from(count).unwrap_or(len).min(len - offset);
    if reverse {
        ranks.end - offset - count..ranks.end - offset
    } else {
        ranks.start + offset..ranks.start + offset + count
    }
}
