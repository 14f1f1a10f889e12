//! Streams in the engine, beside real servers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use rdbkit::engine::stream::{Group, Producer, Stream};
use rdbkit::engine::{Typed, Value as Held};
use rdbkit::rdb::{Dump, Limits, Scratch};
use redis::Value;
use support::say;
use support::servers::{Flavour, Kind};
use support::twin::{Twin, recent};

/// What a server knows of streams besides what 6.2 did.
#[derive(Clone, Copy)]
struct Known {
    /// 7.0: the numbers about the whole, `ms-*`.
    numbers: bool,
    /// 8.2: XDELEX, XACKDEL, and the strategies.
    strategies: bool,
    /// 8.4: XREADGROUP CLAIM.
    claim: bool,
    /// 8.6: producers.
    producers: bool,
    /// 8.8: XNACK.
    nack: bool,
}

impl Known {
    fn of(kind: &Kind) -> Self {
        let version = kind.version;
        let redis = |major, minor| {
            matches!(version.flavour, Flavour::Redis) && version.at_least(major, minor)
        };
        Known {
            numbers: version.at_least(7, 0),
            strategies: redis(8, 2),
            claim: redis(8, 4),
            producers: redis(8, 6),
            nack: redis(8, 8),
        }
    }
}

/// Runs lines on both; times are not compared, and of errors only the code with old servers, who
/// word them otherwise.
#[track_caller]
fn run(twin: &mut Twin, lines: &str) {
    let old = !twin.server.kind().version.at_least(7, 0);
    let leafless = Known::of(twin.server.kind()).nack;
    let view = match (old, leafless) {
        (true, _) => worded_otherwise,
        (_, true) => treeless,
        _ => timeless,
    };
    // Which of two entries of the same time comes first is not to be seen from outside.
    let view =
        if lines.contains("CLAIM 0 ") && lines.contains("READGROUP") { sorted } else { view };
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<Vec<u8>> = line
            .split(' ')
            .filter(|word| !word.is_empty())
            .map(|word| if word == "''" { Vec::new() } else { word.as_bytes().to_vec() })
            .collect();
        twin.run_as(&words, view);
    }
}

/// The answer without the times in it.
fn timeless(value: Value) -> Value {
    use Value::{Array, BulkString, Int, Nil};
    let gone = |value: &mut Value| {
        if matches!(value, Int(0..)) {
            *value = Int(0);
        }
    };
    let Array(mut items) = value else { return value };
    match &mut items[..] {
        [BulkString(_), BulkString(_), time, Int(_)]
        | [BulkString(_), Array(_) | Nil, time, Int(_)]
        | [BulkString(_), time, Int(_)] => gone(time),
        _ => {
            for at in 1..items.len() {
                let timed = ["idle", "inactive", "seen-time", "active-time"];
                if matches!(&items[at - 1], BulkString(name) if timed.iter().any(|t| t.as_bytes() == name))
                {
                    gone(&mut items[at]);
                }
            }
        }
    }
    Array(items.into_iter().map(timeless).collect())
}

/// The answer without times and without the number of nodes in the radix tree, which newer servers
/// do not bring down again when entries go.
fn treeless(value: Value) -> Value {
    let mut value = timeless(value);
    if let Value::Array(items) = &mut value
        && let [_, _, _, _, Value::BulkString(name), nodes, ..] = &mut items[..]
        && name == b"radix-tree-nodes"
    {
        *nodes = Value::Int(0);
    }
    value
}

fn sorted(value: Value) -> Value {
    let Value::Array(items) = timeless(value) else { return Value::Nil };
    let mut items: Vec<Value> = items.into_iter().map(sorted_inside).collect();
    items.sort_by_key(|item| format!("{item:?}"));
    Value::Array(items)
}

fn sorted_inside(value: Value) -> Value {
    if let Value::Array(_) = value { sorted(value) } else { value }
}

fn worded_otherwise(value: Value) -> Value {
    match value {
        Value::ServerError(error) => Value::SimpleString(format!("-{}", error.code())),
        Value::SimpleString(text) if text.starts_with('-') => {
            Value::SimpleString(text.split(' ').next().unwrap().to_owned())
        }
        other => timeless(other),
    }
}

