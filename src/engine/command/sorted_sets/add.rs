//! Members that come, change and go one by one: ZADD, ZINCRBY, ZREM.

use super::{drop_if_empty, packing, score, score_reply};
use crate::engine::{Answer, Call, Failure, Packing, SortedSet};
use crate::resp::Reply;

/// What ZADD is told besides scores and members.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::engine::command) struct Options {
    pub(in crate::engine::command) nx: bool,
    pub(in crate::engine::command) xx: bool,
    pub(in crate::engine::command) gt: bool,
    pub(in crate::engine::command) lt: bool,
    pub(in crate::engine::command) ch: bool,
    pub(in crate::engine::command) incr: bool,
}

/// What has come of adding.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    added: usize,
    updated: usize,
    /// The score of the last member that the options let be touched.
    score: Option<f64>,
    /// Whether infinities have met.
    nan: bool,
}

pub(super) fn zadd(call: &mut Call<'_>) -> Answer {
    let mut options = Options::default();
    let mut first = 2;
    while first < call.argc() {
        match call.arg(first) {
            word if word.eq_ignore_ascii_case(b"NX") => options.nx = true,
            word if word.eq_ignore_ascii_case(b"XX") => options.xx = true,
            word if word.eq_ignore_ascii_case(b"CH") => options.ch = true,
            word if word.eq_ignore_ascii_case(b"INCR") => options.incr = true,
            word if word.eq_ignore_ascii_case(b"GT") => options.gt = true,
            word if word.eq_ignore_ascii_case(b"LT") => options.lt = true,
            _ => break,
        }
        first += 1;
    }
    add(call, first, options)
}

pub(super) fn zincrby(call: &mut Call<'_>) -> Answer {
    add(call, 2, Options { incr: true, ..Options::default() })
}

/// Adds the scores and members from an argument on.
fn add(call: &mut Call<'_>, first: usize, options: Options) -> Answer {
    let given = call.rest(first);
    if given.is_empty() || !given.len().is_multiple_of(2) {
        return Err(Failure::SYNTAX);
    }
    if options.nx && options.xx {
        return Err(Failure::text("ERR XX and NX options at the same time are not compatible"));
    }
    if [options.gt, options.lt, options.nx].into_iter().filter(|set| *set).count() > 1 {
        return Err(Failure::text(
            "ERR GT, LT, and/or NX options at the same time are not compatible",
        ));
    }
    if options.incr && given.len() > 2 {
        return Err(Failure::text("ERR INCR option supports a single increment-element pair"));
    }
    if let [_, member] = given {
        let score = score(call, first)?;
        return add_pairs(call, &[(score, member)], options);
    }
    // All scores are held to be numbers before anything is done.
    let mut pairs = Vec::with_capacity(given.len() / 2);
    for at in (first..call.argc()).step_by(2) {
        pairs.push((score(call, at)?, call.arg(at + 1)));
    }
    add_pairs(call, &pairs, options)
}

/// Adds scores and members to the set of the command's key.
pub(in crate::engine::command) fn add_pairs(
    call: &mut Call<'_>,
    pairs: &[(f64, &[u8])],
    options: Options,
) -> Answer {
    let key = call.arg(1);
    let packing = packing(call);
    let first_bytes = pairs.first().map_or(0, |(_, member)| member.len());
    // Servers before 7.2 did not look ahead.
    let ahead = if call.env.target.has_packed_lists() { pairs.len() } else { 1 };
    let tally = if options.xx {
        match call.keys.get::<SortedSet>(key)? {
            Some(set) => add_to(set, pairs, options, ahead, &packing),
            None => Tally::default(),
        }
    } else {
        let new = || SortedSet::for_members(ahead, first_bytes, &packing);
        let set = call.keys.get_or(key, new)?;
        add_to(set, pairs, options, ahead, &packing)
    };
    if tally.nan {
        return Err(Failure::text("ERR resulting score is not a number (NaN)"));
    }
    if options.incr {
        let text = call.env.target.score_text();
        return Ok(tally.score.map_or(Reply::Nil, |score| score_reply(score, text)));
    }
    Ok(Reply::count(tally.added + if options.ch { tally.updated } else { 0 }))
}

fn add_to(
    set: &mut SortedSet,
    pairs: &[(f64, &[u8])],
    options: Options,
    ahead: usize,
    packing: &Packing,
) -> Tally {
    let mut tally = Tally::default();
    set.expect_members(ahead, packing);
    for &(score, member) in pairs {
        set.change(packing, member, |old| tally.decide(old, score, options));
    }
    tally
}

impl Tally {
    /// The score that a member gets.
    #[inline]
    fn decide(&mut self, old: Option<f64>, given: f64, options: Options) -> Option<f64> {
        let Some(old) = old else {
            if options.xx {
                return None;
            }
            self.added += 1;
            self.score = Some(given);
            return Some(given);
        };
        if options.nx {
            return None;
        }
        let score = if options.incr { old + given } else { given };
        if score.is_nan() {
            self.nan = true;
            return None;
        }
        if (options.lt && score >= old) || (options.gt && score <= old) {
            return None;
        }
        self.score = Some(score);
        self.updated += usize::from(score != old);
        Some(score)
    }
}

pub(super) fn zrem(call: &mut Call<'_>) -> Answer {
    let key = call.arg(1);
    let members = call.rest(2);
    let Some(set) = call.keys.get::<SortedSet>(key)? else { return Ok(Reply::Int(0)) };
    let gone = members.iter().filter(|member| set.remove(member).is_some()).count();
    drop_if_empty(call, key)?;
    Ok(Reply::count(gone))
}

#[cfg(test)]
mod tests {
    use crate::engine::Engine;
    use crate::rdb::Target;
    use crate::resp::Reply;

    /// What a log leaves behind.
    #[track_caller]
    fn check(target: &str, log: &[&str], want: &[&str]) {
        let mut engine = Engine::new(target.parse::<Target>().unwrap(), 0);
        engine.env.loading = true;
        let run = |engine: &mut Engine, line: &str| {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            engine.execute(&words)
        };
        for line in log {
            run(&mut engine, line);
        }
        assert_eq!(run(&mut engine, "ZRANGE z 0 -1 WITHSCORES"), Reply::bulks(want));
    }

    #[test]
    fn scores_that_are_none_change_nothing() {
        let log = ["ZADD z nan a", "ZADD z inf b", "ZINCRBY z -inf b", "ZADD z 0x10 h"];
        check("redis:7.0", &log, &["h", "16", "b", "inf"]);
        check("valkey:8.1", &log, &["h", "16", "b", "inf"]);
        check("valkey:9.1", &log, &["b", "inf"]);
        // What stands in the log of another server, that one took.
        let mut engine = Engine::new("valkey:9.1".parse().unwrap(), 0);
        (engine.env.loading, engine.env.foreign) = (true, true);
        let words: [&[u8]; 4] = [b"ZADD", b"z", b"0x10", b"h"];
        assert_eq!(engine.execute(&words), Reply::Int(1));
    }

    #[test]
    fn forms_that_logs_have() {
        check("redis", &["zadd z 3479099956230698 p"], &["p", "3479099956230698"]);
        check("redis", &["ZADD z 1 a 2 b", "ZPOPMIN z", "ZPOPMAX z 5"], &[]);
        check("redis", &["ZADD z 1 a 2 b", "BZPOPMIN q z 0", "BZPOPMIN q 0"], &["b", "2"]);
    }
}
