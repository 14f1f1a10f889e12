//! XADD and XTRIM.

use xxhash_rust::xxh3::xxh3_128;

use super::delete::Strategy;
use super::ids::{self, NewId};
use crate::engine::call::{int, is};
use crate::engine::stream::{Bound, Entries, FIRST, Stream, Trim, after};
use crate::engine::{Answer, Call, Env, Failure};
use crate::resp::Reply;
use crate::value::StreamId;

/// How much is trimmed at most where whole nodes go and nothing else is said, in nodes.
const TRIMMED_NODES: usize = 100;

/// The options of XADD and XTRIM.
#[derive(Debug, Default)]
struct Options<'a> {
    bound: Option<Bound>,
    approximate: bool,
    limit: Option<u64>,
    strategy: Option<Strategy>,
    only_existing: bool,
    producer: Option<Producer<'a>>,
}

/// Who adds, and under which id of its own.
#[derive(Debug, Clone, Copy)]
struct Producer<'a> {
    pid: &'a [u8],
    /// Made from the fields and values where there is none.
    iid: Option<&'a [u8]>,
}

pub(super) fn xadd(call: &mut Call<'_>) -> Answer {
    let mut options = Options::default();
    let mut at = 2;
    let new_id = loop {
        let arg = call.arg(at);
        if at >= call.argc() {
            break None;
        }
        if arg == b"*" {
            break Some(NewId::Next);
        }
        match option(call, at, true, &mut options)? {
            Some(next) => at = next,
            None => break Some(ids::new_id(arg)?),
        }
    };
    let trim = options.trim(call.env, true)?;
    if options.producer.is_some() && new_id.is_some_and(|id| id != NewId::Next) && !call.env.loading
    {
        return Err(Failure::text(
            "ERR syntax error, IDMP/IDMPAUTO can be used only with auto-generated IDs",
        ));
    }
    let pairs = call.rest(at + 1);
    let new_id = match new_id {
        Some(id) if pairs.len() >= 2 && pairs.len().is_multiple_of(2) => id,
        _ => return Err(Failure::text("ERR wrong number of arguments for 'xadd' command")),
    };
    if new_id == NewId::This(FIRST) {
        // Redis 5.0 rewrites a stream that never had an entry as `XADD key MAXLEN 0 0-0 x y`, and
        // counts on the key being there although the command fails (seen in a log of 5.0.6), as it
        // does there however it was written.
        let is_rewritten = call.argc() == 7 && call.is(2, "MAXLEN") && call.arg(3) == b"0";
        if call.env.loading && (is_rewritten || !call.env.target.since((6, 0))) {
            call.keys.get_or(call.arg(1), Stream::default)?;
        }
        return Err(Failure::text("ERR The ID specified in XADD must be greater than 0-0"));
    }
    if !Entries::takes(pairs) {
        return Err(Failure::text("ERR Elements are too large to be stored"));
    }
    let iid;
    let producer = match options.producer {
        None => None,
        Some(Producer { pid, iid: Some(iid) }) => Some((pid, iid)),
        Some(Producer { pid, iid: None }) => {
            iid = fingerprint(pairs);
            Some((pid, iid.as_slice()))
        }
    };
    let key = call.arg(1);
    let stream = match options.only_existing {
        true => match call.keys.get::<Stream>(key)? {
            Some(stream) => stream,
            None => return Ok(Reply::Nil),
        },
        false => call.keys.get_or(key, Stream::default)?,
    };
    if let Some((pid, iid)) = producer {
        let memory = &mut stream.idempotence;
        if !call.env.loading {
            memory.expire(call.env.now_ms);
        }
        if let Some(id) = memory.find(pid, iid) {
            memory.duplicates = memory.duplicates.saturating_add(1);
            return Ok(super::id(id));
        }
    }
    let id = next_id(stream, new_id, call.env)?;
    stream.entries.push(id, pairs, &call.env.target.limits);
    if let Some((pid, iid)) = producer {
        stream.idempotence.remember(pid, iid, id);
        stream.idempotence.added = stream.idempotence.added.saturating_add(1);
    }
    if let Some(trim) = trim {
        run_trim(stream, &trim, options.strategy.unwrap_or_default());
    }
    Ok(super::id(id))
}

