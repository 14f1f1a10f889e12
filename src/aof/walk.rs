//! The walk through one log, item by item, over any [`Input`].
//!
//! It counts, keeps track of transactions, shows each item to a [`LogTally`], and notes every
//! [`Incident`]. It never stops before the end: behind damage it goes on at the next bytes that
//! look like a command. `good_up_to` stays where the first incident is that a server or its check
//! tool does not let through, and never lies inside a transaction.
//!
//! The one danger is a command as large as memory: past [`HELD_BYTES`] it is walked argument by
//! argument without holding it, and only its head is shown to the tally.

use super::annotation::Annotation;
use super::incident::{Incident, IncidentKind, Incidents};
use super::log::{self, LogItem, Quirks, START_BYTES};
use super::transaction::{LogCounts, Multi, Track};
use crate::Result;
use crate::bytes::Input;
use crate::error::{Bad, Fault, Parsed, unwrap_bad};
use crate::resp::Command;

/// The largest command that is held as a whole when the bytes come through a window.
pub const HELD_BYTES: usize = 16 << 20;

/// How far a walk goes before it says where it is.
const PROGRESS_BYTES: u64 = 1 << 20;

/// How much of a larger command a tally sees.
const HEAD_BYTES: usize = 64 << 10;

/// Something that looks at each item of a log. Pieces of a log are looked at side by side, each
/// by a tally of its own, which are then merged in the order of the log.
pub trait LogTally: Send + Sized {
    /// A tally for a piece that does not begin at the start of the log.
    fn fork(&self) -> Self;

    /// A command that begins at `offset`.
    fn command(&mut self, offset: u64, command: &Command);

    /// An annotation that begins at `offset`.
    fn annotation(&mut self, offset: u64, annotation: &Annotation);

    /// Takes in the tally of the piece that follows.
    fn merge(&mut self, later: Self);
}

/// A tally that counts nothing.
impl LogTally for () {
    fn fork(&self) -> Self {}
    #[inline(always)]
    fn command(&mut self, _: u64, _: &Command) {}
    fn annotation(&mut self, _: u64, _: &Annotation) {}
    fn merge(&mut self, (): Self) {}
}

/// What a walk found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOutcome {
    /// Where the log begins in its file: behind the preamble, if there is one.
    pub begins_at: u64,
    /// Where its bytes end.
    pub ends_at: u64,
    /// Up to where it holds whole commands outside a transaction, and nothing that a server or
    /// its check tool refuses.
    pub good_up_to: u64,
    /// What it holds; behind damage, as far as it could be read.
    pub counts: LogCounts,
    /// What was out of the ordinary.
    pub incidents: Incidents,
}

/// A walk under way.
#[derive(Debug)]
pub struct Walk<T> {
    begins_at: u64,
    pub(super) position: u64,
    pub(super) track: Track,
    good_up_to: u64,
    /// Nothing intolerable has happened yet.
    clean: bool,
    incidents: Incidents,
    pub(super) tally: T,
}

impl<T: LogTally> Walk<T> {
    /// A walk that begins at this offset of its file, outside any transaction, and keeps so many
    /// incidents of each kind.
    pub fn new(begins_at: u64, kept_per_kind: u64, tally: T) -> Self {
        Walk {
            begins_at,
            position: begins_at,
            track: Track::from_start(),
            good_up_to: begins_at,
            clean: true,
            incidents: Incidents::keeping(kept_per_kind),
            tally,
        }
    }

    /// Walks to the end of the input; `progress` hears now and then which offset it has reached.
    pub fn run(&mut self, input: &mut impl Input, progress: &dyn Fn(u64)) -> Result<()> {
        loop {
            let stop = self.position.saturating_add(PROGRESS_BYTES);
            self.run_until(input, stop)?;
            progress(self.position);
            if self.position < stop {
                break;
            }
        }
        self.end(false);
        Ok(())
    }

    /// The outcome, and what the tally saw.
    pub fn finish(self) -> (LogOutcome, T) {
        let outcome = LogOutcome {
            begins_at: self.begins_at,
            ends_at: self.position,
            good_up_to: self.good_up_to,
            counts: self.track.counts,
            incidents: self.incidents,
        };
        (outcome, self.tally)
    }

    /// Walks until an item would begin at `stop` or behind it, or to the end of the input.
    pub(super) fn run_until(&mut self, input: &mut impl Input, stop: u64) -> Result<()> {
        loop {
            let buffer = input.buffer();
            let mut rest = buffer;
            while self.position < stop {
                let Some((command, behind)) = Command::strict(rest) else { break };
                rest = behind;
                self.command(&command);
            }
            let taken = buffer.len() - rest.len();
            input.consume(taken);
            if self.position >= stop || !self.step(input)? {
                return Ok(());
            }
        }
    }

