//! Signs by which one replayer knows that another one lives.
//!
//! ```text
//! a connection with its name      it is at work, or stands still
//! a lock that lasts longer again  it is waiting, and its Keeper renews the lock every second
//! ```
//!
//! One that waits for room, for a new master or for a server that starts may have no connection just
//! now, and opens the next one a moment later. So an owner is given up only when neither a
//! connection nor a renewal was seen for a while. That while is the same one for all masters of a
//! Cluster: what one of them has shown need not be waited for at the next.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::Value;

use super::claim::text;
use crate::live::{Class, Connection, Failure};

/// How long a lock lasts without being renewed: the same for all versions, since it tells when a
/// lock was renewed.
pub(super) const LASTS: Duration = Duration::from_secs(120);
/// What the names of all replayers begin with.
pub(super) const OWNERS: &str = "rdbkit-";
/// How long an owner may be without any sign of life. One that waits tries again every two seconds.
const SILENCE: Duration = Duration::from_secs(4);
/// What the last renewal of one that was killed may take to be heard.
const SLACK: Duration = Duration::from_millis(500);

/// What is known of an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// It lives.
    Lives,
    /// It has ended.
    Gone,
    /// It is to be asked again.
    None,
}

/// Who is looked for, and since when there was no connection of it.
#[derive(Debug, Default)]
pub(super) struct Signs(Mutex<Option<(String, Instant)>>);

impl Signs {
    /// Looks for the owner of this lock.
    pub(super) fn of(
        &self,
        connection: &mut Connection,
        key: &str,
        owner: &str,
    ) -> Result<Sign, Failure> {
        let names = names(connection)?;
        let is_there = |names: &Vec<String>| names.iter().any(|name| name == owner);
        if names.as_ref().is_some_and(is_there) {
            self.found();
            return Ok(Sign::Lives);
        }
        let since = self.missed_since(owner);
        // An answer may be old when it is read, and then the lock would seem to last longer.
        let asked = Instant::now();
        let left = time_left(connection, key)?;
        if left.is_some_and(|left| is_renewed(asked, left, since)) {
            self.found();
            return Ok(Sign::Lives);
        }
        // Where a server does not tell who is connected, the lock has to expire.
        let is_gone = names.is_some() && since.elapsed() >= SILENCE;
        Ok(if is_gone { Sign::Gone } else { Sign::None })
    }

    fn found(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn missed_since(&self, owner: &str) -> Instant {
        let mut missed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*missed {
            // What was seen long ago says nothing of today.
            Some((name, since)) if name == owner && since.elapsed() < LASTS => *since,
            _ => {
                let now = Instant::now();
                *missed = Some((owner.to_owned(), now));
                now
            }
        }
    }
}

/// Whether a lock that lasted so long when it was asked for was renewed since then.
fn is_renewed(asked: Instant, left: Duration, since: Instant) -> bool {
    asked + left > since + LASTS + SLACK
}

/// How long a lock still lasts; `None` where there is none, or the server does not tell.
fn time_left(connection: &mut Connection, key: &str) -> Result<Option<Duration>, Failure> {
    Ok(match answer(connection.request(&["PTTL", key]))? {
        Some(Value::Int(left)) => u64::try_from(left).ok().map(Duration::from_millis),
        _ => None,
    })
}

/// The replayers that are connected; `None` where the server does not tell.
pub(super) fn names(connection: &mut Connection) -> Result<Option<Vec<String>>, Failure> {
    let list = answer(connection.request(&["CLIENT", "LIST"]))?.and_then(text);
    let words = |list: String| {
        let names = list.split_ascii_whitespace().filter_map(|word| word.strip_prefix("name="));
        names.filter(|name| name.starts_with(OWNERS)).map(str::to_owned).collect()
    };
    Ok(list.map(words))
}

/// What is answered by a server that knows a command and allows it.
fn answer(answer: Result<Value, Failure>) -> Result<Option<Value>, Failure> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(failure) if failure.reply().is_some_and(|r| r.class() != Class::Wait) => Ok(None),
        Err(failure) => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewal_is_seen_by_the_time_that_is_left() {
        let since = Instant::now();
        let check = |after_ms: u64, left_ms: u64, want: bool| {
            let asked = since + Duration::from_millis(after_ms);
            let is = is_renewed(asked, Duration::from_millis(left_ms), since);
            assert_eq!(is, want, "{left_ms} ms are left {after_ms} ms later");
        };
        // Whoever was killed right behind a renewal, and whoever was long before.
        check(0, 120_000, false);
        check(3900, 116_100, false);
        check(3900, 60_000, false);
        check(1500, 119_800, true);
        check(3900, 119_000, true);
    }
}
