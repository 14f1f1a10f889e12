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
//! Positions count the arguments behind the name from 0. The danger is a count that lies: keys are
//! only looked for among the arguments that are there.

mod table;

use std::ops::Range;

use self::table::{Spec, TABLE, spec};
use Spec::{All, AllButLast, Counted, CountedPairs, First, FirstTwo, Migrate, Never, Second};
use Spec::{SecondOf, Steps, StoreBehind, StoreCounted, Streams, TwoDown};

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
    use super::{command_keys, is_known_command};

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
