//! Commands whose answer says that they changed nothing.
//!
//! A server writes down what changed something, but also a whole transaction or script with it, and
//! a command over two keys may have changed one of them alone.

use super::Place;
use crate::report::history::State;
use crate::resp::Reply;

/// Commands that answer how much they changed: 0 where they did nothing.
const COUNTED: &[&str] = &[
    "ARDEL",
    "ARDELRANGE",
    "DELEX",
    "DELIFEQ",
    "EXPIRE",
    "EXPIREAT",
    "HDEL",
    "HSETEX",
    "HSETNX",
    "LPUSHX",
    "LREM",
    "MSETEX",
    "MSETNX",
    "PERSIST",
    "PEXPIRE",
    "PEXPIREAT",
    "PFADD",
    "RPUSHX",
    "SADD",
    "SETNX",
    "SMOVE",
    "SREM",
    "VREM",
    "VSETATTR",
    "XACK",
    "XDEL",
    "XTRIM",
    "ZREM",
    "ZREMRANGEBYLEX",
    "ZREMRANGEBYRANK",
    "ZREMRANGEBYSCORE",
];

/// Commands that answer for each field or id what they did to it: above 0 where they did something.
const EACH: &[&str] =
    &["HEXPIRE", "HEXPIREAT", "HPERSIST", "HPEXPIRE", "HPEXPIREAT", "XACKDEL", "XDELEX"];

/// Commands that take from the first of their keys that has something, which they name in front.
const FROM_ONE: &[&str] =
    &["BLMPOP", "BLPOP", "BRPOP", "BZMPOP", "BZPOPMAX", "BZPOPMIN", "LMPOP", "ZMPOP"];

/// Commands that answer with what they took out, and with nothing where there was nothing.
const TAKEN: &[&str] = &[
    "BLMOVE",
    "BLMOVEM",
    "BRPOPLPUSH",
    "GETDEL",
    "HGETDEL",
    "LMOVE",
    "LMOVEM",
    "LPOP",
    "RPOP",
    "RPOPLPUSH",
    "SPOP",
    "ZPOPMAX",
    "ZPOPMIN",
];

/// Whether a command (its name first) left a key as it was that is there before and after it.
pub(super) fn left_alone(
    args: &[&[u8]],
    reply: &Reply,
    (_, key): &Place,
    before: &State,
    after: &State,
) -> bool {
    let Some((name, rest)) = args.split_first() else { return false };
    let is = &|word: &&str| name.eq_ignore_ascii_case(word.as_bytes());
    let arg = |at: usize| rest.get(at).copied().unwrap_or_default();
    let none = |reply: &Reply| matches!(reply, Reply::Nil | Reply::NilArray);
    match reply {
        // What a set has already is not added to it.
        Reply::Int(1) if is(&"SMOVE") => before.elements == after.elements,
        Reply::Int(0) => COUNTED.iter().any(is) || is(&"LINSERT"),
        Reply::Int(-1) => is(&"LINSERT"),
        Reply::Array(each) if EACH.iter().any(is) => {
            each.iter().all(|one| matches!(one, Reply::Int(..=0)))
        }
        Reply::Array(found) if FROM_ONE.iter().any(is) => {
            !matches!(found.first(), Some(Reply::Bulk(from)) if from == key)
        }
        Reply::Array(found) if TAKEN.iter().any(is) => found.iter().all(none),
        reply if none(reply) => {
            // SET with GET answers with what was there.
            let set =
                is(&"SET") && !rest.iter().skip(2).any(|arg| arg.eq_ignore_ascii_case(b"GET"));
            set || TAKEN.iter().chain(FROM_ONE).any(is)
        }
        // Of one element, round and round.
        Reply::Bulk(_)
            if is(&"LMOVE") || is(&"RPOPLPUSH") || is(&"BLMOVE") || is(&"BRPOPLPUSH") =>
        {
            arg(0) == arg(1) && after.elements == 1
        }
        _ => false,
    }
}
