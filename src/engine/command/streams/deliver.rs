//! XREAD and XREADGROUP.

use std::ops::ControlFlow;

use super::{entry, fields, ids, more_deliveries};
use crate::engine::call::int;
use crate::engine::stream::{
    Entries, Entry, FIRST, Group, LAST, Owner, Pending, Stream, after, before,
};
use crate::engine::{Answer, Call, Env, Failure};
use crate::resp::Reply;
use crate::value::StreamId;

/// What stands in front of the streams.
#[derive(Default)]
struct Options<'a> {
    group: Option<&'a [u8]>,
    consumer: &'a [u8],
    most: Option<usize>,
    no_ack: bool,
    /// Entries that have been pending for so long are delivered again.
    claim_ms: Option<i64>,
    keys: &'a [&'a [u8]],
    ids: &'a [&'a [u8]],
}

/// From where on a stream is read.
#[derive(Clone, Copy)]
enum From {
    /// What comes behind this id; in a group: of what is pending with the consumer.
    Behind(StreamId),
    /// What the group has not read yet.
    New,
}

pub(super) fn xread(call: &mut Call<'_>) -> Answer {
    let options = options(call, false)?;
    let mut from = Vec::with_capacity(options.keys.len());
    for (&key, &arg) in options.keys.iter().zip(options.ids) {
        let entries = call.keys.get::<Stream>(key)?.map(|stream| &stream.entries);
        from.push(match arg {
            b"$" => entries.map_or(FIRST, |entries| entries.numbers.last_id),
            // The last entry is behind the id in front of it.
            b"+" => match entries.and_then(Entries::last).map(before) {
                Some(id) => id.unwrap_or(FIRST),
                None => LAST,
            },
            b">" => {
                return Err(Failure::text(
                    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP \
                     <group> <consumer> option.",
                ));
            }
            _ => ids::id(arg, 0)?,
        });
    }
    let mut answers = Vec::new();
    for (&key, behind) in options.keys.iter().zip(from) {
        let Some(stream) = call.keys.get::<Stream>(key)? else { continue };
        let Some(start) = after(behind) else { continue };
        let most = options.most.unwrap_or(usize::MAX);
        let found = super::read::between(&stream.entries, start, LAST, false, most);
        if !found.is_empty() {
            answers.push(Reply::Array(vec![Reply::bulk(key), Reply::Array(found)]));
        }
    }
    Ok(some(answers))
}

pub(super) fn xreadgroup(call: &mut Call<'_>) -> Answer {
    let options = options(call, true)?;
    let Some(name) = options.group else {
        return Err(Failure::text("ERR Missing GROUP option for XREADGROUP"));
    };
    let mut from = Vec::with_capacity(options.keys.len());
    for (&key, &arg) in options.keys.iter().zip(options.ids) {
        let stream = call.keys.get::<Stream>(key)?;
        if !stream.is_some_and(|stream| stream.groups.contains_key(name)) {
            let (key, name) = (String::from_utf8_lossy(key), String::from_utf8_lossy(name));
            return Err(Failure::said(format!(
                "NOGROUP No such key '{key}' or consumer group '{name}' in XREADGROUP with GROUP \
                 option"
            )));
        }
        from.push(match arg {
            b"$" | b"+" => {
                let sign = String::from_utf8_lossy(arg);
                return Err(Failure::said(format!(
                    "ERR The {sign} ID is meaningless in the context of XREADGROUP: you want to \
                     read the history of this consumer by specifying a proper ID, or use the > ID \
                     to get new messages. The {sign} ID would just return an empty result set."
                )));
            }
            b">" => From::New,
            _ => From::Behind(ids::id(arg, 0)?),
        });
    }
    let mut answers = Vec::new();
    for (&key, from) in options.keys.iter().zip(from) {
        let Some(Stream { entries, groups, .. }) = call.keys.get::<Stream>(key)? else { continue };
        let Some(group) = groups.get_mut(name) else { continue };
        let mut reader = Reader { entries, group, options: &options, env: call.env };
        if let Some(found) = reader.read(from) {
            answers.push(Reply::Array(vec![Reply::bulk(key), Reply::Array(found)]));
        }
    }
    Ok(some(answers))
}

