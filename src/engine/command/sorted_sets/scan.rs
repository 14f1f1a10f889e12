//! ZSCAN: a set in steps. A packed one is a single step.

use super::packing;
use crate::bytes::glob::Glob;
use crate::bytes::number::ScoreText;
use crate::engine::command::scan;
use crate::engine::{Answer, Call, Failure, SortedSet};
use crate::rdb::{Product, Target};
use crate::resp::Reply;

pub(super) fn zscan(call: &mut Call<'_>) -> Answer {
    let cursor = scan::cursor(call.arg(2))?;
    if call.keys.get::<SortedSet>(call.arg(1))?.is_none() {
        return Ok(scan::nothing());
    }
    let (mut count, mut glob) = (10, None);
    for at in (3..call.argc()).step_by(2) {
        let more = at + 1 < call.argc();
        if more && call.is(at, "COUNT") {
            count = usize::try_from(call.int(at + 1)?).map_err(|_| Failure::SYNTAX)?;
            if count == 0 {
                return Err(Failure::SYNTAX);
            }
        } else if more && call.is(at, "MATCH") {
            glob = Some(Glob::new(call.arg(at + 1)));
        } else if call.is(at, "NOVALUES") && knows_novalues(&call.env.target) {
            return Err(Failure::text("ERR NOVALUES option can only be used in HSCAN"));
        } else {
            return Err(Failure::SYNTAX);
        }
    }
    let packing = packing(call);
    let Some(set) = call.keys.get::<SortedSet>(call.arg(1))? else { return Ok(scan::nothing()) };
    let packed = set.packed().is_some();
    let mut items = Vec::new();
    let next = set.scan(usize::try_from(cursor).unwrap_or(usize::MAX), count, |member, score| {
        let member = member.to_vec();
        if glob.as_ref().is_none_or(|glob| glob.matches(&member)) {
            items.push(Reply::Bulk(member));
            // Of a packed set this is the element as it is stored, of others always `%.17g`.
            items.push(match packed {
                true => packing.score(score, |form| Reply::Bulk(form.to_vec())),
                false => Reply::bulk(ScoreText::Printf17.reply(score).as_bytes()),
            });
        }
    });
    let next = itoa::Buffer::new().format(next).as_bytes().to_vec();
    Ok(Reply::Array(vec![Reply::Bulk(next), Reply::Array(items)]))
}

fn knows_novalues(target: &Target) -> bool {
    target.product != Product::Redis || target.version >= (7, 4)
}
