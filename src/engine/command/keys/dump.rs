//! DUMP: a value as the payload that RESTORE takes.

use crate::engine::save::save;
use crate::engine::{Answer, Call, Failure};
use crate::rdb::write::{Body, EntryRoom, Sink, payload};
use crate::resp::Reply;

pub(super) fn dump(call: &mut Call<'_>) -> Answer {
    let key = call.arg(1);
    // One that has expired goes now.
    if call.keys.peek(key).is_none() {
        return Ok(Reply::Nil);
    }
    let (db, target) = (call.keys.db, call.env.target);
    let keyspace = &*call.keys.keyspace();
    let Some(record) = keyspace.record(db, key) else { return Ok(Reply::Nil) };
    let (mut sink, mut room) = (Sink::new(true), EntryRoom::default());
    let saved = save(record, keyspace, &target, &target, &mut sink, &mut room);
    let saved = saved.map_err(Failure::Broken)?;
    let (value_type, body) = match saved {
        Body::Same(value_type, body) => (value_type, body),
        Body::Written(value_type) => (value_type, sink.out.as_slice()),
        Body::Nothing => {
            let words = format!("DUMP: {target} has no form for this value");
            return Err(Failure::Unsupported(words));
        }
    };
    let mut out = Vec::with_capacity(body.len() + 11);
    payload(&mut out, target.header.version, value_type, body);
    Ok(Reply::Bulk(out))
}
