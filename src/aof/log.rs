//! The items of a log: commands, and annotations between them.
//!
//! ```text
//! log      item*
//! item     command | annotation
//! command  "*" count CRLF (count times: "$" length CRLF bytes CRLF)
//! ```
//!
//! [`item`] is a pure function over the bytes at hand. It reads what a server's loader reads, and
//! notes in [`Quirks`] where that is not what a server writes. A frame that does not fit is
//! [`Fault::Truncated`]: whoever owns the window widens it and asks again, and says when there is
//! nothing to widen (`ended`). The danger is a damaged length, which turns everything behind it
//! into one argument: see [`find_command`] for how to get out again.

use super::annotation::Annotation;
use crate::error::{Fault, Parsed, bad};
use crate::resp::Command;
use crate::resp::header::{self, Form};

/// One item of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogItem<'a> {
    /// A command.
    Command(Command<'a>),
    /// An annotation.
    Annotation(Annotation<'a>),
}

/// A form of a command that loaders let through although no server writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quirk {
    /// A header with blanks, a sign or zeros before its digits.
    LooseNumber,
    /// A header that ends with LF alone.
    BareLineFeed,
    /// A header with something behind its digits, or with a count that only an overflow makes
    /// sensible.
    Stray,
    /// Two bytes behind an argument that are not CRLF.
    Terminator,
}

impl Quirk {
    /// All of them.
    pub const ALL: [Quirk; 4] =
        [Quirk::LooseNumber, Quirk::BareLineFeed, Quirk::Stray, Quirk::Terminator];
}

/// The quirks of one command: for each, where it is seen first, counted from the command.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quirks([Option<u64>; 4]);

impl Quirks {
    fn note(&mut self, quirk: Quirk, at: u64) {
        if let Some(slot) = self.0.get_mut(quirk as usize) {
            slot.get_or_insert(at);
        }
    }

    fn note_form(&mut self, form: Form, at: u64) {
        match form {
            Form::Strict => {}
            Form::Loose => self.note(Quirk::LooseNumber, at),
            Form::BareLineFeed => self.note(Quirk::BareLineFeed, at),
            Form::Stray => self.note(Quirk::Stray, at),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// Each quirk and where it is seen first.
    pub fn iter(&self) -> impl Iterator<Item = (Quirk, u64)> {
        Quirk::ALL.into_iter().zip(self.0).filter_map(|(quirk, at)| Some((quirk, at?)))
    }
}

/// Reads the item that the input begins with, as a server's loader does. `ended` says that no
/// bytes will follow the input.
#[inline]
pub fn item<'a>(input: &'a [u8], ended: bool, quirks: &mut Quirks) -> Parsed<'a, LogItem<'a>> {
    match Command::strict(input) {
        Some((command, rest)) => Ok((rest, LogItem::Command(command))),
        None => other(input, ended, quirks),
    }
}

#[cold]
fn other<'a>(input: &'a [u8], ended: bool, quirks: &mut Quirks) -> Parsed<'a, LogItem<'a>> {
    match input.first() {
        Some(b'#') => {
            let (rest, annotation) = Annotation::parse(input, ended)?;
            Ok((rest, LogItem::Annotation(annotation)))
        }
        Some(b'*') => {
            let (rest, command) = as_loaded(input, ended, quirks)?;
            Ok((rest, LogItem::Command(command)))
        }
        Some(&byte) => bad(input, Fault::CommandStart { byte }),
        None => bad(input, Fault::Truncated { need: 1, have: 0 }),
    }
}

fn as_loaded<'a>(input: &'a [u8], ended: bool, quirks: &mut Quirks) -> Parsed<'a, Command<'a>> {
    let gone = |rest: &[u8]| (input.len() - rest.len()) as u64;
    let (mut rest, argc) = count(input, 0, ended, quirks)?;
    let (mut name, mut tail): (&[u8], &[u8]) = (&[], &[]);
    for i in 0..argc {
        let (behind, length) = length(rest, gone(rest), ended, quirks)?;
        let body = usize::try_from(length).ok().and_then(|n| behind.split_at_checked(n));
        let Some((body, behind)) = body else {
            return bad(behind, Fault::Truncated { need: length, have: behind.len() as u64 });
        };
        (rest, ()) = terminator(behind, gone(behind), quirks)?;
        if i == 0 {
            (name, tail) = (body, rest);
        }
    }
    let size = input.len() - rest.len();
    let frame = input.get(..size).unwrap_or(input);
    let tail = tail.get(..tail.len() - rest.len()).unwrap_or(tail);
    Ok((rest, Command::walked(frame, name, tail, argc, size as u64)))
}