    /// Takes in what follows a piece that another walk went through.
    pub(super) fn take(&mut self, ends_at: u64, track: &Track, tally: T) {
        self.track.take(track);
        self.tally.merge(tally);
        self.position = ends_at;
        if self.clean {
            match self.track.multi {
                Multi::Outside => self.good_up_to = ends_at,
                Multi::Inside(open) => self.good_up_to = open.offset,
                Multi::Unknown => {}
            }
        }
    }

    #[inline(always)]
    fn command(&mut self, command: &Command) {
        let offset = self.position;
        if let Err(kind) = self.track.command(offset, command) {
            self.report(offset, offset, kind);
            self.track.force(offset, command);
        }
        self.tally.command(offset, command);
        self.pass(offset + command.size_bytes());
    }

    #[inline(always)]
    fn pass(&mut self, position: u64) {
        self.position = position;
        if self.clean && self.track.multi == Multi::Outside {
            self.good_up_to = position;
        }
    }

    #[cold]
    fn report(&mut self, offset: u64, item_at: u64, kind: IncidentKind) {
        self.clean &= kind.is_tolerated();
        let multi_at = match self.track.multi {
            Multi::Inside(open) => Some(open.offset),
            Multi::Outside | Multi::Unknown => None,
        };
        self.incidents.push(Incident { offset, item_at, multi_at, kind });
    }

    fn report_quirks(&mut self, item_at: u64, quirks: &Quirks) {
        for (quirk, at) in quirks.iter() {
            self.report(item_at + at, item_at, IncidentKind::Quirk(quirk));
        }
    }

    /// One item that may be anything, also cut off by the window; `false` at the end.
    #[cold]
    fn step(&mut self, input: &mut impl Input) -> Result<bool> {
        let mut ended = false;
        loop {
            if input.buffer().is_empty() && !input.more()? {
                return Ok(false);
            }
            let buffer = input.buffer();
            let mut quirks = Quirks::default();
            let taken = match log::item(buffer, ended, &mut quirks) {
                Ok((rest, LogItem::Command(command))) => {
                    self.report_quirks(self.position, &quirks);
                    self.command(&command);
                    buffer.len() - rest.len()
                }
                Ok((rest, LogItem::Annotation(annotation))) => {
                    self.annotation(&annotation);
                    buffer.len() - rest.len()
                }
                Err(error) => {
                    let Bad { at, fault } = unwrap_bad(error);
                    let offset = self.position + (buffer.len() - at.len()) as u64;
                    if !fault.is_truncated() {
                        self.broken(input, self.position, offset, fault)?;
                        return Ok(true);
                    }
                    if ended {
                        self.cut(input, offset, fault);
                        return Ok(true);
                    }
                    if buffer.len() > HELD_BYTES {
                        // What is all there needs no holding.
                        ended = !input.more()?;
                        if !ended {
                            self.large(input)?;
                            return Ok(true);
                        }
                        continue;
                    }
                    let need = match fault {
                        Fault::Truncated { need, have } => need.saturating_sub(have),
                        _ => 0,
                    };
                    ended = !widen(input, need)?;
                    continue;
                }
            };
            input.consume(taken);
            return Ok(true);
        }
    }

    fn annotation(&mut self, annotation: &Annotation) {
        let offset = self.position;
        if let Err(kind) = self.track.annotation(annotation) {
            self.report(offset, offset, kind);
        }
        self.tally.annotation(offset, annotation);
        self.pass(offset + annotation.line().len() as u64);
    }

    /// Reports the broken item that began at `item_at`, and goes to the next bytes that look like
    /// a command.
    fn broken(
        &mut self,
        input: &mut impl Input,
        item_at: u64,
        offset: u64,
        fault: Fault,
    ) -> Result<()> {
        // What begins here is broken; the next command begins behind its first byte.
        let mut from = 1;
        let mut zeroes = true;
        let resumed_at = loop {
            let buffer = input.buffer();
            let found = log::find_command(buffer, from);
            // Where fewer bytes are left than a start takes, more may make one of them.
            let passed = buffer.len().saturating_sub(START_BYTES).max(from.min(buffer.len()));
            let passed = found.unwrap_or(passed);
            zeroes &= buffer.iter().take(passed).all(|&b| b == 0);
            input.consume(passed);
            self.position += passed as u64;
            from = 0;
            if found.is_some() {
                break Some(self.position);
            }
            if !input.more()? {
                zeroes &= input.buffer().iter().all(|&b| b == 0);
                self.position += input.buffer().len() as u64;
                input.consume(usize::MAX);
                break None;
            }
        };
        self.report(offset, item_at, IncidentKind::Broken { fault, resumed_at, zeroes });
        self.lose_track();
        Ok(())
    }

    /// Reports an item that the data ends in, and goes on behind it if a length led astray.
    fn cut(&mut self, input: &mut impl Input, offset: u64, fault: Fault) {
        let found = log::find_command(input.buffer(), 1);
        let skipped = found.unwrap_or(input.buffer().len());
        let item_at = self.position;
        self.position += skipped as u64;
        input.consume(skipped);
        let resumed_at = found.map(|_| self.position);
        self.report(offset, item_at, IncidentKind::Cut { fault, resumed_at });
        match found {
            Some(_) => self.lose_track(),
            None => self.end(true),
        }
    }

