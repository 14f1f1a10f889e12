//! A route that is lent to a courier, and comes back.

use crate::live::{Address, Connection, Failure};
use crate::target::live::Route;

/// A route that is lent.
pub(super) struct Lent<'r>(pub(super) &'r mut dyn Route);

impl Route for Lent<'_> {
    fn lanes(&self) -> usize {
        self.0.lanes()
    }

    fn lane(&self, slot: u16) -> Option<usize> {
        self.0.lane(slot)
    }

    fn open(&mut self, lane: usize) -> Result<Connection, Failure> {
        self.0.open(lane)
    }

    fn followers(&mut self, lane: usize) -> Result<usize, Failure> {
        self.0.followers(lane)
    }

    fn broke(&mut self, lane: usize, failure: &Failure) {
        self.0.broke(lane, failure);
    }

    fn moved(&mut self, from: usize, slot: u16, to: &Address) -> Result<(), Failure> {
        self.0.moved(from, slot, to)
    }

    fn asked(&mut self, from: usize, to: &Address) -> Result<usize, Failure> {
        self.0.asked(from, to)
    }

    fn tag(&self, lane: usize) -> String {
        self.0.tag(lane)
    }

    fn trust_last(&mut self, trusts: bool) {
        self.0.trust_last(trusts);
    }

    fn trusted(&self) -> Option<String> {
        self.0.trusted()
    }

    fn name(&self, lane: usize) -> String {
        self.0.name(lane)
    }
}
