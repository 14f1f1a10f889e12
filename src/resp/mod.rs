//! The wire form of commands and replies.
