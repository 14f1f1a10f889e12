//! The snapshot on the wire: `$<length>` and so many bytes, where the server had it on disk;
//! `$EOF:<mark>` and bytes up to those forty, where it sends what it writes.
//!
//! The mark stands for the end and is no part of the snapshot: the last forty bytes that came are
//! held back until it is known whether they are it. Behind it nothing comes before the snapshot is
//! acknowledged, so it is what a read ends with, however it was cut.

use std::io::{self, Read};

use super::channel::Gathering;
use super::wire::Wire;
use crate::error::Result;

/// How many bytes a mark has.
const MARK: usize = 40;

/// How the end of a snapshot is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// By its length in bytes.
    Length(u64),
    /// By a mark behind it.
    Mark([u8; MARK]),
}

/// The line before a snapshot, for which the server may let wait.
pub(super) fn framing(wire: &mut Wire) -> Result<Framing> {
    let line = wire.line()?;
    let framing = match line.strip_prefix('$') {
        Some(rest) => match rest.strip_prefix("EOF:") {
            Some(mark) => mark.as_bytes().try_into().ok().map(Framing::Mark),
            None => rest.parse().ok().map(Framing::Length),
        },
        None => None,
    };
    framing.ok_or_else(|| match line.strip_prefix('-') {
        Some(words) => super::refused(wire, "PSYNC", words),
        None => wire.odd("PSYNC", &line),
    })
}

/// The bytes of a snapshot as they come.
pub struct Payload {
    wire: Wire,
    framing: Framing,
    came: u64,
    over: bool,
    /// Where the snapshot has a connection of its own: what comes over the other one.
    main: Option<Gathering>,
}

impl Payload {
    /// The snapshot that a server has announced.
    pub fn new(wire: Wire, framing: Framing) -> Self {
        Payload { wire, framing, came: 0, over: framing == Framing::Length(0), main: None }
    }

    /// The same over a connection of its own, while the commands come over the main one.
    pub(super) fn beside(main: Gathering, wire: Wire, framing: Framing) -> Self {
        Payload { main: Some(main), ..Payload::new(wire, framing) }
    }

    /// Whether the snapshot has a connection of its own.
    pub fn has_own_connection(&self) -> bool {
        self.main.is_some()
    }

    /// Whether all of it has come and been read.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// The connection on which the commands come that follow a snapshot that is over.
    ///
    /// Fails where that broke off while the snapshot came.
    pub fn into_wire(self) -> Result<Wire> {
        match self.main {
            Some(main) => main.into_wire(),
            None => Ok(self.wire),
        }
    }

    /// How many bytes are at hand of which it is known that they are the snapshot's.
    fn ready(&mut self) -> usize {
        let at_hand = self.wire.at_hand();
        match self.framing {
            Framing::Length(len) => {
                usize::try_from(len - self.came).map_or(at_hand.len(), |n| n.min(at_hand.len()))
            }
            Framing::Mark(_) => at_hand.len().saturating_sub(MARK),
        }
    }

    /// Whether what is at hand is the mark and nothing else.
    fn is_at_mark(&self) -> bool {
        matches!(self.framing, Framing::Mark(mark) if *self.wire.at_hand() == mark)
    }

    fn failed(&self, cause: io::Error) -> io::Error {
        let came = self.came + self.wire.at_hand().len() as u64;
        let of = match self.framing {
            Framing::Length(len) => format!(" of {len}"),
            Framing::Mark(_) => String::new(),
        };
        let words = format!("{cause} after {came}{of} bytes of the snapshot; its log may say why");
        io::Error::new(cause.kind(), words)
    }
}

impl Read for Payload {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if room.is_empty() {
            return Ok(0);
        }
        // Whoever reads may have taken his time.
        self.wire.forgive();
        while !self.over {
            let ready = self.ready().min(room.len());
            if ready > 0 {
                let (to, from) = (room.get_mut(..ready), self.wire.at_hand().get(..ready));
                if let (Some(to), Some(from)) = (to, from) {
                    to.copy_from_slice(from);
                }
                self.wire.take(ready);
                self.came += ready as u64;
                self.over = self.framing == Framing::Length(self.came);
                return Ok(ready);
            }
            if self.is_at_mark() {
                self.wire.take(MARK);
                self.over = true;
                break;
            }
            // A snapshot that nothing can follow is of no use to whoever wants to follow it.
            if let Some(main) = &self.main {
                main.holds().map_err(|cause| self.failed(cause))?;
            }
            self.wire.heed().map_err(|cause| self.failed(cause))?;
            self.wire.poll().map_err(|cause| self.failed(cause))?;
        }
        Ok(0)
    }
}
