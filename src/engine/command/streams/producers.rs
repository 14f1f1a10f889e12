//! XCFGSET and XIDMPRECORD, and XSETID: what is kept about a stream besides its entries.

use super::ids;
use crate::engine::call::int;
use crate::engine::stream::{FIRST, Stream};
use crate::engine::{Answer, Call, Failure};
use crate::resp::Reply;

pub(super) fn xsetid(call: &mut Call<'_>) -> Answer {
    let id = ids::id(call.arg(2), 0)?;
    let mut added = None;
    let mut deleted = FIRST;
    for option in call.rest(3).chunks(2) {
        let [word, value] = option else { return Err(Failure::SYNTAX) };
        if word.eq_ignore_ascii_case(b"ENTRIESADDED") {
            let count = u64::try_from(int(value)?);
            added = Some(count.map_err(|_| Failure::text("ERR entries_added must be positive"))?);
        } else if word.eq_ignore_ascii_case(b"MAXDELETEDID") {
            deleted = ids::id(value, 0)?;
            if deleted > id {
                return Err(Failure::text(
                    "ERR The ID specified in XSETID is smaller than the provided \
                     max_deleted_entry_id",
                ));
            }
        } else {
            return Err(Failure::SYNTAX);
        }
    }
    let checks_deleted = call.env.target.since((7, 2));
    let stream = call.keys.get::<Stream>(call.arg(1))?.ok_or(Failure::NO_SUCH_KEY)?;
    let last = stream.entries.last();
    let numbers = &mut stream.entries.numbers;
    if checks_deleted && id < numbers.max_deleted_id {
        return Err(Failure::text(
            "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id",
        ));
    }
    if last.is_some_and(|last| id < last) {
        return Err(Failure::text(
            "ERR The ID specified in XSETID is smaller than the target stream top item",
        ));
    }
    if added.is_some_and(|added| added < numbers.length) {
        return Err(Failure::text(
            "ERR The entries_added specified in XSETID is smaller than the target stream length",
        ));
    }
    numbers.last_id = id;
    if let Some(added) = added {
        numbers.entries_added = added;
    }
    if deleted != FIRST {
        numbers.max_deleted_id = deleted;
    }
    Ok(Reply::OK)
}

pub(super) fn xcfgset(call: &mut Call<'_>) -> Answer {
    let options = call.rest(2);
    let stream = call.keys.get::<Stream>(call.arg(1))?.ok_or(Failure::NO_SUCH_KEY)?;
    if options.is_empty() {
        return Err(Failure::text("ERR At least one parameter must be specified"));
    }
    let (mut duration, mut most) = (None, None);
    for option in options.chunks(2) {
        let [word, value] = option else { return Err(Failure::SYNTAX) };
        if word.eq_ignore_ascii_case(b"IDMP-DURATION") {
            if duration.is_some() {
                return Err(Failure::text("ERR IDMP-DURATION specified multiple times"));
            }
            const WORDS: &str = "ERR IDMP-DURATION must be between 1 and 86400 seconds";
            duration = Some(within(value, MOST_SECS, WORDS)?);
        } else if word.eq_ignore_ascii_case(b"IDMP-MAXSIZE") {
            if most.is_some() {
                return Err(Failure::text("ERR IDMP-MAXSIZE specified multiple times"));
            }
            const WORDS: &str = "ERR IDMP-MAXSIZE must be between 1 and 10000 entries";
            most = Some(within(value, MOST_ENTRIES, WORDS)?);
        } else {
            return Err(Failure::SYNTAX);
        }
    }
    let memory = &mut stream.idempotence;
    let duration = duration.unwrap_or(memory.duration_secs);
    let most = most.unwrap_or(memory.max_entries);
    if (duration, most) != (memory.duration_secs, memory.max_entries) {
        (memory.duration_secs, memory.max_entries) = (duration, most);
        memory.clear();
    }
    Ok(Reply::OK)
}

/// The longest time that ids are remembered, seconds.
const MOST_SECS: u64 = 86_400;
/// The most ids that are remembered of a producer.
const MOST_ENTRIES: u64 = 10_000;

fn within(arg: &[u8], most: u64, words: &'static str) -> Answer<u64> {
    let value = u64::try_from(int(arg)?).ok();
    value.filter(|value| (1..=most).contains(value)).ok_or(Failure::text(words))
}

pub(super) fn xidmprecord(call: &mut Call<'_>) -> Answer {
    let (pid, iid) = (call.arg(2), call.arg(3));
    if pid.is_empty() {
        return Err(Failure::text("ERR producer ID must be non-empty"));
    }
    if iid.is_empty() {
        return Err(Failure::text("ERR idempotent ID must be non-empty"));
    }
    let id = ids::id(call.arg(4), 0)?;
    let stream = call.keys.get::<Stream>(call.arg(1))?.ok_or(Failure::NO_SUCH_KEY)?;
    if !stream.entries.has(id) {
        return Err(Failure::text("ERR No such message in stream"));
    }
    let memory = &mut stream.idempotence;
    match memory.find(pid, iid) {
        Some(known) if known == id => {}
        Some(_) => {
            return Err(Failure::text(
                "ERR IID already exists for this producer with a different stream ID",
            ));
        }
        None => {
            memory.remember(pid, iid, id);
            memory.added = memory.added.saturating_add(1);
        }
    }
    Ok(Reply::OK)
}
