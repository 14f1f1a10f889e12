//! JSON that keeps bytes exact.
//!
//! Keys and values are bytes. Those that are UTF-8 are a JSON string, all others are
//! `{"base64": "…"}`: nothing is replaced, nothing can be mistaken. Names of files are strings, those
//! that are no UTF-8 or hold control characters in quotes, as in text. Reports carry
//! `"schema": "rdbkit.<verb>/<version>"`; the version changes when a field changes its meaning or
//! goes away, not when one is added.

use std::borrow::Cow;
use std::fmt;
use std::io::Write;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, Serializer};

use super::short::{push_base64, push_escaped};
use crate::bytes::PathName as _;
use crate::bytes::number::whole;
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
#[inline]
pub fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    if is_plain(bytes) {
        out.push(b'"');
        out.extend_from_slice(bytes);
        out.push(b'"');
    } else {
        push_with_care(out, bytes);
    }
}

/// Appends bytes as JSON, `put` taking away what has been appended from time to time: for huge ones,
/// of which not all is to be held.
pub(crate) fn push_bytes_in_pieces<E>(
    out: &mut Vec<u8>,
    bytes: &[u8],
    put: &mut impl FnMut(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let is_text = std::str::from_utf8(bytes).is_ok();
    out.extend_from_slice(if is_text { b"\"" } else { b"{\"base64\":\"" });
    // A piece of three bytes each has no end in the middle.
    for piece in bytes.chunks(3 << 18) {
        if is_text {
            push_escaped(out, piece);
        } else {
            push_base64(out, piece);
        }
        put(out)?;
    }
    out.extend_from_slice(if is_text { b"\"" } else { b"\"}" });
    Ok(())
}

#[inline(never)]
fn push_with_care(out: &mut Vec<u8>, bytes: &[u8]) {
    if !bytes.is_ascii() && std::str::from_utf8(bytes).is_err() {
        out.push(b'{');
        return push_base64_field(out, bytes);
    }
    out.push(b'"');
    push_escaped(out, bytes);
    out.push(b'"');
}

/// Appends `"base64":"…"}`.
fn push_base64_field(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(b"\"base64\":\"");
    push_base64(out, bytes);
    out.extend_from_slice(b"\"}");
}

/// Appends bytes as `{"base64":"…"}`, whatever they are.
pub(crate) fn push_blob(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'{');
    push_base64_field(out, bytes);
}

/// Whether bytes are text that stands in a JSON string as it is, and ASCII.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    let (blocks, rest) = bytes.as_chunks::<32>();
    if !blocks.iter().all(is_plain_block) {
        return false;
    }
    let (words, rest) = rest.as_chunks::<8>();
    words.iter().all(|word| is_plain_8(u64::from_le_bytes(*word)))
        && rest.iter().all(|&byte| matches!(byte, 0x20..0x80) && !matches!(byte, b'"' | b'\\'))
}

/// The same of a block. Without a branch in it, this is done on many bytes at once.
#[inline(always)]
fn is_plain_block<const N: usize>(block: &[u8; N]) -> bool {
    let bad = block.iter().fold(0, |bad, &byte| {
        bad | u8::from(byte < 0x20)
            | u8::from(byte >= 0x80)
            | u8::from(byte == b'"')
            | u8::from(byte == b'\\')
    });
    bad == 0
}

/// The same of sixteen bytes.
#[inline(always)]
pub(crate) fn is_plain_16(block: &[u8; 16]) -> bool {
    is_plain_block(block)
}

/// The same of a word.
#[inline(always)]
pub(crate) fn is_plain_8(word: u64) -> bool {
    (special(word) | word & (ONES * 0x80)) == 0
}

/// A one in each byte of a word.
const ONES: u64 = 0x0101_0101_0101_0101;

/// Marks the bytes of a word that no JSON string may have as they are. The lowest mark is right;
/// those above it may be too many.
#[inline]
pub(crate) fn special(word: u64) -> u64 {
    let zero_in = |word: u64| word.wrapping_sub(ONES) & !word;
    let controls = word.wrapping_sub(ONES * 0x20) & !word;
    let quotes = zero_in(word ^ (ONES * u64::from(b'"')));
    let slashes = zero_in(word ^ (ONES * u64::from(b'\\')));
    (controls | quotes | slashes) & (ONES * 0x80)
}

