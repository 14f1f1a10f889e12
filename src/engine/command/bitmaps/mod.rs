//! Strings as bits. Bit 0 is the highest bit of the first byte.

mod combine;
mod field;
mod range;

use super::strings::{fits, raw, widen, with_text};
use crate::bytes::number::integer;
use crate::engine::{Answer, Call, Env, Failure, Spec, Value};
use crate::resp::Reply;

/// What is known here.
pub(super) const COMMANDS: &[Spec] = &[
    Spec::key("SETBIT", 4, set),
    Spec::key("GETBIT", 3, get),
    Spec::key("BITCOUNT", -2, range::count),
    Spec::key("BITPOS", -3, range::position),
    Spec::keys("BITOP", -4, combine::combine),
    Spec::key("BITFIELD", -2, field::field),
    Spec::key("BITFIELD_RO", -2, field::field_read_only),
];

/// No string of a server with its default settings has more bytes.
const LARGEST: u64 = 512 << 20;
const BAD_OFFSET: Failure = Failure::text("ERR bit offset is not an integer or out of range");

/// The place of a bit; `#n` is the n-th field of so many bits, where that is allowed.
fn offset(env: &Env, text: &[u8], field_bits: Option<u64>) -> Answer<u64> {
    let (number, times) = match (text, field_bits) {
        ([b'#', number @ ..], Some(bits)) => (number, bits),
        _ => (text, 1),
    };
    let offset = integer(number).and_then(|offset| u64::try_from(offset).ok()).ok_or(BAD_OFFSET)?;
    let offset = offset.checked_mul(times).ok_or(BAD_OFFSET)?;
    if !env.loading && offset >> 3 >= LARGEST {
        return Err(BAD_OFFSET);
    }
    Ok(offset)
}

/// The string of a key, to be written to up to this bit; it is made where there is none.
fn writable<'c>(call: &'c mut Call<'_>, key: &[u8], bit: u64) -> Answer<&'c mut Vec<u8>> {
    let bytes = (bit >> 3) + 1;
    let there = with_text(call, key, |text| text.map(<[u8]>::len))?;
    // The last field may stick out by some bytes.
    fits(call.env, bytes.saturating_sub(8))?;
    if there.is_none() {
        let mut fresh = Vec::new();
        widen(&mut fresh, bytes as usize)?;
        call.keys.set(key, Value::raw(fresh), None);
    }
    let text = raw(call, key)?.ok_or(Failure::NO_SUCH_KEY)?;
    widen(text, bytes as usize)?;
    Ok(text)
}

fn set(call: &mut Call<'_>) -> Answer {
    let offset = offset(call.env, call.arg(2), None)?;
    let on = match integer(call.arg(3)) {
        Some(bit @ (0 | 1)) => bit == 1,
        _ => return Err(Failure::text("ERR bit is not an integer or out of range")),
    };
    let text = writable(call, call.arg(1), offset)?;
    let mask = 0x80 >> (offset & 7);
    let Some(byte) = text.get_mut((offset >> 3) as usize) else { return Ok(Reply::Int(0)) };
    let was = *byte & mask != 0;
    *byte = if on { *byte | mask } else { *byte & !mask };
    Ok(Reply::flag(was))
}

fn get(call: &mut Call<'_>) -> Answer {
    let offset = offset(call.env, call.arg(2), None)?;
    with_text(call, call.arg(1), |text| {
        let byte = text.unwrap_or_default().get((offset >> 3) as usize);
        Reply::flag(byte.is_some_and(|byte| byte << (offset & 7) & 0x80 != 0))
    })
}
