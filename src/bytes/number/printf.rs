//! C's `%.17g`: seventeen significant digits, trailing zeros cut, an exponent of two digits or
//! more where the number is below 0.0001 or has more than seventeen places before the point.

use std::fmt::Write as _;

use super::ShortText;

/// The number of significant digits.
const DIGITS: i32 = 17;

/// The text of a double.
pub(super) fn printf_17g(value: f64) -> ShortText {
    let negative = value.is_sign_negative();
    if value.is_nan() {
        return word(negative, b"nan");
    }
    if value.is_infinite() {
        return word(negative, b"inf");
    }

    // The standard library gives the correctly rounded digits: d.dddddddddddddddde±x.
    let mut rounded = ShortText::default();
    // Writing to a stack buffer cannot fail.
    let _ = write!(rounded, "{:.16e}", value.abs());
    let mut halves = rounded.as_str().split('e');
    let mantissa = halves.next().unwrap_or_default();
    let exponent: i32 = halves.next().and_then(|text| text.parse().ok()).unwrap_or_default();
    let mut digits = ShortText::default();
    for &byte in mantissa.as_bytes() {
        if byte != b'.' {
            digits.push(byte);
        }
    }
    general(negative, digits, exponent)
}

/// A word with its sign.
pub(super) fn word(negative: bool, word: &[u8]) -> ShortText {
    let mut out = ShortText::default();
    if negative {
        out.push(b'-');
    }
    out.extend(word);
    out
}

/// The text of `d.ddd × 10^exponent`, the digits being those of a number rounded to seventeen.
pub(super) fn general(negative: bool, mut digits: ShortText, exponent: i32) -> ShortText {
    let mut out = word(negative, b"");
    digits.trim_zeros();
    let digits: &[u8] = if digits.is_empty() { b"0" } else { &digits };

    if !(-4..DIGITS).contains(&exponent) {
        let (first, rest) = digits.split_at_checked(1).unwrap_or((digits, b""));
        out.extend(first);
        if !rest.is_empty() {
            out.push(b'.');
            out.extend(rest);
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(out, "e{sign}{:02}", exponent.unsigned_abs());
    } else if exponent < 0 {
        out.extend(b"0.");
        out.zeros(exponent.unsigned_abs() - 1);
        out.extend(digits);
    } else {
        let whole = exponent.unsigned_abs() as usize + 1;
        match digits.split_at_checked(whole) {
            Some((before, after)) => {
                out.extend(before);
                if !after.is_empty() {
                    out.push(b'.');
                    out.extend(after);
                }
            }
            None => {
                out.extend(digits);
                out.zeros((whole - digits.len()) as u32);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::printf_17g;

    #[track_caller]
    fn check(value: f64, want: &str) {
        assert_eq!(printf_17g(value).as_str(), want);
    }

    #[test]
    fn as_c_prints_it() {
        check(0.0, "0");
        check(-0.0, "-0");
        check(1.0, "1");
        check(10.0, "10");
        check(100.5, "100.5");
        check(0.1, "0.10000000000000001");
        check(3.000_000_000_000_000_4, "3.0000000000000004");
        check(1e30, "1e+30");
        check(1e16, "10000000000000000");
        check(1e17, "1e+17");
        check(123_456_789_012_345_678.0, "1.2345678901234568e+17");
        check(0.0001, "0.0001");
        check(0.00001, "1.0000000000000001e-05");
        check(5e-324, "4.9406564584124654e-324");
        check(f64::MAX, "1.7976931348623157e+308");
        check(-1.5e-7, "-1.4999999999999999e-07");
        check(f64::INFINITY, "inf");
        check(f64::NEG_INFINITY, "-inf");
        check(f64::NAN, "nan");
    }
}
