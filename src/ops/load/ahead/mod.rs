//! What a source asks of its target, looked for before anything is sent: databases that are there,
//! and, of a log whose commands are sent, none that its filters cannot judge, or that a Cluster cannot
//! run as they stand where that is asked for.
//!
//! ```text
//! snapshot ─ frames ────────────┐
//! log, run ─ databases in use ──┼─► Needs ─ask─► server: has it, or nothing is sent
//! log, as it stands ─ commands ─┘       (a Cluster has database 0 alone, and is not asked)
//! ```
//!
//! What comes through a pipe or from a server comes once, and cannot be looked through: what it
//! asks for is asked of the target when it comes.

mod keys;
mod log;
mod sound;

use std::collections::BTreeMap;

pub(super) use self::keys::{look_over, look_through};
pub(super) use self::log::{across, has_place_in_cluster, look_into};
pub(super) use self::sound::{cut_in_files, cut_in_run, manifest_fault};
use crate::live::{Connection, Failure};
use crate::target::live::{elsewhere, has_database};

/// The databases that something goes to, by their numbers on the target.
#[derive(Debug, Clone, Default)]
pub(super) struct Needs(BTreeMap<u32, Need>);

/// Why a database is needed.
#[derive(Debug, Clone)]
struct Need {
    /// The one of the source whose keys go there.
    source: u64,
    /// Of a log, what is to be done there and where that stands.
    why: String,
}

impl Needs {
    fn add(&mut self, database: u32, source: u64, why: impl FnOnce() -> String) {
        self.0.entry(database).or_insert_with(|| Need { source, why: why() });
    }

    /// Asks a server whether it has them all.
    pub(super) fn ask(&self, connection: &mut Connection) -> Result<(), Failure> {
        let others = self.0.iter().filter(|(database, _)| **database != 0);
        let mut is_another = false;
        for (&database, Need { source, why }) in others {
            // Whoever has mapped it knows how that is done.
            let hint =
                if *source == u64::from(database) { elsewhere(database) } else { String::new() };
            has_database(connection, database, &format!("{why}{hint}"))?;
            is_another = true;
        }
        if is_another { connection.select(0) } else { Ok(()) }
    }
}
