//! Before a load says that it is done: whoever may take over from a master has what it took.
//!
//! Servers replicate behind their acknowledgements, and a master whose replica is being promoted
//! goes on acknowledging until it hears of it. So each master is looked up once more, and has to
//! wait (WAIT) for as many replicas as are said to be up. One that has been promoted no longer
//! follows it: the count stays short until the Sentinels, or the other nodes, name the new master,
//! and that one is another server than those which took the keys.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use redis::Value;

use super::masters::each_master;
use crate::live::{Class, Connection, Failure};
use crate::ops::walk::Observer;
use crate::report::text;
use crate::target::live::{Claim, Halt, Held, Route};

/// How long a master waits for its replicas before it is looked up again, in milliseconds.
const WAITED_MS: &str = "500";
/// How long a target that cannot be asked is left alone.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// Is asked whether the server behind a lane is one that took what was sent.
pub(super) type Known<'k> =
    &'k mut dyn FnMut(usize, &dyn Route, &mut Connection) -> Result<(), Halt>;

/// How long a confirmation is waited for.
#[derive(Clone, Copy)]
pub(super) struct Limits<'s> {
    /// Replicas that are behind.
    pub(super) replicas: Duration,
    /// Servers that cannot be asked.
    pub(super) servers: Duration,
    /// Set from outside to stop.
    pub(super) stop: &'s AtomicBool,
    /// Hears what is waited for.
    pub(super) observer: &'s dyn Observer,
}

impl<'s> Limits<'s> {
    pub(super) fn new(
        patience: Duration,
        stop: &'s AtomicBool,
        observer: &'s dyn Observer,
    ) -> Self {
        Limits { replicas: patience, servers: patience, stop, observer }
    }

    /// Replicas that were waited for in vain are not waited for again.
    pub(super) fn not_again(&mut self, late: &[String]) {
        if !late.is_empty() {
            self.replicas = Duration::ZERO;
        }
    }
}

/// How many replicas have confirmed, of how many that are up.
struct Confirmed {
    have: u64,
    of: u64,
}

/// Waits until the replicas of all masters have what was sent. Returns sentences on those that
/// have not confirmed it as long as patience lasted.
pub(super) fn confirmed(
    route: &mut dyn Route,
    claim: &Claim,
    limits: Limits<'_>,
    is_known: Known<'_>,
) -> Result<Vec<String>, Halt> {
    let began = Instant::now();
    let mut late = Vec::new();
    each_master(route, |route, lane, tag| {
        late.extend(one(route, lane, &claim.tagged(tag), (began, limits), is_known)?);
        Ok::<_, Halt>(())
    })?;
    limits.observer.goes_on();
    Ok(late)
}

fn one(
    route: &mut dyn Route,
    lane: usize,
    claim: &Claim,
    (began, limits): (Instant, Limits<'_>),
    is_known: Known<'_>,
) -> Result<Option<String>, Halt> {
    loop {
        if limits.stop.load(Ordering::Relaxed) {
            return Err(Halt::Interrupted);
        }
        let waited = began.elapsed();
        let is_late = waited >= limits.replicas;
        match ask(route, lane, claim, is_known) {
            Ok(Confirmed { have, of }) if have >= of => return Ok(None),
            Ok(Confirmed { have, of }) if is_late => {
                return Ok(Some(format!(
                    "{have} of the {} of {} have confirmed what was sent; if another one takes \
                     over before it has it, some of it is lost: look again with diff",
                    text::plural(of, "replica"),
                    route.name(lane)
                )));
            }
            Ok(Confirmed { have, of }) => limits.observer.waiting(&format!(
                "{have} of the {} of {} have what was sent",
                text::plural(of, "replica"),
                route.name(lane)
            )),
            Err(Halt::Failed(failure)) if failure.is_passing() && waited < limits.servers => {
                route.broke(lane, &failure);
                limits.observer.waiting(&failure.to_string());
                thread::sleep(PAUSE);
            }
            Err(halt) => return Err(halt),
        }
    }
}

fn ask(
    route: &mut dyn Route,
    lane: usize,
    claim: &Claim,
    is_known: Known<'_>,
) -> Result<Confirmed, Halt> {
    let of = route.followers(lane)? as u64;
    let mut connection = route.open(lane)?;
    is_known(lane, route, &mut connection)?;
    if let Held::No(words) = claim.still_held(&mut connection)? {
        return Err(Halt::Taken(words));
    }
    if of == 0 {
        return Ok(Confirmed { have: 0, of });
    }
    // WAIT speaks of what its own connection wrote, and so of all before that.
    claim.renew(&mut connection)?;
    let have = followed(&mut connection, of)?;
    Ok(Confirmed { have, of })
}

/// How many replicas, of those that are up, have what this connection wrote.
pub(super) fn followed(connection: &mut Connection, of: u64) -> Result<u64, Failure> {
    match connection.request(&["WAIT", &of.to_string(), WAITED_MS]) {
        Ok(Value::Int(have)) => Ok(u64::try_from(have).unwrap_or(0)),
        Ok(_) => Ok(0),
        // A user who may not wait goes without.
        Err(Failure::Denied { .. }) => Ok(of),
        Err(Failure::Refused { reply, .. }) if reply.class() == Class::Refused => Ok(of),
        Err(failure) => Err(failure),
    }
}
