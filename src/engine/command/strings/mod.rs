//! Strings.

mod count;
mod digest;
mod edit;
mod lcs;
mod lifetime;
mod many;
mod set;

use crate::engine::{Answer, Call, Env, Failure, Spec};

pub(super) use lifetime::is_past;

/// What is known here.
pub(super) const COMMANDS: &[Spec] = &[
    Spec::key("GET", 2, set::get),
    Spec::key("SET", -3, set::set),
    Spec::key("SETEX", 4, set::set_ex),
    Spec::key("PSETEX", 4, set::set_ex),
    Spec::key("SETNX", 3, set::set_nx),
    Spec::key("GETSET", 3, set::get_set),
    Spec::key("GETDEL", 2, set::get_del),
    Spec::key("GETEX", -2, set::get_ex),
    Spec::keys("MGET", -2, many::get),
    Spec::split("MSET", -3, 2, many::set),
    Spec::keys("MSETNX", -3, many::set_nx),
    Spec::keys("MSETEX", -4, many::set_ex),
    Spec::key("INCR", 2, |call| count::add(call, Ok(1))),
    Spec::key("DECR", 2, |call| count::add(call, Ok(-1))),
    Spec::key("INCRBY", 3, |call| {
        let by = call.int(2);
        count::add(call, by)
    }),
    Spec::key("DECRBY", 3, count::take),
    Spec::key("INCRBYFLOAT", 3, count::add_float),
    Spec::key("INCREX", -2, count::bounded::add),
    Spec::key("APPEND", 3, edit::append),
    Spec::key("SETRANGE", 4, edit::set_range),
    Spec::key("GETRANGE", 4, edit::get_range),
    Spec::key("SUBSTR", 4, edit::get_range),
    Spec::key("STRLEN", 2, edit::len),
    Spec::keys("LCS", -3, lcs::lcs),
    Spec::key("DIGEST", 2, digest::digest),
    Spec::key("DELEX", -2, digest::delete),
    Spec::key("DELIFEQ", 3, digest::delete_equal),
];

/// The longest string of a server with its default settings.
const LARGEST: u64 = 512 << 20;
/// The longest one while a log is loaded, where servers set no limit.
const LARGEST_LOADED: u64 = 4 << 30;

/// Whether a string may become so long.
pub(super) fn fits(env: &Env, len: u64) -> Answer<()> {
    if len <= if env.loading { LARGEST_LOADED } else { LARGEST } {
        return Ok(());
    }
    Err(Failure::text("ERR string exceeds maximum allowed size (proto-max-bulk-len)"))
}

/// Does something with the text of a key, or with none where there is no key.
#[inline]
pub(super) fn with_text<T>(
    call: &mut Call<'_>,
    key: &[u8],
    then: impl FnOnce(Option<&[u8]>) -> T,
) -> Answer<T> {
    match call.keys.find(key)? {
        None => Ok(then(None)),
        Some(record) => {
            let mut digits = itoa::Buffer::new();
            let text = record.value.text(&mut digits).ok_or(Failure::WRONG_TYPE)?;
            Ok(then(Some(text)))
        }
    }
}

/// A string that is to be changed in place, if it is there.
pub(super) fn raw<'c>(call: &'c mut Call<'_>, key: &[u8]) -> Answer<Option<&'c mut Vec<u8>>> {
    match call.keys.find(key)? {
        None => Ok(None),
        Some(record) => record.value.raw_mut().map(Some).ok_or(Failure::WRONG_TYPE),
    }
}

/// Makes a string zero-padded and at least so long; all that was there stays. Memory that is not
/// there is an error, not an end.
pub(super) fn widen(bytes: &mut Vec<u8>, len: usize) -> Answer<()> {
    if let Some(more) = len.checked_sub(bytes.len()) {
        bytes.try_reserve(more).map_err(|_| Failure::text("ERR out of memory"))?;
        bytes.resize(len, 0);
    }
    Ok(())
}
