//! OBJECT: what a value looks like from inside.

use super::super::subcommand;
use crate::engine::{Answer, Call, Failure, Value};
use crate::rdb::{Product, Target};
use crate::resp::Reply;

const HELP: &[&str] = &[
    "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "ENCODING <key>",
    "    Return the kind of internal representation used in order to store the value",
    "    associated with a <key>.",
    "FREQ <key>",
    "    Return the access frequency index of the <key>. The returned integer is",
    "    proportional to the logarithm of the recent access frequency of the key.",
    "IDLETIME <key>",
    "    Return the idle time of the <key>, that is the approximated number of",
    "    seconds elapsed since the last access to the key.",
    "REFCOUNT <key>",
    "    Return the number of references of the value associated with the specified",
    "    <key>.",
    "HELP",
    "    Print this help.",
];

/// Integers that older servers share among keys, and the count of references that they then tell.
const SHARED: std::ops::Range<i64> = 0..10_000;
const SHARED_REFERENCES: i64 = i32::MAX as i64;

pub(super) fn object(call: &mut Call<'_>) -> Answer {
    let forms = [("HELP", 2), ("ENCODING", 3), ("FREQ", 3), ("IDLETIME", 3), ("REFCOUNT", 3)];
    let form = subcommand(call, &forms)?;
    if form == "HELP" {
        return Ok(Reply::Array(HELP.iter().map(|line| Reply::Status(line)).collect()));
    }
    let target = call.env.target;
    let Some(record) = call.keys.find(call.arg(2))? else { return Ok(Reply::Nil) };
    match form {
        "ENCODING" => Ok(Reply::bulk(encoding(&record.value, &target))),
        "FREQ" => Err(Failure::text(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. \
             Please note that when switching between policies at runtime LRU and LFU data will \
             take some time to adjust.",
        )),
        // Nothing here counts accesses.
        "IDLETIME" => Ok(Reply::Int(0)),
        _ => {
            let own = target.product == Product::Redis && target.version >= (8, 2);
            match record.value {
                Value::Int(n) if SHARED.contains(&n) && !own => Ok(Reply::Int(SHARED_REFERENCES)),
                _ => Ok(Reply::Int(1)),
            }
        }
    }
}

/// How a value is held.
pub(super) fn encoding(value: &Value, target: &Target) -> &'static str {
    match value {
        Value::List(list) => list.encoding(target),
        Value::Set(set) => set.encoding(),
        Value::Hash(hash) => hash.encoding(target),
        Value::SortedSet(set) => set.encoding(target),
        Value::Stream(_) => "stream",
        Value::Array(_) => "sliced-array",
        Value::VectorSet(_) | Value::Opaque(_) | Value::Frozen(_) => "raw",
        text => text.text_encoding(target).unwrap_or("raw"),
    }
}
