//! Live targets: bytes that are commands already, sent through one pipeline per server and
//! acknowledged in order.
//!
//! ```text
//! chunk (mark) ─► Courier ─split by Route─► Parcel ─► Link ─► server
//!                    ▲                                  │
//!                    └── acknowledged / refused / broken ┘
//! ```
//!
//! - An [`Item`] is what one key needs, or several keys in one command: whole commands that may be
//!   sent again as a whole. A [`Parcel`] is a run of items for one database and one server.
//! - A [`Link`] is a connection with a writer and a reader of their own and a window in bytes. It
//!   knows nothing of what it sends; when it breaks it gives back what was not acknowledged.
//! - A [`Route`] decides which link a key's bytes go to, and who has to be asked to open one: one
//!   server ([`Standalone`]), whoever is the master now, or a master for each range of slots.
//! - The [`Courier`] keeps them together: it waits out what passes, follows MOVED and ASK, opens
//!   links anew, sends again what was not acknowledged, and knows up to which mark of the source
//!   everything has arrived.
//! - A [`Claim`] is one replayer's right to a server: a lock with an owner, and the progress that
//!   the server itself remembers, so that a server that lost something is told from one that was
//!   only out of reach.
//!
//! Whoever plugs in another kind of target writes a [`Route`]; nothing else changes.

mod claim;
mod cluster;
mod courier;
mod databases;
mod keeper;
mod link;
mod parcel;
mod route;
mod sentinel;
mod signs;
mod spares;

pub use claim::{Claim, Held, KEYS, LOCK, PROGRESS, Progress};
pub use cluster::{Slots, tag_of};
pub use courier::{Courier, CourierOptions, Halt, Pace, Rate, Refusal, Reopened, Sent, Waits};
pub use databases::{elsewhere, has_database, lacks};
pub use keeper::Keeper;
pub use link::{Event, Link, Refused};
pub use parcel::{Item, Parcel};
pub use route::{Route, Standalone};
pub use sentinel::Watched;
pub use spares::Spares;
