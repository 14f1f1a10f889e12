//! Which arguments of a command are keys.
//!
//! ```text
//! SET key value                    the first argument
//! MSET key value key value         every second one
//! ZUNIONSTORE dest 2 key key …     a destination, a count, and so many keys
//! SORT key BY p STORE dest         the first one, and what stands behind a word
//! XREADGROUP … STREAMS key key id id     half of what stands behind a word
//! ```
//!
//! Positions count the arguments behind the name from 0. The table has what a log can hold, and
//! the reads beside it, and what else servers know; of module commands, those of the modules that
//! servers bring along. The danger is a count that lies: keys are only looked for among the
//! arguments that are there.

use std::ops::Range;

use Spec::{All, AllButLast, Counted, CountedPairs, First, FirstTwo, Migrate, Never, Second};
use Spec::{SecondOf, Steps, StoreBehind, StoreCounted, Streams, TwoDown};

/// How a command names its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spec {
    /// It has none.
    Never,
    /// The first argument.
    First,
    /// The second one.
    Second,
    /// The second one, where the first is one of these words.
    SecondOf(&'static [&'static str]),
    /// The first two.
    FirstTwo,
    /// All of them.
    All,
    /// All but the last.
    AllButLast,
    /// All from the second on.
    TwoDown,
    /// Every so manieth, from the first on.
    Steps(usize),
    /// A count at this position, then so many keys.
    Counted(usize),
    /// A count first, then so many pairs of key and value.
    CountedPairs,
    /// The first argument, and a count behind it with so many keys.
    StoreCounted,
    /// The first argument, and what stands behind one of these words.
    StoreBehind(&'static [&'static str]),
    /// The first half of what stands behind STREAMS.
    Streams,
    /// The third argument, or where that is empty what stands behind KEYS.
    Migrate,
}

