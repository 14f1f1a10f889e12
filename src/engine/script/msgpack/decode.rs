//! MessagePack as values, without recursion: what lies in what is kept in a list.

use mlua::{Lua, Table, Value};

use super::super::args::{fault, room};

const MISSING: &str = "Missing bytes in input.";
const BAD: &str = "Bad data format in input.";
const TOO_MANY: &str = "too many return values at once; use unpack_one or unpack_limit instead.";

/// Reads values out of bytes.
pub(super) struct Decoder<'a> {
    lua: &'a Lua,
    rest: &'a [u8],
    /// How many values the servers' library would have on its stack: where that ends, so does this.
    slots: usize,
}

/// A table that is being filled.
struct Open {
    table: Table,
    left: u32,
    next: Next,
}

/// What comes next for a table.
enum Next {
    /// The element at this place.
    Element(u32),
    /// A key.
    Key,
    /// The value of this key.
    Of(Value),
}

/// The beginning of a value: all of it, or a table of so many elements.
enum Token {
    Value(Value),
    Array(u32),
    Map(u32),
}

impl<'a> Decoder<'a> {
    /// Reads these bytes, for a function that has been given this many arguments.
    pub(super) fn new(lua: &'a Lua, rest: &'a [u8], given: usize) -> Self {
        Decoder { lua, rest, slots: given }
    }

    pub(super) fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next value, whole.
    pub(super) fn value(&mut self) -> mlua::Result<Value> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            let value = match self.token()? {
                Token::Value(value) => value,
                Token::Array(left) => {
                    let table = self.table()?;
                    self.slots += 1;
                    room(self.lua, self.slots, 1, "in function mp_decode_to_lua_array")?;
                    if left > 0 {
                        // Its own number waits beside each element.
                        self.slots += 1;
                        open.push(Open { table, left, next: Next::Element(1) });
                        continue;
                    }
                    self.slots -= 1;
                    Value::Table(table)
                }
                Token::Map(left) => {
                    let table = self.table()?;
                    if left > 0 {
                        self.slots += 1;
                        open.push(Open { table, left, next: Next::Key });
                        continue;
                    }
                    Value::Table(table)
                }
            };
            if let Some(value) = self.settle(&mut open, value)? {
                self.slots += 1;
                return Ok(value);
            }
        }
    }

    /// Puts a value where it belongs, closing what it completes; the value, if that is nowhere.
    fn settle(&mut self, open: &mut Vec<Open>, value: Value) -> mlua::Result<Option<Value>> {
        let mut value = value;
        loop {
            let Some(inner) = open.last_mut() else { return Ok(Some(value)) };
            inner.next = match std::mem::replace(&mut inner.next, Next::Key) {
                Next::Element(at) => {
                    inner.table.raw_set(at, value)?;
                    inner.left -= 1;
                    Next::Element(at.wrapping_add(1))
                }
                Next::Key => {
                    self.slots += 1;
                    inner.next = Next::Of(value);
                    return Ok(None);
                }
                Next::Of(key) => {
                    self.slots -= 1;
                    set(&inner.table, key, value)?;
                    inner.left -= 1;
                    Next::Key
                }
            };
            if inner.left > 0 {
                return Ok(None);
            }
            self.slots -= if matches!(inner.next, Next::Element(_)) { 2 } else { 1 };
            value = Value::Table(inner.table.clone());
            open.pop();
        }
    }

    fn token(&mut self) -> mlua::Result<Token> {
        let [code] = self.take()?;
        room(self.lua, self.slots, 1, TOO_MANY)?;
        let integer = |n: i64| Token::Value(Value::Number(n as f64));
        Ok(match code {
            0..=0x7f => integer(code.into()),
            0xe0.. => integer(code.cast_signed().into()),
            0xc0 => Token::Value(Value::Nil),
            0xc2 | 0xc3 => Token::Value(Value::Boolean(code == 0xc3)),
            0xcc => integer(u8::from_be_bytes(self.take()?).into()),
            0xcd => integer(u16::from_be_bytes(self.take()?).into()),
            0xce => integer(u32::from_be_bytes(self.take()?).into()),
            0xd0 => integer(i8::from_be_bytes(self.take()?).into()),
            0xd1 => integer(i16::from_be_bytes(self.take()?).into()),
            0xd2 => integer(i32::from_be_bytes(self.take()?).into()),
            // Without a sign too: the servers' library puts both through an integer with one.
            0xcf | 0xd3 => integer(i64::from_be_bytes(self.take()?)),
            0xca => Token::Value(Value::Number(f32::from_be_bytes(self.take()?).into())),
            0xcb => Token::Value(Value::Number(f64::from_be_bytes(self.take()?))),
            0xa0..=0xbf => self.string(u32::from(code & 0x1f))?,
            0xd9 => {
                let size = u8::from_be_bytes(self.take()?);
                self.string(size.into())?
            }
            0xda => {
                let size = u16::from_be_bytes(self.take()?);
                self.string(size.into())?
            }
            0xdb => {
                let size = u32::from_be_bytes(self.take()?);
                self.string(size)?
            }
            0x90..=0x9f => Token::Array(u32::from(code & 0xf)),
            0xdc => Token::Array(u16::from_be_bytes(self.take()?).into()),
            0xdd => Token::Array(u32::from_be_bytes(self.take()?)),
            0x80..=0x8f => Token::Map(u32::from(code & 0xf)),
            0xde => Token::Map(u16::from_be_bytes(self.take()?).into()),
            0xdf => Token::Map(u32::from_be_bytes(self.take()?)),
            _ => return Err(fault(self.lua, BAD)),
        })
    }

    fn table(&self) -> mlua::Result<Table> {
        self.lua.create_table().map_err(|error| match error {
            // There is no place for so many at once here either.
            mlua::Error::StackError => fault(self.lua, &format!("stack overflow ({TOO_MANY})")),
            error => error,
        })
    }

    fn take<const N: usize>(&mut self) -> mlua::Result<[u8; N]> {
        let (bytes, rest) =
            self.rest.split_first_chunk::<N>().ok_or_else(|| fault(self.lua, MISSING))?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn string(&mut self, size: u32) -> mlua::Result<Token> {
        let (text, rest) =
            self.rest.split_at_checked(size as usize).ok_or_else(|| fault(self.lua, MISSING))?;
        self.rest = rest;
        Ok(Token::Value(Value::String(self.lua.create_string(text)?)))
    }
}

/// Sets a field; Lua's own words where that cannot be one.
fn set(table: &Table, key: Value, value: Value) -> mlua::Result<()> {
    match key {
        Value::Nil => Err(mlua::Error::runtime("table index is nil")),
        Value::Number(n) if n.is_nan() => Err(mlua::Error::runtime("table index is NaN")),
        key => table.raw_set(key, value),
    }
}
