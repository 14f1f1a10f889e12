//! Sends a file to the disk while more of it is written, so that little is left for the last fsync.
//!
//! The danger is an error: the system tells each one once, and here that is in another thread. So
//! what that thread was told is told by [`end`](Behind::end).

use std::fs::File;
use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

/// A thread that syncs a file when it is asked to.
#[derive(Debug)]
pub(super) struct Behind {
    ask: SyncSender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl Behind {
    pub(super) fn begin(file: &File) -> io::Result<Self> {
        let file = file.try_clone()?;
        let (ask, asked) = sync_channel(1);
        let work = move || asked.into_iter().try_for_each(|()| file.sync_data());
        let thread = Builder::new().name("sync".to_owned()).spawn(work)?;
        Ok(Behind { ask, thread })
    }

    /// Asks for what was written so far; nobody waits for it.
    pub(super) fn go_on(&self) {
        // Where it is still at work, it is asked again a little later.
        let _ = self.ask.try_send(());
    }

    /// Waits for what is under way; whether all went well.
    pub(super) fn end(self) -> io::Result<()> {
        drop(self.ask);
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the syncing thread died")))
    }
}

#[cfg(test)]
mod tests {
    use super::Behind;
    use std::io::Write as _;

    #[test]
    fn what_was_written_is_synced_beside() {
        let mut file = tempfile::tempfile().unwrap();
        let behind = Behind::begin(&file).unwrap();
        for _ in 0..20 {
            file.write_all(&[7; 4096]).unwrap();
            behind.go_on();
        }
        behind.end().unwrap();
    }

    /// A pipe cannot be synced: that stands for every other error.
    #[test]
    #[cfg(unix)]
    fn an_error_is_told_in_the_end() {
        let (_reader, writer) = std::io::pipe().unwrap();
        let behind = Behind::begin(&std::os::fd::OwnedFd::from(writer).into()).unwrap();
        behind.go_on();
        behind.end().unwrap_err();
    }
}
