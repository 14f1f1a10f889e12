//! `pcall` and `xpcall` that give a script the errors it would see in a server.
//!
//! Errors of functions that are not Lua's own come through Lua as objects of ours: a script wants
//! their words.
//!
//! `load` and `loadstring` read text only, as in a server: compiled code is not checked by Lua, and
//! a log can hold any.

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
local load, loadstring, type, byte = load, loadstring, type, string.byte
local function text(code)
  if type(code) == 'string' and byte(code) == 27 then return ' ' .. code end
  return code
end
local function from_string(code, name)
  if type(code) ~= 'string' then return loadstring(code, name) end
  return loadstring(text(code), name or code)
end
local function from_function(pieces, name)
  if type(pieces) ~= 'function' then return load(pieces, name) end
  local first = true
  return load(function()
    local piece = pieces()
    if first then
      first = false
      return text(piece)
    end
    return piece
  end, name)
end
return protected, handled, from_function, from_string
";

pub(super) fn install(lua: &Lua, globals: &Table) -> mlua::Result<()> {
    let (protected, handled, from_function, from_string): (Function, Function, Function, Function) =
        lua.load(WRAP).set_name("=[C]").call(lua.create_function(told)?)?;
    globals.raw_set("pcall", protected)?;
    globals.raw_set("xpcall", handled)?;
    globals.raw_set("load", from_function)?;
    globals.raw_set("loadstring", from_string)
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
