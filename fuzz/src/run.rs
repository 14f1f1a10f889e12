//! Logs that are put together out of words, so that most of their commands mean something.

use rdbkit::digest::full;
use rdbkit::engine::{self, Engine};
use rdbkit::ops::run::{RunOptions, run};
use rdbkit::ops::walk::Silent;
use rdbkit::rdb::object::{Checker, Stance};
use rdbkit::rdb::write::{Body, EntryRoom, Sink};
use rdbkit::rdb::{Entry, Scratch, Target};
use rdbkit::resp::encode;
use rdbkit::source::{Form, OpenOptions, open_bytes};

/// The commands.
const NAMES: &str = "\
    APPEND ARCOUNT ARDEL ARDELRANGE ARGET ARGETRANGE ARGREP ARINFO ARINSERT ARLASTITEMS ARLEN \
    ARMGET ARMSET ARNEXT AROP ARRING ARSCAN ARSEEK ARSET BITCOUNT BITFIELD BITOP BITPOS BLMOVE \
    BLMOVEM BLMPOP BLPOP BRPOP BRPOPLPUSH BZMPOP BZPOPMAX BZPOPMIN COPY DBSIZE DECR DECRBY DEL \
    DELEX DELIFEQ DIGEST EXISTS EXPIRE EXPIREAT EXPIRETIME FLUSHALL FLUSHDB FUNCTION GEOADD \
    GEODIST GEOHASH GEOPOS GEORADIUS GEORADIUSBYMEMBER GEOSEARCH GEOSEARCHSTORE GET GETBIT \
    GETDEL GETEX GETRANGE GETSET HDEL HEXISTS HEXPIRE HEXPIREAT HEXPIRETIME HGET HGETALL \
    HGETDEL HGETEX HIMPORT HINCRBY HINCRBYFLOAT HKEYS HLEN HMGET HMSET HPERSIST HPEXPIRE \
    HPEXPIREAT HPEXPIRETIME HPTTL HRANDFIELD HSCAN HSET HSETEX HSETNX HSTRLEN HTTL HVALS INCR \
    INCRBY INCRBYFLOAT INCREX KEYS LINDEX LINSERT LLEN LMOVE LMOVEM LMPOP LPOP LPOS LPUSH \
    LPUSHX LRANGE LREM LSET LTRIM MGET MOVE MSET MSETEX MSETNX OBJECT PERSIST PEXPIRE PEXPIREAT \
    PEXPIRETIME PFADD PFCOUNT PFMERGE PSETEX PTTL RENAME RENAMENX RESTORE RPOP RPOPLPUSH RPUSH \
    RPUSHX SADD SCAN SCARD SDIFF SDIFFCARD SDIFFSTORE SET SETBIT SETEX SETNX SETRANGE SINTER \
    SINTERCARD SINTERSTORE SISMEMBER SMEMBERS SMISMEMBER SMOVE SORT SPOP SRANDMEMBER SREM SSCAN \
    STRLEN SUBSTR SUNION SUNIONCARD SUNIONSTORE SWAPDB TOUCH TTL TYPE UNLINK XACK XACKDEL XADD \
    XAUTOCLAIM XCFGSET XCLAIM XDEL XDELEX XGROUP XIDMPRECORD XINFO XLEN XNACK XPENDING XRANGE \
    XREAD XREADGROUP XREVRANGE XSETID XTRIM ZADD ZCARD ZCOUNT ZDIFF ZDIFFSTORE ZINCRBY ZINTER \
    ZINTERCARD ZINTERSTORE ZLEXCOUNT ZMPOP ZMSCORE ZPOPMAX ZPOPMIN ZRANDMEMBER ZRANGE \
    ZRANGEBYLEX ZRANGEBYSCORE ZRANGESTORE ZRANK ZREM ZREMRANGEBYLEX ZREMRANGEBYRANK \
    ZREMRANGEBYSCORE ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE ZREVRANK ZSCAN ZSCORE ZUNION \
    ZUNIONSTORE \
    MULTI EXEC SELECT";

