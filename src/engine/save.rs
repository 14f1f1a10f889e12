//! Values into the types and encodings of a target: what the engine holds packed is copied.

use super::value::PackedHash;
use super::{Answer, Base, Hash, Record, Value};
use crate::rdb::packed::ListpackBuf;
use crate::rdb::write::{self, Body, EntryRoom, Loss, Sink};
use crate::rdb::{Target, ValueType};
use crate::value::Elem;

/// Writes the value of a record for a target; what is lost is in the sink's losses.
pub fn save<'a>(
    record: &'a Record,
    base: Option<&'a Base>,
    target: &Target,
    sink: &mut Sink,
    room: &mut EntryRoom,
) -> Result<Body<'a>, Box<crate::error::FormatError>> {
    let written = match &record.value {
        Value::Frozen(frozen) => {
            return match base.and_then(|base| base.entry(&record.key, *frozen)) {
                Some(entry) => write::entry(sink, &entry, target, false, room),
                None => Ok(Body::Nothing),
            };
        }
        Value::Str(text) => Ok(write::string(sink, text)),
        Value::Raw(text) => Ok(write::string(sink, text)),
        Value::Int(n) => Ok(write::string_elem(sink, Elem::Int(*n))),
        Value::Hash(hash) => save_hash(hash, target, sink),
        _ => Ok(ValueType::String),
    };
    Ok(written.map_or_else(
        |loss| {
            sink.losses.push(loss);
            Body::Nothing
        },
        Body::Written,
    ))
}
