//! The deep check of one value: everything that a sanitizing server looks at, and what none does.
//!
//! Structure, order and repetitions are looked at in one walk. A problem does not end the check
//! where the rest can still be found, but a value never has more than [`MOST`] of them: one bad
//! blob would bury everything else.

mod array;
mod hash;
mod list;
mod packed;
mod pending;
mod seen;
mod set;
mod sorted_set;
mod stream;
mod template;

#[cfg(test)]
mod tests;

use std::io;

use self::seen::Seen;
use super::cursor::{Blob, Cursor};
use super::{Broken, Scratch};
use crate::bytes::lzf;
use crate::error::{Error, Fault, Result};
use crate::rdb::packed::Flaw;
use crate::rdb::{Entry, Text, ValueType};
use crate::value::{Elem, Kind, StreamId};

/// The most problems that are told of one value.
pub const MOST: u32 = 16;

/// Something wrong with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Problem<'a> {
    /// Bytes behind the start of the body; inside a compressed blob the start of its string.
    pub at: u64,
    /// The rule that is broken.
    pub fault: Fault,
    /// What servers make of it.
    pub stance: Stance,
    /// The bytes that it is about, as a client would see them: what stands there twice, or the
    /// text that is no number.
    pub shown: Option<&'a [u8]>,
}

/// What servers make of a problem, with their default limits. Valkey 9.1 sanitizes whatever it
/// loads, and whatever its configuration says; other servers do when they are told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Stance {
    /// No server loads a file with it, or takes it from RESTORE.
    Fatal,
    /// Redis 7.0 and newer and Valkey refuse it always; older servers take it unless they
    /// sanitize.
    FatalSince7,
    /// Refused by Redis 8.10 and Valkey 9.1; what came before loads it without a word.
    FatalNewest,
    /// Refused by Redis 8.10 only, sanitizing or not.
    FatalSince8_10,
    /// Refused by Valkey 9.1 only; Redis loads it without a word, even where it sanitizes.
    FatalValkey9_1,
    /// Loads without a word, and may bring the server down later. Refused under
    /// `sanitize-dump-payload yes`, and by Valkey 9.1.
    DeepOnly,
    /// A file loads without this key, or a list without what is in this node, and nobody says so.
    /// RESTORE refuses such a key. What a header calls empty is dropped even where elements follow.
    Dropped,
    /// No server notices, not even a sanitizing one; answers may be wrong.
    Unnoticed,
}

impl Stance {
    /// Whether some server, asked to sanitize, refuses it.
    pub fn is_refused(self) -> bool {
        !matches!(self, Stance::Unnoticed)
    }
}

/// Checks values, one after the other; keeps its tables.
#[derive(Debug, Default)]
pub struct Checker {
    scratch: Scratch,
    third: Vec<u8>,
    seen: Seen,
    names: Seen,
    pending: pending::Room,
}

impl Checker {
    /// Looks at everything in a value. Only the temporary file that a very large collection
    /// needs can fail.
    #[inline]
    pub fn check(&mut self, entry: &Entry<'_>, report: &mut dyn FnMut(Problem<'_>)) -> Result<()> {
        // Most values are plain strings.
        if entry.value_type == ValueType::String
            && let Ok((_, Text::Raw(_) | Text::Int(_))) = Text::parse(entry.readable())
        {
            return Ok(());
        }
        self.check_value(entry, report)
    }

    fn check_value(
        &mut self,
        entry: &Entry<'_>,
        report: &mut dyn FnMut(Problem<'_>),
    ) -> Result<()> {
        let report = &mut Report { sink: report, left: MOST };
        let mut body = Cursor::new(entry.readable());
        let ty = entry.value_type;
        let done = match ty.kind() {
            Kind::String => body.text().map_err(Halt::from).and_then(|t| report.text(t, 0)),
            Kind::List => list::check(ty, body, self, report),
            Kind::Set => set::check(ty, body, self, report),
            Kind::SortedSet => sorted_set::check(ty, body, self, report),
            Kind::Hash => hash::check(entry, body, self, report),
            Kind::Stream => stream::check(ty, body, self, report),
            Kind::Module => module(body, report),
            Kind::Array => array::check(body, report),
        };
        match done {
            Ok(()) | Err(Halt::Full) => Ok(()),
            Err(Halt::Broken(Broken { at, fault })) => {
                let _ = report.add(at, fault, Stance::Fatal);
                Ok(())
            }
            Err(Halt::Io(cause)) => {
                Err(Error::io("keeping elements of a large collection in a temporary file", cause))
            }
        }
    }
}

