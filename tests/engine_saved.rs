//! What a run writes is what a server writes that has loaded the same log: each value in the same
//! type, and in the same bytes wherever no chance is in them.
//!
//! Collections grow out of their packed forms and shrink again, are copied, restored and left lying
//! in a base; then commands of all families follow. The server loads its own log and saves; the
//! same log is replayed, converted and compacted.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::Command;

use rdbkit::rdb::{Record, Scratch, Snapshot, ValueType};
use rdbkit::value::{self, Item};
use support::client;
use support::history::{drive, log_of, rewrite};
use support::random::Random;
use support::servers::{Kind, Server, servers};
use support::{say, twin};

/// Histories of values that are small in the end. `$L` is a long text, `$N` one that is too long
/// for a node of a list, `$I` many integers, `$W` many words, `$P` many pairs, `$C` an id.
const GROWN: &str = "
HSET hash:value f $L g 2
HSET hash:value f 1
HSET hash:field $L 1 g 2
HDEL hash:field $L
HSET hash:many $P
HDEL hash:many $W
HSET hash:many left 1
HSET hash:packed a 1 b two
HSET hash:empty f $L
HDEL hash:empty f
HSET hash:empty f 1
COPY hash:value hash:copied
HSET hash:expiring f $L g 2
HPEXPIREAT hash:expiring 4102444800000 FIELDS 1 g
HSET hash:expiring f 1
HSET hash:lasting f $L g 2
HPEXPIREAT hash:lasting 4102444800000 FIELDS 1 g
HPERSIST hash:lasting FIELDS 1 g
HSET hash:lasting f 1
HSET hash:triples f 1 g 2
HPEXPIREAT hash:triples 4102444800000 FIELDS 1 g
HSET hash:stays f 1 g 2
HPEXPIREAT hash:stays 4102444800000 FIELDS 1 g
HPERSIST hash:stays FIELDS 1 g
SADD set:integers $I
SREM set:integers $I
SADD set:integers 1 2 3
SADD set:shrunk $I
SADD set:shrunk -1 -2
SREM set:shrunk $I
SADD set:wide 1 2 70000 9999999999
SREM set:wide 9999999999
SADD set:mixed 1 2 a
SREM set:mixed a
SADD set:long $L 1
SREM set:long $L
SADD set:many $W
SADD set:many a b
SREM set:many $W
COPY set:mixed set:copied
SINTERSTORE set:inter set:mixed set:wide
SUNIONSTORE set:union set:mixed set:copied
ZADD zset:long 1 $L 2.5 b
ZREM zset:long $L
ZADD zset:packed 1 a 1e300 b -0 c 0.1 d 4611686018427387905 e
ZUNIONSTORE zset:sum 2 zset:packed zset:long
ZADD zset:gone 1 $L
ZREM zset:gone $L
ZADD zset:gone 1 a
RPUSH list:plain a $N b
RPUSH list:plain c
LPOP list:plain
RPUSH list:shrunk $W $W $W $W $W $W $W $W $W $W $W $W
LTRIM list:shrunk 0 1
RPUSH list:nodes $W $L $W $L $W $L $W $L $W $L $W $L
LSET list:nodes 3 $L
LSET list:nodes 5 12
LINSERT list:nodes BEFORE 12 -7
LREM list:nodes 1 $L
RPUSH list:set a b c
LSET list:set 1 $N
LSET list:set 1 b
SET string:int 12345
SET string:long 123456789012
SET string:compressible $L
SET string:grown 1
APPEND string:grown 2
SET string:zeros 007
SETRANGE string:ranged 30 x
INCRBYFLOAT string:float 1.5
SETBIT string:bits 200 1
PFADD string:hll $W
";

/// Commands behind a base that touch some of what lies in it.
const TOUCHED: &str = "
HSET hash:value g 3
HGET hash:field g
SADD set:shrunk 9
SREM set:mixed 1
ZADD zset:long 3 c
RPUSH list:shrunk z
APPEND string:int 6
";

struct Script {
    random: Random,
    integers: Vec<String>,
    words: Vec<String>,
}

