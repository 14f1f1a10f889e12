//! What scripts find: `redis` (and `server`), the libraries, a `math.random` without chance.

use mlua::{Function, Lua, LuaString, Table, Value};

use super::convert::one;
use super::{bit, json, msgpack, protect, structs};
use crate::bytes::sha1_hex;

const FUNCTIONS: &str = "rdbkit.functions";

/// The state of the servers' own random numbers, those of `drand48`.
const FIRST_RANDOM: u64 = 0x330e;
const RANDOM_FACTOR: u64 = 0x5_deec_e66d;
const RANDOM_TERM: u64 = 0xb;
const RANDOM_MASK: u64 = (1 << 48) - 1;

struct Random(u64);

impl Random {
    fn seeded(seed: u32) -> Self {
        Random(FIRST_RANDOM | u64::from(seed) << 16)
    }

    /// The next one, from 0 on and below 1.
    fn next(&mut self) -> f64 {
        const MOST: u64 = i32::MAX as u64;
        self.0 = self.0.wrapping_mul(RANDOM_FACTOR).wrapping_add(RANDOM_TERM) & RANDOM_MASK;
        ((self.0 >> 17) % MOST) as f64 / MOST as f64
    }
}

/// Puts everything in place; what can reach files or other code goes.
pub(super) fn install(lua: &Lua) -> mlua::Result<()> {
    let globals = lua.globals();
    for name in ["dofile", "loadfile", "print", "require", "module", "package", "io", "os", "debug"]
    {
        globals.raw_set(name, Value::Nil)?;
    }
    let redis = lua.create_table()?;
    redis.raw_set(
        "error_reply",
        lua.create_function(|lua, text: LuaString| one(lua, "err", &text.as_bytes()))?,
    )?;
    redis.raw_set(
        "status_reply",
        lua.create_function(|lua, text: LuaString| one(lua, "ok", &text.as_bytes()))?,
    )?;
    redis.raw_set(
        "sha1hex",
        lua.create_function(|_, text: LuaString| Ok(sha1_hex(&text.as_bytes())))?,
    )?;
    redis.raw_set("log", lua.create_function(|_, _: mlua::MultiValue| Ok(()))?)?;
    redis.raw_set("replicate_commands", lua.create_function(|_, ()| Ok(true))?)?;
    redis.raw_set("set_repl", lua.create_function(|_, _: Value| Ok(()))?)?;
    redis.raw_set("setresp", lua.create_function(|_, _: Value| Ok(()))?)?;
    redis.raw_set("breakpoint", lua.create_function(|_, ()| Ok(false))?)?;
    redis.raw_set("debug", lua.create_function(|_, _: mlua::MultiValue| Ok(()))?)?;
    redis.raw_set("register_function", lua.create_function(register)?)?;
    levels(&redis)?;
    for (name, flags) in
        [("REPL_NONE", 0), ("REPL_AOF", 1), ("REPL_SLAVE", 2), ("REPL_REPLICA", 2), ("REPL_ALL", 3)]
    {
        redis.raw_set(name, flags)?;
    }
    globals.raw_set("redis", redis.clone())?;
    globals.raw_set("server", redis)?;
    json::install(lua, &globals)?;
    bit::install(lua, &globals)?;
    msgpack::install(lua, &globals)?;
    structs::install(lua, &globals)?;
    protect::install(lua, &globals)
}

/// The levels of `redis.log`.
pub(super) fn levels(redis: &Table) -> mlua::Result<()> {
    for (at, name) in ["LOG_DEBUG", "LOG_VERBOSE", "LOG_NOTICE", "LOG_WARNING"].iter().enumerate() {
        redis.raw_set(*name, at)?;
    }
    Ok(())
}

/// Begins a script: chance starts over, and nothing is left of the one before.
pub(super) fn begin(lua: &Lua) -> mlua::Result<()> {
    let globals = lua.globals();
    let math: Table = globals.raw_get("math")?;
    let state = std::rc::Rc::new(std::cell::RefCell::new(Random::seeded(0)));
    let seed = std::rc::Rc::clone(&state);
    math.raw_set(
        "random",
        lua.create_function(move |_, (low, high): (Option<f64>, Option<f64>)| {
            let r = state.borrow_mut().next();
            let (low, high) = match (low, high) {
                (None, _) => return Ok(r),
                (Some(high), None) => (1.0, high),
                (Some(low), Some(high)) => (low, high),
            };
            if low > high {
                return Err(mlua::Error::runtime("interval is empty"));
            }
            Ok((r * (high - low + 1.0)).floor() + low)
        })?,
    )?;
    math.raw_set(
        "randomseed",
        lua.create_function(move |_, n: f64| {
            *seed.borrow_mut() = Random::seeded(n as i64 as u32);
            Ok(())
        })?,
    )?;
    lua.set_named_registry_value(FUNCTIONS, lua.create_table()?)
}

/// Puts a function into `redis`.
pub(super) fn offer(lua: &Lua, name: &str, function: Function) -> mlua::Result<()> {
    lua.globals().raw_get::<Table>("redis")?.raw_set(name, function)
}

/// `redis.register_function(name, f)` or `redis.register_function{function_name=, callback=}`.
fn register(lua: &Lua, (first, callback): (Value, Option<Function>)) -> mlua::Result<()> {
    let table: Table = lua.named_registry_value(FUNCTIONS)?;
    match first {
        Value::Table(form) => {
            let (mut name, mut callback) = (Value::Nil, Value::Nil);
            for pair in form.pairs::<LuaString, Value>() {
                let (key, value) = pair?;
                match key.as_bytes().to_ascii_lowercase().as_slice() {
                    b"function_name" => name = value,
                    b"callback" => callback = value,
                    _ => {}
                }
            }
            table.raw_set(lua.coerce_string(name)?, callback)
        }
        name => table.raw_set(lua.coerce_string(name)?, callback),
    }
}

/// A function that was registered, by its name in any case.
pub(super) fn registered(lua: &Lua, name: &[u8]) -> mlua::Result<Option<Function>> {
    let table: Table = lua.named_registry_value(FUNCTIONS)?;
    for pair in table.pairs::<LuaString, Function>() {
        let (other, function) = pair?;
        if other.as_bytes().eq_ignore_ascii_case(name) {
            return Ok(Some(function));
        }
    }
    Ok(None)
}