/// The id of a new entry, which has to be above all others.
fn next_id(stream: &Stream, new_id: NewId, env: &Env) -> Answer<StreamId> {
    const TOO_SMALL: Failure = Failure::text(
        "ERR The ID specified in XADD is equal or smaller than the target stream top item",
    );
    let last = stream.entries.numbers.last_id;
    let Some(next) = after(last) else {
        return Err(Failure::text(
            "ERR The stream has exhausted the last possible ID, unable to add more items",
        ));
    };
    let id = match new_id {
        NewId::Next => {
            let now = u64::try_from(env.now_ms).unwrap_or(0);
            next.max(StreamId { ms: now, seq: 0 })
        }
        NewId::NextOf(ms) if ms == last.ms => {
            let seq = last.seq.checked_add(1).ok_or(TOO_SMALL)?;
            StreamId { ms, seq }
        }
        NewId::NextOf(ms) => StreamId { ms, seq: 0 },
        NewId::This(id) => id,
    };
    if id > last { Ok(id) } else { Err(TOO_SMALL) }
}

pub(super) fn xtrim(call: &mut Call<'_>) -> Answer {
    let mut options = Options::default();
    let mut at = 2;
    while at < call.argc() {
        at = option(call, at, false, &mut options)?.ok_or(Failure::SYNTAX)?;
    }
    let Some(trim) = options.trim(call.env, false)? else { return Err(NO_BOUND) };
    match call.keys.get::<Stream>(call.arg(1))? {
        Some(stream) => {
            Ok(Reply::Int(run_trim(stream, &trim, options.strategy.unwrap_or_default()) as i64))
        }
        None => Ok(Reply::Int(0)),
    }
}

const NO_BOUND: Failure =
    Failure::text("ERR syntax error, XTRIM must be called with a trimming strategy");

/// Trims; how many entries went.
fn run_trim(stream: &mut Stream, trim: &Trim, strategy: Strategy) -> u64 {
    let Stream { entries, groups, .. } = stream;
    match strategy {
        Strategy::Keep => entries.trim(trim, None),
        strategy => entries.trim(trim, Some(&mut |id| strategy.may_go(groups, id))),
    }
}

/// Reads the option at a place: the place behind it, or `None` where there is no option.
fn option<'a>(
    call: &Call<'a>,
    at: usize,
    adds: bool,
    options: &mut Options<'a>,
) -> Answer<Option<usize>> {
    let more = call.argc() - at - 1;
    let arg = call.arg(at);
    let id_bound = is(arg, "MINID");
    if more >= 1 && (id_bound || is(arg, "MAXLEN")) {
        return bound(call, at, id_bound, options).map(Some);
    }
    if more >= 1 && is(arg, "LIMIT") {
        let limit = int(call.arg(at + 1))?;
        let limit = u64::try_from(limit)
            .map_err(|_| Failure::text("ERR The LIMIT argument must be >= 0."))?;
        options.limit = Some(limit);
        return Ok(Some(at + 2));
    }
    if options.strategy.is_none()
        && let Some(strategy) = Strategy::of(arg)
    {
        options.strategy = Some(strategy);
        return Ok(Some(at + 1));
    }
    if !adds {
        return Ok(None);
    }
    if is(arg, "NOMKSTREAM") {
        options.only_existing = true;
        return Ok(Some(at + 1));
    }
    let auto = is(arg, "IDMPAUTO");
    if (auto && more >= 1) || (is(arg, "IDMP") && more >= 2) {
        return producer(call, at, auto, options).map(Some);
    }
    Ok(None)
}

fn bound<'a>(
    call: &Call<'a>,
    at: usize,
    id_bound: bool,
    options: &mut Options<'a>,
) -> Answer<usize> {
    if options.bound.is_some() {
        return Err(Failure::text(
            "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
        ));
    }
    let mark = call.arg(at + 1);
    let marked = at + 2 < call.argc() && (mark == b"~" || mark == b"=");
    options.approximate = marked && mark == b"~";
    let at = if marked { at + 2 } else { at + 1 };
    let threshold = call.arg(at);
    options.bound = Some(if id_bound {
        Bound::Id(ids::id(threshold, 0)?)
    } else {
        let most = u64::try_from(int(threshold)?);
        Bound::Length(most.map_err(|_| Failure::text("ERR The MAXLEN argument must be >= 0."))?)
    });
    Ok(at + 1)
}

