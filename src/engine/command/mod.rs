//! The commands, one file per family. Each has a table of what it knows.

mod databases;
mod hashes;
mod pick;
mod scan;
mod sets;
mod sorted_sets;
mod streams;
mod strings;

use super::Spec;

/// The commands of every family.
pub(super) const FAMILIES: &[&[Spec]] = &[
    databases::COMMANDS,
    hashes::COMMANDS,
    sets::COMMANDS,
    sorted_sets::COMMANDS,
    streams::COMMANDS,
    strings::COMMANDS,
];
