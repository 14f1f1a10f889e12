//! Bytes for a human's eye: double quotes, and escapes for what a terminal would not show.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

/// Displays bytes in double quotes, with the escapes that the servers' own tools use.
pub fn quoted(bytes: &[u8]) -> Quoted<'_> {
    Quoted(bytes)
}

/// See [`quoted`].
#[derive(Clone, Copy)]
pub struct Quoted<'a>(&'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '"' | '\\' => write!(f, "\\{c}")?,
                    '\n' => f.write_str("\\n")?,
                    '\r' => f.write_str("\\r")?,
                    '\t' => f.write_str("\\t")?,
                    c if c.is_control() => {
                        for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                            write!(f, "\\x{byte:02x}")?;
                        }
                    }
                    c if is_invisible(c) => write!(f, "\\u{{{:x}}}", u32::from(c))?,
                    c => write!(f, "{c}")?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        f.write_str("\"")
    }
}

/// A name of a file, for reports and sentences.
pub trait PathName {
    /// Displays the name: as it is, or as [`quoted`] where it is no UTF-8, where it holds what would
    /// break a line or move a terminal, and where it looks as if it were quoted. So no two files have
    /// one name, and [`unquoted`] has the bytes of one in quotes.
    fn shown(&self) -> ShownName<'_>;
}

impl PathName for OsStr {
    fn shown(&self) -> ShownName<'_> {
        let is_plain = |name: &&str| {
            !name.starts_with('"') && !name.chars().any(|c| c.is_control() || is_invisible(c))
        };
        match self.to_str().filter(is_plain) {
            Some(name) => ShownName::Plain(name),
            None => ShownName::Quoted(Quoted(self.as_encoded_bytes())),
        }
    }
}

impl PathName for Path {
    fn shown(&self) -> ShownName<'_> {
        self.as_os_str().shown()
    }
}

/// See [`PathName::shown`].
#[derive(Clone, Copy)]
pub enum ShownName<'a> {
    /// As it is.
    Plain(&'a str),
    /// In quotes.
    Quoted(Quoted<'a>),
}

impl fmt::Display for ShownName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ShownName::Plain(name) => f.write_str(name),
            ShownName::Quoted(name) => name.fmt(f),
        }
    }
}

/// The bytes of the name that [`PathName::shown`] displays so.
pub(crate) fn name_bytes(shown: &str) -> Cow<'_, [u8]> {
    match shown.starts_with('"').then(|| unquoted(shown.as_bytes())).flatten() {
        Some(bytes) => bytes.into(),
        None => shown.as_bytes().into(),
    }
}

/// The path that [`PathName::shown`] displays so.
pub(crate) fn path_of(shown: &str) -> PathBuf {
    let bytes = name_bytes(shown);
    #[cfg(unix)]
    return PathBuf::from(<OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(&bytes));
    #[cfg(not(unix))]
    PathBuf::from(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether a terminal shows nothing for a character, or what stands around it in another order:
/// with these in it, a key can pass for another.
pub fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// The bytes that [`quoted`] displays so, with or without the quotes around them; `None` where an
/// escape is none of its own.
pub fn unquoted(text: &[u8]) -> Option<Vec<u8>> {
    let inner = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\""));
    let mut rest = inner.unwrap_or(text).iter().copied();
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next()? {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? << 4 | digit()?).ok()?
            }
            b'u' => {
                let c = braced(&mut rest)?;
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            byte @ (b'"' | b'\\') => byte,
            _ => return None,
        });
    }
    Some(bytes)
}

/// A character by its number, `{202e}`.
fn braced(rest: &mut impl Iterator<Item = u8>) -> Option<char> {
    if rest.next()? != b'{' {
        return None;
    }
    let mut number = 0_u32;
    loop {
        match rest.next()? {
            b'}' => return char::from_u32(number),
            digit => number = number.checked_mul(16)? + char::from(digit).to_digit(16)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Path, PathName as _, path_of, quoted, unquoted};

    #[test]
    fn what_is_quoted_comes_back() {
        for bytes in
            [b"user:1".as_slice(), b"a\"\\\r\n\x00\xff", b"", b"\xc3\xa9\xc3", b"\xe2\x80\xae"]
        {
            assert_eq!(unquoted(quoted(bytes).to_string().as_bytes()).as_deref(), Some(bytes));
        }
        assert_eq!(unquoted(b"\\x61b").as_deref(), Some(b"ab".as_slice()));
        for wrong in [b"\\".as_slice(), b"\\q", b"\\x1", b"\\xg1", b"\\u{", b"\\u{d800}", b"\\u12"]
        {
            assert_eq!(unquoted(wrong), None);
        }
    }

    #[test]
    fn names_of_files_are_shown_and_found_again() {
        let check = |path: &Path, want: &str| {
            let shown = path.shown().to_string();
            assert_eq!(shown, want);
            assert_eq!(path_of(&shown), path);
        };
        check(Path::new("a b\\\"\u{e9}/c.rdb"), "a b\\\"\u{e9}/c.rdb");
        check(Path::new("a\n\u{1b}[31m"), "\"a\\n\\x1b[31m\"");
        check(Path::new("a\u{202e}"), "\"a\\u{202e}\"");
        check(Path::new("\"a\""), "\"\\\"a\\\"\"");
        check(Path::new("\"a"), "\"\\\"a\"");
        check(Path::new(""), "");
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStrExt as _;
            let name = std::ffi::OsStr::from_bytes(b"caf\xe9.rdb");
            check(Path::new(name), "\"caf\\xe9.rdb\"");
        }
    }

    #[test]
    fn what_a_terminal_would_not_show_is_escaped() {
        assert_eq!(quoted(b"user:1").to_string(), r#""user:1""#);
        assert_eq!(quoted(b"a\"\\\r\n\x00\xff").to_string(), r#""a\"\\\r\n\x00\xff""#);
        assert_eq!(quoted("caf\u{e9}".as_bytes()).to_string(), "\"caf\u{e9}\"");
        let turned = "a\u{202e}b\u{200b}".as_bytes();
        assert_eq!(quoted(turned).to_string(), r#""a\u{202e}b\u{200b}""#);
    }
}
