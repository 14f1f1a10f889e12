//! One connection: commands out, lines and bytes in, with an end to patience.
//!
//! A read that brings nothing for a moment is no failure here: the stream under it answers after a
//! short while with [`WouldBlock`](ErrorKind::WouldBlock) or [`TimedOut`](ErrorKind::TimedOut), and
//! what is to be done meanwhile is done. Only silence beyond the patience is one.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::live::{Connection, Stream, Wait};
use crate::resp::encode;

/// Bytes are read in steps of at most this.
const READ_BYTES: usize = 256 << 10;
/// Room that stays when nothing is in it.
const KEPT_BYTES: usize = 4 << 20;
/// No line that a server answers with is longer.
const LINE_BYTES: usize = 64 << 10;
/// No text that a server answers with is longer.
const BULK_BYTES: usize = 16 << 20;

/// A connection in both directions, whose reads end after a while in which nothing came.
pub trait Duplex: Read + Write + Send {
    /// How long a read waits for the first byte before it ends with an error of kind
    /// [`ErrorKind::WouldBlock`] or [`ErrorKind::TimedOut`].
    fn set_pause(&mut self, pause: Duration) -> io::Result<()>;

    /// One who has waited for the other side since then, where somebody wants to know.
    fn waits(&self, since: Instant) -> Option<Wait> {
        let _ = since;
        None
    }
}

/// What a server answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// `+…`
    Status(String),
    /// `-…`
    Error(String),
    /// `:…`
    Int(i64),
    /// `$…`; `None` where it says that there is none.
    Bulk(Option<Vec<u8>>),
}

impl Duplex for Stream {
    fn set_pause(&mut self, pause: Duration) -> io::Result<()> {
        self.set_timeouts(Some(pause), Some(pause))
    }

    fn waits(&self, since: Instant) -> Option<Wait> {
        self.wait(since)
    }
}

/// A connection and what has come over it.
pub struct Wire {
    stream: Box<dyn Duplex>,
    name: String,
    patience: Duration,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    heard: Instant,
    stop: Option<Arc<AtomicBool>>,
    /// How much silence is nothing to speak of.
    calm: Duration,
    wait: Option<Wait>,
}

impl Wire {
    /// A connection to the server that sentences call `name`; silence of `patience` ends it.
    pub fn new(mut stream: Box<dyn Duplex>, name: &str, patience: Duration) -> Result<Self> {
        // Short enough for an acknowledgement each second, and for a signal to be heard.
        let pause = (patience / 4).clamp(Duration::from_millis(10), Duration::from_millis(250));
        stream.set_pause(pause).map_err(|cause| Error::io(format!("cannot use {name}"), cause))?;
        Ok(Wire {
            stream,
            name: name.to_owned(),
            patience,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            heard: Instant::now(),
            stop: None,
            calm: Duration::ZERO,
            wait: None,
        })
    }

    /// A connection that has been let in, and to which nothing is owed.
    pub fn of(connection: Connection, name: &str, patience: Duration) -> Result<Self> {
        let (stream, rest) = connection.into_stream();
        let mut wire = Wire::new(Box::new(stream), name, patience)?;
        wire.end = rest.len();
        wire.buffer = rest;
        Ok(wire)
    }

    /// The same, which waits no more once `stop` is set.
    #[must_use]
    pub fn until(self, stop: &Arc<AtomicBool>) -> Self {
        Wire { stop: Some(Arc::clone(stop)), ..self }
    }

    /// What sentences call the server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How much silence is borne.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// Sends a command.
    pub fn send(&mut self, words: &[&[u8]]) -> Result<()> {
        let mut out = Vec::new();
        encode::command(&mut out, words.iter());
        let sent = self.write_all(&out).and_then(|()| self.stream.flush());
        sent.map_err(|cause| Error::io(format!("cannot write to {}", self.name), cause))
    }

    /// Sends an empty line, which says that somebody is there and nothing else.
    pub(super) fn sign(&mut self) -> io::Result<()> {
        self.write_all(b"\n").and_then(|()| self.stream.flush())
    }

    /// The same connection with other bytes before those that come over it: `ahead` makes one of it,
    /// and of what has come and was not taken.
    pub(super) fn behind(
        mut self,
        ahead: impl FnOnce(Vec<u8>, Box<dyn Duplex>) -> Box<dyn Duplex>,
    ) -> Self {
        let rest = self.at_hand().to_vec();
        (self.start, self.end) = (0, 0);
        self.stream = ahead(rest, self.stream);
        self
    }

