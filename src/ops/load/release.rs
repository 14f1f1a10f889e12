//! At the end of a load: what it kept on the target is removed, and stays removed.
//!
//! A master that dies just then leaves to its successor what the replica had not yet heard of: a
//! lock and a mark that nobody needs, and that would be keys more than the source has. So the
//! removal is waited for like all that was sent, and asked for again where somebody else answers.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Instant;

use redis::Value;

use super::confirm::{Limits, PAUSE, followed};
use super::masters::each_master;
use crate::live::{Connection, Failure};
use crate::target::live::{Claim, Route};

/// Removes lock and progress from all masters. Returns a sentence on what may be left.
pub(super) fn removed(route: &mut dyn Route, claim: &Claim, limits: Limits<'_>) -> Option<String> {
    let began = Instant::now();
    let is_stopped = || limits.stop.load(Ordering::Relaxed);
    loop {
        let failure = match all(route, claim) {
            Ok(true) => {
                limits.observer.goes_on();
                return None;
            }
            Ok(false) if began.elapsed() < limits.replicas && !is_stopped() => {
                let words = "not all replicas have heard yet that the lock of the replay is gone";
                limits.observer.waiting(words);
                continue;
            }
            // Who did not hear of it in time is behind with what was sent as well, and that is said.
            Ok(false) => {
                limits.observer.goes_on();
                return None;
            }
            Err(failure) => failure,
        };
        let is_over = is_stopped() || began.elapsed() >= limits.servers;
        if is_over || !failure.is_passing() {
            return Some(format!(
                "{failure}: the keys {}* may be left on the target; they do no harm, and may be \
                 deleted",
                crate::target::live::KEYS
            ));
        }
        for lane in 0..route.lanes() {
            route.broke(lane, &failure);
        }
        limits.observer.waiting(&failure.to_string());
        thread::sleep(PAUSE);
    }
}

/// Tries it once; whether all replicas have heard of it.
fn all(route: &mut dyn Route, claim: &Claim) -> Result<bool, Failure> {
    // Wherever slots have gone.
    route.forget(&|tag| {
        let claim = claim.tagged(tag);
        vec![claim.progress_key(), claim.lock_key()]
    })?;
    let mut is_followed = true;
    each_master(route, |route, lane, tag| {
        is_followed &= one(route, lane, &claim.tagged(tag))?;
        Ok::<_, Failure>(())
    })?;
    Ok(is_followed)
}

fn one(route: &mut dyn Route, lane: usize, claim: &Claim) -> Result<bool, Failure> {
    let of = route.followers(lane)? as u64;
    let mut connection = route.open(lane)?;
    if of > 0 {
        written_again(&mut connection, &claim.progress_key())?;
    }
    claim.release(&mut connection, true)?;
    Ok(of == 0 || followed(&mut connection, of)? >= of)
}

/// A removal of what is not there any more is not replicated, and there would be nothing to wait for.
fn written_again(connection: &mut Connection, key: &str) -> Result<(), Failure> {
    let value = match connection.request(&["GET", key])? {
        Value::BulkString(bytes) => bytes,
        _ => Vec::new(),
    };
    match connection.request(&[b"SET", key.as_bytes(), &value]) {
        // A server that is full goes without.
        Err(Failure::Refused { reply, .. }) if reply.code() == "OOM" => Ok(()),
        other => other.map(drop),
    }
}
