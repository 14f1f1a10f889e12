//! HyperLogLogs: strings that estimate how many different elements were added to them.

mod registers;

use registers::REGISTERS;

use super::strings::{raw, with_text};
use crate::engine::{Answer, Call, Failure, Spec, Value};
use crate::resp::Reply;

/// What is known here.
pub(super) const COMMANDS: &[Spec] = &[
    Spec::key("PFADD", -2, add),
    Spec::keys("PFCOUNT", -2, count),
    Spec::keys("PFMERGE", -2, merge),
    Spec::keys("PFDEBUG", 3, debug),
    Spec::nothing("PFSELFTEST", 1, |_| Ok(Reply::OK)),
];

const INVALID: Failure = Failure::text("WRONGTYPE Key is not a valid HyperLogLog string value.");

/// Whether there is one; another string is an error.
fn there(call: &mut Call<'_>, key: &[u8]) -> Answer<bool> {
    match with_text(call, key, |text| text.map(registers::is_valid))? {
        Some(false) => Err(INVALID),
        Some(true) => Ok(true),
        None => Ok(false),
    }
}

/// The bytes of one that is there, to be changed.
fn opened<'c>(call: &'c mut Call<'_>, key: &[u8]) -> Answer<&'c mut Vec<u8>> {
    raw(call, key)?.ok_or(Failure::NO_SUCH_KEY)
}

fn add(call: &mut Call<'_>) -> Answer {
    let key = call.arg(1);
    let mut updated = false;
    if !there(call, key)? {
        call.keys.set(key, Value::raw(registers::fresh()), None);
        updated = true;
    }
    let most = call.keys.keyspace().limits().hll_sparse_bytes;
    let elements = call.rest(2);
    let bytes = opened(call, key)?;
    for element in elements {
        let (index, value) = registers::place(element);
        updated |= registers::raise(bytes, index, value, most)?;
    }
    if updated {
        registers::spoil(bytes);
    }
    Ok(Reply::flag(updated))
}

fn count(call: &mut Call<'_>) -> Answer {
    if call.argc() > 2 {
        let (union, _) = union(call, 1)?;
        return Ok(Reply::Int(registers::estimate(&histogram(&union)) as i64));
    }
    let key = call.arg(1);
    if !there(call, key)? {
        return Ok(Reply::Int(0));
    }
    let bytes = opened(call, key)?;
    let card = match registers::cached(bytes) {
        Some(card) => card,
        None => {
            let mut histogram = [0; 64];
            registers::each(bytes, |_, value| {
                if let Some(count) = histogram.get_mut(usize::from(value)) {
                    *count += 1;
                }
            })?;
            let card = registers::estimate(&histogram);
            registers::set_cached(bytes, card);
            card
        }
    };
    Ok(Reply::Int(card as i64))
}

fn histogram(registers: &[u8]) -> [u32; 64] {
    let mut histogram = [0; 64];
    for value in registers {
        if let Some(count) = histogram.get_mut(usize::from(*value)) {
            *count += 1;
        }
    }
    histogram
}

/// The largest value of each register, and whether one of them is dense.
fn union(call: &mut Call<'_>, from: usize) -> Answer<(Vec<u8>, bool)> {
    let mut union = vec![0; REGISTERS];
    let mut dense = false;
    for key in call.rest(from) {
        if !there(call, key)? {
            continue;
        }
        with_text(call, key, |text| {
            let text = text.unwrap_or_default();
            dense |= registers::is_dense(text);
            registers::each(text, |index, value| {
                if let Some(largest) = union.get_mut(index) {
                    *largest = value.max(*largest);
                }
            })
        })??;
    }
    Ok((union, dense))
}

fn merge(call: &mut Call<'_>) -> Answer {
    let key = call.arg(1);
    let (union, dense) = union(call, 1)?;
    if !there(call, key)? {
        call.keys.set(key, Value::raw(registers::fresh()), None);
    }
    let most = call.keys.keyspace().limits().hll_sparse_bytes;
    let bytes = opened(call, key)?;
    if dense {
        registers::to_dense(bytes)?;
    }
    for (index, value) in union.into_iter().enumerate().filter(|(_, value)| *value > 0) {
        registers::raise(bytes, index, value, most)?;
    }
    registers::spoil(bytes);
    Ok(Reply::OK)
}

fn debug(call: &mut Call<'_>) -> Answer {
    let key = call.arg(2);
    if !there(call, key)? {
        return Err(Failure::text("ERR The specified key does not exist"));
    }
    let words = ["GETREG", "DECODE", "ENCODING", "TODENSE"];
    let Some(word) = words.into_iter().find(|word| call.is(1, word)) else {
        let word = String::from_utf8_lossy(call.arg(1));
        return Err(Failure::said(format!("ERR Unknown PFDEBUG subcommand '{word}'")));
    };
    let bytes = opened(call, key)?;
    let dense = registers::is_dense(bytes);
    match word {
        "GETREG" => {
            registers::to_dense(bytes)?;
            let mut values = Vec::with_capacity(REGISTERS);
            registers::each(bytes, |_, value| values.push(Reply::Int(value.into())))?;
            Ok(Reply::Array(values))
        }
        "ENCODING" => Ok(Reply::Status(if dense { "dense" } else { "sparse" })),
        "TODENSE" => {
            registers::to_dense(bytes)?;
            Ok(Reply::flag(!dense))
        }
        _ if dense => Err(Failure::text("ERR HLL encoding is not sparse")),
        _ => {
            let shown = registers::shown(bytes).into_iter().map(|run| match run.value {
                0 if run.bytes == 1 => format!("z:{}", run.len),
                0 => format!("Z:{}", run.len),
                value => format!("v:{value},{}", run.len),
            });
            Ok(Reply::bulk(shown.collect::<Vec<_>>().join(" ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::Engine;
    use crate::resp::Reply;

    #[test]
    fn three_elements_are_these_bytes() {
        let mut engine = Engine::default();
        assert_eq!(engine.execute(&[b"PFADD", b"h", b"a", b"b", b"c"]), Reply::Int(1));
        assert_eq!(engine.execute(&[b"PFCOUNT", b"h"]), Reply::Int(3));
        let bytes = b"HYLL\x01\0\0\0\x03\0\0\0\0\0\0\0\x60\xf3\x80\x50\xb1\x84\x4b\xfb\x80\x42\x5a";
        assert_eq!(engine.execute(&[b"GET", b"h"]), Reply::bulk(bytes));
    }
}
