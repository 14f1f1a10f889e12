//! Bytes for a human's eye: double quotes, and escapes for what a terminal would not show.

use std::fmt;

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

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn what_a_terminal_would_not_show_is_escaped() {
        assert_eq!(quoted(b"user:1").to_string(), r#""user:1""#);
        assert_eq!(quoted(b"a\"\\\r\n\x00\xff").to_string(), r#""a\"\\\r\n\x00\xff""#);
        assert_eq!(quoted("caf\u{e9}".as_bytes()).to_string(), "\"caf\u{e9}\"");
    }
}
