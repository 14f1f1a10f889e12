//! `bit`: operations on the 32 low bits of numbers, whose answers are signed.

use mlua::{Lua, MultiValue, Table, Value};

use super::args::Args;

/// Added to a number it leaves the number's integer, rounded to even, in the low bits of the sum.
const ROUNDS: f64 = 6_755_399_441_055_744.0;

pub(super) fn install(lua: &Lua, globals: &Table) -> mlua::Result<()> {
    let bit = lua.create_table()?;
    one(lua, &bit, "tobit", |n| n)?;
    one(lua, &bit, "bnot", |n| !n)?;
    one(lua, &bit, "bswap", u32::swap_bytes)?;
    fold(lua, &bit, "band", |a, b| a & b)?;
    fold(lua, &bit, "bor", |a, b| a | b)?;
    fold(lua, &bit, "bxor", |a, b| a ^ b)?;
    shift(lua, &bit, "lshift", |n, by| n << by)?;
    shift(lua, &bit, "rshift", |n, by| n >> by)?;
    shift(lua, &bit, "arshift", |n, by| (n.cast_signed() >> by).cast_unsigned())?;
    shift(lua, &bit, "rol", u32::rotate_left)?;
    shift(lua, &bit, "ror", u32::rotate_right)?;
    bit.raw_set(
        "tohex",
        lua.create_function(|lua, values: MultiValue| {
            let args = Args::new(lua, values);
            let n = word(&args, 1)?;
            let digits = if args.is_none(2) { 8 } else { word(&args, 2)?.cast_signed() };
            Ok(hex(n, digits))
        })?,
    )?;
    globals.raw_set("bit", bit)
}

/// The last digits of a number, in upper case where less than none are asked for.
fn hex(n: u32, digits: i32) -> String {
    let text = if digits < 0 { format!("{n:08X}") } else { format!("{n:08x}") };
    let keep = digits.unsigned_abs().min(8) as usize;
    text.get(8 - keep..).unwrap_or_default().to_owned()
}

fn word(args: &Args<'_>, place: usize) -> mlua::Result<u32> {
    Ok((args.number(place)? + ROUNDS).to_bits() as u32)
}

fn answer(n: u32) -> Value {
    Value::Number(f64::from(n.cast_signed()))
}

fn one(lua: &Lua, bit: &Table, name: &str, f: fn(u32) -> u32) -> mlua::Result<()> {
    let function = lua.create_function(move |lua, values: MultiValue| {
        Ok(answer(f(word(&Args::new(lua, values), 1)?)))
    })?;
    bit.raw_set(name, function)
}

fn fold(lua: &Lua, bit: &Table, name: &str, f: fn(u32, u32) -> u32) -> mlua::Result<()> {
    let function = lua.create_function(move |lua, values: MultiValue| {
        let args = Args::new(lua, values);
        let mut sum = word(&args, 1)?;
        // From the last one on: with several that are wrong it is the last that is named.
        for place in (2..=args.all().len()).rev() {
            sum = f(sum, word(&args, place)?);
        }
        Ok(answer(sum))
    })?;
    bit.raw_set(name, function)
}

fn shift(lua: &Lua, bit: &Table, name: &str, f: fn(u32, u32) -> u32) -> mlua::Result<()> {
    let function = lua.create_function(move |lua, values: MultiValue| {
        let args = Args::new(lua, values);
        let n = word(&args, 1)?;
        Ok(answer(f(n, word(&args, 2)? & 31)))
    })?;
    bit.raw_set(name, function)
}
