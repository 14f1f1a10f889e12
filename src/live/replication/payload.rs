//! The snapshot on the wire: `$<length>` and so many bytes, where the server had it on disk;
//! `$EOF:<mark>` and bytes up to those forty, where it sends what it writes.
//!
//! The mark stands for the end and is no part of the snapshot: the last forty bytes that came are
//! held back until it is known whether they are it. Behind it nothing comes before the snapshot is
//! acknowledged, so it is what a read ends with, however it was cut.

use std::io::{self, ErrorKind, Read};

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
}

impl Payload {
    /// The snapshot that a server has announced.
    pub fn new(wire: Wire, framing: Framing) -> Self {
        Payload { wire, framing, came: 0, over: framing == Framing::Length(0) }
    }

    /// Whether all of it has come and been read.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// The connection, for the commands that follow a snapshot that is over.
    pub fn into_wire(self) -> Wire {
        self.wire
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
            // Whoever reads may have taken his time.
            self.wire.forgive();
            match self.wire.fill() {
                Ok(_) => {}
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                Err(cause) => return Err(self.failed(cause)),
            }
        }
        Ok(0)
    }
}
