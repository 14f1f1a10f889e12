//! Scores as Redis from 7.2 on, Redict and Valkey print them: the digits of Grisu2, in their layout.
//!
//! Grisu2 works in 64-bit integers, never fails to round-trip, and in about one of a hundred
//! doubles does *not* find the shortest or the closest digits: 1e23 becomes
//! `99999999999999990000000`. Digests hash the text, so those flaws are part of the format, and a
//! better routine would give wrong answers.
//!
//! ```text
//! digits d1…dn and K with value = d1…dn × 10^K,  E = |K + n − 1|
//! K ≥ 0 and E < n + 7               digits, then K zeros
//! K < 0 and (K > −7 or E < 4)       plain decimal
//! otherwise                         d1[.d2…dn]e±E
//! ```

use super::ShortText;
use super::powers::{FIRST, POWERS, STEP};

/// The text of a double.
pub(super) fn text(value: f64) -> ShortText {
    let mut out = ShortText::default();
    if value.is_nan() {
        out.extend(b"nan");
        return out;
    }
    let negative = value.is_sign_negative();
    if negative {
        out.push(b'-');
    }
    if value == 0.0 {
        out.push(b'0');
    } else if value.is_infinite() {
        out.extend(b"inf");
    } else {
        let (digits, k) = digits(value.abs());
        lay_out(&mut out, &digits, k, negative);
    }
    out
}

/// Puts digits and exponent into one of the three layouts.
fn lay_out(out: &mut ShortText, digits: &[u8], k: i32, negative: bool) {
    let n = digits.len() as i32;
    let exponent = k + n - 1;
    let places = exponent.unsigned_abs();

    if k >= 0 && places < n.unsigned_abs() + 7 {
        out.extend(digits);
        out.zeros(k.unsigned_abs());
        return;
    }
    if k < 0 && (k > -7 || places < 4) {
        match usize::try_from(n + k) {
            Ok(whole @ 1..) => {
                let (before, after) = digits.split_at_checked(whole).unwrap_or((digits, b""));
                out.extend(before);
                out.push(b'.');
                out.extend(after);
            }
            _ => {
                out.extend(b"0.");
                out.zeros((n + k).unsigned_abs());
                out.extend(digits);
            }
        }
        return;
    }
    // The servers' buffer cuts the digits here, sooner by one behind a sign.
    let most = if negative { 17 } else { 18 };
    let digits = digits.get(..most).unwrap_or(digits);
    let (first, rest) = digits.split_at_checked(1).unwrap_or((digits, b""));
    out.extend(first);
    if !rest.is_empty() {
        out.push(b'.');
        out.extend(rest);
    }
    out.push(b'e');
    out.push(if exponent < 0 { b'-' } else { b'+' });
    out.extend(itoa::Buffer::new().format(places).as_bytes());
}

/// Where in the interval of doubles that round to ours the digits have to end.
struct Round {
    /// The width of the interval below its upper end, as far as digits may go.
    delta: u64,
    /// One unit of the last digit.
    unit: u64,
    /// The distance from the upper end to the value itself.
    target: u64,
}

/// Grisu2: digits and decimal exponent of a positive, finite double.
fn digits(value: f64) -> (ShortText, i32) {
    const HIDDEN: u64 = 1 << 52;
    let bits = value.to_bits();
    let fraction = bits & (HIDDEN - 1);
    let (f, e) = match (bits >> 52) as i32 {
        0 => (fraction, -1074),
        biased => (fraction | HIDDEN, biased - 1075),
    };

    // The ends of the interval and the value itself, all with the exponent that puts the upper
    // end's highest bit at bit 63.
    let up = 2 * f + 1;
    let shift = up.leading_zeros();
    let upper = up << shift;
    let upper_e = e - 1 - shift as i32;
    let (low, low_e) = if f == HIDDEN { (4 * f - 1, e - 2) } else { (2 * f - 1, e - 1) };
    let lower = low << (low_e - upper_e);
    let w = f << f.leading_zeros();

    let (power, power_e, k) = cached_power(upper_e);
    let upper = times(upper, power) - 1;
    let lower = times(lower, power) + 1;
    let scaled = times(w, power);
    let shift = (-(upper_e + power_e + 64)).unsigned_abs();
    generate(upper, lower, scaled, shift, -k)
}

