//! XCLAIM and XAUTOCLAIM.

use super::deliver::one_entry;
use super::{entry, ids, more_deliveries, no_group};
use crate::engine::call::int;
use crate::engine::stream::{Entries, FIRST, Group, NOBODY, Owner, Pending, Stream};
use crate::engine::{Answer, Call, Env, Failure};
use crate::resp::Reply;
use crate::value::StreamId;

/// How many pending entries XAUTOCLAIM looks at for each that it may claim.
const ATTEMPTS: usize = 10;

/// How entries are claimed.
struct Claim {
    /// Since when the entries count as delivered.
    delivered_at_ms: i64,
    /// How often they count as delivered, where that is said.
    retry_count: Option<u64>,
    /// What has been pending for a shorter time is left alone.
    min_idle_ms: i64,
    force: bool,
    only_ids: bool,
}

pub(super) fn xclaim(call: &mut Call<'_>) -> Answer {
    let (key, name, consumer) = (call.arg(1), call.arg(2), call.arg(3));
    let args = call.rest(4);
    let missing = || no_group(key, name);
    let stream = call.keys.get::<Stream>(key)?.ok_or_else(missing)?;
    let Stream { entries, groups, .. } = stream;
    let group = groups.get_mut(name).ok_or_else(missing)?;
    let (claim, wanted, last_id) = options(args, call.env)?;
    if let Some(id) = last_id {
        group.last_id = group.last_id.max(id);
    }
    let mut claimer = Claimer::new(entries, group, consumer, call.env);
    let mut claimed = Vec::new();
    for id in wanted {
        claimed.extend(claimer.claim(id, &claim));
    }
    Ok(Reply::Array(claimed))
}

/// Reads what stands behind the consumer: idle time, ids, options.
fn options(args: &[&[u8]], env: &Env) -> Answer<(Claim, Vec<StreamId>, Option<StreamId>)> {
    let number = |arg: Option<&&[u8]>, words: &'static str| {
        arg.and_then(|arg| int(arg).ok()).ok_or(Failure::text(words))
    };
    let now = env.now_ms;
    let idle = number(args.first(), "ERR Invalid min-idle-time argument for XCLAIM")?;
    let mut rest = args.get(1..).unwrap_or_default();
    let mut wanted = Vec::new();
    while let Some((arg, more)) = rest.split_first()
        && let Ok(id) = ids::id(arg, 0)
    {
        wanted.push(id);
        rest = more;
    }
    let mut claim = Claim {
        delivered_at_ms: -1,
        retry_count: None,
        min_idle_ms: idle.max(0),
        force: false,
        only_ids: false,
    };
    let mut last_id = None;
    while let Some((word, more)) = rest.split_first() {
        let word = word.to_ascii_uppercase();
        let argument = more.first();
        rest = match (word.as_slice(), argument) {
            (b"FORCE", _) => {
                claim.force = true;
                more
            }
            (b"JUSTID", _) => {
                claim.only_ids = true;
                more
            }
            (b"IDLE", Some(_)) => {
                let idle = number(argument, "ERR Invalid IDLE option argument for XCLAIM")?;
                claim.delivered_at_ms = now.wrapping_sub(idle);
                more.get(1..).unwrap_or_default()
            }
            (b"TIME", Some(_)) => {
                claim.delivered_at_ms =
                    number(argument, "ERR Invalid TIME option argument for XCLAIM")?;
                more.get(1..).unwrap_or_default()
            }
            (b"RETRYCOUNT", Some(_)) => {
                let count = number(argument, "ERR Invalid RETRYCOUNT option argument for XCLAIM")?;
                claim.retry_count = u64::try_from(count).ok();
                more.get(1..).unwrap_or_default()
            }
            (b"LASTID", Some(arg)) => {
                last_id = Some(ids::id(arg, 0)?);
                more.get(1..).unwrap_or_default()
            }
            _ => {
                let word = rest.first().copied().unwrap_or_default();
                let word = String::from_utf8_lossy(word);
                return Err(Failure::said(format!("ERR Unrecognized XCLAIM option '{word}'")));
            }
        };
    }
    // A client's clock may be ahead; a log says what was.
    let ahead = claim.delivered_at_ms > now && !env.loading;
    if claim.delivered_at_ms < 0 || ahead {
        claim.delivered_at_ms = now;
    }
    Ok((claim, wanted, last_id))
}