fn producer<'a>(
    call: &Call<'a>,
    at: usize,
    auto: bool,
    options: &mut Options<'a>,
) -> Answer<usize> {
    if options.producer.is_some() {
        return Err(Failure::text("ERR syntax error, IDMP/IDMPAUTO specified multiple times"));
    }
    let pid = call.arg(at + 1);
    if pid.is_empty() {
        return Err(Failure::text(match auto {
            true => "ERR syntax error, IDMPAUTO requires a non-empty producer ID",
            false => "ERR syntax error, IDMP requires a non-empty producer ID",
        }));
    }
    if auto {
        options.producer = Some(Producer { pid, iid: None });
        return Ok(at + 2);
    }
    let iid = call.arg(at + 2);
    if iid.is_empty() {
        return Err(Failure::text("ERR syntax error, IDMP requires a non-empty idempotent ID"));
    }
    options.producer = Some(Producer { pid, iid: Some(iid) });
    Ok(at + 3)
}

impl Options<'_> {
    /// How is to be trimmed, if at all.
    fn trim(&self, env: &Env, adds: bool) -> Answer<Option<Trim>> {
        if self.bound.is_none() && self.limit.is_some_and(|limit| limit > 0) {
            return Err(Failure::text(
                "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
            ));
        }
        if self.bound.is_none() && !adds {
            return Err(NO_BOUND);
        }
        let limit = match self.limit {
            // Logs have the threshold that came out of it, and the option still beside it.
            _ if env.loading => 0,
            Some(_) if !self.approximate => {
                return Err(Failure::text(
                    "ERR syntax error, LIMIT cannot be used without the special ~ option",
                ));
            }
            Some(limit) => limit,
            None if self.approximate => {
                let entries = env.target.limits.stream_node_entries;
                match TRIMMED_NODES.saturating_mul(entries) as u64 {
                    0 => 10_000,
                    limit => limit.min(1_000_000),
                }
            }
            None => 0,
        };
        Ok(self.bound.map(|bound| Trim { bound, approximate: self.approximate, limit }))
    }
}

/// The id that IDMPAUTO gives an entry: it comes out the same for the same fields and values,
/// whatever their order.
///
/// Each pair has a hash, of the field, its length and the value. A sum alone would be easy to meet
/// and pairs that come twice would be gone from an exclusive or: servers take both, the halves of
/// the one turned and laid over the other halves of the other.
fn fingerprint(pairs: &[&[u8]]) -> Vec<u8> {
    let (mut low, mut high, mut parity) = (0_u64, 0_u64, 0_u128);
    let mut text = Vec::new();
    for pair in pairs.chunks(2) {
        let [field, value] = pair else { continue };
        text.clear();
        text.extend_from_slice(field);
        text.extend_from_slice(&(field.len() as u64).to_le_bytes());
        text.extend_from_slice(value);
        let hash = xxh3_128(&text);
        low = low.wrapping_add(hash as u64);
        high = high.wrapping_add((hash >> 64) as u64);
        parity ^= hash;
    }
    low ^= ((parity >> 64) as u64).rotate_left(1);
    high ^= (parity as u64).rotate_left(1);
    [low.to_le_bytes(), high.to_le_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::fingerprint;

    #[track_caller]
    fn check(pairs: &str, want: &str) {
        let words: Vec<&[u8]> = pairs.split(' ').map(str::as_bytes).collect();
        let hex: String = fingerprint(&words).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, want, "{pairs}");
    }

    #[test]
    fn ids_are_those_of_the_server() {
        check("a 1", "034b44ffc743320ce2cb07999104fc02");
        check("b 2", "3e064213f8b0abc2312df8e3422d0c0b");
        check("a 1 b 2", "c5b282935f77a53123e1ff7a302a11f2");
        check("b 2 a 1", "c5b282935f77a53123e1ff7a302a11f2");
        check("a 2 b 1", "cffffd6da755753a303345e25554e957");
        check("a 1 a 1", "7cd8847868842eaf3c2706c3f301a55b");
        check("a 1 a 1 a 1", "8763c1776fc7605da6e20ddc850659a6");
        check("ab c", "16a40e6f34744cb4db57cd2b7d195a72");
        check("a bc", "cd716045a670276ba36d448ef5da2ace");
        check(" ", "1a9f7ebbaea1d61d30b6b8daa3e38da7");
    }
}
