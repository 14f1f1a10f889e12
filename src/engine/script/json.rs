//! `cjson`: values of Lua as JSON and back, numbers with 14 digits.

use mlua::{Lua, LuaString, Table, Value};
use serde_json::Value as Json;

/// How deep tables may lie in each other, as in the servers' own library.
const DEEPEST: usize = 1000;

pub(super) fn install(lua: &Lua, globals: &Table) -> mlua::Result<()> {
    let cjson = lua.create_table()?;
    cjson.raw_set(
        "encode",
        lua.create_function(|lua, value: Value| {
            let mut out = Vec::new();
            encode(&mut out, &value, 0)?;
            lua.create_string(out)
        })?,
    )?;
    cjson.raw_set(
        "decode",
        lua.create_function(|lua, text: LuaString| {
            let json: Json = serde_json::from_slice(&text.as_bytes())
                .map_err(|error| mlua::Error::runtime(format!("invalid JSON: {error}")))?;
            decode(lua, &json)
        })?,
    )?;
    cjson.raw_set("null", Value::NULL)?;
    globals.raw_set("cjson", cjson)
}

fn encode(out: &mut Vec<u8>, value: &Value, depth: usize) -> mlua::Result<()> {
    if depth > DEEPEST {
        return Err(mlua::Error::runtime("Cannot serialise, excessive depth"));
    }
    match value {
        Value::Nil => out.extend_from_slice(b"null"),
        Value::LightUserData(_) => out.extend_from_slice(b"null"),
        Value::Boolean(flag) => out.extend_from_slice(flag.to_string().as_bytes()),
        Value::Integer(n) => out.extend_from_slice(n.to_string().as_bytes()),
        Value::Number(n) => out.extend_from_slice(fourteen(*n).as_bytes()),
        Value::String(text) => string(out, &text.as_bytes()),
        Value::Table(table) => encode_table(out, table, depth)?,
        _ => return Err(mlua::Error::runtime("Cannot serialise: type not supported")),
    }
    Ok(())
}

fn encode_table(out: &mut Vec<u8>, table: &Table, depth: usize) -> mlua::Result<()> {
    let pairs: Vec<(Value, Value)> =
        table.clone().pairs().collect::<mlua::Result<Vec<(Value, Value)>>>()?;
    let length = table.raw_len();
    if length > 0 && pairs.len() == length {
        out.push(b'[');
        for at in 1..=length {
            if at > 1 {
                out.push(b',');
            }
            encode(out, &table.raw_get(at)?, depth + 1)?;
        }
        out.push(b']');
        return Ok(());
    }
    out.push(b'{');
    for (at, (key, value)) in pairs.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        match key {
            Value::String(text) => string(out, &text.as_bytes()),
            Value::Integer(n) => string(out, n.to_string().as_bytes()),
            Value::Number(n) => string(out, fourteen(*n).as_bytes()),
            _ => {
                return Err(mlua::Error::runtime(
                    "Cannot serialise: table key must be a number or string",
                ));
            }
        }
        out.push(b':');
        encode(out, value, depth + 1)?;
    }
    out.push(b'}');
    Ok(())
}

fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'/' => out.extend_from_slice(b"\\/"),
            8 => out.extend_from_slice(b"\\b"),
            9 => out.extend_from_slice(b"\\t"),
            10 => out.extend_from_slice(b"\\n"),
            12 => out.extend_from_slice(b"\\f"),
            13 => out.extend_from_slice(b"\\r"),
            0..=31 | 127 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            byte => out.push(byte),
        }
    }
    out.push(b'"');
}

/// C's `%.14g`.
fn fourteen(n: f64) -> String {
    if n == 0.0 {
        return if n.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    let text = format!("{n:.13e}");
    let Some((digits, exponent)) = text.split_once('e') else { return text };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |text: &str| -> String {
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text.to_owned()
        }
    };
    if (-4..14).contains(&exponent) {
        let places = usize::try_from(13 - exponent).unwrap_or(0);
        trim(&format!("{n:.places$}"))
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", trim(digits), exponent.abs())
    }
}

fn decode(lua: &Lua, json: &Json) -> mlua::Result<Value> {
    Ok(match json {
        Json::Null => Value::NULL,
        Json::Bool(flag) => Value::Boolean(*flag),
        Json::Number(n) => Value::Number(n.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => Value::String(lua.create_string(text)?),
        Json::Array(items) => {
            let table = lua.create_table_with_capacity(items.len(), 0)?;
            for (at, item) in items.iter().enumerate() {
                table.raw_set(at + 1, decode(lua, item)?)?;
            }
            Value::Table(table)
        }
        Json::Object(fields) => {
            let table = lua.create_table()?;
            for (name, value) in fields {
                table.raw_set(name.as_str(), decode(lua, value)?)?;
            }
            Value::Table(table)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::fourteen;

    #[test]
    fn numbers_have_fourteen_digits() {
        for (n, text) in [
            (0.1, "0.1"),
            (1.0 / 3.0, "0.33333333333333"),
            (1e20, "1e+20"),
            (123_456.0, "123456"),
            (1e-7, "1e-07"),
            (-2.5, "-2.5"),
            (12_345_678_901_234.0, "12345678901234"),
        ] {
            assert_eq!(fourteen(n), text);
        }
    }
}
