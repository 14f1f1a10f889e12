//! Databases as a whole, and what a log may hold that has nothing to do with keys.

use crate::engine::{Answer, Call, Failure, Spec};
use crate::resp::Reply;

/// What is known here.
pub(super) const COMMANDS: &[Spec] = &[
    Spec::each("SELECT", 2, select),
    Spec::all("DBSIZE", 1, db_size),
    Spec::each("FLUSHDB", -1, flush_db),
    Spec::each("FLUSHALL", -1, flush_all),
    Spec::each("SWAPDB", 3, swap_db),
    // Outside of their place, which whoever hands out commands knows, these are errors.
    Spec::nothing("MULTI", 1, |_| Err(Failure::text("ERR MULTI calls can not be nested"))),
    Spec::nothing("EXEC", 1, |_| Err(Failure::text("ERR EXEC without MULTI"))),
    Spec::nothing("DISCARD", 1, |_| Err(Failure::text("ERR DISCARD without MULTI"))),
    Spec::nothing("WATCH", -2, |_| Ok(Reply::OK)),
    Spec::nothing("UNWATCH", 1, |_| Ok(Reply::OK)),
    Spec::nothing("PING", -1, ping),
    Spec::nothing("PUBLISH", 3, |_| Ok(Reply::Int(0))),
    Spec::nothing("SPUBLISH", 3, |_| Ok(Reply::Int(0))),
];

/// The number of a database, out of an argument.
pub(super) fn db_index(call: &mut Call<'_>, arg: usize) -> Answer<usize> {
    const OUT_OF_RANGE: Failure = Failure::text("ERR DB index is out of range");
    let index = usize::try_from(call.int(arg)?).map_err(|_| OUT_OF_RANGE)?;
    if index < call.keys.keyspace().databases() { Ok(index) } else { Err(OUT_OF_RANGE) }
}

fn select(call: &mut Call<'_>) -> Answer {
    call.keys.db = db_index(call, 1)?;
    Ok(Reply::OK)
}

fn db_size(call: &mut Call<'_>) -> Answer {
    let db = call.keys.db;
    Ok(Reply::count(call.keys.keyspace().size(db)))
}

fn flush_mode(call: &Call<'_>) -> Answer<()> {
    match call.argc() {
        1 => Ok(()),
        2 if call.is(1, "ASYNC") || call.is(1, "SYNC") => Ok(()),
        _ => Err(Failure::SYNTAX),
    }
}

fn flush_db(call: &mut Call<'_>) -> Answer {
    flush_mode(call)?;
    let db = call.keys.db;
    call.keys.keyspace().flush(db);
    Ok(Reply::OK)
}

fn flush_all(call: &mut Call<'_>) -> Answer {
    flush_mode(call)?;
    call.keys.keyspace().flush_all();
    Ok(Reply::OK)
}

fn swap_db(call: &mut Call<'_>) -> Answer {
    let place = |call: &mut Call<'_>, arg, which: &str| match call.int(arg) {
        Err(_) => Err(Failure::said(format!("ERR invalid {which} DB index"))),
        Ok(_) => db_index(call, arg),
    };
    let one = place(call, 1, "first")?;
    let other = place(call, 2, "second")?;
    call.keys.keyspace().swap(one, other);
    Ok(Reply::OK)
}

fn ping(call: &mut Call<'_>) -> Answer {
    match call.argc() {
        1 => Ok(Reply::Status("PONG")),
        2 => Ok(Reply::bulk(call.arg(1))),
        _ => Err(Failure::text("ERR wrong number of arguments for 'ping' command")),
    }
}
