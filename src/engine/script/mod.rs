//! Scripts: Lua 5.1 in a sandbox, for logs in which servers up to 6.2 wrote scripts as they came.
//!
//! ```text
//! EVAL code n keys args ─ compile, once per thread ─ run ─ redis.call ─► the engine's commands
//! ```
//!
//! What a script may do follows those servers: no files, no clock, no chance of its own
//! (`math.random` begins anew with each script), answers that are sets in no order come sorted.
//! A script that runs wild is stopped by the number of its instructions.

mod args;
mod bit;
mod convert;
mod functions;
mod json;
mod library;
mod msgpack;
mod protect;
mod structs;

use std::cell::RefCell;
use std::rc::Rc;

use hashbrown::HashMap;
use mlua::chunk::ChunkMode;
use mlua::{Function, HookTriggers, Lua, LuaOptions, LuaString, MultiValue, StdLib, VmState};

use super::call::is;
use super::{Answer, Call, Failure, Keys, lookup};
use crate::rdb::Target;
use crate::resp::Reply;
use convert::{to_lua, to_reply};
pub(in crate::engine) use functions::{Registered, describe};

/// Instructions after which a script is taken for one that never ends.
const MOST_INSTRUCTIONS: u64 = 2_000_000_000;
/// How often they are counted.
const HOOK_EVERY: u32 = 1_000_000;
/// Scripts that are held compiled: Lua has no place for more than some thousand at once.
const MOST_COMPILED: usize = 1000;
/// Memory that scripts may take.
const MOST_BYTES: usize = 1 << 30;

/// The answers of these come sorted, as they did where scripts were logged as they came.
const SORTED: [&str; 8] =
    ["KEYS", "SMEMBERS", "SINTER", "SUNION", "SDIFF", "HKEYS", "HVALS", "HGETALL"];

/// Commands that scripts may not run.
const BARRED: [&str; 12] = [
    "MULTI",
    "EXEC",
    "DISCARD",
    "WATCH",
    "EVAL",
    "EVAL_RO",
    "EVALSHA",
    "EVALSHA_RO",
    "SCRIPT",
    "FCALL",
    "FCALL_RO",
    "FUNCTION",
];

/// A Lua of this thread, and what it has compiled.
struct Machine {
    lua: Lua,
    compiled: HashMap<Vec<u8>, Function>,
    /// What libraries register, on which server.
    described: HashMap<Vec<u8>, (Target, Rc<[Registered]>)>,
    spent: Rc<RefCell<u64>>,
}

thread_local! {
    static MACHINE: RefCell<Option<Rc<RefCell<Machine>>>> = const { RefCell::new(None) };
}

fn machine() -> mlua::Result<Rc<RefCell<Machine>>> {
    MACHINE.with_borrow_mut(|place| {
        if let Some(machine) = place {
            return Ok(Rc::clone(machine));
        }
        let machine = Rc::new(RefCell::new(Machine::new()?));
        *place = Some(Rc::clone(&machine));
        Ok(machine)
    })
}

impl Machine {
    fn new() -> mlua::Result<Self> {
        let parts = StdLib::TABLE | StdLib::STRING | StdLib::MATH;
        let lua = Lua::new_with(parts, LuaOptions::default())?;
        lua.set_memory_limit(MOST_BYTES)?;
        let spent = Rc::new(RefCell::new(0_u64));
        let count = Rc::clone(&spent);
        lua.set_hook(HookTriggers::new().every_nth_instruction(HOOK_EVERY), move |_, _| {
            let mut spent = count.borrow_mut();
            *spent += u64::from(HOOK_EVERY);
            if *spent > MOST_INSTRUCTIONS {
                return Err(mlua::Error::runtime("the script does not come to an end"));
            }
            Ok(VmState::Continue)
        })?;
        library::install(&lua)?;
        Ok(Machine { lua, compiled: HashMap::new(), described: HashMap::new(), spent })
    }

    fn compile(&mut self, code: &[u8]) -> mlua::Result<Function> {
        if let Some(known) = self.compiled.get(code) {
            return Ok(known.clone());
        }
        if self.compiled.len() >= MOST_COMPILED {
            self.compiled.clear();
        }
        let function = self.lua.load(code).set_name("@user_script");
        let function = function.set_mode(ChunkMode::Text).into_function()?;
        self.compiled.insert(code.to_vec(), function.clone());
        Ok(function)
    }
}

/// Runs a script. What it did before an error stays done.
pub(in crate::engine) fn eval(
    call: &mut Call<'_>,
    code: &[u8],
    keys: &[&[u8]],
    args: &[&[u8]],
) -> Answer {
    run(call, |machine, _| {
        let function = machine.compile(code).map_err(|error| {
            let words = first_line(&error);
            Failure::said(format!("ERR Error compiling script (new function): {words}"))
        })?;
        let globals = machine.lua.globals();
        let list = |items: &[&[u8]]| {
            machine.lua.create_sequence_from(
                items
                    .iter()
                    .map(|item| machine.lua.create_string(item))
                    .collect::<mlua::Result<Vec<_>>>()?,
            )
        };
        let set = || {
            globals.raw_set("KEYS", list(keys)?)?;
            globals.raw_set("ARGV", list(args)?)
        };
        set().map_err(failed)?;
        Ok((function, MultiValue::new()))
    })
}

