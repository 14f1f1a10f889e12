//! What several sets have in common, together, or apart.

use hashbrown::HashSet;

use super::members;
use crate::engine::Keys;
use crate::engine::call::{int, is};
use crate::engine::{Answer, Call, Failure, Set, Typed};
use crate::rdb::Limits;
use crate::resp::Reply;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Intersection,
    Union,
    Difference,
}

pub(super) fn intersection(call: &mut Call<'_>) -> Answer {
    reply(call, Operation::Intersection)
}

pub(super) fn union(call: &mut Call<'_>) -> Answer {
    reply(call, Operation::Union)
}

pub(super) fn difference(call: &mut Call<'_>) -> Answer {
    reply(call, Operation::Difference)
}

pub(super) fn store_intersection(call: &mut Call<'_>) -> Answer {
    store(call, Operation::Intersection)
}

pub(super) fn store_union(call: &mut Call<'_>) -> Answer {
    store(call, Operation::Union)
}

pub(super) fn store_difference(call: &mut Call<'_>) -> Answer {
    store(call, Operation::Difference)
}

pub(super) fn count_intersection(call: &mut Call<'_>) -> Answer {
    count(call, Operation::Intersection)
}

pub(super) fn count_union(call: &mut Call<'_>) -> Answer {
    count(call, Operation::Union)
}

pub(super) fn count_difference(call: &mut Call<'_>) -> Answer {
    count(call, Operation::Difference)
}

/// The sets of some keys, all of which are looked at before any is used.
fn sets<'k>(keys: &'k mut Keys<'_>, names: &[&[u8]]) -> Answer<Vec<Option<&'k Set>>> {
    for name in names {
        keys.get::<Set>(name)?;
    }
    let keys = &*keys;
    Ok(names.iter().map(|name| keys.view::<Set>(name)).collect())
}

fn reply(call: &mut Call<'_>, operation: Operation) -> Answer {
    let (names, limits) = (call.rest(1), call.env.target.limits);
    let operands = sets(&mut call.keys, names)?;
    if let [one] = operands.as_slice() {
        return Ok(members(*one));
    }
    Ok(members(Some(&result(&operands, operation, &limits))))
}

fn store(call: &mut Call<'_>, operation: Operation) -> Answer {
    let (target, names, limits) = (call.arg(1), call.rest(2), call.env.target.limits);
    let operands = sets(&mut call.keys, names)?;
    let set = result(&operands, operation, &limits);
    let len = set.len();
    if len == 0 {
        call.keys.remove(target);
    } else {
        call.keys.set(target, set.wrap(), None);
    }
    Ok(Reply::count(len))
}

/// The result, in the form that it has where it is stored.
fn result(operands: &[Option<&Set>], operation: Operation, limits: &Limits) -> Set {
    match operation {
        Operation::Intersection => intersect(operands, limits),
        Operation::Union => {
            let mut all = Set::default();
            for member in operands.iter().flatten().flat_map(|set| set.iter()) {
                all.add_elem(member, limits);
            }
            all
        }
        Operation::Difference => subtract(operands, limits),
    }
}

/// The smallest set first: its members are looked for in all others.
fn by_size<'s>(operands: &[Option<&'s Set>]) -> Option<Vec<&'s Set>> {
    let mut sets: Vec<&Set> = operands.iter().copied().collect::<Option<_>>()?;
    sets.sort_by_key(|set| set.len());
    Some(sets)
}

fn intersect(operands: &[Option<&Set>], limits: &Limits) -> Set {
    let Some(sets) = by_size(operands) else { return Set::default() };
    let Some((smallest, others)) = sets.split_first() else { return Set::default() };
    // Servers without packed sets begin with an intset.
    let ints = smallest.encoding() == "intset" || limits.set_entries == 0;
    let mut common = if ints { Set::default() } else { Set::packed_one() };
    for member in smallest.iter().filter(|member| others.iter().all(|set| set.has_elem(*member))) {
        common.add_elem(member, limits);
    }
    common.tighten(limits);
    common
}

fn subtract(operands: &[Option<&Set>], limits: &Limits) -> Set {
    let mut left = Set::default();
    let Some((Some(first), others)) = operands.split_first() else { return left };
    let same = |set: &Set| std::ptr::eq(*first, set);
    let others: Vec<&Set> = others.iter().copied().flatten().collect();
    if others.iter().any(|set| same(set)) {
        return left;
    }
    // Servers take the way that looks shorter, and the form of the result tells which it was:
    // a set from which much has been removed keeps the form that it grew to.
    let probing = first.len() * (others.len() + 1) / 2;
    let removing = first.len() + others.iter().map(|set| set.len()).sum::<usize>();
    if probing <= removing {
        for member in first.iter().filter(|member| !others.iter().any(|set| set.has_elem(*member)))
        {
            left.add_elem(member, limits);
        }
    } else {
        first.iter().for_each(|member| _ = left.add_elem(member, limits));
        for member in others.iter().flat_map(|set| set.iter()) {
            left.remove(member.bytes(&mut itoa::Buffer::new()));
        }
    }
    left
}

fn count(call: &mut Call<'_>, operation: Operation) -> Answer {
    let args = call.rest(1);
    let [number, rest @ ..] = args else { return Err(Failure::SYNTAX) };
    let number = int(number).ok().and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
    let number = number.ok_or(Failure::text("ERR numkeys should be greater than 0"))?;
    let Some((names, mut words)) = rest.split_at_checked(number) else {
        return Err(Failure::text("ERR Number of keys can't be greater than number of args"));
    };
    let mut limit = 0;
    while let [word, rest @ ..] = words {
        match rest {
            [most, rest @ ..] if is(word, "LIMIT") => {
                let most = int(most).ok().and_then(|n| usize::try_from(n).ok());
                limit = most.ok_or(Failure::text("ERR LIMIT can't be negative"))?;
                words = rest;
            }
            // How a union is counted changes nothing about an exact count.
            _ if is(word, "APPROX") && operation == Operation::Union => words = rest,
            _ => return Err(Failure::SYNTAX),
        }
    }
    let most = if limit == 0 { usize::MAX } else { limit };
    let operands = sets(&mut call.keys, names)?;
    let count = match operation {
        Operation::Intersection => match by_size(&operands).as_deref() {
            Some([smallest, others @ ..]) => smallest
                .iter()
                .filter(|member| others.iter().all(|set| set.has_elem(*member)))
                .take(most)
                .count(),
            _ => 0,
        },
        Operation::Union => {
            let all: HashSet<Vec<u8>> = operands
                .iter()
                .flatten()
                .flat_map(|set| set.iter())
                .map(|member| member.to_vec())
                .collect();
            all.len().min(most)
        }
        Operation::Difference => match operands.split_first() {
            Some((Some(first), others)) => first
                .iter()
                .filter(|member| !others.iter().flatten().any(|set| set.has_elem(*member)))
                .take(most)
                .count(),
            _ => 0,
        },
    };
    Ok(Reply::count(count))
}