pub(super) fn xautoclaim(call: &mut Call<'_>) -> Answer {
    let (key, name, consumer) = (call.arg(1), call.arg(2), call.arg(3));
    let idle = call
        .int(4)
        .map_err(|_| Failure::text("ERR Invalid min-idle-time argument for XAUTOCLAIM"))?;
    let start = ids::start(call.arg(5))?;
    let mut count = 100;
    let mut only_ids = false;
    let mut at = 6;
    while at < call.argc() {
        if at + 1 < call.argc() && call.is(at, "COUNT") {
            let most = i64::MAX / 16;
            let given = call.int(at + 1).ok().filter(|n| (1..=most).contains(n));
            let given = given.ok_or(Failure::text("ERR COUNT must be > 0"))?;
            count = usize::try_from(given).unwrap_or(usize::MAX);
            at += 2;
        } else if call.is(at, "JUSTID") {
            only_ids = true;
            at += 1;
        } else {
            return Err(Failure::SYNTAX);
        }
    }
    let missing = || no_group(key, name);
    let stream = call.keys.get::<Stream>(key)?.ok_or_else(missing)?;
    let Stream { entries, groups, .. } = stream;
    let group = groups.get_mut(name).ok_or_else(missing)?;
    let claim = Claim {
        delivered_at_ms: call.env.now_ms,
        retry_count: None,
        min_idle_ms: idle.max(0),
        force: false,
        only_ids,
    };
    let mut claimer = Claimer::new(entries, group, consumer, call.env);
    let (mut claimed, mut gone) = (Vec::new(), Vec::new());
    let mut next = Some(start);
    let mut attempts = count.saturating_mul(ATTEMPTS);
    while attempts > 0 && count > 0 {
        let Some(id) = next.and_then(|from| claimer.first_from(from)) else { break };
        attempts -= 1;
        next = crate::engine::stream::after(id);
        if claimer.is_lost(id) {
            claimer.group.forget(id);
            gone.push(super::id(id));
            count -= 1;
        } else if let Some(one) = claimer.claim(id, &claim) {
            claimed.push(one);
            count -= 1;
        }
    }
    let cursor = next.and_then(|from| claimer.first_from(from)).unwrap_or(FIRST);
    let mut parts = vec![super::id(cursor), Reply::Array(claimed)];
    if call.env.target.since((7, 0)) {
        parts.push(Reply::Array(gone));
    }
    Ok(Reply::Array(parts))
}

/// A consumer that claims.
struct Claimer<'c> {
    entries: &'c Entries,
    group: &'c mut Group,
    name: &'c [u8],
    /// Its number, once it is there: older servers make a consumer only when it gets something.
    owner: Option<Owner>,
    /// Whether what is pending stays so when its entry is gone.
    keeps_lost: bool,
    now_ms: i64,
}

impl<'c> Claimer<'c> {
    fn new(entries: &'c Entries, group: &'c mut Group, name: &'c [u8], env: &Env) -> Self {
        let owner = match env.target.since((7, 2)) {
            true => Some(group.see(name, env.now_ms)),
            false => None,
        };
        let keeps_lost = !env.target.since((7, 0));
        Claimer { entries, group, name, owner, keeps_lost, now_ms: env.now_ms }
    }

    /// The first pending entry from an id on.
    fn first_from(&self, from: StreamId) -> Option<StreamId> {
        self.group.pending().range(from..).next().map(|(id, _)| *id)
    }

    /// Whether an entry is gone, and the record of it is to go as well.
    fn is_lost(&self, id: StreamId) -> bool {
        !self.keeps_lost && !self.entries.has(id)
    }

    /// Claims an entry; what is to be said of it.
    fn claim(&mut self, id: StreamId, claim: &Claim) -> Option<Reply> {
        if self.is_lost(id) {
            self.group.forget(id);
            return None;
        }
        let pending = match self.group.pending().get(&id) {
            Some(pending) => *pending,
            None if claim.force && self.entries.has(id) => {
                Pending { owner: NOBODY, delivered_at_ms: self.now_ms, deliveries: 1 }
            }
            None => return None,
        };
        if pending.owner != NOBODY
            && claim.min_idle_ms > 0
            && self.now_ms.saturating_sub(pending.delivered_at_ms) < claim.min_idle_ms
        {
            return None;
        }
        let owner = match self.owner {
            Some(owner) => owner,
            None => *self.owner.insert(self.group.see(self.name, self.now_ms)),
        };
        let deliveries = match claim.retry_count {
            Some(count) => count,
            None if claim.only_ids => pending.deliveries,
            None => more_deliveries(pending.deliveries),
        };
        let delivered_at_ms = claim.delivered_at_ms;
        self.group.set_pending(id, Pending { owner, delivered_at_ms, deliveries });
        self.group.note_active(owner, self.now_ms);
        Some(match claim.only_ids {
            true => super::id(id),
            false => one_entry(self.entries, id, entry).unwrap_or(Reply::NilArray),
        })
    }
}
