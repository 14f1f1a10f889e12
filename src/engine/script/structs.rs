//! `struct`: values as the bytes of C's types and back.
//!
//! ```text
//! > < big or little end first      !n  alignment, n a power of 2     x  a byte of nothing
//! b h l T iN  signed integers (T: not), in capitals unsigned         f d  float, double
//! cN  N bytes, c0 as many as there are, or as the number before says s  bytes up to a zero
//! ```

use mlua::{Lua, MultiValue, Table, Value};

use super::args::{Args, as_number, fault, room, truncated, wrong};

/// What `!` alone stands for, and the size of `i` alone.
const MOST_ALIGNED: usize = 8;
const INT: usize = 4;
/// The biggest integer.
const MOST_BYTES: usize = 32;

pub(super) fn install(lua: &Lua, globals: &Table) -> mlua::Result<()> {
    let library = lua.create_table()?;
    library.raw_set("pack", lua.create_function(pack)?)?;
    library.raw_set("unpack", lua.create_function(unpack)?)?;
    library.raw_set("size", lua.create_function(size)?)?;
    globals.raw_set("struct", library)
}

/// A format, as far as it is not read yet.
struct Format<'a> {
    lua: &'a Lua,
    rest: &'a [u8],
    is_little: bool,
    align: usize,
}

/// A letter of a format, how many bytes it stands for, and how many go before it.
struct Item {
    letter: u8,
    size: usize,
    gap: usize,
}

impl<'a> Format<'a> {
    fn new(lua: &'a Lua, text: &'a [u8]) -> Self {
        // It ends as strings of C do.
        let end = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
        let rest = text.get(..end).unwrap_or_default();
        Format { lua, rest, is_little: cfg!(target_endian = "little"), align: 1 }
    }

    /// The next one, for the place `at`.
    fn next(&mut self, at: usize) -> mlua::Result<Option<Item>> {
        let Some((&letter, rest)) = self.rest.split_first() else { return Ok(None) };
        self.rest = rest;
        let size = match letter {
            b'b' | b'B' | b'x' => 1,
            b'h' | b'H' => 2,
            b'f' => 4,
            b'l' | b'L' | b'T' | b'd' => 8,
            b'c' => self.number(1)?,
            b'i' | b'I' => match self.number(INT)? {
                size if size > MOST_BYTES => {
                    let words =
                        format!("integral size {size} is larger than limit of {MOST_BYTES}");
                    return Err(fault(self.lua, &words));
                }
                size => size,
            },
            _ => 0,
        };
        let gap = match size {
            0 => 0,
            _ if letter == b'c' => 0,
            size => {
                let step = size.min(self.align);
                step.wrapping_sub(at & (step - 1)) & (step - 1)
            }
        };
        Ok(Some(Item { letter, size, gap }))
    }

    /// The number that stands here.
    fn number(&mut self, default: usize) -> mlua::Result<usize> {
        let mut number = None;
        while let Some((digit @ b'0'..=b'9', rest)) = self.rest.split_first() {
            let next = number.unwrap_or(0_i32).checked_mul(10);
            let next = next.and_then(|n| n.checked_add(i32::from(digit - b'0')));
            number = Some(next.ok_or_else(|| fault(self.lua, "integral size overflow"))?);
            self.rest = rest;
        }
        Ok(number.map_or(default, |n| n as usize))
    }

    /// What is no value.
    fn control(&mut self, letter: u8) -> mlua::Result<()> {
        match letter {
            b' ' => {}
            b'>' => self.is_little = false,
            b'<' => self.is_little = true,
            b'!' => {
                let align = self.number(MOST_ALIGNED)?;
                if !align.is_power_of_two() {
                    let words = format!("alignment {align} is not a power of 2");
                    return Err(fault(self.lua, &words));
                }
                self.align = align;
            }
            _ => {
                let words = format!("invalid format option '{}'", char::from(letter));
                return Err(wrong(self.lua, 1, &words));
            }
        }
        Ok(())
    }

    /// Bytes with the little end first as the format wants them, and the other way round.
    fn turned<const N: usize>(&self, mut bytes: [u8; N]) -> [u8; N] {
        if !self.is_little {
            bytes.reverse();
        }
        bytes
    }
}

fn pack(lua: &Lua, values: MultiValue) -> mlua::Result<Value> {
    let mut args = Args::new(lua, values);
    let text = args.bytes(1)?;
    // As the servers' library has it on its stack: what is missing is nil.
    args.mark_end();
    let text = text.as_bytes();
    let mut format = Format::new(lua, &text);
    let mut out = Vec::new();
    let mut place = 1;
    while let Some(item) = format.next(out.len())? {
        out.resize(out.len() + item.gap, 0);
        match item.letter {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                place += 1;
                let n = unsigned(args.number(place)?).to_le_bytes();
                let bytes = n.into_iter().chain(std::iter::repeat(0)).take(item.size);
                let from = out.len();
                out.extend(bytes);
                if let (false, Some(added)) = (format.is_little, out.get_mut(from..)) {
                    added.reverse();
                }
            }
            b'x' => out.push(0),
            b'f' => {
                place += 1;
                out.extend(format.turned((args.number(place)? as f32).to_le_bytes()));
            }
            b'd' => {
                place += 1;
                out.extend(format.turned(args.number(place)?.to_le_bytes()));
            }
            letter @ (b'c' | b's') => {
                place += 1;
                let given = args.bytes(place)?;
                let given = given.as_bytes();
                let size = if item.size == 0 { given.len() } else { item.size };
                let Some(part) = given.get(..size) else {
                    // The servers' library has counted on by now.
                    return Err(wrong(lua, place + 1, "string too short"));
                };
                out.extend_from_slice(part);
                out.extend((letter == b's').then_some(0));
            }
            letter => format.control(letter)?,
        }
    }
    Ok(Value::String(lua.create_string(out)?))
}

