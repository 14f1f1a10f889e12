//! Words and numbers for a human's eye: counts, sizes, shares, times, keys; colour only where asked.

use std::fmt::{self, Display};

use bytesize::ByteSize;
use jiff::Timestamp;

use crate::bytes::quoted;

/// Whether text may carry colours.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    /// Colours and bold by ANSI escapes.
    pub color: bool,
}

impl Style {
    /// A heading.
    pub fn bold<T: Display>(self, text: T) -> Painted<T> {
        self.paint("1", text)
    }

    /// Something that stands back.
    pub fn dim<T: Display>(self, text: T) -> Painted<T> {
        self.paint("2", text)
    }

    /// Good news.
    pub fn good<T: Display>(self, text: T) -> Painted<T> {
        self.paint("1;32", text)
    }

    /// Bad news.
    pub fn bad<T: Display>(self, text: T) -> Painted<T> {
        self.paint("1;31", text)
    }

    /// Neither.
    pub fn warn<T: Display>(self, text: T) -> Painted<T> {
        self.paint("1;33", text)
    }

    /// A kind of value, as TYPE names it, in a colour of its own.
    pub fn kind<T: Display>(self, kind: &str, text: T) -> Painted<T> {
        let code = match kind {
            "list" => "34",
            "set" => "35",
            "zset" => "36",
            "hash" => "33",
            "stream" => "32",
            "array" => "94",
            "module" => "95",
            _ => return Painted { code: None, text },
        };
        self.paint(code, text)
    }

    fn paint<T: Display>(self, code: &'static str, text: T) -> Painted<T> {
        Painted { code: self.color.then_some(code), text }
    }
}

/// Text in a colour.
pub struct Painted<T> {
    code: Option<&'static str>,
    text: T,
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "\x1b[{code}m{}\x1b[0m", self.text),
            None => self.text.fmt(f),
        }
    }
}

/// A number with its thousands apart: `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 key`, `2 keys`.
pub fn plural(n: u64, one: &str) -> String {
    let (stem, end) = match one.strip_suffix('y') {
        Some(stem) if n != 1 && !stem.ends_with(['a', 'e', 'o', 'u']) => (stem, "ies"),
        _ if n == 1 => (one, ""),
        _ => (one, "s"),
    };
    format!("{} {stem}{end}", count(n))
}

/// The word that goes with so many: `1 key was`, `2 keys were`.
pub fn agreeing<'a>(n: u64, one: &'a str, several: &'a str) -> &'a str {
    if n == 1 { one } else { several }
}

/// A size for the eye: `512 B`, `1.2 MiB`.
pub fn size(bytes: u64) -> String {
    ByteSize(bytes).display().iec().to_string()
}

/// A part of a whole: `12.3 %`.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    #[expect(clippy::cast_precision_loss, reason = "for the eye")]
    let share = part as f64 * 100.0 / whole as f64;
    format!("{share:.1} %")
}

/// A point in time, in UTC to the second: `2026-11-23 14:00:05 UTC`.
pub fn instant(ms: i64) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(instant) => instant.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => format!("{ms} ms"),
    }
}

/// A point in time as RFC 3339; `None` where the calendar ends.
pub fn rfc3339(ms: i64) -> Option<String> {
    Timestamp::from_millisecond(ms).ok().map(|instant| instant.to_string())
}

