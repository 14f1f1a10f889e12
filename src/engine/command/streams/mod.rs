//! Streams.

mod add;
mod delete;
mod ids;
mod read;

use crate::bytes::number::integer;
use crate::engine::stream::Entry;
use crate::engine::{Answer, Failure, Spec};
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
