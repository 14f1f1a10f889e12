//! A check and the rules of policies over the same keys, in one walk.

use super::policy::{Judge, PolicyTally};
use crate::error::{Error, Result};
use crate::ops::walk::Tally;
use crate::rdb::{Entry, Header, Record};

/// What the rules have seen beside a check.
pub(super) struct Judged<'a> {
    tally: PolicyTally<'a>,
    /// Why they saw no more. The check goes on, and mostly says the same.
    failed: Option<Error>,
    header: Option<Header>,
}

impl<'a> Judged<'a> {
    pub(super) fn new(judge: &'a Judge<'a>) -> Self {
        Judged { tally: PolicyTally::new(judge), failed: None, header: None }
    }

    /// Says in which version the snapshot is.
    pub(super) fn of(self, header: Header) -> Self {
        Judged { header: Some(header), ..self }
    }

    /// All that was seen, and the version.
    pub(super) fn finish(self) -> Result<(PolicyTally<'a>, Option<Header>)> {
        match self.failed {
            Some(error) => Err(error),
            None => Ok((self.tally, self.header)),
        }
    }

    fn ask(&mut self, ask: impl FnOnce(&mut PolicyTally<'a>) -> Result<()>) {
        if self.failed.is_none() {
            self.failed = ask(&mut self.tally).err();
        }
    }
}

/// A tally, and the rules beside it.
pub(super) struct Both<'a, T> {
    pub(super) check: T,
    pub(super) judged: Judged<'a>,
}

impl<'a, T: Tally> Tally for Both<'a, T> {
    type Room = (T::Room, <PolicyTally<'a> as Tally>::Room);

    fn entry(&mut self, entry: &Entry<'_>, (check, rules): &mut Self::Room) -> Result<()> {
        self.judged.ask(|tally| tally.entry(entry, rules));
        self.check.entry(entry, check)
    }

    fn plain_string(&mut self, entry: &Entry<'_>, (check, rules): &mut Self::Room) -> Result<()> {
        self.judged.ask(|tally| tally.entry(entry, rules));
        self.check.plain_string(entry, check)
    }

    fn record(
        &mut self,
        record: &Record<'_>,
        offset: u64,
        (check, rules): &mut Self::Room,
    ) -> Result<()> {
        self.judged.ask(|tally| tally.record(record, offset, rules));
        self.check.record(record, offset, check)
    }

    fn merge(&mut self, later: Self) -> Result<()> {
        let Judged { tally, failed, .. } = later.judged;
        self.judged.ask(|all| all.merge(tally));
        self.judged.failed = self.judged.failed.take().or(failed);
        self.check.merge(later.check)
    }
}
