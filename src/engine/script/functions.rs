//! What a library registers: its code runs once, in a world with nothing in it but `redis`.
//!
//! ```text
//! #!lua name=lib
//! redis.register_function{function_name='f', description='…', callback=f, flags={'no-writes'}}
//! ```
//!
//! Nothing is kept of the run but names, descriptions and flags: a function that is called is
//! taken from its code again.

use std::cell::RefCell;
use std::rc::Rc;

use mlua::chunk::ChunkMode;
use mlua::{Lua, LuaString, MultiValue, Table, Value};

use super::args::fault;
use super::{Machine, machine, protect};
use crate::engine::{Answer, Failure};
use crate::rdb::{Product, Target};
use crate::resp::Reply;

/// The flags that a function can have, in the order in which servers list them.
const FLAGS: [&str; 5] =
    ["no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys"];

/// From this Valkey on, names are looked at when all of a library has run.
const LATE: (u16, u16) = (8, 1);

/// A function of a library.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Registered {
    pub(in crate::engine) name: Vec<u8>,
    description: Option<Vec<u8>>,
    /// Which of [`FLAGS`].
    flags: [bool; FLAGS.len()],
}

impl Registered {
    /// As FUNCTION LIST shows it.
    pub(in crate::engine) fn reply(&self) -> Reply {
        let flags = FLAGS.iter().zip(self.flags).filter(|(_, is_set)| *is_set);
        Reply::Array(vec![
            Reply::bulk("name"),
            Reply::bulk(&self.name),
            Reply::bulk("description"),
            self.description.as_ref().map_or(Reply::Nil, Reply::bulk),
            Reply::bulk("flags"),
            Reply::Array(flags.map(|(flag, _)| Reply::bulk(flag)).collect()),
        ])
    }
}

/// The library that is being read.
struct Reading {
    functions: Vec<Registered>,
    /// How this server calls the table that scripts know.
    api: &'static str,
    /// Whether names are looked at only when the library has run; the first that is wrong then.
    is_late: bool,
    wrong: Option<&'static str>,
}

/// The functions that a library registers, or the words with which a server refuses it.
pub(in crate::engine) fn describe(target: &Target, code: &[u8]) -> Answer<Rc<[Registered]>> {
    let machine = machine().map_err(super::failed)?;
    let Ok(mut machine) = machine.try_borrow_mut() else {
        return Err(Failure::text("ERR This Redis command is not allowed from script"));
    };
    if let Some((known, functions)) = machine.described.get(code)
        && known == target
    {
        return Ok(Rc::clone(functions));
    }
    let functions: Rc<[Registered]> = read(&machine, target, code)?.into();
    if machine.described.len() >= super::MOST_COMPILED {
        machine.described.clear();
    }
    machine.described.insert(code.to_vec(), (*target, Rc::clone(&functions)));
    Ok(functions)
}

fn read(machine: &Machine, target: &Target, code: &[u8]) -> Answer<Vec<Registered>> {
    let lua = &machine.lua;
    *machine.spent.borrow_mut() = 0;
    let is_valkey = target.product == Product::Valkey;
    let reading = Rc::new(RefCell::new(Reading {
        functions: Vec::new(),
        api: if is_valkey { "server" } else { "redis" },
        is_late: is_valkey && target.version >= LATE,
        wrong: None,
    }));
    let world = world(lua, target, &reading).map_err(super::failed)?;
    let chunk = lua.load(body(code)).set_name("@user_function").set_mode(ChunkMode::Text);
    let said = |what: &str, error: &mlua::Error| {
        let words = protect::words(error);
        let words = words.split("\nstack traceback:").next().unwrap_or_default();
        Failure::said(format!("ERR {what}{}", words.replace(['\r', '\n'], " ")))
    };
    let function = chunk
        .set_environment(world)
        .into_function()
        .map_err(|error| said("Error compiling function: ", &error))?;
    function.call::<()>(()).map_err(|error| said("Error registering functions: ERR ", &error))?;
    let mut reading = reading.borrow_mut();
    if let Some(words) = reading.wrong {
        return Err(Failure::said(format!("ERR {words}")));
    }
    if reading.functions.is_empty() {
        return Err(Failure::text("ERR No functions registered"));
    }
    Ok(std::mem::take(&mut reading.functions))
}

/// The code behind the first line, which is no Lua; its end stays, so that lines keep their numbers.
pub(super) fn body(code: &[u8]) -> &[u8] {
    let end = code.iter().position(|&byte| byte == b'\n');
    end.and_then(|end| code.get(end..)).unwrap_or_default()
}

/// What a library finds while it is loaded.
fn world(lua: &Lua, target: &Target, reading: &Rc<RefCell<Reading>>) -> mlua::Result<Table> {
    let api = lua.create_table()?;
    let place = Rc::clone(reading);
    api.raw_set(
        "register_function",
        lua.create_function(move |lua, values: MultiValue| {
            register(lua, &mut place.borrow_mut(), &values.into_vec()).map_err(mlua::Error::runtime)
        })?,
    )?;
    api.raw_set(
        "log",
        lua.create_function(|_, values: MultiValue| match values.len() {
            0 | 1 => Err(mlua::Error::runtime("redis.log() requires two arguments or more.")),
            _ => Ok(()),
        })?,
    )?;
    super::library::levels(&api)?;
    let (major, minor) = target.version;
    // Valkey calls itself a Redis of this version.
    let (old_major, old_minor, old_patch) =
        if target.product == Product::Valkey { (7, 2, 4) } else { (major, minor, 0) };
    api.raw_set("REDIS_VERSION", format!("{old_major}.{old_minor}.{old_patch}"))?;
    api.raw_set("REDIS_VERSION_NUM", number(old_major, old_minor) + old_patch)?;
    if target.product == Product::Valkey {
        api.raw_set("SERVER_NAME", "valkey")?;
        api.raw_set("VALKEY_VERSION", format!("{major}.{minor}.0"))?;
        api.raw_set("VALKEY_VERSION_NUM", number(major, minor))?;
    }
    let api = sealed(lua, api)?;
    let world = lua.create_table()?;
    world.raw_set("redis", &api)?;
    // Redis has no such name, but a log does not always say which of them wrote it.
    world.raw_set("server", api)?;
    sealed(lua, world)
}