/// By name, in the order of the alphabet.
const TABLE: &[(&str, Spec)] = &[
    ("ACL", Never),
    ("APPEND", First),
    ("ARCOUNT", First),
    ("ARDEL", First),
    ("ARDELRANGE", First),
    ("ARGET", First),
    ("ARGETRANGE", First),
    ("ARGREP", First),
    ("ARINFO", First),
    ("ARINSERT", First),
    ("ARLASTITEMS", First),
    ("ARLEN", First),
    ("ARMGET", First),
    ("ARMSET", First),
    ("ARNEXT", First),
    ("AROP", First),
    ("ARRING", First),
    ("ARSCAN", First),
    ("ARSEEK", First),
    ("ARSET", First),
    ("ASKING", Never),
    ("AUTH", Never),
    ("BACKUP", Never),
    ("BGREWRITEAOF", Never),
    ("BGSAVE", Never),
    ("BITCOUNT", First),
    ("BITFIELD", First),
    ("BITFIELD_RO", First),
    ("BITOP", TwoDown),
    ("BITPOS", First),
    ("BLMOVE", FirstTwo),
    ("BLMOVEM", FirstTwo),
    ("BLMPOP", Counted(1)),
    ("BLPOP", AllButLast),
    ("BRPOP", AllButLast),
    ("BRPOPLPUSH", FirstTwo),
    ("BZMPOP", Counted(1)),
    ("BZPOPMAX", AllButLast),
    ("BZPOPMIN", AllButLast),
    ("CLIENT", Never),
    ("CLUSTER", Never),
    ("COMMAND", Never),
    ("CONFIG", Never),
    ("COPY", FirstTwo),
    ("DBSIZE", Never),
    ("DEBUG", Never),
    ("DECR", First),
    ("DECRBY", First),
    ("DEL", All),
    ("DELEX", First),
    ("DELIFEQ", First),
    ("DIGEST", First),
    ("DISCARD", Never),
    ("DUMP", First),
    ("ECHO", Never),
    ("EVAL", Counted(1)),
    ("EVALSHA", Counted(1)),
    ("EVALSHA_RO", Counted(1)),
    ("EVAL_RO", Counted(1)),
    ("EXEC", Never),
    ("EXISTS", All),
    ("EXPIRE", First),
    ("EXPIREAT", First),
    ("EXPIRETIME", First),
    ("FAILOVER", Never),
    ("FCALL", Counted(1)),
    ("FCALL_RO", Counted(1)),
    ("FLUSHALL", Never),
    ("FLUSHDB", Never),
    ("FUNCTION", Never),
    ("GEOADD", First),
    ("GEODIST", First),
    ("GEOHASH", First),
    ("GEOPOS", First),
    ("GEORADIUS", StoreBehind(&["STORE", "STOREDIST"])),
    ("GEORADIUSBYMEMBER", StoreBehind(&["STORE", "STOREDIST"])),
    ("GEORADIUSBYMEMBER_RO", First),
    ("GEORADIUS_RO", First),
    ("GEOSEARCH", First),
    ("GEOSEARCHSTORE", FirstTwo),
    ("GET", First),
    ("GETBIT", First),
    ("GETDEL", First),
    ("GETEX", First),
    ("GETRANGE", First),
    ("GETSET", First),
    ("HDEL", First),
    ("HELLO", Never),
    ("HEXISTS", First),
    ("HEXPIRE", First),
    ("HEXPIREAT", First),
    ("HEXPIRETIME", First),
    ("HGET", First),
    ("HGETALL", First),
    ("HGETDEL", First),
    ("HGETEX", First),
    ("HIMPORT", SecondOf(&["SET"])),
    ("HINCRBY", First),
    ("HINCRBYFLOAT", First),
    ("HKEYS", First),
    ("HLEN", First),
    ("HMGET", First),
    ("HMSET", First),
    ("HOTKEYS", Never),
    ("HPERSIST", First),
    ("HPEXPIRE", First),
    ("HPEXPIREAT", First),
    ("HPEXPIRETIME", First),
    ("HPTTL", First),
    ("HRANDFIELD", First),
    ("HSCAN", First),
    ("HSET", First),
    ("HSETEX", First),
    ("HSETNX", First),
    ("HSTRLEN", First),
    ("HTTL", First),
    ("HVALS", First),
    ("INCR", First),
    ("INCRBY", First),
    ("INCRBYFLOAT", First),
    ("INCREX", First),
    ("INFO", Never),
    ("KEYS", Never),
    ("LASTSAVE", Never),
    ("LATENCY", Never),
    ("LCS", FirstTwo),
    ("LINDEX", First),
    ("LINSERT", First),
    ("LLEN", First),
    ("LMOVE", FirstTwo),
    ("LMOVEM", FirstTwo),
    ("LMPOP", Counted(0)),
    ("LOLWUT", Never),
    ("LPOP", First),
    ("LPOS", First),
    ("LPUSH", First),
    ("LPUSHX", First),
    ("LRANGE", First),
    ("LREM", First),
    ("LSET", First),
    ("LTRIM", First),
    ("MEMORY", SecondOf(&["USAGE"])),
    ("MGET", All),
    ("MIGRATE", Migrate),
    ("MODULE", Never),
    ("MONITOR", Never),
    ("MOVE", First),
    ("MSET", Steps(2)),
    ("MSETEX", CountedPairs),
    ("MSETNX", Steps(2)),
    ("MULTI", Never),
    ("OBJECT", SecondOf(&["ENCODING", "FREQ", "IDLETIME", "REFCOUNT"])),
    ("PERSIST", First),
    ("PEXPIRE", First),
    ("PEXPIREAT", First),
    ("PEXPIRETIME", First),
    ("PFADD", First),
    ("PFCOUNT", All),
    ("PFDEBUG", Second),
    ("PFMERGE", All),
    ("PFSELFTEST", Never),
    ("PHDEL", First),
    ("PHGET", First),
    ("PHSET", First),
    ("PING", Never),
    ("PSETEX", First),
    ("PSUBSCRIBE", Never),
    ("PSYNC", Never),
    ("PTTL", First),
    ("PUBLISH", Never),
    ("PUBSUB", Never),
    ("PUNSUBSCRIBE", Never),
    ("QUIT", Never),
    ("RANDOMKEY", Never),
    ("READONLY", Never),
    ("READWRITE", Never),
    ("RENAME", FirstTwo),
    ("RENAMENX", FirstTwo),
    ("REPLCONF", Never),
    ("REPLICAOF", Never),
    ("RESET", Never),
    ("RESTORE", First),
    ("RESTORE-ASKING", First),
    ("ROLE", Never),
    ("RPOP", First),
    ("RPOPLPUSH", FirstTwo),
    ("RPUSH", First),
    ("RPUSHX", First),
    ("SADD", First),
    ("SAVE", Never),
    ("SCAN", Never),
    ("SCARD", First),
    ("SCRIPT", Never),
    ("SDIFF", All),
    ("SDIFFCARD", Counted(0)),
    ("SDIFFSTORE", All),
    ("SELECT", Never),
    ("SET", First),
    ("SETBIT", First),
    ("SETEX", First),
    ("SETNX", First),
    ("SETRANGE", First),
    ("SFLUSH", Never),
    ("SHUTDOWN", Never),
    ("SINTER", All),
    ("SINTERCARD", Counted(0)),
    ("SINTERSTORE", All),
    ("SISMEMBER", First),
    ("SLAVEOF", Never),
    ("SLOWLOG", Never),
    ("SMEMBERS", First),
    ("SMISMEMBER", First),
    ("SMOVE", FirstTwo),
    ("SORT", StoreBehind(&["STORE"])),
    ("SORT_RO", First),
    ("SPOP", First),
    ("SPUBLISH", Never),
    ("SRANDMEMBER", First),
    ("SREM", First),
    ("SSCAN", First),
    ("SSUBSCRIBE", Never),
    ("STRALGO", Never),
    ("STRLEN", First),
    ("SUBSCRIBE", Never),
    ("SUBSTR", First),
    ("SUNION", All),
    ("SUNIONCARD", Counted(0)),
    ("SUNIONSTORE", All),
    ("SUNSUBSCRIBE", Never),
    ("SWAPDB", Never),
    ("SYNC", Never),
    ("TIME", Never),
    ("TOUCH", All),
    ("TRIMSLOTS", Never),
    ("TTL", First),
    ("TYPE", First),
    ("UNLINK", All),
    ("UNSUBSCRIBE", Never),
    ("UNWATCH", Never),
    ("VADD", First),
    ("VCARD", First),
    ("VDIM", First),
    ("VEMB", First),
    ("VGETATTR", First),
    ("VINFO", First),
    ("VISMEMBER", First),
    ("VLINKS", First),
    ("VRANDMEMBER", First),
    ("VRANGE", First),
    ("VREM", First),
    ("VSETATTR", First),
    ("VSIM", First),
    ("WAIT", Never),
    ("WAITAOF", Never),
    ("WATCH", All),
    ("XACK", First),
    ("XACKDEL", First),
    ("XADD", First),
    ("XAUTOCLAIM", First),
    ("XCFGSET", First),
    ("XCLAIM", First),
    ("XDEL", First),
    ("XDELEX", First),
    ("XGROUP", Second),
    ("XIDMPRECORD", First),
    ("XINFO", Second),
    ("XLEN", First),
    ("XNACK", First),
    ("XPENDING", First),
    ("XRANGE", First),
    ("XREAD", Streams),
    ("XREADGROUP", Streams),
    ("XREVRANGE", First),
    ("XSETID", First),
    ("XTRIM", First),
    ("ZADD", First),
    ("ZCARD", First),
    ("ZCOUNT", First),
    ("ZDIFF", Counted(0)),
    ("ZDIFFSTORE", StoreCounted),
    ("ZINCRBY", First),
    ("ZINTER", Counted(0)),
    ("ZINTERCARD", Counted(0)),
    ("ZINTERSTORE", StoreCounted),
    ("ZLEXCOUNT", First),
    ("ZMPOP", Counted(0)),
    ("ZMSCORE", First),
    ("ZPOPMAX", First),
    ("ZPOPMIN", First),
    ("ZRANDMEMBER", First),
    ("ZRANGE", First),
    ("ZRANGEBYLEX", First),
    ("ZRANGEBYSCORE", First),
    ("ZRANGESTORE", FirstTwo),
    ("ZRANK", First),
    ("ZREM", First),
    ("ZREMRANGEBYLEX", First),
    ("ZREMRANGEBYRANK", First),
    ("ZREMRANGEBYSCORE", First),
    ("ZREVRANGE", First),
    ("ZREVRANGEBYLEX", First),
    ("ZREVRANGEBYSCORE", First),
    ("ZREVRANK", First),
    ("ZSCAN", First),
    ("ZSCORE", First),
    ("ZUNION", Counted(0)),
    ("ZUNIONSTORE", StoreCounted),
];

