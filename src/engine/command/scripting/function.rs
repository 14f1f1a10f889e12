//! FUNCTION: the libraries that a server keeps.
//!
//! They are part of a snapshot, so they are kept whole, by the name in their first line. With Lua
//! built in they are also run, as servers do, to see what they register; without it every library
//! is taken, and listings name no functions.

use super::super::subcommand;
use super::{NOT_BUSY, payload};
use crate::bytes::glob::Glob;
use crate::engine::{Answer, Call, Env, Failure};
use crate::rdb::LibraryHead;
use crate::resp::Reply;

pub(super) fn run(call: &mut Call<'_>) -> Answer {
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
            let libraries = call.env.functions.values();
            let functions = libraries.map(|code| registered(call.env, code).map_or(0, |f| f.len()));
            let functions = functions.sum();
            let engine = vec![
                Reply::bulk("libraries_count"),
                Reply::count(call.env.functions.len()),
                Reply::bulk("functions_count"),
                Reply::count(functions),
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

/// A function: its name, and how it is listed.
type Registered = (Vec<u8>, Reply);

/// What a library registers: only Lua can say.
#[cfg(feature = "lua")]
fn registered(env: &Env, code: &[u8]) -> Answer<Vec<Registered>> {
    let functions = crate::engine::script::describe(&env.target, code)?;
    Ok(functions.iter().map(|function| (function.name.clone(), function.reply())).collect())
}

#[cfg(not(feature = "lua"))]
fn registered(_: &Env, _: &[u8]) -> Answer<Vec<Registered>> {
    Ok(Vec::new())
}

/// An error where one of these libraries has a function of such a name already.
fn apart<'a>(env: &Env, own: &[Registered], others: impl Iterator<Item = &'a [u8]>) -> Answer<()> {
    for code in others {
        // One that came with a snapshot may be of any kind.
        let theirs = registered(env, code).unwrap_or_default();
        for (name, _) in own {
            if theirs.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                let name = String::from_utf8_lossy(name);
                return Err(Failure::said(format!("ERR Function {name} already exists")));
            }
        }
    }
    Ok(())
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
    let own = registered(call.env, code)?;
    let others = call.env.functions.iter().filter(|(other, _)| **other != name);
    apart(call.env, &own, others.map(|(_, code)| code.as_slice()))?;
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
    let mut libraries: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for code in payload::read(call.arg(2))? {
        let name = name_of(&code)?;
        if libraries.iter().any(|(other, _)| *other == name) {
            return Err(exists(&name));
        }
        let own = registered(call.env, &code)?;
        apart(call.env, &own, libraries.iter().map(|(_, code)| code.as_slice()))?;
        libraries.push((name, code));
    }
    if flush {
        call.env.functions.clear();
    }
    for (name, _) in &libraries {
        if !replace && call.env.functions.contains_key(name) {
            let name = String::from_utf8_lossy(name);
            return Err(Failure::said(format!("ERR Library {name} already exists")));
        }
    }
    let stays = |name: &[u8]| !libraries.iter().any(|(other, _)| other == name);
    for (_, code) in &libraries {
        let own = registered(call.env, code)?;
        let others = call.env.functions.iter().filter(|(name, _)| stays(name));
        apart(call.env, &own, others.map(|(_, code)| code.as_slice()))?;
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
        let functions = registered(call.env, code).unwrap_or_default();
        let functions = functions.into_iter().map(|(_, shown)| shown).collect();
        let mut items = vec![
            Reply::bulk("library_name"),
            Reply::bulk(name),
            Reply::bulk("engine"),
            Reply::bulk("LUA"),
            Reply::bulk("functions"),
            Reply::Array(functions),
        ];
        if with_code {
            items.extend([Reply::bulk("library_code"), Reply::bulk(code)]);
        }
        Reply::Array(items)
    });
    Ok(Reply::Array(shown.collect()))
}
