//! What servers keep of scripts and functions, and how they are run where Lua is built in.
//!
//! Scripts are known by the SHA-1 of their text until the end.

mod function;
mod payload;

use super::subcommand;
use crate::bytes::sha1_hex;
use crate::engine::{Answer, Call, Failure, Spec};
use crate::resp::Reply;

/// What is known here.
pub(super) const COMMANDS: &[Spec] = &[
    Spec::all("FUNCTION", -2, function::run),
    Spec::all("SCRIPT", -2, script),
    Spec::all("EVAL", -3, run),
    Spec::all("EVAL_RO", -3, run),
    Spec::all("EVALSHA", -3, run),
    Spec::all("EVALSHA_RO", -3, run),
    Spec::all("FCALL", -3, run),
    Spec::all("FCALL_RO", -3, run),
];

const NOT_BUSY: Failure = Failure::text("NOTBUSY No scripts in execution right now.");

#[cfg(not(feature = "lua"))]
fn run(call: &mut Call<'_>) -> Answer {
    let name = String::from_utf8_lossy(call.arg(0)).to_uppercase();
    Err(Failure::Unsupported(format!(
        "{name} runs Lua, which is not built in: build rdbkit with --features lua"
    )))
}

/// EVAL and EVALSHA, their read-only forms, and FCALL: code or name, how many keys, keys, arguments.
#[cfg(feature = "lua")]
fn run(call: &mut Call<'_>) -> Answer {
    use crate::engine::script;

    let rest = call.rest(3);
    let keys = usize::try_from(call.int(2)?)
        .map_err(|_| Failure::text("ERR Number of keys can't be negative"))?;
    let Some((keys, args)) = rest.split_at_checked(keys) else {
        return Err(Failure::text("ERR Number of keys can't be greater than number of args"));
    };
    let (name, what) = (call.arg(0).to_ascii_uppercase(), call.arg(1));
    if name.starts_with(b"FCALL") {
        let libraries = call.env.functions.values();
        let mut code = libraries.filter(|code| {
            let functions = script::describe(&call.env.target, code).unwrap_or_default();
            functions.iter().any(|function| function.name.eq_ignore_ascii_case(what))
        });
        let Some(code) = code.next().cloned() else {
            return Err(Failure::text("ERR Function not found"));
        };
        return script::call_function(call, &code, what, keys, args);
    }
    if name.starts_with(b"EVALSHA") {
        let Some(code) = call.env.scripts.get(&what.to_ascii_lowercase()).cloned() else {
            return Err(Failure::text("NOSCRIPT No matching script. Please use EVAL."));
        };
        return script::eval(call, &code, keys, args);
    }
    let sum = sha1_hex(what).into_bytes();
    call.env.scripts.entry(sum).or_insert_with(|| what.to_vec());
    script::eval(call, what, keys, args)
}

fn script(call: &mut Call<'_>) -> Answer {
    let forms =
        [("LOAD", 3), ("FLUSH", -2), ("EXISTS", -3), ("KILL", 2), ("DEBUG", 3), ("SHOW", 3)];
    match subcommand(call, &forms)? {
        "LOAD" => {
            let text = call.arg(2);
            let sum = sha1_hex(text);
            call.env.scripts.insert(sum.clone().into_bytes(), text.to_vec());
            Ok(Reply::bulk(sum))
        }
        "FLUSH" => {
            if call.argc() > 3 || !(call.argc() == 2 || call.is(2, "SYNC") || call.is(2, "ASYNC")) {
                return Err(Failure::text("ERR SCRIPT FLUSH only support SYNC|ASYNC option"));
            }
            call.env.scripts.clear();
            Ok(Reply::OK)
        }
        "EXISTS" => {
            let known = call
                .rest(2)
                .iter()
                .map(|sum| Reply::flag(call.env.scripts.contains_key(&sum.to_ascii_lowercase())));
            Ok(Reply::Array(known.collect()))
        }
        "SHOW" => match call.env.scripts.get(&call.arg(2).to_ascii_lowercase()) {
            Some(text) => Ok(Reply::bulk(text)),
            None => Err(Failure::text("NOSCRIPT No matching script. Please use EVAL.")),
        },
        "DEBUG" => Ok(Reply::OK),
        _ => Err(NOT_BUSY),
    }
}
