//! What the integration tests share: real servers, a client for them, and the
//! corpus of files that real servers wrote.
//!
//! A test file says `mod support;` and begins with
//! `#![allow(clippy::unwrap_used, ..., reason = "tests")]`.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of this")]

pub mod client;
pub mod cluster;
pub mod corpus;
pub mod fill;
pub mod history;
pub mod mishaps;
pub mod paired;
pub mod random;
pub mod repairs;
pub mod replayer;
pub mod sentinel;
pub mod servers;
pub mod tls;
pub mod twin;

use std::fmt::Display;
use std::io::{Write, stderr};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// True where nothing may be skipped quietly.
pub fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}

/// Says that a test did not run.
pub fn skipped(what: impl Display) {
    say(format_args!("SKIPPED: {what}"));
}

/// Prints a line past the test runner's capture, which would swallow what a
/// test says that passes.
pub fn say(line: impl Display) {
    // Nothing is lost but the line.
    let _ = writeln!(stderr(), "{line}");
}

/// Asks until the answer is yes; a test that waits in vain fails.
#[track_caller]
pub fn wait_until(what: &str, patience: Duration, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + patience;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited {patience:?} in vain until {what}");
        sleep(Duration::from_millis(20));
    }
}
