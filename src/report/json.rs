//! JSON that keeps bytes exact.
//!
//! Keys and values are bytes. Those that are UTF-8 are a JSON string, all others are
//! `{"base64": "…"}`: nothing is replaced, nothing can be mistaken. Reports carry
//! `"schema": "rdbkit.<verb>/<version>"`; the version changes when a field changes its meaning or
//! goes away, not when one is added.

use std::io::Write;

use base64::Engine as _;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use crate::error::{Error, Result};

/// Bytes as JSON: a string where they are UTF-8, else `{"base64": "…"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes<'a>(pub &'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("base64", &STANDARD.encode(self.0))?;
                map.end()
            }
        }
    }
}

/// For `serialize_with`: a field of bytes.
pub fn bytes<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    Bytes(bytes).serialize(serializer)
}

/// For `serialize_with`: a field of bytes that may be missing.
pub fn optional_bytes<S: Serializer>(
    bytes: &Option<Vec<u8>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    bytes.as_deref().map(Bytes).serialize(serializer)
}

/// Appends bytes as JSON; the quick way for rows.
pub fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        // Escaping into memory cannot fail.
        Ok(text) => drop(serde_json::to_writer(out, text)),
        Err(_) => {
            out.extend_from_slice(b"{\"base64\":\"");
            // Neither can this.
            let _ = write!(out, "{}", Base64Display::new(bytes, &STANDARD));
            out.extend_from_slice(b"\"}");
        }
    }
}

/// Appends a number that JSON may not have: those that are not finite become strings.
pub fn push_double(out: &mut Vec<u8>, number: f64) {
    if number.is_finite() {
        drop(serde_json::to_writer(out, &number));
    } else if number.is_nan() {
        out.extend_from_slice(b"\"nan\"");
    } else {
        out.extend_from_slice(if number > 0.0 { b"\"inf\"" } else { b"\"-inf\"" });
    }
}

/// Writes a report as one indented document.
pub fn document<T: Serialize>(out: &mut dyn Write, report: &T) -> Result<()> {
    serde_json::to_writer_pretty(&mut *out, report).map_err(|error| failed(error.into()))?;
    out.write_all(b"\n").map_err(failed)
}

/// Writes an object on a line of its own.
pub fn line<T: Serialize>(out: &mut dyn Write, object: &T) -> Result<()> {
    serde_json::to_writer(&mut *out, object).map_err(|error| failed(error.into()))?;
    out.write_all(b"\n").map_err(failed)
}

/// A failure to write a result.
pub(crate) fn failed(cause: std::io::Error) -> Error {
    Error::io("cannot write the result", cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], want: &str) {
        assert_eq!(serde_json::to_string(&Bytes(bytes)).unwrap(), want);
        let mut out = Vec::new();
        push_bytes(&mut out, bytes);
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }

    #[test]
    fn text_is_a_string_and_the_rest_base64() {
        check(b"user:1", r#""user:1""#);
        check("caf\u{e9}\n\0".as_bytes(), "\"caf\u{e9}\\n\\u0000\"");
        check(b"\xff\x00", r#"{"base64":"/wA="}"#);
        check(b"", r#""""#);
    }

    #[test]
    fn what_json_has_no_number_for_is_a_string() {
        let mut out = Vec::new();
        for n in [1.5, -0.0, 0.1 + 0.2, f64::INFINITY, f64::NEG_INFINITY] {
            push_double(&mut out, n);
            out.push(b' ');
        }
        assert_eq!(out, br#"1.5 -0.0 0.30000000000000004 "inf" "-inf" "#);
    }
}
