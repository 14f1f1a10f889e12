//! When keys expire.

use super::super::strings::is_past;
use crate::engine::call::is;
use crate::engine::{Answer, Call, Failure};
use crate::resp::Reply;

/// On what a new expiry depends.
#[derive(Debug, Default)]
struct Condition {
    absent: bool,
    present: bool,
    later: bool,
    sooner: bool,
}

impl Condition {
    fn parse(words: &[&[u8]]) -> Answer<Self> {
        let mut condition = Condition::default();
        for word in words {
            let flag = match () {
                () if is(word, "NX") => &mut condition.absent,
                () if is(word, "XX") => &mut condition.present,
                () if is(word, "GT") => &mut condition.later,
                () if is(word, "LT") => &mut condition.sooner,
                () => {
                    let word = String::from_utf8_lossy(word);
                    return Err(Failure::said(format!("ERR Unsupported option {word}")));
                }
            };
            *flag = true;
        }
        let Condition { absent, present, later, sooner } = condition;
        if absent && (present || later || sooner) {
            return Err(Failure::text(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if later && sooner {
            return Err(Failure::text("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(condition)
    }

    /// Whether a key that expires then, if ever, may get another time.
    fn holds(&self, now: Option<i64>, new: i64) -> bool {
        let refused = match now {
            None => self.present || self.later,
            Some(now) => self.absent || (self.later && new <= now) || (self.sooner && new >= now),
        };
        !refused
    }
}

/// EXPIRE, PEXPIRE, EXPIREAT, PEXPIREAT: what they differ in is in their names.
pub(super) fn set(call: &mut Call<'_>) -> Answer {
    let condition = Condition::parse(call.rest(3))?;
    let name = call.arg(0);
    let in_ms = name.first().is_some_and(|byte| byte.eq_ignore_ascii_case(&b'P'));
    let absolute = name.last().is_some_and(|byte| byte.eq_ignore_ascii_case(&b'T'));
    let time = call.int(2)?;
    let ms = if in_ms { Some(time) } else { time.checked_mul(1000) };
    let at = match absolute {
        true => ms,
        false => ms.and_then(|ms| ms.checked_add(call.env.now_ms)),
    };
    let at = at.ok_or_else(|| {
        let name = String::from_utf8_lossy(name).to_lowercase();
        Failure::said(format!("ERR invalid expire time in '{name}' command"))
    })?;
    // The lowest number stands for no expiry in the table of keys.
    let at = at.max(i64::MIN + 1);
    let Some(record) = call.keys.peek(call.arg(1)) else { return Ok(Reply::Int(0)) };
    if !condition.holds(record.expires_at_ms(), at) {
        return Ok(Reply::Int(0));
    }
    if is_past(call.env, at) {
        call.keys.remove(call.arg(1));
    } else {
        record.set_expiry(Some(at));
    }
    Ok(Reply::Int(1))
}

pub(super) fn persist(call: &mut Call<'_>) -> Answer {
    let Some(record) = call.keys.peek(call.arg(1)) else { return Ok(Reply::Int(0)) };
    let had = record.expires_at_ms().is_some();
    record.set_expiry(None);
    Ok(Reply::flag(had))
}

/// TTL, PTTL, EXPIRETIME, PEXPIRETIME.
pub(super) fn get(call: &mut Call<'_>) -> Answer {
    let in_ms = call.arg(0).first().is_some_and(|byte| byte.eq_ignore_ascii_case(&b'P'));
    let absolute = !call.is(0, "TTL") && !call.is(0, "PTTL");
    let Some(record) = call.keys.peek(call.arg(1)) else { return Ok(Reply::Int(-2)) };
    let Some(at) = record.expires_at_ms() else { return Ok(Reply::Int(-1)) };
    let ms = if absolute { at } else { at.saturating_sub(call.env.now_ms).max(0) };
    Ok(Reply::Int(if in_ms { ms } else { ms / 1000 + i64::from(ms % 1000 >= 500) }))
}

#[cfg(test)]
mod tests {
    use crate::engine::Engine;
    use crate::resp::Reply;

    #[track_caller]
    fn check(engine: &mut Engine, line: &str, want: Reply) {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        assert_eq!(engine.execute(&words), want, "{line}");
    }

    #[test]
    fn a_loading_server_keeps_what_is_past() {
        let mut engine = Engine::default();
        engine.env.now_ms = 1_700_000_000_000;
        engine.env.loading = true;
        check(&mut engine, "SET k v", Reply::OK);
        check(&mut engine, "PEXPIREAT k 1000", Reply::Int(1));
        check(&mut engine, "APPEND k x", Reply::Int(2));
        check(&mut engine, "PEXPIRETIME k", Reply::Int(1000));
        check(&mut engine, "PERSIST k", Reply::Int(1));
        check(&mut engine, "GET k", Reply::bulk("vx"));
        check(&mut engine, "SET n 5", Reply::OK);
        check(&mut engine, "PEXPIREAT n 1000", Reply::Int(1));
        check(&mut engine, "INCR n", Reply::Int(6));
        check(&mut engine, "RENAME n m", Reply::OK);
        check(&mut engine, "COPY m c", Reply::Int(1));
        check(&mut engine, "PERSIST c", Reply::Int(1));
        check(&mut engine, "SET p v PXAT 1000", Reply::OK);
        check(&mut engine, "SETRANGE p 1 z", Reply::Int(2));
        check(&mut engine, "EXPIREAT p 1", Reply::Int(1));
        check(&mut engine, "EXPIRE c -5 XX", Reply::Int(0));
        check(&mut engine, "PEXPIREAT p -9223372036854775808", Reply::Int(1));
        check(&mut engine, "EXISTS p", Reply::Int(1));
        engine.env.loading = false;
        check(&mut engine, "EXISTS p m n", Reply::Int(0));
        check(&mut engine, "GET c", Reply::bulk("6"));
        check(&mut engine, "TTL c", Reply::Int(-1));
    }
}
