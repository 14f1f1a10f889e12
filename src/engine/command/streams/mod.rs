//! Streams.

mod add;
mod claim;
mod delete;
mod deliver;
mod groups;
mod ids;
mod info;
mod pending;
mod producers;
mod read;
#[cfg(test)]
mod replay;

use crate::bytes::number::integer;
use crate::engine::stream::{Entry, Stream};
use crate::engine::{Answer, Call, Failure, Spec};
use crate::rdb::{Product, Target};
use crate::resp::Reply;
use crate::value::StreamId;

/// What is known here.
pub(super) const COMMANDS: &[Spec] = &[
    Spec::key("XADD", -5, add::xadd),
    Spec::key("XTRIM", -4, add::xtrim),
    Spec::key("XDEL", -3, delete::xdel),
    Spec::key("XDELEX", -5, delete::xdelex),
    Spec::key("XACKDEL", -6, delete::xackdel),
    Spec::key("XLEN", 2, read::xlen),
    Spec::key("XRANGE", -4, read::xrange),
    Spec::key("XREVRANGE", -4, read::xrevrange),
    Spec::keys("XREAD", -4, deliver::xread),
    Spec::keys("XREADGROUP", -7, deliver::xreadgroup),
    Spec::keys("XGROUP", -2, groups::xgroup),
    Spec::key("XACK", -4, groups::xack),
    Spec::key("XNACK", -7, groups::xnack),
    Spec::key("XCLAIM", -6, claim::xclaim),
    Spec::key("XAUTOCLAIM", -6, claim::xautoclaim),
    Spec::key("XPENDING", -3, pending::xpending),
    Spec::keys("XINFO", -2, info::xinfo),
    Spec::key("XSETID", -3, producers::xsetid),
    Spec::key("XCFGSET", -2, producers::xcfgset),
    Spec::key("XIDMPRECORD", 5, producers::xidmprecord),
];

/// An entry as it is answered: its id, and its fields and values in one array.
fn entry(entry: &Entry<'_>) -> Reply {
    Reply::Array(vec![id(entry.id), fields(entry)])
}

fn fields(entry: &Entry<'_>) -> Reply {
    let mut texts = Vec::new();
    for (field, value) in entry.pairs() {
        texts.push(Reply::Bulk(field.to_vec()));
        texts.push(Reply::Bulk(value.to_vec()));
    }
    Reply::Array(texts)
}

fn id(id: StreamId) -> Reply {
    Reply::Bulk(id.to_string().into_bytes())
}

/// How many ids follow the word IDS, and that they do.
fn counted_ids<'a>(count: &[u8], rest: &'a [&'a [u8]], words: IdsWords) -> Answer<&'a [&'a [u8]]> {
    let count = integer(count).and_then(|n| usize::try_from(n).ok()).filter(|&n| n > 0);
    let count = count.ok_or(Failure::text(words.no_count))?;
    rest.get(..count).ok_or(Failure::text(words.too_few))
}

/// What is said where the ids are not as many as they should be.
struct IdsWords {
    no_count: &'static str,
    too_few: &'static str,
}

/// One delivery more; there is no more than an integer of a reply can say.
fn more_deliveries(deliveries: u64) -> u64 {
    deliveries.saturating_add(1).min(i64::MAX as u64)
}

/// What a group may say that it has read: newer servers know that it is no more than was added.
fn most_read(read: Option<u64>, stream: &Stream, target: &Target) -> Option<u64> {
    let checks = target.product == Product::Redis && target.version >= (8, 6);
    let added = stream.entries.numbers.entries_added;
    read.map(|read| if checks { read.min(added) } else { read })
}

/// The error for a key or a group that is not there.
fn no_group(key: &[u8], name: &[u8]) -> Failure {
    let (key, name) = (String::from_utf8_lossy(key), String::from_utf8_lossy(name));
    Failure::said(format!("NOGROUP No such key '{key}' or consumer group '{name}'"))
}

/// Whether a subcommand got as many arguments as it takes, its own name and the command's included.
fn arity(call: &Call<'_>, name: &'static str, arity: i32) -> Answer<()> {
    let spec = Spec::nothing(name, arity, |_| Ok(Reply::OK));
    if spec.takes(call.argc()) { Ok(()) } else { Err(spec.wrong_count()) }
}

fn unknown_subcommand(call: &Call<'_>) -> Failure {
    let (command, word) = (upper(call.arg(0)), String::from_utf8_lossy(call.arg(1)));
    Failure::said(format!("ERR unknown subcommand '{word}'. Try {command} HELP."))
}

fn subcommand_syntax(call: &Call<'_>) -> Failure {
    let (command, word) = (upper(call.arg(0)), String::from_utf8_lossy(call.arg(1)));
    Failure::said(format!(
        "ERR unknown subcommand or wrong number of arguments for '{word}'. Try {command} HELP."
    ))
}

fn upper(name: &[u8]) -> String {
    String::from_utf8_lossy(name).to_ascii_uppercase()
}

fn help(lines: &[&'static str]) -> Reply {
    Reply::Array(lines.iter().map(|line| Reply::Status(line)).collect())
}
