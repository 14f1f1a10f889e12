//! Says of servers that do not answer that they are waited for, while somebody waits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use super::walk::Observer;
use crate::live::Connector;

/// How often is looked who is waited for.
const EVERY: Duration = Duration::from_millis(200);

/// Does something with the servers of a connector, and tells the observer which of them does not
/// answer meanwhile.
pub(super) fn told<T>(
    connector: &Connector,
    observer: &dyn Observer,
    work: impl FnOnce() -> T,
) -> T {
    let Some(silence) = connector.silence() else { return work() };
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let looks = || {
            let mut is_told = false;
            while !is_over.load(Ordering::Relaxed) {
                match silence.longest() {
                    Some(address) => {
                        let words = format!("{address} does not answer; Ctrl-C ends it");
                        observer.waiting(&words);
                        is_told = true;
                    }
                    // Who waited in vain says himself what comes of it, and who ends does not go on.
                    None if is_told && !silence.was_in_vain() && !silence.ends() => {
                        observer.goes_on();
                        is_told = false;
                    }
                    None => {}
                }
                thread::park_timeout(EVERY);
            }
        };
        // Without a thread nothing is told, and all else is the same.
        let looker = thread::Builder::new().spawn_scoped(scope, looks).ok();
        let _over = Over(&is_over, looker.as_ref().map(|looker| looker.thread().clone()));
        work()
    })
}

/// Ends the looking, however the work ends.
struct Over<'a>(&'a AtomicBool, Option<Thread>);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        if let Some(thread) = &self.1 {
            thread.unpark();
        }
    }
}
