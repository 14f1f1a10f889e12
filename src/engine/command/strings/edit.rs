//! Parts of strings.

use super::{fits, raw, widen, with_text};
use crate::engine::{Answer, Call, Failure, Value};
use crate::resp::Reply;

pub(super) fn append(call: &mut Call<'_>) -> Answer {
    let (key, more) = (call.arg(1), call.arg(2));
    let Some(record) = call.keys.find(key)? else {
        let value = call.keys.stored(more);
        call.keys.set(key, value, None);
        return Ok(Reply::count(more.len()));
    };
    let mut digits = itoa::Buffer::new();
    let len = record.value.text(&mut digits).ok_or(Failure::WRONG_TYPE)?.len() + more.len();
    fits(call.env, len as u64)?;
    if let Some(bytes) = record.value.raw_mut() {
        bytes.try_reserve(more.len()).map_err(|_| Failure::text("ERR out of memory"))?;
        bytes.extend_from_slice(more);
    }
    Ok(Reply::count(len))
}

pub(super) fn set_range(call: &mut Call<'_>) -> Answer {
    let (key, patch) = (call.arg(1), call.arg(3));
    let offset =
        u64::try_from(call.int(2)?).map_err(|_| Failure::text("ERR offset is out of range"))?;
    let old = with_text(call, key, |text| text.map(<[u8]>::len))?;
    if patch.is_empty() {
        return Ok(Reply::count(old.unwrap_or(0)));
    }
    let end = offset.saturating_add(patch.len() as u64);
    fits(call.env, end)?;
    if old.is_none() {
        call.keys.set(key, Value::raw(Vec::new()), None);
    }
    let Some(bytes) = raw(call, key)? else { return Ok(Reply::Int(0)) };
    let grown = widen(bytes, end as usize);
    let len = bytes.len();
    match grown {
        Ok(()) => {
            if let Some(place) = bytes.get_mut(offset as usize..end as usize) {
                place.copy_from_slice(patch);
            }
            Ok(Reply::count(len))
        }
        Err(failure) => {
            if old.is_none() {
                call.keys.remove(key);
            }
            Err(failure)
        }
    }
}

/// GETRANGE, and SUBSTR as it was called once.
pub(super) fn get_range(call: &mut Call<'_>) -> Answer {
    let (from, to) = (call.int(2)?, call.int(3)?);
    with_text(call, call.arg(1), |text| Reply::bulk(range(text.unwrap_or_default(), from, to)))
}

/// The bytes between two places, the last one included; those below zero count from the end.
fn range(text: &[u8], from: i64, to: i64) -> &[u8] {
    if from < 0 && to < 0 && from > to {
        return b"";
    }
    let len = text.len() as i64;
    let place = |at: i64| if at < 0 { at.saturating_add(len).max(0) } else { at };
    let (from, to) = (place(from), place(to).min(len - 1));
    if from > to { b"" } else { text.get(from as usize..=to as usize).unwrap_or_default() }
}

pub(super) fn len(call: &mut Call<'_>) -> Answer {
    with_text(call, call.arg(1), |text| Reply::count(text.unwrap_or_default().len()))
}

#[cfg(test)]
mod tests {
    use super::range;

    #[track_caller]
    fn check(from: i64, to: i64, want: &str) {
        assert_eq!(range(b"hello", from, to), want.as_bytes());
    }

    #[test]
    fn ranges() {
        check(0, -1, "hello");
        check(1, 3, "ell");
        check(-3, -2, "ll");
        check(-99, 1, "he");
        check(3, 99, "lo");
        check(4, 3, "");
        check(5, 9, "");
        check(-1, -3, "");
        check(-9, -8, "h");
        check(i64::MIN, i64::MAX, "hello");
        check(i64::MAX, i64::MIN, "");
        assert_eq!(range(b"", 0, -1), b"");
    }
}
