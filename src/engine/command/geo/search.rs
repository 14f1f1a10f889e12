//! Searching: GEORADIUS, GEOSEARCH and their kin.

use super::cell::{Cell, Point};
use super::options::{Form, Order, Query};
use super::{distance_reply, position};
use crate::engine::command::sorted_sets::{packing, store};
use crate::engine::{Answer, Call, SortedSet};
use crate::resp::Reply;

pub(super) fn radius(call: &mut Call<'_>) -> Answer {
    run(call, Form::Radius { store: true })
}

pub(super) fn radius_read_only(call: &mut Call<'_>) -> Answer {
    run(call, Form::Radius { store: false })
}

pub(super) fn radius_by_member(call: &mut Call<'_>) -> Answer {
    run(call, Form::RadiusByMember { store: true })
}

pub(super) fn radius_by_member_read_only(call: &mut Call<'_>) -> Answer {
    run(call, Form::RadiusByMember { store: false })
}

pub(super) fn search(call: &mut Call<'_>) -> Answer {
    run(call, Form::Search)
}

pub(super) fn search_store(call: &mut Call<'_>) -> Answer {
    run(call, Form::SearchStore)
}

/// A member that was found.
#[derive(Debug)]
struct Found {
    member: Vec<u8>,
    score: f64,
    place: Point,
    metres: f64,
}

fn run(call: &mut Call<'_>, form: Form) -> Answer {
    let query = Query::parse(call, form)?;
    let mut found = match call.keys.get::<SortedSet>(query.source)? {
        Some(set) => query.find(set),
        None => Vec::new(),
    };
    match query.order {
        Order::AsFound => {}
        Order::Nearest => found.sort_by(|a, b| a.metres.total_cmp(&b.metres)),
        Order::Farthest => found.sort_by(|a, b| b.metres.total_cmp(&a.metres)),
    }
    if query.count > 0 {
        found.truncate(query.count);
    }
    let Some(key) = query.store else {
        let one = |found: Found| query.reply(call, found);
        return Ok(Reply::Array(found.into_iter().map(one).collect()));
    };
    let packing = packing(call);
    let members = found.into_iter().map(|found| {
        let score = if query.store_distance { found.metres / query.unit } else { found.score };
        (found.member, score)
    });
    let set = SortedSet::of(members.collect(), &packing);
    store(call, key, set)
}

impl Query<'_> {
    fn find(&self, set: &SortedSet) -> Vec<Found> {
        let most = if self.any && self.count > 0 { self.count } else { usize::MAX };
        let mut all = Vec::new();
        for cell in self.shape.cells(self.centre) {
            if all.len() >= most {
                break;
            }
            let (low, high) = cell.scores();
            let ranks = set.ranks(|_, score| score < low, |_, score| score < high);
            set.visit(ranks, false, |member, score| {
                if all.len() >= most {
                    return;
                }
                let place = Cell::of_score(score).point();
                if let Some(metres) = self.shape.holds(self.centre, place) {
                    all.push(Found { member: member.to_vec(), score, place, metres });
                }
            });
        }
        all
    }

    fn reply(&self, call: &Call<'_>, found: Found) -> Reply {
        let member = Reply::Bulk(found.member);
        if !(self.with_distance || self.with_hash || self.with_position) {
            return member;
        }
        let target = &call.env.target;
        let mut items = vec![member];
        if self.with_distance {
            items.push(distance_reply(found.metres / self.unit, target));
        }
        if self.with_hash {
            items.push(Reply::Int(found.score as i64));
        }
        if self.with_position {
            items.push(position(found.place, target));
        }
        Reply::Array(items)
    }
}