/// The header of a command, whose `*` has been looked at. `at` is where it lies in the command.
pub(super) fn count<'a>(
    input: &'a [u8],
    at: u64,
    ended: bool,
    quirks: &mut Quirks,
) -> Parsed<'a, u32> {
    let Some(header) = header::lenient(input, ended).filter(|h| !h.text.is_empty()) else {
        return bad(input, Fault::Truncated { need: 0, have: input.len() as u64 });
    };
    // Loaders keep the count in 32 bits and let the rest overflow.
    let count = header.value as i32;
    if count < 1 {
        return bad(input, Fault::CommandCount { count: header.value });
    }
    quirks.note_form(header.form, at);
    if i64::from(count) != header.value {
        quirks.note(Quirk::Stray, at);
    }
    Ok((header.rest, count.unsigned_abs()))
}

/// The header of an argument: its length in bytes.
pub(super) fn length<'a>(
    input: &'a [u8],
    at: u64,
    ended: bool,
    quirks: &mut Quirks,
) -> Parsed<'a, u64> {
    match input.first() {
        None => return bad(input, Fault::Truncated { need: 0, have: 0 }),
        Some(b'$') => {}
        Some(&byte) => return bad(input, Fault::ArgumentStart { byte }),
    }
    let Some(header) = header::lenient(input, ended) else {
        return bad(input, Fault::Truncated { need: 0, have: input.len() as u64 });
    };
    // The check tools allow two bytes less than the largest number; servers die of either.
    let length = match u64::try_from(header.value) {
        Ok(length) if header.value < i64::MAX - 2 => length,
        _ => return bad(input, Fault::ArgumentLength { length: header.value }),
    };
    if !header.ended {
        return bad(header.rest, Fault::Truncated { need: length, have: 0 });
    }
    quirks.note_form(header.form, at);
    Ok((header.rest, length))
}

/// The two bytes behind an argument.
pub(super) fn terminator<'a>(input: &'a [u8], at: u64, quirks: &mut Quirks) -> Parsed<'a, ()> {
    match input.split_first_chunk::<2>() {
        Some((b"\r\n", rest)) => Ok((rest, ())),
        Some((_, rest)) => {
            quirks.note(Quirk::Terminator, at);
            Ok((rest, ()))
        }
        None => bad(input, Fault::Truncated { need: 2, have: input.len() as u64 }),
    }
}

/// How many bytes are needed to tell whether a command begins somewhere.
pub const START_BYTES: usize = 1 + 10 + 2 + 1 + 2 + 2 + NAME_MAX_BYTES + 2;

const NAME_MAX_BYTES: usize = 64;

/// Where in `bytes`, from `from` on, something looks like the start of a command as a server
/// writes it: count, length, and a name that could be one. Text inside a value can look the same.
pub fn find_command(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += bytes.get(at..)?.iter().position(|&b| b == b'*')?;
        if looks_like_command(bytes.get(at..)?) {
            return Some(at);
        }
        at += 1;
    }
}

/// Whether bytes begin as a command does that a server writes; see [`find_command`].
pub fn looks_like_command(bytes: &[u8]) -> bool {
    let name = || {
        let (argc, rest) = header::strict(bytes, b'*')?;
        let (length, rest) = header::strict(rest, b'$')?;
        let length = usize::try_from(length).ok().filter(|n| (1..=NAME_MAX_BYTES).contains(n))?;
        let (name, rest) = rest.split_at_checked(length)?;
        (argc > 0 && rest.starts_with(b"\r\n")).then_some(name)
    };
    name().is_some_and(|name| {
        name.first().is_some_and(u8::is_ascii_alphabetic)
            && name.iter().all(|b| b.is_ascii_alphanumeric() || b"._-|".contains(b))
    })
}

#[cfg(test)]
mod tests {
    use super::{LogItem, Quirk, Quirks, find_command, item};
    use crate::error::{Fault, unwrap_bad};

    const SET: &str = "$3\r\nSET\r\n$1\r\nq\r\n$1\r\nv\r\n";

    #[test]
    fn what_servers_write_has_no_quirks() {
        check(&format!("*3\r\n{SET}"), Ok(&[]));
        check("*1\r\n$0\r\n\r\n", Ok(&[]));
    }

