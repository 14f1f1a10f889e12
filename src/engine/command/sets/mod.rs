//! Sets.

mod algebra;

use crate::engine::call::int;
use crate::engine::command::pick;
use crate::engine::command::scan::{self, Page};
use crate::engine::{Answer, Call, Failure, Set, Spec};
use crate::rdb::Target;
use crate::resp::Reply;

/// What is known here.
pub(super) const COMMANDS: &[Spec] = &[
    Spec::key("SADD", -3, add),
    Spec::key("SREM", -3, remove),
    Spec::keys("SMOVE", 4, move_member),
    Spec::key("SPOP", -2, pop),
    Spec::key("SRANDMEMBER", -2, random_member),
    Spec::key("SCARD", 2, |call| {
        let key = call.arg(1);
        Ok(Reply::count(call.keys.get::<Set>(key)?.map_or(0, |set| set.len())))
    }),
    Spec::key("SISMEMBER", 3, |call| {
        let (key, member) = (call.arg(1), call.arg(2));
        Ok(Reply::flag(call.keys.get::<Set>(key)?.is_some_and(|set| set.has(member))))
    }),
    Spec::key("SMISMEMBER", -3, are_members),
    Spec::key("SMEMBERS", 2, |call| {
        let key = call.arg(1);
        Ok(members(call.keys.get::<Set>(key)?.as_deref()))
    }),
    Spec::key("SSCAN", -3, scan_members),
    Spec::keys("SINTER", -2, algebra::intersection),
    Spec::keys("SINTERSTORE", -3, algebra::store_intersection),
    Spec::keys("SINTERCARD", -3, algebra::count_intersection),
    Spec::keys("SUNION", -2, algebra::union),
    Spec::keys("SUNIONSTORE", -3, algebra::store_union),
    Spec::keys("SUNIONCARD", -3, algebra::count_union),
    Spec::keys("SDIFF", -2, algebra::difference),
    Spec::keys("SDIFFSTORE", -3, algebra::store_difference),
    Spec::keys("SDIFFCARD", -3, algebra::count_difference),
];

/// The members as a reply.
fn members(set: Option<&Set>) -> Reply {
    let items = set.into_iter().flat_map(|set| set.iter());
    Reply::Array(items.map(|member| Reply::Bulk(member.to_vec())).collect())
}

/// For how many members servers choose the form of a set; older ones look at the first only.
fn hint(members: usize, target: &Target) -> usize {
    if target.has_packed_sets() { members } else { 1 }
}

fn add(call: &mut Call<'_>) -> Answer {
    let (key, new) = (call.arg(1), call.rest(2));
    let limits = &call.env.target.limits;
    let hint = hint(new.len(), &call.env.target);
    let first = new.first().copied().unwrap_or_default();
    let set = call.keys.get_or(key, || Set::suiting(first, hint, limits))?;
    set.expect(hint, limits);
    let count = new.iter().filter(|member| set.add(member, limits)).count();
    Ok(Reply::count(count))
}

fn remove(call: &mut Call<'_>) -> Answer {
    let (key, gone) = (call.arg(1), call.rest(2));
    let Some(set) = call.keys.get::<Set>(key)? else { return Ok(Reply::Int(0)) };
    let count = gone.iter().filter(|member| set.remove(member)).count();
    if set.is_empty() {
        call.keys.remove(key);
    }
    Ok(Reply::count(count))
}

fn move_member(call: &mut Call<'_>) -> Answer {
    let (from, to, member) = (call.arg(1), call.arg(2), call.arg(3));
    if call.keys.find(from)?.is_none() {
        return Ok(Reply::Int(0));
    }
    call.keys.get::<Set>(from)?;
    call.keys.get::<Set>(to)?;
    let Some(set) = call.keys.get::<Set>(from)? else { return Ok(Reply::Int(0)) };
    if from == to {
        return Ok(Reply::flag(set.has(member)));
    }
    if !set.remove(member) {
        return Ok(Reply::Int(0));
    }
    if set.is_empty() {
        call.keys.remove(from);
    }
    let limits = &call.env.target.limits;
    call.keys.get_or(to, || Set::suiting(member, 1, limits))?.add(member, limits);
    Ok(Reply::Int(1))
}

fn pop(call: &mut Call<'_>) -> Answer {
    const NOT_POSITIVE: Failure = Failure::text("ERR value is out of range, must be positive");
    let key = call.arg(1);
    let count = match call.rest(2) {
        [] => None,
        [count] => {
            let count = int(count).ok().and_then(|count| usize::try_from(count).ok());
            Some(count.ok_or(NOT_POSITIVE)?)
        }
        _ => return Err(Failure::SYNTAX),
    };
    let Some(set) = call.keys.get::<Set>(key)? else {
        return Ok(count.map_or(Reply::Nil, |_| Reply::Array(Vec::new())));
    };
    let wanted = i64::try_from(count.unwrap_or(1)).unwrap_or(i64::MAX);
    let places = pick::places(wanted, set.len(), call.env)?;
    let popped: Vec<Vec<u8>> = places
        .into_iter()
        .filter_map(|place| set.iter_from(place).next().map(|member| member.to_vec()))
        .collect();
    popped.iter().for_each(|member| _ = set.remove(member));
    if set.is_empty() {
        call.keys.remove(key);
    }
    match count {
        None => Ok(popped.into_iter().next().map_or(Reply::Nil, Reply::Bulk)),
        Some(_) => Ok(Reply::Array(popped.into_iter().map(Reply::Bulk).collect())),
    }
}

fn random_member(call: &mut Call<'_>) -> Answer {
    let key = call.arg(1);
    let count = match call.rest(2) {
        [] => None,
        [count] => Some(pick::count(count)?),
        _ => return Err(Failure::SYNTAX),
    };
    let Some(set) = call.keys.get::<Set>(key)? else {
        return Ok(count.map_or(Reply::Nil, |_| Reply::Array(Vec::new())));
    };
    let places = pick::places(count.unwrap_or(1), set.len(), call.env)?;
    let member = |place| set.iter_from(place).next().map(|member| Reply::Bulk(member.to_vec()));
    let mut picked = places.into_iter().filter_map(member);
    match count {
        None => Ok(picked.next().unwrap_or(Reply::Nil)),
        Some(_) => Ok(Reply::Array(picked.collect())),
    }
}

fn are_members(call: &mut Call<'_>) -> Answer {
    let (key, asked) = (call.arg(1), call.rest(2));
    let set = call.keys.get::<Set>(key)?;
    let has = |member: &&[u8]| Reply::flag(set.as_ref().is_some_and(|set| set.has(member)));
    Ok(Reply::Array(asked.iter().map(has).collect()))
}

fn scan_members(call: &mut Call<'_>) -> Answer {
    let cursor = scan::cursor(call.arg(2))?;
    let (key, words) = (call.arg(1), call.rest(3));
    let Some(set) = call.keys.get::<Set>(key)? else { return Ok(scan::nothing()) };
    let options = scan::options(words, false)?;
    let page = match set.packed() {
        Some(_) => Page { from: 0, to: set.len(), next: 0 },
        None => scan::page(cursor, options.count, set.len()),
    };
    let stretch = set.iter_from(page.from).take(page.to - page.from);
    let asked = stretch.filter(|member| options.matches(member));
    Ok(scan::reply(page, asked.map(|member| Reply::Bulk(member.to_vec())).collect()))
}
