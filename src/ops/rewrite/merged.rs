//! Databases that a map makes one: what is about the whole of one of them would be about the others.
//!
//! `--map-db 1=0` puts the keys of 1 among those of 0. A FLUSHDB in 1, which was to delete those of 1
//! alone, would delete them all, and a SWAPDB would take them all along; so would one in 0. Nothing
//! in a log says which keys those are, so such a command is refused. It is harmless as long as
//! nothing has come from another database, and this is what is kept here.

use std::collections::BTreeSet;
use std::fmt;

use super::rules::{database_places, is_about_all_databases, number};
use crate::resp::Command;

/// The databases of the source from which something was kept.
#[derive(Debug, Default)]
pub(in crate::ops) struct Merged {
    used: BTreeSet<u64>,
}

/// A command that would concern keys of another database, too.
#[derive(Debug)]
pub(in crate::ops) struct Clash {
    pub(in crate::ops) name: &'static str,
    db: u64,
    other: u64,
    to: u64,
}

impl fmt::Display for Clash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Clash { name, db, other, to } = self;
        write!(
            f,
            "{name} is about database {db}, which becomes {to} as database {other} does, whose keys it \
             would concern as well"
        )
    }
}

impl Merged {
    /// Says that a key of this database was kept.
    pub(in crate::ops) fn note(&mut self, db: u64) {
        self.used.insert(db);
    }

    /// Takes in a command of the source that is kept and runs in `db`, where databases get the numbers
    /// that `mapped` says. Fails where it would concern keys of another database, too.
    pub(in crate::ops) fn judge(
        &mut self,
        mapped: &dyn Fn(u64) -> u64,
        command: &Command<'_>,
        db: u64,
    ) -> Result<(), Clash> {
        let name = command.name();
        match name.len() {
            7 if command.is("FLUSHDB") => {
                self.alone(mapped, "FLUSHDB", &[db])?;
                self.used.remove(&db);
            }
            6 if command.is("SWAPDB") => {
                let swapped: Vec<u64> = command.args().filter_map(number).collect();
                let mut places = swapped.iter().map(|&db| mapped(db));
                // Those that become one have nothing to swap.
                if places.next() == places.next() {
                    return Ok(());
                }
                self.alone(mapped, "SWAPDB", &swapped)?;
                if swapped.iter().any(|db| self.used.contains(db)) {
                    self.used.extend(swapped);
                }
            }
            8 if command.is("FLUSHALL") => self.used.clear(),
            _ if is_about_all_databases(name) => {}
            _ => {
                self.note(db);
                let args: Vec<&[u8]> = command.args().collect();
                let places = args.get(database_places(name, &args)).unwrap_or_default();
                places.iter().filter_map(|arg| number(arg)).for_each(|db| self.note(db));
            }
        }
        Ok(())
    }

    /// Fails where keys of other databases are among those of these.
    fn alone(
        &self,
        mapped: &dyn Fn(u64) -> u64,
        name: &'static str,
        dbs: &[u64],
    ) -> Result<(), Clash> {
        for &db in dbs {
            let to = mapped(db);
            let other = self.used.iter().find(|&&it| !dbs.contains(&it) && mapped(it) == to);
            if let Some(&other) = other {
                return Err(Clash { name, db, other, to });
            }
        }
        Ok(())
    }
}
