//! XPENDING.

use super::{ids, no_group};
use crate::engine::stream::{FIRST, LAST, NOBODY, Stream};
use crate::engine::{Answer, Call, Failure};
use crate::resp::Reply;
use crate::value::StreamId;

/// Which pending entries are asked for.
struct Asked<'a> {
    min_idle_ms: i64,
    from: StreamId,
    to: StreamId,
    most: usize,
    consumer: Option<&'a [u8]>,
}

pub(super) fn xpending(call: &mut Call<'_>) -> Answer {
    let asked = asked(call)?;
    let (key, name) = (call.arg(1), call.arg(2));
    let now = call.env.now_ms;
    let stream = call.keys.get::<Stream>(key)?;
    let group = stream.and_then(|stream| stream.groups.get(name));
    let group = group.ok_or_else(|| no_group(key, name))?;
    let Some(asked) = asked else {
        let pending = group.pending();
        let (Some((first, _)), Some((last, _))) =
            (pending.first_key_value(), pending.last_key_value())
        else {
            return Ok(Reply::Array(vec![Reply::Int(0), Reply::Nil, Reply::Nil, Reply::NilArray]));
        };
        let consumers = group.consumers().flatten().filter(|one| !one.pending.is_empty());
        let consumers = consumers
            .map(|one| Reply::bulks([one.name.to_vec(), one.pending.len().to_string().into()]));
        return Ok(Reply::Array(vec![
            Reply::count(pending.len()),
            super::id(*first),
            super::id(*last),
            Reply::Array(consumers.collect()),
        ]));
    };
    if asked.from > asked.to {
        return Ok(Reply::Array(Vec::new()));
    }
    let owner = match asked.consumer {
        None => None,
        Some(name) => match group.find(name).and_then(|number| group.consumer(number)) {
            Some(consumer) => Some(consumer),
            None => return Ok(Reply::Array(Vec::new())),
        },
    };
    let range = asked.from..=asked.to;
    let ids: Box<dyn Iterator<Item = &StreamId>> = match owner {
        Some(consumer) => Box::new(consumer.pending.range(range)),
        None => Box::new(group.pending().range(range).map(|(id, _)| id)),
    };
    let shown = ids
        .filter_map(|id| Some((*id, *group.pending().get(id)?)))
        .map(|(id, pending)| (id, pending, now.saturating_sub(pending.delivered_at_ms)))
        .filter(|(_, _, idle)| asked.min_idle_ms == 0 || *idle >= asked.min_idle_ms)
        .take(asked.most)
        .map(|(id, pending, idle)| {
            // What was given back is idle in no way that could be told.
            let idle = if pending.owner == NOBODY { -1 } else { idle.max(0) };
            Reply::Array(vec![
                super::id(id),
                Reply::bulk(group.name(pending.owner)),
                Reply::Int(idle),
                Reply::Int(pending.deliveries as i64),
            ])
        });
    Ok(Reply::Array(shown.collect()))
}

/// What is asked for; `None` is the summary.
fn asked<'a>(call: &Call<'a>) -> Answer<Option<Asked<'a>>> {
    let argc = call.argc();
    if argc == 3 {
        return Ok(None);
    }
    if !(6..=9).contains(&argc) {
        return Err(Failure::SYNTAX);
    }
    let mut asked = Asked { min_idle_ms: 0, from: FIRST, to: LAST, most: 0, consumer: None };
    let mut at = 3;
    if call.is(3, "IDLE") {
        asked.min_idle_ms = call.int(4)?;
        if argc < 8 {
            return Err(Failure::SYNTAX);
        }
        at = 5;
    }
    asked.most = usize::try_from(call.int(at + 2)?).unwrap_or(0);
    asked.from = ids::start(call.arg(at))?;
    asked.to = ids::end(call.arg(at + 1))?;
    asked.consumer = call.args.get(at + 3).copied();
    Ok(Some(asked))
}