/// Module commands by name, where the rule of their module does not hold for them.
const MODULES: &[(&str, Spec)] = &[
    ("CMS.MERGE", StoreCounted),
    ("JSON.DEBUG", Second),
    ("JSON.MGET", AllButLast),
    ("JSON.MSET", Steps(3)),
    ("TDIGEST.MERGE", StoreCounted),
    ("TS.CREATERULE", FirstTwo),
    ("TS.DELETERULE", FirstTwo),
    ("TS.MADD", Steps(3)),
    ("TS.MGET", Never),
    ("TS.MRANGE", Never),
    ("TS.MREVRANGE", Never),
    ("TS.QUERYINDEX", Never),
];

/// Modules whose commands have one key, in front; those of the search index have none.
const FAMILIES: &[(&str, Spec)] = &[
    ("BF.", First),
    ("CF.", First),
    ("CMS.", First),
    ("FT.", Never),
    ("JSON.", First),
    ("TDIGEST.", First),
    ("TOPK.", First),
    ("TS.", First),
];

/// The longest name in the table.
const NAME_MAX_BYTES: usize = 24;

/// The keys among the arguments behind a command's name; `None` for a command that is not known.
///
/// ```
/// use rdbkit::resp::command_keys;
///
/// let args = [&b"dest"[..], b"2", b"a", b"b", b"WEIGHTS", b"1", b"2"];
/// let keys: Vec<&[u8]> = command_keys(b"ZUnionStore", &args).unwrap().collect();
/// assert_eq!(keys, [b"dest", &b"a"[..], b"b"]);
/// assert!(command_keys(b"NOSUCHTHING", &args).is_none());
/// ```
pub fn command_keys<'a, A: AsRef<[u8]>>(
    name: &[u8],
    args: &'a [A],
) -> Option<impl Iterator<Item = &'a [u8]> + use<'a, A>> {
    Some(key_positions(name, args)?.filter_map(|at| args.get(at).map(AsRef::as_ref)))
}