/// Appends a whole number.
#[inline]
pub(crate) fn push_number(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// A number that JSON may not have, by how it is written: those that are not finite become strings.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Double {
    /// A whole number, with `.0` behind it.
    Whole(i64),
    /// As few digits as tell it from all others.
    Finite(f64),
    /// This.
    None(&'static str),
}

impl Double {
    #[inline]
    pub(crate) fn of(number: f64) -> Self {
        if let Some(whole) = whole(number) {
            return Double::Whole(whole);
        }
        match number {
            _ if number.is_finite() => Double::Finite(number),
            f64::INFINITY => Double::None("\"inf\""),
            f64::NEG_INFINITY => Double::None("\"-inf\""),
            _ => Double::None("\"nan\""),
        }
    }
}

/// Appends a number that JSON may not have.
#[inline]
pub fn push_double(out: &mut Vec<u8>, number: f64) {
    match Double::of(number) {
        Double::Whole(n) => {
            push_number(out, n);
            out.extend_from_slice(b".0");
        }
        Double::Finite(n) => {
            out.extend_from_slice(zmij::Buffer::new().format_finite(n).as_bytes());
        }
        Double::None(word) => out.extend_from_slice(word.as_bytes()),
    }
}

/// Bytes out of JSON: a string, or `{"base64": "…"}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blob<'a>(pub(crate) Cow<'a, [u8]>);

impl<'de: 'a, 'a> Deserialize<'de> for Blob<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Blob<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or {\"base64\": \"…\"}")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Blob(Cow::Borrowed(text.as_bytes())))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Blob(Cow::Owned(text.as_bytes().to_vec())))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let entry = map.next_entry::<Cow<'de, str>, Cow<'de, str>>()?;
                let bytes = match entry {
                    Some((name, text)) if name == "base64" => STANDARD.decode(text.as_bytes()),
                    _ => return Err(A::Error::custom("bytes are a string or a base64")),
                };
                if map.next_key::<IgnoredAny>()?.is_some() {
                    return Err(A::Error::custom("there is more beside the base64"));
                }
                // The decoder counts from the start of the text, which nobody sees.
                let wrong = |_| A::Error::custom("what stands under base64 is no base64");
                bytes.map(|bytes| Blob(Cow::Owned(bytes))).map_err(wrong)
            }
        }
        deserializer.deserialize_any(Either)
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

/// For `serialize_with`: a path, as text says it.
pub(crate) fn path<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.shown())
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
        let mut told = Vec::new();
        let mut out = Vec::new();
        let put = &mut |out: &mut Vec<u8>| -> Result<(), ()> {
            told.append(out);
            Ok(())
        };
        push_bytes_in_pieces(&mut out, bytes, put).unwrap();
        told.append(&mut out);
        assert_eq!(String::from_utf8(told).unwrap(), want);
    }

    #[test]
    fn pieces_are_joined_without_a_seam() {
        let text = "caf\u{e9} \"x\"\n".repeat(100_000);
        check(text.as_bytes(), &serde_json::to_string(&text).unwrap());
        let noise: Vec<u8> = (0..2_000_001_u32).map(|n| (n.wrapping_mul(n) >> 3) as u8).collect();
        check(&noise, &format!("{{\"base64\":\"{}\"}}", STANDARD.encode(&noise)));
    }

    #[test]
    fn text_is_a_string_and_the_rest_base64() {
        check(b"user:1", r#""user:1""#);
        check("caf\u{e9}\n\0".as_bytes(), "\"caf\u{e9}\\n\\u0000\"");
        check(b"\xff\x00", r#"{"base64":"/wA="}"#);
        check(b"", r#""""#);
    }

    /// The quick way is held against the plain one, with what needs care at every place.
    #[test]
    fn every_byte_at_every_place_of_a_word() {
        for care in ["\"", "\\", "\n", "\u{1f}", "\u{7f}", " ", "\u{e9}", "!", "[", "]", "\u{0}"] {
            for len in [1, 7, 8, 9, 31, 33, 40, 70] {
                for at in 0..len {
                    let text = format!("{}{care}{}", "a".repeat(at), "\u{1}".repeat(len - at - 1));
                    check(text.as_bytes(), &serde_json::to_string(&text).unwrap());
                    let text = format!("{}{care}{}", "a".repeat(at), " ".repeat(len - at - 1));
                    check(text.as_bytes(), &serde_json::to_string(&text).unwrap());
                }
            }
        }
    }

    #[test]
    fn bytes_come_back() {
        let check = |text: &str, want: Option<&[u8]>| {
            let read = serde_json::from_str::<Blob<'_>>(text).ok();
            assert_eq!(read.as_ref().map(|blob| &*blob.0), want, "{text}");
        };
        check(r#""caf\u00e9""#, Some("caf\u{e9}".as_bytes()));
        check(r#""plain""#, Some(b"plain"));
        check(r#"{"base64":"/wA="}"#, Some(b"\xff\x00"));
        check(r#"{"base64":"/w"}"#, None);
        check(r#"{"base32":"AA"}"#, None);
        check(r#"{"base64":"/wA=","more":1}"#, None);
        check("7", None);
    }

    #[test]
    fn what_json_has_no_number_for_is_a_string() {
        let mut out = Vec::new();
        for n in [1.5, -0.0, 0.1 + 0.2, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -7.0, 1e300] {
            push_double(&mut out, n);
            out.push(b' ');
        }
        let want = br#"1.5 -0.0 0.30000000000000004 "inf" "-inf" "nan" -7.0 1e+300 "#;
        assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(want));
    }
}
