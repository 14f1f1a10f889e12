//! What servers keep of scripts and functions, and how they are run where Lua is built in.
//!
//! Function libraries are part of a snapshot, so they are kept, by the name in their first line:
//! what they register, only Lua can say, so listings name no functions. Scripts are known by the
//! SHA-1 of their text until the end.

mod payload;

use super::subcommand;
use crate::bytes::glob::Glob;
use crate::bytes::sha1_hex;
use crate::engine::{Answer, Call, Failure, Spec};
use crate::rdb::LibraryHead;
use crate::resp::Reply;

/// What is known here.
pub(super) const COMMANDS: &[Spec] = &[
    Spec::all("FUNCTION", -2, function),
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
        let libraries: Vec<Vec<u8>> = call.env.functions.values().cloned().collect();
        return script::call_function(call, &libraries, what, keys, args);
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

fn function(call: &mut Call<'_>) -> Answer {
    let forms = [
        ("LOAD", -3),
        ("DELETE", 3),
        ("FLUSH", -2),
        ("DUMP", 2),
        ("RESTORE", -3),
        ("LIST", -2),
        ("STATS", 2),
        ("KILL", 2),
    ];
    match subcommand(call, &forms)? {
        "LOAD" => load(call),
        "DELETE" => match call.env.functions.remove(call.arg(2)) {
            Some(_) => Ok(Reply::OK),
            None => Err(Failure::text("ERR Library not found")),
        },
        "FLUSH" => {
            if call.argc() > 3 || !(call.argc() == 2 || call.is(2, "SYNC") || call.is(2, "ASYNC")) {
                return Err(Failure::text("ERR FUNCTION FLUSH only supports SYNC|ASYNC option"));
            }
            call.env.functions.clear();
            Ok(Reply::OK)
        }
        "DUMP" => Ok(Reply::Bulk(payload::write(call.env))),
        "RESTORE" => restore(call),
        "LIST" => list(call),
        "STATS" => {
            let engine = vec![
                Reply::bulk("libraries_count"),
                Reply::count(call.env.functions.len()),
                Reply::bulk("functions_count"),
                Reply::Int(0),
            ];
            let engines = vec![Reply::bulk("LUA"), Reply::Array(engine)];
            Ok(Reply::Array(vec![
                Reply::bulk("running_script"),
                Reply::Nil,
                Reply::bulk("engines"),
                Reply::Array(engines),
            ]))
        }
        _ => Err(NOT_BUSY),
    }
}

/// The name of a library whose engine is there, out of its code.
fn name_of(code: &[u8]) -> Answer<Vec<u8>> {
    if !code.starts_with(b"#!") {
        return Err(Failure::text("ERR Missing library metadata"));
    }
    let head = LibraryHead::parse(code).map_err(|what| match what {
        "no name" => Failure::text("ERR Library name was not given"),
        "a name given twice" => {
            Failure::text("ERR Invalid metadata value, name argument was given multiple times")
        }
        "a name that is not of letters, digits and underscores" => Failure::text(
            "ERR Library names can only contain letters, numbers, or underscores(_) and must be \
             at least one character long",
        ),
        _ => Failure::text("ERR Invalid library metadata"),
    })?;
    if head.engine.eq_ignore_ascii_case(b"lua") {
        return Ok(head.name);
    }
    let engine = String::from_utf8_lossy(&head.engine);
    Err(Failure::said(format!("ERR Engine '{engine}' not found")))
}

fn exists(name: &[u8]) -> Failure {
    Failure::said(format!("ERR Library '{}' already exists", String::from_utf8_lossy(name)))
}

fn load(call: &mut Call<'_>) -> Answer {
    let (code, options) = call.rest(2).split_last().ok_or(Failure::SYNTAX)?;
    let mut replace = false;
    for option in options {
        if !option.eq_ignore_ascii_case(b"REPLACE") {
            let option = String::from_utf8_lossy(option);
            return Err(Failure::said(format!("ERR Unknown option given: {option}")));
        }
        replace = true;
    }
    let name = name_of(code)?;
    if !replace && call.env.functions.contains_key(&name) {
        return Err(exists(&name));
    }
    call.env.functions.insert(name.clone(), code.to_vec());
    Ok(Reply::Bulk(name))
}

fn restore(call: &mut Call<'_>) -> Answer {
    let (flush, replace) = match call.argc() {
        3 => (false, false),
        4 if call.is(3, "APPEND") => (false, false),
        4 if call.is(3, "FLUSH") => (true, false),
        4 if call.is(3, "REPLACE") => (false, true),
        4 => {
            return Err(Failure::text(
                "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
            ));
        }
        _ => {
            return Err(Failure::text(
                "ERR wrong number of arguments for 'function|restore' command",
            ));
        }
    };
    let mut libraries = Vec::new();
    for code in payload::read(call.arg(2))? {
        let name = name_of(&code)?;
        if !flush && !replace && call.env.functions.contains_key(&name) {
            return Err(exists(&name));
        }
        libraries.push((name, code));
    }
    if flush {
        call.env.functions.clear();
    }
    call.env.functions.extend(libraries);
    Ok(Reply::OK)
}

fn list(call: &mut Call<'_>) -> Answer {
    let (mut glob, mut with_code) = (None, false);
    let mut words = call.rest(2);
    while let [word, rest @ ..] = words {
        words = rest;
        match rest {
            _ if !with_code && word.eq_ignore_ascii_case(b"WITHCODE") => with_code = true,
            [pattern, rest @ ..] if glob.is_none() && word.eq_ignore_ascii_case(b"LIBRARYNAME") => {
                glob = Some(Glob::new_nocase(pattern));
                words = rest;
            }
            [] if glob.is_none() && word.eq_ignore_ascii_case(b"LIBRARYNAME") => {
                return Err(Failure::text("ERR library name argument was not given"));
            }
            _ => {
                let word = String::from_utf8_lossy(word);
                return Err(Failure::said(format!("ERR Unknown argument {word}")));
            }
        }
    }
    let libraries = call.env.functions.iter();
    let libraries = libraries.filter(|(name, _)| glob.as_ref().is_none_or(|g| g.matches(name)));
    let shown = libraries.map(|(name, code)| {
        let mut items = vec![
            Reply::bulk("library_name"),
            Reply::bulk(name),
            Reply::bulk("engine"),
            Reply::bulk("LUA"),
            Reply::bulk("functions"),
            Reply::Array(Vec::new()),
        ];
        if with_code {
            items.extend([Reply::bulk("library_code"), Reply::bulk(code)]);
        }
        Reply::Array(items)
    });
    Ok(Reply::Array(shown.collect()))
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
