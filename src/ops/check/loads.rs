//! Will that server load this, and what would it lose?
//!
//! A server looks at magic and version first and refuses what is newer than itself. Where the data
//! would have to be converted for it, each value is written for it and thrown away: what cannot be
//! said in its format comes out as a loss.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::rdb::write::{self, Body, EntryRoom, Loss, Sink};
use crate::rdb::{Entry, Header, Record, Target};
use crate::value::Kind;

/// A database and a key.
type Place = (u64, Vec<u8>);

/// What one server makes of the keys.
pub(super) struct Loader {
    target: Target,
    /// How often, and the first of the keys.
    losses: BTreeMap<Loss, (u64, Option<Place>)>,
    modules: u64,
}

/// Room of a thread.
#[derive(Default)]
pub(super) struct LoaderRoom {
    sink: Option<Sink>,
    entry: EntryRoom,
}

impl Loader {
    pub(super) fn new(target: Target) -> Self {
        Loader { target, losses: BTreeMap::new(), modules: 0 }
    }

    pub(super) fn entry(&mut self, entry: &Entry<'_>, room: &mut LoaderRoom) -> Result<()> {
        // Vector sets need no module: a server without them loses them.
        if entry.value_type.kind() == Kind::Module && !write::is_vector_set(entry.body()) {
            self.modules += 1;
        }
        let sink = room.sink.get_or_insert_with(|| Sink::new(false).lossy());
        sink.clear();
        // What is broken is a finding of the check.
        let Ok(body) = write::entry(sink, entry, &self.target, false, &mut room.entry) else {
            return Ok(());
        };
        if entry.meta.is_some() && !self.target.has_key_meta() && !matches!(body, Body::Nothing) {
            sink.losses.push(Loss::KeyMeta);
        }
        let losses = std::mem::take(&mut sink.losses);
        for loss in losses.into_iter().filter(|loss| loss.is_grave()) {
            let (count, first) = self.losses.entry(loss).or_default();
            *count += 1;
            if first.is_none() {
                *first = Some((entry.db, entry.key_bytes()?.into_owned()));
            }
        }
        Ok(())
    }

    pub(super) fn record(&mut self, record: &Record<'_>) {
        let loss = match record {
            Record::Function(_) | Record::FunctionPreGa { .. } if !self.target.has_functions() => {
                Loss::Function
            }
            Record::ModuleAux { .. } if !self.target.has_module_aux() => Loss::ModuleAux,
            _ => return,
        };
        self.losses.entry(loss).or_default().0 += 1;
    }

    pub(super) fn merge(&mut self, later: Loader) {
        self.modules += later.modules;
        for (loss, (count, first)) in later.losses {
            let all = self.losses.entry(loss).or_default();
            all.0 += count;
            if all.1.is_none() {
                all.1 = first;
            }
        }
    }

    /// Hands out what stands against it: what is expected, what was found, and a key for it.
    pub(super) fn findings(
        self,
        header: Option<Header>,
        mut each: impl FnMut(String, String, Option<Place>),
    ) {
        let target = self.target;
        if let Some(header) = header.filter(|header| !target.reads(*header)) {
            let newest = target.header.magic();
            let expected = format!("what {target} loads, up to {newest}");
            each(
                expected,
                format!("{}, which it refuses at the first bytes", header.magic()),
                None,
            );
        }
        if self.modules > 0 {
            let expected = format!("what {target} loads without modules");
            let keys = if self.modules == 1 { "key of a module" } else { "keys of modules" };
            each(expected, format!("{} {keys}", self.modules), None);
        }
        for (loss, (count, first)) in self.losses {
            let found = format!("{} ({count}): {}", loss.code(), loss.sentence());
            each(format!("what {target} can hold"), found, first);
        }
    }
}
