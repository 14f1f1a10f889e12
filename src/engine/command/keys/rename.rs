//! Keys that get another name, another place, or a twin.

use super::super::databases::db_index;
use crate::engine::call::is;
use crate::engine::{Answer, Call, Failure};
use crate::resp::Reply;

const SAME: Failure = Failure::text("ERR source and destination objects are the same");

pub(super) fn rename(call: &mut Call<'_>) -> Answer {
    moved(call, true).map(|_| Reply::OK)
}

pub(super) fn rename_nx(call: &mut Call<'_>) -> Answer {
    moved(call, false).map(Reply::flag)
}

/// Renames a key, over another one or not; whether it was.
fn moved(call: &mut Call<'_>, over: bool) -> Answer<bool> {
    let (from, to) = (call.arg(1), call.arg(2));
    if !call.keys.has(from) {
        return Err(Failure::NO_SUCH_KEY);
    }
    if from == to || (!over && call.keys.has(to)) {
        return Ok(false);
    }
    if let Some(record) = call.keys.remove(from) {
        let expires = record.expires_at_ms();
        call.keys.set(to, record.value, expires);
    }
    Ok(true)
}

/// A database as COPY and MOVE take it.
fn db(call: &mut Call<'_>, arg: usize) -> Answer<usize> {
    if i32::try_from(call.int(arg)?).is_err() {
        return Err(Failure::text(
            "ERR value is out of range, value must between -2147483648 and 2147483647",
        ));
    }
    db_index(call, arg)
}

pub(super) fn copy(call: &mut Call<'_>) -> Answer {
    let (from, to) = (call.arg(1), call.arg(2));
    let (mut target, mut replace) = (call.keys.db, false);
    let mut at = 3;
    while at < call.argc() {
        if call.is(at, "REPLACE") {
            replace = true;
            at += 1;
        } else if is(call.arg(at), "DB") && at + 1 < call.argc() {
            target = db(call, at + 1)?;
            at += 2;
        } else {
            return Err(Failure::SYNTAX);
        }
    }
    if target == call.keys.db && from == to {
        return Err(SAME);
    }
    let Some(record) = call.keys.peek(from) else { return Ok(Reply::Int(0)) };
    let (value, expires) = (record.value.clone(), record.expires_at_ms());
    if !replace && call.keys.in_db(target).has(to) {
        return Ok(Reply::Int(0));
    }
    // Other modules may well copy their values.
    let module = super::module_name(&value, call.keys.keyspace().base());
    if module.as_deref() == Some("vectorset") {
        return Err(Failure::text("ERR not supported for this module key"));
    }
    call.keys.in_db(target).set(to, value, expires);
    Ok(Reply::Int(1))
}

/// MOVE.
pub(super) fn to_db(call: &mut Call<'_>) -> Answer {
    let key = call.arg(1);
    let target = db(call, 2)?;
    if target == call.keys.db {
        return Err(SAME);
    }
    if !call.keys.has(key) || call.keys.in_db(target).has(key) {
        return Ok(Reply::Int(0));
    }
    let Some(record) = call.keys.remove(key) else { return Ok(Reply::Int(0)) };
    let expires = record.expires_at_ms();
    call.keys.in_db(target).set(key, record.value, expires);
    Ok(Reply::Int(1))
}
