//! The header lines of the wire form: `*<arguments>\r\n` and `$<bytes>\r\n`.
//!
//! ```text
//! written by servers        digits without padding, then CRLF
//! read by a server's loader a line up to LF or 1023 bytes, given to strtol: blanks, a sign and
//!                           zeros before the digits and anything behind them are let through
//! ```
//!
//! [`strict`] takes what servers write and is as quick as it can be. [`lenient`] takes what they
//! read, and says how far that is from what they write. The danger is between the two: a header
//! that is damaged may still be read, as another number.

/// The longest line that a loader (7.0 and newer) reads in one go, with its line end.
pub const LINE_MAX_BYTES: usize = 1023;

/// The longest line that the check tools read as a header, with its line end.
const CHECK_LINE_MAX_BYTES: usize = 127;

/// How a header is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As servers write it.
    Strict,
    /// With blanks, a sign or zeros before the digits: servers and their check tools read it.
    Loose,
    /// With LF alone behind the digits: servers read it, their check tools do not.
    BareLineFeed,
    /// With something behind the digits: servers read it, their check tools do not.
    Stray,
}

/// A header line as a loader reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// The number; too large ones stop at the ends of the range.
    pub value: i64,
    /// How it is written.
    pub form: Form,
    /// Whether the line has its LF; only the last line of the data may lack it.
    pub ended: bool,
    /// What the line holds behind the mark.
    pub text: &'a [u8],
    /// The input behind the line.
    pub rest: &'a [u8],
}

/// Reads a header as servers write it, `mark` being `*` or `$`; anything else is `None`.
#[inline(always)]
pub fn strict(input: &[u8], mark: u8) -> Option<(u64, &[u8])> {
    match input {
        [m, a @ b'0'..=b'9', b'\r', b'\n', rest @ ..] if *m == mark => Some((digit(*a), rest)),
        [m, a @ b'1'..=b'9', b @ b'0'..=b'9', b'\r', b'\n', rest @ ..] if *m == mark => {
            Some((digit(*a) * 10 + digit(*b), rest))
        }
        [m, b'1'..=b'9', b'0'..=b'9', b'0'..=b'9', ..] if *m == mark => longer(input),
        _ => None,
    }
}

#[inline(always)]
fn digit(byte: u8) -> u64 {
    u64::from(byte - b'0')
}

/// Headers of three digits and more, whose mark and first digits have been looked at.
#[inline]
fn longer(input: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    // Eighteen digits fit in 63 bits; no length is longer.
    for (i, &byte) in input.iter().enumerate().skip(1).take(19) {
        match byte {
            b'0'..=b'9' if i <= 18 => value = value * 10 + digit(byte),
            b'\r' => return input.get(i + 1..)?.strip_prefix(b"\n").map(|rest| (value, rest)),
            _ => return None,
        }
    }
    None
}

/// Reads a header as a loader does. The mark has been looked at. `None` asks for more bytes;
/// where there are none (`ended`) the line ends with the input.
#[cold]
pub fn lenient(input: &[u8], ended: bool) -> Option<Header<'_>> {
    let window = input.get(..LINE_MAX_BYTES).unwrap_or(input);
    let (line, whole) = match window.iter().position(|&b| b == b'\n') {
        Some(at) => (input.get(..at + 1)?, true),
        None if window.len() == LINE_MAX_BYTES => (window, false),
        None if ended => (window, false),
        None => return None,
    };
    let rest = input.get(line.len()..)?;
    let text = line.get(1..)?;
    let (value, padded, tail) = number(text);
    let form = match tail {
        _ if line.len() > CHECK_LINE_MAX_BYTES => Form::Stray,
        b"\r\n" if !padded => Form::Strict,
        b"\r\n" => Form::Loose,
        b"\n" => Form::BareLineFeed,
        _ => Form::Stray,
    };
    // A line that fills the loader's buffer ends there, whatever follows.
    let ended = whole || line.len() == LINE_MAX_BYTES;
    Some(Header { value, form, ended, text, rest })
}

