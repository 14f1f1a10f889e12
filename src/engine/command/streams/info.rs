//! XINFO.

use std::ops::ControlFlow;

use super::groups::no_such_group;
use super::{entry, id};
use crate::engine::call::int;
use crate::engine::stream::{Consumer, Entries, FIRST, Group, LAST, Stream};
use crate::engine::{Answer, Call, Env, Failure};
use crate::rdb::{Product, Target};
use crate::resp::Reply;
use crate::value::StreamId;

/// How much of each list XINFO STREAM FULL shows.
const SHOWN: usize = 10;

const HELP: [&str; 9] = [
    "XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CONSUMERS <key> <groupname>",
    "    Show consumers of <groupname>.",
    "GROUPS <key>",
    "    Show the stream consumer groups.",
    "STREAM <key> [FULL [COUNT <count>]",
    "    Show information about the stream.",
    "HELP",
    "    Print this help.",
];

/// What servers tell depends on their version.
#[derive(Clone, Copy)]
struct Told {
    /// Numbers about the whole, and how far groups are behind (7.0).
    numbers: bool,
    /// When consumers were active (7.2).
    activity: bool,
    /// Producers (8.6).
    producers: bool,
    /// What was given back (8.8), and radix trees whose leaves are no nodes.
    nacked: bool,
}

impl Told {
    fn by(target: &Target) -> Self {
        let redis = |version| target.product == Product::Redis && target.version >= version;
        Told {
            numbers: target.since((7, 0)),
            activity: target.since((7, 2)),
            producers: redis((8, 6)),
            nacked: redis((8, 8)),
        }
    }
}

pub(super) fn xinfo(call: &mut Call<'_>) -> Answer {
    let told = Told::by(&call.env.target);
    let (key, name) = (call.arg(2), call.arg(3));
    match call.arg(1).to_ascii_uppercase().as_slice() {
        b"STREAM" => {
            super::arity(call, "xinfo|stream", -3)?;
            let options = call.rest(3);
            let syntax = super::subcommand_syntax(call);
            let stream = call.keys.get::<Stream>(key)?.ok_or(Failure::NO_SUCH_KEY)?;
            if !call.env.loading {
                stream.idempotence.expire(call.env.now_ms);
            }
            let most = match options {
                [] => return Ok(summary(stream, told)),
                [full] if full.eq_ignore_ascii_case(b"FULL") => SHOWN,
                [full, word, count]
                    if full.eq_ignore_ascii_case(b"FULL")
                        && word.eq_ignore_ascii_case(b"COUNT") =>
                {
                    match int(count)? {
                        0 => usize::MAX,
                        count => usize::try_from(count).unwrap_or(SHOWN),
                    }
                }
                _ => return Err(syntax),
            };
            Ok(full(stream, most, told, call.env))
        }
        b"GROUPS" => {
            super::arity(call, "xinfo|groups", 3)?;
            let stream = call.keys.get::<Stream>(key)?.ok_or(Failure::NO_SUCH_KEY)?;
            let one = |(name, group): (&crate::engine::Bytes, &Group)| {
                let mut map = Map::default();
                map.add("name", Reply::bulk(name));
                map.add("consumers", Reply::count(group.consumers().len()));
                map.add("pending", Reply::count(group.pending().len()));
                map.add("last-delivered-id", id(group.last_id));
                map.progress(group, &stream.entries, told, call.env);
                map.done()
            };
            Ok(Reply::Array(stream.groups.iter().map(one).collect()))
        }
        b"CONSUMERS" => {
            super::arity(call, "xinfo|consumers", 4)?;
            let stream = call.keys.get::<Stream>(key)?.ok_or(Failure::NO_SUCH_KEY)?;
            let group = stream.groups.get(name).ok_or_else(|| no_such_group(key, name))?;
            let now = call.env.now_ms;
            let since = |at: i64| now.saturating_sub(at).max(0);
            let one = |consumer: &Consumer| {
                let mut map = Map::default();
                map.add("name", Reply::bulk(&consumer.name));
                map.add("pending", Reply::count(consumer.pending.len()));
                map.add("idle", Reply::Int(since(consumer.seen_at_ms)));
                if told.activity {
                    let at = consumer.active_at_ms;
                    map.add("inactive", Reply::Int(if at < 0 { -1 } else { since(at) }));
                }
                map.done()
            };
            Ok(Reply::Array(group.consumers().flatten().map(one).collect()))
        }
        b"HELP" => {
            super::arity(call, "xinfo|help", 2)?;
            Ok(super::help(&HELP))
        }
        _ => Err(super::unknown_subcommand(call)),
    }
}

/// A map as RESP2 has it.
#[derive(Default)]
struct Map(Vec<Reply>);

impl Map {
    fn add(&mut self, name: &str, value: Reply) {
        self.0.push(Reply::bulk(name));
        self.0.push(value);
    }

    fn count(&mut self, name: &str, value: u64) {
        self.add(name, Reply::Int(i64::try_from(value).unwrap_or(i64::MAX)));
    }

    fn done(self) -> Reply {
        Reply::Array(self.0)
    }

    /// How far a group is, where the server tells.
    fn progress(&mut self, group: &Group, entries: &Entries, told: Told, env: &Env) {
        if told.numbers {
            let read = group.entries_read.map_or(Reply::Nil, |read| Reply::Int(read as i64));
            self.add("entries-read", read);
            let lag = group.lag(entries, &env.target);
            self.add("lag", lag.map_or(Reply::Nil, Reply::Int));
        }
    }