    #[test]
    fn number_forms_are_let_through() {
        for argc in ["* 3", "*03", "*+3", "* \t+003"] {
            check(&format!("{argc}\r\n{SET}"), Ok(&[(Quirk::LooseNumber, 0)]));
        }
        check("*1\r\n$+3\r\nSET\r\n", Ok(&[(Quirk::LooseNumber, 4)]));
        check("*1\r\n$\r\n\r\n", Ok(&[(Quirk::LooseNumber, 4)]));
        check(&format!("*3x\r\n{SET}"), Ok(&[(Quirk::Stray, 0)]));
        check(&format!("*4294967299\r\n{SET}"), Ok(&[(Quirk::Stray, 0)]));
        check(&format!("*3\n{SET}"), Ok(&[(Quirk::BareLineFeed, 0)]));
        check("*1\r\n$3\nSET\r\n", Ok(&[(Quirk::BareLineFeed, 4)]));
        check("*1\r\n$3\r\nSETxx", Ok(&[(Quirk::Terminator, 11)]));
    }

    #[test]
    fn counts_below_one_are_refused() {
        check("*0\r\n", Err(Fault::CommandCount { count: 0 }));
        check("*-1\r\n", Err(Fault::CommandCount { count: -1 }));
        check("*\r\n", Err(Fault::CommandCount { count: 0 }));
        check("*3000000000\r\n$1\r\n", Err(Fault::CommandCount { count: 3_000_000_000 }));
        check("*0", Err(Fault::CommandCount { count: 0 }));
    }

    #[test]
    fn a_lone_star_is_a_cut_and_not_a_count() {
        check("*", Err(Fault::Truncated { need: 0, have: 1 }));
        check("*3", Err(Fault::Truncated { need: 0, have: 0 }));
    }

    #[test]
    fn lengths_below_zero_are_refused() {
        check("*1\r\n$-1\r\n", Err(Fault::ArgumentLength { length: -1 }));
        let huge = Fault::ArgumentLength { length: i64::MAX };
        check("*1\r\n$99999999999999999999999\r\nx\r\n", Err(huge));
    }

    #[test]
    fn a_length_beyond_the_data_is_a_cut() {
        check(
            "*1\r\n$5000000000\r\nSET\r\n",
            Err(Fault::Truncated { need: 5_000_000_000, have: 5 }),
        );
        check("*2147483647\r\n$1\r\nX\r\n", Err(Fault::Truncated { need: 0, have: 0 }));
    }

    #[test]
    fn other_bytes_are_refused() {
        for (text, byte) in [("SET a 1\r\n", b'S'), ("\r\n", b'\r'), ("\0\0", 0), ("$1\r\n", b'$')]
        {
            check(text, Err(Fault::CommandStart { byte }));
        }
        check("*1\r\n#x\r\n", Err(Fault::ArgumentStart { byte: b'#' }));
        check("*1\r\n*1\r\n", Err(Fault::ArgumentStart { byte: b'*' }));
        // Line feeds alone break where the loader steps over two bytes behind the name.
        check("*2\n$3\nSET\n$1\na\n", Err(Fault::ArgumentStart { byte: b'1' }));
    }

    #[test]
    fn no_cut_command_passes() {
        let text = format!("*3\r\n{SET}");
        for cut in 1..text.len() {
            for ended in [false, true] {
                let error = item(&text.as_bytes()[..cut], ended, &mut Quirks::default());
                let fault = unwrap_bad(error.unwrap_err()).fault;
                assert!(fault.is_truncated(), "cut at {cut}: {fault}");
            }
        }
    }

    #[test]
    fn commands_are_found_behind_rubbish() {
        let rubbish = b"*x\r\n*3\r\n$9999\r\n\0\0*2\r\n$3\r\n\x01ET\r\n*3\r\n$3\r\nGET\r\n";
        assert_eq!(find_command(rubbish, 0), Some(rubbish.len() - 13));
        assert_eq!(find_command(rubbish, rubbish.len() - 12), None);
    }

    #[track_caller]
    fn check(text: &str, want: Result<&[(Quirk, u64)], Fault>) {
        let mut quirks = Quirks::default();
        let got = item(text.as_bytes(), true, &mut quirks);
        let got = match &got {
            Ok((rest, LogItem::Command(command))) => {
                assert_eq!(command.frame().len() + rest.len(), text.len());
                assert_eq!(command.args().count() as u32 + 1, command.argc());
                Ok(quirks.iter().collect::<Vec<_>>())
            }
            Ok((_, other)) => panic!("{other:?}"),
            Err(nom::Err::Error(bad)) => Err(bad.fault),
            Err(other) => panic!("{other:?}"),
        };
        assert_eq!(got, want.map(<[_]>::to_vec), "{text:?}");
    }
}