/// Holds our stream against what the server gives out of its own.
#[track_caller]
fn same_stream(twin: &mut Twin, key: &str, known: Known) {
    let Value::BulkString(payload) = twin.server.cmd(&["DUMP", key]) else {
        assert!(ours(twin, key).is_none(), "{key} is not there");
        return;
    };
    let dump = Dump::parse(&payload).unwrap();
    let theirs = Stream::load(&dump.entry, &Limits::default(), &mut Scratch::default()).unwrap();
    let name = &twin.server.kind().name.clone();
    let ours = ours(twin, key).unwrap_or_else(|| panic!("{key} is there"));
    let nodes = |stream: &Stream| -> Vec<String> {
        let show = |(id, node): (_, &rdbkit::engine::stream::Node)| {
            format!("{id} {}", node.as_bytes().escape_ascii())
        };
        stream.entries.nodes().map(show).collect()
    };
    assert_eq!(nodes(ours), nodes(&theirs), "{name} {key}");
    let (a, b) = (&ours.entries.numbers, &theirs.entries.numbers);
    assert_eq!((a.length, a.last_id), (b.length, b.last_id), "{name} {key}");
    if known.numbers {
        assert_eq!(a, b, "{name} {key}");
    }
    let groups = |stream: &Stream| -> Vec<String> {
        stream.groups.iter().map(|(name, group)| show_group(name, group, known)).collect()
    };
    assert_eq!(groups(ours), groups(&theirs), "{name} {key}");
    let producers = |stream: &Stream| -> Vec<String> {
        let memory = &stream.idempotence;
        let show = |(pid, producer): (&[u8], &Producer)| {
            let ids: Vec<String> =
                producer.iter().map(|(iid, id)| format!("{} {id}", iid.escape_ascii())).collect();
            format!("{} {ids:?} {} {}", pid.escape_ascii(), memory.added, memory.duplicates)
        };
        memory.producers().map(show).collect()
    };
    assert_eq!(producers(ours), producers(&theirs), "{name} {key}");
}

fn show_group(name: &[u8], group: &Group, known: Known) -> String {
    let read = group.entries_read.filter(|_| known.numbers);
    let pending: Vec<String> = group
        .pending()
        .iter()
        .map(|(id, pending)| {
            let owner = group.name(pending.owner).escape_ascii();
            format!("{id} {owner} {}", pending.deliveries)
        })
        .collect();
    let consumers: Vec<String> = group
        .consumers()
        .flatten()
        .map(|consumer| format!("{} {:?}", consumer.name.escape_ascii(), consumer.pending))
        .collect();
    let nacked: Vec<String> = group.nacked().map(|id| id.to_string()).collect();
    let name = name.escape_ascii();
    format!("{name} {} {read:?} {pending:?} {consumers:?} {nacked:?}", group.last_id)
}

fn ours<'t>(twin: &'t mut Twin, key: &str) -> Option<&'t Stream> {
    let shards = twin.engine.keyspace.shards_mut();
    let records =
        shards.iter_mut().flat_map(|shard| shard.dbs_mut()).flat_map(|db| db.records_mut());
    let mut found = records.filter(|record| record.key.as_slice() == key.as_bytes());
    found.find_map(|record| match &mut record.value {
        value @ Held::Stream(_) => Stream::of(value).map(|stream| &*stream),
        _ => None,
    })
}

/// A source of chance that is the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }
}

#[test]
fn entries_are_added_read_and_deleted() {
    for kind in recent() {
        let known = Known::of(&kind);
        let mut twin = Twin::start(&kind);
        run(&mut twin, ENTRIES);
        if known.numbers {
            run(&mut twin, ENTRIES_7_0);
        }
        if known.strategies {
            run(&mut twin, STRATEGIES);
        }
        same_stream(&mut twin, "s", known);
        same_stream(&mut twin, "n", known);
    }
}

