//! Live servers: where they are, how a connection to one is made, who answers there, and what can
//! go wrong.
//!
//! ```text
//! Endpoint ──parse── redis:// rediss:// unix:// redis+sentinel:// redis+cluster://
//!    │
//! Connector ──open(Address)── Connection ──request── replies, one at a time
//!                                 │
//!                              Stream ──clone── a reader of its own beside the writer
//! ```
//!
//! [`Sentinels`] know the address of a master, and the [`Topology`] of a Cluster those of all of them;
//! its [`Layout`] tells whether it stayed as it was. A [`Connector`] that
//! [watches](Connector::watching) ends the connections to masters that were deposed, and one that
//! [heeds](Connector::heeding) a stop waits no longer for a server that hangs; who is waited for is
//! known to its [`Silence`].
//! [`replication`] is what a replica asks.
//!
//! A [`Connection`] is for questions with an answer each, also through the commands of the client
//! library, whose `ConnectionLike` it is. Whoever moves data takes the [`Stream`] out of it. A
//! [`Failure`] has the class that decides what is to be done: wait, ask elsewhere, or give up.

mod cluster;
mod connect;
mod failure;
mod handshake;
mod layout;
mod lookout;
mod nodes;
mod options;
mod patience;
pub mod replication;
mod reply;
mod sentinel;
mod server;
mod silence;
mod stream;
mod tls;
mod url;

pub use cluster::{Shard, Topology};
pub use connect::{Connection, Connector, Timeouts, reply_of};
pub use failure::{Class, ErrorReply, Failure};
pub use layout::Layout;
pub use nodes::{Node, nodes, nodes_in_service};
pub use options::LiveOptions;
pub use patience::patiently;
pub use reply::{Frames, frame_len};
pub use sentinel::Sentinels;
pub use server::{Role, ServerInfo, setting};
pub use silence::{Silence, Wait};
pub use stream::Stream;
pub use tls::TlsOptions;
pub use url::{Access, Address, Endpoint, Place, Secret};