/// Where these keys stand: positions behind the name, from 0 on.
pub fn key_positions<A: AsRef<[u8]>>(name: &[u8], args: &[A]) -> Option<KeyPositions> {
    Some(positions(spec(name)?, args))
}

/// Whether the keys of a command are known.
pub fn is_known_command(name: &[u8]) -> bool {
    spec(name).is_some()
}

/// The names of the commands that servers have without modules, in upper case.
pub(crate) fn known_commands() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|(name, _)| *name)
}

/// See [`key_positions`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPositions {
    first: Option<usize>,
    range: Range<usize>,
    step: usize,
}

impl Iterator for KeyPositions {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let at = self.range.start;
        if at >= self.range.end {
            return None;
        }
        self.range.start = at.saturating_add(self.step);
        Some(at)
    }
}

fn spec(name: &[u8]) -> Option<Spec> {
    let mut room = [0; NAME_MAX_BYTES];
    let upper = room.get_mut(..name.len())?;
    upper.copy_from_slice(name);
    upper.make_ascii_uppercase();
    let upper = &*upper;
    let found = |table: &[(&str, Spec)]| {
        let at = table.binary_search_by(|(name, _)| name.as_bytes().cmp(upper)).ok()?;
        table.get(at).map(|(_, spec)| *spec)
    };
    found(TABLE).or_else(|| {
        let dotted = upper.contains(&b'.');
        let family = || FAMILIES.iter().find(|(start, _)| upper.starts_with(start.as_bytes()));
        dotted.then(|| found(MODULES).or_else(|| family().map(|(_, spec)| *spec))).flatten()
    })
}

