//! What a load asks of a courier, and hears of it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::live::{Connection, ErrorReply, Failure};
use crate::target::live::{Route, Spares};

/// How fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// Keys in a second.
    Keys(u64),
    /// Bytes in a second.
    Bytes(u64),
}

/// How things are sent.
#[derive(Debug, Clone)]
pub struct CourierOptions {
    /// Bytes on their way to one server.
    pub window_bytes: usize,
    /// How long something that passes is waited for.
    pub patience: Duration,
    /// How many keys may be refused before the load stops; `None` for any number.
    pub max_errors: Option<u64>,
    /// How fast at most.
    pub rate: Option<Rate>,
    /// A key that is there is left alone, and counted, rather than an error.
    pub skip_existing: bool,
    /// Set from outside to stop.
    pub stop: Arc<AtomicBool>,
    /// Where the room of parcels goes when they have arrived.
    pub spares: Spares,
}

impl Default for CourierOptions {
    fn default() -> Self {
        CourierOptions {
            window_bytes: 16 << 20,
            patience: Duration::from_secs(60),
            max_errors: None,
            rate: None,
            skip_existing: false,
            stop: Arc::default(),
            spares: Spares::default(),
        }
    }
}

/// Why a load does not go on.
#[derive(Debug)]
pub enum Halt {
    /// It was told to stop.
    Interrupted,
    /// Something failed that does not pass, or did not pass in time.
    Failed(Failure),
    /// The target came back without some of what it had: all behind this mark has to go again.
    Rewind(u64),
    /// The target is no longer ours to write to; a sentence.
    Taken(String),
    /// More keys were refused than are allowed.
    TooManyErrors,
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Halt::Failed(failure)
    }
}

/// Is asked about the server behind a lane before anything goes out to it.
pub type Reopened<'r> =
    Box<dyn FnMut(usize, &dyn Route, &mut Connection) -> Result<(), Halt> + Send + 'r>;

/// Hears again and again why a load stands still, as long as it does, and nothing when it goes on.
pub type Waits<'r> = &'r (dyn Fn(Option<&str>) + Sync);

/// A key that was not taken.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Its database.
    pub database: u32,
    /// The key, the first if the command had several.
    pub key: Vec<u8>,
    /// The command's name.
    pub command: String,
    /// The server's words.
    pub reply: ErrorReply,
}

/// What was sent, and what has become of it.
#[derive(Debug, Clone, Default)]
pub struct Sent {
    /// Keys that have arrived.
    pub keys: u64,
    /// Keys that were there already and were left alone.
    pub existing: u64,
    /// Keys that were refused.
    pub refused: u64,
    /// Bytes of commands that have been answered.
    pub bytes: u64,
    /// Commands that have been answered.
    pub commands: u64,
    /// Items that were sent again, for whatever reason.
    pub again: u64,
    /// How often a link had to be opened anew.
    pub reopened: u64,
    /// How long the target was waited for.
    pub waited: Duration,
    /// Keys that have arrived, by lane.
    pub lanes: Vec<u64>,
}
