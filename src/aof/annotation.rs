//! Annotations: lines beginning with `#` between commands, which loading skips.
//!
//! ```text
//! #TS:1700000000\r\n     the unix second from which on the commands behind it were written
//! #anything\n            also let through, also as a last line without an end
//! ```
//!
//! A loader (7.0 and newer; older ones refuse annotations) reads 1023 bytes at most, line end
//! included, and takes what follows for the start of a command. That is the one danger here.

use crate::error::{Fault, Parsed, bad};
use crate::resp::header::LINE_MAX_BYTES;

/// One annotation line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Annotation<'a> {
    line: &'a [u8],
}

/// What an annotation says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// `#TS:`, digits, CR LF.
    Timestamp(u64),
    /// `#TS:` and something that is no such time: loading does not care, cutting a log at a time
    /// fails.
    BadTimestamp,
    /// Anything else.
    Comment,
}

impl<'a> Annotation<'a> {
    /// Reads the annotation that the input begins with; the `#` has been looked at. Where there
    /// are no more bytes (`ended`), the line may end with the input.
    pub fn parse(input: &'a [u8], ended: bool) -> Parsed<'a, Self> {
        let window = input.get(..LINE_MAX_BYTES).unwrap_or(input);
        let length = match window.iter().position(|&b| b == b'\n') {
            Some(at) => at + 1,
            None if window.len() == LINE_MAX_BYTES => {
                return bad(input, Fault::AnnotationLength { limit: LINE_MAX_BYTES as u64 });
            }
            None if ended => window.len(),
            None => return bad(input, Fault::Truncated { need: 0, have: window.len() as u64 }),
        };
        let (line, rest) = input.split_at_checked(length).unwrap_or((input, &[]));
        Ok((rest, Annotation { line }))
    }

    /// The whole line with its end.
    pub fn line(&self) -> &'a [u8] {
        self.line
    }

    /// Whether the line has an end.
    pub fn is_ended(&self) -> bool {
        self.line.ends_with(b"\n")
    }

    /// What it says.
    pub fn meaning(&self) -> Meaning {
        let Some(time) = self.line.strip_prefix(b"#TS:") else { return Meaning::Comment };
        let Some(digits) = time.strip_suffix(b"\r\n") else { return Meaning::BadTimestamp };
        // Eighteen digits are more seconds than there will be, and cannot overflow.
        if digits.is_empty() || digits.len() > 18 || !digits.iter().all(u8::is_ascii_digit) {
            return Meaning::BadTimestamp;
        }
        Meaning::Timestamp(digits.iter().fold(0, |n, &d| n * 10 + u64::from(d - b'0')))
    }

    /// The unix second it gives, if it gives one.
    pub fn timestamp_secs(&self) -> Option<u64> {
        match self.meaning() {
            Meaning::Timestamp(secs) => Some(secs),
            Meaning::BadTimestamp | Meaning::Comment => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Annotation, Meaning};

    #[test]
    fn times_are_digits_and_crlf() {
        check(b"#TS:1700000000\r\n", Meaning::Timestamp(1_700_000_000));
        check(b"#TS:0\r\n", Meaning::Timestamp(0));
        for bad in [&b"#TS:\r\n"[..], b"#TS:12\n", b"#TS:-1\r\n", b"#TS: 1\r\n", b"#TS:12"] {
            check(bad, Meaning::BadTimestamp);
        }
        check(b"#TS:9999999999999999999\r\n", Meaning::BadTimestamp);
        check(b"#ts:1\r\n", Meaning::Comment);
        check(b"#\n", Meaning::Comment);
        check(b"#", Meaning::Comment);
    }

    #[test]
    fn a_line_is_at_most_1023_bytes() {
        let line = |total: usize| [&b"#"[..], &vec![b'x'; total - 2], b"\n*"].concat();
        let (fits, long) = (line(1023), line(1024));
        let (rest, annotation) = Annotation::parse(&fits, false).unwrap();
        assert_eq!((rest, annotation.line().len()), (&b"*"[..], 1023));
        let error = Annotation::parse(&long, false).unwrap_err();
        assert_eq!(crate::error::unwrap_bad(error).fault.code(), "annotation-length");
    }

    #[test]
    fn only_the_last_line_may_lack_its_end() {
        assert!(Annotation::parse(b"#x", false).is_err());
        assert!(!Annotation::parse(b"#x", true).unwrap().1.is_ended());
    }

    #[track_caller]
    fn check(line: &[u8], want: Meaning) {
        let (rest, annotation) = Annotation::parse(line, true).expect("an annotation");
        assert!(rest.is_empty());
        assert_eq!(annotation.meaning(), want);
    }
}
