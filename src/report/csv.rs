//! CSV as RFC 4180 has it: fields in quotes where they must be, lines that end in CR LF.
//!
//! CSV has no bytes, only text. So a backslash is written `\\`, and a byte that is no part of
//! UTF-8 is written `\xNN`; a quote in front is written `\"`, since a key may also be given in
//! quotes. A reader that turns these back has the exact bytes: `get --escaped` does.

/// Appends text that is UTF-8 and its own escape (JSON) as one field in quotes.
pub(super) fn push_quoted(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    push_doubled(out, text);
    out.push(b'"');
}

/// Appends part of such a text, without the quotes around it.
pub(super) fn push_doubled(out: &mut Vec<u8>, text: &[u8]) {
    for piece in text.split_inclusive(|&byte| byte == b'"') {
        out.extend_from_slice(piece);
        if piece.ends_with(b"\"") {
            out.push(b'"');
        }
    }
}

/// Appends bytes as one field.
pub fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let plain = |byte: &u8| byte.is_ascii() && !matches!(byte, b'"' | b',' | b'\r' | b'\n' | b'\\');
    if bytes.iter().all(plain) {
        out.extend_from_slice(bytes);
        return;
    }
    let quotes = bytes.iter().any(|byte| matches!(byte, b'"' | b',' | b'\r' | b'\n'));
    if quotes {
        out.push(b'"');
    }
    let mut is_first = true;
    for chunk in bytes.utf8_chunks() {
        for &byte in chunk.valid().as_bytes() {
            match byte {
                // The quote in front of a key in quotes is none of the key.
                b'"' if is_first => out.extend_from_slice(b"\\\"\""),
                b'"' => out.extend_from_slice(b"\"\""),
                b'\\' => out.extend_from_slice(b"\\\\"),
                byte => out.push(byte),
            }
            is_first = false;
        }
        for byte in chunk.invalid() {
            is_first = false;
            out.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
        }
    }
    if quotes {
        out.push(b'"');
    }
}

/// Ends a line.
pub fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::push_bytes;

    #[track_caller]
    fn check(bytes: &[u8], want: &str) {
        let mut out = Vec::new();
        push_bytes(&mut out, bytes);
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        check(b"user:1", "user:1");
        check(b"a,b", "\"a,b\"");
        check(b"say \"hi\"\r\n", "\"say \"\"hi\"\"\r\n\"");
        check("caf\u{e9}".as_bytes(), "caf\u{e9}");
    }

    #[test]
    fn bytes_can_be_told_from_text_that_looks_like_them() {
        check(b"\xff\x00z", "\\xff\0z");
        check(b"\\xff", "\\\\xff");
    }
}
