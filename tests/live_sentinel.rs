//! Sentinels as the way to a target: the master they name, through failovers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use support::sentinel::Watched;
use support::servers::require;

/// What the other tests rely on.
#[test]
fn a_failover_changes_the_master() {
    let Some(kind) = require("redis-8.0") else { return };
    let mut watched = Watched::start(&kind, &[]);
    let first = watched.master_port();
    assert_eq!(first, watched.servers[0].port());
    watched.fail_over();
    watched.settled();
    let dead = watched.kill_master();
    assert_ne!(dead, 0);
    watched.servers[dead].revive();
    watched.settled();
}