/// The power of ten that brings a binary exponent into the range that [`generate`] works in.
fn cached_power(upper_e: i32) -> (u64, i32, i32) {
    // 10^k grows by 2^26.6 a step, the range is 28 wide: the first that fits is near this guess.
    let guess = (f64::from(-60 - upper_e - 64 + 63) * std::f64::consts::LOG10_2).floor() as i32;
    let index = ((guess - FIRST) / STEP - 2).clamp(0, POWERS.len() as i32 - 1);
    let mut k = FIRST + STEP * index;
    for &(power, power_e) in POWERS.get(index as usize..).unwrap_or_default() {
        let power_e = i32::from(power_e);
        if upper_e + power_e + 64 >= -60 {
            return (power, power_e, k);
        }
        k += STEP;
    }
    // Not reached: the table covers every double.
    (1 << 63, -63, 0)
}

/// The upper half of a product, rounded.
fn times(a: u64, b: u64) -> u64 {
    ((u128::from(a) * u128::from(b) + (1 << 63)) >> 64) as u64
}

/// The shortest run of digits that this method finds between `lower` and `upper`.
fn generate(upper: u64, lower: u64, value: u64, shift: u32, mut k: i32) -> (ShortText, i32) {
    let mut out = ShortText::default();
    let mut delta = upper.wrapping_sub(lower);
    let mut target = upper.wrapping_sub(value);
    let mask = (1_u64 << shift) - 1;
    let mut whole = upper >> shift;
    let mut part = upper & mask;

    let mut power = 1_000_000_000_u64;
    for place in (0..10).rev() {
        let digit = whole / power;
        if digit != 0 || !out.is_empty() {
            out.push(b'0' + digit as u8);
        }
        whole %= power;
        let rest = (whole << shift) + part;
        if rest <= delta {
            k += place;
            round(&mut out, rest, &Round { delta, unit: power << shift, target });
            return (out, k);
        }
        power /= 10;
    }

    // Each round multiplies delta by ten, so it ends long before the text is full.
    loop {
        part = part.wrapping_mul(10);
        delta = delta.wrapping_mul(10);
        target = target.wrapping_mul(10);
        k -= 1;
        let digit = part >> shift;
        if digit != 0 || !out.is_empty() {
            out.push(b'0' + digit as u8);
        }
        part &= mask;
        if part < delta || k < -400 {
            round(&mut out, part, &Round { delta, unit: 1 << shift, target });
            return (out, k);
        }
    }
}

/// Walks the last digit down while that brings the text closer to the value.
fn round(out: &mut ShortText, mut rest: u64, ends: &Round) {
    let Round { delta, unit, target } = *ends;
    let Some(last) = out.last_mut() else { return };
    while rest < target
        && delta - rest >= unit
        && (rest + unit < target || target - rest > rest + unit - target)
    {
        *last -= 1;
        rest += unit;
    }
}

#[cfg(test)]
mod tests {
    use super::text;

    #[track_caller]
    fn check(value: f64, want: &str) {
        assert_eq!(text(value).as_str(), want);
    }

    #[test]
    fn as_servers_print_it() {
        check(0.1, "0.1");
        check(0.1 + 0.2, "0.30000000000000004");
        check(1e-5, "0.00001");
        check(1.234e-6, "1.234e-6");
        check(1e7, "10000000");
        check(1e8, "1e+8");
        check(1e17, "1e+17");
        check(1e21, "1e+21");
        check(1e23, "99999999999999990000000");
        check(123_456_789_012_345_680.0, "123456789012345680");
        check(12_345_678_901_234_567_890.0, "12345678901234567000");
        check((1_u64 << 62) as f64, "4611686018427388000");
        check(1.5e-7, "1.5e-7");
        check(-1e7, "-10000000");
        check(5e-324, "5e-324");
        check(f64::MAX, "1.7976931348623157e+308");
        check(f64::MIN_POSITIVE, "2.2250738585072014e-308");
        check(0.0, "0");
        check(-0.0, "-0");
        check(f64::INFINITY, "inf");
        check(f64::NEG_INFINITY, "-inf");
    }

    #[test]
    fn every_text_reads_back_as_the_same_double() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..50_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let value = f64::from_bits(state);
            if value.is_finite() {
                let text = text(value);
                assert_eq!(text.as_str().parse::<f64>().unwrap().to_bits(), state, "{text}");
            }
        }
        for exponent in 0..2047_u64 {
            for fraction in [0, 1, (1 << 52) - 1] {
                let bits = exponent << 52 | fraction;
                let text = text(f64::from_bits(bits));
                assert_eq!(text.as_str().parse::<f64>().unwrap().to_bits(), bits, "{text}");
            }
        }
    }
}
