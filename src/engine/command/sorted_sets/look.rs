//! Looking at single members, and counting: ZSCORE, ZRANK, ZCOUNT and the like.

use super::bounds::{Lex, Part, Scores};
use super::{Listing, score_reply};
use crate::engine::command::pick;
use crate::engine::{Answer, Call, Failure, SortedSet};
use crate::resp::Reply;

pub(super) fn card(call: &mut Call<'_>) -> Answer {
    let set = call.keys.get::<SortedSet>(call.arg(1))?;
    Ok(Reply::count(set.map_or(0, |set| set.len())))
}

fn count_part(call: &mut Call<'_>, part: Part<'_>) -> Answer {
    let set = call.keys.get::<SortedSet>(call.arg(1))?;
    Ok(Reply::count(set.map_or(0, |set| part.ranks(set, false).len())))
}

pub(super) fn count(call: &mut Call<'_>) -> Answer {
    let part = Part::Scores(Scores::parse(call.arg(2), call.arg(3), call.env)?);
    count_part(call, part)
}

pub(super) fn lex_count(call: &mut Call<'_>) -> Answer {
    let part = Part::Lex(Lex::parse(call.arg(2), call.arg(3))?);
    count_part(call, part)
}

pub(super) fn score(call: &mut Call<'_>) -> Answer {
    let member = call.arg(2);
    let set = call.keys.get::<SortedSet>(call.arg(1))?;
    let score = set.and_then(|set| set.score(member));
    let text = call.env.target.score_text();
    Ok(score.map_or(Reply::Nil, |score| score_reply(score, text)))
}

pub(super) fn scores(call: &mut Call<'_>) -> Answer {
    let members = call.rest(2);
    let text = call.env.target.score_text();
    let set = call.keys.get::<SortedSet>(call.arg(1))?;
    let one = |member: &&[u8]| {
        let score = set.as_ref().and_then(|set| set.score(member));
        score.map_or(Reply::Nil, |score| score_reply(score, text))
    };
    Ok(Reply::Array(members.iter().map(one).collect()))
}

pub(super) fn rank(call: &mut Call<'_>) -> Answer {
    rank_of(call, false)
}

pub(super) fn rev_rank(call: &mut Call<'_>) -> Answer {
    rank_of(call, true)
}

fn rank_of(call: &mut Call<'_>, reverse: bool) -> Answer {
    let with_score = match call.argc() {
        3 => false,
        4 if call.is(3, "WITHSCORE") => true,
        4 => return Err(Failure::SYNTAX),
        _ => {
            let name = if reverse { "zrevrank" } else { "zrank" };
            let words = format!("ERR wrong number of arguments for '{name}' command");
            return Err(Failure::said(words));
        }
    };
    let text = call.env.target.score_text();
    let member = call.arg(2);
    let set = call.keys.get::<SortedSet>(call.arg(1))?;
    let found = set.and_then(|set| {
        let (rank, score) = set.rank(member)?;
        Some((if reverse { set.len() - 1 - rank } else { rank }, score))
    });
    Ok(match found {
        None if with_score => Reply::NilArray,
        None => Reply::Nil,
        Some((rank, score)) if with_score => {
            Reply::Array(vec![Reply::count(rank), score_reply(score, text)])
        }
        Some((rank, _)) => Reply::count(rank),
    })
}

pub(super) fn random_member(call: &mut Call<'_>) -> Answer {
    if call.argc() > 2 {
        return random_members(call);
    }
    let Some(set) = call.keys.get::<SortedSet>(call.arg(1))? else { return Ok(Reply::Nil) };
    let rank = call.env.random(set.len().max(1));
    let mut reply = Reply::Nil;
    set.visit(rank..rank + 1, false, |member, _| reply = Reply::Bulk(member.to_vec()));
    Ok(reply)
}

/// With a count: so many different ones, or below zero so many that may be the same.
fn random_members(call: &mut Call<'_>) -> Answer {
    const OUT_OF_RANGE: Failure = Failure::text("ERR value is out of range");
    let count = pick::count(call.arg(2))?;
    let with_scores = call.argc() == 4 && call.is(3, "WITHSCORES");
    if call.argc() > 4 || (call.argc() == 4 && !with_scores) {
        return Err(Failure::SYNTAX);
    }
    if with_scores && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(OUT_OF_RANGE);
    }
    let mut listing = Listing::new(call, with_scores);
    let Some(set) = call.keys.get::<SortedSet>(call.arg(1))? else { return listing.reply() };
    let len = set.len();
    if usize::try_from(count).is_ok_and(|count| count >= len) {
        set.each(|member, score| listing.add(member, score));
        return listing.reply();
    }
    for rank in pick::places(count, len, call.env)? {
        set.visit(rank..rank + 1, false, |member, score| listing.add(member, score));
    }
    listing.reply()
}
