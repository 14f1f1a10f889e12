//! Which keys of a command it only reads, and which commands do nothing else.

use super::keys::command_keys;

/// Commands that put what they make of all other keys into the first one.
const INTO_FIRST: &[&str] = &[
    "BITOP",
    "CMS.MERGE",
    "GEOSEARCHSTORE",
    "PFMERGE",
    "SDIFFSTORE",
    "SINTERSTORE",
    "SUNIONSTORE",
    "TDIGEST.MERGE",
    "ZDIFFSTORE",
    "ZINTERSTORE",
    "ZRANGESTORE",
    "ZUNIONSTORE",
];

/// Commands that read the first key, and put what they make of it into another, if any.
const OUT_OF_FIRST: &[&str] = &["GEORADIUS", "GEORADIUSBYMEMBER", "SORT"];

/// Commands that only read the keys they name, in the order of the alphabet. PFCOUNT is none of
/// them: it writes down in the value what it has counted.
const READS: &[&str] = &[
    "ARCOUNT",
    "ARGET",
    "ARGETRANGE",
    "ARGREP",
    "ARINFO",
    "ARLASTITEMS",
    "ARLEN",
    "ARMGET",
    "ARNEXT",
    "AROP",
    "ARSCAN",
    "BITCOUNT",
    "BITFIELD_RO",
    "BITPOS",
    "DIGEST",
    "DUMP",
    "EVALSHA_RO",
    "EVAL_RO",
    "EXISTS",
    "EXPIRETIME",
    "FCALL_RO",
    "GEODIST",
    "GEOHASH",
    "GEOPOS",
    "GEORADIUSBYMEMBER_RO",
    "GEORADIUS_RO",
    "GEOSEARCH",
    "GET",
    "GETBIT",
    "GETRANGE",
    "HEXISTS",
    "HEXPIRETIME",
    "HGET",
    "HGETALL",
    "HKEYS",
    "HLEN",
    "HMGET",
    "HPEXPIRETIME",
    "HPTTL",
    "HRANDFIELD",
    "HSCAN",
    "HSTRLEN",
    "HTTL",
    "HVALS",
    "LCS",
    "LINDEX",
    "LLEN",
    "LPOS",
    "LRANGE",
    "MEMORY",
    "MGET",
    "OBJECT",
    "PEXPIRETIME",
    "PTTL",
    "SCARD",
    "SDIFF",
    "SDIFFCARD",
    "SINTER",
    "SINTERCARD",
    "SISMEMBER",
    "SMEMBERS",
    "SMISMEMBER",
    "SORT_RO",
    "SRANDMEMBER",
    "SSCAN",
    "STRLEN",
    "SUBSTR",
    "SUNION",
    "SUNIONCARD",
    "TOUCH",
    "TTL",
    "TYPE",
    "VCARD",
    "VDIM",
    "VEMB",
    "VGETATTR",
    "VINFO",
    "VISMEMBER",
    "VLINKS",
    "VRANDMEMBER",
    "VRANGE",
    "VSIM",
    "WATCH",
    "XINFO",
    "XLEN",
    "XPENDING",
    "XRANGE",
    "XREAD",
    "XREVRANGE",
    "ZCARD",
    "ZCOUNT",
    "ZDIFF",
    "ZINTER",
    "ZINTERCARD",
    "ZLEXCOUNT",
    "ZMSCORE",
    "ZRANDMEMBER",
    "ZRANGE",
    "ZRANGEBYLEX",
    "ZRANGEBYSCORE",
    "ZRANK",
    "ZREVRANGE",
    "ZREVRANGEBYLEX",
    "ZREVRANGEBYSCORE",
    "ZREVRANK",
    "ZSCAN",
    "ZSCORE",
    "ZUNION",
];

/// Whether a command does nothing to any of its keys.
///
/// ```
/// use rdbkit::resp::is_read;
///
/// assert!(is_read(b"hgetall") && !is_read(b"HSET"));
/// ```
pub fn is_read(name: &[u8]) -> bool {
    let upper = name.to_ascii_uppercase();
    READS.binary_search_by(|read| read.as_bytes().cmp(&upper)).is_ok()
}

/// Whether a command, `args` being what stands behind its name, does nothing to this key itself: it
/// only reads, or makes another one of it.
pub fn is_only_read<A: AsRef<[u8]>>(name: &[u8], args: &[A], key: &[u8]) -> bool {
    if is_read(name) {
        return true;
    }
    let is = |words: &[&str]| words.iter().any(|word| name.eq_ignore_ascii_case(word.as_bytes()));
    let Some(mut keys) = command_keys(name, args) else { return false };
    if is(INTO_FIRST) {
        keys.next().is_some_and(|first| first != key) && keys.any(|read| read == key)
    } else {
        is(OUT_OF_FIRST) && keys.next() == Some(key) && keys.all(|store| store != key)
    }
}

#[cfg(test)]
mod tests {
    use super::{READS, is_only_read, is_read};
    use crate::resp::is_known_command;

    #[test]
    fn the_table_is_in_order_and_its_names_are_known() {
        assert!(READS.is_sorted());
        assert!(READS.iter().all(|name| is_known_command(name.as_bytes())));
        assert!(!is_read(b"PFCOUNT"));
    }

    #[test]
    fn what_a_key_is_made_of_is_only_read() {
        check("SINTERSTORE d a b", "a b");
        check("sunionstore d a d", "a");
        check("ZUNIONSTORE d 2 a b WEIGHTS 1 2", "a b");
        check("ZRANGESTORE d a 0 -1", "a");
        check("BITOP AND d a b", "a b");
        check("PFMERGE d a b", "a b");
        check("GEOSEARCHSTORE d a FROMLONLAT 1 2 BYRADIUS 1 km", "a");
        check("SORT a BY w_* STORE d", "a");
        check("SORT a STORE a", "");
        check("GEORADIUS a 1 2 3 km STOREDIST d", "a");
        check("LMOVE a b LEFT LEFT", "");
        check("SMOVE a b m", "");
        check("SET a b", "");
        check("mget a b", "a b d");
        check("NOSUCHTHING a b", "");
    }

    #[track_caller]
    fn check(command: &str, want: &str) {
        let mut words = command.split(' ');
        let name = words.next().unwrap();
        let args: Vec<&str> = words.collect();
        let read: Vec<&str> = ["a", "b", "d"]
            .into_iter()
            .filter(|key| is_only_read(name.as_bytes(), &args, key.as_bytes()))
            .collect();
        assert_eq!(read.join(" "), want, "{command}");
    }
}
