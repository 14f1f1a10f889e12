//! Counting and finding bits in a range of bytes or bits.

use super::super::strings::with_text;
use crate::engine::{Answer, Call, Failure};
use crate::rdb::Product;
use crate::resp::Reply;

/// A range as it was given.
struct Asked {
    from: i64,
    to: Option<i64>,
    in_bits: bool,
}

impl Asked {
    fn parse(call: &Call<'_>, at: usize) -> Answer<Self> {
        let mut asked = Asked { from: 0, to: None, in_bits: false };
        if call.argc() > at {
            asked.from = call.int(at)?;
        }
        if call.argc() > at + 1 {
            let unit = call.argc() > at + 2;
            if call.argc() > at + 3 {
                return Err(Failure::SYNTAX);
            }
            if unit {
                asked.in_bits = match () {
                    () if call.is(at + 2, "BIT") => true,
                    () if call.is(at + 2, "BYTE") => false,
                    () => return Err(Failure::SYNTAX),
                };
            }
            asked.to = Some(call.int(at + 1)?);
        }
        Ok(asked)
    }

    /// The first bit and the one behind the last; `None` for a range of nothing.
    fn bits(&self, len: usize) -> Option<(usize, usize)> {
        let total = if self.in_bits { len as i64 * 8 } else { len as i64 };
        let to = self.to.unwrap_or(-1);
        let place = |at: i64| if at < 0 { at.saturating_add(total).max(0) } else { at };
        let (from, to) = (place(self.from), place(to).min(total - 1));
        if from > to {
            return None;
        }
        let unit = if self.in_bits { 1 } else { 8 };
        Some((from as usize * unit, (to as usize + 1) * unit))
    }
}

pub(super) fn count(call: &mut Call<'_>) -> Answer {
    // Valkey lets the end be missing.
    if call.argc() == 3 && call.env.target.product != Product::Valkey {
        return Err(Failure::SYNTAX);
    }
    let asked = Asked::parse(call, 2)?;
    // Here, and not in BITPOS, this is nothing, even where both ends are cut to the same place.
    let inverted = asked.to.is_some_and(|to| asked.from < 0 && to < 0 && asked.from > to);
    with_text(call, call.arg(1), |text| {
        let text = text.filter(|_| !inverted).unwrap_or_default();
        Reply::count(asked.bits(text.len()).map_or(0, |(from, to)| ones(text, from, to)))
    })
}

/// How many bits of a range are set.
fn ones(text: &[u8], from: usize, to: usize) -> usize {
    let bytes = text.get(from / 8..to.div_ceil(8)).unwrap_or_default();
    let (words, rest) = bytes.as_chunks::<8>();
    let all =
        words.iter().map(|word| u64::from_ne_bytes(*word).count_ones() as usize).sum::<usize>()
            + rest.iter().map(|byte| byte.count_ones() as usize).sum::<usize>();
    let before = bytes.first().map_or(0, |first| (first & !(0xff >> (from % 8))).count_ones());
    let after = match to % 8 {
        0 => 0,
        used => bytes.last().map_or(0, |last| (last & (0xff >> used)).count_ones()),
    };
    all - before as usize - after as usize
}

pub(super) fn position(call: &mut Call<'_>) -> Answer {
    let wanted = match call.int(2)? {
        bit @ (0 | 1) => bit == 1,
        _ => return Err(Failure::text("ERR The bit argument must be 1 or 0.")),
    };
    let asked = Asked::parse(call, 3)?;
    with_text(call, call.arg(1), |text| {
        let Some(text) = text else { return Reply::Int(if wanted { -1 } else { 0 }) };
        let Some((from, to)) = asked.bits(text.len()) else { return Reply::Int(-1) };
        match find(text, wanted, from, to) {
            Some(place) => Reply::count(place),
            // Behind the string there are zeros, unless the end was given.
            None if !wanted && asked.to.is_none() => Reply::count(to),
            None => Reply::Int(-1),
        }
    })
}

/// The first bit of a range that is as wanted.
fn find(text: &[u8], wanted: bool, from: usize, to: usize) -> Option<usize> {
    let dull = if wanted { 0 } else { 0xff };
    let mut at = from;
    while at < to {
        let bytes = text.get(at / 8..)?;
        if at.is_multiple_of(8) {
            let skipped = bytes.iter().take_while(|byte| **byte == dull).count();
            at += skipped * 8;
        }
        // One byte, bit by bit; then on to the next.
        let byte = text.get(at / 8)?;
        for bit in at..(at / 8 + 1) * 8 {
            if bit >= to {
                return None;
            }
            if (byte << (bit % 8) & 0x80 != 0) == wanted {
                return Some(bit);
            }
        }
        at = (at / 8 + 1) * 8;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{find, ones};

    #[test]
    fn bit_by_bit_it_is_the_same() {
        let text: Vec<u8> = (0..40_u32).map(|n| ((n * n * 37) >> 3) as u8 & 0x5f).collect();
        let bit = |at: usize| text[at / 8] >> (7 - at % 8) & 1 == 1;
        for from in 0..320 {
            for to in from..=320 {
                assert_eq!(ones(&text, from, to), (from..to).filter(|at| bit(*at)).count());
                for wanted in [true, false] {
                    assert_eq!(
                        find(&text, wanted, from, to),
                        (from..to).find(|at| bit(*at) == wanted),
                        "{wanted} {from} {to}"
                    );
                }
            }
        }
    }
}
