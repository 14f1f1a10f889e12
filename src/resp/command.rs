//! A command: an array of bulk strings, seen where it lies.
//!
//! ```text
//! *3\r\n $3\r\nSET\r\n $3\r\nkey\r\n $5\r\nvalue\r\n
//! count  name          first argument ...
//! ```
//!
//! The view holds no list of its arguments: asking for them walks the lengths once more. The
//! counts and lengths are claims, and are only ever held against the bytes that are there.

use std::fmt;

use super::header;
use crate::bytes::quoted;

/// A borrowed command.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Command<'a> {
    frame: &'a [u8],
    name: &'a [u8],
    /// The frame behind the name and its line end.
    tail: &'a [u8],
    argc: u32,
    size_bytes: u64,
}

impl<'a> Command<'a> {
    /// Reads a command written as servers write it; `None` for anything else, or if the input
    /// ends first. This is the quick way: whoever gets `None` asks a slower reader why.
    #[inline(always)]
    pub fn strict(input: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (argc, rest) = header::strict(input, b'*')?;
        if argc == 0 || argc > i32::MAX as u64 {
            return None;
        }
        let (name, tail) = bulk(rest)?;
        let mut rest = tail;
        for _ in 1..argc {
            (_, rest) = bulk(rest)?;
        }
        let size = input.len() - rest.len();
        let (frame, _) = input.split_at_checked(size)?;
        let (tail, _) = tail.split_at_checked(tail.len() - rest.len())?;
        Some((Command { frame, name, tail, argc: argc as u32, size_bytes: size as u64 }, rest))
    }

    /// Puts the bulk strings of a command into `into`, the name first, in place of what was there:
    /// of a command that [`strict`](Self::strict) has read before, whose last line end is not
    /// looked at again. `None` where there is no such command.
    #[inline(always)]
    pub(crate) fn bulks(input: &'a [u8], into: &mut Vec<&'a [u8]>) -> Option<()> {
        into.clear();
        let (argc, mut rest) = header::strict(input, b'*')?;
        for left in (0..argc).rev() {
            let (length, behind) = header::strict(rest, b'$')?;
            let (body, behind) = behind.split_at_checked(usize::try_from(length).ok()?)?;
            into.push(body);
            // Where the last one ends may be far from where it begins.
            if left > 0 {
                rest = behind.strip_prefix(b"\r\n")?;
            }
        }
        Some(())
    }

    /// The name of a command that is written as servers write it, how many bulk strings it has, and
    /// the input behind the name.
    #[inline]
    pub(crate) fn head(input: &'a [u8]) -> Option<(u64, &'a [u8], &'a [u8])> {
        let (argc, rest) = header::strict(input, b'*')?;
        let (name, rest) = bulk(rest)?;
        Some((argc, name, rest))
    }

    /// A bulk string that is written as servers write it, and the input behind it.
    #[inline]
    pub(crate) fn bulk(input: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        bulk(input)
    }

    /// A command whose frame has been walked by another reader. `tail` is the part of `frame`
    /// behind the name; `frame` may be only the head of the `size_bytes` that the command takes.
    pub(crate) fn walked(
        frame: &'a [u8],
        name: &'a [u8],
        tail: &'a [u8],
        argc: u32,
        size_bytes: u64,
    ) -> Self {
        Command { frame, name, tail, argc, size_bytes }
    }

    /// The bytes of the command; of one that is larger than the reader's window, the first of them.
    #[inline]
    pub fn frame(&self) -> &'a [u8] {
        self.frame
    }

    /// How many bytes the whole frame takes.
    #[inline]
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// How many bulk strings it has, the name included.
    #[inline]
    pub fn argc(&self) -> u32 {
        self.argc
    }

    /// The name as it was written, in any case.
    #[inline]
    pub fn name(&self) -> &'a [u8] {
        self.name
    }

    /// Whether this is the command of that name, in any case.
    #[inline]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// The first argument behind the name, which most commands take for their key.
    #[inline(always)]
    pub fn first(&self) -> Option<&'a [u8]> {
        match bulk(self.tail) {
            Some((body, _)) if self.argc > 1 => Some(body),
            _ => self.args().next(),
        }
    }

    /// The arguments behind the name. Of a command that is only there in part, those that are.
    #[inline]
    pub fn args(&self) -> Args<'a> {
        Args { rest: self.tail, left: self.argc.saturating_sub(1) }
    }
}

