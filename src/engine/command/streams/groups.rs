//! XGROUP, XACK and XNACK.

use super::{IdsWords, counted_ids, ids, no_group};
use crate::engine::call::{int, is};
use crate::engine::stream::{FIRST, Group, LAST, NOBODY, Pending, Stream};
use crate::engine::{Answer, Call, Failure};
use crate::resp::Reply;
use crate::value::StreamId;

const NO_KEY: Failure = Failure::text(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to \
     use the MKSTREAM option to create an empty stream automatically.",
);

const HELP: [&str; 17] = [
    "XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CREATE <key> <groupname> <id|$> [option]",
    "    Create a new consumer group. Options are:",
    "    * MKSTREAM",
    "      Create the empty stream if it does not exist.",
    "    * ENTRIESREAD entries_read",
    "      Set the group's entries_read counter (internal use).",
    "CREATECONSUMER <key> <groupname> <consumer>",
    "    Create a new consumer in the specified group.",
    "DELCONSUMER <key> <groupname> <consumer>",
    "    Remove the specified consumer.",
    "DESTROY <key> <groupname>",
    "    Remove the specified group.",
    "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
    "    Set the current group ID and entries_read counter.",
    "HELP",
    "    Print this help.",
];

pub(super) fn xgroup(call: &mut Call<'_>) -> Answer {
    match call.arg(1).to_ascii_uppercase().as_slice() {
        b"CREATE" => {
            super::arity(call, "xgroup|create", -5)?;
            create(call)
        }
        b"SETID" => {
            super::arity(call, "xgroup|setid", -5)?;
            set_id(call)
        }
        b"DESTROY" => {
            super::arity(call, "xgroup|destroy", 4)?;
            let (key, name) = (call.arg(2), call.arg(3));
            let groups = &mut call.keys.get::<Stream>(key)?.ok_or(NO_KEY)?.groups;
            Ok(Reply::flag(groups.remove(name).is_some()))
        }
        b"CREATECONSUMER" => {
            super::arity(call, "xgroup|createconsumer", 5)?;
            let (name, now) = (call.arg(4), call.env.now_ms);
            let group = group(call)?;
            let new = group.find(name).is_none();
            if new {
                group.see(name, now);
            }
            Ok(Reply::flag(new))
        }
        b"DELCONSUMER" => {
            super::arity(call, "xgroup|delconsumer", 5)?;
            let name = call.arg(4);
            Ok(Reply::count(group(call)?.remove_consumer(name).unwrap_or(0)))
        }
        b"HELP" => {
            super::arity(call, "xgroup|help", 2)?;
            Ok(super::help(&HELP))
        }
        _ => Err(super::unknown_subcommand(call)),
    }
}

/// The group that XGROUP is about.
fn group<'k>(call: &'k mut Call<'_>) -> Answer<&'k mut Group> {
    let (key, name) = (call.arg(2), call.arg(3));
    let stream = call.keys.get::<Stream>(key)?.ok_or(NO_KEY)?;
    stream.groups.get_mut(name).ok_or_else(|| no_such_group(key, name))
}

/// The error for a group that is not there.
pub(super) fn no_such_group(key: &[u8], name: &[u8]) -> Failure {
    let (key, name) = (String::from_utf8_lossy(key), String::from_utf8_lossy(name));
    Failure::said(format!("NOGROUP No such consumer group '{name}' for key name '{key}'"))
}

/// What stands behind the id of CREATE and SETID.
struct Options {
    make_stream: bool,
    entries_read: Option<u64>,
}

fn options(call: &Call<'_>, creates: bool) -> Answer<Options> {
    let mut options = Options { make_stream: false, entries_read: None };
    let mut at = 5;
    while at < call.argc() {
        if creates && call.is(at, "MKSTREAM") {
            options.make_stream = true;
            at += 1;
        } else if call.is(at, "ENTRIESREAD") && at + 1 < call.argc() {
            options.entries_read = match call.int(at + 1)? {
                -1 => None,
                read => Some(u64::try_from(read).map_err(|_| {
                    Failure::text("ERR value for ENTRIESREAD must be positive or -1")
                })?),
            };
            at += 2;
        } else {
            return Err(super::subcommand_syntax(call));
        }
    }
    Ok(options)
}

fn create(call: &mut Call<'_>) -> Answer {
    let options = options(call, true)?;
    let (key, name, id) = (call.arg(2), call.arg(3), call.arg(4));
    let stream = call.keys.get::<Stream>(key)?;
    if stream.is_none() && !options.make_stream {
        return Err(NO_KEY);
    }
    let id = position(id, stream.as_deref())?;
    let stream = call.keys.get_or(key, Stream::default)?;
    if stream.groups.contains_key(name) {
        return Err(Failure::text("BUSYGROUP Consumer Group name already exists"));
    }
    let read = super::most_read(options.entries_read, stream, &call.env.target);
    stream.groups.insert(name.into(), Group::new(id, read));
    Ok(Reply::OK)
}

