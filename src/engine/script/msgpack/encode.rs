//! Values as MessagePack, each in the shortest form that the servers' library knows.

use mlua::{Table, Value};

/// How deep tables may lie in each other; circles end here.
const DEEPEST: usize = 16;

const NIL: u8 = 0xc0;
const FALSE: u8 = 0xc2;
const TRUE: u8 = 0xc3;
const FLOAT: u8 = 0xca;
const DOUBLE: u8 = 0xcb;

/// The first bytes of things that have a length: in four or five bits of the first, in one byte
/// (strings only), in two, in four.
struct Heads {
    fixed: u8,
    fixed_most: usize,
    one: Option<u8>,
    two: u8,
    four: u8,
}

const STRING: Heads = Heads { fixed: 0xa0, fixed_most: 31, one: Some(0xd9), two: 0xda, four: 0xdb };
const ARRAY: Heads = Heads { fixed: 0x90, fixed_most: 15, one: None, two: 0xdc, four: 0xdd };
const MAP: Heads = Heads { fixed: 0x80, fixed_most: 15, one: None, two: 0xde, four: 0xdf };

/// Appends a value that lies in `depth` tables.
pub(super) fn value(out: &mut Vec<u8>, value: &Value, depth: usize) -> mlua::Result<()> {
    match value {
        Value::String(text) => {
            let bytes = text.as_bytes();
            head(out, &STRING, bytes.len());
            out.extend_from_slice(&bytes);
        }
        Value::Boolean(flag) => out.push(if *flag { TRUE } else { FALSE }),
        Value::Integer(n) => integer(out, *n),
        Value::Number(n) => number(out, *n),
        Value::Table(items) if depth < DEEPEST => table(out, items, depth)?,
        _ => out.push(NIL),
    }
    Ok(())
}

fn head(out: &mut Vec<u8>, heads: &Heads, count: usize) {
    match (count, heads.one) {
        _ if count <= heads.fixed_most => out.push(heads.fixed | count as u8),
        (..=0xff, Some(one)) => out.extend([one, count as u8]),
        (..=0xffff, _) => {
            out.push(heads.two);
            out.extend((count as u16).to_be_bytes());
        }
        _ => {
            out.push(heads.four);
            out.extend((count as u32).to_be_bytes());
        }
    }
}

fn integer(out: &mut Vec<u8>, n: i64) {
    // Big end first: as many of the last bytes as the form has.
    let bytes = n.to_be_bytes();
    let (code, keep) = match n {
        -32..=127 => (None, 1),
        0x80..=0xff => (Some(0xcc), 1),
        0x100..=0xffff => (Some(0xcd), 2),
        0x1_0000..=0xffff_ffff => (Some(0xce), 4),
        0x1_0000_0000.. => (Some(0xcf), 8),
        -0x80..=-33 => (Some(0xd0), 1),
        -0x8000..=-0x81 => (Some(0xd1), 2),
        -0x8000_0000..=-0x8001 => (Some(0xd2), 4),
        _ => (Some(0xd3), 8),
    };
    out.extend(code);
    out.extend_from_slice(bytes.get(8 - keep..).unwrap_or_default());
}

/// A number that is no integer of 64 bits, or the 0 below zero.
fn number(out: &mut Vec<u8>, n: f64) {
    let short = n as f32;
    if n == 0.0 {
        integer(out, 0);
    } else if f64::from(short) == n {
        out.push(FLOAT);
        out.extend(short.to_be_bytes());
    } else {
        out.push(DOUBLE);
        out.extend(n.to_be_bytes());
    }
}

fn table(out: &mut Vec<u8>, table: &Table, depth: usize) -> mlua::Result<()> {
    let (count, is_array) = shape(table)?;
    if is_array {
        head(out, &ARRAY, count);
        for at in 1..=count {
            value(out, &table.raw_get(at)?, depth + 1)?;
        }
        return Ok(());
    }
    head(out, &MAP, count);
    for pair in table.pairs::<Value, Value>() {
        let (key, item) = pair?;
        value(out, &key, depth + 1)?;
        value(out, &item, depth + 1)?;
    }
    Ok(())
}

/// How many elements there are, and whether their keys are 1, 2 and so on without a hole.
fn shape(table: &Table) -> mlua::Result<(usize, bool)> {
    let (mut count, mut most) = (0_usize, Some(0_i32));
    for pair in table.pairs::<Value, Value>() {
        let (key, _) = pair?;
        count += 1;
        most = match (most, key) {
            (Some(most), Value::Integer(n)) => {
                i32::try_from(n).ok().filter(|n| *n > 0).map(|n| n.max(most))
            }
            _ => None,
        };
    }
    Ok((count, most.is_some_and(|most| most as usize == count)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_take_their_shortest_form() {
        for (n, want) in [
            (127, &b"\x7f"[..]),
            (128, b"\xcc\x80"),
            (256, b"\xcd\x01\x00"),
            (65_536, b"\xce\x00\x01\x00\x00"),
            (1 << 32, b"\xcf\x00\x00\x00\x01\x00\x00\x00\x00"),
            (-32, b"\xe0"),
            (-33, b"\xd0\xdf"),
            (-129, b"\xd1\xff\x7f"),
            (-32_769, b"\xd2\xff\xff\x7f\xff"),
            (-2_147_483_649, b"\xd3\xff\xff\xff\xff\x7f\xff\xff\xff"),
        ] {
            let mut out = Vec::new();
            integer(&mut out, n);
            assert_eq!(out, want, "{n}");
        }
    }
}