    /// Behind damage nobody knows whether a transaction is open.
    fn lose_track(&mut self) {
        self.track.multi = Multi::Unknown;
    }

    /// Reports a transaction that is open at the end, once.
    fn end(&mut self, cut: bool) {
        if let Multi::Inside(open) = self.track.multi {
            self.report(open.offset, open.offset, IncidentKind::OpenTransaction { cut });
            self.lose_track();
        }
    }

    /// A command that is larger than what is held, argument by argument.
    fn large(&mut self, input: &mut impl Input) -> Result<()> {
        let buffer = input.buffer();
        let head = buffer.get(..HEAD_BYTES).unwrap_or(buffer).to_vec();
        let item_at = self.position;
        let mut quirks = Quirks::default();
        let walked = large_frame(input, item_at, &mut quirks)?;
        let size = input.position() - item_at;
        match walked {
            Ok(argc) => {
                self.report_quirks(item_at, &quirks);
                let mut ignored = Quirks::default();
                // The name lies in the head, unless it is absurd: then it is shown as empty.
                let name = log::count(&head, 0, true, &mut ignored)
                    .and_then(|(rest, _)| log::length(rest, 0, true, &mut ignored))
                    .ok()
                    .and_then(|(rest, n)| rest.split_at_checked(usize::try_from(n).ok()?));
                let (name, tail) = name.unwrap_or((&[], &[]));
                let tail = tail.get(2..).unwrap_or(&[]);
                let argc = if tail.is_empty() { 1 } else { argc };
                self.command(&Command::walked(&head, name, tail, argc, size));
            }
            Err(fault) => {
                // What was stepped over cannot be looked at again.
                self.position = input.position();
                if fault.is_truncated() {
                    self.report(
                        self.position,
                        item_at,
                        IncidentKind::Cut { fault, resumed_at: None },
                    );
                    self.end(true);
                } else {
                    let offset = self.position;
                    self.broken(input, item_at, offset, fault)?;
                }
            }
        }
        Ok(())
    }
}

/// Steps over a command; the count of its arguments, or the fault at the input's position.
fn large_frame(
    input: &mut impl Input,
    item_at: u64,
    quirks: &mut Quirks,
) -> Result<Result<u32, Fault>> {
    macro_rules! fault {
        ($parsed:expr) => {
            match $parsed? {
                Ok(value) => value,
                Err(fault) => return Ok(Err(fault)),
            }
        };
    }
    let argc = fault!(pull(input, |bytes, ended| log::count(bytes, 0, ended, quirks)));
    for _ in 0..argc {
        let at = input.position() - item_at;
        let length = fault!(pull(input, |bytes, ended| log::length(bytes, at, ended, quirks)));
        fault!(skip(input, length));
        let at = input.position() - item_at;
        fault!(pull(input, |bytes, _| log::terminator(bytes, at, quirks)));
    }
    Ok(Ok(argc))
}

/// Parses and consumes, widening the window as long as that helps.
fn pull<V>(
    input: &mut impl Input,
    mut parse: impl FnMut(&[u8], bool) -> Parsed<'_, V>,
) -> Result<Result<V, Fault>> {
    let mut ended = false;
    loop {
        let buffer = input.buffer();
        match parse(buffer, ended) {
            Ok((rest, value)) => {
                let taken = buffer.len() - rest.len();
                input.consume(taken);
                return Ok(Ok(value));
            }
            Err(error) => match unwrap_bad(error).fault {
                Fault::Truncated { .. } if !ended => ended = !input.more()?,
                fault => return Ok(Err(fault)),
            },
        }
    }
}

/// Consumes so many bytes without holding them.
fn skip(input: &mut impl Input, bytes: u64) -> Result<Result<(), Fault>> {
    let mut left = bytes;
    loop {
        let have = input.buffer().len();
        let step = usize::try_from(left).map_or(have, |left| left.min(have));
        input.consume(step);
        left -= step as u64;
        if left == 0 {
            return Ok(Ok(()));
        }
        if !input.more()? {
            return Ok(Err(Fault::Truncated { need: bytes, have: bytes - left }));
        }
    }
}

/// Widens the window to twice its size, or by what is needed if that is more, so that a frame is
/// not walked anew for every small piece. `false` at the end of the data.
fn widen(input: &mut impl Input, need: u64) -> Result<bool> {
    let have = input.buffer().len();
    let need = usize::try_from(need).unwrap_or(usize::MAX);
    // One byte above what is held is enough to see that the command is not to be held.
    let want = have.saturating_add(need.max(have)).min(HELD_BYTES + 1);
    while input.buffer().len() <= have || input.buffer().len() < want {
        if !input.more()? {
            return Ok(false);
        }
    }
    Ok(true)
}
