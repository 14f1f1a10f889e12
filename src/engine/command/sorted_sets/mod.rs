//! Sorted sets.

mod add;
mod bounds;
mod combine;
mod look;
mod pop;
mod range;
mod scan;

use crate::bytes::number::{ScoreText, parse_double_by};
use crate::engine::{Answer, Call, Failure, Packing, SortedSet, Spec};
use crate::resp::Reply;
use crate::value::Elem;
pub(super) use add::{Options, add_pairs};

/// What is known here.
pub(super) const COMMANDS: &[Spec] = &[
    Spec::key("ZADD", -4, add::zadd),
    Spec::key("ZINCRBY", 4, add::zincrby),
    Spec::key("ZREM", -3, add::zrem),
    Spec::key("ZREMRANGEBYRANK", 4, range::remove_by_rank),
    Spec::key("ZREMRANGEBYSCORE", 4, range::remove_by_score),
    Spec::key("ZREMRANGEBYLEX", 4, range::remove_by_lex),
    Spec::key("ZPOPMIN", -2, pop::pop_min),
    Spec::key("ZPOPMAX", -2, pop::pop_max),
    Spec::keys("BZPOPMIN", -3, pop::blocking_pop_min),
    Spec::keys("BZPOPMAX", -3, pop::blocking_pop_max),
    Spec::keys("ZMPOP", -4, pop::pop_of_several),
    Spec::keys("BZMPOP", -5, pop::blocking_pop_of_several),
    Spec::keys("ZUNIONSTORE", -4, combine::union_store),
    Spec::keys("ZINTERSTORE", -4, combine::inter_store),
    Spec::keys("ZDIFFSTORE", -4, combine::diff_store),
    Spec::keys("ZUNION", -3, combine::union),
    Spec::keys("ZINTER", -3, combine::inter),
    Spec::keys("ZDIFF", -3, combine::diff),
    Spec::keys("ZINTERCARD", -3, combine::inter_card),
    Spec::keys("ZRANGESTORE", -5, range::range_store),
    Spec::key("ZRANGE", -4, range::range),
    Spec::key("ZREVRANGE", -4, range::rev_range),
    Spec::key("ZRANGEBYSCORE", -4, range::range_by_score),
    Spec::key("ZREVRANGEBYSCORE", -4, range::rev_range_by_score),
    Spec::key("ZRANGEBYLEX", -4, range::range_by_lex),
    Spec::key("ZREVRANGEBYLEX", -4, range::rev_range_by_lex),
    Spec::key("ZCARD", 2, look::card),
    Spec::key("ZCOUNT", 4, look::count),
    Spec::key("ZLEXCOUNT", 4, look::lex_count),
    Spec::key("ZSCORE", 3, look::score),
    Spec::key("ZMSCORE", -3, look::scores),
    Spec::key("ZRANK", -3, look::rank),
    Spec::key("ZREVRANK", -3, look::rev_rank),
    Spec::key("ZRANDMEMBER", -2, look::random_member),
    Spec::key("ZSCAN", -3, scan::zscan),
];

/// How sorted sets are packed here.
#[inline]
pub(super) fn packing(call: &mut Call<'_>) -> Packing {
    let limits = call.keys.keyspace().limits();
    Packing::new(&call.env.target, &limits)
}

/// An argument as a score.
#[inline]
pub(super) fn score(call: &Call<'_>, arg: usize) -> Answer<f64> {
    double(call, call.arg(arg)).ok_or(Failure::NOT_A_FLOAT)
}

/// A text as a double that is a number.
#[inline]
fn double(call: &Call<'_>, text: &[u8]) -> Option<f64> {
    parse_double_by(text, call.env.double_rules()).filter(|n| !n.is_nan())
}

/// A score as it is answered.
pub(super) fn score_reply(score: f64, text: ScoreText) -> Reply {
    Reply::bulk(text.reply(score).as_bytes())
}

/// Members as they are answered, with their scores or without.
#[derive(Debug)]
struct Listing {
    items: Vec<Reply>,
    scores: Option<ScoreText>,
}

impl Listing {
    fn new(call: &Call<'_>, with_scores: bool) -> Self {
        let scores = with_scores.then(|| call.env.target.score_text());
        Listing { items: Vec::new(), scores }
    }

    fn add(&mut self, member: Elem<'_>, score: f64) {
        self.items.push(Reply::Bulk(member.to_vec()));
        if let Some(text) = self.scores {
            self.items.push(score_reply(score, text));
        }
    }

    fn reply(self) -> Answer {
        Ok(Reply::Array(self.items))
    }
}

/// Puts a set in the place of whatever a key was, or of nothing where it is empty; its length.
pub(super) fn store(call: &mut Call<'_>, key: &[u8], set: SortedSet) -> Answer {
    use crate::engine::Typed;
    let len = set.len();
    if len == 0 {
        call.keys.remove(key);
    } else {
        call.keys.set(key, set.wrap(), None);
    }
    Ok(Reply::count(len))
}

/// Removes a key whose set has become empty.
fn drop_if_empty(call: &mut Call<'_>, key: &[u8]) -> Answer<()> {
    if call.keys.get::<SortedSet>(key)?.is_some_and(|set| set.is_empty()) {
        call.keys.remove(key);
    }
    Ok(())
}
