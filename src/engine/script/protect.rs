//! `pcall` and `xpcall` that give a script the errors it would see in a server.
//!
//! Errors of functions that are not Lua's own come through Lua as objects of ours: a script wants
//! their words.

use mlua::{Function, Lua, Table, Value};

const WRAP: &str = "
local pcall, xpcall, told = pcall, xpcall, ...
local function settle(done, ...)
  if done then return true, ... end
  return false, told((...))
end
local function protected(...)
  return settle(pcall(...))
end
local function handled(f, handler)
  return xpcall(f, function(err) return handler(told(err)) end)
end
return protected, handled
";

pub(super) fn install(lua: &Lua, globals: &Table) -> mlua::Result<()> {
    let (protected, handled): (Function, Function) =
        lua.load(WRAP).set_name("=[C]").call(lua.create_function(told)?)?;
    globals.raw_set("pcall", protected)?;
    globals.raw_set("xpcall", handled)
}

/// An error as a script sees it.
fn told(lua: &Lua, value: Value) -> mlua::Result<Value> {
    match value {
        Value::Error(error) => Ok(Value::String(lua.create_string(words(&error))?)),
        value => Ok(value),
    }
}

/// What an error says.
pub(super) fn words(error: &mlua::Error) -> String {
    match error {
        mlua::Error::CallbackError { cause, .. } => words(cause),
        mlua::Error::RuntimeError(text)
        | mlua::Error::MemoryError(text)
        | mlua::Error::SyntaxError { message: text, .. } => text.clone(),
        error => error.to_string(),
    }
}