const ENTRIES: &str = "
    SET text 1
    XADD text 1-1 a 1
    XLEN text
    XRANGE text - +
    XADD s 1-1 a 1
    XADD s 1-1 a 1
    XADD s 0-0 a 1
    XADD s 1 a 1
    XADD s x a 1
    XADD s 1-1-1 a 1
    XADD s - a 1
    XADD s + a 1
    XADD s 5-x a 1
    XADD s 2-2
    XADD s 2-2 a
    XADD s 2-2 a 1 b
    XADD s MAXLEN 1 2-2
    XADD s MAXLEN x 2-2 a 1
    XADD s MAXLEN -1 2-2 a 1
    XADD s MAXLEN = 2-2 a 1
    XADD s MINID 1 MAXLEN 1 2-2 a 1
    XADD s MAXLEN 1 MINID 1 2-2 a 1
    XADD s LIMIT 1 2-2 a 1
    XADD s LIMIT -1 2-2 a 1
    XADD s LIMIT x 2-2 a 1
    XADD s LIMIT 0 2-2 a 1
    XADD s MAXLEN 10 LIMIT 1 2-3 a 1
    XADD s MAXLEN = 10 LIMIT 0 2-3 a 1
    XADD s MAXLEN ~ 10 LIMIT 0 2-3 a 1
    XADD n NOMKSTREAM 2-6 a 1
    XADD n 5-5 a 1
    XADD n +7-1 a 1
    XADD n 07-02 a 1
    XADD n 18446744073709551615-18446744073709551615 a 1
    XADD n * a 1
    XADD n 5 a 1
    XADD n 18446744073709551616-1 a 1
    XLEN n
    XLEN none
    XADD s 3-1 a 1 b 2
    XADD s 3-2 a 5 b 6
    XADD s 3-3 b 5 a 6
    XADD s 4-0 a 77777777777 a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
    XRANGE s - +
    XREVRANGE s + -
    XRANGE s 3 3
    XRANGE s 3 3-2
    XRANGE s (3-1 +
    XRANGE s (3-1 (4
    XRANGE s (3 (4 COUNT 1
    XREVRANGE s (4 (3 COUNT 1
    XREVRANGE s 3 1 COUNT 2
    XRANGE s + -
    XRANGE s - + COUNT 0
    XRANGE s - + COUNT -5
    XRANGE s - + COUNT x
    XRANGE s - + COUNT
    XRANGE s - + FOO 1
    XRANGE s - + COUNT 1 COUNT 2
    XRANGE none - +
    XRANGE none - + COUNT 0
    XRANGE s (+ +
    XRANGE s (18446744073709551615-18446744073709551615 +
    XRANGE s - (0-0
    XRANGE s - (-
    XRANGE s x +
    XRANGE s - x
    XRANGE s ( +
    XDEL s 3-2 9-9 3-2
    XDEL s 3-3 x
    XDEL none x
    XDEL text 1-1
    XRANGE s - +
    XREVRANGE s + - COUNT 2
    XDEL s 1-1
    XDEL s 4
    XLEN s
    XTRIM s
    XTRIM s MAXLEN
    XTRIM s MAXLEN 1 2
    XTRIM s LIMIT 1
    XTRIM s FOO 1
    XTRIM s NOMKSTREAM MAXLEN 1
    XTRIM s MINID *
    XTRIM s MINID -
    XTRIM s MINID 2
    XTRIM s MINID 2-3
    XTRIM s MAXLEN 2
    XTRIM s MAXLEN ~ 0 LIMIT 1
    XTRIM none MAXLEN 1
    XTRIM text MAXLEN 1
    XRANGE s - +
    XTRIM s MAXLEN ~ 0
    XRANGE s - +
    XADD s 50-1 a b
    XTRIM s MAXLEN 0
    XADD s MAXLEN 0 51-1 a b
    XLEN s
    XADD s MINID 52-5 52-4 a b
    XADD s MINID = 52-5 52-5 a b
    XRANGE s - +
";

const ENTRIES_7_0: &str = "
    XADD m 0-* a 1
    XADD m 2-* a 1
    XADD m 2-* a 1
    XADD m 1-* a 1
    XADD m NOMKSTREAM 2-* a 1
    XADD m 3-18446744073709551615 a 1
    XADD m *-1 a 1
    XADD mm NOMKSTREAM 2-* a 1
    XTRIM m MINID 0-*
    XRANGE m - +
";

const STRATEGIES: &str = "
    XADD s NOMKSTREAM KEEPREF MAXLEN 3 DELREF 62-4 a 1
    XADD s NOMKSTREAM KEEPREF MAXLEN 3 62-4 a 1
    XADD s KEEPREF DELREF 62-5 a 1
    XADD s KEEPREF KEEPREF 62-6 a 1
    XADD s ACKED MAXLEN ~ 3 62-7 a 1
    XTRIM s KEEPREF DELREF
    XTRIM s KEEPREF
    XTRIM s MAXLEN 1 KEEPREF
    XTRIM s DELREF MAXLEN 0
    XADD m 3-* a 1
";

#[test]
fn producers_add_nothing_twice() {
    for kind in recent() {
        let known = Known::of(&kind);
        if !known.producers {
            continue;
        }
        let mut twin = Twin::start(&kind);
        run(&mut twin, PRODUCERS);
        if known.nack {
            run(&mut twin, RECORDS);
        }
        same_stream(&mut twin, "s", known);
    }
}

/// Ids that are to come are far ahead of the clock, so that both have the same.
const PRODUCERS: &str = "
    SET text 1
    XCFGSET s
    XCFGSET s IDMP-DURATION 5
    XADD s 1-0 a 1
    XADD s 99999999999999-1 a 1
    XCFGSET s
    XCFGSET s FOO 5
    XCFGSET s IDMP-DURATION
    XCFGSET s IDMP-DURATION 0
    XCFGSET s IDMP-DURATION x
    XCFGSET s IDMP-DURATION 86401
    XCFGSET s IDMP-MAXSIZE 0
    XCFGSET s IDMP-MAXSIZE 10001
    XCFGSET s IDMP-MAXSIZE 3 IDMP-MAXSIZE 4
    XCFGSET text IDMP-MAXSIZE 3
    XADD s IDMP p i * a 1
    XADD s IDMP p i * a 2
    XADD s IDMP p j * a 2
    XADD s IDMP q i * a 2
    XADD s IDMP q i MAXLEN 1 * a 2
    XADD s IDMPAUTO p * a 1 b 2
    XADD s IDMPAUTO p * b 2 a 1
    XADD s IDMPAUTO p * b 1 a 2
    XADD s IDMPAUTO p * a 1 a 1
    XADD s IDMPAUTO p * a 1 a 1
    XADD s IDMPAUTO p * a 1b 2 ''
    XINFO STREAM s
    XADD s IDMP p z 999999999999999-1 a 1
    XADD s IDMPAUTO p 999999999999999-* a 1
    XADD s IDMPAUTO p1 IDMP p i * a 1
    XADD s IDMP p1 j IDMP p i * a 1
    XADD s IDMP p1 * a 1
    XADD s IDMP p1
    XADD s IDMP p1 j
    XADD s IDMP p1 j * a
    XADD s IDMP p z MAXLEN 3 NOMKSTREAM * a 1
    XADD none IDMP x j NOMKSTREAM * a 1
    XADD s IDMP '' j * a 1
    XADD s IDMP p '' * a 1
    XADD s IDMPAUTO '' * a 1
    XADD text IDMP p j * a 1
    XINFO STREAM s
    XCFGSET s IDMP-MAXSIZE 100
    XINFO STREAM s
    XCFGSET s IDMP-MAXSIZE 2
    XADD s IDMP p 1 * a 1
    XADD s IDMP p 2 * a 1
    XADD s IDMP p 3 * a 1
    XADD s IDMP p 2 * a 1
    XADD s IDMP p 1 * a 1
    XINFO STREAM s
    XINFO STREAM s FULL
    XRANGE s - +
";

const RECORDS: &str = "
    XADD s 99999999999999-20 a 1
    XADD s 99999999999999-21 a 1
    XIDMPRECORD s r i 1-1
    XIDMPRECORD s r i 99999999999999-20
    XIDMPRECORD s r i 99999999999999-20
    XIDMPRECORD s r i 99999999999999-21
    XIDMPRECORD s r j 99999999999999-21
    XIDMPRECORD s r k 99999999999999-20
    XIDMPRECORD none r i 1-1
    XIDMPRECORD none r i x
    XIDMPRECORD s r i x
    XIDMPRECORD s '' i 1-1
    XIDMPRECORD s r '' 1-1
    XIDMPRECORD text r i 1-1
    XINFO STREAM s
";

#[test]
fn entries_by_chance() {
    for kind in recent() {
        let known = Known::of(&kind);
        for seed in 1..=2 {
            let mut twin = Twin::start(&kind);
            let mut dice = Dice(seed * 0x9e37_79b9);
            let mut next = 1_000_u64;
            for _ in 0..1500 {
                let line = entries_line(&mut dice, known, &mut next);
                run(&mut twin, &line);
            }
            for key in ["a", "b"] {
                run(&mut twin, &format!("XRANGE {key} - +\nXREVRANGE {key} + -\nXLEN {key}"));
                same_stream(&mut twin, key, known);
            }
        }
        say(format_args!("{}: entries by chance", kind.name));
    }
}

fn entries_line(dice: &mut Dice, known: Known, next: &mut u64) -> String {
    let key = dice.pick(&["a", "a", "a", "b"]);
    let near = |dice: &mut Dice, next: u64| next.saturating_sub(dice.below(300));
    let trim = |dice: &mut Dice, next: u64| {
        let mut line = match dice.one_in(2) {
            true => format!(
                "MAXLEN {} {}",
                dice.pick(&["=", "~", "~", ""]),
                dice.pick(&[0, 1, 5, 50, 99, 100, 150, 180, 230])
            ),
            false => format!("MINID {} {}", dice.pick(&["=", "~", ""]), near(dice, next)),
        };
        if line.contains('~') && dice.one_in(3) {
            line += &format!(" LIMIT {}", dice.pick(&[0, 1, 50, 100, 200]));
        }
        if known.strategies && dice.one_in(3) {
            line += dice.pick(&[" DELREF", " ACKED", " KEEPREF"]);
        }
        line
    };
    match dice.below(20) {
        0..=12 => {
            *next += dice.below(3);
            let trim = if dice.one_in(40) { trim(dice, *next) } else { String::new() };
            let id = match dice.below(6) {
                0 if known.numbers => format!("{next}-*"),
                1 => format!("{next}-{}", dice.below(400)),
                _ => {
                    *next += 1;
                    format!("{next}")
                }
            };
            let fields = match dice.below(8) {
                0 => "x 1 y 2".to_owned(),
                1 => format!(
                    "name {} n {}",
                    "v".repeat(dice.below(300) as usize + 1),
                    dice.below(999999)
                ),
                2 => format!("blob {}", "w".repeat(dice.below(1500) as usize + 1)),
                _ => format!("name {} n {}", dice.below(100), dice.below(70000)),
            };
            format!("XADD {key} {trim} {id} {fields}")
        }
        13 => format!(
            "XTRIM {key} {}",
            if dice.one_in(4) { trim(dice, *next) } else { "MAXLEN 500".into() }
        ),
        14 | 15 => {
            let ids: Vec<String> =
                (0..=dice.below(4)).map(|_| format!("{}", near(dice, *next))).collect();
            format!("XDEL {key} {}", ids.join(" "))
        }
        16 => format!("XDEL {key} {}-{}", near(dice, *next), dice.below(400)),
        17 => format!(
            "XRANGE {key} {} {} COUNT {}",
            near(dice, *next),
            near(dice, *next),
            dice.below(9)
        ),
        18 => format!("XREVRANGE {key} {} {}", near(dice, *next), near(dice, *next)),
        _ => format!("XLEN {key}"),
    }
}

#[test]
fn groups_read_claim_and_acknowledge() {
    for kind in recent() {
        let known = Known::of(&kind);
        let mut twin = Twin::start(&kind);
        run(&mut twin, GROUPS);
        same_stream(&mut twin, "s", known);
        if known.numbers {
            run(&mut twin, GROUPS_7_0);
        }
        if known.strategies {
            run(&mut twin, GROUPS_8_2);
        }
        if known.nack {
            run(&mut twin, "FLUSHALL");
            run(&mut twin, NACKS);
        }
        same_stream(&mut twin, "s", known);
    }
}

const GROUPS: &str = "
    XADD s 1-0 a 1
    XADD s 2-0 a 1
    XADD s 3-0 a 1
    XADD s 4-0 a 1
    XGROUP CREATE s g 0
    SET str 1
    XREADGROUP GROUP g c COUNT 3 STREAMS s >
    XREADGROUP GROUP g c COUNT 3 STREAMS s 0
    XREADGROUP GROUP g c COUNT 0 STREAMS s 0
    XREADGROUP GROUP g c COUNT -1 STREAMS s 1
    XREADGROUP GROUP g c BLOCK x STREAMS s 1
    XREADGROUP GROUP g c BLOCK -1 STREAMS s 1
    XREADGROUP GROUP g c STREAMS s $
    XREADGROUP GROUP nog c STREAMS s >
    XREADGROUP GROUP g c STREAMS str >
    XREADGROUP GROUP g c STREAMS none >
    XREADGROUP GROUP g c STREAMS s x
    XREADGROUP FOO g c STREAMS s x
    XREADGROUP NOACK COUNT 1 STREAMS s 1
    XREADGROUP GROUP g c NOACK
    XREAD GROUP g c STREAMS s 0
    XREAD NOACK STREAMS s 0
    XREAD STREAMS s >
    XREAD STREAMS s
    XREAD STREAMS s none 2 $
    XREAD STREAMS s $
    XREAD COUNT 1 STREAMS s s 0 1
    XCLAIM s g d 0 1-0
    XCLAIM s g d 0 1-0 JUSTID
    XCLAIM s g d 0 1-0 9-9
    XCLAIM s g d 0 4-0 FORCE
    XCLAIM s g d x 4-0 FORCE
    XCLAIM s g d -5 4-0
    XCLAIM s g d 0 FOO
    XCLAIM s g d 0 4-0 FOO
    XCLAIM s g d 0 4-0 IDLE
    XCLAIM s g d 0 4-0 IDLE x
    XCLAIM s g d 0 4-0 TIME x
    XCLAIM s g d 0 4-0 RETRYCOUNT x
    XCLAIM s g d 0 4-0 RETRYCOUNT -1
    XCLAIM s g d 0 4-0 LASTID x
    XCLAIM s g d 0 4-0 LASTID 9-9
    XCLAIM s nog d 0 4-0
    XCLAIM none g d 0 4-0
    XCLAIM str g d 0 4-0
    XCLAIM s g newc 100000 4-0
    XDEL s 2-0
    XCLAIM s g newd 0 2-0
    XCLAIM s g newe 0 2-0 FORCE
    XPENDING s g - + 10
    XPENDING s g
    XPENDING s g - +
    XPENDING s g - + x
    XPENDING s g - + 0
    XPENDING s g - + -1
    XPENDING s g IDLE 0 - + 10
    XPENDING s g IDLE x - + 10
    XPENDING s g FOO 1 - + 10
    XPENDING s g IDLE 1 - +
    XPENDING s g IDLE 1
    XPENDING s g - + 10 c
    XPENDING s g - + 10 nobody
    XPENDING s g - + 10 nobody x
    XPENDING s nog - + 10
    XPENDING none nog
    XPENDING s g (1 (3 10
    XPENDING s g x (3 10
    XINFO GROUPS s
    XINFO CONSUMERS s g
    XAUTOCLAIM s g e 0 0
    XAUTOCLAIM s g e 0 - COUNT 1
    XAUTOCLAIM s g e 0 0 COUNT 1 JUSTID
    XAUTOCLAIM s g e 0 (1-0 COUNT 1 JUSTID
    XAUTOCLAIM s g e 0 0 COUNT 0
    XAUTOCLAIM s g e 0 0 COUNT x
    XAUTOCLAIM s g e 0 0 FOO
    XAUTOCLAIM s g e x 0
    XAUTOCLAIM s g e 0 x
    XAUTOCLAIM s g e -1 0
    XAUTOCLAIM none g e 0 0
    XAUTOCLAIM s nog e 0 0
    XAUTOCLAIM s g e 0 18446744073709551615-18446744073709551615
    XACK s g 1-0 1-0 7-7
    XACK s nog 1-0
    XACK none nog x
    XACK s g x
    XINFO STREAM s FULL
    XGROUP DELCONSUMER s g d
    XGROUP CREATECONSUMER s g z
    XGROUP CREATECONSUMER s g z
    XINFO STREAM s FULL COUNT 1
    XGROUP SETID s g $
    XGROUP SETID s g 0
    XINFO GROUPS s
    XGROUP DESTROY s g
    XADD s 10-10 a b
    XINFO GROUPS s
    XINFO STREAM str
    XINFO STREAM s X
    XINFO STREAM s FULL X
    XINFO STREAM s FULL COUNT
    XINFO STREAM s FULL COUNT x
    XINFO STREAM s full count -3
    XINFO STREAM none
    XINFO GROUPS none
    XINFO GROUPS str
    XINFO CONSUMERS none g
    XINFO CONSUMERS s nog
    XGROUP CREATE none g $
    XGROUP CREATE none g 0 FOO
    XGROUP CREATE s g x
    XGROUP CREATE s g 1
    XGROUP CREATE s g 1
    XGROUP CREATE str g 1
    XGROUP CREATE made g $ MKSTREAM
    XINFO STREAM made
    XINFO STREAM made FULL
    XINFO GROUPS made
    XGROUP CREATE s g3 - 
    XGROUP SETID s g +
    XINFO GROUPS s
    XGROUP SETID s g -
    XGROUP SETID s nog 1
    XGROUP SETID none g 1
    XGROUP DESTROY none g
    XGROUP DESTROY s nog
    XGROUP DESTROY str g
    XGROUP CREATECONSUMER none g c
    XGROUP CREATECONSUMER s nog c
    XGROUP DELCONSUMER none g c
    XGROUP DELCONSUMER s nog c
    XGROUP DELCONSUMER s g nobody
    XSETID s x
    XSETID none 1-1
    XSETID s 1-1
    XSETID s 99999
    XREADGROUP GROUP g c NOACK COUNT 2 STREAMS s >
    XINFO STREAM s FULL
    XREADGROUP GROUP g quiet STREAMS s 0
    XINFO STREAM s FULL
    XGROUP CREATE made h 0
    XREADGROUP GROUP h none STREAMS made >
    XINFO STREAM made FULL
";

const GROUPS_7_0: &str = "
    XINFO
    XINFO FOO
    XINFO STREAM
    XINFO GROUPS
    XINFO CONSUMERS s
    XINFO GROUPS s x
    XGROUP
    XGROUP FOO
    XGROUP CREATE
    XGROUP CREATE s g
    XGROUP SETID s g
    XGROUP DESTROY s
    XGROUP DESTROY s g g
    XGROUP CREATECONSUMER s g
    XGROUP DELCONSUMER s g
    XGROUP CREATE none g 0 ENTRIESREAD -2
    XGROUP CREATE none g 0 ENTRIESREAD x
    XGROUP CREATE none g 0 ENTRIESREAD
    XGROUP SETID s g 1 MKSTREAM
    XGROUP SETID s g 1 ENTRIESREAD -1
    XINFO GROUPS s
    XGROUP SETID s g 1 ENTRIESREAD 1
    XINFO GROUPS s
    XGROUP SETID s g $
    XINFO GROUPS s
    XGROUP CREATE s many 0 ENTRIESREAD 100
    XINFO GROUPS s
    XSETID s 199999 ENTRIESADDED 1
    XSETID s 199999 ENTRIESADDED -1
    XSETID s 199999 ENTRIESADDED x
    XSETID s 199999 ENTRIESADDED 99 MAXDELETEDID 5
    XSETID s 199999 MAXDELETEDID 199999-1
    XSETID s 199999 MAXDELETEDID 199999-0
    XSETID s 199999 FOO 1
    XSETID s 199999 ENTRIESADDED
    XSETID s *
    XSETID none x
    XINFO STREAM s
    XINFO GROUPS s
    XREADGROUP GROUP g c COUNT 2 STREAMS s >
    XINFO STREAM s FULL
";

const GROUPS_8_2: &str = "
    XREAD STREAMS s +
    XREAD STREAMS none +
    XREADGROUP GROUP g c STREAMS s 1 3
    XREAD STREAMS s str 0
    XREADGROUP GROUP g c STREAMS s +
    XINFO HELP
    XGROUP HELP
    XDELEX s FOO IDS 1 2-0
    XDELEX s DELREF ACKED IDS 1 2-0
    XDELEX s IDS 2 2-0
    XDELEX s IDS 0 2-0
    XDELEX s IDS x 2-0
    XDELEX s IDS 1 x
    XDELEX s IDS 1 3-0 4-0
    XDELEX s IDS 1 3-0 KEEPREF
    XDELEX none IDS 2 3-0 4-0
    XDELEX none IDS 1 x
    XDELEX s KEEPREF
    XDELEX str IDS 1 1-1
    XACKDEL s g IDS 1 3-0
    XACKDEL s g ACKED IDS 2 4-0 5-0
    XACKDEL s nog IDS 1 4-0
    XACKDEL s nog IDS 1 x
    XACKDEL none g IDS 2 4-0 5-0
    XACKDEL s g IDS 1 x
    XINFO STREAM s FULL
";

const NACKS: &str = "
    XADD s 1-0 a 1
    XADD s 2-0 a 1
    XADD s 3-0 a 1
    XADD s 4-0 a 1
    XADD s 5-0 a 1
    XADD s 6-0 a 1
    XGROUP CREATE s g 0
    XREADGROUP GROUP g c COUNT 5 STREAMS s >
    XNACK s g SILENT IDS 1 3-0
    XNACK s g FAIL IDS 1 2-0
    XNACK s g FATAL IDS 1 4-0
    XPENDING s g - + 10
    XPENDING s g
    XPENDING s g IDLE 3600000 - + 10
    XPENDING s g - + 10 ''
    XNACK s g SILENT IDS 1 3-0
    XNACK s g FAIL IDS 1 2-0
    XNACK s g FATAL IDS 1 4-0
    XNACK s g SILENT IDS 1 4-0
    XPENDING s g - + 10
    XNACK s g SILENT IDS 2 3-0 6-0 FORCE
    XPENDING s g - + 10
    XINFO STREAM s FULL
    XDEL s 1-0
    XDEL s 2-0
    XNACK s g FAIL IDS 1 1-0
    XNACK s g FAIL IDS 1 2-0
    XNACK s g FAIL IDS 1 2-0 FORCE RETRYCOUNT 5
    XPENDING s g - + 10
    XREADGROUP GROUP g d COUNT 1 STREAMS s >
    XPENDING s g - + 10
    XINFO CONSUMERS s g
    XNACK s g FATAL IDS 3 4-0 5-0 3-0
    XNACK s g FATAL IDS 3 4-0 3-0 4-0
    XREADGROUP GROUP g d STREAMS s >
    XPENDING s g - + 10
    XAUTOCLAIM s g e 3600000 0
    XPENDING s g - + 10
    XNACK s g FATAL IDS 3 3-0 4-0 5-0
    XPENDING s g - + 10
    XCLAIM s g d 3600000 3-0 JUSTID
    XCLAIM s g d 3600000 4-0
    XPENDING s g - + 10
    XNACK s g FAIL IDS 1 5-0 RETRYCOUNT 9
    XPENDING s g - + 10
    XNACK s g FOO IDS 1 5-0 RETRYCOUNT x
    XNACK s nog FOO IDS 1 5-0 RETRYCOUNT x
    XNACK s nog FAIL IDS 1 5-0 RETRYCOUNT x
    XNACK s nog FAIL FORCE IDS 1 5-0 RETRYCOUNT 4
    XNACK s g FAIL FORCE IDS 1 5-0 RETRYCOUNT 4
    XNACK s g FAIL RETRYCOUNT 4 FORCE
    XNACK s g FAIL RETRYCOUNT 4 IDS 1
    XNACK s g FAIL IDS 1 5-0 IDS 1 5-0
    XNACK s g FAIL IDS 1 5-0 FORCE FORCE
    XNACK s g FAIL IDS 1 5-0 5-0
    XACKDEL s g IDS 2 5-0 3-0
    XACK s g 5-0
    XPENDING s g - + 10
    XGROUP DELCONSUMER s g d
    XPENDING s g - + 10
    XPENDING s g - + 10
    XGROUP SETID s g 0
    XNACK s g FAIL IDS 3 3-0 4-0 5-0
    XREADGROUP GROUP g d COUNT 5 NOACK STREAMS s >
    XPENDING s g - + 10
    XGROUP SETID s g 0
    XREADGROUP GROUP g d COUNT 5 STREAMS s >
    XPENDING s g - + 10
    XINFO STREAM s FULL
    XGROUP CREATE s hh 0
    XREADGROUP GROUP hh d COUNT 2 STREAMS s s > 0
    XINFO STREAM s FULL
    XPENDING s g - + 10
";

#[test]
fn groups_by_chance() {
    for kind in recent() {
        let known = Known::of(&kind);
        for seed in 1..=3 {
            let mut twin = Twin::start(&kind);
            let mut dice = Dice(seed * 0x51_7cc1 + 7);
            let mut next = 1;
            for _ in 0..700 {
                let line = groups_line(&mut dice, known, &mut next);
                if line.contains("READGROUP") || line.contains("CLAIM") {
                    // So that the order in which entries were delivered is the same for both.
                    std::thread::sleep(std::time::Duration::from_millis(if known.claim {
                        2
                    } else {
                        0
                    }));
                }
                run(&mut twin, &line);
            }
            for line in ["XINFO STREAM a FULL COUNT 0", "XINFO STREAM a", "XINFO GROUPS a"] {
                run(&mut twin, line);
            }
            same_stream(&mut twin, "a", known);
        }
        say(format_args!("{}: groups by chance", kind.name));
    }
}

fn groups_line(dice: &mut Dice, known: Known, next: &mut u64) -> String {
    let group = dice.pick(&["g", "g", "h"]);
    let consumer = dice.pick(&["c", "d", "e"]);
    let below = |dice: &mut Dice, next: u64| 1 + dice.below(next + 2);
    let recent = |dice: &mut Dice, next: u64| next.saturating_sub(dice.below(25));
    let ids = |dice: &mut Dice, next: u64| {
        let ids: Vec<String> =
            (0..=dice.below(3)).map(|_| recent(dice, next).to_string()).collect();
        (ids.len(), ids.join(" "))
    };
    let strategy = |dice: &mut Dice| dice.pick(&["KEEPREF", "DELREF", "ACKED", ""]);
    match dice.below(40) {
        0..=8 => {
            *next += 1;
            format!("XADD a {next} f {next}")
        }
        9 | 10 => {
            let from =
                if dice.one_in(2) { "0".to_owned() } else { recent(dice, *next).to_string() };
            let read = match known.numbers && dice.one_in(3) {
                true => format!(" ENTRIESREAD {}", below(dice, *next)),
                false => String::new(),
            };
            format!("XGROUP CREATE a {group} {from}{read}")
        }
        11 => match dice.below(6) {
            0 => format!("XGROUP DESTROY a {group}"),
            1 => format!("XGROUP DELCONSUMER a {group} {consumer}"),
            2 => format!("XGROUP SETID a {group} {}", recent(dice, *next)),
            3 => format!("XGROUP SETID a {group} $"),
            4 if known.numbers => {
                format!(
                    "XGROUP SETID a {group} {} ENTRIESREAD {}",
                    recent(dice, *next),
                    below(dice, *next)
                )
            }
            _ => format!("XGROUP CREATECONSUMER a {group} {consumer}"),
        },
        12..=16 => {
            let count = format!("COUNT {}", 1 + dice.below(4));
            let claim = match known.claim && dice.one_in(3) {
                true => dice.pick(&["CLAIM 0", "CLAIM 100000000"]),
                false => "",
            };
            let count = if claim == "CLAIM 0" { String::new() } else { count };
            let no_ack = if dice.one_in(6) { "NOACK" } else { "" };
            format!("XREADGROUP GROUP {group} {consumer} {count} {claim} {no_ack} STREAMS a >")
        }
        17 => format!("XREADGROUP GROUP {group} {consumer} STREAMS a {}", recent(dice, *next)),
        18..=20 => format!("XACK a {group} {}", ids(dice, *next).1),
        21..=23 => format!("XDEL a {}", ids(dice, *next).1),
        24 => match dice.below(3) {
            0 => format!("XTRIM a MAXLEN {}", dice.below(40)),
            1 => format!("XTRIM a MINID {}", recent(dice, *next)),
            _ if known.strategies => {
                format!("XTRIM a MAXLEN {} {}", dice.below(40), strategy(dice))
            }
            _ => "XLEN a".into(),
        },
        25..=27 => {
            let idle = dice.pick(&[0, 0, 100_000_000]);
            let mut line = format!("XCLAIM a {group} {consumer} {idle} {}", ids(dice, *next).1);
            for option in [" FORCE", " JUSTID", " TIME 5000", " RETRYCOUNT 7", " LASTID 30"] {
                if dice.one_in(4) {
                    line += option;
                }
            }
            line
        }
        28 | 29 => {
            let idle = dice.pick(&[0, 0, 100_000_000]);
            let just = dice.pick(&["", "JUSTID"]);
            let from = recent(dice, *next);
            format!(
                "XAUTOCLAIM a {group} {consumer} {idle} {from} COUNT {} {just}",
                1 + dice.below(5)
            )
        }
        30 if known.strategies => {
            let (count, ids) = ids(dice, *next);
            format!("XDELEX a {} IDS {count} {ids}", strategy(dice))
        }
        31 if known.strategies => {
            let (count, ids) = ids(dice, *next);
            format!("XACKDEL a {group} {} IDS {count} {ids}", strategy(dice))
        }
        32 | 33 if known.nack => {
            let (count, ids) = ids(dice, *next);
            let mode = dice.pick(&["SILENT", "FAIL", "FATAL"]);
            let more = dice.pick(&["", "", "FORCE", "RETRYCOUNT 3", "FORCE RETRYCOUNT 4"]);
            format!("XNACK a {group} {mode} IDS {count} {ids} {more}")
        }
        34 => format!("XPENDING a {group} IDLE {} - + 9", dice.pick(&[0, 100_000_000])),
        35 => format!("XPENDING a {group} {} + 5 {consumer}", recent(dice, *next)),
        36 => "XINFO STREAM a FULL COUNT 0".into(),
        37 => format!("XPENDING a {group}"),
        38 if known.numbers && dice.one_in(3) => {
            format!(
                "XSETID a {next} ENTRIESADDED {} MAXDELETEDID {}",
                *next + dice.below(9),
                recent(dice, *next)
            )
        }
        38 => format!("XINFO CONSUMERS a {group}"),
        _ => "XINFO GROUPS a".into(),
    }
}
