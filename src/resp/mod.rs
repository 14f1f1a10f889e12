//! The wire form of commands and replies.

pub mod command;
pub mod encode;
pub mod header;
pub mod reply;

pub use command::{Args, Command};
pub use reply::Reply;