/// Runs a function of a library, whose code registers it.
pub(in crate::engine) fn call_function(
    call: &mut Call<'_>,
    code: &[u8],
    name: &[u8],
    keys: &[&[u8]],
    args: &[&[u8]],
) -> Answer {
    run(call, |machine, lua| {
        let load = machine.compile(functions::body(code)).map_err(failed)?;
        load.call::<()>(()).map_err(failed)?;
        let found = library::registered(lua, name).map_err(failed)?;
        let Some(function) = found else {
            return Err(Failure::text("ERR Function not found"));
        };
        let list = |items: &[&[u8]]| -> mlua::Result<mlua::Table> {
            let texts: Vec<LuaString> =
                items.iter().map(|item| lua.create_string(item)).collect::<mlua::Result<_>>()?;
            lua.create_sequence_from(texts)
        };
        let mut given = MultiValue::new();
        given.push_back(mlua::Value::Table(list(keys).map_err(failed)?));
        given.push_back(mlua::Value::Table(list(args).map_err(failed)?));
        Ok((function, given))
    })
}

/// Runs what `prepare` comes up with, with `redis.call` at hand.
fn run(
    call: &mut Call<'_>,
    prepare: impl FnOnce(&mut Machine, &Lua) -> Answer<(Function, MultiValue)>,
) -> Answer {
    let machine = machine().map_err(failed)?;
    let Ok(mut machine) = machine.try_borrow_mut() else {
        return Err(Failure::text("ERR This Redis command is not allowed from script"));
    };
    *machine.spent.borrow_mut() = 0;
    let lua = machine.lua.clone();
    library::begin(&lua).map_err(failed)?;
    let broken: RefCell<Option<Failure>> = RefCell::new(None);
    let call = RefCell::new(call);
    let step = |lua: &Lua, words: MultiValue, raise: bool| {
        let args = convert::words(&words)?;
        let answer = match call.try_borrow_mut() {
            Ok(mut call) => command(&mut call, &args),
            Err(_) => Err(Failure::text("ERR a script runs already")),
        };
        let reply = match answer {
            Ok(reply) => reply,
            Err(Failure::Error(words)) => Reply::Error(words),
            Err(failure) => {
                // Neither the script nor pcall can do anything about this one.
                *broken.borrow_mut() = Some(failure);
                return Err(mlua::Error::runtime("the command cannot be run"));
            }
        };
        match reply {
            Reply::Error(words) if raise => Err(mlua::Error::runtime(words)),
            reply => to_lua(lua, reply),
        }
    };
    let result = lua.scope(|scope| {
        library::offer(&lua, "call", scope.create_function(|lua, words| step(lua, words, true))?)?;
        library::offer(
            &lua,
            "pcall",
            scope.create_function(|lua, words| step(lua, words, false))?,
        )?;
        let prepared = prepare(&mut machine, &lua);
        let (function, given) = match prepared {
            Ok(prepared) => prepared,
            Err(failure) => return Ok(Err(failure)),
        };
        Ok(Ok(to_reply(&function.call::<mlua::Value>(given)?)))
    });
    if let Some(failure) = broken.into_inner() {
        return Err(failure);
    }
    match result {
        Ok(Ok(Reply::Error(words))) => Err(Failure::Error(words)),
        Ok(answer) => answer,
        Err(error) => Err(failed(error)),
    }
}

/// Runs a command for a script.
fn command(call: &mut Call<'_>, args: &[Vec<u8>]) -> Answer {
    let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
    let Some(name) = args.first() else {
        return Err(Failure::text(
            "ERR Please specify at least one argument for this redis.call() call",
        ));
    };
    if BARRED.iter().any(|word| is(name, word)) {
        return Err(Failure::text("ERR This Redis command is not allowed from script"));
    }
    let Some(spec) = lookup(name) else {
        return Err(Failure::text("ERR Unknown Redis command called from script"));
    };
    if !spec.takes(args.len()) {
        return Err(Failure::text("ERR Wrong number of args calling Redis command from script"));
    }
    let (db, gone) = (call.keys.db, call.keys.gone_before_ms);
    let keys = Keys::new(call.keys.keyspace(), db, gone);
    let mut inner = Call { args: &args, keys, env: call.env };
    let answer = (spec.run)(&mut inner);
    let db = inner.keys.db;
    call.keys.db = db;
    let mut reply = answer?;
    if SORTED.contains(&spec.name)
        && spec.name != "HGETALL"
        && let Reply::Array(items) = &mut reply
    {
        items.sort_by(|one, other| bytes(one).cmp(bytes(other)));
    }
    Ok(reply)
}

fn bytes(reply: &Reply) -> &[u8] {
    match reply {
        Reply::Bulk(bytes) => bytes,
        _ => &[],
    }
}

fn first_line(error: &mlua::Error) -> String {
    protect::words(error).lines().next().unwrap_or_default().to_owned()
}

/// A script's error as a server answers it.
fn failed(error: mlua::Error) -> Failure {
    let words = first_line(&error);
    let has_code = words
        .split_once(' ')
        .is_some_and(|(code, _)| code.len() > 2 && code.bytes().all(|b| b.is_ascii_uppercase()));
    Failure::said(if has_code { words } else { format!("ERR {words}") })
}
