//! `cmsgpack`: values of Lua as MessagePack and back.
//!
//! What is packed has the dialect of the servers' own library: a table whose keys are 1 to n is an
//! array, any other a map; tables deeper than 16 are nil, as is what MessagePack has no word for.

mod decode;
mod encode;

use mlua::{Lua, MultiValue, Table, Value};

use super::args::{Args, fault, wrong};
use decode::Decoder;

pub(super) fn install(lua: &Lua, globals: &Table) -> mlua::Result<()> {
    let library = lua.create_table()?;
    library.raw_set("pack", lua.create_function(pack)?)?;
    library.raw_set(
        "unpack",
        lua.create_function(|lua, values: MultiValue| {
            let args = Args::new(lua, values);
            unpack(lua, &args, args.all().len(), 0, 0)
        })?,
    )?;
    library.raw_set(
        "unpack_one",
        lua.create_function(|lua, values: MultiValue| {
            let args = Args::new(lua, values);
            unpack(lua, &args, 1, 1, args.integer_or(2, 0)?)
        })?,
    )?;
    library.raw_set(
        "unpack_limit",
        lua.create_function(|lua, values: MultiValue| {
            let args = Args::new(lua, values);
            let limit = args.integer(2)?;
            unpack(lua, &args, 1, limit, args.integer_or(3, 0)?)
        })?,
    )?;
    library.raw_set("_NAME", "cmsgpack")?;
    library.raw_set("_VERSION", "lua-cmsgpack 0.4.0")?;
    globals.raw_set("cmsgpack", library)
}

/// All arguments, one behind the other.
fn pack(lua: &Lua, values: MultiValue) -> mlua::Result<Value> {
    if values.is_empty() {
        return Err(wrong(lua, 0, "MessagePack pack needs input."));
    }
    let mut out = Vec::new();
    for value in values {
        encode::value(&mut out, &value, 0)?;
    }
    Ok(Value::String(lua.create_string(out)?))
}

/// Up to `limit` values from `offset` on, behind the offset of the next one, -1 at the end; all
/// values and no offset, where both are 0.
fn unpack(
    lua: &Lua,
    args: &Args<'_>,
    taken: usize,
    limit: i64,
    offset: i64,
) -> mlua::Result<MultiValue> {
    let text = args.bytes(1)?;
    let bytes = text.as_bytes();
    // Shown as the servers show them: the length in the place of the limit, 32 bits of each.
    let (from, size) = (offset as i32, bytes.len() as i32);
    if offset < 0 || limit < 0 {
        return Err(fault(
            lua,
            &format!("Invalid request to unpack with offset of {from} and limit of {size}."),
        ));
    }
    let Some(rest) = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)) else {
        return Err(fault(lua, &format!("Start offset {from} greater than input length {size}.")));
    };
    let is_all = limit == 0 && offset == 0;
    let limit = if is_all { i32::MAX as usize } else { usize::try_from(limit).unwrap_or(0) };
    let mut decoder = Decoder::new(lua, rest, taken);
    let mut found = Vec::new();
    while !decoder.is_done() && found.len() < limit {
        found.push(decoder.value()?);
    }
    if !is_all {
        let next = if decoder.is_done() { -1 } else { (bytes.len() - decoder.left()) as i64 };
        found.insert(0, Value::Integer(next));
    }
    Ok(MultiValue::from_vec(found))
}
