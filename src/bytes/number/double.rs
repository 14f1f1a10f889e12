//! What a server accepts as a score: C's `strtod` over the whole text, and then some refusals.
//!
//! ```text
//! [+-] digits [. digits] [e [+-] digits]        also ".5" and "5."
//! [+-] 0x hexdigits [. hexdigits] [p [+-] digits]
//! [+-] inf | infinity | nan | nan(letters)      in any case
//! ```
//!
//! No space anywhere (ZADD, Redis 7.0 to 8.10 and Valkey 8.1). The danger is the range: a command
//! refuses `1e400` and `1e-400`, while a file's loader takes them for infinity and zero.

/// Where servers and places differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DoubleRules {
    /// Whether hexadecimal floats count (Valkey 9.1 refuses them).
    pub hex: bool,
    /// Whether what no double can hold becomes infinity or zero instead of being refused.
    pub saturate: bool,
}

impl DoubleRules {
    /// What commands accept.
    pub const COMMAND: DoubleRules = DoubleRules { hex: true, saturate: false };
    /// What a snapshot's loader makes of a score.
    pub const LOADER: DoubleRules = DoubleRules { hex: true, saturate: true };
}

/// The score that a command would take `text` for. NaN is told apart, so that the caller can
/// refuse it in its own words.
#[inline]
pub fn parse_double(text: &[u8]) -> Option<f64> {
    parse_double_by(text, DoubleRules::COMMAND)
}

/// The double that `text` is by `rules`; it may be NaN.
pub fn parse_double_by(text: &[u8], rules: DoubleRules) -> Option<f64> {
    let (negative, body) = match text {
        [b'-', body @ ..] => (true, body),
        [b'+', body @ ..] => (false, body),
        body => (false, body),
    };
    let size = match body {
        [b'0', b'x' | b'X', hex @ ..] if rules.hex => hex_float(hex, rules)?,
        [b'0'..=b'9' | b'.', ..] => decimal(body, rules)?,
        _ => word(body)?,
    };
    Some(if negative { -size } else { size })
}

/// Digits with a point and an exponent, without sign.
fn decimal(body: &[u8], rules: DoubleRules) -> Option<f64> {
    // Digits and a point, and not too many of them: what nearly every score is.
    if let Some(value) = short_decimal(body) {
        return Some(value);
    }
    // The standard library takes exactly the decimal forms of strtod, and rounds correctly.
    let value: f64 = std::str::from_utf8(body).ok()?.parse().ok()?;
    if !rules.saturate {
        let mantissa = body.split(|byte| matches!(byte, b'e' | b'E')).next().unwrap_or_default();
        let nonzero = mantissa.iter().any(|byte| matches!(byte, b'1'..=b'9'));
        if value.is_infinite() || (value == 0.0 && nonzero) {
            return None;
        }
    }
    Some(value)
}

/// The longest text that [`short_decimal`] looks at: `d.dddddddddddddddddde-dd`.
const SHORT: usize = 24;

/// The powers of ten that a u64 holds.
#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks it")]
const POWERS: [u64; 20] = {
    let mut powers = [1; 20];
    let mut n = 1;
    while n < powers.len() {
        powers[n] = powers[n - 1] * 10;
        n += 1;
    }
    powers
};

/// A decimal whose digits and whose power of ten fit 64 bits each: exact, because it is one
/// multiplication or division of integers, rounded once. Of others it says nothing.
#[inline]
fn short_decimal(body: &[u8]) -> Option<f64> {
    if body.len() > SHORT {
        return None;
    }
    // Too many digits are dismissed below.
    let mut digits = 0;
    let mut rest = take_digits(body, &mut digits);
    let (mut count, mut places, mut exponent) = (body.len() - rest.len(), 0, 0);
    if let [b'.', fraction @ ..] = rest {
        rest = take_digits(fraction, &mut digits);
        places = fraction.len() - rest.len();
        count += places;
    }
    if let [b'e', text @ ..] = rest {
        exponent = short_exponent(text)?;
    } else if !rest.is_empty() {
        return None;
    }
    if count == 0 || count >= POWERS.len() {
        return None;
    }
    let exponent = exponent - places as isize;
    let power = *POWERS.get(exponent.unsigned_abs())?;
    Some(if exponent < 0 {
        divide(digits, power)
    } else {
        (u128::from(digits) * u128::from(power)) as f64
    })
}

/// Takes the digits that a text begins with into `number`, and returns the rest.
#[inline(always)]
fn take_digits<'t>(text: &'t [u8], number: &mut u64) -> &'t [u8] {
    let mut rest = text;
    while let Some((&eight, after)) = rest.split_first_chunk()
        && let Some(eight) = eight_digits(eight)
    {
        *number = number.wrapping_mul(100_000_000).wrapping_add(eight);
        rest = after;
    }
    while let [digit @ b'0'..=b'9', after @ ..] = rest {
        *number = number.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        rest = after;
    }
    rest
}

