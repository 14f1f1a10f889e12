//! Strings.

use crate::engine::{Answer, Call, Failure, Spec, Value};
use crate::resp::Reply;

/// What is known here.
pub(super) const COMMANDS: &[Spec] =
    &[Spec::key("GET", 2, get), Spec::key("APPEND", 3, append), Spec::key("SET", -3, set)];

fn get(call: &mut Call<'_>) -> Answer {
    match call.keys.find(call.arg(1))? {
        None => Ok(Reply::Nil),
        Some(record) => text(&record.value).map(Reply::Bulk),
    }
}

fn text(value: &Value) -> Answer<Vec<u8>> {
    match value {
        Value::Str(bytes) => Ok(bytes.to_vec()),
        Value::Raw(bytes) => Ok(bytes.to_vec()),
        Value::Int(n) => Ok(itoa::Buffer::new().format(*n).as_bytes().to_vec()),
        _ => Err(Failure::WRONG_TYPE),
    }
}

fn append(call: &mut Call<'_>) -> Answer {
    let key = call.arg(1);
    let mut bytes = match call.keys.find(key)? {
        None => Vec::new(),
        Some(record) => text(&record.value)?,
    };
    bytes.extend_from_slice(call.arg(2));
    let len = bytes.len();
    call.keys.set_value(key, Value::Raw(bytes.into()));
    Ok(Reply::count(len))
}

fn set(call: &mut Call<'_>) -> Answer {
    call.keys.set(call.arg(1), crate::engine::text_value(call.arg(2)), None);
    Ok(Reply::OK)
}
