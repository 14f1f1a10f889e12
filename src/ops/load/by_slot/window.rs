//! A stretch of the source, its commands by slot: for each slot one transaction, which also writes
//! how far the slot has come.
//!
//! ```text
//! MULTI  command …  SET checkpoint  EXEC
//! ```
//!
//! Only one transaction of a slot is ever under way. A slot that moves while it is written to may
//! refuse one transaction and take the next; with one at a time, none can overtake another.

use std::collections::HashMap;
use std::ops::Range;

use crate::resp::{Command, encode};

/// What a window holds at most: bytes, commands.
pub(super) const FULL: (usize, usize) = (16 << 20, 100_000);

/// A stretch of the source.
pub(super) struct Window {
    pub(super) batches: Vec<Batch>,
    index: HashMap<u16, usize>,
    full: (usize, usize),
    bytes: usize,
    commands: usize,
}

impl Window {
    pub(super) fn new(full: (usize, usize)) -> Self {
        Window { batches: Vec::new(), index: HashMap::new(), full, bytes: 0, commands: 0 }
    }

    /// Appends a command for a slot; `position` is where it ends in the source, and of one of the log
    /// `begins_at` is where it begins.
    pub(super) fn push(&mut self, slot: u16, frame: &[u8], position: u64, begins_at: Option<u64>) {
        let index = *self.index.entry(slot).or_insert(self.batches.len());
        if index == self.batches.len() {
            self.batches.push(Batch { slot, ..Batch::default() });
        }
        if let Some(batch) = self.batches.get_mut(index) {
            batch.push(frame, position, begins_at);
        }
        self.bytes += frame.len();
        self.commands += 1;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Bytes of all commands.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn commands(&self) -> usize {
        self.commands
    }

    /// Where the last of it ends in the source.
    pub(super) fn end(&self) -> u64 {
        self.batches.iter().map(|batch| batch.end).max().unwrap_or_default()
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes >= self.full.0 || self.commands >= self.full.1
    }
}

/// The commands of one slot.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) slot: u16,
    /// Where the last of them ends in the source.
    pub(super) end: u64,
    bytes: Vec<u8>,
    /// Where each command is among them, and of one of the log where it begins in the source.
    commands: Vec<(Range<usize>, Option<u64>)>,
}

impl Batch {
    fn push(&mut self, frame: &[u8], position: u64, begins_at: Option<u64>) {
        self.end = position;
        let start = self.bytes.len();
        self.bytes.extend_from_slice(frame);
        self.commands.push((start..self.bytes.len(), begins_at));
    }

    /// How many commands it has.
    pub(super) fn len(&self) -> usize {
        self.commands.len()
    }

    /// A command.
    pub(super) fn command(&self, index: usize) -> Option<Command<'_>> {
        let bytes = self.bytes.get(self.commands.get(index)?.0.clone())?;
        Some(Command::strict(bytes)?.0)
    }

    /// Where a command of the log begins in the source.
    pub(super) fn begins_at(&self, index: usize) -> Option<u64> {
        self.commands.get(index)?.1
    }

    /// Leaves out a command.
    pub(super) fn leave_out(&mut self, indices: &[usize]) {
        let mut index = 0;
        self.commands.retain(|_| {
            index += 1;
            !indices.contains(&(index - 1))
        });
    }

    /// The transaction, and how many replies it gets: those of MULTI, of each command, of the
    /// checkpoint, of EXEC.
    pub(super) fn transaction(&self, checkpoint: &str, value: &str) -> (Vec<u8>, usize) {
        let mut out = Vec::with_capacity(self.bytes.len() + 160);
        encode::command(&mut out, [b"MULTI"]);
        for (command, _) in &self.commands {
            out.extend_from_slice(self.bytes.get(command.clone()).unwrap_or_default());
        }
        encode::command(&mut out, ["SET", checkpoint, value]);
        encode::command(&mut out, [b"EXEC"]);
        (out, self.commands.len() + 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(words: &[&str]) -> Vec<u8> {
        let mut frame = Vec::new();
        encode::command(&mut frame, words);
        frame
    }

    fn told(bytes: &[u8]) -> Vec<String> {
        let (mut told, mut rest) = (Vec::new(), bytes);
        while let Some((command, after)) = Command::strict(rest) {
            let words = std::iter::once(command.name()).chain(command.args());
            told.push(words.map(String::from_utf8_lossy).collect::<Vec<_>>().join(" "));
            rest = after;
        }
        told
    }

    #[test]
    fn a_batch_is_a_transaction_with_its_checkpoint() {
        let mut window = Window::new(FULL);
        assert!(window.is_empty());
        window.push(7, &frame(&["SET", "a", "1"]), 10, None);
        window.push(9, &frame(&["SET", "b", "1"]), 20, Some(10));
        window.push(7, &frame(&["INCR", "a"]), 30, Some(20));
        assert_eq!(window.batches.len(), 2);
        let batch = &mut window.batches[0];
        assert_eq!((batch.slot, batch.end), (7, 30));
        let (bytes, replies) = batch.transaction("c", "s 30");
        let want = ["MULTI", "SET a 1", "INCR a", "SET c s 30", "EXEC"];
        assert_eq!((told(&bytes), replies), (want.map(str::to_owned).to_vec(), want.len()));
        assert_eq!(batch.command(1).map(|command| command.name()), Some(&b"INCR"[..]));
        assert_eq!((batch.begins_at(0), batch.begins_at(1)), (None, Some(20)));
        batch.leave_out(&[0]);
        assert_eq!(batch.begins_at(0), Some(20));
        let (bytes, _) = batch.transaction("c", "s 30");
        assert_eq!(told(&bytes)[1..3], ["INCR a", "SET c s 30"]);
    }
}