/// The number that eight digits are: neighbours are joined to numbers of two, four, eight digits,
/// all at once in one register.
#[inline(always)]
fn eight_digits(text: [u8; 8]) -> Option<u64> {
    let digits = u64::from_le_bytes(text) ^ 0x3030_3030_3030_3030;
    // What is above nine has bit 7 set already, or gets it here.
    let above = digits | digits.wrapping_add(0x7676_7676_7676_7676);
    if above & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    let pairs = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours * 10_000 + (fours >> 32)) & 0xffff_ffff)
}

/// One or two digits with a sign, as servers write them.
#[inline]
fn short_exponent(text: &[u8]) -> Option<isize> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| isize::from(byte - b'0'));
    let size = match *text {
        [_, one] => digit(one)?,
        [_, ten, one] => digit(ten)? * 10 + digit(one)?,
        _ => return None,
    };
    match text.first()? {
        b'+' => Some(size),
        b'-' => Some(-size),
        _ => None,
    }
}

/// The double nearest to a quotient; ties go to even. `divisor` is a power of ten.
#[inline]
fn divide(dividend: u64, divisor: u64) -> f64 {
    // Up to 2^53 both are doubles themselves: ten to the 19th is five to the 19th with a shift.
    if dividend <= 1 << 53 {
        return dividend as f64 / divisor as f64;
    }
    let (up, down) = (dividend.leading_zeros(), divisor.leading_zeros());
    let divisor = divisor << down;
    let shifted = u128::from(dividend << up) << 62;
    // Between 2^61 and 2^63: more bits than a double keeps, so one more can stand for the rest.
    let quotient = (shifted / u128::from(divisor)) as u64;
    let rest = (shifted as u64).wrapping_sub(quotient.wrapping_mul(divisor));
    let rounded = (quotient | u64::from(rest != 0)) as f64;
    let exponent = i64::from(down) - i64::from(up) - 62;
    rounded * f64::from_bits(((1023 + exponent) as u64) << 52)
}

/// Infinity and NaN by name.
fn word(body: &[u8]) -> Option<f64> {
    if body.eq_ignore_ascii_case(b"inf") || body.eq_ignore_ascii_case(b"infinity") {
        return Some(f64::INFINITY);
    }
    let (name, payload) = body.split_at_checked(3)?;
    let well_formed = match payload {
        [] => true,
        [b'(', inner @ .., b')'] => inner.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_'),
        _ => false,
    };
    (name.eq_ignore_ascii_case(b"nan") && well_formed).then_some(f64::NAN)
}

/// What stands behind `0x`.
fn hex_float(text: &[u8], rules: DoubleRules) -> Option<f64> {
    let mut split = text.splitn(2, |byte| matches!(byte, b'p' | b'P'));
    let mantissa = split.next()?;
    let mut exponent = match split.next() {
        None => 0,
        Some(text) => binary_exponent(text)?,
    };

    // 64 bits of mantissa and, for all that lies below them, whether any of it was set.
    let (mut bits, mut sticky, mut any, mut point) = (0_u64, false, false, false);
    for &byte in mantissa {
        if byte == b'.' && !point {
            point = true;
            continue;
        }
        let digit = char::from(byte).to_digit(16)?;
        any = true;
        if bits >> 60 == 0 {
            bits = bits << 4 | u64::from(digit);
            exponent -= if point { 4 } else { 0 };
        } else {
            sticky |= digit != 0;
            exponent += if point { 0 } else { 4 };
        }
    }
    if !any {
        return None;
    }
    let value = assemble(bits, sticky, exponent);
    let lost = value.is_infinite() || (value == 0.0 && bits != 0);
    (rules.saturate || !lost).then_some(value)
}

/// The exponent behind `p`; beyond any double it stops growing.
fn binary_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value = 0_i64;
    for &byte in digits {
        let digit = char::from(byte).to_digit(10)?;
        value = (value * 10 + i64::from(digit)).min(1 << 40);
    }
    Some(if negative { -value } else { value })
}

/// The double nearest to `bits × 2^exponent` and a bit more if `sticky`; ties go to even.
fn assemble(bits: u64, sticky: bool, exponent: i64) -> f64 {
    if bits == 0 {
        return 0.0;
    }
    let shift = bits.leading_zeros();
    let bits = bits << shift;
    // The value is 1.xxx × 2^top.
    let top = exponent - i64::from(shift) + 63;
    if top > 1023 {
        return f64::INFINITY;
    }
    // A normal double keeps 53 bits; below 2^-1022 it keeps fewer, at last none.
    let keep = if top >= -1022 { 53 } else { 53 - (-1022 - top) };
    if keep < 0 {
        return 0.0;
    }
    let drop = (64 - keep) as u32;
    let (kept, rest) =
        if drop == 64 { (0, bits) } else { (bits >> drop, bits & ((1 << drop) - 1)) };
    let half = 1_u64 << (drop - 1);
    let up = rest > half || (rest == half && (sticky || kept & 1 == 1));
    let kept = kept + u64::from(up);
    // Adding instead of joining lets a carry out of the mantissa raise the exponent.
    let biased = if top >= -1022 { ((top + 1022) as u64) << 52 } else { 0 };
    f64::from_bits(biased + kept)
}