/// Their arguments: keys, numbers, texts of some lengths, options.
const WORDS: &str = "\
    a b c d {t}a {t}b {t}c * 0 1 2 3 -1 -2 5 10 100 512 8192 1.5 -0 0.1 inf -inf nan (1 [a [b - + $ > \
    1-1 2-1 2-2 3-1 5-5 0-1 0-0 1700000000000 4102444800000 9223372036854775807 -9223372036854775808 \
    x yy zzz word aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa \
    NX XX GT LT CH INCR EX PX EXAT PXAT KEEPTTL GET LIMIT COUNT WITHSCORES WITHVALUES BYSCORE BYLEX \
    REV WEIGHTS AGGREGATE SUM MIN MAX LEFT RIGHT BEFORE AFTER STORE ASC DESC ALPHA BY FIELDS FNX FXX \
    PERSIST MAXLEN MINID ~ = NOMKSTREAM CREATE MKSTREAM DESTROY SETID CREATECONSUMER DELCONSUMER \
    ENTRIESREAD GROUP STREAMS BLOCK g h JUSTID FORCE IDLE TIME RETRYCOUNT LASTID ENTRIESADDED \
    MAXDELETEDID REPLACE ABSTTL DB AND OR XOR NOT ONE DIFF SET OVERFLOW WRAP SAT FAIL u8 i16 u63 #1 \
    BIT BYTE LEN IDX FROMMEMBER FROMLONLAT BYRADIUS BYBOX m km KEEPREF DELREF ACKED IDS NUMKEYS";

/// A log of commands, two bytes and more for each: its name, how many words, and the words.
fn log(mut bytes: &[u8]) -> Vec<u8> {
    let names: Vec<&str> = NAMES.split_ascii_whitespace().collect();
    let words: Vec<&str> = WORDS.split_ascii_whitespace().collect();
    let pick = |all: &[&'static str], byte: u8| *all.get(usize::from(byte) % all.len()).unwrap();
    let mut out = Vec::new();
    while let [name, count, rest @ ..] = bytes {
        let (args, after) = rest.split_at(usize::from(count % 8).min(rest.len()));
        let command = std::iter::once(pick(&names, *name));
        let command: Vec<&str> = command.chain(args.iter().map(|&arg| pick(&words, arg))).collect();
        encode::command(&mut out, command.iter().map(|word| word.as_bytes()));
        bytes = after;
    }
    out
}

/// Whatever a log says, it runs to its end, to the same keys on any number of threads, and each value
/// in the end is one that servers load.
pub fn commands(bytes: &[u8]) {
    let log = log(bytes);
    let open = OpenOptions { from: Some(Form::Aof), ..OpenOptions::default() };
    let run_on = |threads: usize| {
        let source = open_bytes("x", log.clone(), &open).unwrap();
        let options = RunOptions {
            threads,
            now_ms: 1_700_000_000_000,
            databases: 16,
            skip_unknown: true,
            ..RunOptions::default()
        };
        run(source, &options, &Silent).map(|run| run.engine).map_err(|error| error.to_string())
    };
    match (run_on(1), run_on(3)) {
        (Ok(one), Ok(three)) => {
            let (one, three) = (values(&one), values(&three));
            assert_eq!(one, three, "on threads\n{}", String::from_utf8_lossy(&log));
        }
        (Err(one), Err(three)) => assert_eq!(one, three, "{}", String::from_utf8_lossy(&log)),
        (one, three) => panic!("{:?} and {:?}", one.err(), three.err()),
    }
}

/// Database, key, expiry and digest of every value, each of which is sound.
fn values(engine: &Engine) -> Vec<(usize, Vec<u8>, Option<i64>, String)> {
    let mut found = Vec::new();
    let (mut sink, mut room) = (Sink::new(false).lossy(), EntryRoom::default());
    let (mut checker, mut scratch) = (Checker::default(), Scratch::default());
    let target = Target::default();
    for db in 0..engine.keyspace.used_databases() {
        for record in engine.keyspace.records(db) {
            sink.clear();
            let body =
                engine::save(record, &engine.keyspace, &target, &target, &mut sink, &mut room)
                    .unwrap();
            let entry = match body {
                Body::Same(ty, body) => Entry::of_body(&record.key, ty, body, 0),
                Body::Written(ty) => Entry::of_body(&record.key, ty, &sink.out, 0),
                Body::Nothing => continue,
            };
            let mut wrong = Vec::new();
            checker
                .check(&entry, &mut |problem| {
                    if problem.stance != Stance::Unnoticed {
                        wrong.push(format!("{problem:?}"));
                    }
                })
                .unwrap();
            let key = record.key.as_slice().to_vec();
            assert!(wrong.is_empty(), "{}: {wrong:?}", String::from_utf8_lossy(&key));
            let digest = full::value_digest(&entry, &mut scratch).unwrap();
            found.push((db, key, record.expires_at_ms(), format!("{digest:?}")));
        }
    }
    found.sort();
    found
}
