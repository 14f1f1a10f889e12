//! What depends on a string being this or that one: DIGEST, DELEX, DELIFEQ, and the conditions
//! of SET.

use xxhash_rust::xxh3::xxh3_64;

use super::with_text;
use crate::engine::call::is;
use crate::engine::{Answer, Call, Failure};
use crate::resp::Reply;

/// A condition on the string that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Condition<'a> {
    by_digest: bool,
    equal: bool,
    with: &'a [u8],
}

impl<'a> Condition<'a> {
    pub(super) fn parse(word: &[u8], with: &'a [u8]) -> Option<Self> {
        let forms = [
            ("IFEQ", false, true),
            ("IFNE", false, false),
            ("IFDEQ", true, true),
            ("IFDNE", true, false),
        ];
        let (_, by_digest, equal) = forms.into_iter().find(|(name, ..)| is(word, name))?;
        Some(Condition { by_digest, equal, with })
    }

    /// Whether both ask the same, of whatever.
    pub(super) fn same_kind(&self, other: &Self) -> bool {
        (self.by_digest, self.equal) == (other.by_digest, other.equal)
    }

    /// Whether it holds. A key that is not there differs from everything.
    pub(super) fn holds(&self, text: Option<&[u8]>) -> Answer<bool> {
        let Some(text) = text else { return Ok(!self.equal) };
        let equal = if self.by_digest {
            if self.with.len() != 16 {
                return Err(Failure::text("ERR must be exactly 16 hexadecimal characters"));
            }
            hex(text).as_bytes().eq_ignore_ascii_case(self.with)
        } else {
            text == self.with
        };
        Ok(equal == self.equal)
    }
}

fn hex(text: &[u8]) -> String {
    format!("{:016x}", xxh3_64(text))
}

pub(super) fn digest(call: &mut Call<'_>) -> Answer {
    with_text(call, call.arg(1), |text| text.map_or(Reply::Nil, |text| Reply::bulk(hex(text))))
}

pub(super) fn delete(call: &mut Call<'_>) -> Answer {
    let key = call.arg(1);
    match call.argc() {
        2 => return Ok(Reply::flag(call.keys.remove(key).is_some())),
        4 => {}
        _ => return Err(Failure::text("ERR wrong number of arguments for 'delex' command")),
    }
    match call.keys.find(key)? {
        None => return Ok(Reply::Int(0)),
        Some(record) if record.value.is_text() => {}
        Some(_) => {
            return Err(Failure::text(
                "ERR Key should be of string type if conditions are specified",
            ));
        }
    }
    let condition = Condition::parse(call.arg(2), call.arg(3))
        .ok_or(Failure::text("ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE"))?;
    let holds = with_text(call, key, |text| condition.holds(text))??;
    Ok(Reply::flag(holds && call.keys.remove(key).is_some()))
}

pub(super) fn delete_equal(call: &mut Call<'_>) -> Answer {
    let (key, with) = (call.arg(1), call.arg(2));
    let equal = with_text(call, key, |text| text == Some(with))?;
    Ok(Reply::flag(equal && call.keys.remove(key).is_some()))
}