fn positions<A: AsRef<[u8]>>(spec: Spec, args: &[A]) -> KeyPositions {
    let len = args.len();
    let arg = |at: usize| args.get(at).map(AsRef::as_ref);
    let is = |at: usize, word: &str| {
        arg(at).is_some_and(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
    };
    let keys = |first: Option<usize>, range: Range<usize>, step| KeyPositions {
        first: first.filter(|&at| at < len),
        range: range.start..range.end.min(len),
        step,
    };
    // A count that is no number stands for none.
    let counted = |at: usize| {
        let count =
            arg(at).and_then(|count| std::str::from_utf8(count).ok()?.parse::<usize>().ok());
        count.unwrap_or(0).min(len)
    };
    match spec {
        Never => keys(None, 0..0, 1),
        First => keys(None, 0..1, 1),
        Second => keys(None, 1..2, 1),
        SecondOf(words) if words.iter().any(|word| is(0, word)) => keys(None, 1..2, 1),
        SecondOf(_) => keys(None, 0..0, 1),
        FirstTwo => keys(None, 0..2, 1),
        All => keys(None, 0..len, 1),
        AllButLast => keys(None, 0..len.saturating_sub(1), 1),
        TwoDown => keys(None, 1..len, 1),
        Steps(step) => keys(None, 0..len, step),
        Counted(at) => keys(None, at + 1..at + 1 + counted(at), 1),
        CountedPairs => keys(None, 1..1 + counted(0).saturating_mul(2), 2),
        StoreCounted => keys(Some(0), 2..2 + counted(1), 1),
        StoreBehind(&["STORE"]) => {
            // Of SORT, a pattern may be the word itself.
            let (mut at, mut store) = (1, None);
            while at < len {
                at += if is(at, "LIMIT") {
                    3
                } else if is(at, "GET") || is(at, "BY") {
                    2
                } else {
                    if is(at, "STORE") && at + 1 < len {
                        store = Some(at + 1);
                    }
                    1
                };
            }
            keys(Some(0), store.map_or(0..0, |at| at..at + 1), 1)
        }
        StoreBehind(words) => {
            // The last one counts, as it does for servers.
            let store =
                (1..len.saturating_sub(1)).rev().find(|&at| words.iter().any(|w| is(at, w)));
            match store {
                Some(at) => keys(Some(0), at + 1..at + 2, 1),
                None => keys(Some(0), 0..0, 1),
            }
        }
        Streams => match (0..len).find(|&at| is(at, "STREAMS")) {
            Some(at) => keys(None, at + 1..at + 1 + (len - at - 1) / 2, 1),
            None => keys(None, 0..0, 1),
        },
        // MIGRATE host port key|"" db timeout [COPY] [REPLACE] [AUTH …] [KEYS key …]
        Migrate => match (5..len).find(|&at| is(at, "KEYS")) {
            Some(at) if arg(2).is_some_and(<[u8]>::is_empty) => keys(None, at + 1..len, 1),
            _ => keys(None, 2..3, 1),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{MODULES, NAME_MAX_BYTES, TABLE, command_keys, is_known_command};

    #[test]
    fn the_tables_are_in_order_and_their_names_fit() {
        for table in [TABLE, MODULES] {
            assert!(table.is_sorted_by(|a, b| a.0 < b.0));
            assert!(table.iter().all(|(name, _)| name.len() <= NAME_MAX_BYTES));
        }
    }

    #[test]
    fn keys_by_place() {
        check("set k v", "k");
        check("SET", "");
        check("DEL a b c", "a b c");
        check("MSET a 1 b 2", "a b");
        check("MSET a 1 b", "a b");
        check("RENAME a b", "a b");
        check("SMOVE a b m", "a b");
        check("BLPOP a b 0", "a b");
        check("BITOP AND d a b", "d a b");
        check("PFMERGE d a b", "d a b");
        check("PFDEBUG todense k", "k");
        check("XGROUP CREATE s g 0", "s");
        check("HIMPORT set h v", "h");
        check("HIMPORT PREPARE a b", "");
        check("OBJECT HELP", "");
        check("COPY a b DB 3", "a b");
        check("FLUSHALL async", "");
        check("FUNCTION LOAD code", "");
        check("PUBLISH c m", "");
        check("GEOSEARCHSTORE d s FROMLONLAT 1 2", "d s");
        check("LMOVEM a b LEFT LEFT EXACTLY 2 OBO", "a b");
    }

    #[test]
    fn keys_by_count() {
        check("EVAL script 2 a b c", "a b");
        check("LMPOP 2 a b LEFT", "a b");
        check("BZMPOP 0 1 a MIN", "a");
        check("MSETEX 2 a 1 b 2 PXAT 5", "a b");
        check("ZUNIONSTORE d 2 a b WEIGHTS 1 2", "d a b");
        check("ZDIFFSTORE d 1 a", "d a");
        // Counts that lie.
        check("EVAL script 9 a b", "a b");
        check("EVAL script 18446744073709551615 a", "a");
        check("EVAL script -1 a", "");
        check("EVAL script", "");
        check("MSETEX 9223372036854775807 a 1", "a");
    }

    #[test]
    fn keys_by_words() {
        check("SORT l BY w_* GET # store d", "l d");
        check("SORT l", "l");
        check("SORT l STORE", "l");
        check("SORT l BY store GET store", "l");
        check("SORT l LIMIT 0 1 STORE d", "l d");
        check("SORT l STORE a STORE b", "l b");
        check("GEORADIUS g 1 2 3 km STOREDIST d", "g d");
        check("GEORADIUSBYMEMBER g m 3 km", "g");
        check("XREADGROUP GROUP g c COUNT 1 STREAMS a b > >", "a b");
        check("XREADGROUP GROUP g c", "");
        check("MIGRATE h 1 k 0 5", "k");
        check("MIGRATE h 1 <> 0 5 COPY KEYS a b", "a b");
        check("MIGRATE h 1 k 0 5 KEYS a b", "k");
    }

    #[test]
    fn modules_that_servers_bring_along() {
        check("JSON.SET k $ 1", "k");
        check("json.mset a $ 1 b $ 2", "a b");
        check("TS.MADD a 1 1 b 2 2", "a b");
        check("CMS.MERGE d 2 a b", "d a b");
        check("FT.CREATE idx", "");
        check("VADD v VALUES 1 1 e", "v");
        for unknown in [&b"NOSUCHTHING"[..], b"", b"MYMODULE.SET", &[b'X'; 99]] {
            assert!(!is_known_command(unknown));
        }
    }

    /// `<>` stands for an empty argument.
    #[track_caller]
    fn check(command: &str, want: &str) {
        let mut words = command.split(' ').map(|word| if word == "<>" { "" } else { word });
        let name = words.next().unwrap();
        let args: Vec<&str> = words.collect();
        let keys: Vec<&[u8]> = command_keys(name.as_bytes(), &args).expect("known").collect();
        assert_eq!(keys.join(&b' '), want.as_bytes(), "{command}");
    }
}