#[cfg(test)]
mod tests {
    use super::{DoubleRules, parse_double, parse_double_by};

    #[track_caller]
    fn check(text: &str, want: Option<f64>) {
        let got = parse_double(text.as_bytes()).map(f64::to_bits);
        assert_eq!(got, want.map(f64::to_bits), "{text:?}");
    }

    #[test]
    fn decimals() {
        check("0", Some(0.0));
        check("-0", Some(-0.0));
        check("+5", Some(5.0));
        check("007", Some(7.0));
        check(".5", Some(0.5));
        check("5.", Some(5.0));
        check("1e3", Some(1000.0));
        check("1E+3", Some(1000.0));
        check("-1.5e-7", Some(-1.5e-7));
        check("0.1", Some(0.1));
        check("5e-324", Some(5e-324));
        check("3e-324", Some(5e-324));
        check("1.7976931348623157e308", Some(f64::MAX));
        check("0e-400", Some(0.0));
        check("0e999999999999", Some(0.0));
    }

    #[test]
    fn short_decimals_are_what_the_standard_library_says() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for round in 0..200_000_u64 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // Every length and every place of the point, and values beside ties.
            let digits = match round % 4 {
                0 => state,
                1 => (state | 1 << 63) >> 10 << 1 | 1,
                2 => (1 << 53) + (state >> 62),
                _ => state >> (state & 63),
            };
            let mut text = digits.to_string();
            let at = (state >> 32) as usize % (text.len() + 2);
            if at <= text.len() {
                text.insert(at, '.');
            }
            if round % 3 != 0 {
                text.push_str(&format!("e{:+}", (state >> 40) as i64 % 30 - 15));
            }
            let want: f64 = text.parse().unwrap();
            check(&text, Some(want));
        }
        check("6.4249447275541606e+4", Some(64_249.447_275_541_606));
        check("1e+22", Some(1e22));
        check("9007199254740993", Some(9_007_199_254_740_992.0));
        check("9007199254740995", Some(9_007_199_254_740_996.0));
        check("0.000000000000000000", Some(0.0));
        check("18446744073709551616", Some(18_446_744_073_709_551_616.0));
        check("1844674407370955161.7", Some(1_844_674_407_370_955_161.7));
    }

    #[test]
    fn words() {
        for text in ["inf", "+inf", "INF", "Infinity", "infinity"] {
            check(text, Some(f64::INFINITY));
            check(&format!("-{}", text.trim_start_matches('+')), Some(f64::NEG_INFINITY));
        }
        for text in ["nan", "NaN", "-nan", "+nan", "nan(12_a)", "nan()"] {
            assert!(parse_double(text.as_bytes()).unwrap().is_nan());
        }
    }

    #[test]
    fn hexadecimals() {
        check("0x10", Some(16.0));
        check("-0X1p-1", Some(-0.5));
        check("0x.8", Some(0.5));
        check("0x1.8p+1", Some(3.0));
        check("0x1.fffffffffffffp1023", Some(f64::MAX));
        check("0x0.0000000000001p-1022", Some(5e-324));
        check("0x1p-1074", Some(5e-324));
        check("0x1.8p-1075", Some(5e-324));
        check("0x0p-9999", Some(0.0));
        check("0x1000000000000000000000", Some(2_f64.powi(84)));
        check("0x1.00000000000008p0", Some(1.0));
        check("0x1.000000000000080000000000001p0", Some(1.000_000_000_000_000_2));
        check("0x1.00000000000018p0", Some(1.000_000_000_000_000_4));
        check("0x0.00000000000000000000000000001p116", Some(1.0));
        // Half of the smallest double is a tie, and zero is even.
        check("0x1p-1075", None);
        check("0x1p1024", None);
        check("0x1.fffffffffffff8p1023", None);
        check("0x1p99999999999999999999999999", None);
        for text in ["0x", "0x.", "0xp1", "0x1p", "0x1p+", "0xg", "0x1.2.3", "0x 1"] {
            check(text, None);
        }
        let no_hex = DoubleRules { hex: false, saturate: false };
        assert_eq!(parse_double_by(b"0x10", no_hex), None);
    }

    #[test]
    fn what_is_no_score() {
        let others = [
            "", " ", "+", "-", ".", "e5", "1e", "1e+", " 1", "1 ", "1\n", "1\0", "--1", "+-1",
            "1_0", "1,5", "infi", "in", "nanx", "nan(", "nan(-)", "1e400", "-1e400", "1e-400",
            "1d", "\u{ff11}",
        ];
        for text in others {
            check(text, None);
        }
    }

    #[test]
    fn a_loader_saturates() {
        let load = |text: &str| parse_double_by(text.as_bytes(), DoubleRules::LOADER);
        assert_eq!(load("1e400"), Some(f64::INFINITY));
        assert_eq!(load("-1e400"), Some(f64::NEG_INFINITY));
        assert_eq!(load("1e-400"), Some(0.0));
        assert_eq!(load("0x1p1024"), Some(f64::INFINITY));
    }
}