impl Script {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let many = 513 + random.below(40);
        let integers = (0..many).map(|n| (100 + n).to_string()).collect();
        let words = (0..many).map(|n| format!("word{n}")).collect();
        Script { random, integers, words }
    }

    /// The commands of a text, in any order that leaves each key its own.
    fn commands(&mut self, text: &str) -> Vec<Vec<Vec<u8>>> {
        let lines = text.lines().filter(|line| !line.is_empty());
        lines.map(|line| line.split(' ').flat_map(|word| self.word(word)).collect()).collect()
    }

    fn word(&mut self, word: &str) -> Vec<Vec<u8>> {
        let all = |some: &[String]| some.iter().map(|it| it.clone().into_bytes()).collect();
        match word {
            "$L" => vec![b"long".repeat(20)],
            "$N" => vec![b"node".repeat(2048 + 100)],
            "$I" => all(&self.integers),
            "$W" => all(&self.words),
            "$P" => {
                let random = &mut self.random;
                let pair = |it: &String| [it.clone().into_bytes(), random.text(20)];
                self.words.iter().flat_map(pair).collect()
            }
            word => vec![word.as_bytes().to_vec()],
        }
    }

    /// Values that are restored: what lies one by one in a payload is packed by whoever loads it.
    fn restored(server: &Server) -> Vec<Vec<Vec<u8>>> {
        let keys = ["hash:value", "set:shrunk", "set:many", "zset:long", "list:shrunk"];
        let restored = keys.iter().map(|key| {
            let payload = client::bytes(server.cmd(&["DUMP", key]));
            let to = format!("restored:{key}").into_bytes();
            vec![b"RESTORE".to_vec(), to, b"0".to_vec(), payload]
        });
        restored.collect()
    }
}

/// A value as it lies in a snapshot.
struct Lies {
    ty: ValueType,
    body: Vec<u8>,
    /// Its elements, in no order.
    items: Vec<String>,
    expires_at_ms: Option<i64>,
}

fn lying(path: &Path) -> BTreeMap<(u64, Vec<u8>), Lies> {
    let bytes = fs::read(path).unwrap();
    let mut found = BTreeMap::new();
    for record in Snapshot::new(&bytes).unwrap().records() {
        let Record::Entry(entry) = record.unwrap() else { continue };
        let mut items = Vec::new();
        let mut scratch = Scratch::default();
        let each = |item: Item<'_>| {
            // The same text may lie as an integer in one type and as digits in another.
            items.push(match item {
                Item::Field { field, value, expires_at_ms } => {
                    format!("{:?} {:?} {expires_at_ms:?}", field.to_cow(), value.to_cow())
                }
                item => format!("{item:?}"),
            });
            ControlFlow::Continue(())
        };
        entry.visit(&mut scratch, each).unwrap();
        items.sort_unstable();
        let lies = Lies {
            ty: entry.value_type,
            body: entry.body().to_vec(),
            items,
            expires_at_ms: entry.expires_at_ms,
        };
        found.insert((entry.db, entry.key_bytes().unwrap().into_owned()), lies);
    }
    found
}

/// Types whose bytes are not compared. There is chance in those of tables (their order) and streams
/// (times of loading); where lists of ziplists are cut into nodes depends on how they have grown,
/// which is followed for listpacks alone.
fn may_differ(ty: ValueType) -> bool {
    use ValueType::*;
    matches!(ty, Hash | Set | HashMetadata | HashValkey | Stream | Stream2 | Stream3)
        || matches!(ty, Stream4 | Stream5 | ListQuicklist)
}

/// The bytes that are compared. Of a hash whose fields may expire the soonest expiry is not: a
/// server that has just loaded it may still have one of a field that expires no more.
fn compared(value: &Lies) -> &[u8] {
    &value.body[if value.ty == ValueType::HashListpackEx { 8 } else { 0 }..]
}

