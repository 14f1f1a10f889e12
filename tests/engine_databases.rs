//! Databases in the engine, beside real servers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

mod support;

use support::twin::{Twin, recent};

#[test]
fn databases_are_chosen_swapped_and_flushed() {
    for kind in recent() {
        let mut twin = Twin::start(&kind);
        for line in [
            "SET a 1",
            "SELECT 3",
            "SET b 2",
            "DBSIZE",
            "SELECT 64",
            "SELECT x",
            "SELECT -1",
            "DBSIZE",
            "GET a",
            "FLUSHDB",
            "DBSIZE",
            "SELECT 0",
            "GET a",
            "APPEND a x y",
            "FLUSHALL NOW",
            "FLUSHALL",
            "DBSIZE",
            "SET a 1",
            "SWAPDB 0 1",
            "SWAPDB 0 99",
            "SWAPDB x 1",
            "DBSIZE",
            "SELECT 1",
            "DBSIZE",
        ] {
            twin.words(line);
        }
    }
}