/// Where problems go.
struct Report<'r> {
    sink: &'r mut dyn FnMut(Problem<'_>),
    left: u32,
}

impl Report<'_> {
    #[cold]
    fn add(&mut self, at: u64, fault: Fault, stance: Stance) -> Result<(), Halt> {
        self.tell(Problem { at, fault, stance, shown: None })
    }

    /// A problem with the bytes that it is about.
    #[cold]
    fn show(&mut self, at: u64, fault: Fault, stance: Stance, shown: Elem<'_>) -> Result<(), Halt> {
        let mut text = itoa::Buffer::new();
        let shown = Some(shown.bytes(&mut text));
        self.tell(Problem { at, fault, stance, shown })
    }

    /// A problem with the id that it is about.
    #[cold]
    fn show_id(&mut self, at: u64, fault: Fault, stance: Stance, id: StreamId) -> Result<(), Halt> {
        self.show(at, fault, stance, Elem::Bytes(id.to_string().as_bytes()))
    }

    fn tell(&mut self, problem: Problem<'_>) -> Result<(), Halt> {
        (self.sink)(problem);
        self.left -= 1;
        if self.left == 0 { Err(Halt::Full) } else { Ok(()) }
    }

    /// A flaw inside a blob.
    #[cold]
    fn flaw(&mut self, blob: Blob<'_>, flaw: Flaw, stance: Stance) -> Result<(), Halt> {
        self.add(blob.at(flaw.at), flaw.fault, stance)
    }

    /// Whether a string that is not looked into can be unpacked.
    #[inline(always)]
    fn text(&mut self, text: Text<'_>, at: u64) -> Result<(), Halt> {
        match text {
            Text::Raw(_) | Text::Int(_) => Ok(()),
            Text::Lzf { packed, len } => match lzf::validate(packed, len) {
                Ok(()) => Ok(()),
                Err(fault) => self.add(at, fault, Stance::Fatal),
            },
        }
    }

    /// The next string, which is not looked into.
    #[inline(always)]
    fn next_text(&mut self, body: &mut Cursor<'_>) -> Result<(), Halt> {
        if body.skip_short() {
            return Ok(());
        }
        let at = body.at();
        let text = body.text()?;
        self.text(text, at)
    }
}

/// Why a check ends early.
enum Halt {
    /// Enough has been reported.
    Full,
    /// What follows cannot be found.
    Broken(Broken),
    /// The temporary file.
    Io(io::Error),
}

impl From<Broken> for Halt {
    #[cold]
    fn from(broken: Broken) -> Self {
        Halt::Broken(broken)
    }
}

impl From<io::Error> for Halt {
    #[cold]
    fn from(cause: io::Error) -> Self {
        Halt::Io(cause)
    }
}

/// A string whose packed blob could be had; if it could not, that has been reported.
fn blob<'s, 'a: 's>(
    body: &mut Cursor<'a>,
    room: &'s mut Vec<u8>,
    report: &mut Report<'_>,
) -> Result<Option<Blob<'s>>, Halt> {
    let mut ahead = body.clone();
    ahead.text()?;
    let blob = body.blob(room);
    *body = ahead;
    match blob {
        Ok(blob) => Ok(Some(blob)),
        Err(Broken { at, fault }) => report.add(at, fault, Stance::Fatal).map(|()| None),
    }
}

/// A module's value is the module's business, but its strings must unpack.
fn module(mut body: Cursor<'_>, report: &mut Report<'_>) -> Result<(), Halt> {
    body.length()?;
    loop {
        let at = body.at();
        match body.length()? {
            0 => return Ok(()),
            1 | 2 => drop(body.length()?),
            3 => drop(body.take(4)?),
            4 => drop(body.take(8)?),
            5 => report.next_text(&mut body)?,
            opcode => return Err(Broken { at, fault: Fault::ModuleOpcode { opcode } }.into()),
        }
    }
}
