//! Canonical integer text: what a server may store as an integer without changing what it reads.
//!
//! ```text
//! "0"   or   ["-"] nonzero-digit { digit }    within 64 signed bits, so at most 20 characters
//! ```
//!
//! No plus, no leading zero, no `-0`, no spaces: such texts stay strings.

/// The integer that `text` is the canonical decimal of.
#[inline]
pub fn integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    // Nineteen digits cannot overflow a u64.
    let mut value = 0_u64;
    for &digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    if negative { 0_i64.checked_sub_unsigned(value) } else { i64::try_from(value).ok() }
}

#[cfg(test)]
mod tests {
    use super::integer;

    #[track_caller]
    fn check(text: &str, want: Option<i64>) {
        assert_eq!(integer(text.as_bytes()), want, "{text:?}");
    }

    #[test]
    fn canonical_texts() {
        for n in [0, 1, -1, 9, 10, -10, 65536, i64::MAX, i64::MIN, i64::MAX - 1, i64::MIN + 1] {
            check(&n.to_string(), Some(n));
        }
    }

    #[test]
    fn everything_else_is_a_string() {
        let others = [
            "",
            "-",
            "+1",
            "-0",
            "00",
            "007",
            "0x10",
            " 1",
            "1 ",
            "1.0",
            "1e3",
            "--1",
            "-01",
            "1\0",
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999",
            "12345678901234567890",
            "-99999999999999999999999",
            "a",
            "1a",
            "1:",
            "1/",
        ];
        for text in others {
            check(text, None);
        }
    }
}
