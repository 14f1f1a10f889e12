//! How a source is loaded.

use std::collections::BTreeMap;

use super::state::StatePlace;
use crate::ops::filter::Filter;
use crate::ops::rewrite::Rename;
use crate::ops::run::Until;
use crate::ops::walk::WalkOptions;
use crate::rdb::Target;
use crate::source::OpenOptions;
use crate::target::live::CourierOptions;

/// What is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum As {
    /// What is fastest: RESTORE, SET for plain strings, commands where RESTORE cannot serve.
    #[default]
    Auto,
    /// RESTORE for every key.
    Restore,
    /// The commands that make each key.
    Commands,
}

/// What to do with a key that is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnExisting {
    /// Replace it.
    #[default]
    Replace,
    /// Leave it alone, and count it.
    Skip,
    /// Take it for an error.
    Fail,
}

/// What to do with a command of a log whose keys are in several slots of a Cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CrossSlot {
    /// Take it apart where its parts mean the same; leave it out and report it where they do not.
    #[default]
    Split,
    /// Refuse the log, before anything is sent.
    Fail,
}

/// How the target is compared afterwards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Verify {
    /// Not at all.
    None,
    /// Some keys.
    #[default]
    Sample,
    /// Every key.
    Full,
}

/// How a source is loaded.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// What is sent.
    pub send: As,
    /// What to do with commands of a log whose keys are in several slots.
    pub cross_slot: CrossSlot,
    /// What to do with keys that are there.
    pub on_existing: OnExisting,
    /// Empties the target first.
    pub flush_first: bool,
    /// Leaves out keys and hash fields that have expired at `now_ms`. Without it they are sent, and the server
    /// drops them by its own clock.
    pub drop_expired: bool,
    /// Milliseconds added to the time at which keys expire.
    pub ttl_shift_ms: i64,
    /// New numbers for databases.
    pub map_db: BTreeMap<u64, u64>,
    /// The database that all keys go to, where one is named; they come from a single one then.
    pub database: Option<u32>,
    /// New names for keys; the first rule that is about a key counts.
    pub rename: Vec<Rename>,
    /// Which keys.
    pub filter: Filter,
    /// How things are sent.
    pub courier: CourierOptions,
    /// Where the state is kept.
    pub state: StatePlace,
    /// Begins anew, whatever the state says.
    pub restart: bool,
    /// What else the state is bound to: the wishes of the caller, as text.
    pub settings: String,
    /// How the target is compared afterwards; `None` for a sample of snapshots.
    pub verify: Option<Verify>,
    /// Only says what would be sent.
    pub dry_run: bool,
    /// The time, unix time in milliseconds.
    pub now_ms: i64,
    /// Of a log: where it is not run any further.
    pub until: Until,
    /// Of a log: the server that runs it; `None` for the one that wrote its snapshot.
    pub runs_as: Option<Target>,
    /// Whether `runs_as` is set aside where the source is a snapshot, of which nothing is run,
    /// instead of being refused there.
    pub runs_if_log: bool,
    /// How the walk is done.
    pub walk: WalkOptions,
    /// How the parts of a log directory are opened.
    pub open: OpenOptions,
}
