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

/// A number as C's `strtoull` takes the whole of a text for one: space, zeros and a sign in front
/// are no matter, a minus counts down from 2^64, and the text ends with its first zero byte. A
/// canonical integer below 0 is refused all the same.
pub fn loose_unsigned(text: &[u8]) -> Option<u64> {
    let text = text.split(|&byte| byte == 0).next()?;
    if let Some(n) = integer(text) {
        return u64::try_from(n).ok();
    }
    let space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = text.iter().position(|byte| !space(byte))?;
    let (digits, minus) = match text.get(start..)? {
        [b'-', rest @ ..] => (rest, true),
        [b'+', rest @ ..] => (rest, false),
        rest => (rest, false),
    };
    if digits.is_empty() {
        return None;
    }
    let value = digits.iter().try_fold(0_u64, |value, &byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then_some(())?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })?;
    Some(if minus { value.wrapping_neg() } else { value })
}

#[cfg(test)]
mod tests {
    use super::{integer, loose_unsigned};

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

    #[test]
    fn loose_numbers_are_those_of_c() {
        for (text, want) in [
            ("7", Some(7)),
            ("+07", Some(7)),
            (" \t\n7", Some(7)),
            ("-0", Some(0)),
            ("-02", Some(u64::MAX - 1)),
            ("-18446744073709551614", Some(2)),
            ("18446744073709551615", Some(u64::MAX)),
            ("3\0z", Some(3)),
            ("-2", None),
            ("18446744073709551616", None),
            ("", None),
            (" ", None),
            ("+", None),
            ("+-3", None),
            ("3 ", None),
            ("1.0", None),
        ] {
            assert_eq!(loose_unsigned(text.as_bytes()), want, "{text:?}");
        }
    }
}