fn set_id(call: &mut Call<'_>) -> Answer {
    let options = options(call, false)?;
    let (key, name, id) = (call.arg(2), call.arg(3), call.arg(4));
    let stream = call.keys.get::<Stream>(key)?.ok_or(NO_KEY)?;
    if !stream.groups.contains_key(name) {
        return Err(no_such_group(key, name));
    }
    let id = match id {
        b"-" => FIRST,
        b"+" => LAST,
        _ => position(id, Some(stream))?,
    };
    let read = super::most_read(options.entries_read, stream, &call.env.target);
    if let Some(group) = stream.groups.get_mut(name) {
        (group.last_id, group.entries_read) = (id, read);
    }
    Ok(Reply::OK)
}

/// The id up to which a group has read: `$` is the last one there is.
fn position(arg: &[u8], stream: Option<&Stream>) -> Answer<StreamId> {
    match arg {
        b"$" => Ok(stream.map_or(FIRST, |stream| stream.entries.numbers.last_id)),
        _ => ids::id(arg, 0),
    }
}

pub(super) fn xack(call: &mut Call<'_>) -> Answer {
    let (key, name) = (call.arg(1), call.arg(2));
    let Some(stream) = call.keys.get::<Stream>(key)? else { return Ok(Reply::Int(0)) };
    let Some(group) = stream.groups.get_mut(name) else { return Ok(Reply::Int(0)) };
    let ids: Vec<StreamId> =
        call.args.iter().skip(3).map(|arg| ids::id(arg, 0)).collect::<Answer<_>>()?;
    Ok(Reply::count(ids.into_iter().filter(|&id| group.forget(id).is_some()).count()))
}

/// How giving back an entry changes the number of its deliveries.
#[derive(Clone, Copy)]
enum Nack {
    /// This one does not count.
    Silent,
    /// This one counts.
    Fail,
    /// There is no use in further ones.
    Fatal,
}

/// Deliveries of what is not to be delivered again.
const FATAL: u64 = i64::MAX as u64;

pub(super) fn xnack(call: &mut Call<'_>) -> Answer {
    let (key, name, mode) = (call.arg(1), call.arg(2), call.arg(3));
    let args = call.rest(4);
    let missing = || no_group(key, name);
    let stream = call.keys.get::<Stream>(key)?.ok_or_else(missing)?;
    let Stream { entries, groups, .. } = stream;
    let group = groups.get_mut(name).ok_or_else(missing)?;
    let mode = match mode {
        word if is(word, "SILENT") => Nack::Silent,
        word if is(word, "FAIL") => Nack::Fail,
        word if is(word, "FATAL") => Nack::Fatal,
        _ => return Err(Failure::text("ERR mode must be SILENT, FAIL, or FATAL")),
    };
    let Options { ids, retry_count, force } = nack_options(args)?;
    let ids: Vec<StreamId> = ids.iter().map(|arg| ids::id(arg, 0)).collect::<Answer<_>>()?;
    let mut given_back = 0;
    for id in ids {
        let deliveries = match group.pending().get(&id) {
            Some(pending) => pending.deliveries,
            None if force && entries.has(id) => 0,
            None => continue,
        };
        let deliveries = match (retry_count, mode) {
            (Some(count), _) => count,
            (None, Nack::Silent) => deliveries.saturating_sub(1),
            (None, Nack::Fail) => deliveries,
            (None, Nack::Fatal) => FATAL,
        };
        group.set_pending(id, Pending { owner: NOBODY, delivered_at_ms: 0, deliveries });
        given_back += 1;
    }
    return Ok(Reply::Int(given_back));

    struct Options<'a> {
        ids: &'a [&'a [u8]],
        retry_count: Option<u64>,
        force: bool,
    }

    fn nack_options<'a>(args: &'a [&'a [u8]]) -> Answer<Options<'a>> {
        const WORDS: IdsWords = IdsWords {
            no_count: "ERR numids must be a positive integer",
            too_few: "ERR number of IDs doesn't match numids",
        };
        let mut options = Options { ids: &[], retry_count: None, force: false };
        let mut rest = args;
        while let Some((&word, more)) = rest.split_first() {
            rest = match more.split_first() {
                Some((count, more)) if is(word, "IDS") => {
                    options.ids = counted_ids(count, more, WORDS)?;
                    more.get(options.ids.len()..).unwrap_or_default()
                }
                Some((count, more)) if is(word, "RETRYCOUNT") => {
                    let count = u64::try_from(int(count)?)
                        .map_err(|_| Failure::text("ERR Invalid RETRYCOUNT value, must be >= 0"))?;
                    options.retry_count = Some(count);
                    more
                }
                _ if is(word, "FORCE") => {
                    options.force = true;
                    more
                }
                _ => {
                    let word = String::from_utf8_lossy(word);
                    return Err(Failure::said(format!("ERR Unrecognized XNACK option '{word}'")));
                }
            };
        }
        if options.ids.is_empty() {
            return Err(Failure::text("ERR syntax error, expected IDS keyword"));
        }
        Ok(options)
    }
}
