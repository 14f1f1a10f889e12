//! One function per verb: what the command line calls, and what a program may call.

pub mod walk;
