//! Answers as Lua values, and Lua values as answers, by the rules of the servers.

use mlua::{Lua, LuaString, MultiValue, Table, Value};

use crate::resp::Reply;

/// An answer as a script sees it.
pub(super) fn to_lua(lua: &Lua, reply: Reply) -> mlua::Result<Value> {
    Ok(match reply {
        Reply::Int(n) => Value::Number(n as f64),
        Reply::Bulk(bytes) => Value::String(lua.create_string(bytes)?),
        Reply::Nil | Reply::NilArray => Value::Boolean(false),
        Reply::Status(text) => Value::Table(one(lua, "ok", text.as_bytes())?),
        Reply::Error(text) => Value::Table(one(lua, "err", text.as_bytes())?),
        Reply::Array(items) => {
            let table = lua.create_table_with_capacity(items.len(), 0)?;
            for (at, item) in items.into_iter().enumerate() {
                table.raw_set(at + 1, to_lua(lua, item)?)?;
            }
            Value::Table(table)
        }
    })
}

pub(super) fn one(lua: &Lua, name: &str, text: &[u8]) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.raw_set(name, lua.create_string(text)?)?;
    Ok(table)
}

/// What a script returns as an answer.
pub(super) fn to_reply(value: &Value) -> Reply {
    match value {
        Value::Integer(n) => Reply::Int(*n),
        Value::Number(n) => Reply::Int(*n as i64),
        Value::Boolean(true) => Reply::Int(1),
        Value::String(text) => Reply::bulk(text.as_bytes()),
        Value::Table(table) => table_reply(table),
        _ => Reply::Nil,
    }
}

fn table_reply(table: &Table) -> Reply {
    let text = |name: &str| table.raw_get::<Option<LuaString>>(name).ok().flatten();
    if let Some(words) = text("err") {
        return Reply::Error(words.to_string_lossy().into());
    }
    if let Some(words) = text("ok") {
        return if words == "OK" { Reply::OK } else { Reply::bulk(words.as_bytes()) };
    }
    let mut items = Vec::new();
    for at in 1.. {
        match table.raw_get::<Value>(at) {
            Ok(Value::Nil) | Err(_) => break,
            Ok(item) => items.push(to_reply(&item)),
        }
    }
    Reply::Array(items)
}

/// The words of a command, out of what a script gives.
pub(super) fn words(values: &MultiValue) -> mlua::Result<Vec<Vec<u8>>> {
    values
        .iter()
        .map(|value| match value {
            Value::String(text) => Ok(text.as_bytes().to_vec()),
            Value::Integer(n) => Ok(n.to_string().into_bytes()),
            Value::Number(n) => Ok(number(*n).into_bytes()),
            _ => Err(mlua::Error::runtime(
                "Lua redis lib command arguments must be strings or integers",
            )),
        })
        .collect()
}

/// A number as servers spell it in a command: 17 digits at most.
pub(super) fn number(n: f64) -> String {
    if n.fract() == 0.0 && n.abs() < 1e17 {
        return (n as i64).to_string();
    }
    crate::bytes::number::ScoreText::Printf17.reply(n).as_str().to_owned()
}
