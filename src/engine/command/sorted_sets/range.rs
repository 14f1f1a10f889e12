//! Runs of a sorted set: the ZRANGE family, ZRANGESTORE, ZREMRANGEBY….

use super::bounds::{Lex, Part, Scores, limited};
use super::{Listing, drop_if_empty, packing, store};
use crate::engine::{Answer, Call, Failure, SortedSet};
use crate::resp::Reply;

/// By what a run is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Lex,
}

/// What the name of a command says, and what is left to its options.
#[derive(Debug, Clone, Copy, Default)]
struct Fixed {
    by: Option<By>,
    reverse: Option<bool>,
    store: bool,
}

/// A run as it is asked for.
#[derive(Debug)]
struct Query<'a> {
    part: Part<'a>,
    reverse: bool,
    limit: (i64, i64),
    with_scores: bool,
}

impl<'a> Query<'a> {
    /// Reads the bounds at an argument and the options behind them.
    fn parse(call: &Call<'a>, first: usize, fixed: Fixed) -> Answer<Self> {
        let Fixed { mut by, mut reverse, store } = fixed;
        let (mut with_scores, mut limit) = (false, (0, -1));
        let mut at = first + 2;
        while at < call.argc() {
            let left = call.argc() - at - 1;
            if !store && call.is(at, "WITHSCORES") {
                with_scores = true;
            } else if call.is(at, "LIMIT") && left >= 2 {
                limit = (call.int(at + 1)?, call.int(at + 2)?);
                at += 2;
            } else if reverse.is_none() && call.is(at, "REV") {
                reverse = Some(true);
            } else if by.is_none() && call.is(at, "BYLEX") {
                by = Some(By::Lex);
            } else if by.is_none() && call.is(at, "BYSCORE") {
                by = Some(By::Score);
            } else {
                return Err(Failure::SYNTAX);
            }
            at += 1;
        }
        let (by, reverse) = (by.unwrap_or(By::Rank), reverse.unwrap_or(false));
        if limit.1 != -1 && by == By::Rank {
            return Err(Failure::text(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or \
                 BYLEX",
            ));
        }
        if with_scores && by == By::Lex {
            return Err(Failure::text(
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
            ));
        }
        let (low, high) = (call.arg(first), call.arg(first + 1));
        let (min, max) = if reverse { (high, low) } else { (low, high) };
        let part = match by {
            By::Rank => Part::Ranks(call.int(first)?, call.int(first + 1)?),
            By::Score => Part::Scores(Scores::parse(min, max, call.env)?),
            By::Lex => Part::Lex(Lex::parse(min, max)?),
        };
        Ok(Query { part, reverse, limit, with_scores })
    }

    /// The ranks that it comes to.
    fn ranks(&self, set: &SortedSet) -> std::ops::Range<usize> {
        let ranks = self.part.ranks(set, self.reverse);
        match self.part {
            // A limit without an end is let through, and then forgotten.
            Part::Ranks(..) => ranks,
            _ => limited(ranks, self.reverse, self.limit),
        }
    }
}

fn show(call: &mut Call<'_>, by: Option<By>, reverse: Option<bool>) -> Answer {
    let query = Query::parse(call, 2, Fixed { by, reverse, store: false })?;
    let mut listing = Listing::new(call, query.with_scores);
    if let Some(set) = call.keys.get::<SortedSet>(call.arg(1))? {
        set.visit(query.ranks(set), query.reverse, |member, score| listing.add(member, score));
    }
    listing.reply()
}

pub(super) fn range(call: &mut Call<'_>) -> Answer {
    show(call, None, None)
}

pub(super) fn rev_range(call: &mut Call<'_>) -> Answer {
    show(call, Some(By::Rank), Some(true))
}

pub(super) fn range_by_score(call: &mut Call<'_>) -> Answer {
    show(call, Some(By::Score), Some(false))
}

pub(super) fn rev_range_by_score(call: &mut Call<'_>) -> Answer {
    show(call, Some(By::Score), Some(true))
}

pub(super) fn range_by_lex(call: &mut Call<'_>) -> Answer {
    show(call, Some(By::Lex), Some(false))
}

pub(super) fn rev_range_by_lex(call: &mut Call<'_>) -> Answer {
    show(call, Some(By::Lex), Some(true))
}

pub(super) fn range_store(call: &mut Call<'_>) -> Answer {
    let query = Query::parse(call, 3, Fixed { store: true, ..Fixed::default() })?;
    let packing = packing(call);
    let mut members = Vec::new();
    if let Some(set) = call.keys.get::<SortedSet>(call.arg(2))? {
        let ranks = query.ranks(set);
        set.visit(ranks, false, |member, score| members.push((member.to_vec(), score)));
    }
    let set = SortedSet::of(members, &packing);
    store(call, call.arg(1), set)
}

fn remove(call: &mut Call<'_>, part: Part<'_>) -> Answer {
    let key = call.arg(1);
    let Some(set) = call.keys.get::<SortedSet>(key)? else { return Ok(Reply::Int(0)) };
    let ranks = part.ranks(set, false);
    let gone = ranks.len();
    set.remove_ranks(ranks);
    drop_if_empty(call, key)?;
    Ok(Reply::count(gone))
}

pub(super) fn remove_by_rank(call: &mut Call<'_>) -> Answer {
    let part = Part::Ranks(call.int(2)?, call.int(3)?);
    remove(call, part)
}

pub(super) fn remove_by_score(call: &mut Call<'_>) -> Answer {
    let part = Part::Scores(Scores::parse(call.arg(2), call.arg(3), call.env)?);
    remove(call, part)
}

pub(super) fn remove_by_lex(call: &mut Call<'_>) -> Answer {
    let part = Part::Lex(Lex::parse(call.arg(2), call.arg(3))?);
    remove(call, part)
}
