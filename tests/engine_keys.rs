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

use redis::Value;
use support::random::Random;
use support::servers::Flavour;
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

/// What DUMP makes of values: servers take it for the same.
#[test]
fn values_as_payloads() {
    let text = "compressible ".repeat(30);
    for kind in recent() {
        let mut twin = Twin::start(&kind);
        let mut keys = Vec::new();
        let mut fill = |line: &str| {
            let words: Vec<String> = line.split(' ').map(|w| w.replace("TEXT", &text)).collect();
            keys.push(words[1].clone());
            twin.run(&words);
        };
        for line in [
            "SET int 42",
            "SET short abc",
            "SET long TEXT",
            "APPEND raw ab",
            "SETBIT bits 100 1",
            "RPUSH list a 1 TEXT -7",
            "SADD ints 1 2 300000",
            "SADD mixed a b 7",
            "SADD text TEXT x",
            "HSET hash f v n 7",
            "HSET large f TEXT",
            "ZADD zset 1 a 2.5 b -3 c",
            "ZADD wide 1 TEXT",
            "XADD stream 5-1 f v g 2",
        ] {
            fill(line);
        }
        for n in 0..200 {
            for words in [["RPUSH", "lists"], ["SADD", "sets"]] {
                twin.run(&[words[0], words[1], &format!("element-{n}-{text}")]);
            }
            twin.run(&["ZADD", "zsets", &n.to_string(), &format!("member-{n}")]);
            twin.run(&["HSET", "hashes", &format!("field-{n}"), "value"]);
            twin.run(&["HSET", "hashes", &format!("field-{n}"), "value"]);
        }
        twin.run(&["XGROUP", "CREATE", "stream", "group", "0"]);
        keys.extend(["lists", "sets", "zsets", "hashes"].map(str::to_owned));
        if kind.version.flavour == Flavour::Redis && kind.version.at_least(7, 4) {
            twin.run(&["HPEXPIREAT", "hash", "4102444800000", "FIELDS", "1", "f"]);
        }
        for key in &keys {
            let (ours, theirs) = twin.both(&["DUMP", key]);
            let (Value::BulkString(ours), Value::BulkString(theirs)) = (ours, theirs) else {
                panic!("{}: DUMP {key}", kind.name);
            };
            // Tables have no order, all else has the very bytes.
            if !matches!(key.as_str(), "mixed" | "text" | "sets" | "large" | "hashes" | "stream") {
                assert_eq!(ours.escape_ascii().to_string(), theirs.escape_ascii().to_string());
            }
            let restored = twin.server.cmd(&[b"RESTORE", &b"copy"[..], b"0", &ours, b"REPLACE"]);
            assert_eq!(restored, Value::Okay, "{}: {key}", kind.name);
            let told = twin.server.cmd(&["DEBUG", "DIGEST-VALUE", key, "copy"]);
            let Value::Array(digests) = told else { panic!("{told:?}") };
            assert_eq!(digests[0], digests[1], "{}: {key}", kind.name);
            // What was changed in place is raw, however short, until it is loaded.
            let encoding = |name: &str| match twin.server.cmd(&["OBJECT", "ENCODING", name]) {
                Value::BulkString(it) if it == b"raw" => Value::BulkString(b"embstr".to_vec()),
                other => other,
            };
            assert_eq!(encoding(key), encoding("copy"), "{}: {key}", kind.name);
        }
        twin.run(&["DUMP", "none"]);
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

#[test]
fn payloads() {
    for kind in recent().iter().filter(|kind| kind.version.at_least(7, 0)) {
        let mut twin = Twin::start(kind);
        twin.script(
            r#"
            SET k v
            SET n 5
            HSET h f v
            SADD s a b
            SADD i 1 2 3
            ZADD z 1 a 2.5 b
            RESTORE k 0 abc
            RESTORE none -1 abc
            RESTORE none 0 abc
            RESTORE none x abc FOO
            RESTORE none 0 abc IDLETIME -1
            RESTORE none 0 abc FREQ 256
            RESTORE none 0 abc IDLETIME 1 FREQ 1
            RESTORE none 0 ""
            FUNCTION DELETE none
            FUNCTION FLUSH FOO
            FUNCTION RESTORE abc
            FUNCTION KILL
            FUNCTION LOAD abc
            SCRIPT EXISTS e0e1f9fabfc9d4800c877a703b823ac0578ff8db
            SCRIPT FLUSH FOO
            SCRIPT KILL
            WAIT 0 0
            WAIT x 0
            WAIT 0 -1
            ECHO a
            "#,
        );
        let long = vec![b'x'; 3000];
        twin.run(&[&b"SET"[..], b"long", &long]);
        for n in 0..600 {
            twin.run(&["HSET", "large", &format!("f{n}"), "v"]);
            twin.run(&["ZADD", "ranked", &n.to_string(), &format!("f{n}")]);
        }
        for key in ["k", "n", "h", "s", "i", "z", "long", "large", "ranked"] {
            let payload = support::client::bytes(twin.server.cmd(&["DUMP", key]));
            let restore = |key: &str, words: &[&str]| {
                let mut all = vec![b"RESTORE".to_vec(), key.into(), b"0".to_vec(), payload.clone()];
                all.extend(words.iter().map(|word| word.as_bytes().to_vec()));
                all
            };
            twin.run(&restore(key, &[]));
            twin.run(&restore(key, &["REPLACE"]));
            twin.run(&restore("copy", &["REPLACE", "IDLETIME", "5"]));
            twin.run(&["TYPE", "copy"]);
            twin.run_known(&["OBJECT", "ENCODING", "copy"]);
            for read in ["GET", "SMEMBERS", "HGETALL"] {
                twin.run_unordered(&[read, "copy"]);
            }
            twin.run(&["ZRANGE", "copy", "0", "-1", "WITHSCORES"]);
            let mut dated = restore("dated", &["REPLACE", "ABSTTL"]);
            dated[2] = b"4000000000000".to_vec();
            twin.run(&dated);
            twin.run(&["PEXPIRETIME", "dated"]);
            dated[2] = b"1000".to_vec();
            twin.run(&dated);
            twin.run(&["EXISTS", "dated"]);
            for at in [0, payload.len() / 2, payload.len() - 9, payload.len() - 1] {
                let mut bent = restore("bent", &["REPLACE"]);
                bent[3][at] ^= 0x40;
                twin.run(&bent);
            }
            // Some servers take a checksum of zero for none.
            let mut unchecked = restore("unchecked", &["REPLACE"]);
            let sum = payload.len() - 8;
            unchecked[3][sum..].fill(0);
            twin.run(&unchecked);
            unchecked[3][0] = 99;
            twin.run(&unchecked);
        }
    }
}

#[test]
fn sorting() {
    for kind in recent().iter().filter(|kind| kind.version.at_least(7, 0)) {
        let mut twin = Twin::start(kind);
        twin.script(
            r#"
            ZADD z 3 a 1 b 2 c
            SORT z BY nosort
            SORT z BY nosort DESC
            SORT z BY nosort LIMIT 1 1
            SORT z BY nosort DESC LIMIT 0 2
            SORT z ALPHA
            SORT z ALPHA LIMIT -1 2
            SORT z ALPHA LIMIT 1 -5
            SORT z ALPHA LIMIT 1 0
            SORT z ALPHA LIMIT 5 2
            SORT z
            SADD s b a c
            HSET h_a f 5
            HSET h_b f 1
            SORT s BY h_*->f GET # GET h_*->f
            SORT s BY h_*->
            SORT s BY h_* GET h_*
            SORT s BY h_*->f DESC
            SADD n 1 10 2
            SORT n
            SORT n DESC
            SORT n ALPHA DESC LIMIT 0 3
            SORT n BY w_*
            MSET w_1 5 w_10 -1 w_2 3.5
            SORT n BY w_* GET # GET w_* GET x
            SORT_RO n BY w_*
            SORT_RO n STORE d
            SORT n LIMIT 1
            SORT n LIMIT x 1
            SORT n FOO
            SET w_2 x
            SORT n BY w_*
            SORT none
            SORT none STORE h_a
            EXISTS h_a
            SORT w_1
            "#,
        );
    }
}
