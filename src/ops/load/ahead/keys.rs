//! The databases of keys: of those in a snapshot, and of those that are there after a run.

use std::collections::BTreeSet;

use super::Needs;
use crate::error::{Error, Result};
use crate::ops::load::ledger::several_databases;
use crate::ops::load::pack::Plan;
use crate::ops::run::Run;
use crate::ops::snapshot;
use crate::ops::walk::{Observer, Tally, WalkOptions};
use crate::rdb::Entry;
use crate::source::Source;

/// Looks at the keys that are there after a run.
pub(in crate::ops::load) fn look_over(run: &Run, plan: &Plan<'_>) -> Result<Needs> {
    let keyspace = &run.engine.keyspace;
    let loaded = (0..keyspace.used_databases()).filter(|&db| keyspace.size(db) > 0);
    let left =
        keyspace.base().into_iter().flat_map(|base| base.left.iter()).filter(|left| left.keys > 0);
    let used: BTreeSet<u64> = loaded.map(|db| db as u64).chain(left.map(|left| left.db)).collect();
    let fresh = || Databases::new(plan);
    let mut databases = fresh();
    // Only where there are others may a filter leave them out, and is every key looked at.
    if used.iter().all(|&db| db == 0) || !plan.may_leave_out() {
        used.into_iter().try_for_each(|db| databases.take(db))?;
    } else {
        snapshot::tally_run(run, plan.options.walk.threads, &fresh, &mut databases)?;
    }
    Ok(databases.needs)
}

/// Looks through a snapshot: what it needs and, if the target is to be `emptied` for it, a sentence
/// on why the snapshot is not whole.
pub(in crate::ops::load) fn look_through(
    source: Source,
    plan: &Plan<'_>,
    emptied: bool,
    observer: &dyn Observer,
) -> Result<(Needs, Option<String>)> {
    let name = source.name.clone();
    let walk = WalkOptions { checksum: emptied, ..plan.options.walk };
    let fresh = || Databases::new(plan);
    let mut databases = fresh();
    let ended = snapshot::walk_snapshot(source, &fresh, &mut databases, &walk, observer)?;
    if !emptied {
        return Ok((databases.needs, None));
    }
    let broken = ended.fault.map(|fault| Error::from(fault).in_file(&name).to_string());
    let broken = broken.or_else(|| {
        ended.checksum_mismatch.map(|(stored, computed)| {
            format!(
                "{name}: the checksum is {stored:016x} but the bytes have {computed:016x}, so it \
                 is not known which of them are right"
            )
        })
    });
    Ok((databases.needs, broken))
}

/// The databases of the keys that are to be sent.
pub(super) struct Databases<'p> {
    plan: &'p Plan<'p>,
    /// The one of the last key that is sent.
    last: Option<u64>,
    /// All of them, one after the other.
    pub(super) seen: Vec<u64>,
    pub(super) needs: Needs,
}

impl<'p> Databases<'p> {
    pub(super) fn new(plan: &'p Plan<'p>) -> Self {
        Databases { plan, last: None, seen: Vec::new(), needs: Needs::default() }
    }

    /// Takes in a key of a snapshot.
    pub(super) fn key(&mut self, entry: &Entry<'_>) -> Result<()> {
        if self.last == Some(entry.db) || self.plan.leaves_out(entry)? {
            return Ok(());
        }
        self.take(entry.db)
    }

    /// Takes in a database with a key that is sent.
    fn take(&mut self, db: u64) -> Result<()> {
        self.last = Some(db);
        if self.seen.contains(&db) {
            return Ok(());
        }
        let first = self.seen.first().copied().unwrap_or(db);
        self.seen.push(db);
        if self.plan.options.database.is_some() && first != db {
            return Err(several_databases(first, db));
        }
        self.needs.add(self.plan.database(db)?, db, String::new);
        Ok(())
    }
}

impl Tally for Databases<'_> {
    type Room = ();

    fn entry(&mut self, entry: &Entry<'_>, (): &mut ()) -> Result<()> {
        self.key(entry)
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        later.seen.into_iter().try_for_each(|db| self.take(db))
    }
}
