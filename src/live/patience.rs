//! At the first word: servers that are there, and cannot do what is asked of them yet.
//!
//! One that loads its data, or a master that is about to be replaced, is waited for, as it is later
//! on. An address at which nobody answers is more likely a wrong one, and that is said at once. Slots
//! that are nobody's are waited for as long as it takes to give them to somebody.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{Connector, Endpoint, Failure, Place};

/// How long is waited before servers are asked again.
const PAUSE: Duration = Duration::from_millis(100);
/// How long slots may be nobody's before that is said.
const UNSERVED: Duration = Duration::from_secs(5);

/// Asks until the answer is no failure that passes, patience has an end, or `stop` is set. `waits`
/// hears each of the failures that may pass.
pub fn patiently<T>(
    endpoint: &Endpoint,
    connector: &Connector,
    (patience, stop): (Duration, &AtomicBool),
    waits: &dyn Fn(&Failure),
    mut ask: impl FnMut() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let until = Instant::now() + patience;
    let mut unserved: Option<Instant> = None;
    loop {
        match ask() {
            Err(failure)
                if failure.is_passing()
                    && !is_wrong_port(&failure)
                    && Instant::now() < until
                    && !has_lasted(&failure, &mut unserved)
                    && !stop.load(Ordering::Relaxed)
                    && somebody_answers(endpoint, connector, &failure) =>
            {
                waits(&failure);
                thread::sleep(PAUSE);
            }
            answer => return answer,
        }
    }
}

/// At the first word a handshake that comes to nothing is more likely one with somebody who speaks no
/// TLS.
fn is_wrong_port(failure: &Failure) -> bool {
    matches!(failure, Failure::Tls { .. })
}

/// Whether slots have been nobody's for too long, if that is what is the matter.
fn has_lasted(failure: &Failure, since: &mut Option<Instant>) -> bool {
    if !matches!(failure, Failure::Unserved { .. }) {
        *since = None;
        return false;
    }
    since.get_or_insert_with(Instant::now).elapsed() >= UNSERVED
}

/// Whether anybody answers at the addresses that are given.
fn somebody_answers(endpoint: &Endpoint, connector: &Connector, failure: &Failure) -> bool {
    let is_silence =
        |failure: &Failure| matches!(failure, Failure::Unreachable { .. } | Failure::Lost { .. });
    let (connector, seeds) = match &endpoint.place {
        Place::Server(_) => return !is_silence(failure),
        Place::Sentinel { seeds, access, .. } => (connector.with_access(access.clone()), seeds),
        Place::Cluster { seeds } => (connector.clone(), seeds),
    };
    seeds.iter().any(|seed| !connector.open(seed).is_err_and(|failure| is_silence(&failure)))
}
