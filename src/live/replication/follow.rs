//! The stream of commands behind a snapshot, each seen where it lies in the window.
//!
//! Every byte of the stream counts for the offset, those of PING and REPLCONF as well. What is
//! acknowledged is what was handed out; the server is also told how far it is on disk.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use super::Point;
use super::wire::Wire;
use crate::error::{Error, Result};
use crate::resp::Command;

/// A server takes a replica that is silent for long for dead.
const ACK_EVERY: Duration = Duration::from_secs(1);
/// A server without writes says something each ten seconds, unless it is told otherwise.
const CALM: Duration = Duration::from_secs(12);
/// No header of an array or a text is longer.
const HEADER_BYTES: usize = 32;

/// What comes next in a stream.
#[derive(Debug)]
pub enum Event<'a> {
    /// A command that changes something, or only selects a database.
    Command(Command<'a>),
    /// Nothing for a moment.
    Quiet,
}

/// A replication stream.
pub struct Follow {
    wire: Wire,
    point: Point,
    synced: u64,
    told: Instant,
    scan: Scan,
    /// The size of the command that was handed out last.
    handed: usize,
}

impl Follow {
    /// The stream that goes on at `point` over a connection whose snapshot, if there was one, is
    /// over. Only now a server begins to send it.
    pub fn new(wire: Wire, point: Point) -> Result<Self> {
        let (synced, told) = (point.offset, Instant::now());
        let mut follow = Follow { wire, point, synced, told, scan: Scan::default(), handed: 0 };
        follow.wire.forgive();
        follow.wire.bear(CALM);
        follow.acknowledge()?;
        Ok(follow)
    }

    /// Where the stream is, behind what was handed out last.
    pub fn point(&self) -> Point {
        Point { id: self.point.id.clone(), offset: self.offset() }
    }

    /// The offset of [`point`](Self::point).
    pub fn offset(&self) -> u64 {
        self.point.offset + self.handed as u64
    }

    /// Says that all up to this offset is on disk.
    pub fn synced(&mut self, offset: u64) {
        self.synced = offset;
    }

    /// Acknowledges, if it is time to, while nothing is read.
    pub fn keep_alive(&mut self) -> Result<()> {
        if self.told.elapsed() >= ACK_EVERY { self.acknowledge() } else { Ok(()) }
    }

    /// The next command, or that there is none for a moment.
    ///
    /// Fails with [`Error::Io`] where the connection does not hold, or what comes over it is no
    /// stream: asking anew from the last point is worth a try then.
    pub fn next_event(&mut self) -> Result<Event<'_>> {
        let size = loop {
            self.drop_handed();
            self.keep_alive()?;
            let Some(size) = self.scan.step(self.wire.at_hand()).map_err(|Odd| self.odd())? else {
                if self.poll()? == 0 {
                    return Ok(Event::Quiet);
                }
                continue;
            };
            self.handed = size;
            match Command::strict(self.frame()) {
                // A line end alone is a sign of life, and none of the stream's bytes.
                None if size == 1 => {
                    self.wire.take(size);
                    self.handed = 0;
                }
                None => return Err(self.odd()),
                Some((command, _)) if command.is("PING") => {}
                Some((command, _)) if command.is("REPLCONF") => {
                    if command.args().next().is_some_and(|it| it.eq_ignore_ascii_case(b"GETACK")) {
                        self.acknowledge()?;
                    }
                }
                Some(_) => break size,
            }
        };
        let frame = self.wire.at_hand().get(..size).unwrap_or_default();
        match Command::strict(frame) {
            Some((command, _)) => Ok(Event::Command(command)),
            None => Err(self.odd()),
        }
    }

    fn frame(&self) -> &[u8] {
        self.wire.at_hand().get(..self.handed).unwrap_or_default()
    }

    fn drop_handed(&mut self) {
        self.wire.take(self.handed);
        self.point.offset = self.offset();
        self.handed = 0;
    }

    fn poll(&mut self) -> Result<usize> {
        self.wire.poll().map_err(|cause| {
            Error::io(format!("cannot read the commands of {}", self.wire.name()), cause)
        })
    }

    fn acknowledge(&mut self) -> Result<()> {
        let (offset, synced) = (self.offset().to_string(), self.synced.to_string());
        self.told = Instant::now();
        self.wire.send(&[b"REPLCONF", b"ACK", offset.as_bytes(), b"FACK", synced.as_bytes()])
    }

    #[cold]
    fn odd(&self) -> Error {
        let at = self.wire.at_hand();
        let at: String = at.iter().take(60).map(|&byte| byte.escape_ascii().to_string()).collect();
        Error::io(
            format!("cannot follow {}", self.wire.name()),
            io::Error::new(
                ErrorKind::InvalidData,
                format!("at offset {} a command is expected and \"{at}\" found", self.offset()),
            ),
        )
    }
}

/// What is no command.
#[derive(Debug, PartialEq, Eq)]
struct Odd;

/// Finds where a command ends that comes in pieces, and looks at no byte of its texts.
#[derive(Debug, Default)]
struct Scan {
    at: usize,
    left: Option<u64>,
}

impl Scan {
    /// The size of the first command of `bytes`, which grow from call to call until it is known.
    fn step(&mut self, bytes: &[u8]) -> Result<Option<usize>, Odd> {
        loop {
            let left = match self.left {
                Some(0) if self.at <= bytes.len() => {
                    let size = self.at;
                    *self = Scan::default();
                    return Ok(Some(size));
                }
                left => left,
            };
            let Some(rest) = bytes.get(self.at..).filter(|rest| !rest.is_empty()) else {
                return Ok(None);
            };
            if left.is_none() && rest.starts_with(b"\n") {
                return Ok(Some(1));
            }
            let mark = if left.is_none() { b'*' } else { b'$' };
            if !rest.starts_with(&[mark]) {
                return Err(Odd);
            }
            let head = rest.get(..HEADER_BYTES).unwrap_or(rest);
            let Some(end) = head.iter().position(|&byte| byte == b'\n') else {
                return if head.len() < HEADER_BYTES { Ok(None) } else { Err(Odd) };
            };
            let number = head.get(1..end).and_then(|digits| digits.strip_suffix(b"\r"));
            let number = number.and_then(|digits| std::str::from_utf8(digits).ok());
            let number = number.and_then(|digits| digits.parse::<u32>().ok()).ok_or(Odd)?;
            self.at += end + 1;
            match left {
                None if number == 0 => return Err(Odd),
                None => self.left = Some(number.into()),
                Some(left) => {
                    self.at = self.at.saturating_add(number as usize).saturating_add(2);
                    self.left = Some(left - 1);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Odd, Scan};

    #[test]
    fn a_command_ends_where_it_ends_however_it_comes() {
        let bytes = b"*2\r\n$3\r\nDEL\r\n$2\r\n\r\n\r\n*1\r\n$4\r\nPING\r\n";
        let mut scan = Scan::default();
        for cut in 0..21 {
            assert_eq!(scan.step(&bytes[..cut]), Ok(None), "{cut}");
        }
        assert_eq!(scan.step(bytes), Ok(Some(21)));
        assert_eq!(scan.step(&bytes[21..]), Ok(Some(14)));
    }

    #[test]
    fn what_is_no_command_is_told() {
        for bytes in [&b"SET"[..], b"*0\r\n", b"*1\r\nx", b"*1\r\n$-1\r\n", b"*99999999999\r\n"] {
            assert_eq!(Scan::default().step(bytes), Err(Odd), "{}", bytes.escape_ascii());
        }
        assert_eq!(Scan::default().step(&[b'*'; 40]), Err(Odd));
    }
}
