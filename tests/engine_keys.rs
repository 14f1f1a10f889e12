//! Keys in the engine, beside real servers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use support::random::Random;
use support::twin::{Twin, recent};

#[test]
fn keys_and_their_expiry() {
    for kind in recent().iter().filter(|kind| kind.version.at_least(7, 0)) {
        let mut twin = Twin::start(kind);
        twin.script(KEYS);
        for line in ["KEYS *", "KEYS k*", "KEYS [^k]*", "SCAN 0 COUNT 1000", "SCAN 0 TYPE hash"] {
            let words: Vec<&str> = line.split(' ').collect();
            twin.run_unordered(&words);
        }
    }
}

const KEYS: &str = r#"
    SET k v
    SET i 5
    HSET h f v
    ZADD z 1 a
    TYPE k
    TYPE i
    TYPE h
    TYPE z
    TYPE none
    EXISTS k k none i
    TOUCH k none
    OBJECT FOO k
    OBJECT FREQ k
    OBJECT FREQ none
    OBJECT IDLETIME k
    OBJECT REFCOUNT k
    OBJECT ENCODING
    OBJECT ENCODING none
    OBJECT ENCODING a b
    OBJECT ENCODING k
    OBJECT ENCODING i
    OBJECT ENCODING h
    OBJECT ENCODING z
    OBJECT
    EXPIRE k 100 NX
    EXPIRE k 200 NX
    EXPIRE k 50 GT
    EXPIRE k 50 LT
    EXPIRE k 300 XX
    EXPIRE i 300 XX
    EXPIRE i 300 GT
    EXPIRE i 300 LT
    TTL k
    TTL i
    EXPIRE k 200 XX GT
    EXPIRE k 400 XX GT GT
    TTL k
    TTL none
    PTTL none
    EXPIRETIME none
    TTL h
    PTTL h
    EXPIRETIME h
    PEXPIRETIME h
    EXPIRE k 10 NX XX
    EXPIRE k 10 NX GT
    EXPIRE k 10 GT LT
    EXPIRE k 10 FOO
    EXPIRE none x FOO
    EXPIRE none x
    EXPIRE none 10
    EXPIRE none 9223372036854775807
    EXPIRE k 9223372036854775807
    EXPIRE k -9223372036854775808
    EXPIREAT k 9223372036854775
    EXPIREAT k 9223372036854776
    PEXPIRE k 9223372036854775807
    PEXPIREAT k 9223372036854775807
    PEXPIRETIME k
    PEXPIREAT k 4000000000499
    EXPIRETIME k
    PEXPIREAT k 4000000000500
    EXPIRETIME k
    PERSIST k
    PERSIST k
    PERSIST none
    PEXPIREAT k 1
    EXISTS k
    SET k v
    EXPIRE k 0
    EXISTS k
    SET k v
    EXPIRE k -1
    EXISTS k
    SET k v
    PEXPIREAT k -9223372036854775808
    EXISTS k
    SET k v
    EXPIRE k 100 LT
    EXPIREAT k 0 GT
    EXPIREAT k 0 LT
    EXISTS k
    SET k v EX 100
    RENAME none a
    RENAME none none
    RENAME k k
    RENAMENX k k
    RENAMENX none k
    RENAMENX k i
    RENAMENX k k2
    TTL k2
    SET k w
    RENAME k k2
    TTL k2
    GET k2
    RENAME h k2
    TYPE k2
    HGET k2 f
    COPY k2 k2
    COPY k2 h
    COPY k2 h
    COPY k2 z
    COPY k2 z REPLACE
    TYPE z
    HSET z f2 v
    HLEN k2
    COPY k2 k2 DB 1
    COPY k2 k2 DB 1
    COPY k2 k2 DB 1 REPLACE
    COPY k2 x DB x
    COPY k2 x DB 99999999999
    COPY k2 x DB 100
    COPY k2 x DB -1
    COPY k2 x FOO
    COPY none x DB
    COPY none x
    COPY i i2
    TTL i2
    MOVE k2 99999999999
    MOVE k2 100
    MOVE k2 x
    MOVE k2 0
    MOVE k2 1
    MOVE none 1
    MOVE i2 1
    EXISTS i2
    SELECT 1
    TTL i2
    GET i2
    DBSIZE
    SELECT 0
    DBSIZE
    DEL i none i
    UNLINK h z z
    EXISTS h z i
    SET a 1
    SCAN x
    SCAN 0 COUNT 0
    SCAN 0 COUNT x
    SCAN 0 FOO
    SCAN 0 MATCH
    SCAN 0 COUNT 10 MATCH
    SET k v EX 100
    SET kk v
"#;

#[test]
fn by_chance() {
    for kind in recent().iter().filter(|kind| kind.version.at_least(7, 0)) {
        let mut twin = Twin::start(kind);
        let mut random = Random::new(3);
        let keys = ["a", "b", "c", "d", "e", "f"];
        let dbs = ["0", "1", "2"];
        for _ in 0..4000 {
            let (key, other) = (*random.pick(&keys), *random.pick(&keys));
            let db = *random.pick(&dbs);
            let at = (4_000_000_000_000 + random.below(100) * 1000).to_string();
            let far = random.integer().to_string();
            let when = *random.pick(&["NX", "XX", "GT", "LT"]);
            let words: Vec<&str> = match random.below(20) {
                0 | 1 => vec!["SET", key, &at],
                2 | 3 => vec!["HSET", key, "f", &far],
                4 => vec!["ZADD", key, "5", &at],
                5 => vec!["PEXPIREAT", key, &at],
                6 => vec!["PEXPIREAT", key, &at, when],
                7 => vec!["EXPIREAT", key, &far, when],
                8 => vec!["PERSIST", key],
                9 => vec!["PEXPIRETIME", key],
                10 => vec!["RENAME", key, other],
                11 => vec!["RENAMENX", key, other],
                12 => vec!["COPY", key, other, "DB", db],
                13 => vec!["COPY", key, other, "DB", db, "REPLACE"],
                14 => vec!["MOVE", key, db],
                15 => vec!["SELECT", db],
                16 => vec!["DEL", key, other],
                17 => vec!["TYPE", key],
                18 => vec!["SWAPDB", db, "1"],
                _ => vec!["EXISTS", key, other, key],
            };
            twin.run_known(&words);
        }
        for db in dbs {
            twin.words(&format!("SELECT {db}"));
            twin.run_unordered(&["KEYS", "*"]);
            for key in keys {
                twin.words(&format!("TYPE {key}"));
                twin.words(&format!("PEXPIRETIME {key}"));
                twin.run_known(&["OBJECT", "ENCODING", key]);
                for read in ["GET", "HGETALL"] {
                    twin.words(&format!("{read} {key}"));
                }
                twin.words(&format!("ZRANGE {key} 0 -1"));
            }
        }
    }
}
