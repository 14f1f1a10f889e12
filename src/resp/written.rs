//! Which keys of a command it only reads.

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

/// Whether a command, `args` being what stands behind its name, reads a key to make another one of
/// it, and does nothing to the key itself.
pub fn is_only_read<A: AsRef<[u8]>>(name: &[u8], args: &[A], key: &[u8]) -> bool {
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
    use super::is_only_read;

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
