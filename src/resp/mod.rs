//! The wire form of commands and replies.

pub mod cluster;
pub mod command;
pub mod encode;
pub mod header;
pub mod keys;
pub mod reply;
pub mod written;

pub use command::{Args, Command};
pub(crate) use keys::known_commands;
pub use keys::{KeyPositions, command_keys, is_known_command, key_positions};
pub use reply::Reply;
pub use written::{is_only_read, is_read};
