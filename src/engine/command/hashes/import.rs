//! HIMPORT (Redis 8.10): hashes that share their fields.
//!
//! The fields are named once per connection, so a log holds RESTORE instead.

use super::put;
use crate::engine::call::is;
use crate::engine::{Answer, Call, Failure, Hash};
use crate::resp::Reply;

pub(super) fn import(call: &mut Call<'_>) -> Answer {
    let wrong_count = |name: &str| {
        Err(Failure::said(format!("ERR wrong number of arguments for 'himport|{name}' command")))
    };
    match call.rest(1) {
        [word, rest @ ..] if is(word, "PREPARE") => match rest {
            [name, fields @ ..] if !fields.is_empty() => prepare(call, name, fields),
            _ => wrong_count("prepare"),
        },
        [word, rest @ ..] if is(word, "SET") => match rest {
            [key, name, values @ ..] if !values.is_empty() => set(call, key, name, values),
            _ => wrong_count("set"),
        },
        [word, rest @ ..] if is(word, "DISCARD") => match rest {
            [name] => Ok(Reply::flag(call.env.fieldsets.remove(*name).is_some())),
            _ => wrong_count("discard"),
        },
        [word, rest @ ..] if is(word, "DISCARDALL") => match rest {
            [] => {
                let count = call.env.fieldsets.len();
                call.env.fieldsets.clear();
                Ok(Reply::count(count))
            }
            _ => wrong_count("discardall"),
        },
        _ => {
            let word = String::from_utf8_lossy(call.arg(1));
            Err(Failure::said(format!("ERR unknown subcommand '{word}'. Try HIMPORT HELP.")))
        }
    }
}

fn prepare(call: &mut Call<'_>, name: &[u8], fields: &[&[u8]]) -> Answer {
    let mut sorted = fields.to_vec();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| matches!(pair, [one, other] if one == other)) {
        return Err(Failure::text("ERR duplicate field name in fieldset"));
    }
    let fields = fields.iter().map(|field| field.to_vec()).collect();
    call.env.fieldsets.insert(name.to_vec(), fields);
    Ok(Reply::OK)
}

fn set(call: &mut Call<'_>, key: &[u8], name: &[u8], values: &[&[u8]]) -> Answer {
    let Some(fields) = call.env.fieldsets.get(name) else {
        return Err(Failure::text("ERR no such fieldset"));
    };
    if fields.len() != values.len() {
        return Err(Failure::text("ERR value count does not match fieldset field count"));
    }
    call.keys.get::<Hash>(key)?;
    let mut hash = Hash::of_template();
    for (field, value) in fields.iter().zip(values) {
        hash.set(field, value, &call.env.target.limits);
    }
    put(call, key, hash);
    Ok(Reply::OK)
}
