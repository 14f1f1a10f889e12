//! BITFIELD: numbers of any width at any bit of a string.

use super::super::strings::with_text;
use super::{offset, writable};
use crate::engine::call::{int, is};
use crate::engine::{Answer, Call, Failure};
use crate::resp::Reply;

/// What becomes of a number that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

#[derive(Debug, Clone, Copy)]
struct Width {
    signed: bool,
    bits: u32,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Get,
    Set(i64),
    Add(i64),
}

struct Step {
    what: What,
    width: Width,
    at: u64,
    overflow: Overflow,
}

pub(super) fn field(call: &mut Call<'_>) -> Answer {
    run(call, false)
}

pub(super) fn field_read_only(call: &mut Call<'_>) -> Answer {
    run(call, true)
}

fn run(call: &mut Call<'_>, read_only: bool) -> Answer {
    let steps = parse(call)?;
    let key = call.arg(1);
    let writes = steps.iter().filter(|step| !matches!(step.what, What::Get));
    let Some(highest) = writes.map(|step| step.at + u64::from(step.width.bits) - 1).max() else {
        return with_text(call, key, |text| {
            let text = text.unwrap_or_default();
            Reply::Array(
                steps
                    .iter()
                    .map(|step| Reply::Int(step.width.read(text, step.at) as i64))
                    .collect(),
            )
        });
    };
    if read_only {
        return Err(Failure::text("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    let text = writable(call, key, highest)?;
    Ok(Reply::Array(steps.iter().map(|step| step.run(text)).collect()))
}

fn parse(call: &Call<'_>) -> Answer<Vec<Step>> {
    let mut steps = Vec::new();
    let mut overflow = Overflow::Wrap;
    let mut rest = call.rest(2);
    while let [word, more @ ..] = rest {
        if let [kind, more @ ..] = more
            && is(word, "OVERFLOW")
        {
            overflow = match () {
                () if is(kind, "WRAP") => Overflow::Wrap,
                () if is(kind, "SAT") => Overflow::Saturate,
                () if is(kind, "FAIL") => Overflow::Fail,
                () => return Err(Failure::text("ERR Invalid OVERFLOW type specified")),
            };
            rest = more;
            continue;
        }
        let known = |name, words| is(word, name) && more.len() >= words;
        let make: fn(i64) -> What = match () {
            () if known("GET", 2) => |_| What::Get,
            () if known("SET", 3) => What::Set,
            () if known("INCRBY", 3) => What::Add,
            () => return Err(Failure::SYNTAX),
        };
        let [width, at, more @ ..] = more else { return Err(Failure::SYNTAX) };
        let width = Width::parse(width)?;
        let at = offset(call.env, at, Some(width.bits.into()))?;
        let (what, more) = match (make(0), more) {
            (What::Get, more) => (What::Get, more),
            (_, [number, more @ ..]) => (make(int(number)?), more),
            (_, []) => return Err(Failure::SYNTAX),
        };
        steps.push(Step { what, width, at, overflow });
        rest = more;
    }
    Ok(steps)
}

impl Width {
    fn parse(text: &[u8]) -> Answer<Self> {
        let width = match text {
            [b'i', bits @ ..] => int(bits).ok().map(|bits| (true, bits)),
            [b'u', bits @ ..] => int(bits).ok().map(|bits| (false, bits)),
            _ => None,
        };
        match width {
            Some((signed, bits @ 1..=63)) => Ok(Width { signed, bits: bits as u32 }),
            Some((true, 64)) => Ok(Width { signed: true, bits: 64 }),
            _ => Err(Failure::text(
                "ERR Invalid bitfield type. Use something like i16 u8. \
                 Note that u64 is not supported but i64 is.",
            )),
        }
    }

    /// The number at a bit; what is behind the string is zero.
    fn read(self, text: &[u8], at: u64) -> i128 {
        let first = usize::try_from(at >> 3).unwrap_or(usize::MAX);
        // Sixteen bytes hold any field, wherever it begins.
        let mut window = [0; 16];
        let tail = text.get(first..).unwrap_or_default();
        window.iter_mut().zip(tail).for_each(|(to, from)| *to = *from);
        let word = u128::from_be_bytes(window) << (at & 7);
        match self.signed {
            true => (word as i128) >> (128 - self.bits),
            false => (word >> (128 - self.bits)) as i128,
        }
    }

    fn write(self, text: &mut [u8], at: u64, value: i128) {
        let first = (at >> 3) as usize;
        let place = (at & 7) as u32;
        let shift = 128 - self.bits - place;
        let mask = ((1_u128 << self.bits) - 1) << shift;
        let mut window = [0; 16];
        let Some(tail) = text.get_mut(first..) else { return };
        window.iter_mut().zip(tail.iter()).for_each(|(to, from)| *to = *from);
        let word = u128::from_be_bytes(window) & !mask | ((value as u128) << shift & mask);
        tail.iter_mut().zip(word.to_be_bytes()).for_each(|(to, from)| *to = from);
    }

    /// The lowest and the highest number.
    fn range(self) -> (i128, i128) {
        match self.signed {
            true => (-(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1),
            false => (0, (1 << self.bits) - 1),
        }
    }

    /// Whether a sum is too large (`Some(true)`) or too small.
    fn overflows(self, value: i128, by: i64) -> Option<bool> {
        let (low, high) = self.range();
        let sum = value + i128::from(by);
        if !self.signed || self.bits == 64 {
            return if sum > high { Some(true) } else { (sum < low).then_some(false) };
        }
        // The servers' own steps in 64 bits, which wrap around where a SET is far below the range:
        // it then counts as too large.
        let (value, low, high) = (value as i64, low as i64, high as i64);
        if value > high || by > high.wrapping_sub(value) {
            return Some(true);
        }
        (value < low || by < low.wrapping_sub(value)).then_some(false)
    }

    /// A sum as it fits, or none where it has to.
    fn fit(self, value: i128, by: i64, overflow: Overflow) -> Option<i128> {
        let sum = value + i128::from(by);
        let Some(up) = self.overflows(value, by) else { return Some(sum) };
        let (low, high) = self.range();
        match overflow {
            Overflow::Fail => None,
            Overflow::Saturate => Some(if up { high } else { low }),
            Overflow::Wrap => {
                let kept = (sum as u128) << (128 - self.bits);
                Some(match self.signed {
                    true => (kept as i128) >> (128 - self.bits),
                    false => (kept >> (128 - self.bits)) as i128,
                })
            }
        }
    }
}

impl Step {
    fn run(&self, text: &mut [u8]) -> Reply {
        let width = self.width;
        let old = width.read(text, self.at);
        let (new, told) = match self.what {
            What::Get => return Reply::Int(old as i64),
            What::Add(by) => {
                let new = width.fit(old, by, self.overflow);
                (new, new)
            }
            What::Set(value) => {
                // An unsigned field takes what is below zero for something very large.
                let value = match width.signed {
                    true => i128::from(value),
                    false => i128::from(value as u64),
                };
                (width.fit(value, 0, self.overflow), Some(old))
            }
        };
        let (Some(new), Some(told)) = (new, told) else { return Reply::Nil };
        width.write(text, self.at, new);
        Reply::Int(told as i64)
    }
}