/// A span in its two largest units: `3d 4h`.
pub fn span(ms: u64) -> String {
    const UNITS: [(u64, &str); 5] =
        [(365 * 86_400_000, "y"), (86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
    let mut left = ms;
    let mut parts = Vec::new();
    for (unit, name) in UNITS {
        if left >= unit {
            parts.push(format!("{}{name}", left / unit));
            left %= unit;
        } else if !parts.is_empty() {
            break;
        }
        if parts.len() == 2 {
            break;
        }
    }
    match ms {
        0 => "0s".to_owned(),
        1..1000 => format!("{ms}ms"),
        _ => parts.join(" "),
    }
}

/// When something expires, as seen from `now_ms`: `in 3d 4h`, `2h ago`.
pub fn expiry(at_ms: i64, now_ms: i64) -> String {
    let apart = span(at_ms.abs_diff(now_ms));
    if at_ms > now_ms { format!("in {apart}") } else { format!("{apart} ago") }
}

/// A key in quotes, its middle left out where it is longer than `width` characters.
pub fn key(bytes: &[u8], width: usize) -> String {
    // A key may be huge, and what is left out need not be quoted.
    let text = match (bytes.get(..4 * width), bytes.len().checked_sub(4 * width)) {
        (Some(head), Some(tail)) if tail > 4 * width => {
            quoted(&[head, bytes.get(tail..).unwrap_or_default()].concat()).to_string()
        }
        _ => quoted(bytes).to_string(),
    };
    let len = text.chars().count();
    if len <= width || width < 8 {
        return text;
    }
    let head: String = text.chars().take(width - width / 3 - 1).collect();
    let tail: String = text.chars().skip(len - width / 3).collect();
    format!("{head}…{tail}")
}

/// A space at which [`wrap`] does not break. Control characters in keys are escaped before this.
const GLUE: char = '\u{1}';

/// Makes one word of several, for [`wrap`].
pub fn glued(text: &str) -> String {
    text.replace(' ', "\u{1}")
}

/// Text broken at single spaces into lines of `width` columns. `used` columns of the first line are
/// taken already, and the lines below it are indented; a word that is wider than a line stays whole.
pub fn wrap(text: &str, used: usize, indent: usize, width: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut column = used;
    for (i, word) in text.split(' ').enumerate() {
        let len = word.chars().count();
        let space = usize::from(i > 0);
        if column + space + len > width && (i > 0 || used > indent) {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            column = indent + len;
        } else {
            out.extend(std::iter::repeat_n(' ', space));
            column += space + len;
        }
        out.extend(word.chars().map(|c| if c == GLUE { ' ' } else { c }));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_where_a_line_ends() {
        assert_eq!(wrap("aa bb cc", 0, 2, 5), "aa bb\n  cc");
        assert_eq!(wrap("aa bb cc", 4, 2, 6), "aa\n  bb\n  cc");
        assert_eq!(wrap("aa bb", 5, 2, 6), "\n  aa\n  bb");
        assert_eq!(wrap("aaaaaaaa b", 0, 2, 5), "aaaaaaaa\n  b");
        assert_eq!(wrap(" aa", 4, 2, 5), "\n  aa");
        assert_eq!(wrap("", 3, 2, 5), "");
        assert_eq!(wrap(&format!("aa {}", glued("bb cc")), 0, 2, 7), "aa\n  bb cc");
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1000), "1,000");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(plural(1, "key"), "1 key");
        assert_eq!(plural(2, "key"), "2 keys");
        assert_eq!(plural(0, "library"), "0 libraries");
        assert_eq!(percent(1, 3), "33.3 %");
        assert_eq!(percent(0, 0), "-");
        assert_eq!(size(1536), "1.5 KiB");
    }

    #[test]
    fn times_are_readable() {
        assert_eq!(instant(1_700_000_000_000), "2023-11-14 22:13:20 UTC");
        assert_eq!(instant(i64::MAX), "9223372036854775807 ms");
        assert_eq!(span(0), "0s");
        assert_eq!(span(7), "7ms");
        assert_eq!(span(90_061_000), "1d 1h");
        assert_eq!(span(86_400_000), "1d");
        assert_eq!(span(86_401_000), "1d");
        assert_eq!(expiry(2000, 1000), "in 1s");
        assert_eq!(expiry(1000, 3_601_000), "1h ago");
    }

    #[test]
    fn a_long_key_keeps_both_ends() {
        assert_eq!(key(b"user:1", 48), "\"user:1\"");
        let long = key(&[b'a'; 100], 20);
        assert_eq!(long.chars().count(), 20);
        assert!(long.starts_with("\"aaa") && long.ends_with("aaa\""));
    }

    #[test]
    fn colour_is_asked_for() {
        assert_eq!(Style { color: true }.bold("x").to_string(), "\x1b[1mx\x1b[0m");
        assert_eq!(Style::default().bold("x").to_string(), "x");
    }
}
