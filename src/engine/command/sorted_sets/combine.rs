//! Several sets made one: ZUNION, ZINTER, ZDIFF, and what stores or counts them. Plain sets take
//! part as well, each member with the score 1.
//!
//! Sums of doubles depend on their order: like the servers, this goes from the smallest set to the
//! largest. One input is looked at after the other, so none has to be held.

use hashbrown::HashMap;

use super::{Listing, double, packing, store};
use crate::engine::{Answer, Call, Failure, SortedSet, Value};
use crate::rdb::Product;
use crate::resp::Reply;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Inter,
    Diff,
}

/// What becomes of the scores of a member that several sets have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aggregate {
    Sum,
    Min,
    Max,
    /// The weights of the sets that have it.
    Count,
}

/// What a name says besides the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Reply,
    Store,
    Card,
}

/// One of the inputs.
#[derive(Debug, Clone, Copy)]
struct Input<'a> {
    key: &'a [u8],
    weight: f64,
    len: usize,
}

#[derive(Debug)]
struct Plan<'a> {
    operation: Operation,
    aggregate: Aggregate,
    inputs: Vec<Input<'a>>,
    with_scores: bool,
    /// 0 is none.
    limit: usize,
}

type Members = Vec<(Vec<u8>, f64)>;

pub(super) fn union(call: &mut Call<'_>) -> Answer {
    run(call, Operation::Union, Outcome::Reply, "zunion")
}

pub(super) fn inter(call: &mut Call<'_>) -> Answer {
    run(call, Operation::Inter, Outcome::Reply, "zinter")
}

pub(super) fn diff(call: &mut Call<'_>) -> Answer {
    run(call, Operation::Diff, Outcome::Reply, "zdiff")
}

pub(super) fn union_store(call: &mut Call<'_>) -> Answer {
    run(call, Operation::Union, Outcome::Store, "zunionstore")
}

pub(super) fn inter_store(call: &mut Call<'_>) -> Answer {
    run(call, Operation::Inter, Outcome::Store, "zinterstore")
}

pub(super) fn diff_store(call: &mut Call<'_>) -> Answer {
    run(call, Operation::Diff, Outcome::Store, "zdiffstore")
}

pub(super) fn inter_card(call: &mut Call<'_>) -> Answer {
    run(call, Operation::Inter, Outcome::Card, "zintercard")
}

fn run(call: &mut Call<'_>, operation: Operation, outcome: Outcome, name: &str) -> Answer {
    let numkeys = if outcome == Outcome::Store { 2 } else { 1 };
    let plan = Plan::parse(call, operation, outcome, numkeys, name)?;
    let mut members = match operation {
        Operation::Union => plan.union(call)?,
        Operation::Inter => plan.inter(call)?,
        Operation::Diff => plan.diff(call)?,
    };
    match outcome {
        Outcome::Card => {
            let most = if plan.limit == 0 { usize::MAX } else { plan.limit };
            Ok(Reply::count(members.len().min(most)))
        }
        Outcome::Store => {
            let packing = packing(call);
            store(call, call.arg(1), SortedSet::of(members, &packing))
        }
        Outcome::Reply => {
            SortedSet::sort(&mut members);
            let mut listing = Listing::new(call, plan.with_scores);
            for (member, score) in members {
                listing.add(crate::value::Elem::Bytes(&member), score);
            }
            listing.reply()
        }
    }
}

impl<'a> Plan<'a> {
    fn parse(
        call: &mut Call<'a>,
        operation: Operation,
        outcome: Outcome,
        numkeys: usize,
        name: &str,
    ) -> Answer<Self> {
        let keys = call.int(numkeys)?;
        if keys < 1 {
            let name = if call.env.target.has_listpacks() {
                format!("'{name}' command")
            } else {
                name.into()
            };
            return Err(Failure::said(format!("ERR at least 1 input key is needed for {name}")));
        }
        let first = numkeys + 1;
        let count = usize::try_from(keys).unwrap_or(usize::MAX);
        if count > call.argc() - first {
            return Err(Failure::SYNTAX);
        }
        let mut plan = Plan {
            operation,
            aggregate: Aggregate::Sum,
            inputs: Vec::with_capacity(count),
            with_scores: false,
            limit: 0,
        };
        for &key in call.rest(first).iter().take(count) {
            let len = source(call, key)?.map_or(0, |source| source.len());
            plan.inputs.push(Input { key, weight: 1.0, len });
        }
        plan.options(call, outcome, first + count)?;
        if operation != Operation::Diff {
            plan.inputs.sort_by_key(|input| input.len);
        }
        Ok(plan)
    }