/// strtol: the number, whether it is written otherwise than plainly, and what follows it.
fn number(text: &[u8]) -> (i64, bool, &[u8]) {
    let blanks = text.iter().take_while(|b| matches!(b, b' ' | b'\t'..=b'\r')).count();
    let after = text.get(blanks..).unwrap_or(&[]);
    let (negative, signed, digits) = match after {
        [b'-', digits @ ..] => (true, true, digits),
        [b'+', digits @ ..] => (false, true, digits),
        digits => (false, false, digits),
    };
    let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    if count == 0 {
        return (0, true, text);
    }
    let mut value = 0_i64;
    for &byte in digits.iter().take(count) {
        let digit = i64::from(byte - b'0');
        let step = value.saturating_mul(10);
        value = if negative { step.saturating_sub(digit) } else { step.saturating_add(digit) };
    }
    let zero_padded = count > 1 && digits.first() == Some(&b'0');
    (value, blanks > 0 || signed || zero_padded, digits.get(count..).unwrap_or(&[]))
}

#[cfg(test)]
mod tests {
    use super::{Form, lenient, strict};

    #[test]
    fn what_servers_write_is_read_the_quick_way() {
        assert_eq!(strict(b"*3\r\nx", b'*'), Some((3, &b"x"[..])));
        assert_eq!(strict(b"$0\r\n\r\n", b'$'), Some((0, &b"\r\n"[..])));
        assert_eq!(strict(b"$42\r\n", b'$'), Some((42, &b""[..])));
        assert_eq!(strict(b"$120\r\n", b'$'), Some((120, &b""[..])));
        let most = b"$999999999999999999\r\n";
        assert_eq!(strict(most, b'$'), Some((999_999_999_999_999_999, &b""[..])));
        for other in [
            &b""[..],
            b"*",
            b"*3",
            b"*3\r",
            b"*3\n",
            b"*3\rx",
            b"* 3\r\n",
            b"*03\r\n",
            b"*+3\r\n",
            b"*-1\r\n",
            b"*\r\n",
            b"$3\r\n",
            b"*3x\r\n",
            b"*123\n",
            b"*123",
            b"*1000000000000000000\r\n",
        ] {
            assert_eq!(strict(other, b'*'), None, "{other:?}");
        }
    }

    #[test]
    fn what_servers_read_is_wider() {
        check(b"*3\r\nx", 3, Form::Strict, 4);
        check(b"* 3\r\n", 3, Form::Loose, 5);
        check(b"*\t\x0b+003\r\n", 3, Form::Loose, 9);
        check(b"*-1\r\n", -1, Form::Loose, 5);
        check(b"*3\nx", 3, Form::BareLineFeed, 3);
        check(b"*3x\r\n", 3, Form::Stray, 5);
        check(b"*3\r\r\n", 3, Form::Stray, 5);
        check(b"*3\0\0\r\n", 3, Form::Stray, 6);
        check(b"*\r\n", 0, Form::Loose, 3);
        check(b"*x\r\n", 0, Form::Stray, 4);
        check(b"$99999999999999999999999\r\n", i64::MAX, Form::Strict, 26);
        check(b"$-99999999999999999999999\r\n", i64::MIN, Form::Loose, 27);
    }

    #[test]
    fn a_line_ends_where_the_loaders_buffer_does() {
        let mut long = b"*3".to_vec();
        long.resize(2000, b' ');
        check(&long, 3, Form::Stray, 1023);
        assert_eq!(lenient(&long[..1022], false), None);
        let header = lenient(&long[..1022], true).unwrap();
        assert!(!header.ended);
    }

    #[track_caller]
    fn check(input: &[u8], value: i64, form: Form, taken: usize) {
        let header = lenient(input, false).expect("a line");
        assert_eq!((header.value, header.form), (value, form), "{input:?}");
        assert!(header.ended);
        assert_eq!(input.len() - header.rest.len(), taken, "{input:?}");
    }
}