/// What is different, key by key.
fn differences(ours: &Path, theirs: &Path) -> Vec<String> {
    let (ours, theirs) = (lying(ours), lying(theirs));
    let mut told = Vec::new();
    let keys = ours.keys().chain(theirs.keys()).collect::<std::collections::BTreeSet<_>>();
    for place in keys {
        let name = format!("db {} {}", place.0, place.1.escape_ascii());
        let (Some(our), Some(their)) = (ours.get(place), theirs.get(place)) else {
            let whose = if ours.contains_key(place) { "ours" } else { "theirs" };
            told.push(format!("{name}: only in {whose}"));
            continue;
        };
        // Hashes that share their fields are written as others are.
        let shares =
            matches!(their.ty, ValueType::HashTemplateListpack | ValueType::HashTemplateArray)
                && our.ty != their.ty;
        if our.ty != their.ty && !shares {
            told.push(format!("{name}: {:?}, not {:?}", our.ty, their.ty));
        } else if our.expires_at_ms != their.expires_at_ms {
            told.push(format!("{name}: expires {:?}", (our.expires_at_ms, their.expires_at_ms)));
        } else if our.ty.kind() != value::Kind::Stream && our.items != their.items {
            told.push(format!("{name}: {:?}, not {:?}", our.items, their.items));
        } else if !shares && !may_differ(our.ty) && compared(our) != compared(their) {
            let bodies = [&our.body, &their.body].map(|body| {
                body.iter().take(300).copied().collect::<Vec<u8>>().escape_ascii().to_string()
            });
            told.push(format!("{name}: {:?} {}\n    not {}", our.ty, bodies[0], bodies[1]));
        }
    }
    told
}

fn rdbkit(words: &[&str]) {
    let done = Command::new(env!("CARGO_BIN_EXE_rdbkit")).args(words).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{words:?}: {said}");
}

/// Ours of a log, in each of the ways to write it.
fn written(log: &Path, kind: &Kind, folder: &Path) -> Vec<std::path::PathBuf> {
    let target = twin::target(kind).to_string();
    let log = log.to_str().unwrap();
    let out = |name: &str| folder.join(name);
    let (replayed, converted, compacted) =
        (out("replay.rdb"), out("convert.rdb"), out("compact.rdb"));
    let said = |path: &std::path::PathBuf| path.to_str().unwrap().to_owned();
    rdbkit(&["replay", log, "--save", &said(&replayed), "--target", &target]);
    rdbkit(&["convert", log, &said(&converted), "--target", &target]);
    rdbkit(&["compact", log, "-o", &said(&compacted), "--to", "rdb", "--target", &target]);
    vec![replayed, converted, compacted]
}

#[test]
fn what_is_written_is_what_the_server_writes() {
    let mut told = Vec::new();
    for kind in servers() {
        if !kind.version.at_least(6, 2) {
            continue;
        }
        for (seed, preamble, random) in [(1, "no", true), (2, "yes", true), (3, "yes", false)] {
            let options =
                ["--appendonly", "yes", "--appendfsync", "no", "--aof-use-rdb-preamble", preamble];
            let server = Server::start(&kind, &options);
            let mut script = Script::new(seed);
            if random {
                drive(&server, seed, 3000);
            }
            server.pipeline(&script.commands(GROWN));
            server.pipeline(&Script::restored(&server));
            if preamble == "yes" {
                rewrite(&server);
                server.pipeline(&script.commands(TOUCHED));
            }
            if random && preamble == "yes" {
                drive(&server, seed + 10, 3000);
            }
            server.cmd(&["DEBUG", "LOADAOF"]);
            let theirs = server.save();
            let folder = tempfile::tempdir().unwrap();
            let log = log_of(&server);
            for ours in written(&log, &kind, folder.path()) {
                let how = ours.file_name().unwrap().to_str().unwrap().to_owned();
                let found = differences(&ours, &theirs);
                let from = format!("{} {how} seed {seed} preamble {preamble}", kind.name);
                say(format_args!("{from}: {} keys differ", found.len()));
                told.extend(found.into_iter().map(|it| format!("{from}: {it}")));
            }
        }
    }
    assert!(told.is_empty(), "{} differences:\n{}", told.len(), told.join("\n"));
}
