//! Commands of a log that fail behind the point where a key would be made: what a server holds when
//! it has loaded the log, the engine holds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use rdbkit::ops::replay::{ReplayOptions, replay};
use rdbkit::ops::run::RunOptions;
use rdbkit::ops::walk::Silent;
use rdbkit::resp::encode;
use rdbkit::source::{OpenOptions, open_bytes};
use support::servers::Server;
use support::twin::{recent, target};

/// What fails, each on a key of its own, which is not there before. No limits of length: while a
/// log is loaded there are none, and the key would be made.
const FAILING: &[&str] = &[
    "XADD k01 0-0 f v",
    "XADD k02 MAXLEN ~ 5 0-0 f v",
    "XADD k03 MAXLEN 5 0-0 f v",
    "XADD k04 1-1 f v g",
    "XADD k05 NOMKSTREAM 0-0 f v",
    "XGROUP CREATE k06 g 0",
    "XGROUP CREATE k07 g nope MKSTREAM",
    "XSETID k08 1-1",
    "ZADD k09 NX XX 1 a",
    "ZADD k10 nan a",
    "ZADD k11 INCR 1 a 2 b",
    "ZINCRBY k12 nan a",
    "HINCRBY k13 f nope",
    "HINCRBYFLOAT k14 f nan",
    "HINCRBYFLOAT k15 f inf",
    "HSET k16 a b c",
    "INCRBYFLOAT k17 inf",
    "INCRBYFLOAT k18 nan",
    "DECRBY k19 -9223372036854775808",
    "SETRANGE k20 -1 a",
    "SETBIT k23 1 2",
    "BITFIELD k24 SET u64 0 1",
    "GEOADD k26 200 100 a",
    "GEOADD k27 1 1 a 200 100 b",
    "LINSERT k28 BEFORE a b",
    "LSET k29 0 a",
    "SET k30 a EX 0",
    "SETEX k31 -1 a",
    "GETEX k32 EX 0",
    "PFMERGE k33 text",
    "PFADD text a",
    "SINTERSTORE k34 text",
    "ZUNIONSTORE k35 1 text",
    "ZRANGESTORE k36 text 0 -1",
    "GEOSEARCHSTORE k37 text FROMLONLAT 1 1 BYRADIUS 1 m",
    "SMOVE text k38 a",
    "LMOVE text k39 LEFT LEFT",
    "BITOP NOT k40 text other",
    "COPY text k41 DB nope",
    "RESTORE k42 0 nope",
    "SORT text STORE k43",
];

#[test]
fn what_fails_makes_no_key_that_the_server_does_not_make() {
    let mut log = Vec::new();
    encode::command(&mut log, ["SET", "text", "value"]);
    for line in FAILING {
        encode::command(&mut log, line.split(' ').collect::<Vec<_>>());
    }
    let mut differences = Vec::new();
    for kind in recent() {
        let server = Server::start_with_aof_file(&kind, &log, &["--appendonly", "yes"]);
        let source = open_bytes("failing.aof", log.clone(), &OpenOptions::default()).unwrap();
        let run = RunOptions { target: Some(target(&kind)), ..RunOptions::default() };
        let options = ReplayOptions { run, ..ReplayOptions::default() };
        let (_, mut run) = replay(source, &options, &Silent).unwrap();
        for line in FAILING {
            for key in line.split(' ').filter(|word| word.len() == 3 && word.starts_with('k')) {
                let theirs = server.cmd(&["EXISTS", key]) == redis::Value::Int(1);
                let ours =
                    run.engine.execute(&[b"EXISTS", key.as_bytes()]) == rdbkit::resp::Reply::Int(1);
                if ours != theirs {
                    differences.push(format!("{}: {line}: {ours}, not {theirs}", kind.name));
                }
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
