//! The commands, one file per family. Each has a table of what it knows.

mod arrays;
mod bitmaps;
mod databases;
mod geo;
mod hashes;
mod hyperloglog;
mod keys;
mod lists;
mod pick;
mod scan;
mod scripting;
mod server;
mod sets;
mod sorted_sets;
mod streams;
mod strings;
mod vectors;

use super::call::is;
use super::{Answer, Call, Failure, Spec};

/// The commands of every family.
pub(super) const FAMILIES: &[&[Spec]] = &[
    arrays::COMMANDS,
    bitmaps::COMMANDS,
    databases::COMMANDS,
    geo::COMMANDS,
    hashes::COMMANDS,
    hyperloglog::COMMANDS,
    keys::COMMANDS,
    lists::COMMANDS,
    scripting::COMMANDS,
    server::COMMANDS,
    sets::COMMANDS,
    sorted_sets::COMMANDS,
    streams::COMMANDS,
    strings::COMMANDS,
    vectors::COMMANDS,
];

/// Which of these the first argument names, with the number of arguments that it takes in all
/// (below zero: at least so many).
fn subcommand(call: &Call<'_>, forms: &[(&'static str, i32)]) -> Answer<&'static str> {
    let (name, word) = (call.arg(0), call.arg(1));
    let Some(&(form, arity)) = forms.iter().find(|(form, _)| is(word, form)) else {
        let name = String::from_utf8_lossy(name).to_uppercase();
        let word = String::from_utf8_lossy(word);
        return Err(Failure::said(format!("ERR unknown subcommand '{word}'. Try {name} HELP.")));
    };
    let argc = i32::try_from(call.argc()).unwrap_or(i32::MAX);
    if if arity < 0 { argc >= -arity } else { argc == arity } {
        return Ok(form);
    }
    let name = String::from_utf8_lossy(name).to_lowercase();
    let form = form.to_lowercase();
    Err(Failure::said(format!("ERR wrong number of arguments for '{name}|{form}' command")))
}
