//! Keys, whatever their values are.

mod dump;
mod expiry;
mod object;
mod rename;
mod restore;
mod scan;
mod sort;

use crate::engine::{Answer, Base, Call, Spec, Value};
use crate::rdb::{ModuleId, length};
use crate::resp::Reply;
use crate::value::Kind;

/// What is known here.
pub(super) const COMMANDS: &[Spec] = &[
    Spec::split("DEL", -2, 1, delete),
    Spec::split("UNLINK", -2, 1, delete),
    Spec::keys("EXISTS", -2, exists),
    Spec::split("TOUCH", -2, 1, exists),
    Spec::key("TYPE", 2, kind),
    Spec::all("RANDOMKEY", 1, scan::random),
    Spec::all("KEYS", 2, scan::keys),
    Spec::all("SCAN", -2, scan::scan),
    Spec::keys("RENAME", 3, rename::rename),
    Spec::keys("RENAMENX", 3, rename::rename_nx),
    Spec::keys("COPY", -3, rename::copy),
    Spec::key("MOVE", 3, rename::to_db),
    Spec::key("EXPIRE", -3, expiry::set),
    Spec::key("PEXPIRE", -3, expiry::set),
    Spec::key("EXPIREAT", -3, expiry::set),
    Spec::key("PEXPIREAT", -3, expiry::set),
    Spec::key("PERSIST", 2, expiry::persist),
    Spec::key("TTL", 2, expiry::get),
    Spec::key("PTTL", 2, expiry::get),
    Spec::key("EXPIRETIME", 2, expiry::get),
    Spec::key("PEXPIRETIME", 2, expiry::get),
    Spec::key("DUMP", 2, dump::dump),
    Spec::key("RESTORE", -4, restore::restore),
    Spec::key("RESTORE-ASKING", -4, restore::restore),
    Spec::all("SORT", -2, sort::sort),
    Spec::all("SORT_RO", -2, sort::sort_read_only),
    Spec::keys("OBJECT", -2, object::object),
];

fn delete(call: &mut Call<'_>) -> Answer {
    let gone = call.rest(1).iter().filter(|key| call.keys.remove(key).is_some()).count();
    Ok(Reply::count(gone))
}

fn exists(call: &mut Call<'_>) -> Answer {
    let there = call.rest(1).iter().filter(|key| call.keys.has(key)).count();
    Ok(Reply::count(there))
}

fn kind(call: &mut Call<'_>) -> Answer {
    let key = call.arg(1);
    let Some(record) = call.keys.peek(key) else { return Ok(Reply::Status("none")) };
    match kind_of(&record.value) {
        Kind::Module => {
            let (db, keyspace) = (call.keys.db, call.keys.keyspace());
            let value = keyspace.record(db, key).map(|record| &record.value);
            Ok(match value.and_then(|value| module_name(value, keyspace.base())) {
                Some(name) if name == "vectorset" => Reply::Status("vectorset"),
                name => name.map_or(Reply::Status("module"), Reply::bulk),
            })
        }
        kind => Ok(Reply::Status(kind.name())),
    }
}

/// The kind of a value, frozen or not.
fn kind_of(value: &Value) -> Kind {
    match value {
        Value::Str(_) | Value::Raw(_) | Value::Int(_) | Value::Lying(_) => Kind::String,
        Value::List(_) => Kind::List,
        Value::Set(_) => Kind::Set,
        Value::Hash(_) => Kind::Hash,
        Value::SortedSet(_) => Kind::SortedSet,
        Value::Stream(_) => Kind::Stream,
        Value::Array(_) => Kind::Array,
        Value::VectorSet(_) => Kind::Module,
        Value::Opaque(opaque) => opaque.value_type.kind(),
        Value::Frozen(frozen) => frozen.value_type().kind(),
    }
}

/// What the module calls its type; `None` for what no module wrote.
fn module_name(value: &Value, base: Option<&Base>) -> Option<String> {
    let body = match value {
        Value::VectorSet(_) => return Some(ModuleId::VECTOR_SET.name()),
        Value::Opaque(opaque) => &opaque.body,
        Value::Frozen(it) if it.value_type().kind() == Kind::Module => base?.body(*it)?,
        _ => return None,
    };
    length(body).ok().map(|(_, id)| ModuleId(id).name())
}
