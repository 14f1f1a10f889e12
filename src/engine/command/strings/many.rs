//! Several strings at once.

use super::lifetime::{Lifetime, is_past};
use crate::engine::{Answer, Call, Failure};
use crate::rdb::Product;
use crate::resp::Reply;

pub(super) fn get(call: &mut Call<'_>) -> Answer {
    let mut items = Vec::with_capacity(call.argc());
    for key in call.rest(1) {
        let mut digits = itoa::Buffer::new();
        let text = call.keys.find(key)?.and_then(|record| record.value.text(&mut digits));
        items.push(text.map_or(Reply::Nil, Reply::bulk));
    }
    Ok(Reply::Array(items))
}

fn pairs<'a>(words: &'a [&'a [u8]]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    words.as_chunks::<2>().0.iter().map(|[key, value]| (*key, *value))
}

fn even(call: &Call<'_>) -> Answer<()> {
    if call.argc() % 2 == 1 {
        return Ok(());
    }
    let name = String::from_utf8_lossy(call.arg(0)).to_lowercase();
    Err(Failure::said(format!("ERR wrong number of arguments for '{name}' command")))
}

pub(super) fn set(call: &mut Call<'_>) -> Answer {
    even(call)?;
    for (key, value) in pairs(call.rest(1)) {
        let value = call.keys.stored(value);
        call.keys.set(key, value, None);
    }
    Ok(Reply::OK)
}

pub(super) fn set_nx(call: &mut Call<'_>) -> Answer {
    even(call)?;
    if pairs(call.rest(1)).any(|(key, _)| call.keys.has(key)) {
        return Ok(Reply::Int(0));
    }
    set(call)?;
    Ok(Reply::Int(1))
}

pub(super) fn set_ex(call: &mut Call<'_>) -> Answer {
    let valkey = call.env.target.product == Product::Valkey;
    let count = call.int(1).ok().and_then(|count| i32::try_from(count).ok());
    let count = count.filter(|&count| count > 0).ok_or(Failure::text(if valkey {
        "ERR invalid numkeys value or out of range"
    } else {
        "ERR invalid numkeys value"
    }))?;
    let words = count as usize * 2;
    let Some((pairs_of, mut rest)) = call.rest(2).split_at_checked(words) else {
        return Err(match valkey {
            true => Failure::SYNTAX,
            false => Failure::text("ERR wrong number of key-value pairs"),
        });
    };
    let mut lifetime = Lifetime::Unsaid;
    let mut present = None;
    while let Some(first) = rest.first() {
        let wants = match first {
            word if word.eq_ignore_ascii_case(b"NX") => Some(false),
            word if word.eq_ignore_ascii_case(b"XX") => Some(true),
            _ => None,
        };
        let taken = match wants {
            Some(wants) if present.is_none_or(|before| before == wants) => {
                present = Some(wants);
                Some(1)
            }
            Some(_) => None,
            None => lifetime.take(rest, Some(("KEEPTTL", Lifetime::Keep))),
        };
        rest = rest.get(taken.ok_or(Failure::SYNTAX)?..).unwrap_or_default();
    }
    let until = lifetime.until_ms(call.env, "msetex")?;
    if let Some(present) = present
        && pairs(pairs_of).any(|(key, _)| call.keys.has(key) != present)
    {
        return Ok(Reply::Int(0));
    }
    for (key, value) in pairs(pairs_of) {
        let value = call.keys.stored(value);
        match until {
            Some(at) if is_past(call.env, at) => {
                call.keys.remove(key);
            }
            None if lifetime == Lifetime::Keep => call.keys.set_value(key, value),
            until => call.keys.set(key, value, until),
        }
    }
    Ok(Reply::Int(1))
}