    /// What both forms of XINFO STREAM begin with.
    fn stream(&mut self, stream: &Stream, told: Told) {
        let numbers = &stream.entries.numbers;
        let keys = stream.entries.nodes().len();
        let mut tree = tree_nodes(&stream.entries);
        if told.nacked {
            tree -= keys;
        }
        self.count("length", numbers.length);
        self.add("radix-tree-keys", Reply::count(keys));
        self.add("radix-tree-nodes", Reply::count(tree));
        self.add("last-generated-id", id(numbers.last_id));
        if told.numbers {
            self.add("max-deleted-entry-id", id(numbers.max_deleted_id));
            self.count("entries-added", numbers.entries_added);
            self.add("recorded-first-entry-id", id(numbers.first_id));
        }
        if told.producers {
            let memory = &stream.idempotence;
            self.count("idmp-duration", memory.duration_secs);
            self.count("idmp-maxsize", memory.max_entries);
            self.add("pids-tracked", Reply::count(memory.producers().len()));
            self.add("iids-tracked", Reply::count(memory.tracked()));
            self.count("iids-added", memory.added);
            self.count("iids-duplicates", memory.duplicates);
        }
    }
}

fn summary(stream: &Stream, told: Told) -> Reply {
    let entries = &stream.entries;
    let edge = |found: Vec<Reply>| found.into_iter().next().unwrap_or(Reply::Nil);
    let between = |back| super::read::between(entries, FIRST, LAST, back, 1);
    let mut map = Map::default();
    map.stream(stream, told);
    map.add("groups", Reply::count(stream.groups.len()));
    map.add("first-entry", edge(between(false)));
    map.add("last-entry", edge(between(true)));
    map.done()
}

fn full(stream: &Stream, most: usize, told: Told, env: &Env) -> Reply {
    let entries = &stream.entries;
    let mut map = Map::default();
    map.stream(stream, told);
    let mut shown = Vec::new();
    entries.walk(FIRST, LAST, |one| {
        shown.push(entry(one));
        if shown.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    map.add("entries", Reply::Array(shown));
    let one = |(name, group): (&crate::engine::Bytes, &Group)| {
        let mut map = Map::default();
        map.add("name", Reply::bulk(name));
        map.add("last-delivered-id", id(group.last_id));
        map.progress(group, entries, told, env);
        map.add("pel-count", Reply::count(group.pending().len()));
        if told.nacked {
            map.add("nacked-count", Reply::count(group.nacked().len()));
        }
        let pending = group.pending().iter().take(most).map(|(at, pending)| {
            Reply::Array(vec![
                id(*at),
                Reply::bulk(group.name(pending.owner)),
                Reply::Int(pending.delivered_at_ms),
                Reply::Int(pending.deliveries as i64),
            ])
        });
        map.add("pending", Reply::Array(pending.collect()));
        let consumers = group.consumers().flatten().map(|one| consumer(group, one, most, told));
        map.add("consumers", Reply::Array(consumers.collect()));
        map.done()
    };
    map.add("groups", Reply::Array(stream.groups.iter().map(one).collect()));
    map.done()
}

fn consumer(group: &Group, consumer: &Consumer, most: usize, told: Told) -> Reply {
    let mut map = Map::default();
    map.add("name", Reply::bulk(&consumer.name));
    map.add("seen-time", Reply::Int(consumer.seen_at_ms));
    if told.activity {
        map.add("active-time", Reply::Int(consumer.active_at_ms));
    }
    map.add("pel-count", Reply::count(consumer.pending.len()));
    let pending = consumer.pending.iter().take(most).filter_map(|at| {
        let pending = group.pending().get(at)?;
        Some(Reply::Array(vec![
            id(*at),
            Reply::Int(pending.delivered_at_ms),
            Reply::Int(pending.deliveries as i64),
        ]))
    });
    map.add("pending", Reply::Array(pending.collect()));
    map.done()
}

/// How many nodes the radix tree of a server has that holds the nodes of a stream by their keys.
fn tree_nodes(entries: &Entries) -> usize {
    let number = |id: StreamId| u128::from(id.ms) << 64 | u128::from(id.seq);
    let keys: Vec<u128> = entries.nodes().map(|(key, _)| number(key)).collect();
    branches(&keys, 0)
}

/// One node for each run of bytes that does not branch, one for each branch, one for each leaf,
/// below a place where all keys are the same up to a byte.
fn branches(keys: &[u128], from: u32) -> usize {
    const KEY_BYTES: u32 = 16;
    let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return 1 };
    let branch = (first ^ last).leading_zeros() / 8;
    if branch >= KEY_BYTES {
        return usize::from(from < KEY_BYTES) + 1;
    }
    let shift = 8 * (KEY_BYTES - 1 - branch);
    let below: usize = keys
        .chunk_by(|one, other| one >> shift == other >> shift)
        .map(|keys| branches(keys, branch + 1))
        .sum();
    usize::from(branch > from) + 1 + below
}

#[cfg(test)]
mod tests {
    use super::branches;

    #[test]
    fn the_nodes_of_a_radix_tree() {
        assert_eq!(branches(&[], 0), 1);
        assert_eq!(branches(&[1 << 64], 0), 2);
        assert_eq!(branches(&[1 << 64, 101 << 64], 0), 6);
        assert_eq!(branches(&[1, 2], 0), 4);
        assert_eq!(branches(&[1, 2, 256], 0), 7);
    }
}