/// A bulk string as servers write it, and the input behind it.
#[inline(always)]
fn bulk(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = header::strict(input, b'$')?;
    let (body, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    match rest {
        [b'\r', b'\n', rest @ ..] => Some((body, rest)),
        _ => None,
    }
}

impl fmt::Debug for Command<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", quoted(self.name))?;
        self.args().try_for_each(|arg| write!(f, " {}", quoted(arg)))
    }
}

/// See [`Command::args`].
#[derive(Debug, Clone)]
pub struct Args<'a> {
    rest: &'a [u8],
    left: u32,
}

impl<'a> Iterator for Args<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        if let Some((body, rest)) = bulk(self.rest) {
            self.rest = rest;
            return Some(body);
        }
        let header = header::lenient(self.rest, true)?;
        let length = usize::try_from(header.value).ok()?;
        let (body, rest) = header.rest.split_at_checked(length)?;
        // A server steps over the two bytes behind an argument without looking at them.
        self.rest = rest.get(2..)?;
        Some(body)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::Command;

    #[test]
    fn a_command_is_seen_where_it_lies() {
        let bytes = b"*3\r\n$3\r\nSet\r\n$0\r\n\r\n$12\r\nab\r\n*1\r\n$1\r\n\r\n*1\r\n";
        let (command, rest) = Command::strict(bytes).expect("a command");
        assert_eq!(rest, b"*1\r\n");
        assert_eq!(command.frame().len(), bytes.len() - 4);
        assert_eq!(command.size_bytes(), command.frame().len() as u64);
        assert_eq!((command.argc(), command.name()), (3, &b"Set"[..]));
        assert!(command.is("SET"));
        let args: Vec<&[u8]> = command.args().collect();
        assert_eq!(args, [&b""[..], b"ab\r\n*1\r\n$1\r\n"]);
        assert_eq!(command.first(), Some(&b""[..]));
        let (ping, _) = Command::strict(b"*1\r\n$4\r\nPING\r\n$1\r\nx\r\n").expect("a command");
        assert_eq!((ping.first(), ping.args().next()), (None, None));
        assert_eq!(format!("{command:?}"), r#""Set" "" "ab\r\n*1\r\n$1\r\n""#);
    }

    #[test]
    fn bulk_strings_are_found_in_one_walk() {
        let bytes = b"*3\r\n$3\r\nSet\r\n$0\r\n\r\n$2\r\nab\r\n*1\r\n";
        let mut bulks = vec![&b"old"[..]];
        assert_eq!(Command::bulks(bytes, &mut bulks), Some(()));
        assert_eq!(bulks, [&b"Set"[..], b"", b"ab"]);
        let (argc, name, rest) = Command::head(bytes).expect("a head");
        assert_eq!((argc, name), (3, &b"Set"[..]));
        assert_eq!(Command::bulk(rest), Some((&b""[..], &bytes[19..])));
        assert_eq!(Command::bulks(&bytes[..19], &mut bulks), None);
    }

    #[test]
    fn no_cut_command_passes() {
        let bytes = b"*2\r\n$3\r\nGET\r\n$11\r\nhello world\r\n";
        for cut in 0..bytes.len() {
            assert!(Command::strict(&bytes[..cut]).is_none(), "cut at {cut}");
        }
        assert!(Command::strict(bytes).is_some());
    }

    #[test]
    fn claims_are_held_against_the_bytes() {
        for lie in [
            &b"*2147483647\r\n$1\r\nX\r\n"[..],
            b"*999999999999\r\n$1\r\nX\r\n",
            b"*1\r\n$999999999999999999\r\nX\r\n",
            b"*0\r\n",
            b"*1\r\n$-1\r\n",
        ] {
            assert!(Command::strict(lie).is_none(), "{lie:?}");
        }
    }

    #[test]
    fn arguments_that_are_not_there_end_the_list() {
        let head = b"*4\r\n$1\r\nX\r\n$1\r\na\r\n$1\r\nb\r\n$9\r\nabc";
        let command = Command::walked(head, b"X", &head[11..], 4, 999);
        assert_eq!(command.args().collect::<Vec<_>>(), [b"a", b"b"]);
    }
}