fn number(major: u16, minor: u16) -> u32 {
    u32::from(major) << 16 | u32::from(minor) << 8
}

/// A table that shows what another has, and can neither be changed nor asked for what is not there.
fn sealed(lua: &Lua, inner: Table) -> mlua::Result<Table> {
    let rules = lua.create_table()?;
    rules.raw_set(
        "__index",
        lua.create_function(move |lua, (_, name): (Value, Value)| {
            let value: Value = inner.raw_get(&name)?;
            if !value.is_nil() {
                return Ok(value);
            }
            let name = lua.coerce_string(name)?.map(|name| name.to_string_lossy().to_string());
            let name = name.unwrap_or_default();
            let words = format!("Script attempted to access nonexistent global variable '{name}'");
            Err(fault(lua, &words))
        })?,
    )?;
    rules.raw_set(
        "__newindex",
        lua.create_function(|lua, _: MultiValue| -> mlua::Result<()> {
            Err(fault(lua, "Attempt to modify a readonly table"))
        })?,
    )?;
    let outer = lua.create_table()?;
    outer.set_metatable(Some(rules))?;
    Ok(outer)
}

/// `register_function(name, f)` and `register_function{function_name=, callback=, …}`.
fn register(lua: &Lua, reading: &mut Reading, values: &[Value]) -> Result<(), String> {
    let api = reading.api;
    let function = match values {
        [Value::Table(form)] => named(lua, api, form)?,
        [_] => {
            return Err(format!(
                "calling {api}.register_function with a single argument is only applicable to Lua \
                 table (representing named arguments)."
            ));
        }
        [name, callback] => {
            let name = text(lua, name).ok_or_else(|| {
                format!("first argument to {api}.register_function must be a string")
            })?;
            if !callback.is_function() {
                let words = "second argument to {}.register_function must be a function";
                return Err(words.replace("{}", api));
            }
            Registered { name, description: None, flags: [false; FLAGS.len()] }
        }
        _ => return Err(format!("wrong number of arguments to {api}.register_function")),
    };
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let wrong = if function.name.is_empty() || !function.name.iter().all(is_name) {
        Some(match api {
            "server" => {
                "Function names can only contain letters, numbers, or underscores(_) and must be \
                 at least one character long"
            }
            // So they say.
            _ => {
                "Library names can only contain letters, numbers, or underscores(_) and must be at \
                 least one character long"
            }
        })
    } else if reading.functions.iter().any(|other| other.name == function.name) {
        Some("Function already exists in the library")
    } else {
        None
    };
    match wrong {
        Some(words) if !reading.is_late => return Err(words.to_owned()),
        wrong => reading.wrong = reading.wrong.or(wrong),
    }
    reading.functions.push(function);
    Ok(())
}

fn text(lua: &Lua, value: &Value) -> Option<Vec<u8>> {
    let text: Option<LuaString> = lua.coerce_string(value.clone()).ok().flatten();
    text.map(|text| text.as_bytes().to_vec())
}

fn named(lua: &Lua, api: &str, form: &Table) -> Result<Registered, String> {
    let (mut name, mut description, mut has_callback) = (None, None, false);
    let mut flags = [false; FLAGS.len()];
    for pair in form.pairs::<Value, Value>() {
        let (key, value) = pair.map_err(|error| error.to_string())?;
        let key = text(lua, &key).ok_or_else(|| {
            format!("named argument key given to {api}.register_function is not a string")
        })?;
        let string = |what: &str| {
            text(lua, &value).ok_or_else(|| {
                format!("{what} argument given to {api}.register_function must be a string")
            })
        };
        match key.to_ascii_lowercase().as_slice() {
            b"function_name" => name = Some(string("function_name")?),
            b"description" => description = Some(string("description")?),
            b"callback" if value.is_function() => has_callback = true,
            b"callback" => {
                let words = "callback argument given to {}.register_function must be a function";
                return Err(words.replace("{}", api));
            }
            b"flags" => {
                let Value::Table(list) = &value else {
                    return Err(format!(
                        "flags argument to {api}.register_function must be a table representing \
                         function flags"
                    ));
                };
                read_flags(lua, list, &mut flags).ok_or("unknown flag given")?;
            }
            _ => return Err(format!("unknown argument given to {api}.register_function")),
        }
    }
    let Some(name) = name else {
        return Err(format!("{api}.register_function must get a function name argument"));
    };
    if !has_callback {
        return Err(format!("{api}.register_function must get a callback argument"));
    }
    Ok(Registered { name, description, flags })
}

fn read_flags(lua: &Lua, list: &Table, flags: &mut [bool; FLAGS.len()]) -> Option<()> {
    for at in 1.. {
        let value: Value = list.raw_get(at).ok()?;
        if value.is_nil() {
            break;
        }
        let word = text(lua, &value)?;
        let known = FLAGS.iter().position(|flag| word.eq_ignore_ascii_case(flag.as_bytes()))?;
        *flags.get_mut(known)? = true;
    }
    Some(())
}