/// A number as an integer without a sign, as the servers' processors cast it.
fn unsigned(n: f64) -> u64 {
    const HALF: f64 = 9_223_372_036_854_775_808.0;
    if n >= HALF { (truncated(n - HALF) as u64) ^ (1 << 63) } else { truncated(n) as u64 }
}

fn unpack(lua: &Lua, values: MultiValue) -> mlua::Result<MultiValue> {
    let args = Args::new(lua, values);
    let (text, data) = (args.bytes(1)?, args.bytes(2)?);
    let (text, data) = (text.as_bytes(), data.as_bytes());
    let from = args.integer_or(3, 1)?;
    let Some(mut at) = (from as usize).checked_sub(1) else {
        return Err(wrong(lua, 3, "offset must be 1 or greater"));
    };
    let short = || wrong(lua, 2, "data string too short");
    let part = |at: usize, size: usize| {
        let end = at.checked_add(size).ok_or_else(short)?;
        data.get(at..end).ok_or_else(short)
    };
    let mut format = Format::new(lua, &text);
    let mut found: Vec<Value> = Vec::new();
    while let Some(item) = format.next(at)? {
        at = at.wrapping_add(item.gap);
        let bytes = part(at, item.size)?;
        room(lua, args.all().len() + found.len(), 2, "too many results")?;
        let mut size = item.size;
        match item.letter {
            letter @ (b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I') => {
                let is_signed = letter.is_ascii_lowercase();
                found.push(Value::Number(integer(bytes, format.is_little, is_signed)));
            }
            b'x' => {}
            b'f' => {
                let bytes = *bytes.first_chunk().ok_or_else(short)?;
                found.push(Value::Number(f32::from_le_bytes(format.turned(bytes)).into()));
            }
            b'd' => {
                let bytes = *bytes.first_chunk().ok_or_else(short)?;
                found.push(Value::Number(f64::from_le_bytes(format.turned(bytes))));
            }
            b'c' => {
                if size == 0 {
                    let before = found.pop().and_then(|value| as_number(lua, &value));
                    let Some(before) = before else {
                        return Err(fault(lua, "format 'c0' needs a previous size"));
                    };
                    size = unsigned(before) as usize;
                }
                found.push(Value::String(lua.create_string(part(at, size)?)?));
            }
            b's' => {
                let behind = data.get(at..).unwrap_or_default();
                let Some(end) = behind.iter().position(|&byte| byte == 0) else {
                    return Err(fault(lua, "unfinished string in data"));
                };
                found.push(Value::String(lua.create_string(part(at, end)?)?));
                size = end + 1;
            }
            letter => format.control(letter)?,
        }
        at = at.wrapping_add(size);
    }
    found.push(Value::Number(at as f64 + 1.0));
    Ok(MultiValue::from_vec(found))
}

/// An integer, of which only the last 64 bits count.
fn integer(bytes: &[u8], is_little: bool, is_signed: bool) -> f64 {
    let join = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
    let n = if is_little { bytes.iter().rev().fold(0, join) } else { bytes.iter().fold(0, join) };
    if !is_signed {
        return n as f64;
    }
    // The shift of the servers' processors, which goes round after 64 bits: 9 bytes have the sign
    // of the last.
    let sign = u64::MAX << ((bytes.len() * 8).wrapping_sub(1) % 64);
    let n = if n & sign == 0 { n } else { n | sign };
    n.cast_signed() as f64
}

fn size(lua: &Lua, values: MultiValue) -> mlua::Result<Value> {
    let args = Args::new(lua, values);
    let text = args.bytes(1)?;
    let text = text.as_bytes();
    let mut format = Format::new(lua, &text);
    let mut at = 0_usize;
    while let Some(item) = format.next(at)? {
        at = at.wrapping_add(item.gap);
        match item.letter {
            b's' => return Err(wrong(lua, 1, "option 's' has no fixed size")),
            b'c' if item.size == 0 => {
                return Err(wrong(lua, 1, "option 'c0' has no fixed size"));
            }
            // Letters that mean nothing are not looked at here.
            letter if !letter.is_ascii_alphanumeric() => format.control(letter)?,
            _ => {}
        }
        at = at.wrapping_add(item.size);
    }
    Ok(Value::Number(at as f64))
}
