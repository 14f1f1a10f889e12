//! Arguments as the servers' C libraries take them, and those libraries' words where they are wrong.
//!
//! ```text
//! user_script:1: bad argument #1 to 'unpack' (string expected, got no value)
//! └ where ─────┘                 └ place ┘    └ words
//! ```
//!
//! Numbers pass for strings and strings that read as numbers for numbers, as everywhere in Lua.

use mlua::{Lua, LuaString, MultiValue, Value};

/// What a function was called with.
pub(super) struct Args<'a> {
    lua: &'a Lua,
    values: Vec<Value>,
}

impl<'a> Args<'a> {
    pub(super) fn new(lua: &'a Lua, values: MultiValue) -> Self {
        Args { lua, values: values.into_vec() }
    }

    /// Behind the arguments, a nil.
    pub(super) fn mark_end(&mut self) {
        self.values.push(Value::Nil);
    }

    pub(super) fn all(&self) -> &[Value] {
        &self.values
    }

    /// The argument at this place, counted from 1.
    fn at(&self, place: usize) -> Option<&Value> {
        self.values.get(place.checked_sub(1)?)
    }

    fn is_absent(&self, place: usize) -> bool {
        matches!(self.at(place), None | Some(Value::Nil))
    }

    pub(super) fn is_none(&self, place: usize) -> bool {
        self.at(place).is_none()
    }

    pub(super) fn bytes(&self, place: usize) -> mlua::Result<LuaString> {
        let value = self.at(place).cloned().unwrap_or(Value::Nil);
        match self.lua.coerce_string(value)? {
            Some(text) => Ok(text),
            None => Err(self.expected(place, "string")),
        }
    }

    pub(super) fn number(&self, place: usize) -> mlua::Result<f64> {
        match self.at(place).and_then(|value| as_number(self.lua, value)) {
            Some(n) => Ok(n),
            None => Err(self.expected(place, "number")),
        }
    }

    pub(super) fn integer(&self, place: usize) -> mlua::Result<i64> {
        self.number(place).map(truncated)
    }

    pub(super) fn integer_or(&self, place: usize, default: i64) -> mlua::Result<i64> {
        if self.is_absent(place) { Ok(default) } else { self.integer(place) }
    }

    fn expected(&self, place: usize, what: &str) -> mlua::Error {
        let got = self.at(place).map_or("no value", kind);
        wrong(self.lua, place, &format!("{what} expected, got {got}"))
    }
}

/// What Lua calls the type of a value.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) => "number",
        Value::LightUserData(_) | Value::Error(_) => "userdata",
        value => value.type_name(),
    }
}

/// A number, or a string that reads as one.
pub(super) fn as_number(lua: &Lua, value: &Value) -> Option<f64> {
    lua.coerce_number(value.clone()).ok().flatten()
}

/// C's cast on the processors that servers run on: what does not fit is the smallest number.
pub(super) fn truncated(n: f64) -> i64 {
    const TOO_BIG: f64 = 9_223_372_036_854_775_808.0;
    if (-TOO_BIG..TOO_BIG).contains(&n) { n as i64 } else { i64::MIN }
}

/// An error of the function that runs, in the line that called it.
pub(super) fn fault(lua: &Lua, words: &str) -> mlua::Error {
    let place = lua.inspect_stack(1, |caller| {
        let line = caller.current_line().filter(|line| *line > 0)?;
        let source = caller.source().short_src?.into_owned();
        Some(format!("{source}:{line}: "))
    });
    mlua::Error::runtime(format!("{}{words}", place.flatten().unwrap_or_default()))
}

/// An error about the argument at this place.
pub(super) fn wrong(lua: &Lua, place: usize, words: &str) -> mlua::Error {
    let called = lua.inspect_stack(0, |own| {
        let names = own.names();
        (names.name.map(|name| name.into_owned()), names.name_what == Some("method"))
    });
    let (name, is_method) = called.unwrap_or_default();
    let name = name.unwrap_or_else(|| "?".to_owned());
    // A method's own table is not counted.
    match place as i64 - i64::from(is_method) {
        0 if is_method => fault(lua, &format!("calling '{name}' on bad self ({words})")),
        place => fault(lua, &format!("bad argument #{place} to '{name}' ({words})")),
    }
}

/// The most values that a function of C may have on Lua's stack.
const MOST_SLOTS: usize = 8000;

/// An error if `slots` more than `taken` are too many.
pub(super) fn room(lua: &Lua, taken: usize, slots: usize, words: &str) -> mlua::Result<()> {
    if taken + slots > MOST_SLOTS {
        return Err(fault(lua, &format!("stack overflow ({words})")));
    }
    Ok(())
}