/// Nothing is what a client gets that has waited in vain.
fn some(answers: Vec<Reply>) -> Reply {
    if answers.is_empty() { Reply::NilArray } else { Reply::Array(answers) }
}

fn options<'a>(call: &Call<'a>, groups: bool) -> Answer<Options<'a>> {
    let only_groups = |option: &str| {
        Failure::said(format!(
            "ERR The {option} option is only supported by XREADGROUP. You called XREAD instead."
        ))
    };
    let mut options = Options::default();
    let mut at = 1;
    while at < call.argc() {
        let more = call.argc() - at - 1;
        if more >= 1 && call.is(at, "BLOCK") {
            let timeout = call
                .int(at + 1)
                .map_err(|_| Failure::text("ERR timeout is not an integer or out of range"))?;
            if timeout < 0 {
                return Err(Failure::text("ERR timeout is negative"));
            }
            at += 2;
        } else if more >= 1 && call.is(at, "COUNT") {
            let count = int(call.arg(at + 1))?;
            options.most = usize::try_from(count).ok().filter(|&count| count > 0);
            at += 2;
        } else if more >= 1 && call.is(at, "CLAIM") {
            if !groups {
                return Err(only_groups("CLAIM"));
            }
            let idle = call.int(at + 1).map_err(|_| {
                Failure::text("ERR min-idle-time is not an integer or out of range")
            })?;
            if idle < 0 {
                return Err(Failure::text("ERR min-idle-time must be a positive integer"));
            }
            options.claim_ms = Some(idle);
            at += 2;
        } else if more >= 1 && call.is(at, "STREAMS") {
            let rest = call.rest(at + 1);
            if !rest.len().is_multiple_of(2) {
                return Err(Failure::text(match groups {
                    true => {
                        "ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID \
                         or '>' must be specified."
                    }
                    false => {
                        "ERR Unbalanced 'xread' list of streams: for each stream key an ID, '+', \
                         or '$' must be specified."
                    }
                }));
            }
            (options.keys, options.ids) = rest.split_at(rest.len() / 2);
            break;
        } else if more >= 2 && call.is(at, "GROUP") {
            if !groups {
                return Err(only_groups("GROUP"));
            }
            (options.group, options.consumer) = (Some(call.arg(at + 1)), call.arg(at + 2));
            at += 3;
        } else if call.is(at, "NOACK") {
            if !groups {
                return Err(only_groups("NOACK"));
            }
            options.no_ack = true;
            at += 1;
        } else {
            return Err(Failure::SYNTAX);
        }
    }
    if options.keys.is_empty() { Err(Failure::SYNTAX) } else { Ok(options) }
}

/// A consumer of a group that reads a stream.
struct Reader<'r> {
    entries: &'r Entries,
    group: &'r mut Group,
    options: &'r Options<'r>,
    env: &'r Env,
}