    fn options(&mut self, call: &Call<'a>, outcome: Outcome, mut at: usize) -> Answer<()> {
        let scored = self.operation != Operation::Diff && outcome != Outcome::Card;
        while at < call.argc() {
            let left = call.argc() - at;
            if scored && left > self.inputs.len() && call.is(at, "WEIGHTS") {
                for (input, text) in self.inputs.iter_mut().zip(call.rest(at + 1)) {
                    input.weight = double(call, text)
                        .ok_or(Failure::text("ERR weight value is not a float"))?;
                }
                at += 1 + self.inputs.len();
            } else if scored && left >= 2 && call.is(at, "AGGREGATE") {
                self.aggregate = match () {
                    () if call.is(at + 1, "SUM") => Aggregate::Sum,
                    () if call.is(at + 1, "MIN") => Aggregate::Min,
                    () if call.is(at + 1, "MAX") => Aggregate::Max,
                    () if call.is(at + 1, "COUNT") && counts(call) => Aggregate::Count,
                    () => return Err(Failure::SYNTAX),
                };
                at += 2;
            } else if outcome == Outcome::Reply && call.is(at, "WITHSCORES") {
                self.with_scores = true;
                at += 1;
            } else if outcome == Outcome::Card && left >= 2 && call.is(at, "LIMIT") {
                let limit = call.int(at + 1).ok().and_then(|n| usize::try_from(n).ok());
                self.limit = limit.ok_or(Failure::text("ERR LIMIT can't be negative"))?;
                at += 2;
            } else {
                return Err(Failure::SYNTAX);
            }
        }
        Ok(())
    }

    /// What a member's score in an input counts for.
    fn weighted(&self, input: &Input<'_>, score: f64) -> f64 {
        let score = if self.aggregate == Aggregate::Count { 1.0 } else { score };
        input.weight * score
    }

    fn union(&self, call: &mut Call<'_>) -> Answer<Members> {
        let mut all: HashMap<Vec<u8>, f64> = HashMap::new();
        for input in &self.inputs {
            let Some(source) = source(call, input.key)? else { continue };
            source.each(|member, score| {
                let score = zero_if_nan(self.weighted(input, score));
                match all.get_mut(member) {
                    Some(sum) => *sum = self.aggregate.of(*sum, score),
                    None => {
                        all.insert(member.to_vec(), score);
                    }
                }
            });
        }
        Ok(all.into_iter().collect())
    }

    fn inter(&self, call: &mut Call<'_>) -> Answer<Members> {
        let Some((smallest, others)) = self.inputs.split_first() else { return Ok(Vec::new()) };
        let mut members = Vec::new();
        if let Some(source) = source(call, smallest.key)? {
            source.each(|member, score| {
                members.push((member.to_vec(), zero_if_nan(self.weighted(smallest, score))));
            });
        }
        for input in others {
            let Some(source) = source(call, input.key)? else { return Ok(Vec::new()) };
            members.retain_mut(|(member, sum)| match source.score(member) {
                Some(score) => {
                    *sum = self.aggregate.of(*sum, self.weighted(input, score));
                    true
                }
                None => false,
            });
        }
        Ok(members)
    }

    fn diff(&self, call: &mut Call<'_>) -> Answer<Members> {
        let Some((first, others)) = self.inputs.split_first() else { return Ok(Vec::new()) };
        let mut members = Vec::new();
        if let Some(source) = source(call, first.key)? {
            source.each(|member, score| members.push((member.to_vec(), score)));
        }
        for input in others {
            if let Some(source) = source(call, input.key)? {
                members.retain(|(member, _)| source.score(member).is_none());
            }
        }
        Ok(members)
    }
}

impl Aggregate {
    fn of(self, sum: f64, score: f64) -> f64 {
        match self {
            Aggregate::Sum | Aggregate::Count => zero_if_nan(sum + score),
            Aggregate::Min => {
                if score < sum {
                    score
                } else {
                    sum
                }
            }
            Aggregate::Max => {
                if score > sum {
                    score
                } else {
                    sum
                }
            }
        }
    }
}

/// Infinities that cancel each other out are 0.
fn zero_if_nan(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// Whether the server knows AGGREGATE COUNT.
fn counts(call: &Call<'_>) -> bool {
    let target = &call.env.target;
    call.env.takes_all() || (target.product == Product::Redis && target.version >= (8, 8))
}

/// A value that takes part.
#[derive(Debug, Clone, Copy)]
enum Source<'s> {
    Sorted(&'s SortedSet),
    Plain(&'s crate::engine::Set),
}

/// The value of a key that is a set of either kind.
fn source<'k>(call: &'k mut Call<'_>, key: &[u8]) -> Answer<Option<Source<'k>>> {
    match call.keys.find(key)?.map(|record| &record.value) {
        None => Ok(None),
        Some(Value::SortedSet(set)) => Ok(Some(Source::Sorted(set))),
        Some(Value::Set(set)) => Ok(Some(Source::Plain(set))),
        Some(_) => Err(Failure::WRONG_TYPE),
    }
}

impl Source<'_> {
    fn len(&self) -> usize {
        match self {
            Source::Sorted(set) => set.len(),
            Source::Plain(set) => set.len(),
        }
    }

    fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            Source::Sorted(set) => set.score(member),
            Source::Plain(set) => set.has(member).then_some(1.0),
        }
    }

    fn each(&self, mut give: impl FnMut(&[u8], f64)) {
        match self {
            Source::Sorted(set) => {
                set.each(|member, score| give(member.bytes(&mut itoa::Buffer::new()), score));
            }
            Source::Plain(set) => {
                set.iter().for_each(|member| give(member.bytes(&mut itoa::Buffer::new()), 1.0));
            }
        }
    }
}
