//! Databases that a map makes one: what is about the whole of one of them would be about the others.
//!
//! `--map-db 1=0` puts the keys of 1 among those of 0. A FLUSHDB in 1, which was to delete those of 1
//! alone, would delete them all, and a SWAPDB would take them all along; so would one in 0. Nothing
//! in a log says which keys those are, so such a command is refused. It is harmless as long as
//! nothing has come from another database, and this is what is kept here.

use std::collections::BTreeSet;

use super::rules::{Rules, database_places, is_about_all_databases, number};
use crate::error::{Error, Result};
use crate::resp::Command;

/// The databases of the source from which something was kept.
#[derive(Debug, Default)]
pub(super) struct Merged {
    used: BTreeSet<u64>,
}

impl Merged {
    /// Says that a key of this database was kept.
    pub(super) fn note(&mut self, db: u64) {
        self.used.insert(db);
    }

    /// Takes in a command of the source that is kept and runs in `db`. Fails where it would concern
    /// keys of another database, too.
    pub(super) fn judge(&mut self, rules: &Rules, command: &Command<'_>, db: u64) -> Result<()> {
        if rules.map_db.is_empty() {
            return Ok(());
        }
        let name = command.name();
        match name.len() {
            7 if command.is("FLUSHDB") => {
                self.alone(rules, "FLUSHDB", &[db])?;
                self.used.remove(&db);
            }
            6 if command.is("SWAPDB") => {
                let swapped: Vec<u64> = command.args().filter_map(number).collect();
                let mut mapped = swapped.iter().map(|&db| rules.mapped(db));
                // Those that become one have nothing to swap.
                if mapped.next() == mapped.next() {
                    return Ok(());
                }
                self.alone(rules, "SWAPDB", &swapped)?;
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
    fn alone(&self, rules: &Rules, name: &str, dbs: &[u64]) -> Result<()> {
        for &db in dbs {
            let to = rules.mapped(db);
            let other = self.used.iter().find(|&&it| !dbs.contains(&it) && rules.mapped(it) == to);
            if let Some(other) = other {
                return Err(Error::Usage(format!(
                    "{name} is about database {db}, which becomes {to} as database {other} does, \
                     whose keys it would concern as well: give each a number of its own with \
                     --map-db, leave the command out with --drop {name}, or `rdbkit compact --to \
                     aof` first, which leaves the keys alone"
                )));
            }
        }
        Ok(())
    }
}