    /// Writes all, and bears a full pipe as long as it bears silence.
    fn write_all(&mut self, mut out: &[u8]) -> io::Result<()> {
        let began = Instant::now();
        while !out.is_empty() {
            match self.stream.write(out) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => out = out.get(n..).unwrap_or_default(),
                Err(error) if is_pause(&error) && began.elapsed() < self.patience => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends a command and waits for the answer.
    pub fn ask(&mut self, words: &[&[u8]]) -> Result<Answer> {
        self.send(words)?;
        self.answer()
    }

    /// The next answer; empty lines before it are a sign of life and nothing more.
    pub fn answer(&mut self) -> Result<Answer> {
        let line = self.line()?;
        let (mark, rest) = line.split_at_checked(1).unwrap_or_default();
        let number = || rest.parse::<i64>().map_err(|_| self.odd("a command", &line));
        Ok(match mark {
            "+" => Answer::Status(rest.to_owned()),
            "-" => Answer::Error(rest.to_owned()),
            ":" => Answer::Int(number()?),
            "$" => match usize::try_from(number()?) {
                Err(_) => Answer::Bulk(None),
                Ok(len) if len <= BULK_BYTES => Answer::Bulk(Some(self.bulk(len)?)),
                Ok(_) => return Err(self.odd("a command", &line)),
            },
            _ => return Err(self.odd("a command", &line)),
        })
    }

    /// The next line that is not empty, without its end.
    pub(super) fn line(&mut self) -> Result<String> {
        loop {
            let at_hand = self.at_hand();
            if let Some(end) = at_hand.iter().position(|&byte| byte == b'\n') {
                let line = at_hand.get(..end).unwrap_or_default();
                let line = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
                self.take(end + 1);
                if !line.is_empty() {
                    return Ok(line);
                }
            } else if at_hand.len() > LINE_BYTES {
                return Err(Error::Usage(format!(
                    "{} does not answer as Redis and Valkey do: is it one of them, and is TLS \
                     spoken where it has to be?",
                    self.name
                )));
            } else {
                self.wait()?;
            }
        }
    }

    fn bulk(&mut self, len: usize) -> Result<Vec<u8>> {
        while self.at_hand().len() < len + 2 {
            self.wait()?;
        }
        let bytes = self.at_hand().get(..len).unwrap_or_default().to_vec();
        self.take(len + 2);
        Ok(bytes)
    }

    /// Waits for more.
    fn wait(&mut self) -> Result<()> {
        self.fill()
            .map(drop)
            .map_err(|cause| Error::io(format!("cannot read from {}", self.name), cause))
    }

    /// What has come and was not taken.
    pub(super) fn at_hand(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Takes the first bytes of what has come.
    pub(super) fn take(&mut self, n: usize) {
        self.start += n.min(self.end - self.start);
    }

    /// Reads until something comes, the patience ends, or the connection does. How much came.
    pub(super) fn fill(&mut self) -> io::Result<usize> {
        loop {
            self.heed()?;
            match self.poll()? {
                0 => {}
                n => return Ok(n),
            }
        }
    }

    /// Fails where nobody wants to wait any more.
    pub(super) fn heed(&self) -> io::Result<()> {
        if self.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            return Err(io::Error::new(ErrorKind::ConnectionAborted, "stopped as asked"));
        }
        Ok(())
    }

    /// Reads what has come, and waits only a moment for it: 0 where nothing did.
    pub(super) fn poll(&mut self) -> io::Result<usize> {
        self.make_room();
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        match self.stream.read(room) {
            Ok(0) => {
                Err(io::Error::new(ErrorKind::UnexpectedEof, "the server ended the connection"))
            }
            Ok(n) => {
                self.end += n.min(room.len());
                self.forgive();
                Ok(n)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
            Err(error) if is_pause(&error) => {
                if self.heard.elapsed() < self.patience {
                    return self.say_so().map(|()| 0);
                }
                if let Some(wait) = &self.wait {
                    wait.is_in_vain();
                }
                let secs = self.patience.as_secs_f64();
                let words = format!("nothing came for {secs} s (--timeout)");
                Err(io::Error::new(ErrorKind::TimedOut, words))
            }
            Err(error) => Err(error),
        }
    }

    /// Room behind what is at hand, which moves to the front for it; and so grows only by what came.
    fn make_room(&mut self) {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            // One large command must not be paid for ever after.
            if self.buffer.len() > KEPT_BYTES {
                self.buffer = Vec::new();
            }
        } else if self.start > 0 && self.buffer.len() - self.end < READ_BYTES {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let wanted = self.end + READ_BYTES.max(self.end / 2);
        if self.buffer.len() - self.end < READ_BYTES {
            self.buffer.resize(wanted, 0);
        }
    }

    /// The patience begins anew: what did not come meanwhile was not waited for.
    pub(super) fn forgive(&mut self) {
        self.heard = Instant::now();
        self.wait = None;
    }

    /// Nothing has to come more often than this.
    pub(super) fn bear(&mut self, calm: Duration) {
        self.calm = calm;
    }

    /// Says that the server is waited for.
    fn say_so(&mut self) -> io::Result<()> {
        let since = self.heard + self.calm;
        if Instant::now() < since {
            return Ok(());
        }
        if self.wait.is_none() {
            self.wait = self.stream.waits(since);
        }
        self.wait.as_mut().map_or(Ok(()), Wait::goes_on)
    }

    pub(super) fn odd(&self, command: &str, line: &str) -> Error {
        let line: String = line.chars().take(100).collect();
        Error::Usage(format!("{} answers {command} with {line:?}, which is no answer", self.name))
    }

    pub(super) fn unexpected(&self, command: &str, answer: &Answer) -> Error {
        self.odd(command, &format!("{answer:?}"))
    }
}

/// Whether a read only waited for nothing.
fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
