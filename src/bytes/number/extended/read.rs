//! The text of a number as `strtold` reads it, without its sign: all digits count, however many.

use super::big::Big;
use super::{Size, round};

/// Digits with a point and an exponent. Zero out of digits that are not zero is refused.
pub(super) fn decimal(body: &[u8]) -> Option<Size> {
    let (mantissa, exponent) = halves(body, b'e')?;
    let mut scale = exponent;
    let (mut digits, mut any, mut point) = (Vec::with_capacity(mantissa.len()), false, false);
    for &byte in mantissa {
        match byte {
            b'.' if !point => point = true,
            b'0'..=b'9' => {
                any = true;
                if byte != b'0' || !digits.is_empty() {
                    digits.push(byte - b'0');
                }
                scale -= i64::from(point);
            }
            _ => return None,
        }
    }
    while digits.last() == Some(&0) {
        digits.pop();
        scale += 1;
    }
    if !any {
        return None;
    }
    if digits.is_empty() {
        return Some(Size::Zero);
    }
    // The value is below 10^top and at least a tenth of it.
    let top = digits.len() as i64 + scale;
    if !(-4960..=4940).contains(&top) {
        return None;
    }
    let size = match u64::try_from(number(&digits).unwrap_or(u128::MAX)) {
        Ok(number) if (-18..=0).contains(&scale) => {
            // Short ones: 64 bits of quotient and more, and what remains.
            let shift = number.leading_zeros() as i32 + 64;
            let by = 10_u128.pow(scale.unsigned_abs() as u32);
            let number = u128::from(number) << shift;
            round(number / by, !number.is_multiple_of(by), -shift)
        }
        _ => long_decimal(&digits, scale as i32),
    };
    (size != Size::Zero).then_some(size)
}

fn number(digits: &[u8]) -> Option<u128> {
    let digit = |sum: u128, &digit: &u8| sum * 10 + u128::from(digit);
    (digits.len() <= 30).then(|| digits.iter().fold(0, digit))
}

pub(super) fn long_decimal(digits: &[u8], scale: i32) -> Size {
    let mut number = Big::default();
    for &digit in digits {
        number.multiply_add(10, u32::from(digit));
    }
    if scale >= 0 {
        number.raise(scale.unsigned_abs());
        let (top, sticky, exponent) = number.top();
        return round(top, sticky, exponent);
    }
    let mut by = Big::from(1);
    by.raise(scale.unsigned_abs());
    // Both get the same length, and then one bit of quotient a step.
    let apart = number.bits() as i32 - by.bits() as i32;
    if apart > 0 {
        by.shift_left(apart.unsigned_abs());
    } else {
        number.shift_left(apart.unsigned_abs());
    }
    const STEPS: i32 = 72;
    let mut quotient = 0_u128;
    for _ in 0..STEPS {
        quotient <<= 1;
        if number.subtract(&by) {
            quotient |= 1;
        }
        number.shift_left(1);
    }
    round(quotient, number.bits() > 0, apart - STEPS + 1)
}

/// What stands behind `0x`.
pub(super) fn hexadecimal(body: &[u8]) -> Option<Size> {
    let (mantissa, mut exponent) = halves(body, b'p')?;
    let (mut bits, mut sticky, mut any, mut point) = (0_u128, false, false, false);
    for &byte in mantissa {
        if byte == b'.' && !point {
            point = true;
            continue;
        }
        let digit = char::from(byte).to_digit(16)?;
        any = true;
        if bits >> 120 == 0 {
            bits = bits << 4 | u128::from(digit);
            exponent -= if point { 4 } else { 0 };
        } else {
            sticky |= digit != 0;
            exponent += if point { 0 } else { 4 };
        }
    }
    if !any {
        return None;
    }
    let size = round(bits, sticky, exponent.clamp(-100_000, 100_000) as i32);
    (size != Size::Zero || bits == 0).then_some(size)
}

/// What stands in front of the exponent's letter, and the exponent; 0 where there is none.
fn halves(body: &[u8], letter: u8) -> Option<(&[u8], i64)> {
    let Some(at) = body.iter().position(|byte| byte.eq_ignore_ascii_case(&letter)) else {
        return Some((body, 0));
    };
    let (mantissa, exponent) = body.split_at_checked(at)?;
    let (negative, digits) = match exponent.get(1..)? {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value = 0_i64;
    for &byte in digits {
        // Beyond any number it stops growing.
        value = (value * 10 + i64::from(char::from(byte).to_digit(10)?)).min(1 << 40);
    }
    Some((mantissa, if negative { -value } else { value }))
}
