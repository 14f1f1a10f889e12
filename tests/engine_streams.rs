//! Streams in the engine, beside real servers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    dead_code,
    reason = "tests"
)]

mod support;

use rdbkit::engine::stream::{Group, Stream};
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
    let view = if old { worded_otherwise } else { timeless };
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