impl Reader<'_> {
    /// What there is to be had, if the command is served at all.
    fn read(&mut self, from: From) -> Option<Vec<Reply>> {
        let now = self.env.now_ms;
        let most = self.options.most.unwrap_or(usize::MAX);
        let name = self.options.consumer;
        match from {
            From::Behind(id) => {
                let owner = self.group.see(name, now);
                Some(self.history(owner, id, most))
            }
            From::New => {
                let newest = self.entries.last().filter(|&last| last > self.group.last_id);
                // Older servers know a consumer only once it has got something.
                if newest.is_none() && !self.env.target.since((7, 2)) {
                    return None;
                }
                let owner = self.group.see(name, now);
                let mut found = match self.options.claim_ms {
                    Some(idle_ms) => self.claim(owner, idle_ms, most),
                    None => Vec::new(),
                };
                if newest.is_some() && found.len() < most {
                    let most = most - found.len();
                    self.deliver(owner, most, &mut found);
                }
                (!found.is_empty()).then_some(found)
            }
        }
    }

    /// What is pending with the consumer behind an id.
    fn history(&mut self, owner: Owner, behind: StreamId, most: usize) -> Vec<Reply> {
        let Some(start) = after(behind) else { return Vec::new() };
        let Some(consumer) = self.group.consumer(owner) else { return Vec::new() };
        let ids: Vec<StreamId> = consumer.pending.range(start..).take(most).copied().collect();
        let one = |id| match one_entry(self.entries, id, entry) {
            Some(found) => {
                if let Some(&pending) = self.group.pending().get(&id) {
                    let deliveries = more_deliveries(pending.deliveries);
                    self.group.touch(id, self.env.now_ms, deliveries);
                }
                found
            }
            None => Reply::Array(vec![super::id(id), Reply::NilArray]),
        };
        ids.into_iter().map(one).collect()
    }

    /// What has been pending for long, whoever it is with: given back first, then longest first.
    fn claim(&mut self, owner: Owner, idle_ms: i64, most: usize) -> Vec<Reply> {
        let now = self.env.now_ms;
        let mut found = Vec::new();
        let mut old: Vec<(i64, StreamId)> = self
            .group
            .pending()
            .iter()
            .filter(|(_, pending)| pending.owner != crate::engine::stream::NOBODY)
            .map(|(id, pending)| (pending.delivered_at_ms, *id))
            .filter(|(at, _)| now.saturating_sub(*at) >= idle_ms)
            .collect();
        old.sort_unstable();
        let nacked: Vec<StreamId> = self.group.nacked().collect();
        for id in nacked.into_iter().chain(old.into_iter().map(|(_, id)| id)) {
            if found.len() >= most {
                break;
            }
            let Some(&pending) = self.group.pending().get(&id) else { continue };
            let idle = now.saturating_sub(pending.delivered_at_ms).max(0);
            let Some(one) = one_entry(self.entries, id, |entry| {
                let deliveries = pending.deliveries as i64;
                let told = [Reply::Int(idle), Reply::Int(deliveries)];
                let parts = [super::id(id), fields(entry)];
                Reply::Array(parts.into_iter().chain(told).collect())
            }) else {
                continue;
            };
            let deliveries = more_deliveries(pending.deliveries);
            self.group.set_pending(id, Pending { owner, delivered_at_ms: now, deliveries });
            self.group.note_active(owner, now);
            found.push(one);
        }
        found
    }

    /// What the group has not read yet.
    fn deliver(&mut self, owner: Owner, most: usize, found: &mut Vec<Reply>) {
        let Some(start) = after(self.group.last_id) else { return };
        let now = self.env.now_ms;
        let told = self.options.claim_ms.is_some();
        let mut count = 0;
        self.entries.walk(start, LAST, |one: &Entry<'_>| {
            self.group.advance(one.id, self.entries, &self.env.target);
            if !self.options.no_ack {
                let pending = Pending { owner, delivered_at_ms: now, deliveries: 1 };
                self.group.set_pending(one.id, pending);
            }
            found.push(match told {
                true => {
                    Reply::Array(vec![super::id(one.id), fields(one), Reply::Int(0), Reply::Int(0)])
                }
                false => entry(one),
            });
            count += 1;
            if count < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        if !self.options.no_ack {
            self.group.note_active(owner, now);
        }
    }
}

/// The answer about the entry of an id, if it is there.
pub(super) fn one_entry(
    entries: &Entries,
    id: StreamId,
    show: impl Fn(&Entry<'_>) -> Reply,
) -> Option<Reply> {
    let mut shown = None;
    entries.walk(id, id, |entry| {
        shown = Some(show(entry));
        ControlFlow::Break(())
    });
    shown
}
